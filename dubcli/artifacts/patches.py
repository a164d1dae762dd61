"""`lips`'s artifact: mouth patches of one face in one shot; `media.patches` reads their pixels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dubcli.artifacts.base import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INDEX = "patch.npz"
_PICTURES = "patch.nut"


class PatchFacts(Document):
    """`lips.json`.

    Attributes:
        engine: the lip engine's name.
        frames: number of frames that were requested.
        changed: number of frames that have a visible patch.
        spans: the same frames as half-open ranges of film-wide numbers: planning reads no arrays.
        given_back: number of frames that the engine left to the source.
        confidence: mean confidence of the patches, None where there is none.
    """

    FILE: ClassVar[str] = "lips.json"

    engine: str
    frames: int
    changed: int
    spans: tuple[tuple[int, int], ...]
    given_back: int
    confidence: float | None = None


class Choice(Document):
    """`choice.json`, only where an engine left a face to another one.

    Attributes:
        engine: name of the lip engine that drew it.
        why: the reason, for display.
    """

    FILE: ClassVar[str] = "choice.json"

    engine: str
    why: str

    @classmethod
    def among(cls, folder: Path) -> bool:
        """Whether an artifact's folder has one."""
        return (folder / cls.FILE).is_file()


@dataclass(frozen=True)
class Placement:
    """Position and frame of patches, one row a patch.

    Attributes:
        frames: (n,) int32 film-wide frame numbers, rising.
        origin: (n, 2) int32 position (x, y) of the first pixel in square pixels, both even.
        confidence: (n,) float32 0–1, how well the reference frames match the target.
    """

    frames: NDArray[np.int32]
    origin: NDArray[np.int32]
    confidence: NDArray[np.float32]

    @classmethod
    def load(cls, folder: Path) -> Placement:
        """The placement in an artifact's folder; no rows where nothing was changed."""
        import numpy as np

        from dubcli.artifacts import arrays

        if not (folder / _INDEX).exists():
            return cls(np.zeros(0, np.int32), np.zeros((0, 2), np.int32), np.zeros(0, np.float32))
        return cls(**arrays.read(folder / _INDEX))

    def save(self, folder: Path) -> None:
        """Write it into an artifact's folder."""
        import numpy as np

        np.savez_compressed(folder / _INDEX, **{f.name: getattr(self, f.name) for f in fields(self)})


def pictures(folder: Path) -> Path:
    """Path of the patches' pixels, lossless video with alpha; missing where nothing was changed."""
    return folder / _PICTURES


FILES = (PatchFacts.FILE, _INDEX, _PICTURES)
"""The files of the artifact."""
