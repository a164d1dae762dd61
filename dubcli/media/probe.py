"""What a film is made of: streams, exact time, colour description, and a digest of its picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from dubcli.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream as AvVideoStream

    from dubcli.media import describe

Rational = tuple[int, int]
_SMALLEST = 16  # pixels; less is a damaged header


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MasteringDisplay(_Model):
    """SMPTE ST 2086: the display a film was graded on.

    Attributes:
        red, green, blue, white: CIE 1931 (x, y) in steps of 0.00002.
        luminance: (lowest, highest) in steps of 0.0001 cd/m².
    """

    red: Rational
    green: Rational
    blue: Rational
    white: Rational
    luminance: Rational


class VideoStream(_Model):
    """The film's picture.

    Attributes:
        index: stream number in the file.
        codec: FFmpeg's name of the codec.
        tag: four-character code in the container, "" for none.
        profile: the codec's profile as FFmpeg names it, "" for none.
        width, height: of the decoded raster, before rotation and sample aspect ratio, in pixels.
        pix_fmt: FFmpeg's name of the layout of decoded samples.
        bit_depth: bits of a luma sample.
        time_base: seconds per tick of `pts`.
        average_rate: frames per second over the film.
        start_pts: ticks of the first picture in presentation order.
        sar: sample aspect ratio, (1, 1) for square or unknown.
        rotation: degrees counter-clockwise to show it, a display flag.
        display: the nine numbers of the display matrix behind `rotation`, if any.
        primaries, transfer, matrix, range: FFmpeg's names, "unknown" where untagged (`range`: `tv`, `pc`).
        chroma_location: `left`, `center`, `topleft`, …; "unspecified" where untagged.
        field_order: `progressive`, `tt`, `bb`, `tb`, `bt` or `unknown`.
        mastering: display metadata of HDR10, if any.
        light: (MaxCLL, MaxFALL) in cd/m², if any.
        tags: metadata of the stream.
        dynamic: names of per-frame metadata that encoding cannot keep (Dolby Vision, HDR10+).
        delay: pictures by which decoding runs ahead of showing (reorder depth of the packets).
        packets: number of packets.
        digest: sha256 of all packet payloads in order; the same film in another container keeps it.
    """

    index: int
    codec: str
    tag: str
    profile: str
    width: int
    height: int
    pix_fmt: str
    bit_depth: int
    time_base: Rational
    average_rate: Rational
    start_pts: int
    sar: Rational
    rotation: int
    display: tuple[int, ...] | None
    primaries: str
    transfer: str
    matrix: str
    range: str
    chroma_location: str
    field_order: Literal["progressive", "tt", "bb", "tb", "bt", "unknown"]
    mastering: MasteringDisplay | None
    light: Rational | None
    tags: dict[str, str]
    dynamic: tuple[str, ...]
    delay: int
    packets: int
    digest: str

    @property
    def rate(self) -> Fraction:
        """Average frames per second."""
        return Fraction(*self.average_rate)

    @property
    def tick(self) -> Fraction:
        """Seconds per unit of `pts`."""
        return Fraction(*self.time_base)


class AudioStream(_Model):
    """A sound track; `start` is in ticks of `time_base`, `digest` the sha256 of its packets in order."""

    index: int
    digest: str
    codec: str
    rate: int
    channels: int
    layout: str
    time_base: Rational
    start: int
    language: str
    disposition: tuple[str, ...]
    tags: dict[str, str]


class SubtitleStream(_Model):
    """A subtitle track."""

    index: int
    codec: str
    language: str
    disposition: tuple[str, ...]
    tags: dict[str, str]


class OtherStream(_Model):
    """A data stream, timecode, attachment, attached picture or a second video."""

    index: int
    kind: str
    codec: str
    tag: str
    disposition: tuple[str, ...]
    tags: dict[str, str]


class MediaInfo(_Model):
    """Everything `probe` finds in a file.

    Attributes:
        format: FFmpeg's names of the container format, comma-separated.
        start: seconds of the earliest stream's start.
        video: the film's picture, None for an audio file.
        chapters: number of chapters.
        tags: metadata of the file.
    """

    format: str
    start: Rational
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    other: tuple[OtherStream, ...]
    chapters: int
    tags: dict[str, str]

    @property
    def film(self) -> VideoStream:
        """The picture of a film.

        Raises:
            MediaError: it has none.
        """
        if self.video is None:
            raise MediaError("the file has no video; name a film")
        return self.video


def probe(path: Path) -> MediaInfo:
    """Look into a film or an audio file; a film's video packets are all read for their digest.

    Raises:
        MediaError: missing or unreadable, or nothing in it can be decoded.
    """
    from dubcli.media import describe, source

    with source.opened(path) as container:
        if not container.streams.video and not container.streams.audio:
            raise MediaError(f"{path} has neither picture nor sound; name a film or a sound file")
        covers = all(source.is_cover(stream) for stream in container.streams.video)
        film = None if covers and container.streams.audio else source.picture(container, path)
        start = Fraction(container.start_time or 0, 1_000_000)
        words = describe.Words.of(container)
        sound = {s.index: hashlib.sha256() for s in container.streams.audio}
        facts = {
            "format": container.format.name,
            "start": _rational(start),
            "subtitles": tuple(_subtitle(s) for s in container.streams.subtitles),
            "other": tuple(
                _other(s, words)
                for s in container.streams
                if s is not film and s.type not in ("audio", "subtitle")
            ),
            "chapters": len(container.chapters()),
            "tags": dict(container.metadata),
        }
        if film is not None:
            video = _video(container, film, path, sound, words)
        else:
            video = None
            for packet in container.demux(container.streams.audio):
                sound[packet.stream.index].update(packet)
        audio = tuple(_audio(s, sound[s.index].hexdigest()) for s in container.streams.audio)
        return MediaInfo.model_validate({**facts, "audio": audio, "video": video})


def _video(
    container: InputContainer,
    stream: AvVideoStream,
    path: Path,
    sound: dict[int, hashlib._Hash],
    words: describe.Words,
) -> VideoStream:
    """Describe the picture: from the headers, the first decoded frame, and one reading of all packets.

    Packets of sound go into the hashes of `sound`, by stream, on the way.
    """
    from dubcli.media import describe

    context = stream.codec_context
    hasher = hashlib.sha256()
    order: list[int | None] = []
    first: VideoFrame | None = None
    context.thread_type = "AUTO"
    for packet in container.demux(stream, *container.streams.audio):
        if packet.stream.index in sound:
            sound[packet.stream.index].update(packet)
            continue
        if packet.size:
            hasher.update(packet)
            if not packet.is_discard:
                order.append(packet.pts)
        if first is None:
            first = next(iter(_decoded(packet)), None)
    if first is None:
        raise MediaError(f"{path}: no picture can be decoded; check that the film is whole")
    if first.width < _SMALLEST or first.height < _SMALLEST:
        raise MediaError(f"{path} is {first.width}×{first.height} pixels; that is too small for a film")
    times = [t for t in order if t is not None]
    return VideoStream.model_validate(
        {
            **words.picture(stream.index),
            **describe.picture(first, context),
            "index": stream.index,
            "codec": _codec(stream),
            "tag": context.codec_tag.strip("\0"),
            "profile": context.profile or "",
            "time_base": _rational(stream.time_base or Fraction(1, 1000)),
            "average_rate": _rational(stream.average_rate or stream.guessed_rate or Fraction(25)),
            "start_pts": min(times, default=0),
            "sar": _rational(stream.sample_aspect_ratio or Fraction(1)),
            "tags": dict(stream.metadata),
            "delay": describe.reorder_depth(times),
            "packets": len(order),
            "digest": hasher.hexdigest(),
        }
    )


def _decoded(packet: object) -> Iterator[VideoFrame]:
    import av.error

    try:
        yield from packet.decode()  # type: ignore[attr-defined]
    except av.error.InvalidDataError:
        return  # a damaged packet before the first whole picture


def _audio(stream: Stream, digest: str) -> AudioStream:
    context = stream.codec_context
    return AudioStream(
        index=stream.index,
        digest=digest,
        codec=_codec(stream),
        rate=getattr(context, "sample_rate", 0) or 0,
        channels=getattr(context, "channels", 0) or 0,
        layout=context.layout.name if context is not None else "",  # type: ignore[attr-defined]
        time_base=_rational(stream.time_base or Fraction(1, 1000)),
        start=stream.start_time or 0,
        language=stream.metadata.get("language", "und"),
        disposition=_disposition(stream),
        tags=dict(stream.metadata),
    )


def _subtitle(stream: Stream) -> SubtitleStream:
    return SubtitleStream(
        index=stream.index,
        codec=_codec(stream),
        language=stream.metadata.get("language", "und"),
        disposition=_disposition(stream),
        tags=dict(stream.metadata),
    )


def _other(stream: Stream, words: describe.Words) -> OtherStream:
    codec, tag = words.codec(stream.index)
    return OtherStream(
        index=stream.index,
        kind=stream.type,
        codec=_codec(stream) or codec,
        tag=tag,
        disposition=_disposition(stream),
        tags=dict(stream.metadata),
    )


def _disposition(stream: Stream) -> tuple[str, ...]:
    return tuple(flag.name for flag in type(stream.disposition) if flag & stream.disposition and flag.name)


def _codec(stream: Stream) -> str:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else ""


def _rational(value: Fraction) -> Rational:
    return value.numerator, value.denominator
