"""The default lip engine: learnt shape in, the actor's own pixels out.

Per frame it shows a lower face from the actor's own footage, chosen by `retrieval`, drawn by `render` where
the target's head is and with the mouth that is wanted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.artifacts.gallery import Gallery, joined, load
from dubcli.engines.lips import LipWork, render, retrieval
from dubcli.face import cover, mask, pose, warp
from dubcli.face import mesh as regions
from dubcli.face.gallery import build, cut, usable
from dubcli.face.smooth import quadratic, smoothstep
from dubcli.media import spans
from dubcli.media.patches import Patch

Floats = NDArray[np.floating[Any]]

NOTHING = -1  # no row of the gallery
CHUNK_BYTES, CHUNK_FRAMES = 128_000_000, 400  # of the target, held at once
SHOT_BYTES = 200_000_000  # pixels of the shot's own footage, where the gallery lacks it
_ENOUGH = 0.6  # share of a shot's good frames in the gallery with which it needs no more
_MOUTH = list(regions.MOUTH)
_STEADY = 0.8  # frames of smoothing: the mesh's jitter goes, the flick of a closing lip stays
_BORDER = 4  # pixels around what may change
_DOUBT = 8.0  # cost of footage at which confidence is 1/e
_BAD, _HOPELESS = 14.0, 22.0  # costs between which footage is given up
_COVER_FRAMES = 3  # frames over which what covers the face is steadied
_UNIT = np.float32(1 / 255)
_THREADS = 2  # frames drawn at once; they do not depend on each other
_DRAWN_BYTES = 400_000_000  # frames drawn and not yet given back: in 4K a few are gigabytes
_PIXEL_BYTES = 100  # that drawing a frame takes for each pixel of its patch
_FOLLOW_LIGHT = 0.4  # share of a frame's own light while a piece of footage runs on
_MEMORY = 8  # frames over which light and grain are steadied; no frame depends on those further back
_EDIT_REACH = 5  # frames around an edit of the curves in which other footage may be chosen than without it


class ExemplarEngine:
    """Shows the actor's own footage, warped to the wanted mouth."""

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """Patches of all frames whose weight is above 0; none where there is no footage of the actor."""
        from dubcli.media.decode import frames as decode

        footage = _footage(work)
        if not len(footage):
            return
        plan = _Plan(work, footage)
        done, shown = 0, NOTHING
        lights: deque[NDArray[np.float32]] = deque(maxlen=_MEMORY)
        grains: deque[float] = deque(maxlen=_MEMORY)
        for start, stop in plan.chunks():
            first = int(work.frames[start])
            pictures: list[NDArray[Any]] = []
            for frame in decode(work.film, work.video, work.pts, first, first + stop - start, work.digests):
                pictures.append(cut(frame, plan.corner(start + len(pictures)), plan.size))
                work.report(done, plan.count)
            faces, flat = plan.faces(start, pictures)
            rows, cost = plan.choose(start, flat, shown)
            wanted = [t for t in range(start, stop) if plan.weight[t] > 0]
            drawings = _ahead(plan.draw, ((t, faces[t - start], rows[t - start]) for t in wanted), plan.ahead)
            for t, drawn in zip(wanted, drawings, strict=True):
                row, price = int(rows[t - start]), float(cost[t - start])
                if row not in (shown, shown + 1):
                    lights.clear()
                lights.append(drawn.light)
                grains.append(drawn.grain)
                shown = row
                light, grain = _followed(lights), sum(grains) / len(grains)
                yield plan.finish(t, *render.join(drawn, light, grain, plan.size_at[t]), price)
                done += 1
                work.report(done, plan.count)


def _followed(recent: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """What a light that goes a share of the way to each of the recent ones has become, from the oldest on."""
    return reduce(lambda light, now: light + np.float32(_FOLLOW_LIGHT) * (now - light), recent)


def _ahead(
    draw: Callable[..., render.Layers], asked: Iterable[tuple[Any, ...]], most: int
) -> Iterator[render.Layers]:
    """Draw frames on threads, at most so many at once with the one in hand, and give them back in order."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[Future[render.Layers]] = deque()
        for one in asked:
            waiting.append(pool.submit(draw, *one))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _footage(work: LipWork) -> Gallery:
    """The actor's gallery, and of a long film, whose gallery is a selection, this shot's own frames too."""
    gallery = load(work.gallery)
    good = work.track.frames[usable(work.track)]
    if not len(good) or np.isin(good, gallery.frames).mean() > _ENOUGH:
        return gallery

    def alive(_done: int, _total: int) -> None:
        work.report(0, int((work.weight > 0).sum()))

    shot = [lambda: work.track]
    own = build(work.film, work.video, work.pts, work.digests, shot, SHOT_BYTES, gallery.head, alive)
    return joined(gallery, own)


class _Plan:
    """Everything about a unit that is known before its own pixels are read.

    Attributes:
        mesh: (T, 478, 3) the face as it is, without jitter, in pixels of the raster.
        wanted: (T, 478, 2) where its points are to be.
        weight: (T,) how much is asked to change.
        pixels: (T,) how much of the new picture shows.
        size: width and height of every patch.
        origin: (T, 2) even raster position of each patch.
    """

    def __init__(self, work: LipWork, gallery: Gallery) -> None:
        self.work, self.gallery = work, gallery
        rows = work.frames - work.track.frames[0]
        place = pose.canonical_transform(work.track.mesh, gallery.head, _STEADY)[rows]
        own = steady(pose.to_canonical(work.track.mesh[rows], place), _STEADY)
        canonical = own.copy()
        canonical[:, _MOUTH] = self._reached(own, work.shape)
        self.mesh = pose.from_canonical(own, place)
        self.wanted = pose.from_canonical(canonical, place)[:, :, :2]
        self.shape, self.angles, self.size_at = canonical[:, _MOUTH], pose.angles(place), place.scale
        self.weight, self.pixels = work.weight, np.array(work.weight, np.float32)
        self.asked, self.edited = work.weight > 0, None
        if work.found is not None:
            shape, weight = work.found
            self.last, self.found = NOTHING, self._reached(own, shape)
            self.found_asked = weight > 0
            self.asked |= self.found_asked
            changed = (work.shape != shape).any(axis=(1, 2)) | (work.weight != weight)
            self.edited = ndimage.maximum_filter1d(changed, 2 * _EDIT_REACH + 1, mode="constant")
        self.appearance = cover.learn(gallery.texture)
        self.count = int((work.weight > 0).sum())
        self.gallery_mesh, self.gallery_size = _steady_runs(gallery)
        self.size, self.origin = self._boxes()

    def chunks(self) -> list[tuple[int, int]]:
        """Half-open ranges of frames to change, now or before an edit, each small enough to hold."""
        each = self.size[0] * self.size[1] * 3 * (2 if self.work.video.bit_depth > 8 else 1)
        most = min(max(1, CHUNK_BYTES // each), CHUNK_FRAMES)
        return [
            (a, min(a + most, stop))
            for start, stop in spans.runs_of_true(self.asked)
            for a in range(start, stop, most)
        ]

    @property
    def ahead(self) -> int:
        """Frames that may be drawn and not yet given back."""
        each = self.size[0] * self.size[1] * _PIXEL_BYTES
        return max(1, min(2 * _THREADS + 1, int(self.work.batch * _DRAWN_BYTES) // each))

    def faces(self, start: int, pictures: list[NDArray[Any]]) -> tuple[list[render.Face], NDArray[np.uint8]]:
        """The faces to change from frame `start` on, and each of them laid flat."""
        meshes = self.mesh[start : start + len(pictures)].copy()
        meshes[..., :2] -= self.origin[start : start + len(pictures), None]
        flat = np.stack([cover.unrolled(p, m) for p, m in zip(pictures, meshes, strict=True)])
        covers = np.stack([cover.covered(one, self.appearance) for one in flat])
        covers = ndimage.median_filter(covers, (_COVER_FRAMES, 1, 1), mode="nearest")
        return [
            render.Face(p, m, c if c.any() else None)
            for p, m, c in zip(pictures, meshes, covers, strict=True)
        ], flat

    def choose(
        self, start: int, flat: NDArray[np.uint8], before: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row of the gallery for each frame from `start` on, and what it costs.

        Where no footage comes near, the frames are given back to the source: the mouth first returns to what
        it was, then its pixels.
        """
        now = slice(start, start + len(flat))
        wanted = retrieval.Wanted(self.shape[now], self.angles[now], self.size_at[now], cover.light(flat))
        cost = retrieval.mismatch(wanted, self.gallery, self.gallery_size)
        first = before if start > 0 and self.asked[start - 1] else NOTHING
        earlier = self._before_edit(start, wanted)
        rows = retrieval.choose(cost, self.gallery, first, retrieval.resting(wanted), earlier)
        paid = cost[np.arange(len(rows)), rows]
        trust = smoothstep((_HOPELESS - paid) / (_HOPELESS - _BAD))
        trust = ndimage.gaussian_filter1d(
            ndimage.minimum_filter1d(trust, 7, mode="nearest"), 1.5, mode="nearest"
        )
        self.pixels[now] *= np.clip(3 * trust, 0, 1)
        still = self.mesh[now, :, :2]
        self.wanted[now] = still + np.clip(1.5 * trust - 0.5, 0, 1)[:, None, None] * (
            self.wanted[now] - still
        )
        return rows, paid

    def _before_edit(
        self, start: int, wanted: retrieval.Wanted
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
        """Rows that were chosen before the curves were edited, and where the edit may choose others.

        A path through the gallery is the best of the whole shot; without this an edit of a few frames could
        change what all others show.
        """
        if self.edited is None:
            return None
        now = slice(start, start + len(wanted.shape))
        wanted = replace(wanted, shape=self.found[now])
        cost = retrieval.mismatch(wanted, self.gallery, self.gallery_size)
        rests, rows = retrieval.resting(wanted), np.full(len(cost), NOTHING, np.int64)
        for a, b in spans.runs_of_true(self.found_asked[now]):
            goes_on = a == 0 and start > 0 and self.found_asked[start - 1]
            rests[a] = False
            rows[a:b] = retrieval.choose(
                cost[a:b], self.gallery, self.last if goes_on else NOTHING, rests[a:b]
            )
        self.last = int(rows[-1])
        return rows, self.edited[now]

    def _reached(self, own: Floats, shape: Floats) -> NDArray[np.float32]:
        """Mouths (T, P, 3) as far moved from their own (T, 478, 3) as their points may be."""
        mouth = own[:, _MOUTH]
        return np.asarray(mouth + _reach()[:, None] * (shape - mouth), np.float32)

    def draw(self, t: int, face: render.Face, row: int) -> render.Layers:
        """Frame t with the footage of that row."""
        return render.layers(face, self.wanted[t] - self.origin[t], self.footage(row))

    def corner(self, t: int) -> tuple[int, int]:
        """Raster position of the first pixel of frame t's patch."""
        return int(self.origin[t, 0]), int(self.origin[t, 1])

    def footage(self, row: int) -> render.Face:
        """A face of the gallery, in pixels of its crop."""
        before = self.gallery.cover[row]
        mesh = self.gallery_mesh[row] - (*self.gallery.origin[row], 0)
        return render.Face(self.gallery.crop[row], mesh, _UNIT * before if before.any() else None)

    def finish(self, t: int, picture: NDArray[np.float32], alpha: NDArray[np.float32], cost: float) -> Patch:
        """The patch of frame t in the film's own depth, with nothing shown outside the picture."""
        kind = np.uint16 if self.work.video.bit_depth > 8 else np.uint8
        full = np.float32(np.iinfo(kind).max)
        x, y = self.corner(t)
        shown = np.zeros_like(alpha)
        width, height = self.work.video.square
        inside = slice(max(0, -y), max(0, height - y)), slice(max(0, -x), max(0, width - x))
        shown[inside] = alpha[inside] * self.pixels[t]
        return Patch(
            frame=int(self.work.frames[t]),
            origin=(x, y),
            rgb=np.rint(picture * full).astype(kind),
            mask=np.rint(shown * full).astype(kind),
            confidence=float(np.exp(-cost / _DOUBT)),
        )

    def _boxes(self) -> tuple[tuple[int, int], NDArray[np.int32]]:
        """One even patch size, and an even origin per frame, that hold all that may change."""
        nodes = np.concatenate([warp.moved(self.mesh, to) for to in (self.mesh, self.wanted)], axis=1)
        span = np.concatenate([_span(), _span() + warp.lattice().nodes])
        low, high = nodes[:, span].min(axis=1) - _BORDER, nodes[:, span].max(axis=1) + _BORDER
        width, height = (int(v) for v in np.ceil((high - low).max(axis=0) / 2) * 2 + 2)
        origin = np.floor((low + high - (width, height)) / 4).astype(np.int32) * 2
        return (width, height), origin


def steady(shapes: Floats, frames: float) -> NDArray[np.float32]:
    """Points (T, N, 3) without the jitter of the mesh: zero-phase local quadratic smoothing over frames."""
    reach = int(np.ceil(3 * frames))
    kernel = quadratic(frames, reach)
    return np.asarray(ndimage.correlate1d(np.asarray(shapes, np.float32), kernel, axis=0, mode="nearest"))


def _steady_runs(gallery: Gallery) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Meshes of the gallery without jitter, (N, 478, 3), and their sizes (N,) in pixels."""
    mesh = np.array(gallery.mesh)
    size = np.zeros(len(mesh))
    for number in np.unique(gallery.run):
        rows = np.flatnonzero(gallery.run == number)
        place = pose.canonical_transform(mesh[rows], gallery.head, _STEADY)
        mesh[rows] = pose.from_canonical(steady(pose.to_canonical(mesh[rows], place), _STEADY), place)
        size[rows] = place.scale
    return mesh, size


@lru_cache(maxsize=1)
def _reach() -> NDArray[np.float32]:
    """Share (P,) of the wanted movement that each mouth point makes: less and less towards the ears."""
    side = np.abs(regions.head()[_MOUTH, 0])
    return 1 - smoothstep((side - 0.42) / (0.65 - 0.42))


@lru_cache(maxsize=1)
def _span() -> NDArray[np.int64]:
    """Nodes of the lattice that can move, or that share a triangle with one that can, or bound the mask."""
    free = {m for m, r in zip(_MOUTH, _reach(), strict=True) if r > 0}
    free |= {regions.POINTS + j for j, point in enumerate(regions.JAW) if point in free}
    near = {int(n) for t in warp.lattice().triangles for n in t if free & set(map(int, t))}
    return np.array(sorted(near | set(mask.EDGE)))
