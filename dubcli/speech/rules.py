"""Mouths by rule, where nothing was learnt: visemes held by dominance (Cohen & Massaro 1993).

Every viseme asks for a target of opening, width and protrusion and holds it with a dominance that falls off
before and after its sound; a mouth is the mean of what all near visemes ask, weighted by dominance. So the
rounding of a vowel starts in the consonants before it, and lips nearly meet for a p between two wide vowels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech import visemes

Floats = NDArray[np.float32]

_RATE = 100
_FALL_S = 0.06  # dominance falls to 1/e over this
_REACH_S = 0.3
# Of a speaker's measures about their mean: what the visemes' targets amount to in standard deviations.
_CENTRE = np.array([0.3, 0.0, 0.15])
_SPREAD = np.array([0.2, 0.3, 0.25])


def measures(features: Mapping[str, Any], seconds: NDArray[np.float64]) -> Floats:
    """What the prior tells of mouths, by rule, (T, 4), at times in the sound: see `speech.prior`."""
    rows = np.asarray(features["viseme"], np.float64)
    if not len(rows):
        return np.zeros((len(seconds), 4), np.float32)
    asked = np.stack([visemes.table(name) for name in ("aperture", "width", "rounding")], axis=1)
    held = rows * visemes.table("dominance")
    reach = round(_REACH_S * _RATE)
    kernel = np.exp(-np.abs(np.arange(-reach, reach + 1)) / (_FALL_S * _RATE))
    pull = np.stack([np.convolve(column, kernel)[reach : reach + len(rows)] for column in held.T], axis=1)
    targets = (pull @ asked) / np.maximum(pull.sum(1, keepdims=True), 1e-6)
    at = np.clip(np.floor(seconds * _RATE).astype(int), 0, len(rows) - 1)
    together = (rows @ visemes.table("closed"))[at]
    return np.column_stack([(targets[at] - _CENTRE) / _SPREAD, together]).astype(np.float32)
