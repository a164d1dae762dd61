"""How long a training takes; imports nothing heavy, because it is asked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROUNDS = 2  # times that each frame is drawn, each time from other footage
MOST_FRAMES = 1500  # of a person that are learnt from: a minute of film
# Seconds of a step on two cores by pixels of a side, averaged over the levels that it trains. Measured at
# 128; the others are in proportion to what wider networks took.
_STEP_SECONDS = {64: 0.2, 128: 0.5, 256: 1.1, 512: 4.2}
_CUDA = 0.1  # of that; a guess, for want of a device to measure it on
_PAIR_SECONDS = 0.06  # of making a pair of frames to learn from


def seconds(frames: int, settings: Mapping[str, Any]) -> float:
    """Seconds that one training takes on two cores.

    Args:
        frames: of footage.
        settings: as in `engines.lips.TrainWork`.
    """
    step = _STEP_SECONDS[int(settings["size"])] * (_CUDA if settings["device"] == "cuda" else 1)
    return ROUNDS * min(frames, MOST_FRAMES) * _PAIR_SECONDS + step * int(settings["steps"])
