"""A free phone loop, in which any phone may follow any other: posteriors in each frame, and the best path."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Fitted on sentences with known words (bench/align.py).
SCALE = 0.2  # factor on log-likelihoods: those of neighbouring frames are correlated, so each counts for less
_STAY = 0.6  # probability of staying in a third of a phone for one more frame of 10 ms
_NEXT = 0.09  # probability of entering another phone after the last third, summed over all phones


def posterior(scores: NDArray[np.float32], scale: float = SCALE) -> NDArray[np.float32]:
    """Posterior of each third of each phone in each frame, by the forward-backward algorithm.

    Args:
        scores: (F, C, 3) log-likelihoods in nats.
        scale: factor on the log-likelihoods.

    Returns:
        (F, C, 3) float32; sums to 1 in each frame.
    """
    count, phones, _ = scores.shape
    fit = np.exp(scale * (scores - scores.max((1, 2), keepdims=True)).astype(np.float64))
    go, enter = 1 - _STAY, (1 - _STAY) * _NEXT / phones
    forward = np.empty_like(fit)
    now = np.full((phones, 3), 1.0)
    for f in range(count):
        if f:
            step = _STAY * now
            step[:, 1:] += go * now[:, :2]
            step[:, 0] += enter * now[:, 2].sum()
            now = step
        now = now * fit[f]
        now /= now.sum()
        forward[f] = now
    back = np.full((phones, 3), 1.0)
    out = forward
    for f in range(count - 2, -1, -1):
        ahead = back * fit[f + 1]
        step = _STAY * ahead
        step[:, :2] += go * ahead[:, 1:]
        step[:, 2] += enter * ahead[:, 0].sum()
        back = step / step.sum()
        out[f] *= back
    out /= out.sum((1, 2), keepdims=True)
    return np.asarray(out, np.float32)


def best(scores: NDArray[np.float32], scale: float = SCALE) -> list[tuple[int, int, int]]:
    """The likeliest sequence of phones (Viterbi) as (phone, first frame, frame after the last).

    Args:
        scores: (F, C, 3) log-likelihoods in nats.
        scale: factor on the log-likelihoods.
    """
    count, phones, _ = scores.shape
    stay, go, enter = np.log([_STAY, 1 - _STAY, (1 - _STAY) * _NEXT / phones])
    fit = scale * scores.astype(np.float64)
    total = np.full((phones, 3), -np.inf)
    total[:, 0] = 0
    moved = np.zeros((count, phones, 3), bool)
    source = np.zeros(count, np.int64)
    for f in range(count):
        if f:
            came = np.empty_like(total)
            came[:, 1:] = total[:, :2] + go
            source[f] = total[:, 2].argmax()
            came[:, 0] = total[source[f], 2] + enter
            moved[f] = came > total + stay
            total = np.maximum(came, total + stay)
        total = total + fit[f]
    out: list[tuple[int, int, int]] = []
    phone, third = divmod(int(total.argmax()), 3)
    stop = count
    for f in range(count - 1, 0, -1):
        if moved[f, phone, third]:
            if third:
                third -= 1
            else:
                out.append((phone, f, stop))
                phone, third, stop = int(source[f]), 2, f
    if count:
        out.append((phone, 0, stop))
    return out[::-1]
