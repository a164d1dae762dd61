"""Measures on aperture curves: does the mouth move as the speech asks?

A curve is the aperture over the distance between the outer eye corners, one value per consecutive frame, NaN
where it is not known. A measure is None where the curves do not allow one.
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

MET = 0.2  # share of a mouth's range under which lips are closed; set by hand
CONTACT = 0.4  # the same for labiodental contact; set by hand
ROUND = 0.5  # the same of the lip width, for rounding; set by hand
_MIN_CORRELATION = 0.3  # correlation that curves of some seconds hardly have by chance; set by hand
_STILL = 1e-4  # standard deviation of a still mouth, well below a tracker's noise; set by hand
_GLIDE_SECONDS = 0.045  # standard deviation of the transition to a sound; set by hand


def called_for(rows: NDArray[np.floating[Any]], seconds: Curve, rate: float = 100.0) -> NDArray[np.float32]:
    """Aperture that visemes ask for by rule, 0-1, without any actor's style.

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


def correlation(measured: Curve, wanted: Curve) -> float | None:
    """Pearson correlation of two curves (T,), each smoothed by half a frame; 1 is perfect."""
    return _correlation(*_pair(measured, wanted))


def offset(measured: Curve, wanted: Curve, limit: int = 6) -> int | None:
    """Frames by which `measured` is later than `wanted` (negative: earlier), where they correlate best.

    None where no shift has a sufficient correlation.

    Args:
        got, wanted: (T,) curves.
        limit: the furthest shift to try, frames.
    """
    measured, wanted = _pair(measured, wanted)
    shifts = sorted(range(-limit, limit + 1), key=abs)  # of equals, the smallest
    scores = [
        _correlation(
            measured[max(0, s) : len(measured) + min(0, s)], wanted[max(0, -s) : len(wanted) + min(0, -s)]
        )
        for s in shifts
    ]
    known = [
        (score, -rank) for rank, score in enumerate(scores) if score is not None and score > _MIN_CORRELATION
    ]
    return shifts[-max(known)[1]] if known else None


def articulation(measured: Curve, wanted: Curve) -> float | None:
    """Ratio of the standard deviations of `measured` and `wanted`; 1 is right, less is under-articulated."""
    measured, wanted = _pair(measured, wanted)
    if len(measured) < FEWEST_FRAMES or wanted.std() < _STILL:
        return None
    return float(measured.std() / wanted.std())


def closure_hits(measured: Curve, closed: Curve, slack: int = 1) -> float | None:
    """Share of required lip closures that are reached, within `slack` frames.

    Lips are closed in the lowest `MET` of their range (`speech.basis.below`).

    Args:
        measured: (T,) aperture.
        closed: (T,) 0-1, weight of a required lip closure; each run above 0.5 is one closure.
    """
    measured, closed = np.asarray(measured, np.float64), np.asarray(closed)
    known, limit = np.isfinite(measured), below(measured, MET)
    if limit is None:
        return None
    met = known & (measured <= limit)
    closing = spans.runs_of_true(closed > 0.5)
    runs = [slice(max(0, start - slack), stop + slack) for start, stop in closing]
    runs = [run for run in runs if known[run].any()]
    return float(np.mean([met[run].any() for run in runs])) if runs else None


def motion(aperture: Curve) -> float | None:
    """Mean movement of the lips from one frame to the next, in outer-eye distances a frame; 0 is still."""
    steps = np.abs(np.diff(np.asarray(aperture, np.float64)))
    steps = steps[np.isfinite(steps)]
    return float(steps.mean()) if len(steps) else None


def _pair(measured: Curve, wanted: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both curves where both are known, smoothed alike."""
    first, second = np.asarray(measured, np.float64), np.asarray(wanted, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"curves of {first.shape} and {second.shape} frames")
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        return first[both], second[both]
    return gaussian_filter1d(first[both], 0.5), gaussian_filter1d(second[both], 0.5)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if len(a) < FEWEST_FRAMES or min(a.std(), b.std()) < _STILL:
        return None
    return float(np.corrcoef(a, b)[0, 1])
