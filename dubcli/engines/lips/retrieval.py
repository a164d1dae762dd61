"""Retrieval of reference frames: a path through the gallery by dynamic programming.

The idea is video textures (Schödl et al. 2000) with a target: each row of the gallery has a cost of mismatch
to the target frame, and each cut between runs a cost of the visible jump, so runs of consecutive frames win
where they fit. Constants are set by hand on real footage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.gallery import Gallery
from dubcli.face import mesh as regions
from dubcli.face import occlusion

Floats = NDArray[np.floating[Any]]

APART = 12  # frames of film between a frame and footage that is said to be of another moment
BARRED = np.float32(1e6)  # cost of footage that may not be used
CANDIDATES = 32  # rows of the gallery per target frame, of each of three kinds
_NEIGHBOURS = 3  # frames on either side over which the cost of a run is averaged

# A cost of 1 is an aperture error of 0.03 outer-eye distances, just visible.
_UNIT = 0.03
_YAW, _PITCH, _ROLL = 9.0, 9.0, 15.0  # degrees of head pose at a cost of 1
_ENLARGED, _SHRUNK = 0.25, 0.9  # log2 of the ratio of sizes at a cost of 1
_COLOUR = 0.25  # log of skin colour (natural), of the face or of a part against it, at a cost of 1
_OCCLUDED = 0.02  # share of the lower face that is occluded, and not in the target frame, at a cost of 1
_UNSHARP = 0.3  # loss of sharpness, in units of the track's median, at a cost of 1
_MOTION_BLUR = 0.06  # outer-eye distances a frame at a cost of 1; a 180° shutter blurs by half of that

_CUT = 2.0  # cost of a cut between runs
_HOLD, _SKIP, _BACK = 0.35, 0.35, 0.6  # costs of repeating a frame, skipping one, running backwards
_STEPS = ((1, 0.0), (0, _HOLD), (2, _SKIP), (-1, _BACK))
_RESTING = (
    (0, 0.0),
    (1, _HOLD),
    (2, 2 * _HOLD),
    (-1, _HOLD),
)  # the same (step, cost) for a mouth at rest, which is one picture
_RESTING_CUT = 4.0  # factor on cuts at rest: a mouth that changes in appearance seems to move
_MOVEMENT = 0.05  # cost between two target shapes from which a mouth moves
_APPEARANCE = 16.0  # grey levels of the mouth, root mean square, at a cost of 1 of a cut

_INDEX = {point: k for k, point in enumerate(regions.MOUTH)}
_PAIRS = ((13, 14), (82, 87), (312, 317))  # inner lips, above and below
_LIPS = [_INDEX[i] for i in regions.LIPS_OUTER + regions.LIPS_INNER]


@dataclass(frozen=True)
class Target:
    """Target of retrieval for each of T frames.

    Attributes:
        shape: (T, P, 3) canonical mouth.
        pose: (T, 3) degrees.
        size: (T,) pixels per outer-eye distance.
        light: (T, 4, 3) colour of the skin around the mouth, 0–1, from `occlusion.light`.
        occlusion: (T, ROWS, COLUMNS) masks of what is in front of it, 0–1; None for nothing.
    """

    shape: Floats
    pose: Floats
    size: Floats
    light: Floats
    occlusion: Floats | None = None


def descriptor(shape: Floats) -> NDArray[np.float32]:
    """Mouth shapes (T, P, 3) as vectors (T, D) whose squared distance is a cost."""
    aperture = np.maximum(_apertures(shape), 0)
    # A sliver of teeth between lips that should meet is more visible than a wide mouth a little wider.
    lips = np.log1p(aperture / 0.03) * (0.05 / 2) + aperture / 2
    left, right = shape[:, _INDEX[regions.CORNER_LEFT]], shape[:, _INDEX[regions.CORNER_RIGHT]]
    width = np.linalg.norm(left - right, axis=1, keepdims=True)
    protrusion = shape[:, [_INDEX[0], _INDEX[17]], 2]
    chin = shape[:, [_INDEX[regions.CHIN]], 1]
    outline = shape[:, _LIPS, :2].reshape(len(shape), -1) / np.sqrt(2 * len(_LIPS))
    parts = [lips * (1, 0.5, 0.5), width * 0.7, protrusion * 0.5, chin * 0.25, outline * 0.7]
    return np.asarray(np.concatenate(parts, axis=1) / _UNIT, np.float32)


def speed(shape: Floats, run: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Speed of the aperture of mouths (T, P, 3) within runs (T,): (T,) outer-eye distances a frame.

    It is 0 unless the aperture moves in one direction on both sides: lips that have just met are sharp.
    """
    step = np.where(np.diff(run) == 0, np.diff(_apertures(shape).mean(axis=1)), 0)
    previous, following = np.concatenate([[0], step]), np.concatenate([step, [0]])
    onwards = previous * following > 0
    return np.asarray(np.where(onwards, np.minimum(np.abs(previous), np.abs(following)), 0), np.float32)


def mismatch(target: Target, gallery: Gallery, size: Floats) -> NDArray[np.float32]:
    """Cost (T, N) of each frame of the gallery, of sizes (N,), for each target frame."""
    cost = _apart(descriptor(target.shape), descriptor(gallery.shape))
    turn = (target.pose[:, None] - gallery.pose[None]) / np.array([_YAW, _PITCH, _ROLL], np.float32)
    cost += (turn**2).sum(axis=2)
    growth = np.log2(np.maximum(target.size, 1e-3))[:, None] - np.log2(np.maximum(size, 1e-3))[None]
    cost += np.where(growth > 0, growth / _ENLARGED, growth / _SHRUNK) ** 2
    cost += _apart(_shade(target.light), _shade(occlusion.light(gallery.texture)))
    cost += (np.maximum(1 - gallery.sharp, 0) / _UNSHARP) ** 2
    # Motion blur is natural on lips that move as fast, but not on slower ones.
    moving = speed(target.shape, np.zeros(len(target.shape), int))
    faster = speed(gallery.shape, gallery.run)[None] - moving[:, None]
    cost += (np.maximum(faster, 0) / _MOTION_BLUR) ** 2
    # What is occluded is filled with the source's own skin, which fits where it is far from the lips.
    cost += _occluded(target, gallery) / _OCCLUDED
    return np.asarray(np.maximum(cost, 0), np.float32)


def _occluded(target: Target, gallery: Gallery) -> Floats:
    """Share (T, N) of the lower face that is occluded in frames of the gallery and free in target frames."""
    hidden = gallery.occlusion.reshape(len(gallery), -1).astype(np.float32) / 255
    if target.occlusion is None or not target.occlusion.any():
        return np.asarray(hidden.mean(axis=1)[None])
    free = 1 - target.occlusion.reshape(len(target.occlusion), -1).astype(np.float32)
    return np.asarray(free @ hidden.T / hidden.shape[1])


def _apart(a: Floats, b: Floats) -> Floats:
    """Squared distances (T, N) of vectors (T, D) and (N, D)."""
    return np.asarray((a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)[None])


def _shade(light: Floats) -> Floats:
    """Light (T, 4, 3) as vectors (T, 15) whose squared distance is a cost.

    How bright it is, which blending can change, counts once; how it falls on each part, where it casts
    shadows and shines, counts for that part.
    """
    log = np.log(light + 0.05)
    mean = log.mean(axis=1, keepdims=True)
    vectors = np.concatenate([mean, log - mean], axis=1).reshape(len(light), -1)
    return np.asarray(vectors / (_COLOUR * np.sqrt(light.shape[2])), np.float32)


def _apertures(shape: Floats) -> Floats:
    """Apertures (T, 3) at three points of the lips of mouths (T, P, 3)."""
    # Height alone: the depth of the lips is not reliable, and would bias small apertures.
    apertures = [shape[:, _INDEX[b], 1] - shape[:, _INDEX[a], 1] for a, b in _PAIRS]
    return np.stack(apertures, axis=1)


def resting(target: Target) -> NDArray[np.bool_]:
    """(T,) bool: frames whose target mouth is that of the previous frame."""
    change = (np.diff(descriptor(target.shape), axis=0) ** 2).sum(axis=1)
    return np.concatenate([[False], change < _MOVEMENT])


def choose(
    cost: NDArray[np.float32],
    gallery: Gallery,
    start: int = -1,
    rests: NDArray[np.bool_] | None = None,
    earlier: tuple[NDArray[np.int64], NDArray[np.bool_]] | None = None,
) -> NDArray[np.int64]:
    """Row of the gallery for each of T frames: the path of least cost (Viterbi 1967).

    Args:
        cost: (T, N) from `mismatch`.
        gallery: the reference bank.
        start: row of the frame that precedes the first, or -1.
        rests: (T,) from `resting`; none by default.
        earlier: rows (T,) of a path that is kept except where a mask (T,) is true; -1 where unknown.
    """
    steps = len(cost)
    at_rest = np.zeros(steps, bool) if rests is None else rests
    likely = _likely(cost, gallery.run)
    appearance = occlusion.mouth(gallery.texture)
    successors = _successors(gallery.run)
    first = likely[0] if start < 0 else np.append(likely[0], successors[start])
    keep, back = [_allowed(np.unique(first), 0, earlier)], [np.zeros(0, np.int64)]
    best = cost[0, keep[0]]
    if start >= 0:
        best = best + _transition(np.array([start]), keep[0], gallery.run, appearance)[0]
    for t in range(1, steps):
        # With the successors on the best paths so far, whatever their own cost.
        good = keep[-1][np.argsort(best, kind="stable")[:CANDIDATES]]
        now = np.unique(np.concatenate([likely[t], successors[good], good if at_rest[t] else good[:0]]))
        now = _allowed(now, t, earlier)
        paths = best[:, None] + _transition(keep[-1], now, gallery.run, appearance, bool(at_rest[t]))
        back.append(paths.argmin(axis=0))
        best = paths.min(axis=0) + cost[t, now]
        keep.append(now)
    path = np.zeros(steps, np.int64)
    at = int(best.argmin())
    for t in range(steps - 1, -1, -1):
        path[t] = keep[t][at]
        at = int(back[t][at]) if t else at
    return path


def paths(
    cost: NDArray[np.float32],
    gallery: Gallery,
    count: int,
    start: NDArray[np.int64] | None = None,
    rests: NDArray[np.bool_] | None = None,
    earlier: tuple[NDArray[np.int64], NDArray[np.bool_]] | None = None,
) -> NDArray[np.int64]:
    """Rows (T, count) of several paths: that of `choose`, then what fits next best from other moments.

    Each moves as film does. Where there is no other footage, the row of the first stands in.

    Args:
        cost: (T, N) from `mismatch`.
        gallery: the reference bank.
        count: how many paths.
        start: (count,) rows of the frame that precedes the first; none by default.
        rests: (T,) from `resting`.
        earlier: rows (T, count) of paths that are kept except where a mask (T,) is true; -1 where unknown.
    """
    frames = gallery.frames
    found = np.zeros((len(cost), count), np.int64)
    for k in range(count):
        if k:
            cost = np.where(np.abs(frames[found[:, k - 1], None] - frames) < APART, BARRED, cost)
        kept = (earlier[0][:, k], earlier[1]) if earlier else None
        best = choose(cost, gallery, -1 if start is None else int(start[k]), rests, kept)
        barred = cost[np.arange(len(best)), best] >= BARRED
        found[:, k] = np.where(barred, found[:, 0], best) if k else best
    return found


def _allowed(
    rows: NDArray[np.int64], t: int, earlier: tuple[NDArray[np.int64], NDArray[np.bool_]] | None
) -> NDArray[np.int64]:
    """Rows allowed at frame t, rising: all, or the one of an earlier path that is kept."""
    if earlier is None or earlier[0][t] < 0:
        return rows
    known = earlier[0][t : t + 1]
    return np.union1d(rows, known) if earlier[1][t] else known


def _likely(cost: NDArray[np.float32], run: NDArray[np.int32]) -> NDArray[np.int64]:
    """Rows of least cost for each frame (T, K): alone, and averaged along their run."""
    steps, rows = cost.shape
    count = min(CANDIDATES, rows)
    along = np.zeros_like(cost)
    neighbours = np.zeros_like(cost)
    for d in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
        t0, t1 = max(0, -d), steps - max(0, d)
        n0, n1 = max(0, -d), rows - max(0, d)
        if t0 >= t1 or n0 >= n1:
            continue
        same = (run[n0:n1] == run[n0 + d : n1 + d]).astype(np.float32)
        along[t0:t1, n0:n1] += same * cost[t0 + d : t1 + d, n0 + d : n1 + d]
        neighbours[t0:t1, n0:n1] += same
    along = along / neighbours + 3 * (1 - neighbours / (2 * _NEIGHBOURS + 1))
    alone = np.argpartition(cost, count - 1, axis=1)[:, :count]
    joint = np.argpartition(along, count - 1, axis=1)[:, :count]
    return np.concatenate([alone, joint], axis=1)


def _successors(run: NDArray[np.int32]) -> NDArray[np.int64]:
    """The row after each in its run (N,); the last of a run follows itself."""
    rows = np.arange(len(run))
    ahead = np.minimum(rows + 1, len(run) - 1)
    return np.asarray(np.where(run[ahead] == run, ahead, rows))


def _transition(
    previous: NDArray[np.int64],
    following: NDArray[np.int64],
    run: NDArray[np.int32],
    appearance: NDArray[np.float32],
    at_rest: bool = False,
) -> NDArray[np.float32]:
    """Cost (K, L) of the step from rows `previous` to rows `following`, at rest or in movement."""
    # Appearance of the successor in the run against that of the row that follows.
    ahead = np.minimum(previous + 1, len(run) - 1)
    a, b = appearance[np.where(run[ahead] == run[previous], ahead, previous)], appearance[following]
    cost = _CUT + np.maximum(_apart(a, b), 0) / (appearance.shape[1] * _APPEARANCE**2)
    cost *= _RESTING_CUT if at_rest else 1
    step = following[None] - previous[:, None]
    same = run[previous][:, None] == run[following][None]
    for by, step_cost in _RESTING if at_rest else _STEPS:
        cost = np.where(same & (step == by), np.minimum(cost, step_cost), cost)
    return np.asarray(cost, np.float32)
