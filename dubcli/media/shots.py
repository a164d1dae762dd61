"""Where shots begin, from one pass over the film's pictures."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dubcli.settings.config import SplitSettings

WIDTH = 160  # pixels across at which pictures are compared: cuts show at any size


@dataclass(frozen=True)
class Shot:
    """A range of frames `[start, stop)` without a cut."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """Eight digits: the first frame's number."""
        return f"{self.start:08d}"


class Cutter:
    """Finds cuts, picture by picture, with PySceneDetect's adaptive detector.

    Its score is the change between neighbouring frames relative to the change around them, so that fast
    motion is not taken for a cut.
    """

    def __init__(self, settings: SplitSettings, rate: float) -> None:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector, ContentDetector

        self._timecode = FrameTimecode
        self._rate = rate
        self._shortest = settings.min_frames
        # In dark pictures hue and saturation are noise: a hand that enters one would look like a cut.
        weights = ContentDetector.Components(delta_hue=0.3, delta_sat=0.3, delta_lum=1.0, delta_edges=0.0)
        self._detector = AdaptiveDetector(
            adaptive_threshold=settings.threshold,
            min_scene_len=settings.min_frames,
            window_width=2,
            weights=weights,
        )
        self._cuts: list[int] = []
        self._count = 0

    def add(self, small: NDArray[np.uint8]) -> None:
        """Take the next picture, (h, w, 3) BGR, `WIDTH` across."""
        self._cuts += self._numbers(
            self._detector.process_frame(self._timecode(self._count, self._rate), small)
        )
        self._count += 1

    def _numbers(self, found: list[Any]) -> list[int]:
        return [int(t.frame_num) for t in found]

    def shots(self) -> list[Shot]:
        """All shots once every picture was taken; they cover the film without gaps."""
        if self._count:
            self._cuts += self._numbers(
                self._detector.post_process(self._timecode(self._count - 1, self._rate))
            )
        edges = [0]
        for cut in sorted(set(self._cuts)):
            if cut - edges[-1] >= self._shortest and self._count - cut >= self._shortest:
                edges.append(cut)
        edges.append(self._count)
        return [Shot(a, b) for a, b in itertools.pairwise(edges) if b > a]
