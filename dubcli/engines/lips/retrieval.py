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

from dubcli.face import mesh as regions
from dubcli.face.gallery import Gallery

Floats = NDArray[np.floating[Any]]

CANDIDATES = 48  # frames of the gallery looked at per wanted frame, of each of two kinds
_REACH = 3  # frames before and after that tell whether footage goes on fitting

# A cost of 1 is a lip gap that is off by 0.03 outer-eye distances, just visible.
_UNIT = 0.03
_YAW, _PITCH, _ROLL = 9.0, 9.0, 15.0  # degrees that cost as much
_ENLARGED, _SHRUNK = 0.25, 0.9  # log2 of size
_LIGHT = 0.25  # log of colour

_CUT = 2.0
_HOLD, _SKIP, _BACK = 0.35, 0.35, 0.6  # showing a frame twice, leaving one out, running backwards
_LOOK = 16.0  # grey levels of the mouth's thumbnail, root mean square, that cost 1 at a cut

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
    gaps = [np.linalg.norm(shape[:, _INDEX[a]] - shape[:, _INDEX[b]], axis=1) for a, b in _PAIRS]
    gap = np.stack(gaps, axis=1)
    # A sliver of teeth between lips that should meet shows more than a wide mouth a little wider.
    lips = np.log1p(gap / 0.03) * (0.05 / 2) + gap / 2
    left, right = shape[:, _INDEX[regions.CORNER_LEFT]], shape[:, _INDEX[regions.CORNER_RIGHT]]
    width = np.linalg.norm(left - right, axis=1, keepdims=True)
    pout = shape[:, [_INDEX[0], _INDEX[17]], 2]
    chin = shape[:, [_INDEX[regions.CHIN]], 1]
    outline = shape[:, _LIPS, :2].reshape(len(shape), -1) / np.sqrt(2 * len(_LIPS))
    parts = [lips * (1, 0.5, 0.5), width * 0.7, pout * 0.5, chin * 0.25, outline * 0.7]
    return np.asarray(np.concatenate(parts, axis=1) / _UNIT, np.float32)


def mismatch(wanted: Wanted, gallery: Gallery, size: Floats) -> NDArray[np.float32]:
    """Cost (T, N) of each frame of the gallery, of sizes (N,), for each wanted frame."""
    a, b = descriptor(wanted.shape), descriptor(gallery.shape)
    cost = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)[None]
    turn = (wanted.pose[:, None] - gallery.pose[None]) / np.array([_YAW, _PITCH, _ROLL], np.float32)
    cost += (turn**2).sum(axis=2)
    growth = np.log2(np.maximum(wanted.size, 1e-3))[:, None] - np.log2(np.maximum(size, 1e-3))[None]
    cost += np.where(growth > 0, growth / _ENLARGED, growth / _SHRUNK) ** 2
    shade = np.log(wanted.light + 0.05)[:, None] - np.log(gallery.light + 0.05)[None]
    cost += ((shade / _LIGHT) ** 2).mean(axis=2)
    return np.asarray(np.maximum(cost, 0), np.float32)


def choose(cost: NDArray[np.float32], gallery: Gallery, start: int = -1) -> NDArray[np.int64]:
    """Row of the gallery to show at each of T frames: the cheapest path (Viterbi 1967).

    Args:
        cost: (T, N) from `mismatch`.
        gallery: the footage.
        start: row shown at the frame before the first, or -1.
    """
    steps, rows = cost.shape
    keep = _candidates(cost, gallery.run)
    look = gallery.look.reshape(rows, -1).astype(np.float32)
    total = np.take_along_axis(cost, keep, axis=1)
    if start >= 0:
        total[0] += _transition(np.array([start]), keep[0], gallery, look)[0]
    best = total[0]
    back = np.zeros(keep.shape, np.int32)
    for t in range(1, steps):
        paths = best[:, None] + _transition(keep[t - 1], keep[t], gallery, look)
        back[t] = paths.argmin(axis=0)
        best = np.take_along_axis(paths, back[t][None].astype(np.int64), axis=0)[0] + total[t]
    path = np.zeros(steps, np.int64)
    at = int(best.argmin())
    for t in range(steps - 1, -1, -1):
        path[t] = keep[t, at]
        at = int(back[t, at])
    return path


def _candidates(cost: NDArray[np.float32], run: NDArray[np.int32]) -> NDArray[np.int64]:
    """Rows worth looking at per frame (T, K): the best by themselves, and the best with their neighbours."""
    steps, rows = cost.shape
    count = min(CANDIDATES, rows)
    if count == rows:
        return np.broadcast_to(np.arange(rows), (steps, rows)).copy()
    along = np.zeros_like(cost)
    seen = np.zeros_like(cost)
    for d in range(-_REACH, _REACH + 1):
        t0, t1 = max(0, -d), steps - max(0, d)
        n0, n1 = max(0, -d), rows - max(0, d)
        same = (run[n0:n1] == run[n0 + d : n1 + d]).astype(np.float32)
        along[t0:t1, n0:n1] += same * cost[t0 + d : t1 + d, n0 + d : n1 + d]
        seen[t0:t1, n0:n1] += same
    along = along / np.maximum(seen, 1) + 3 * (1 - seen / (2 * _REACH + 1))
    alone = np.argpartition(cost, count - 1, axis=1)[:, :count]
    joint = np.argpartition(along, count - 1, axis=1)[:, :count]
    return np.sort(np.concatenate([alone, joint], axis=1), axis=1)


def _transition(
    before: NDArray[np.int64], after: NDArray[np.int64], gallery: Gallery, look: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Cost (K, L) of showing `after` directly after `before`."""
    # What would have come next had the run gone on, against what comes.
    last = len(look) - 1
    follow = np.minimum(before + 1, last)
    follow = np.where(gallery.run[follow] == gallery.run[before], follow, before)
    a, b = look[follow], look[after]
    apart = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)[None]
    cost = _CUT + np.maximum(apart, 0) / (look.shape[1] * _LOOK**2)
    step = after[None] - before[:, None]
    same = gallery.run[before][:, None] == gallery.run[after][None]
    for by, price in ((1, 0.0), (0, _HOLD), (2, _SKIP), (-1, _BACK)):
        cost = np.where(same & (step == by), np.minimum(cost, price), cost)
    return np.asarray(cost, np.float32)
