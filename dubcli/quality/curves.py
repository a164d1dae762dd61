"""Measures on mouth-aperture curves: does the mouth do what the speech calls for?

A curve is the inner-lip gap over the distance between the outer eye corners, one value per consecutive frame,
NaN where it is not known. A measure is None where the curves do not allow one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from dubcli.media import spans
from dubcli.speech import visemes
from dubcli.speech.basis import FEWEST_FRAMES, below

Curve = NDArray[np.floating[Any]]

MET = 0.2  # of a mouth's own range: lips that are nearer have met
CONTACT = 0.4  # the same for the lower lip at the upper teeth
ROUND = 0.5  # the same of its width, for rounded lips
_ALIKE = 0.3  # correlation from which two curves of some seconds are hardly alike by chance
_FLAT = 1e-4  # deviation of a mouth that does not move, well below a tracker's noise
_GLIDE_SECONDS = 0.045  # lips need about that long on either side of a sound


def called_for(rows: NDArray[np.floating[Any]], seconds: Curve, rate: float = 100.0) -> NDArray[np.float32]:
    """The aperture that speech calls for by rule, in 0-1: no actor's own habit is in it.

    Args:
        rows: (F, V) soft one-hot viseme classes, as `align` leaves them, centred at (f + 0.5) / rate.
        seconds: (T,) times in the audio.

    Returns:
        (T,) float32.
    """
    if not len(rows):
        return np.zeros(len(seconds), np.float32)
    aperture = gaussian_filter1d(rows @ visemes.table("aperture").astype(np.float64), _GLIDE_SECONDS * rate)
    centres = (np.arange(len(rows)) + 0.5) / rate
    return np.interp(seconds, centres, aperture, left=0, right=0).astype(np.float32)


def correlation(got: Curve, want: Curve) -> float | None:
    """Pearson correlation of two curves (T,), each smoothed by half a frame; 1 is perfect."""
    return _correlation(*_pair(got, want))


def offset(got: Curve, want: Curve, limit: int = 6) -> int | None:
    """Frames by which `got` comes after `want` (negative: before it), where they correlate best.

    None where they correlate too little at any shift for one to be told.

    Args:
        got, want: (T,) curves.
        limit: the furthest shift to try, frames.
    """
    got, want = _pair(got, want)
    shifts = sorted(range(-limit, limit + 1), key=abs)  # of equals, the smallest
    scores = [
        _correlation(got[max(0, s) : len(got) + min(0, s)], want[max(0, -s) : len(want) + min(0, -s)])
        for s in shifts
    ]
    known = [(score, -rank) for rank, score in enumerate(scores) if score is not None and score > _ALIKE]
    return shifts[-max(known)[1]] if known else None


def articulation(got: Curve, want: Curve) -> float | None:
    """How far the mouth moves against how far it should: ratio of standard deviations, 1 is right."""
    got, want = _pair(got, want)
    if len(got) < FEWEST_FRAMES or want.std() < _FLAT:
        return None
    return float(got.std() / want.std())


def closure_hits(got: Curve, closed: Curve, slack: int = 1) -> float | None:
    """Share of the closures asked for in which the lips do meet, within `slack` frames.

    Lips have met in the lowest `MET` of their own range (`speech.basis.below`).

    Args:
        got: (T,) aperture.
        closed: (T,) 0-1, how surely the lips must meet; each run above 0.5 is one closure.
    """
    got, closed = np.asarray(got, np.float64), np.asarray(closed)
    known, limit = np.isfinite(got), below(got, MET)
    if limit is None:
        return None
    met = known & (got <= limit)
    runs = [slice(max(0, start - slack), stop + slack) for start, stop in spans.runs_of_true(closed > 0.5)]
    runs = [run for run in runs if known[run].any()]
    return float(np.mean([met[run].any() for run in runs])) if runs else None


def motion(aperture: Curve) -> float | None:
    """Mean movement of the lips from one frame to the next, in eye distances a frame; 0 is still."""
    steps = np.abs(np.diff(np.asarray(aperture, np.float64)))
    steps = steps[np.isfinite(steps)]
    return float(steps.mean()) if len(steps) else None


def _pair(got: Curve, want: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both curves where both are known, smoothed alike."""
    first, second = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"curves of {first.shape} and {second.shape} frames")
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        return first[both], second[both]
    return gaussian_filter1d(first[both], 0.5), gaussian_filter1d(second[both], 0.5)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if len(a) < FEWEST_FRAMES or min(a.std(), b.std()) < _FLAT:
        return None
    return float(np.corrcoef(a, b)[0, 1])
