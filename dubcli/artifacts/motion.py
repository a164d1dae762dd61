"""`motion`'s artifact: the mouth shapes that one face takes in one shot."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILE = "motion.npz"


@dataclass(frozen=True)
class Motion:
    """Wanted mouths of T consecutive frames.

    Attributes:
        frames: (T,) int32 film-wide frame numbers.
        shape: (T, P, 3) float32 canonical mouth shapes, outer-eye distances.
        weight: (T,) float32 0–1, how much of the patch is blended in; 0 leaves the pixels alone.
        opening: (T,) float32 aperture of the lips, outer-eye distances.
        closed: (T,) float32 0–1, how surely the lips must meet.
        found_shape, found_weight: both as they were before a person edited them; None where nobody did.
    """

    frames: NDArray[np.int32]
    shape: NDArray[np.float32]
    weight: NDArray[np.float32]
    opening: NDArray[np.float32]
    closed: NDArray[np.float32]
    found_shape: NDArray[np.float32] | None = None
    found_weight: NDArray[np.float32] | None = None

    @property
    def found(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Shape and weight before an edit, None where there was none."""
        if self.found_shape is None or self.found_weight is None:
            return None
        return self.found_shape, self.found_weight

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those that there are, by name."""
        rows = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: values for name, values in rows.items() if values is not None}

    @classmethod
    def load(cls, folder: Path) -> Motion:
        """Read the motion of a face."""
        from dubcli.artifacts import arrays

        return cls(**arrays.read(folder / _FILE))

    def save(self, folder: Path) -> None:
        """Write it into an artifact's folder."""
        import numpy as np

        np.savez_compressed(folder / _FILE, **self.arrays)


def table(folder: Path) -> Path:
    """The same curves as a person edits them, a CSV (`edits.curvefile`)."""
    return folder / "motion.csv"
