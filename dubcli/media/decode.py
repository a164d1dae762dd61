"""Pictures by frame number and sound by sample, streamed.

A frame's number is its index in `pts`, the film's authoritative timestamps (from `split`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media import layout, source
from dubcli.media.colour import Colour, Rect
from dubcli.media.square import Square

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream as AvAudioStream
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream as AvVideoStream

    from dubcli.artifacts.media import AudioStream, MediaInfo, VideoStream

log = logging.getLogger(__name__)

# Samples of sound in one block of memory, set by hand: large enough to be unmapped when freed.
_BLOCK = 1 << 24
_GAP_SECONDS = 0.05  # set by hand: sound that jumps by more is padded or cut; less is rounding of timestamps
# Of a decoder, set by hand: each holds a picture or more, so memory must not grow with the cores.
_THREADS = 4


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

    def rgb(self, rect: Rect | None = None) -> NDArray[Any]:
        """The picture, or a rectangle of it, as RGB: (h, w, 3), uint8 for 8-bit films, uint16 above.

        A rectangle is converted by the film's exact equations, with interpolated chroma. The whole picture
        is converted by swscale with the same matrix and range: a few code values less exact, much faster.
        Pixels are square (`media.square`): where the film's are not, the picture is widened or heightened.

        Args:
            rect: (x, y, width, height) inside the picture, in square pixels.
        """
        if self.square.is_square:
            return to_rgb(self.frame, self.colour) if rect is None else self.colour.rgb(self.planes, rect)
        if rect is None:
            return to_rgb(self.frame, self.colour, *self.square.size)
        return self.square.cut(lambda inner: self.colour.rgb(self.planes, inner), rect)


def to_rgb(
    frame: VideoFrame, colour: Colour, width: int = 0, height: int = 0, *, small: bool = False
) -> NDArray[Any]:
    """A whole picture as RGB by swscale, (h, w, 3), uint8 or uint16 as the film's depth asks.

    Args:
        frame: the picture.
        colour: how its samples are colours.
        width, height: the size wanted, 0 for the picture's own.
        small: reduced by averaging, always uint8.
    """
    matrices: dict[str, str | int] = {
        "bt709": "ITU709",
        "fcc": "FCC",
        "smpte240m": "SMPTE240M",
        "bt2020nc": 9,
        "bt2020c": 9,
    }
    deep = colour.layout.bits > 8 and not small
    out = frame.reformat(
        width=width or None,
        height=height or None,
        format="rgb48le" if deep else "rgb24",
        src_colorspace=None if colour.layout.rgb else matrices.get(colour.matrix, "ITU601"),
        src_color_range="JPEG" if colour.full else "MPEG",
        dst_color_range="JPEG",
        interpolation="AREA" if small else ("LANCZOS" if width else None),
    )
    return out.to_ndarray()


def frames(
    path: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    start: int,
    stop: int,
    digests: NDArray[np.uint8] | None = None,
) -> Iterator[Frame]:
    """Decode the frames `start` … `stop − 1` of a film.

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
    colour, square = Colour.of(video), Square.of(video)

    def matches(frame: VideoFrame, number: int) -> bool:
        # Decoders conceal damage, not always in the same way.
        return digests is None or frame.is_corrupt or digest(frame) == digests[number].tobytes()

    wanted = start
    for time, frame in _decode_from(path, video, pts, start):
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
        stream = open_stream(container, path, video.index)
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
    path: Path, video: VideoStream, pts: NDArray[np.int64], start: int
) -> Iterator[tuple[int | None, VideoFrame]]:
    """Pictures and their times from an entry point at or before frame `start`; empty where there is none."""
    ahead = 0
    while True:
        with source.opened(path) as container:
            stream = open_stream(container, path, video.index)
            target = max(0, start - ahead)
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


def presentation_time(frame: VideoFrame, container: InputContainer) -> int | None:
    """Presentation time of a picture in ticks of its stream; None where the container has none.

    AVI counts packets: what FFmpeg takes for the presentation time there is that of another picture.
    """
    return frame.dts if container.format.name == "avi" else frame.pts


def open_stream(container: InputContainer, path: Path, index: int | None = None) -> AvVideoStream:
    """The film's video stream, set to decode on a few cores."""
    stream = source.picture(container, path, index)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = min(_THREADS, os.cpu_count() or 1)
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
    for packet in container.demux(stream):
        seen(packet)
        try:
            decoded = packet.decode()
        except av.error.InvalidDataError:
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


def digest(frame: VideoFrame) -> bytes:
    """First 16 bytes of the sha256 of a picture's samples."""
    hasher = hashlib.sha256()
    for view in layout.planes(frame):
        hasher.update(np.ascontiguousarray(view).data)
    return hasher.digest()[:16]


def audio(path: Path, rate: int = 16000, stream: int | None = None) -> tuple[NDArray[np.float32], float]:
    """Decode a sound track to one channel.

    Where the track has a centre channel that carries sound, only that is used: it carries the dialogue.

    Args:
        path: a film or a sound file.
        rate: samples per second wanted.
        stream: index of the sound track, or the default one.

    Returns:
        (S,) float32 samples, and the time of the first one in seconds after the film's first picture
        (0 for a file without a picture).

    Raises:
        MediaError: unreadable, or no sound.
    """
    with source.opened(path) as container:
        film = next((s for s in container.streams.video if not source.is_cover(s)), None)
        zero = Fraction(0)
        if film is not None and film.start_time is not None and film.time_base is not None:
            zero = film.start_time * film.time_base
        sound = _Sound(container, _track(container, path, stream), rate)
        wave = _concatenate(sound.mono())
    # A centre 30 dB below the full mix (set by hand) carries no dialogue.
    if sound.centre_energy > 0.03**2 * sound.energy:
        del wave  # a long film's two waves would not fit in memory
        with source.opened(path) as container:
            wave = _concatenate(_Sound(container, _track(container, path, stream), rate).mono(centre=True))
    if not len(wave):
        raise MediaError(f"{path} has no sound that can be decoded; name a file with sound")
    return wave, float(sound.begin - zero) if film is not None else 0.0


def _concatenate(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Blocks (n,) as one array; needs the array's memory and that of one block."""
    blocks: list[NDArray[np.float32]] = []
    room = 0
    for piece in pieces:
        while len(piece):
            if not room:
                blocks.append(np.empty(_BLOCK, np.float32))
                room = _BLOCK
            count = min(room, len(piece))
            blocks[-1][_BLOCK - room : _BLOCK - room + count] = piece[:count]
            room, piece = room - count, piece[count:]
    out = np.empty(len(blocks) * _BLOCK - room, np.float32)
    for at in range(0, len(out), _BLOCK):
        part = out[at : at + _BLOCK]
        part[:] = blocks[at // _BLOCK][: len(part)]
        blocks[at // _BLOCK] = part[:0]
    return out


def _track(container: InputContainer, path: Path, index: int | None) -> AvAudioStream:
    tracks = [s for s in container.streams.audio if s.codec_context is not None]
    if index is not None:
        tracks = [s for s in tracks if s.index == index]
    if not tracks:
        raise MediaError(f"{path} has no sound that can be decoded; name a file with sound")
    return max(tracks, key=lambda s: (bool(s.disposition & 1), -s.index))


class _Sound:
    """A sound track as one channel, decoded block by block.

    Attributes:
        begin: time of the first sample.
        energy, centre_energy: of the mix of all channels and of the centre, where there is one.
    """

    def __init__(self, container: InputContainer, track: AvAudioStream, rate: int) -> None:
        self._container, self._track, self._rate = container, track, rate
        self.begin = Fraction(0)
        self.energy = self.centre_energy = 0.0

    def mono(self, centre: bool = False) -> Iterator[NDArray[np.float32]]:
        """Samples of the mix of all channels, or of the centre while there is one."""
        mix: _Channel | None = None
        middle: _Channel | None = None
        count, shape = 0, None
        for frame in _sound(self._container, self._track):
            at = (
                frame.pts * frame.time_base if frame.pts is not None and frame.time_base is not None else None
            )
            if mix is None:
                self.begin = at if at is not None else Fraction(0)
            elif at is not None:
                missing = float(at - self.begin) - count / frame.sample_rate
                if missing > _GAP_SECONDS:
                    yield np.zeros(round(missing * self._rate), np.float32)
                    count += round(missing * frame.sample_rate)
            if shape != (frame.layout.name, frame.format.name, frame.sample_rate):
                shape = (frame.layout.name, frame.format.name, frame.sample_rate)
                names = [channel.name for channel in frame.layout.channels]
                has_centre = "FC" in names and len(names) > 2
                mix = _Channel("mono", self._rate, 0)
                middle = (
                    _Channel(frame.layout, self._rate, names.index("FC"), len(names)) if has_centre else None
                )
            count += frame.samples
            frame.pts = None
            assert mix is not None
            yield self._resample(frame, mix, middle, centre)
        if mix is not None:
            yield self._resample(None, mix, middle, centre)

    def _resample(
        self, frame: AudioFrame | None, mix: _Channel, middle: _Channel | None, centre: bool
    ) -> NDArray[np.float32]:
        """The resampled output for a frame, or the rest at the end."""
        if middle is None:
            return mix(frame)
        own = middle(frame)
        if centre:
            return own
        mixed = mix(frame)
        self.energy += float(np.square(mixed, dtype=np.float64).sum())
        self.centre_energy += float(np.square(own, dtype=np.float64).sum())
        return mixed


class _Channel:
    """One channel of a sound, resampled."""

    def __init__(self, layout_: Any, rate: int, number: int, width: int = 1) -> None:
        # Interleaved: PyAV miscounts the planes of more than seven channels.
        self._resampler = av.AudioResampler(format="flt", layout=layout_, rate=rate)
        self._number, self._width = number, width

    def __call__(self, frame: AudioFrame | None) -> NDArray[np.float32]:
        """Samples (n,) that a frame adds, or the end where it is None."""
        found = [_channel(out, self._number, self._width) for out in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, np.float32), *found])


def _channel(frame: AudioFrame, number: int, count: int) -> NDArray[np.float32]:
    """One channel of interleaved sound."""
    return np.asarray(frame.to_ndarray()[0, number::count], np.float32)


def _sound(container: InputContainer, track: AvAudioStream) -> Iterator[AudioFrame]:
    for packet in container.demux(track):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def main_track(info: MediaInfo) -> AudioStream:
    """The main sound track: the default one, else the first that can be decoded.

    Raises:
        MediaError: there is none.
    """
    tracks = [track for track in info.audio if track.codec]
    if not tracks:
        raise MediaError("the dub has no sound that can be decoded; name a file with sound")
    return max(tracks, key=lambda track: ("default" in track.disposition, -track.index))


def with_decoded_start(path: Path, track: AudioStream) -> AudioStream:
    """A sound track whose `start` is that of its first decoded sample; containers give that of a packet.

    Raises:
        MediaError: nothing of it can be decoded.
    """
    with source.opened(path) as container:
        for frame in _sound(container, _track(container, path, track.index)):
            if frame.samples and frame.pts is not None and frame.time_base is not None:
                start = round(frame.pts * frame.time_base / Fraction(*track.time_base))
                return track.model_copy(update={"start": start})
            if frame.samples:
                return track
    raise MediaError(f"{path} has no sound that can be decoded; name a file with sound")


def duration(path: Path, index: int) -> float:
    """Seconds of sound in a track, from its container; 0 where that does not say."""
    with source.opened(path) as container:
        track = container.streams[index]
        if track.duration is not None and track.time_base is not None:
            return float(track.duration * track.time_base)
        return (container.duration or 0) / 1_000_000
