"""Forced alignment: the times of a known sequence of phones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Probability of staying in a third of a phone (a state of a hidden Markov model) for one more frame of 10 ms;
# fitted on sentences with known words (bench/align.py).
_STAY = 0.6
_BEAM = 300  # phones on either side of the best path that are searched, some 25 s of speech: bounds memory


def align(
    scores: NDArray[np.float32],
    chain: Sequence[int],
    optional: Sequence[bool],
    bounds: Sequence[tuple[int, int]] | None = None,
) -> list[tuple[int, int, int]] | None:
    """The likeliest times of a chain of phones (Viterbi search).

    Args:
        scores: (F, C, 3) log-likelihoods of each third of each phone in each frame, in nats.
        chain: phones in the order they are said, as indices into C.
        optional: which of them may be left out (pauses between words); no two in a row.
        bounds: half-open range of frames in which each may lie, neither end falling along the chain; None
            for no bounds.

    Returns:
        (index in the chain, first frame, frame after the last), in order, or None where the chain does not
        fit the frames.
    """
    count, length = len(scores), len(chain)
    may_skip = np.asarray(optional, bool)
    if not length or count < 3 * int((~may_skip).sum()):
        return None
    phones = np.asarray(chain)
    lows, highs = np.asarray(bounds if bounds is not None else [(0, count)] * length).T
    stay, go = np.log(np.float32(_STAY)), np.log(np.float32(1 - _STAY))
    total = np.full((length, 3), -np.inf, np.float32)
    total[0, 0] = 0
    if may_skip[0] and length > 1:
        total[1, 0] = 0
    total[lows > 0] = -np.inf
    total += scores[0][phones]
    # Back pointers of the phones [a, b) that are searched in each frame: whether each third was entered in
    # this frame, and whether the first third was entered by skipping the previous phone of the chain.
    begins, came_to = [0], [np.zeros(0, np.uint8)]
    a, b, best = 0, length, 0
    for f in range(1, count):
        gone = slice(a, b)
        a = max(int(np.searchsorted(highs, f, "right")), best - _BEAM)
        b = min(int(np.searchsorted(lows, f, "right")), best + _BEAM)
        if b <= a:
            return None
        here = total[a:b].copy()
        ends = np.full(b - a + 2, -np.inf, np.float32)  # of the phones from a - 2 on
        ends[max(0, 2 - a) :] = total[max(0, a - 2) : b, 2]
        over = np.where(may_skip[np.arange(a, b) - 1], ends[:-2], -np.inf)
        came = np.concatenate([np.maximum(ends[1:-1], over)[:, None], here[:, :2]], axis=1) + go
        here += stay
        begins.append(a)
        came_to.append(np.packbits(np.column_stack([came > here, over > ends[1:-1]])))
        now = np.maximum(came, here) + scores[f][phones[a:b]]
        top = now.max()
        if not np.isfinite(top):
            return None
        total[gone] = -np.inf
        total[a:b] = now - top  # float32 sums over hours would lose precision
        best = a + int(now.max(1).argmax())
    last = length - 1
    if may_skip[-1] and length > 1 and total[-2, 2] > total[-1, 2]:
        last -= 1
    return _path(begins, came_to, last) if np.isfinite(total[last, 2]) else None


def _path(
    begins: Sequence[int], came_to: Sequence[NDArray[np.uint8]], last: int
) -> list[tuple[int, int, int]]:
    """What `align` returns, followed back from the phone of the chain in which the best path ends."""
    out: list[tuple[int, int, int]] = []
    index, third, stop = last, 2, len(came_to)
    for f in range(len(came_to) - 1, 0, -1):
        came = np.unpackbits(came_to[f])[4 * (index - begins[f]) :][:4]
        if not came[third]:
            continue
        if third:
            third -= 1
            continue
        out.append((index, f, stop))
        index, third, stop = index - (2 if came[3] else 1), 2, f
    out.append((index, 0, stop))
    return out[::-1]
