"""The mouth patches of one face: pictures with alpha, each for one frame of the film, kept losslessly."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.patches import Placement, pictures
from dubcli.errors import EngineError, MediaError
from dubcli.media import layout, source
from dubcli.media.samples import eight_bit, unit

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    from dubcli.artifacts.media import VideoStream as VideoInfo

_DEEP = "yuva444p16le"
"""Pixel format of patches above 8 bits: green, blue less green, red less green (modulo 65536) and mask."""
Placed = tuple[NDArray[Any], NDArray[Any], int, int]
"""RGB, blend mask and position (x, y) of a patch."""


@dataclass(frozen=True)
class Patch:
    """A patch of a frame with its blend mask.

    Attributes:
        frame: film-wide number.
        origin: raster position (x, y) of its first pixel, both even; may lie outside the picture.
        rgb: (h, w, 3) uint8 or uint16 as the film's depth asks, h and w even.
        mask: (h, w) of the same type; full scale is the patch, 0 the source.
        confidence: 0–1, how well the reference footage fits the target.
    """

    frame: int
    origin: tuple[int, int]
    rgb: NDArray[Any]
    mask: NDArray[Any]
    confidence: float


def overlap(patch: Placed, size: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Rows and columns of a patch that lie in a picture of a height and width, and theirs in the picture."""
    _, mask, x, y = patch
    top, left = max(0, y), max(0, x)
    bottom, right = min(size[0], y + mask.shape[0]), min(size[1], x + mask.shape[1])
    if top >= bottom or left >= right:
        return None
    return np.s_[top - y : bottom - y, left - x : right - x], np.s_[top:bottom, left:right]


def mix(picture: NDArray[np.uint8], patch: Placed) -> None:
    """Blend a patch into an RGB picture of 8 bits, in place: to be looked at, not to be delivered."""
    if both := overlap(patch, picture.shape[:2]):
        here, there = both
        weight, shown = unit(patch[1][here]), eight_bit(patch[0][here])
        below = np.ascontiguousarray(picture[there])
        # Both weights sum to 1, so that this is a mean: cv2 has it in one pass.
        picture[there] = cv2.blendLinear(shown, below, weight, 1 - weight)


class Patches:
    """The patches in a directory of the `lips` stage, read in the order of frames.

    Args:
        folder: as in `artifacts.patches`.
        shot: the shot of the face.
    """

    def __init__(self, folder: Path, shot: str) -> None:
        placed = Placement.load(folder, shot)
        self._folder, self._origin = folder, placed.origin
        self.frames = placed.frames
        if (np.diff(self.frames) <= 0).any():
            raise MediaError(f"{folder}: frames of patches are not in order")
        self._pictures = self._read()
        next(self._pictures)
        self._next = 0

    def at(self, index: int) -> Placed | None:
        """The patch for a frame: RGB (h, w, 3), mask (h, w), x, y; None where there is none.

        Frames must be asked for in rising order.
        """
        while self._next < len(self.frames) and self.frames[self._next] < index:
            self._pictures.send(False)
            self._next += 1
        if self._next == len(self.frames) or self.frames[self._next] != index:
            return None
        x, y = self._origin[self._next]
        picture = self._pictures.send(True)
        assert picture is not None
        self._next += 1
        rgb, mask = _samples(picture)
        return rgb, mask, int(x), int(y)

    def _read(self) -> Generator[av.VideoFrame | None, bool, None]:
        """Pictures in order, after a first None; sent False, the next one is passed over."""
        path, count = pictures(self._folder), 0
        wanted = yield None
        with source.opened(path) as container:
            stream = source.picture(container, path)
            stream.thread_type = "SLICE"  # a packet gives its picture at once
            alone = stream.codec_context.codec.intra_only  # so that others need not be decoded
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                for frame in packet.decode() if wanted or not alone else (None,):
                    count += 1
                    wanted = yield frame
        raise MediaError(f"{path} holds {count} patches but {len(self.frames)} are listed")


def write(
    path: Path, patches: Iterable[Patch], asked: NDArray[np.int32], video: VideoInfo
) -> tuple[Placement, int]:
    """Encode the visible patches losslessly; writes no file where there are none.

    Args:
        path: the file to write.
        patches: in the order of frames, all of one size.
        asked: (T,) film-wide numbers of the frames that may have one.
        video: the film's picture.

    Returns:
        Positions of the written patches, and the number of the others, whose frames keep the source.

    Raises:
        EngineError: the engine's patches are not what the contract asks.
    """
    numbers: list[int] = []
    origins: list[tuple[int, int]] = []
    confidence: list[float] = []
    container, stream, size, last, given_back = None, None, None, -1, 0
    allowed, deep = set(asked.tolist()), video.bit_depth > 8
    try:
        for patch in patches:
            size = size or patch.rgb.shape
            if patch.frame <= last or patch.frame not in allowed or patch.rgb.shape != size:
                raise EngineError(
                    "the lip engine's patches are out of order or change their size; report a bug"
                )
            last = patch.frame
            if not _is_visible(patch, video):
                given_back += 1
                continue
            if container is None:
                container = av.open(str(path), "w", format="nut", container_options={"fflags": "+bitexact"})
                stream = _stream(container, patch, deep)
            assert stream is not None
            for packet in stream.encode(_picture(patch, len(numbers), deep)):
                container.mux(packet)
            numbers.append(patch.frame)
            origins.append(patch.origin)
            confidence.append(patch.confidence)
        if container is not None and stream is not None:
            container.mux(stream.encode(None))
    finally:
        if container is not None:
            container.close()
    placed = Placement(
        frames=np.array(numbers, np.int32),
        origin=np.array(origins, np.int32).reshape(-1, 2),
        confidence=np.array(confidence, np.float32),
    )
    return placed, given_back


def _is_visible(patch: Patch, video: VideoInfo) -> bool:
    """Whether a patch changes anything within the picture."""
    x, y = patch.origin
    inside = patch.mask[max(0, -y) : max(0, video.height - y), max(0, -x) : max(0, video.width - x)]
    return bool(inside.any())


def _stream(container: Any, patch: Patch, deep: bool) -> VideoStream:
    """A lossless stream for patches of this size whose bytes depend only on the patches."""
    # Ut Video is five times as fast as FFV1 for a little more space, but knows only 8 bits. So is FFVHUFF for
    # twice the space; in 4K the encoder of FFV1 would also take 148 bytes a pixel.
    stream: VideoStream = container.add_stream("ffvhuff" if deep else "utvideo", rate=25)
    stream.height, stream.width = patch.rgb.shape[:2]
    stream.pix_fmt = _DEEP if deep else "gbrap"
    stream.options = {"pred": "plane" if deep else "median", "flags": "+bitexact"}
    stream.codec_context.thread_count = 1
    return stream


def _picture(patch: Patch, number: int, deep: bool) -> Any:
    """The patch as a picture in planes, black where it is invisible, which costs no space and no time."""
    height, width = patch.mask.shape
    frame = av.VideoFrame(width, height, _DEEP if deep else "gbrap")
    shown = (patch.mask > 0).astype(patch.rgb.dtype)
    green, blue, red, alpha = (
        np.frombuffer(memoryview(plane), shown.dtype).reshape(height, -1)[:, :width] for plane in frame.planes
    )
    for plane, k in ((green, 1), (blue, 2), (red, 0)):
        np.multiply(patch.rgb[..., k], shown, out=plane)
    if deep:  # without this a tenth more
        blue -= green
        red -= green
    alpha[:] = patch.mask
    frame.pts = number
    return frame


def _samples(picture: av.VideoFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """RGB (h, w, 3) and mask (h, w) of a stored picture, copied."""
    if picture.format.name != _DEEP:
        return layout.with_alpha(picture)
    green, blue, red, alpha = layout.planes(picture)
    return np.stack([red + green, green, blue + green], axis=-1), np.array(alpha)
