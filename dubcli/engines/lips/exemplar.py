"""The default lip engine: target mouth shapes in, the actor's own pixels out.

Per frame a lower face from the actor's reference bank, chosen by `retrieval`, is rendered by `render` at the
head pose of the source and with the target mouth. Constants are set by hand on real footage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.gallery import Gallery, joined, load
from dubcli.engines.lips import LipWork, render, retrieval
from dubcli.engines.lips.plan import CHUNK_FRAMES, NO_ROW, THREADS, Plan
from dubcli.face import occlusion
from dubcli.face.gallery import build, usable
from dubcli.media import ahead
from dubcli.media.patches import Patch

Floats = NDArray[np.floating[Any]]

SHOT_BYTES = 200_000_000  # of reference frames from the shot itself, where the gallery lacks them
_SUFFICIENT = 0.6  # share of a shot's usable frames in the gallery from which no more are added
_CONFIDENCE_COST = 8.0  # cost of a reference frame at which its confidence is 1/e
_LIGHT_RATE = 0.4  # share of the current frame's light in the running mean within a run
_LIGHT_STEP = 0.08  # log of light (natural) by which the scene's changes: in steady light 0.05 at most
_HISTORY = 8  # frames over which light and grain are averaged; no frame depends on earlier ones
_LIGHT_LOOKS = 3  # frames whose light is looked at to judge a whole face; light changes slowly within a shot


@dataclass(frozen=True)
class Rendered:
    """One frame that is rendered and not yet a patch; positions are pixels of its picture.

    Attributes:
        t: its index among the frames of the work.
        row: of the gallery, that it was rendered from.
        others: rows of other moments that would fit next best, as many as were asked for.
        cost: of that row.
        face: the source.
        target: (478, 2) the mesh that was asked for.
        depth: (478,) its depth, in pixels of the same scale.
        picture: (H, W, 3) float32 0–1.
        alpha: (H, W) float32 0–1.
    """

    t: int
    row: int
    others: list[int]
    cost: float
    face: render.Face
    target: Floats
    depth: Floats
    picture: NDArray[np.float32]
    alpha: NDArray[np.float32]


class ExemplarEngine:
    """Composites the actor's own reference frames, warped to the target mouth."""

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """Patches of all frames whose weight is above 0; none where the gallery is empty."""
        plan = prepare(work)
        if plan is None:
            return
        for frame in rendered(plan):
            patch = finished(plan, frame, frame.picture)
            del frame  # before the next one is drawn
            yield patch


def prepare(work: LipWork, others: int = 0) -> Plan | None:
    """What the frames of a work share; None where there is no footage to render them from.

    Args:
        work: the work.
        others: how many more rows each frame is told that would fit it.
    """
    footage = _footage(work)
    return Plan(work, footage, others) if len(footage) else None


def rendered(plan: Plan) -> Iterator[Rendered]:
    """All frames whose weight is above 0, in order."""
    work, done, steady = plan.work, 0, Steady()
    observed = _observed(plan)
    for start, faces, rows, cost in ahead.read(observed, 1) if plan.ahead > 1 else observed:
        active = [t for t in range(start, start + len(faces)) if plan.weight[t] > 0]
        jobs = ((t, faces[t - start], int(rows[t - start, 0])) for t in active)
        moments = iter(active)
        for drawn in ahead.each(plan.draw, jobs, plan.ahead, THREADS):
            t = next(moments)
            (row, *others), face = rows[t - start].tolist(), faces[t - start]
            picture, alpha = steady.joined(drawn, row, plan.size_at[t])
            target = plan.target[t] - plan.origin[t]
            depth, row_cost = plan.depth[t], float(cost[t - start])
            yield Rendered(t, row, others, row_cost, face, target, depth, picture, alpha)
            del drawn, picture, alpha  # before the next one is drawn: in 4K these are a hundred megabytes
            done += 1
            work.report(done, plan.count)


def finished(plan: Plan, frame: Rendered, picture: NDArray[np.float32]) -> Patch:
    """The patch of a frame in the film's own depth; its mask is 0 outside the picture and over bars."""
    kind = np.uint16 if plan.work.video.bit_depth > 8 else np.uint8
    full = np.float32(np.iinfo(kind).max)
    matte = np.zeros_like(frame.alpha)
    inside = frame.face.inside
    matte[inside] = frame.alpha[inside] * plan.pixels[frame.t]
    scaled = picture * full
    return Patch(
        frame=int(plan.work.frames[frame.t]),
        origin=plan.corner(frame.t),
        rgb=np.rint(scaled, out=scaled).astype(kind),
        mask=np.rint(matte * full).astype(kind),
        confidence=float(np.exp(-frame.cost / _CONFIDENCE_COST)),
    )


def _observed(
    plan: Plan,
) -> Iterator[tuple[int, list[render.Face], NDArray[np.int64], NDArray[np.float32]]]:
    """Chunk after chunk its first frame, its faces, and for each rows of the gallery and the first's cost."""
    from dubcli.media import decode

    work, previous = plan.work, plan.unknown
    chunks, first = plan.chunks(), int(work.frames[0])
    ranges = [(first + start, first + stop) for start, stop in chunks]
    frames = decode.selected(work.film, work.video, work.pts, ranges, work.keys, work.digests)
    for start, stop in chunks:
        faces, flat = plan.faces(zip(range(start, stop), frames, strict=False))
        rows, cost = plan.choose(start, faces, flat, previous)
        active = np.flatnonzero(plan.weight[start:stop] > 0)
        previous = rows[active[-1]] if len(active) else previous
        yield start, faces, rows, cost


class Steady:
    """Light and grain averaged over consecutive frames of one run, which no frame shows alone."""

    def __init__(self) -> None:
        self._row = NO_ROW
        self._lights: deque[NDArray[np.float32]] = deque(maxlen=_HISTORY)
        self._grains: deque[float] = deque(maxlen=_HISTORY)

    def joined(
        self, drawn: render.Layers, row: int, eyes: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Picture and mask of the frame that follows, of that row and size of the face."""
        if row not in (self._row, self._row + 1) or self._changed(drawn.light):
            self._lights.clear()
        self._lights.append(drawn.light)
        self._grains.append(drawn.grain)
        self._row = row
        return render.join(drawn, _followed(self._lights), sum(self._grains) / len(self._grains), eyes)

    def _changed(self, light: NDArray[np.float32]) -> bool:
        """Whether the scene's light has left what would be averaged: a flash, a lamp, a fade."""
        if not self._lights:
            return False
        ratio = np.log(light / _followed(self._lights)).mean(axis=(0, 1))
        return bool(np.abs(ratio).max() > _LIGHT_STEP)


def confidence(work: LipWork) -> NDArray[np.float32]:
    """(n,) 0–1: how well the footage fits each frame whose weight is above 0, without drawing any.

    It is the confidence of patches if the best row could be taken for each frame, whatever came before it: an
    upper bound. Of the light only a few frames are looked at. Empty where there is no footage.
    """
    from dubcli.media.decode import frames as decode

    footage = _footage(work)
    if not len(footage):
        return np.zeros(0, np.float32)
    plan = Plan(work, footage)
    active = np.flatnonzero(work.weight > 0)
    looked = np.unique(active[np.linspace(0, len(active) - 1, _LIGHT_LOOKS).round().astype(int)])
    lights = []
    for t in looked.tolist():
        frame = int(work.frames[t])
        (picture,) = decode(work.film, work.video, work.pts, frame, frame + 1, work.digests)
        _, flat = plan.faces([(t, picture)])
        lights.append(occlusion.light(flat)[0])
    bands = np.stack(lights).reshape(len(looked), -1).T
    light = np.stack([np.interp(active, looked, band) for band in bands], axis=1).reshape(
        -1, *lights[0].shape
    )
    best = []
    for at in range(0, len(active), CHUNK_FRAMES):
        now = active[at : at + CHUNK_FRAMES]
        seen = light[at : at + CHUNK_FRAMES]
        target = retrieval.Target(plan.shape[now], plan.angles[now], plan.size_at[now], seen)
        best.append(retrieval.mismatch(target, footage, plan.gallery_size).min(axis=1))
    return np.asarray(np.exp(-np.concatenate(best) / _CONFIDENCE_COST), np.float32)


def _followed(recent: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Running mean (exponential) of light fields, the oldest first."""
    return reduce(lambda light, now: light + np.float32(_LIGHT_RATE) * (now - light), recent)


def _footage(work: LipWork) -> Gallery:
    """The actor's gallery; where it is a selection from a long film, with this shot's own frames."""
    gallery = load(work.gallery)
    good = work.track.frames[usable(work.track)]
    if not len(good) or np.isin(gallery.numbers(work.shot, good), gallery.frames).mean() > _SUFFICIENT:
        return gallery

    def progress(_done: int, _total: int) -> None:
        work.report(0, int((work.weight > 0).sum()))

    own = [lambda: work.track], [work.shot]
    film = work.film, work.video, work.pts, work.digests
    added = build(*film, *own, SHOT_BYTES, gallery.head, progress, work.keys)
    return joined(gallery, added)
