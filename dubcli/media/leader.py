"""The pop of a leader: a picture's length of 1 kHz, which mixers set two seconds before the first picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BEFORE_SECONDS = 2.0  # by which it comes before the first picture
SEARCHED_SECONDS = 15.0  # of a sound's beginning; a leader has eight before its first picture

_TONE, _WIDTH = 1000.0, 120.0  # Hz, and how far about it a tone this short spreads
_LENGTHS = 0.015, 0.12  # seconds that it lasts: of a picture, or of up to three
_SILENCE_SECONDS = 1.5  # that follow it, at least
_QUIET = 0.03  # of its peak, 30 dB below, under which all else is silence
_PURE = 0.7  # share of its power that is about its tone
# All but the tone and the two seconds, which are custom, were set by hand.


def pop(wave: NDArray[np.float32], rate: int) -> float | None:
    """When the pop begins in the beginning of a sound, in seconds; None where there is none.

    Args:
        wave: (S,) samples.
        rate: of them a second.
    """
    peak = float(np.abs(wave).max(initial=0))
    loud = np.flatnonzero(np.abs(wave) > _QUIET * peak)
    if not peak or not len(loud):
        return None
    first = int(loud[0])
    within = loud[loud < first + _LENGTHS[1] * rate]
    stop = int(within[-1]) + 1
    beyond = loud[len(within) :]
    follows = (int(beyond[0]) if len(beyond) else len(wave)) - stop
    if not _LENGTHS[0] * rate < stop - first or follows < _SILENCE_SECONDS * rate:
        return None
    power = np.abs(np.fft.rfft(wave[first:stop])) ** 2
    about = np.abs(np.fft.rfftfreq(stop - first, 1 / rate) - _TONE) < _WIDTH
    return first / rate if power[about].sum() > _PURE * power.sum() else None
