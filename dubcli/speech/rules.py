"""Mouths by rule, where no model was fitted: coarticulation by dominance functions (Cohen & Massaro 1993).

Every viseme has a target of aperture, width and protrusion, and a dominance that decays on both sides of its
sound; a mouth is the mean of the targets of all visemes nearby, weighted by dominance. So the rounding of a
vowel starts in the consonants before it, and lips nearly close for a p between two wide vowels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech import visemes

Floats = NDArray[np.float32]

_RATE = 100  # Hz, of viseme rows
_DECAY_S = 0.06  # seconds over which dominance falls to 1/e; set by hand
_REACH_S = 0.3  # seconds at which the kernel is cut off, five decays
# Mean and standard deviation of the targets' aperture, width and rounding over speech, which turn targets
# into the prior's units; rough values, no measurement is on record.
_CENTRE = np.array([0.3, 0.0, 0.15])
_SPREAD = np.array([0.2, 0.3, 0.25])


def measures(features: Mapping[str, Any], seconds: NDArray[np.float64]) -> Floats:
    """(T, 4) measures and closure at times in the audio, in the units of `speech.prior`, but by rule."""
    rows = np.asarray(features["viseme"], np.float64)
    if not len(rows):
        return np.zeros((len(seconds), 4), np.float32)
    targets = np.stack([visemes.table(name) for name in ("aperture", "width", "rounding")], axis=1)
    dominance = rows * visemes.table("dominance")
    reach = round(_REACH_S * _RATE)
    kernel = np.exp(-np.abs(np.arange(-reach, reach + 1)) / (_DECAY_S * _RATE))
    weights = [np.convolve(column, kernel)[reach : reach + len(rows)] for column in dominance.T]
    weight = np.stack(weights, axis=1)
    blended = (weight @ targets) / np.maximum(weight.sum(1, keepdims=True), 1e-6)
    at = np.clip(np.floor(seconds * _RATE).astype(int), 0, len(rows) - 1)
    closure = (rows @ visemes.table("closed"))[at]
    return np.column_stack([(blended[at] - _CENTRE) / _SPREAD, closure]).astype(np.float32)
