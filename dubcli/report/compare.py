"""Compares the finished film with its source: measures mouths again, and takes pictures of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.report import Measure
from dubcli.face import mesh as regions
from dubcli.face.crop import eight_bit
from dubcli.face.roi import Roi, roi_of
from dubcli.media import decode, layout, source
from dubcli.media.patches import Patches
from dubcli.media.probe import probe
from dubcli.quality import pixels

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.tracks import FaceTrack
    from dubcli.engines.trackers.mediapipe import Finder
    from dubcli.media.patches import Placed

Image = NDArray[np.uint8]
Mask = NDArray[np.float32]

PICTURE_SIDE = 176  # pixels of a face's picture on the page
_POSTER_WIDTH = 160  # pixels; set by hand
_JPEG_QUALITY = 82  # 0-100; set by hand
_PIXELS_EVERY = 3  # changed frames between those whose pixels are measured; set by hand
_OUTSIDE_FRAMES = 6  # per face; the same arithmetic does them all
_CHEEKS = ((117, 118, 101, 36, 205, 187, 123), (346, 347, 330, 266, 425, 411, 352))
_SKIN = 0.95  # of the mask, from which a pixel counts as patch alone; set by hand
_STEADY_SIZE = (72, 48)  # of the stabilised mouth, pixels; set by hand
_STEADY_BOX = (-0.45, 0.50, 0.45, 1.10)  # left, top, right, bottom in eye distances from between the eyes


@dataclass(frozen=True)
class Version:
    """A film that can be read by frame number: its file, its picture stream, its timestamps."""

    path: Path
    video: VideoStream
    pts: NDArray[np.int64]

    @classmethod
    def of(cls, path: Path, like: Version) -> Version:
        """A film with the same frames at the same times as another, in a container of its own."""
        video = probe(path).film
        with source.opened(path) as container:
            stream = source.picture(container, path, video.index)
            times = [
                packet.pts for packet in container.demux(stream) if packet.pts is not None and packet.size
            ]
        if len(times) == len(like.pts):
            return cls(path, video, np.array(sorted(times), np.int64))
        # Not every packet is a picture (two fields, or some that are never shown): go by the other's times.
        ticks = (like.pts - like.pts[0]) * float(like.video.tick / video.tick)
        return cls(path, video, video.start_pts + np.round(ticks).astype(np.int64))

    def frames(self, start: int, stop: int) -> Iterator[decode.Frame]:
        """Frames [start, stop) in order."""
        return decode.frames(self.path, self.video, self.pts, start, stop)


@dataclass
class Comparison:
    """One face's measures and pictures in both films.

    Attributes:
        aperture, width: (T,) float32 measured of the lips in the finished film over the frames compared.
        pictures: (frame, JPEG of the source, JPEG of the finished film).
        measures: flicker, sharpness, grain and seam, as in `Measures`.
        changed_outside: samples changed outside the mask; None where there was no patch.
    """

    aperture: NDArray[np.float32]
    width: NDArray[np.float32]
    pictures: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    measures: dict[str, Measure] = field(default_factory=dict)
    changed_outside: int | None = None


def face(
    before: Version,
    after: Version,
    track: FaceTrack,
    window: tuple[int, int],
    patches: Patches,
    finder: Finder | None,
    pictured: Sequence[int],
) -> Comparison:
    """Compare a face in frames [start, stop) of both films.

    Args:
        before, after: the source and the finished film.
        track: the face in the source.
        window: frames to compare, inside the track.
        patches: of this face.
        finder: measures mouths; None to take pictures only.
        pictured: frames to take pictures of.
    """
    start, stop = window
    found = Comparison(*np.full((2, stop - start), np.nan, np.float32))
    mouth = _Mouth()
    pairs = zip(before.frames(start, stop), after.frames(start, stop), strict=True)
    for was, now in pairs:
        mesh = track.mesh[was.index - track.frames[0]]
        old, new = eight_bit(was.rgb()), eight_bit(now.rgb())
        roi = roi_of(mesh)
        if was.index in pictured:
            found.pictures.append((was.index, _upright(old, roi), _upright(new, roi)))
        if finder is None:
            continue
        sight = finder.sight(new, roi)
        if sight is not None:
            found.aperture[was.index - start] = regions.aperture(sight.mesh)
            found.width[was.index - start] = regions.width(sight.mesh)
        patch = patches.at(was.index)
        mouth.add(was, old, new, mesh, mesh if sight is None else sight.mesh, patch)
    mouth.fill(found)
    return found


def poster(version: Version, frame: int) -> bytes:
    """A small JPEG of a whole frame, turned as it is shown."""
    (picture,) = version.frames(frame, frame + 1)
    width, height = picture.square.size
    size = _POSTER_WIDTH, max(2, round(_POSTER_WIDTH * height / width))
    small = decode.to_rgb(picture.frame, picture.colour, *size, small=True)
    return _jpeg(version.video.displayed(small))


class _Mouth:
    """Gathers measures of the pixels of a mouth, frame by frame."""

    def __init__(self) -> None:
        self._steady: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
        self._found: dict[str, list[tuple[float, float]]] = {"sharpness": [], "grain": [], "seam": []}
        self._outside: list[int] = []
        self._count = 0

    def add(
        self,
        was: decode.Frame,
        old: Image,
        new: Image,
        mesh: NDArray[np.float32],
        new_mesh: NDArray[np.float32],
        patch: Placed | None,
    ) -> None:
        """Take in one frame: source and result as RGB, the face in both, and the patch between them."""
        if patch is None:
            return
        for pile, picture in zip(self._steady, (old, new), strict=True):
            pile.append(_stabilised_luma(picture, mesh))
        if len(self._outside) < _OUTSIDE_FRAMES:
            self._outside.append(_changed_outside(was, patch))
        if self._count % _PIXELS_EVERY == 0:
            self._measure(old, new, mesh, new_mesh, patch)
        self._count += 1

    def fill(self, found: Comparison) -> None:
        """Fill in the figures."""
        source_flicker, flicker = (pixels.flicker(np.array(pile)) for pile in self._steady)
        found.measures["flicker"] = Measure(
            dubbed=_rounded(flicker, 1000), source=_rounded(source_flicker, 1000)
        )
        for name, pairs in self._found.items():
            if pairs:
                was, now = np.median(np.array(pairs), axis=0)
                found.measures[name] = Measure(dubbed=round(float(now), 3), source=round(float(was), 3))
        found.changed_outside = sum(self._outside) if self._outside else None

    def _measure(
        self, old: Image, new: Image, mesh: NDArray[np.float32], new_mesh: NDArray[np.float32], patch: Placed
    ) -> None:
        low, high = mesh[:468, :2].min(axis=0), mesh[:468, :2].max(axis=0)
        height, width = old.shape[:2]
        x0, y0 = np.clip(low, 0, (width, height)).astype(int)
        x1, y1 = np.clip(np.ceil(high), 0, (width, height)).astype(int)
        if x1 - x0 < 16 or y1 - y0 < 16:
            return
        was, now = (pixels.luma(np.ascontiguousarray(p[y0:y1, x0:x1])) for p in (old, new))
        mask = _raster_mask(patch, (width, height))[y0:y1, x0:x1]
        shape, corner = (y1 - y0, x1 - x0), (x0, y0)
        lips, new_lips = (_hull(m[list(regions.LIPS_OUTER), :2] - corner, shape) for m in (mesh, new_mesh))
        cheek = np.zeros(shape, bool)
        for ring in _CHEEKS:
            cheek |= _hull(mesh[list(ring), :2] - corner, shape)
        cheek &= mask <= 0
        wide = max(3, round(0.15 * float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))))
        around = cv2.dilate((lips | new_lips).astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
        skin = (mask >= _SKIN) & ~around
        views = ((was, lips), (now, new_lips))
        self._append(
            "sharpness", [_ratio(pixels.sharpness(p, r), pixels.sharpness(p, cheek)) for p, r in views]
        )
        self._append("grain", [_ratio(pixels.grain(p, skin), pixels.grain(p, cheek)) for p in (was, now)])
        self._append("seam", [0.0, pixels.seam(was, now, mask)])

    def _append(self, name: str, pair: list[float | None]) -> None:
        was, now = pair
        if was is not None and now is not None:
            self._found[name].append((was, now))


def _rounded(value: float | None, scale: float) -> float | None:
    return None if value is None else round(scale * value, 3)


def _ratio(value: float | None, over: float | None) -> float | None:
    return value / over if value is not None and over else None


def _hull(points: NDArray[np.floating[Any]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside the convex hull of points given in continuous coordinates."""
    canvas = np.zeros(shape, np.uint8)
    corners = cv2.convexHull(np.round(points - 0.5).astype(np.int32))
    cv2.fillConvexPoly(canvas, corners, (1,))
    return canvas > 0


def _raster_mask(patch: Placed, size: tuple[int, int]) -> Mask:
    """The mask of a patch on the whole raster, 0-1; `size` is (width, height)."""
    _, mask, x, y = patch
    full = np.zeros((size[1], size[0]), np.float32)
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(mask.shape[1], size[0] - x), min(mask.shape[0], size[1] - y)
    if left < right and top < bottom:
        part = mask[top:bottom, left:right].astype(np.float32) / np.iinfo(mask.dtype).max
        full[y + top : y + bottom, x + left : x + right] = part
    return full


def _changed_outside(was: decode.Frame, patch: Placed) -> int:
    """Samples that blending the patch changes where its mask is 0."""
    form = was.colour.layout
    planes = layout.copy_planes(was.planes)
    patch = was.square.to_raster(patch)
    was.colour.blend(planes, *patch)
    height, width = form.view(was.planes, 0).shape
    mask = _raster_mask(patch, (width, height))
    count = 0
    for k in range(len(form.components)):
        before, after = form.view(was.planes, k), form.view(planes, k)
        touched = mask
        if before.shape != mask.shape:  # a chroma sample covers several luma samples
            across, down = form.factor
            wide = cv2.dilate(mask, np.ones((2 * down + 1, 2 * across + 1), np.uint8))
            touched = np.asarray(wide, np.float32)[::down, ::across]
        count += pixels.changed_outside(before, after, touched)
    return count


def _stabilised_luma(picture: Image, mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luma of the mouth, with the head's motion removed by means of rigid landmarks."""
    rigid = list(regions.RIGID)
    model, place = _flat_head()[rigid], mesh[rigid, 0] + 1j * mesh[rigid, 1]
    centre, middle = model.mean(), place.mean()
    turn = np.vdot(model - centre, place - middle) / np.vdot(model - centre, model - centre)
    shift = middle - turn * centre
    left, top, right, bottom = _STEADY_BOX
    width, height = _STEADY_SIZE
    x = left + (np.arange(width) + 0.5) / width * (right - left)
    y = top + (np.arange(height) + 0.5) / height * (bottom - top)
    points = turn * (x[None, :] + 1j * y[:, None]) + shift - (0.5 + 0.5j)
    maps = points.real.astype(np.float32), points.imag.astype(np.float32)
    return pixels.luma(np.asarray(cv2.remap(picture, *maps, cv2.INTER_LINEAR)))


@lru_cache(maxsize=1)
def _flat_head() -> NDArray[np.complex128]:
    head = regions.head().astype(np.float64)
    return np.asarray(head[:, 0] + 1j * head[:, 1])


def _upright(picture: Image, roi: Roi) -> bytes:
    """A JPEG of the face, turned upright."""
    scale = PICTURE_SIDE / (roi.side / 1.25)
    cosine, sine = np.cos(roi.angle) * scale, np.sin(roi.angle) * scale
    move = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
    move[:, 2] = PICTURE_SIDE / 2 - move[:, :2] @ (roi.centre - 0.5)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    side = (PICTURE_SIDE, PICTURE_SIDE)
    return _jpeg(
        np.asarray(cv2.warpAffine(picture, move, side, flags=flags, borderMode=cv2.BORDER_REPLICATE))
    )


def _jpeg(rgb: Image) -> bytes:
    good, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not good:
        raise ValueError("a picture could not be written")
    return data.tobytes()
