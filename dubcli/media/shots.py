"""Shot detection: how much pictures change, and which changes are cuts."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dubcli.settings.config import SplitSettings

WIDTH = 160  # pixels across at which pictures are compared: cuts are visible at any size; set by hand
_FLASH = 3  # frames that a flash lasts at most, a lightning or a camera's: set by hand
_BACK = 3.0  # times more that a flash changes the picture than what moves until it is over; set by hand
_CALM = 12  # frames before and after one, whose changes say how calm it is there; set by hand


@dataclass(frozen=True)
class Shot:
    """A range of frames `[start, stop)` without a cut."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """Eight digits: the first frame's number."""
        return f"{self.start:08d}"


class Scorer:
    """How much each picture differs from the one before it, by PySceneDetect's content detector.

    A flash changes the picture twice, and after it all is as before: its two changes count for what has moved
    meanwhile, since they are no cuts.

    Attributes:
        scores: one per picture so far, in grey levels; 0 for the first.
    """

    def __init__(self, rate: float) -> None:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import ContentDetector

        class Detector(ContentDetector):  # type: ignore[misc]  # it has no types
            """A detector with a readable score."""

            @property
            def score(self) -> float:
                return float(self._frame_score or 0.0)

        # In dark pictures hue and saturation are noise: a hand that enters one would look like a cut.
        weights = ContentDetector.Components(delta_hue=0.3, delta_sat=0.3, delta_lum=1.0, delta_edges=0.0)
        self._detector = Detector(weights=weights)
        self._at = functools.partial(FrameTimecode, fps=rate)
        self._recent: deque[NDArray[np.uint8]] = deque(maxlen=_FLASH + 2)
        self.scores: list[float] = []

    def add(self, small: NDArray[np.uint8]) -> None:
        """Take the next picture, (h, w, 3) BGR, `WIDTH` across."""
        self._detector.process_frame(self._at(len(self.scores)), small)
        self.scores.append(self._detector.score)
        self._recent.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8))
        for lasts in range(1, len(self._recent) - 1):
            moved = float(cv2.absdiff(self._recent[-1], self._recent[-2 - lasts]).mean())
            first, last = self.scores[-1 - lasts], self.scores[-1]
            if min(first, last) > _BACK * max(moved, 1.0):
                self.scores[-1 - lasts] = self.scores[-1] = moved
                break


def detect(scores: NDArray[np.float64], settings: SplitSettings, rate: float) -> list[Shot]:
    """Shots that cover a film without gaps, by PySceneDetect's adaptive detector.

    It compares the change between neighbouring frames with that of the frames around them, so that fast
    motion is not detected as a cut. A shot of an hour, such as a lecture, would be one unit of each stage,
    held in memory and lost by a crash as a whole: it becomes several.

    Args:
        scores: (N,) from `Scorer`.
        settings: threshold, shortest and longest shot.
        rate: frames a second.
    """
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    class Detector(AdaptiveDetector):  # type: ignore[misc]  # it has no types
        """Decides on scores that are known instead of on pictures."""

        def _calculate_frame_score(self, timecode: Any, frame_img: Any) -> float:
            return float(frame_img)

    count, shortest = len(scores), settings.min_frames
    detector = Detector(
        adaptive_threshold=settings.threshold, min_scene_len=settings.min_frames, window_width=2
    )
    cuts: list[Any] = []
    for number, score in enumerate(scores):
        cuts += detector.process_frame(FrameTimecode(number, rate), score)
    cuts += detector.post_process(FrameTimecode(count - 1, rate))
    edges = [0]
    for cut in sorted({int(t.frame_num) for t in cuts}):
        if cut - edges[-1] >= shortest and count - cut >= shortest:
            edges.append(cut)
    around = np.ones(2 * _CALM + 1)
    unrest = np.convolve(scores, around, "same") / np.convolve(np.ones(count), around, "same")
    whole = [Shot(a, b) for a, b in itertools.pairwise([*edges, count]) if b > a]
    return [part for shot in whole for part in _parts(shot, unrest, settings.max_frames)]


def _parts(shot: Shot, unrest: NDArray[np.float64], most: int) -> Iterator[Shot]:
    """A shot in parts of half of `most` frames to all of it, each beginning where `unrest` (N,) is least."""
    start = shot.start
    while shot.stop - start > most:
        low, high = start + most // 2, min(start + most, shot.stop - most // 2)
        at = low + int(np.argmin(unrest[low : high + 1]))
        yield Shot(start, at)
        start = at
    yield Shot(start, shot.stop)
