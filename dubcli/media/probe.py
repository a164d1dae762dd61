"""Probes a film: its streams, exact timing, colour description, and digests of its packets."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.artifacts.media import AudioStream, MediaInfo, OtherStream, Rational, SubtitleStream, VideoStream
from dubcli.errors import MediaError
from dubcli.media.names import LAYER

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream as AvVideoStream

    from dubcli.media import describe
    from dubcli.media.mov import read as mov_read

_MIN_SIDE_PIXELS = 16  # smaller means a damaged header; set by hand
_RATE_RESOLUTION = 100_000  # rates closer than one part in this are equal; set by hand
_BESIDE_SECONDS = 0.05  # for which two subtitles are seen together; less is rounding: set by hand
_MAX_FPS = 1000  # higher is a container's tick rate; set by hand
GAP_SECONDS = 0.05
"""Sound that jumps ahead by more is silent in between, less is rounding of timestamps: set by hand."""


@dataclass
class _Track:
    """What the packets of a sound track tell together: their digest, what they are, whether they leave gaps.

    Those of subtitles tell whether some say places or colours, and whether some stand beside a later one.

    Attributes:
        tick: seconds in which `end`, that of the latest packet, counts. TrueHD has 1200 packets a second, for
            which fractions take most of the time.
    """

    hasher: hashlib._Hash = field(default_factory=hashlib.sha256)
    tick: float = 0.0
    end: int | None = None
    gaps: bool = False
    placed: bool = False
    coloured: bool = False
    beside: bool = False
    described: set[bytes] = field(default_factory=set)

    def add(self, packet: Packet[Any]) -> None:
        """Take in the next packet."""
        from dubcli.media import describe

        text = packet.stream.type == "subtitle"
        if text:
            self.placed |= describe.placed(packet)
            self.coloured |= describe.coloured(packet)
        else:
            self.hasher.update(packet)
            self.described |= describe.own_head(packet)
        if packet.pts is None or not packet.size or packet.time_base is None:
            return
        self.tick = self.tick or float(packet.time_base)
        apart = 0.0 if self.end is None else (packet.pts - self.end) * self.tick
        self.gaps |= apart > GAP_SECONDS
        self.beside |= text and -apart > _BESIDE_SECONDS
        self.end = packet.pts + (packet.duration or 0)


def probe(path: Path, *, whole: bool = True) -> MediaInfo:
    """The streams of a film or an audio file; a film's packets are all read for their digests.

    Args:
        path: the file.
        whole: False to read no farther than the first picture; digests, `packets`, `delay` are then empty.

    Raises:
        MediaError: missing or unreadable, or nothing in it can be decoded.
    """
    from dubcli.media import describe, matroska, protection, source, untold
    from dubcli.media.mov.read import FULL_VOLUME

    with source.opened(path) as container:
        if not container.streams.video and not container.streams.audio:
            raise MediaError(f"{path} has neither picture nor sound; name a film or a sound file")
        ids = {stream.id for stream in (*container.streams.video, *container.streams.audio)}
        heads = matroska.tracks(path) if "matroska" in container.format.name else []
        # Some of what is protected may decode, to noise.
        if protection.is_protected(path, container.format.name, ids, heads):
            raise MediaError(f"{path} is encrypted; name a copy without protection")
        covers = all(source.is_cover(stream) for stream in container.streams.video)
        film = None if covers and container.streams.audio else source.picture(container, path)
        start = Fraction(container.start_time or 0, 1_000_000)
        dump = describe.FormatDump.of(container)
        tracks = {s.index: _Track() for s in (*container.streams.audio, *container.streams.subtitles)}
        more = untold.of(path, container.format.name, heads)
        lost = list(more.lost)
        if film is not None and film.id in more.edits and more.edits[film.id].pauses:
            lost.append("pauses of the picture in its edit list: pictures from its beginning stand there")
        for s in container.streams:
            if s.id in more.edits and more.edits[s.id].retimed:
                lost.append(f"the speed at which an edit list plays stream {s.index}, or lets it stand still")
            if s.index in more.languages:
                s.metadata["language"] = more.languages[s.index]
        chapters = container.chapters()
        facts = {
            "format": container.format.name,
            "start": _rational(start),
            "other": tuple(
                _other(s, dump)
                for s in container.streams
                if s is not film and s.type not in ("audio", "subtitle")
            ),
            "chapters": len(chapters),
            "first_chapter": min(
                (float(one["start"] * (one["time_base"] or 0)) for one in chapters), default=0.0
            ),
            "chapter_gaps": any(
                one["end"] * (one["time_base"] or 0) < (two["start"] - 1) * (two["time_base"] or 0)
                for one, two in itertools.pairwise(chapters)
            ),
            "untold": tuple(lost),
            "references": more.references,
            "own": more.own,
            "tags": {**(dump.program(film.index) if film else {}), **container.metadata},
        }
        if film is not None:
            video = _video(container, film, path, tracks, dump, whole)
        else:
            video = None
            for packet in source.packets(container, *container.streams.audio) if whole else ():
                tracks[packet.stream.index].add(packet)
        audio = tuple(
            _audio(
                s,
                dump,
                tracks[s.index],
                edits=more.edits.get(s.id),
                anew=s.id in more.redescribed,
                around=s.id in more.ambisonic,
                volume=more.volumes.get(s.index, FULL_VOLUME),
            )
            for s in container.streams.audio
        )
        subtitles = tuple(
            _subtitle(s, dump, tracks[s.index], foreign=s.index in more.foreign and s.codec_context is None)
            for s in container.streams.subtitles
        )
        return MediaInfo.model_validate({**facts, "audio": audio, "subtitles": subtitles, "video": video})


def _video(
    container: InputContainer,
    stream: AvVideoStream,
    path: Path,
    tracks: dict[int, _Track],
    dump: describe.FormatDump,
    whole: bool,
) -> VideoStream:
    """Describe the picture: from the headers, the first decoded frame, and one reading of all packets.

    Packets of sound and subtitles go to their `tracks`, by stream, on the way.
    """
    from dubcli.media import describe, source

    context = stream.codec_context
    hasher = hashlib.sha256()
    order: list[int | None] = []
    first: VideoFrame | None = None
    beginning = b""
    lost = 0
    durations: list[int] = []
    context.thread_type = "AUTO"
    for packet in source.packets(container, stream, *(container.streams[index] for index in tracks)):
        if packet.stream.index in tracks:
            tracks[packet.stream.index].add(packet)
            continue
        if packet.size:
            hasher.update(packet)
            beginning = beginning or bytes(packet)
            if not packet.is_discard:
                order.append(packet.pts)
                durations.append(packet.duration or 0)
                lost += packet.pts is packet.dts is None
        if first is None:
            first = next(iter(_decode(packet)), None)
        if first is not None and not whole:
            break
    if first is None:
        raise MediaError(f"{path}: no picture can be decoded; check that the film is whole")
    if first.width < _MIN_SIDE_PIXELS or first.height < _MIN_SIDE_PIXELS:
        raise MediaError(f"{path} is {first.width}×{first.height} pixels; that is too small for a film")
    if lost and whole and "matroska" in container.format.name:
        raise MediaError(
            f"{path}: {lost} pictures have no time, as where they lie before zero, which Matroska "
            "cannot say; write it anew with times from zero (ffmpeg: without -avoid_negative_ts disabled)"
        )
    times = [t for t in order if t is not None]
    told = dump.picture(stream.index)
    if told["field_order"] == "unknown":
        told["field_order"] = describe.field_order(first)
    described = describe.picture(first, context, beginning)
    if describe.has_alpha_beside(stream):
        described["dynamic"] = (*described["dynamic"], LAYER)
    return VideoStream.model_validate(
        {
            **told,
            **described,
            "index": stream.index,
            "codec": _codec(stream),
            "tag": context.codec_tag.strip("\0"),
            "profile": context.profile or "",
            "time_base": _rational(stream.time_base or Fraction(1, 1000)),
            "average_rate": _rational(_rate(stream, times)),
            "start_pts": min(times, default=0),
            "last_duration": _last_duration(container.format.name, order, durations) if whole else 0,
            "sar": _rational(stream.sample_aspect_ratio or Fraction(1)),
            "coded_sar": _coded_aspect(stream),
            "disposition": _disposition(stream),
            "tags": dict(stream.metadata),
            "delay": describe.reorder_depth(times),
            "packets": len(order),
            "first_bytes": len(beginning),
            "digest": hasher.hexdigest(),
        }
    )


def _coded_aspect(stream: AvVideoStream) -> Rational | None:
    """The shape of pixels that decoded pictures say, (0, 1) for none; None where it is the container's."""
    coded, shown = stream.codec_context.sample_aspect_ratio, stream.sample_aspect_ratio
    return None if (coded or 1) == (shown or 1) else _rational(coded or Fraction(0))


def _last_duration(form: str, times: list[int | None], durations: list[int]) -> int:
    """Ticks for which the last picture is shown, 0 where the container does not say.

    Matroska keeps how long a picture is shown, MP4 and MOV how long it is until the next one is decoded: that
    is the same for the last one stored.
    """
    last = max(range(len(times)), key=lambda k: (times[k] is not None, times[k] or 0), default=None)
    if last is None or not ("matroska" in form or ("mov" in form and last == len(times) - 1)):
        return 0
    return durations[last]


def _rate(stream: AvVideoStream, times: list[int]) -> Fraction:
    """Frames per second: as the container says, unless it counts fields (GXF), or ticks (raw DV, AVI)."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    steps = sorted(b - a for a, b in itertools.pairwise(sorted(times)))
    tick = stream.time_base or Fraction(1, 1000)
    usual = steps[len(steps) // 2] * tick if steps else 1 / rate
    if rate <= _MAX_FPS:
        if usual * rate >= 2 and stream.guessed_rate == 1 / usual:
            return 1 / usual
        for exact in (Fraction(round(rate)), Fraction(1000 * round(rate * 1001 / 1000), 1001)):
            if abs(rate - exact) < rate / _RATE_RESOLUTION:  # Matroska has nanoseconds of a picture
                return exact
        return rate
    if steps and usual > 0:
        return 1 / usual
    guessed = stream.guessed_rate
    return guessed if guessed and guessed <= _MAX_FPS else Fraction(25)


def _decode(packet: object) -> Iterator[VideoFrame]:
    from dubcli.media import source

    try:
        yield from packet.decode()  # type: ignore[attr-defined]
    except source.DAMAGED:
        return  # a damaged packet before the first whole picture


def _audio(
    stream: Stream,
    dump: describe.FormatDump,
    track: _Track,
    *,
    edits: mov_read.Edits | None,
    anew: bool,
    around: bool,
    volume: int,
) -> AudioStream:
    context = stream.codec_context
    channels = getattr(context, "channels", 0) or 0
    layout = dump.layout(stream.index) or (context.layout.name if context is not None else "")  # type: ignore[attr-defined]
    return AudioStream(
        index=stream.index,
        digest=track.hasher.hexdigest(),
        codec=_codec(stream),
        rate=getattr(context, "sample_rate", 0) or 0,
        channels=channels,
        layout=f"ambisonic {math.isqrt(channels) - 1}" if around else layout,
        time_base=_rational(stream.time_base or Fraction(1, 1000)),
        start=stream.start_time or 0,
        language=stream.metadata.get("language", "und"),
        disposition=_disposition(stream),
        tags=dict(stream.metadata),
        form="" if _codec(stream) else next(filter(None, dump.codec(stream.index)), ""),
        edited=anew or len(track.described) > 1 or (edits is not None and edits.parted),
        pauses=edits.pauses if edits else (),
        gaps=track.gaps,
        volume=volume,
    )


def _subtitle(stream: Stream, dump: describe.FormatDump, track: _Track, *, foreign: bool) -> SubtitleStream:
    return SubtitleStream(
        index=stream.index,
        codec="subrip" if foreign else _codec(stream) or dump.codec(stream.index)[0],
        language=stream.metadata.get("language", "und"),
        disposition=_disposition(stream),
        tags=dict(stream.metadata),
        placed=track.placed,
        coloured=track.coloured,
        beside=track.beside,
        foreign=foreign,
    )


def _other(stream: Stream, dump: describe.FormatDump) -> OtherStream:
    codec, tag = dump.codec(stream.index)
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
