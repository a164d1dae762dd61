"""`lips`'s artifact: mouth patches of one face in one shot; `media.patches` reads their pixels.

On disk frames count from the shot's first one, as those of its tracks do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dubcli.artifacts.base import Document
from dubcli.artifacts.shots import first_frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INDEX = "patch.npz"
_PICTURES = "patch.nut"
_IN_SHOT = "in_shot"  # frames, counted from the shot's first one


class PatchFacts(Document):
    """`lips.json`.

    Attributes:
        engine: the lip engine's name.
        frames: number of frames that were requested.
        changed: number of frames that have a visible patch.
        in_shot: the same frames as half-open ranges, counted from the shot's first frame: planning reads no
            arrays.
        given_back: number of frames that the engine left to the source.
        confidence: mean confidence of the patches, None where there is none.
    """

    FILE: ClassVar[str] = "lips.json"

    engine: str
    frames: int
    changed: int
    in_shot: tuple[tuple[int, int], ...]
    given_back: int
    confidence: float | None = None

    @classmethod
    @lru_cache(maxsize=8192)  # stages are planned one by one, and an artifact never changes
    def planned(cls, folder: Path) -> PatchFacts:
        """`load` for planning, which asks for the facts of thousands of faces more than once."""
        return cls.load(folder)

    def spans(self, shot: str) -> list[tuple[int, int]]:
        """The frames that have a visible patch, as half-open ranges of film-wide numbers."""
        first = first_frame(shot)
        return [(first + start, first + stop) for start, stop in self.in_shot]


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
    def load(cls, folder: Path, shot: str) -> Placement:
        """The placement in an artifact's folder, of a face in a shot; no rows where nothing was changed."""
        import numpy as np

        from dubcli.artifacts import arrays

        if not (folder / _INDEX).exists():
            return cls(np.zeros(0, np.int32), np.zeros((0, 2), np.int32), np.zeros(0, np.float32))
        box = arrays.read(folder / _INDEX)
        return cls(frames=box.pop(_IN_SHOT) + first_frame(shot), **box)

    def save(self, folder: Path, shot: str) -> None:
        """Write it into an artifact's folder."""
        import numpy as np

        box = {f.name: getattr(self, f.name) for f in fields(self)}
        in_shot = box.pop("frames") - first_frame(shot)
        np.savez_compressed(folder / _INDEX, **{_IN_SHOT: in_shot}, **box)


def pictures(folder: Path) -> Path:
    """Path of the patches' pixels, lossless video with alpha; missing where nothing was changed."""
    return folder / _PICTURES


FILES = (PatchFacts.FILE, _INDEX, _PICTURES)
"""The files of the artifact."""
