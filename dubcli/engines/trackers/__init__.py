"""Face trackers: one `FaceTrack` for every face of a shot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import FaceTrack

if TYPE_CHECKING:
    from dubcli.face.follow import Finder


class Picture(Protocol):
    """A decoded frame, as `media.decode.frames` yields them."""

    index: int

    def eight_bit(self) -> NDArray[np.uint8]:
        """(H, W, 3), the whole raster."""


class Tracker(Protocol):
    """Interface of a tracker engine.

    One whose weights a setting names has a method `use(weights, device)` too, called before `track` with
    name → file, and `cpu` or `cuda`.
    """

    def track(
        self,
        pictures: Iterable[Picture],
        *,
        turn: int = 0,
        views: int = 4,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[FaceTrack]:
        """Tracks of one shot, the longest first; frames of a track are consecutive.

        Args:
            pictures: the shot's frames in order; streamed, never kept.
            turn: clockwise quarter turns (0–3) that bring the raster upright.
            views: slightly shifted, turned and mirrored crops that are averaged for each mesh.
            done: called after each frame with the number of frames so far.
        """


def tracked(
    finder: Finder, pictures: Iterable[Picture], turn: int, done: Callable[[int], None]
) -> list[FaceTrack]:
    """Tracks of one shot by `face.follow` with a finder; arguments as for `Tracker.track`."""
    from dubcli.face.condition import finished
    from dubcli.face.follow import Follower
    from dubcli.media import ahead

    follower = Follower(finder)
    shape, count = (0, 0), 0
    converted = ahead.read(((picture.index, picture.eight_bit()) for picture in pictures), 1)
    for count, (index, rgb) in enumerate(converted, 1):
        shape = (rgb.shape[0], rgb.shape[1])
        follower.feed(index, rgb)
        done(count)
    return finished(follower.traces(), count, shape, turn)
