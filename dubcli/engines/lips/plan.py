"""What a face in a shot asks of its footage: meshes, targets, places, rows of the gallery, and how sure.

Constants are set by hand on real footage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.artifacts.gallery import Gallery
from dubcli.engines.lips import LipWork, meshes, render, retrieval
from dubcli.face import mask, occlusion, overlay, pose, warp
from dubcli.face import mesh as regions
from dubcli.face.gallery import cut
from dubcli.face.smooth import smoothstep
from dubcli.media import spans

if TYPE_CHECKING:
    from dubcli.media.decode import Frame

NO_ROW = -1  # index that stands for no row of the gallery
CHUNK_BYTES, CHUNK_FRAMES = 128_000_000, 400  # of the source, in memory at once
_MOUTH = list(regions.MOUTH)
_BORDER = 4  # pixels around the points that move
_FADE_START, _FADE_END = 14.0, 22.0  # costs between which the patch fades out
_HIDDEN_START, _HIDDEN_END = 0.2, 0.25  # shares of the lips behind an occluder between which it fades out
_OCCLUSION_FRAMES = 3  # frames of the median filter over occlusion masks
THREADS = 2  # frames rendered at once; they do not depend on each other
_THREADED = 64_000  # pixels of a patch from which they are: small steps wait for Python's lock for longer
_DRAWN_BYTES = 400_000_000  # of frames rendered and not yet yielded: in 4K a few are gigabytes
_PIXEL_BYTES = 100  # that rendering a frame takes for each pixel of its patch
_NOTHING = np.zeros((occlusion.ROWS, occlusion.COLUMNS), np.float32)  # the mask of a free face
_FLASH = 0.25  # log of light (natural) above the frames around, from which a frame is flashed; set by hand
_WHITE, _TO_WHITE = 0.95, 0.08  # light that is nearly white, and of a frame that is, the same log
_FLASHES = 6  # frames on either side without another flash: else it is a strobe, in which mouths are seen
_EDIT_REACH = 5  # frames around an edit of the curves in which other rows may be chosen


class Plan:
    """Data of a unit that does not depend on its pixels.

    Attributes:
        mesh: (T, 478, 3) source mesh without jitter, in pixels of the raster.
        target: (T, 478, 2) target positions of its points; depth: (T, 478).
        head_pose: (T) of the source, in pixels of the raster.
        weight: (T,) how much to change, 0–1.
        pixels: (T,) opacity of the patch, 0–1.
        size: width and height of every patch.
        origin: (T, 2) even raster position of each patch.
    """

    def __init__(self, work: LipWork, gallery: Gallery, others: int = 0) -> None:
        self.work, self.gallery = work, gallery
        self.unknown = np.full(1 + others, NO_ROW, np.int64)
        head_pose, source, canonical = meshes.canonical(work.track, work.frames, work.shape, gallery.head)
        self.mesh = pose.from_canonical(source, head_pose)
        wanted = pose.from_canonical(canonical, head_pose)
        self.target, self.depth = wanted[:, :, :2], wanted[:, :, 2]
        self.head_pose, self.size_at = head_pose, head_pose.scale
        self.shape, self.angles = canonical[:, _MOUTH], pose.angles(head_pose)
        self.weight, self.pixels = work.weight, np.array(work.weight, np.float32)
        self.active, self.edited = work.weight > 0, None
        if work.found is not None:
            shape, weight = work.found
            self.unedited, self.found = self.unknown, meshes.reached(source, shape)
            self.found_active = weight > 0
            self.active |= self.found_active
            changed = (work.shape != shape).any(axis=(1, 2)) | (work.weight != weight)
            self.edited = ndimage.maximum_filter1d(changed, 2 * _EDIT_REACH + 1, mode="constant")
        self.appearance = occlusion.fit(gallery.texture)
        self.count = int((work.weight > 0).sum())
        self.gallery_mesh, self.gallery_pose = meshes.smoothed_runs(gallery)
        self.gallery_size = self.gallery_pose.scale
        self.size, self.origin = self._boxes()

    def chunks(self) -> list[tuple[int, int]]:
        """Half-open ranges of frames to change, with or without edits, each small enough for memory."""
        frame_bytes = self.size[0] * self.size[1] * 3 * (2 if self.work.video.bit_depth > 8 else 1)
        most = min(max(1, CHUNK_BYTES // frame_bytes), CHUNK_FRAMES)
        return [
            (a, min(a + most, stop))
            for start, stop in spans.runs_of_true(self.active)
            for a in range(start, stop, most)
        ]

    @property
    def ahead(self) -> int:
        """Number of frames that may be rendered and not yet yielded; 1 for one after the other."""
        pixels = self.size[0] * self.size[1]
        if pixels < _THREADED:
            return 1
        return max(1, min(2 * THREADS + 1, int(self.work.batch * _DRAWN_BYTES) // (pixels * _PIXEL_BYTES)))

    def faces(self, frames: Iterable[tuple[int, Frame]]) -> tuple[list[render.Face], NDArray[np.uint8]]:
        """The faces of consecutive frames, and their textures; they are cut by `corner` and `size`."""
        seen: list[render.Face] = []
        for t, frame in frames:
            first = t - len(seen)
            picture, inside = cut(frame, self.corner(t), self.size)
            mesh = (self.mesh[t] - (*self.origin[t], 0)).astype(self.mesh.dtype)
            seen.append(render.Face(picture, mesh, inside=inside))
        pictures, own = [face.picture for face in seen], [face.mesh for face in seen]
        flat = [occlusion.unwrapped(*each) for each in zip(pictures, own, strict=True)]
        masks = np.stack([occlusion.estimate(each, self.appearance) for each in flat])
        occluded = ndimage.median_filter(masks, (_OCCLUSION_FRAMES, 1, 1), mode="nearest")
        words = overlay.lines(pictures, self.origin[first : first + len(seen)], own)
        return [
            replace(face, occlusion=each if each.any() else None, words=written)
            for face, each, written in zip(seen, occluded, words, strict=True)
        ], np.stack(flat)

    def choose(
        self,
        start: int,
        faces: list[render.Face],
        flat: NDArray[np.uint8],
        previous: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows of the gallery (T, 1 + others) for each frame from `start` on, and the cost (T,) of the first.

        Where every cost is high, or a hand is in front of the lips, frames fade back to the source: first the
        mouth shape, then the pixels. A frame that a flash has washed out stays as it is.
        """
        now = slice(start, start + len(flat))
        occluded = np.stack([_NOTHING if f.occlusion is None else f.occlusion for f in faces])
        light = occlusion.light(flat)
        target = retrieval.Target(self.shape[now], self.angles[now], self.size_at[now], light, occluded)
        cost = retrieval.mismatch(target, self.gallery, self.gallery_size)
        first = previous if start > 0 and self.active[start - 1] else self.unknown
        earlier, count = self._unedited(start, target), len(self.unknown)
        rows = retrieval.paths(cost, self.gallery, count, first, retrieval.resting(target), earlier)
        path_cost = cost[np.arange(len(rows)), rows[:, 0]]
        hidden = occlusion.of_lips(occluded)
        confidence = np.minimum(
            smoothstep((_FADE_END - path_cost) / (_FADE_END - _FADE_START)),
            smoothstep((_HIDDEN_END - hidden) / (_HIDDEN_END - _HIDDEN_START)),
        )
        confidence = ndimage.gaussian_filter1d(
            ndimage.minimum_filter1d(confidence, 7, mode="nearest"), 1.5, mode="nearest"
        )
        self.pixels[now] *= np.where(flashed(light), 0, np.clip(3 * confidence, 0, 1))
        source_points = self.mesh[now, :, :2]
        self.target[now] = source_points + np.clip(1.5 * confidence - 0.5, 0, 1)[:, None, None] * (
            self.target[now] - source_points
        )
        return rows, path_cost

    def _unedited(
        self, start: int, target: retrieval.Target
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
        """Rows chosen without the edits of the curves, and a mask where edits may choose others.

        A path through the gallery is the best of the whole shot; without this an edit of a few frames could
        change the rows of all others.
        """
        if self.edited is None:
            return None
        now = slice(start, start + len(target.shape))
        target = replace(target, shape=self.found[now])
        cost = retrieval.mismatch(target, self.gallery, self.gallery_size)
        rests, rows = retrieval.resting(target), np.tile(self.unknown, (len(cost), 1))
        for a, b in spans.runs_of_true(self.found_active[now]):
            continues = a == 0 and start > 0 and self.found_active[start - 1]
            rests[a] = False
            first = self.unedited if continues else self.unknown
            rows[a:b] = retrieval.paths(cost[a:b], self.gallery, len(first), first, rests[a:b])
        self.unedited = rows[-1]
        return rows, self.edited[now]

    def draw(self, t: int, face: render.Face, row: int) -> render.Layers:
        """Layers of frame t with the reference frame of that row."""
        return render.layers(face, self.target[t] - self.origin[t], self.footage(row))

    def corner(self, t: int) -> tuple[int, int]:
        """Raster position of the first pixel of frame t's patch."""
        return int(self.origin[t, 0]), int(self.origin[t, 1])

    def footage(self, row: int) -> render.Face:
        """Reference frame of that row, in pixels of its crop."""
        return meshes.face_of(self.gallery, self.gallery_mesh, row)

    def _boxes(self) -> tuple[tuple[int, int], NDArray[np.int32]]:
        """One even patch size, and an even origin per frame, that hold all points that may move."""
        nodes = np.concatenate([warp.moved(self.mesh, to) for to in (self.mesh, self.target)], axis=1)
        span = np.concatenate([_span(), _span() + warp.lattice().nodes])
        low, high = nodes[:, span].min(axis=1) - _BORDER, nodes[:, span].max(axis=1) + _BORDER
        width, height = (int(v) for v in np.ceil((high - low).max(axis=0) / 2) * 2 + 2)
        origin = np.floor((low + high - (width, height)) / 4).astype(np.int32) * 2
        return (width, height), origin


def flashed(light: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(T,) frames of one flash, two at most, by the colour (T, 4, 3) of the skin.

    No gain makes footage look like skin that a flash has washed out: lips would be dark on white.
    """
    level = np.log(light + 0.05).mean(axis=(1, 2))
    brighter = level - ndimage.median_filter(level, 7, mode="mirror")
    found = brighter > np.where(light.mean(axis=(1, 2)) > _WHITE, _TO_WHITE, _FLASH)
    many = ndimage.uniform_filter1d(found.astype(np.float64), 2 * _FLASHES + 1, mode="constant")
    return np.asarray(found & (many * (2 * _FLASHES + 1) < 2.5))


@lru_cache(maxsize=1)
def _span() -> NDArray[np.int64]:
    """Nodes of the lattice that can move, or that share a triangle with one that can, or bound the mask."""
    free = {m for m, r in zip(_MOUTH, meshes.reach(), strict=True) if r > 0}
    free |= {regions.POINTS + j for j, point in enumerate(regions.JAW) if point in free}
    near = {int(n) for t in warp.lattice().triangles for n in t if free & set(map(int, t))}
    return np.array(sorted(near | set(mask.EDGE)))
