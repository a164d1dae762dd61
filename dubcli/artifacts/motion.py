"""`motion`'s artifact: the target mouth shapes of one face in one shot.

On disk frames count from the shot's first one, as those of its tracks do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.artifacts.shots import first_frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILE = "motion.npz"
_IN_SHOT = "in_shot"  # frames, counted from the shot's first one


@dataclass(frozen=True)
class Motion:
    """Target mouth shapes of T consecutive frames.

    Attributes:
        frames: (T,) int32 film-wide frame numbers.
        shape: (T, P, 3) float32 canonical mouth shapes, outer-eye distances.
        weight: (T,) float32 0–1, blend weight of the patch; 0 leaves the pixels unchanged.
        aperture: (T,) float32 aperture of the inner lips, outer-eye distances.
        closed: (T,) float32 0–1, probability that the lips must be closed.
        found_shape, found_weight: shape and weight without a person's edits; None where there are none.
    """

    frames: NDArray[np.int32]
    shape: NDArray[np.float32]
    weight: NDArray[np.float32]
    aperture: NDArray[np.float32]
    closed: NDArray[np.float32]
    found_shape: NDArray[np.float32] | None = None
    found_weight: NDArray[np.float32] | None = None

    @property
    def found(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Shape and weight without a person's edits, None where there are none."""
        if self.found_shape is None or self.found_weight is None:
            return None
        return self.found_shape, self.found_weight

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that are not None, by name."""
        rows = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: values for name, values in rows.items() if values is not None}

    @classmethod
    def load(cls, folder: Path, shot: str) -> Motion:
        """The motion in an artifact's folder, of a face in that shot."""
        from dubcli.artifacts import arrays

        box = arrays.read(folder / _FILE)
        return cls(frames=box.pop(_IN_SHOT) + first_frame(shot), **box)

    def save(self, folder: Path, shot: str) -> None:
        """Write it into an artifact's folder."""
        import numpy as np

        box = self.arrays
        in_shot = box.pop("frames") - first_frame(shot)
        np.savez_compressed(folder / _FILE, **{_IN_SHOT: in_shot}, **box)


def curves(folder: Path, shot: str) -> dict[str, NDArray[Any]]:
    """Arrays of an artifact's motion with one value a frame, by name, of a face in a shot: no shapes."""
    from dubcli.artifacts import arrays

    box = arrays.read(folder / _FILE, _IN_SHOT, "weight", "aperture", "closed")
    return {"frames": box.pop(_IN_SHOT) + first_frame(shot), **box}
