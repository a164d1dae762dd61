"""Measures on aperture curves: does the mouth move as the speech asks?

A curve is the aperture over the distance between the outer eye corners, one value per consecutive frame, NaN
where it is not known. A measure is None where the curves do not allow one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter1d

from dubcli.media import spans
from dubcli.speech.basis import FEWEST_FRAMES, below

Curve = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]

MET = 0.2  # share of a mouth's range under which lips are closed; set by hand
CONTACT = 0.4  # the same for labiodental contact; set by hand
ROUND = 0.5  # the same of the lip width, for rounding; set by hand
FEWEST_CLOSURES = 3  # below which neither share nor timing says anything; set by hand
_MIN_CORRELATION = 0.4  # correlation that curves of some seconds hardly have by chance; set by hand
# Half a second in which a target deviates by that (standard deviation) is followed with 0.82 and more in 25
# films as they are, and with 0.47 and more by 60 faces of altered ones; 3 that look wrong had less than 0.3.
_FOLLOWED_SECONDS, _ASKED = 0.5, 0.02
_STILL = 1e-4  # standard deviation of a still mouth, well below a tracker's noise; set by hand
_NEAR_CLOSED = 0.35  # share of the range under which a minimum counts as that of a closure; set by hand
_CLOSURE_REACH_SECONDS = 0.16  # around a sound in which its closure is looked for; set by hand
_TREMBLE_HZ = 8.0  # lips hardly move faster: syllables come at 3 to 7 Hz (Chandrasekaran et al. 2009)


def correlation(measured: Curve, wanted: Curve) -> float | None:
    """Pearson correlation of two curves (T,), each smoothed by half a frame; 1 is perfect.

    Sees a mouth that moves at other times than it should, and one that does not move. Blind to how far it
    moves. Fooled by a curve with one large movement, which decides it alone; a fit to what speech asks for is
    no better than the prediction, so compare it with that of the source.
    """
    both = _known(measured, wanted)
    return _correlation(_smoothed(measured)[both], _smoothed(wanted)[both])


def follows(measured: Curve, target: Curve, rate: float) -> float | None:
    """Correlation of a curve with its target (T,): the lower one of the whole and of the worst half second.

    Sees also a mouth that is drawn wrong for a moment, as in front of a hand. Half a second in which the
    target hardly moves says nothing.
    """
    whole, size = correlation(measured, target), max(round(_FOLLOWED_SECONDS * rate), FEWEST_FRAMES)
    if whole is None or size > len(measured):
        return whole
    known = sliding_window_view(_known(measured, target), size).all(axis=1)
    got, asked = (
        sliding_window_view(_smoothed(curve), size)[known].astype(np.float64) for curve in (measured, target)
    )
    moving = asked.std(axis=1) >= _ASKED
    parts = [_correlation(*both) or 0.0 for both in zip(got[moving], asked[moving], strict=True)]
    return min([whole, *parts])


def offset(measured: Curve, wanted: Curve, limit: int = 8) -> float | None:
    """Frames by which `measured` is later than `wanted` (negative: earlier), where they correlate best.

    Sees a shifted dub. Fooled by speech in an even rhythm, whose correlation has several peaks, and by little
    speech. None where no shift inside the limit has a sufficient correlation.

    Args:
        measured, wanted: (T,) curves.
        limit: the furthest shift to try, frames.
    """
    _known(measured, wanted)
    first, second, size = _smoothed(measured), _smoothed(wanted), len(measured)
    limit, scores = min(limit, size - 1), {}
    for shift in range(-limit, limit + 1):
        late = first[max(0, shift) : size + min(0, shift)]
        early = second[max(0, -shift) : size + min(0, -shift)]
        both = np.isfinite(late) & np.isfinite(early)
        score = _correlation(late[both], early[both])
        if score is not None:
            scores[shift] = score
    best = max(scores, key=lambda shift: (round(scores[shift], 9), -abs(shift)), default=None)
    if best is None or scores[best] < _MIN_CORRELATION:
        return None
    before, here, after = (scores.get(best + step) for step in (-1, 0, 1))
    if before is None or here is None or after is None:
        return float(best)  # at the limit: the true one may lie beyond it
    bend = before - 2 * here + after  # vertex of the parabola through the three
    return best + (0.0 if bend > -1e-9 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5)))


def articulation(measured: Curve, wanted: Curve) -> float | None:
    """Ratio of the standard deviations of `measured` and `wanted`; 1 is right, less is under-articulated.

    Sees a frozen mouth and an exaggerated one. Fooled by tremble, which counts as movement.
    """
    both = _known(measured, wanted)
    first, second = _smoothed(measured)[both], _smoothed(wanted)[both]
    if len(first) < FEWEST_FRAMES or second.std() < _STILL:
        return None
    return float(first.std() / second.std())


def closures(measured: Curve, closed: Curve, slack: int = 1) -> tuple[int, int]:
    """Required lip closures that are reached within `slack` frames, and their number.

    Sees lips that stay apart at a /p/. Lips are closed in the lowest `MET` of their own range
    (`speech.basis.below`), so a mouth that never closes fools it where its range is as small: see
    `articulation`.

    Args:
        measured: (T,) aperture.
        closed: (T,) 0-1, weight of a required lip closure; each run above 0.5 is one closure.
        slack: frames.
    """
    measured, closed = np.asarray(measured, np.float64), np.asarray(closed)
    known, limit = np.isfinite(measured), below(measured, MET)
    if limit is None:
        return 0, 0
    met = known & (measured <= limit)
    # A closure that was measured only in part may be met in the rest.
    closing = [(start, stop) for start, stop in spans.runs_of_true(closed > 0.5) if known[start:stop].all()]
    runs = [slice(max(0, start - slack), stop + slack) for start, stop in closing]
    return sum(bool(met[run].any()) for run in runs), len(runs)


def closure_lag(measured: Curve, seconds: Curve, sounds: Curve) -> tuple[float | None, int]:
    """Median seconds by which lips close later than the sounds that need it, and how many sounds count.

    Sees a shift as small as a frame, where closures are many. Fooled by wrong phones: a sound without a
    closure near it does not count, one beside another sound's closure does. None for fewer than
    `FEWEST_CLOSURES`.

    Args:
        measured: (T,) aperture.
        seconds: (T,) times of the frames.
        sounds: (N,) times at which /p b m/ are closed.
    """
    measured = np.asarray(measured, np.float64)
    limit = below(measured, _NEAR_CLOSED)
    if limit is None:
        return None, 0
    lags = []
    for sound in np.asarray(sounds, np.float64):
        near = np.flatnonzero(np.abs(seconds - sound) <= _CLOSURE_REACH_SECONDS)
        if len(near) < 3 or not np.isfinite(measured[near]).all():
            continue
        lowest = int(near[measured[near].argmin()])
        # At the edge of the reach the true minimum lies beyond it.
        if measured[lowest] <= limit and near[0] < lowest < near[-1]:
            floor = near[measured[near] <= measured[lowest] + 0.1 * max(limit - measured[lowest], 0)]
            lags.append(float(seconds[floor].mean() - sound))
    return (float(np.median(lags)) if len(lags) >= FEWEST_CLOSURES else None), len(lags)


def motion(aperture: Curve) -> float | None:
    """Mean movement of the lips from one frame to the next, in outer-eye distances a frame; 0 is still.

    Sees a mouth that moves in silence. The tracker's own noise is part of it, more so on small faces.
    """
    steps = np.abs(np.diff(np.asarray(aperture, np.float64)))
    steps = steps[np.isfinite(steps)]
    return float(steps.mean()) if len(steps) else None


def tremble(aperture: Curve, rate: float) -> float | None:
    """Root mean square of the lips' movement above 8 Hz, outer-eye distances.

    Sees lips that shake from frame to frame. Fooled by bursts (a /p/ opens within a frame) and by the
    tracker's noise, which are in the source as well. None at 18 frames a second or fewer, which hold no more.

    Args:
        aperture: (T,) curve.
        rate: frames a second.
    """
    if rate <= 2.25 * _TREMBLE_HZ:
        return None
    # A windowed sinc; `scipy.signal` would do, and takes as long to load as a second of film to measure.
    at, share = np.arange(-round(rate / 5), round(rate / 5) + 1), 2 * _TREMBLE_HZ / rate
    low = np.sinc(share * at) * np.hamming(len(at))
    curve = np.asarray(aperture, np.float64)
    parts = [
        curve[start:stop] - correlate1d(curve[start:stop], low / low.sum(), mode="nearest")
        for start, stop in spans.runs_of_true(np.isfinite(curve), FEWEST_FRAMES)
    ]
    return float(np.sqrt(np.mean(np.square(np.concatenate(parts))))) if parts else None


def _known(measured: Curve, wanted: Curve) -> NDArray[np.bool_]:
    """(T,) where both curves are known."""
    first, second = np.asarray(measured), np.asarray(wanted)
    if first.shape != second.shape:
        raise ValueError(f"curves of {first.shape} and {second.shape} frames")
    return np.asarray(np.isfinite(first) & np.isfinite(second))


def _smoothed(curve: Curve) -> Floats:
    """A curve smoothed by half a frame, each known run by itself."""
    out = np.array(curve, np.float64)
    for start, stop in spans.runs_of_true(np.isfinite(out)):
        out[start:stop] = gaussian_filter1d(out[start:stop], 0.5)
    return out


def _correlation(a: Floats, b: Floats) -> float | None:
    if len(a) < FEWEST_FRAMES or min(a.std(), b.std()) < _STILL:
        return None
    return float(np.corrcoef(a, b)[0, 1])
