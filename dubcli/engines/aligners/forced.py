"""Forced alignment: when each phone of a known sequence is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_STAY = 0.6  # probability of staying in a third of a phone for one more frame


def align(
    scores: NDArray[np.float32], chain: Sequence[int], optional: Sequence[bool]
) -> list[tuple[int, int, int]] | None:
    """The likeliest times of a chain of phones (Viterbi).

    Args:
        scores: (F, C, 3) log-likelihoods of each third of each phone in each frame, in nats.
        chain: phones in the order they are said, as indices into C.
        optional: which of them may be left out (pauses between words); no two in a row.

    Returns:
        (place in the chain, first frame, frame after the last), in order, or None where the chain is too
        long for the frames.
    """
    count, length = len(scores), len(chain)
    may_skip = np.asarray(optional, bool)
    needed = 3 * int((~may_skip).sum())
    if not length or count < needed:
        return None
    fit = scores[:, list(chain)].astype(np.float32)  # (F, S, 3)
    stay, go = np.log(np.float32(_STAY)), np.log(np.float32(1 - _STAY))
    total = np.full((length, 3), -np.inf, np.float32)
    total[0, 0] = 0
    if may_skip[0] and length > 1:
        total[1, 0] = 0
    total += fit[0]
    moved = np.zeros((count, length, 3), bool)
    skipped = np.zeros((count, length), bool)
    for f in range(1, count):
        ends = total[:, 2]
        came = np.full((length, 3), -np.inf, np.float32)
        came[:, 1:] = total[:, :2]
        came[1:, 0] = ends[:-1]
        over = np.full(length, -np.inf, np.float32)
        over[2:] = np.where(may_skip[1:-1], ends[:-2], -np.inf)
        skipped[f] = over > came[:, 0]
        came[:, 0] = np.maximum(came[:, 0], over)
        moved[f] = came + go > total + stay
        total = np.maximum(came + go, total + stay) + fit[f]
    place, third = length - 1, 2
    if may_skip[-1] and length > 1 and total[-2, 2] > total[-1, 2]:
        place -= 1
    if not np.isfinite(total[place, 2]):
        return None
    out: list[tuple[int, int, int]] = []
    stop = count
    for f in range(count - 1, 0, -1):
        if not moved[f, place, third]:
            continue
        if third:
            third -= 1
            continue
        out.append((place, f, stop))
        place, third, stop = place - (2 if skipped[f, place] else 1), 2, f
    out.append((place, 0, stop))
    return out[::-1]
