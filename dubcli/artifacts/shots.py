"""`scan`'s and `split`'s artifacts: time and digest of every frame, where packets can be cut, and shots."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dubcli.artifacts.base import Document, Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FRAMES = "frames.npz"
_CHANGE = "change.npz"


class Shot(Strict):
    """A range of frames without a cut.

    Attributes:
        name: its first frame's number, eight digits or more.
        start, stop: film-wide frame numbers, half-open.
        picture: digest of its decoded frames and of what describes them, wherever the shot is.
    """

    name: str
    start: int
    stop: int
    picture: str


def first_frame(shot: str) -> int:
    """The first frame of a shot, which is its name."""
    return int(shot)


class Shots(Document):
    """`shots.json`.

    Attributes:
        shots: all shots in order; they span the film without gaps.
        skipped: names of those that a person said are never to be touched; None for none.
    """

    FILE: ClassVar[str] = "shots.json"
    SPARSE: ClassVar[bool] = True

    shots: tuple[Shot, ...]
    skipped: tuple[str, ...] | None = None

    @property
    def count(self) -> int:
        """Number of frames of the film."""
        return self.shots[-1].stop

    def named(self) -> dict[str, Shot]:
        """The shots by name, in order."""
        return {shot.name: shot for shot in self.shots}


class Groups(Document):
    """`groups.json`: the groups of pictures at which the film's packets can be cut.

    Group g holds the frames `starts[g]` … `starts[g + 1] − 1`; its first stored picture is `keys[g]`. In an
    open group, pictures presented earlier than that one depend on the previous group, so the two can only be
    copied together.

    Attributes:
        starts: first frames of the groups, rising from 0.
        keys: the frame of each group from which decoding can start.
        fixed: which groups cannot be copied: an edit list hides some of their packets.
        stops: frames within groups at which a copy may end: every packet stored earlier is shown earlier, so
            none of those needs a later one. Rising.
        reason: why nothing can be copied, "" where something can.
        damaged: whether packets or frames of the film are damaged.
    """

    FILE: ClassVar[str] = "groups.json"

    starts: tuple[int, ...] = (0,)
    keys: tuple[int, ...] = (0,)
    fixed: tuple[bool, ...] = (False,)
    stops: tuple[int, ...] = ()
    reason: str = ""
    damaged: bool = False


@dataclass(frozen=True)
class Frames:
    """`frames.npz`: the authority on time.

    Attributes:
        pts: (N,) int64 presentation times in ticks, rising.
        digest: (N, 16) uint8 digests of the decoded frames.
        tick: seconds per tick.
    """

    pts: NDArray[np.int64]
    digest: NDArray[np.uint8]
    tick: Fraction

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(N,) seconds from the film's first frame to each frame."""
        import numpy as np

        return np.asarray((self.pts - self.pts[0]) * (self.tick.numerator / self.tick.denominator))

    @classmethod
    @lru_cache(maxsize=2)  # units of single shots look into a film's by the thousand
    def load(cls, folder: Path) -> Frames:
        """The frames in the folder of a `scan` or `split` artifact, read once in a process."""
        from dubcli.artifacts import arrays

        box = arrays.read(folder / _FRAMES)
        for rows in box.values():
            rows.flags.writeable = False
        return cls(box["pts"], box["digest"], Fraction(*map(int, box["time_base"])))

    def save(self, folder: Path) -> None:
        """Write them into an artifact's folder."""
        import numpy as np

        base = np.array([self.tick.numerator, self.tick.denominator], np.int64)
        np.savez_compressed(folder / _FRAMES, pts=self.pts, digest=self.digest, time_base=base)


def change(folder: Path) -> NDArray[np.float64]:
    """How much every frame differs from the one before it (`media.shots`), (N,), of a `scan` artifact."""
    from dubcli.artifacts import arrays

    return arrays.read(folder / _CHANGE)["change"]


def save_change(folder: Path, scores: NDArray[np.float64]) -> None:
    """Write it into an artifact's folder."""
    import numpy as np

    np.savez_compressed(folder / _CHANGE, change=scores)
