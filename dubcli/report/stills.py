"""Pictures of source and finished film for the page: stills, loops, posters; and what encoding changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face.roi import Roi, roi_of
from dubcli.media import decode, source, spans
from dubcli.media.colour import Rect
from dubcli.media.probe import probe
from dubcli.media.samples import eight_bit
from dubcli.media.swscale import to_rgb
from dubcli.quality import pixels

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.tracks import FaceTrack

Image = NDArray[np.uint8]

PICTURE_SIDE = 176  # pixels of a face's picture on the page
LOOP_SIDE = 96  # pixels of a face in a loop
_POSTER_WIDTH = 160  # pixels; set by hand
_JPEG_QUALITY, _LOOP_QUALITY = 82, 68  # 0-100; set by hand
_ZOOM = 1.25  # of a face's surroundings, as trackers take them; set by hand
_WHOLE_FROM = 8  # pixels that swscale converts in the time that one takes exactly; measured
_ROOM = 4  # pixels around what is shown, for interpolation
_UPPER = (*regions.RIGID, *regions.EYE_RING_LEFT, *regions.EYE_RING_RIGHT)


@dataclass(frozen=True)
class Version:
    """A film that can be read by frame number.

    Attributes:
        path: its file.
        video: its picture stream.
        pts: (N,) timestamps of its frames.
        keys: frames from which decoding can start, rising from 0.
        digests: (N, 16) of its frames, checked when they are read; None for a film that was made here.
    """

    path: Path
    video: VideoStream
    pts: NDArray[np.int64]
    keys: Sequence[int]
    digests: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, path: Path, like: Version) -> Version:
        """A film with the same frames at the same times as another, in a container of its own."""
        video = probe(path, whole=False).film
        with source.opened(path) as container:
            shown = [
                packet.pts
                for packet in source.packets(container, source.picture(container, path, video.index))
                if packet.pts is not None and packet.size and not packet.is_discard
            ]
        if len(shown) == len(like.pts):
            return cls(path, video, np.array(sorted(shown), np.int64), like.keys)
        # Not every packet is a picture (two fields): go by the other's times.
        ticks = (like.pts - like.pts[0]) * float(like.video.tick / video.tick)
        return cls(path, video, min(shown, default=0) + np.round(ticks).astype(np.int64), like.keys)

    def frames(self, start: int, stop: int) -> Iterator[decode.Frame]:
        """Frames [start, stop) in order."""
        return decode.frames(self.path, self.video, self.pts, start, stop, self.digests)


@dataclass(frozen=True)
class Visit:
    """What is taken of one face in one place of both films.

    Attributes:
        stills: frames to show as pictures, rising.
        loop: frames [start, stop) of the loop; empty for none.
    """

    stills: tuple[int, ...]
    loop: tuple[int, int] = (0, 0)

    def spans(self, keys: Sequence[int]) -> list[tuple[int, int]]:
        """Ranges of frames to decode, by entry points of groups of pictures."""
        shown = spans.merged([*((frame, frame + 1) for frame in self.stills), self.loop])
        return spans.passes(shown, keys)

    def shows(self, frame: int) -> bool:
        """Whether a frame is shown."""
        return frame in self.stills or self.loop[0] <= frame < self.loop[1]


@dataclass
class Shown:
    """Pictures of one face.

    Attributes:
        stills: (frame, JPEG of the source, JPEG of the finished film).
        loop: a JPEG with the loop's pictures side by side, source above the finished film; empty for none.
        loop_frames: their number.
        encoded: mean difference of the upper face in both films, in parts of full scale; None for unknown.
    """

    stills: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    loop: bytes = b""
    loop_frames: int = 0
    encoded: float | None = None


def visit(before: Version, after: Version, track: FaceTrack, asked: Visit) -> Shown:
    """Take the pictures of a face that are asked for, from source and finished film."""
    shown, columns, apart = Shown(), [], []
    for start, stop in asked.spans(before.keys):
        for was, now in zip(before.frames(start, stop), after.frames(start, stop), strict=True):
            if not asked.shows(was.index):
                continue
            mesh = track.mesh[was.index - track.frames[0]]
            roi = roi_of(mesh)
            # Of most films a face is a small part. Where it is not, the whole takes less time, a few code
            # values less exact: nobody sees that in a loop, but stills are measured.
            part = _around(roi, mesh, was.square.size)
            large = _WHOLE_FROM * part[2] * part[3] > was.square.size[0] * was.square.size[1]
            rect = None if large and was.index not in asked.stills else part
            old, new = (eight_bit(each.rgb(rect)) if rect else each.eight_bit() for each in (was, now))
            corner = np.array([*rect[:2], 0] if rect else [0, 0, 0], np.float32)
            mesh, roi = mesh - corner, replace(roi, centre=roi.centre - corner[:2])
            if was.index in asked.stills:
                left, right = (_jpeg(_upright(picture, roi, PICTURE_SIDE)) for picture in (old, new))
                shown.stills.append((was.index, left, right))
                apart.append(_upper_face(old, new, mesh))
            if asked.loop[0] <= was.index < asked.loop[1]:
                columns.append(np.vstack([_upright(picture, roi, LOOP_SIDE) for picture in (old, new)]))
    if columns:
        shown.loop, shown.loop_frames = _jpeg(np.hstack(columns), _LOOP_QUALITY), len(columns)
    known = [value for value in apart if value is not None]
    shown.encoded = float(np.mean(known)) if known else None
    return shown


def _around(roi: Roi, mesh: NDArray[np.float32], size: tuple[int, int]) -> Rect:
    """The part of a picture in which a face stands upright, and its upper half is."""
    turned = 0.5 * roi.side / _ZOOM * (abs(np.cos(roi.angle)) + abs(np.sin(roi.angle)))
    points = np.vstack([roi.centre - turned, roi.centre + turned, mesh[list(_UPPER), :2]])
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - _ROOM, 0, np.array(size) - 1)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + _ROOM, low + 1, size)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def poster(version: Version, frame: int) -> bytes:
    """A small JPEG of a whole frame, turned as it is shown."""
    (picture,) = version.frames(frame, frame + 1)
    width, height = picture.square.size
    size = _POSTER_WIDTH, max(2, round(_POSTER_WIDTH * height / width))
    small = to_rgb(picture.frame, picture.colour, *size, small=True)
    return _jpeg(version.video.displayed(small))


def portrait(thumb: Image) -> bytes:
    """A JPEG of a face's thumbnail."""
    return _jpeg(thumb)


def _upper_face(old: Image, new: Image, mesh: NDArray[np.float32]) -> float | None:
    """Mean difference of the luma above the nose, which nothing but encoding may change."""
    points = np.round(mesh[list(_UPPER), :2] - 0.5).astype(np.int32)
    x0, y0 = np.clip(points.min(axis=0), 0, (old.shape[1] - 1, old.shape[0] - 1))
    x1, y1 = np.clip(points.max(axis=0) + 1, (x0 + 1, y0 + 1), (old.shape[1], old.shape[0]))
    canvas = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points - (x0, y0)).astype(np.int32), (1,))
    was, now = (pixels.luma(np.ascontiguousarray(picture[y0:y1, x0:x1])) for picture in (old, new))
    return pixels.difference(was, now, canvas > 0)


def _upright(picture: Image, roi: Roi, side: int) -> Image:
    """The face, turned upright, (side, side, 3)."""
    scale = side / (roi.side / _ZOOM)
    cosine, sine = np.cos(roi.angle) * scale, np.sin(roi.angle) * scale
    move = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
    move[:, 2] = side / 2 - move[:, :2] @ (roi.centre - 0.5)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    out: Any = cv2.warpAffine(picture, move, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _jpeg(rgb: Image, quality: int = _JPEG_QUALITY) -> bytes:
    good, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not good:
        raise ValueError("a picture could not be written")
    return data.tobytes()
