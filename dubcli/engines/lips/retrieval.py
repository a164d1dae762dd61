"""Which footage of the actor to show when: a path through the gallery by dynamic programming.

The idea is video textures (Schödl et al. 2000) with a target: each frame of the gallery costs what it differs
from the wanted frame, and each cut between pieces of footage costs what it would show, so runs of consecutive
footage win where they fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.gallery import Gallery
from dubcli.face import cover
from dubcli.face import mesh as regions

Floats = NDArray[np.floating[Any]]

CANDIDATES = 32  # frames of the gallery looked at per wanted frame, of each of three kinds
_REACH = 3  # frames before and after that tell whether footage goes on fitting

# A cost of 1 is a lip gap that is off by 0.03 outer-eye distances, just visible.
_UNIT = 0.03
_YAW, _PITCH, _ROLL = 9.0, 9.0, 15.0  # degrees that cost as much
_ENLARGED, _SHRUNK = 0.25, 0.9  # log2 of size
_LIGHT = 0.25  # log of colour
_HIDDEN = 0.02  # share of the lower face that something covers
_SOFT = 0.3  # of the usual sharpness missing
_SMEARED = 0.06  # outer-eye distances a frame; a shutter open for half of it smears lips by half of that

_CUT = 2.0
_HOLD, _SKIP, _BACK = 0.35, 0.35, 0.6  # showing a frame twice, leaving one out, running backwards
_STEPS = ((1, 0.0), (0, _HOLD), (2, _SKIP), (-1, _BACK))
_RESTING = ((0, 0.0), (1, _HOLD), (2, 2 * _HOLD), (-1, _HOLD))  # a mouth at rest is one picture, not footage
_RESTING_CUT = 4.0  # times: a still mouth that changes its look seems to move
_MOVED = 0.05  # cost of two wanted shapes against each other from which a mouth moves
_LOOK = 16.0  # grey levels of the mouth, root mean square, that cost 1 at a cut

_INDEX = {point: k for k, point in enumerate(regions.MOUTH)}
_PAIRS = ((13, 14), (82, 87), (312, 317))  # inner lips, above and below
_LIPS = [_INDEX[i] for i in regions.LIPS_OUTER + regions.LIPS_INNER]


@dataclass(frozen=True)
class Wanted:
    """What each of T frames asks of the footage.

    Attributes:
        shape: (T, P, 3) canonical mouth.
        pose: (T, 3) degrees.
        size: (T,) pixels per outer-eye distance.
        light: (T, 3) mean colour of the skin around the mouth, 0–1.
    """

    shape: Floats
    pose: Floats
    size: Floats
    light: Floats


def descriptor(shape: Floats) -> NDArray[np.float32]:
    """Mouth shapes (T, P, 3) as vectors (T, D) whose squared distance is a cost."""
    gap = np.maximum(_gaps(shape), 0)
    # A sliver of teeth between lips that should meet shows more than a wide mouth a little wider.
    lips = np.log1p(gap / 0.03) * (0.05 / 2) + gap / 2
    left, right = shape[:, _INDEX[regions.CORNER_LEFT]], shape[:, _INDEX[regions.CORNER_RIGHT]]
    width = np.linalg.norm(left - right, axis=1, keepdims=True)
    pout = shape[:, [_INDEX[0], _INDEX[17]], 2]
    chin = shape[:, [_INDEX[regions.CHIN]], 1]
    outline = shape[:, _LIPS, :2].reshape(len(shape), -1) / np.sqrt(2 * len(_LIPS))
    parts = [lips * (1, 0.5, 0.5), width * 0.7, pout * 0.5, chin * 0.25, outline * 0.7]
    return np.asarray(np.concatenate(parts, axis=1) / _UNIT, np.float32)


def speed(shape: Floats, run: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """How fast lips of mouths (T, P, 3) part or meet within runs (T,): (T,) outer-eye distances a frame.

    Only lips that move both before and after are taken to move: those that have just met are sharp.
    """
    step = np.where(np.diff(run) == 0, np.diff(_gaps(shape).mean(axis=1)), 0)
    before, after = np.concatenate([[0], step]), np.concatenate([step, [0]])
    onwards = before * after > 0
    return np.asarray(np.where(onwards, np.minimum(np.abs(before), np.abs(after)), 0), np.float32)


def mismatch(wanted: Wanted, gallery: Gallery, size: Floats) -> NDArray[np.float32]:
    """Cost (T, N) of each frame of the gallery, of sizes (N,), for each wanted frame."""
    a, b = descriptor(wanted.shape), descriptor(gallery.shape)
    cost = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)[None]
    turn = (wanted.pose[:, None] - gallery.pose[None]) / np.array([_YAW, _PITCH, _ROLL], np.float32)
    cost += (turn**2).sum(axis=2)
    growth = np.log2(np.maximum(wanted.size, 1e-3))[:, None] - np.log2(np.maximum(size, 1e-3))[None]
    cost += np.where(growth > 0, growth / _ENLARGED, growth / _SHRUNK) ** 2
    light = cover.light(gallery.texture)
    shade = np.log(wanted.light + 0.05)[:, None] - np.log(light + 0.05)[None]
    cost += ((shade / _LIGHT) ** 2).mean(axis=2)
    cost += (np.maximum(1 - gallery.sharp, 0) / _SOFT) ** 2
    # Lips that their movement has smeared look natural on lips that move as fast, but not on slower ones.
    faster = speed(gallery.shape, gallery.run)[None] - speed(wanted.shape, np.zeros(len(a), int))[:, None]
    cost += (np.maximum(faster, 0) / _SMEARED) ** 2
    cost += (gallery.cover.mean(axis=(1, 2)) / (255 * _HIDDEN)) ** 2
    return np.asarray(np.maximum(cost, 0), np.float32)


def _gaps(shape: Floats) -> Floats:
    """Lip gaps (T, 3) of mouths (T, P, 3)."""
    # Height alone: the depth of the lips is a guess, and would hide how near to closed they are.
    gaps = [shape[:, _INDEX[b], 1] - shape[:, _INDEX[a], 1] for a, b in _PAIRS]
    return np.stack(gaps, axis=1)


def resting(wanted: Wanted) -> NDArray[np.bool_]:
    """(T,) frames whose mouth is to be as in the frame before."""
    change = (np.diff(descriptor(wanted.shape), axis=0) ** 2).sum(axis=1)
    return np.concatenate([[False], change < _MOVED])


def choose(
    cost: NDArray[np.float32],
    gallery: Gallery,
    start: int = -1,
    rests: NDArray[np.bool_] | None = None,
    earlier: tuple[NDArray[np.int64], NDArray[np.bool_]] | None = None,
) -> NDArray[np.int64]:
    """Row of the gallery to show at each of T frames: the cheapest path (Viterbi 1967).

    Args:
        cost: (T, N) from `mismatch`.
        gallery: the footage.
        start: row shown at the frame before the first, or -1.
        rests: (T,) from `resting`; none by default.
        earlier: rows (T,) of a path that is to be kept but where a mask (T,) is true; -1 for unknown ones.
    """
    steps = len(cost)
    still = np.zeros(steps, bool) if rests is None else rests
    likely = _likely(cost, gallery.run)
    look = cover.mouth(gallery.texture)
    follow = _follow(gallery.run)
    first = likely[0] if start < 0 else np.append(likely[0], follow[start])
    keep, back = [_allowed(np.unique(first), 0, earlier)], [np.zeros(0, np.int64)]
    best = cost[0, keep[0]]
    if start >= 0:
        best = best + _transition(np.array([start]), keep[0], gallery.run, look)[0]
    for t in range(1, steps):
        # The pictures that would come next on the best paths so far, however well they fit alone.
        good = keep[-1][np.argsort(best, kind="stable")[:CANDIDATES]]
        now = np.unique(np.concatenate([likely[t], follow[good], good if still[t] else good[:0]]))
        now = _allowed(now, t, earlier)
        paths = best[:, None] + _transition(keep[-1], now, gallery.run, look, bool(still[t]))
        back.append(paths.argmin(axis=0))
        best = paths.min(axis=0) + cost[t, now]
        keep.append(now)
    path = np.zeros(steps, np.int64)
    at = int(best.argmin())
    for t in range(steps - 1, -1, -1):
        path[t] = keep[t][at]
        at = int(back[t][at]) if t else at
    return path


def _allowed(
    rows: NDArray[np.int64], t: int, earlier: tuple[NDArray[np.int64], NDArray[np.bool_]] | None
) -> NDArray[np.int64]:
    """The rows that may be shown at frame t, rising: all, or the one of an earlier path that is kept."""
    if earlier is None or earlier[0][t] < 0:
        return rows
    known = earlier[0][t : t + 1]
    return np.union1d(rows, known) if earlier[1][t] else known


def _likely(cost: NDArray[np.float32], run: NDArray[np.int32]) -> NDArray[np.int64]:
    """Rows that fit each frame best (T, K): by themselves, and together with their neighbours."""
    steps, rows = cost.shape
    count = min(CANDIDATES, rows)
    along = np.zeros_like(cost)
    seen = np.zeros_like(cost)
    for d in range(-_REACH, _REACH + 1):
        t0, t1 = max(0, -d), steps - max(0, d)
        n0, n1 = max(0, -d), rows - max(0, d)
        if t0 >= t1 or n0 >= n1:
            continue
        same = (run[n0:n1] == run[n0 + d : n1 + d]).astype(np.float32)
        along[t0:t1, n0:n1] += same * cost[t0 + d : t1 + d, n0 + d : n1 + d]
        seen[t0:t1, n0:n1] += same
    along = along / seen + 3 * (1 - seen / (2 * _REACH + 1))
    alone = np.argpartition(cost, count - 1, axis=1)[:, :count]
    joint = np.argpartition(along, count - 1, axis=1)[:, :count]
    return np.concatenate([alone, joint], axis=1)


def _follow(run: NDArray[np.int32]) -> NDArray[np.int64]:
    """The row after each in its run (N,); the last of a run follows itself."""
    rows = np.arange(len(run))
    ahead = np.minimum(rows + 1, len(run) - 1)
    return np.asarray(np.where(run[ahead] == run, ahead, rows))


def _transition(
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    run: NDArray[np.int32],
    look: NDArray[np.float32],
    still: bool = False,
) -> NDArray[np.float32]:
    """Cost (K, L) of showing `after` directly after `before`, where the mouth rests or moves."""
    # What would have come next had the run gone on, against what comes.
    ahead = np.minimum(before + 1, len(run) - 1)
    a, b = look[np.where(run[ahead] == run[before], ahead, before)], look[after]
    apart = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)[None]
    cost = _CUT + np.maximum(apart, 0) / (look.shape[1] * _LOOK**2)
    cost *= _RESTING_CUT if still else 1
    step = after[None] - before[:, None]
    same = run[before][:, None] == run[after][None]
    for by, price in _RESTING if still else _STEPS:
        cost = np.where(same & (step == by), np.minimum(cost, price), cost)
    return np.asarray(cost, np.float32)
