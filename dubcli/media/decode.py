"""Pictures by frame number, streamed.

A frame's number is its index in `pts`, the film's authoritative timestamps (from `split`).
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media import ahead, bars, layout, source, spans
from dubcli.media.colour import Colour, Rect
from dubcli.media.kept import Kept
from dubcli.media.square import Square
from dubcli.media.swscale import to_rgb

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream as AvVideoStream

    from dubcli.artifacts.media import VideoStream

log = logging.getLogger(__name__)

_SAME_ASPECT = 0.03  # difference of pixel shapes that nobody sees: 16:11 and 64:45 are both in use for PAL
_UNSPECIFIED, _BT601, _BT601_NAMES = 2, 6, (5, 6)  # colour matrices of H.273; PAL's and NTSC's are the same

# Of a decoder, set by hand: each holds a picture or more, so memory must not grow with the cores.
_THREADS = 4
# FFmpeg decodes MPEG-4's B pictures in fields to others on several threads, and to others again after a seek.
_ONE_THREAD = "mpeg4"
# Films that stay open: the source, and beside it the result. A decoder holds a dozen pictures: of larger ones
# that is more than opening costs, which is little beside decoding them. Set by hand.
_KEPT: Kept[tuple[InputContainer, AvVideoStream]] = Kept(2)
_KEPT_PIXELS = 2_500_000
_AHEAD, _AHEAD_BYTES = 4, 64_000_000  # frames decoded ahead of their use, and what they may take; set by hand


@dataclass(frozen=True)
class Frame:
    """A decoded picture.

    Attributes:
        index: its number in the film.
        pts: its timestamp in ticks of the video stream.
        frame: the picture itself.
        colour: how its samples are colours.
        square: how its raster becomes a picture of square pixels.
    """

    index: int
    pts: int
    frame: VideoFrame
    colour: Colour
    square: Square

    @property
    def planes(self) -> layout.Planes:
        """Read-only views of its samples."""
        return layout.planes(self.frame)

    def rgb(self, rect: Rect) -> NDArray[Any]:
        """A rectangle of the picture as RGB: (h, w, 3), uint8 for 8-bit films, uint16 above.

        It is converted by the film's exact equations, with interpolated chroma. Pixels are square
        (`media.square`): where the film's are not, the picture is widened or heightened.

        Args:
            rect: (x, y, width, height) inside the picture, in square pixels.
        """
        if self.square.is_square:
            return self.colour.rgb(self.planes, rect)
        return self.square.cut(lambda inner: self.colour.rgb(self.planes, inner), rect)

    def eight_bit(self) -> NDArray[np.uint8]:
        """The whole picture as RGB of 8 bits, (h, w, 3), as networks look at it; its pixels are square.

        It is converted by swscale, by the film's matrix and range: a few code values less exact than `rgb`,
        much faster. The memory is its own: the decoder's, kept for a while, is given back only much later.
        """
        size = () if self.square.is_square else self.square.size
        return np.array(to_rgb(self.frame, self.colour, *size))

    def around(self, at: tuple[float, float]) -> bars.Box:
        """The box around a place that ends at bars, or at the picture's border.

        Args:
            at: x and y, in square pixels, as the result is.
        """
        form = layout.layout(self.frame.format.name)
        factors, sizes = self.square.factor, self.square.raster
        x, y = (min(max(int(p / f), 0), s - 1) for p, f, s in zip(at, factors, sizes, strict=True))
        full = ((1 << form.bits) - 1) << form.components[0].shift
        found = bars.between(form.view(self.planes, 0), (x, y), full)
        left, top = (math.ceil(edge * f) for edge, f in zip(found[:2], factors, strict=True))
        right, bottom = (math.floor(edge * f) for edge, f in zip(found[2:], factors, strict=True))
        return left, top, right, bottom


def frames(
    path: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    start: int,
    stop: int,
    digests: NDArray[np.uint8] | None = None,
) -> Iterator[Frame]:
    """Decode the frames `start` … `stop − 1` of a film, a few ahead.

    Args:
        path: the film.
        video: its picture, as probed.
        pts: (N,) timestamps of all frames.
        start, stop: frame numbers.
        digests: (N, 16) digests of all frames, from `split`; None to compare timestamps only.

    Raises:
        MediaError: the file cannot be read, or is not the film that `pts` and `digests` came from.
    """
    if not 0 <= start <= stop <= len(pts):
        raise MediaError(f"{path} has no frames {start} to {stop}; type: dubcli run again to read it anew")
    frame_bytes = 2 * video.width * video.height * (2 if video.bit_depth > 8 else 1)
    most = min(_AHEAD, 1 + _AHEAD_BYTES // frame_bytes)
    return ahead.read(_frames(path, video, pts, start, stop, digests), most)


def selected(
    path: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    ranges: Sequence[spans.Span],
    keys: Sequence[int],
    digests: NDArray[np.uint8] | None = None,
) -> Iterator[Frame]:
    """Decode the frames of some ranges, each group of pictures once.

    Args:
        path, video, pts, digests: as for `frames`.
        ranges: of frames, rising and apart.
        keys: frames from which decoding can start, rising from 0.

    Raises:
        MediaError: as `frames`.
    """
    wanted = {number for span in ranges for number in range(*span)}
    for start, stop in spans.passes(ranges, keys):
        for frame in frames(path, video, pts, start, stop, digests):
            if frame.index in wanted:
                yield frame


def _frames(
    path: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    start: int,
    stop: int,
    digests: NDArray[np.uint8] | None,
) -> Iterator[Frame]:
    colour, square = Colour.of(video), Square.of(video)

    def matches(frame: VideoFrame, number: int) -> bool:
        # Decoders conceal damage, not always in the same way.
        return digests is None or frame.is_corrupt or digest(frame) == digests[number].tobytes()

    wanted = start
    for careful in (False, True):  # what is damaged may come out otherwise on several cores
        for time, frame in _decode_from(path, video, pts, wanted, careful):
            if wanted == stop:
                return
            where = int(np.searchsorted(pts, time)) if time is not None else len(pts)
            if where < wanted:
                continue
            if where != wanted or pts[where] != time or not matches(frame, where):
                break
            yield Frame(wanted, int(pts[wanted]), frame, colour, square)
            wanted += 1
        if wanted == stop:
            return
    # Timestamps do not lead there (damaged index, none at all): count from the film's first picture.
    with source.opened(path) as container:
        stream = open_stream(container, path, video.index, careful=True)
        number = -1
        for number, frame in enumerate(pictures(container, stream, path, video)):
            if number >= stop:
                return
            if number >= wanted:
                if not matches(frame, number):
                    raise MediaError(
                        f"{path}: frame {number} is not what it was; the film changed since it was read"
                    )
                yield Frame(number, int(pts[number]), frame, colour, square)
    if number + 1 < stop:
        raise MediaError(
            f"{path} ends after frame {number}, but had {len(pts)}; it changed since it was read"
        )


def _decode_from(
    path: Path, video: VideoStream, pts: NDArray[np.int64], start: int, careful: bool
) -> Iterator[tuple[int | None, VideoFrame]]:
    """Pictures and their times from an entry point at or before frame `start`; empty where there is none."""
    ahead = 0
    while True:
        target = max(0, start - ahead)
        with _opened(path, video, careful, target) as (container, stream):
            if target > 0:
                try:
                    container.seek(int(pts[target]), stream=stream)
                except av.error.FFmpegError:
                    return
            found = pictures(container, stream, path, video)
            first = next(found, None)
            time = None if first is None else presentation_time(first, container)
            if first is None or time is None:
                return
            if target == 0 or time <= pts[start]:
                yield time, first
                for frame in found:
                    yield presentation_time(frame, container), frame
                return
        ahead = max(50, 2 * ahead)  # the entry point is after the frame: enter earlier


def _opened(
    path: Path, video: VideoStream, careful: bool, target: int
) -> AbstractContextManager[tuple[InputContainer, AvVideoStream]]:
    """A film and its picture, to be read from frame `target`: one that stays open, where seeking finds it."""

    @contextmanager
    def anew() -> Iterator[tuple[InputContainer, AvVideoStream]]:
        with source.opened(path) as container:
            yield container, open_stream(container, path, video.index, careful=careful)

    if careful or not target or video.width * video.height > _KEPT_PIXELS:
        return anew()
    return _KEPT.lent(path, anew)


def presentation_time(frame: VideoFrame, container: InputContainer) -> int | None:
    """Presentation time of a picture in ticks of its stream; None where the container has none.

    AVI counts packets: what FFmpeg takes for the presentation time there is that of another picture.
    """
    return frame.dts if container.format.name == "avi" else frame.pts


def open_stream(
    container: InputContainer, path: Path, index: int | None = None, *, careful: bool = False
) -> AvVideoStream:
    """The film's video stream, set to decode on a few cores.

    Args:
        container: from `source.opened`.
        path: the film, for messages.
        index: of the stream; None for the container's first picture.
        careful: on one core. With several, an error that is met at the end of a film loses the pictures in
            the hands of the others, as many as there are cores.
    """
    stream = source.picture(container, path, index)
    stream.thread_type = "AUTO"
    alone = careful or stream.codec_context.name == _ONE_THREAD
    stream.codec_context.thread_count = 1 if alone else min(_THREADS, os.cpu_count() or 1)
    return stream


def pictures(
    container: InputContainer,
    stream: AvVideoStream,
    path: Path,
    video: VideoStream,
    damaged: Callable[[], None] = lambda: None,
    seen: Callable[[Any], None] = lambda packet: None,
) -> Iterator[VideoFrame]:
    """Decode from the container's current position, as a player would: damaged packets are skipped.

    Args:
        container, stream: from `source.opened` and `open_stream`.
        path: the film, for messages.
        video: the picture as probed.
        damaged: called for every packet that could not be decoded, and every concealed frame.
        seen: called with every packet.

    Raises:
        MediaError: the picture changes its size or its pixel format midway.
    """
    for packet in source.packets(container, stream):
        seen(packet)
        try:
            decoded = packet.decode()
        except source.DAMAGED:
            damaged()
            continue
        for frame in decoded:
            if (frame.width, frame.height, frame.format.name) != (video.width, video.height, video.pix_fmt):
                raise MediaError(
                    f"{path}: the picture changes from {video.width}×{video.height} {video.pix_fmt} to "
                    f"{frame.width}×{frame.height} {frame.format.name} midway; conform the film first"
                )
            if frame.is_corrupt:
                damaged()
            yield frame


def steady(pictures: Iterable[VideoFrame], stream: AvVideoStream, path: Path) -> Iterator[VideoFrame]:
    """The same pictures of a film, as long as they are to be shown alike.

    Broadcasts change between 4:3 and 16:9. A container says one shape of pixels and one colour matrix of the
    whole film, so what differs cannot be written.

    Raises:
        MediaError: the shape of pixels or the colour matrix changes midway.
    """
    aspect: Fraction | None = None
    matrix: int | None = None
    for frame in pictures:
        now = stream.codec_context.sample_aspect_ratio or None
        aspect = aspect or now
        if aspect and now and abs(now / aspect - 1) > _SAME_ASPECT:
            raise _changed(path, f"pixels of {_ratio(aspect)}", f"pixels of {_ratio(now)}", frame)
        colour = _BT601 if frame.colorspace in _BT601_NAMES else int(frame.colorspace)
        if colour != _UNSPECIFIED:
            matrix = colour if matrix is None else matrix
            if colour != matrix:
                raise _changed(path, f"colour matrix {matrix}", f"colour matrix {colour} (H.273)", frame)
        yield frame


def _changed(path: Path, before: str, after: str, frame: VideoFrame) -> MediaError:
    at = "" if frame.time is None else f" at {frame.time:.2f} s"
    return MediaError(
        f"{path}: the picture changes from {before} to {after}{at}; dub its parts one by one, or conform it"
    )


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}:{value.denominator}"


def digest(frame: VideoFrame) -> bytes:
    """First 16 bytes of the BLAKE3 hash of a picture's samples: every pass over the film makes them anew."""
    hasher = blake3()
    for view in layout.planes(frame):
        hasher.update(np.ascontiguousarray(view).view(np.uint8).data)
    return hasher.digest(length=16)
