"""The dubbed film's picture as one stream of packets with exact times.

It is interleaved from newly encoded spans and groups copied from the film.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import CheckError
from dubcli.media import nal, source
from dubcli.media.join import Joiner
from dubcli.media.messages import Messages, keeps_registered
from dubcli.media.spans import Span

if TYPE_CHECKING:
    from av.packet import Packet

    from dubcli.artifacts.media import VideoStream

_MAX_TICKS = 10_000_000  # per second of a result; set by hand
_SOUND_RATE = 48_000  # samples per second of nearly all film sound

Coded = tuple[int, bytes, bool]  # frame, packet, whether it is a key picture


@dataclass(frozen=True)
class Segment:
    """An encoded file and the spans of the film's frames in it, one after the other.

    Attributes:
        path: as `media.compose.encode_spans` wrote it.
        spans: ranges of frame numbers.
        delay: the reorder depth of its packets.
        patched: whether a mouth was changed in it.
    """

    path: Path
    spans: tuple[Span, ...]
    delay: int
    patched: bool = False


@dataclass(frozen=True)
class Film:
    """The source, for copying from it.

    Attributes:
        path: the film.
        video: its picture.
        pts: (N,) timestamps of its frames.
        start: seconds at which its earliest stream begins.
        timed: whether its packets have the times of their own pictures.
    """

    path: Path
    video: VideoStream
    pts: NDArray[np.int64]
    start: Fraction = Fraction(0)
    timed: bool = True

    @property
    def time_shift(self) -> int:
        """Ticks added to all its times: no output container has times before zero."""
        tick = self.video.tick
        first = int(self.pts[0])
        return -min(first, math.floor(self.start / tick)) if first < 0 else 0

    @property
    def clock(self) -> Fraction:
        """Seconds per tick in which the result is timed: whole for the film's own ticks and for its rate."""
        own = self.video.tick.denominator  # AVI and MXF count pictures of 1001/24000 s: MP4 has no such ticks
        fine = math.lcm(own, self.video.rate.numerator)
        return Fraction(1, fine if fine < _MAX_TICKS else own)

    @property
    def begin(self) -> Fraction:
        """Display time of its first picture in the result, in seconds."""
        return (int(self.pts[0]) + self.time_shift) * self.video.tick

    @property
    def display_durations(self) -> NDArray[np.int64]:
        """(N,) display duration of each frame in ticks of `clock`.

        The last keeps the average rate, unless the container gives it a duration of its own, one that is not
        the usual one rounded, or times are irregular: then it is shown as long as most are.
        """
        step = round(self.video.tick / self.clock)
        usual = 1 / (self.video.rate * self.clock)
        own = self.video.last_duration * step
        if own and abs(own - usual) > step:
            return np.append(np.diff(self.pts) * step, own)
        last = round(len(self.pts) * usual - int(self.pts[-1] - self.pts[0]) * step)
        fits = abs(last - usual) <= step if own else usual / 2 <= last <= 2 * usual
        steps = np.diff(self.pts) * step
        if not fits:
            last = int(np.median(steps)) if len(steps) else max(1, round(usual))
        return np.append(steps, last)

    @property
    def seconds(self) -> Fraction:
        """From the first picture's beginning to the last one's end."""
        return (
            int(self.pts[-1] - self.pts[0]) * self.video.tick + int(self.display_durations[-1]) * self.clock
        )


class Writable(Protocol):
    """Something to write bytes to."""

    def write(self, data: Any, /) -> Any:
        """Write bytes."""


def gaps(segments: Sequence[Segment], count: int) -> list[Span]:
    """Ranges of a film's `count` frames that no segment holds."""
    held = sorted(span for segment in segments for span in segment.spans)
    edges = [0, *(edge for span in held for edge in span), count]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def packets(
    film: Film,
    segments: Sequence[Segment],
    copies: Sequence[Span],
    joiner: Joiner,
    messages: Messages | None = None,
) -> Iterator[Packet[Any]]:
    """Packets of all spans in decoding order, with the film's own times.

    A packet's decoding time is the presentation time of the frame as many places earlier as pictures are
    reordered at most, so it rises and never passes its presentation time.

    Args:
        film: the source.
        segments: encoded files, rising.
        copies: ranges of frames taken from the source.
        joiner: makes packets of both fit into one stream.
        messages: what the film says beside each picture, for those that were encoded.

    Raises:
        CheckError: a part does not hold the pictures it should.
    """
    shown, step = film.display_durations, round(film.video.tick / film.clock)
    pts = (film.pts + film.time_shift) * step
    ahead = np.arange(delay(film, segments, copies), 0, -1)
    decoding = np.concatenate([pts[0] - shown.min() * ahead, pts])
    # MOV and MP4 keep the time from one decoding to the next, and their sum gives the rate. What is left for
    # the last one is more than nothing, since the least duration was taken before the first.
    last = int(decoding[0] + shown.sum() - decoding[len(pts) - 1])
    taken = _copied_packets(film, copies, joiner)
    number = 0
    for (start, stop), made in _interleave(film, segments, copies, joiner, messages):
        for _ in range(start, stop):
            frame, data, key = next(made or taken, (-1, b"", False))
            if not start <= frame < stop:
                raise CheckError(f"frames {start} to {stop} are not in their place; type: dubcli run again")
            packet: Packet[Any] = av.Packet(data)
            packet.pts, packet.dts = int(pts[frame]), int(decoding[number])
            packet.duration = int(shown[frame]) if number + 1 < len(pts) else last
            packet.time_base = film.clock
            packet.is_keyframe = key
            yield packet
            number += 1
    if number != len(film.pts):
        raise CheckError(
            f"the picture has {number} frames instead of {len(film.pts)}; type: dubcli run again"
        )


def _interleave(
    film: Film, segments: Sequence[Segment], copies: Sequence[Span], joiner: Joiner, messages: Messages | None
) -> Iterator[tuple[Span, Generator[Coded, None, None] | None]]:
    """Spans in the film's order, each with the packets of its segment, or None where it is copied.

    A segment's file is open from its first span to its last: there may be thousands.
    """
    parts = [(span, segment) for segment in segments for span in segment.spans]
    open_now: dict[int, Generator[Coded, None, None]] = {}
    for span, segment in sorted([*parts, *((span, None) for span in copies)], key=lambda part: part[0]):
        if segment is None:
            yield span, None
            continue
        found = open_now.setdefault(id(segment), _encoded_packets(film, segment, joiner, messages))
        yield span, found
        if span == segment.spans[-1]:
            open_now.pop(id(segment)).close()


def _encoded_packets(
    film: Film, segment: Segment, joiner: Joiner, messages: Messages | None
) -> Generator[Coded, None, None]:
    """(frame, data, is a key picture) of an encoded file's packets."""
    frames = np.concatenate([np.arange(*span) for span in segment.spans])
    with source.opened(segment.path) as container:
        stream = source.picture(container, segment.path)
        assert stream.time_base is not None
        first = None
        for packet in container.demux(stream):
            if not packet.size or packet.pts is None:
                continue
            first = packet.pts if first is None else first  # a closed group begins with its first picture
            place = round((packet.pts - first) * stream.time_base * film.video.rate)
            if not 0 <= place < len(frames):
                raise CheckError(f"{segment.path} holds a picture out of its place; type: dubcli run again")
            frame, data, key = int(frames[place]), bytes(packet), packet.is_keyframe
            yield frame, joiner.encoded(messages.into(data, frame, key) if messages else data), key


def _copied_packets(film: Film, copies: Sequence[Span], joiner: Joiner) -> Generator[Coded, None, None]:
    """(frame, data, is a key picture) of the film's packets that are copied."""
    if not copies:
        return
    enter = {start for start, _ in copies}
    wanted = np.zeros(len(film.pts), np.bool_)
    for start, stop in copies:
        wanted[start:stop] = True
    with source.opened(film.path) as container:
        for packet in source.packets(container, source.picture(container, film.path, film.video.index)):
            if not packet.size or packet.pts is None or packet.is_discard:
                continue
            frame = int(np.searchsorted(film.pts, packet.pts))
            if frame < len(wanted) and film.pts[frame] == packet.pts and wanted[frame]:
                data = bytes(packet)
                yield frame, joiner.entry(data) if frame in enter else data, packet.is_keyframe


def delay(film: Film, segments: Sequence[Segment], copies: Sequence[Span]) -> int:
    """The reorder depth of the result, in pictures."""
    return max([segment.delay for segment in segments] + ([film.video.delay] if copies else []))


def pipe_format(container: str, ahead: int, codec: str) -> str:
    """The format in which the picture is piped to ffmpeg.

    Matroska keeps all colour tags but no decoding times, and PyAV puts no DNxHD into it; fragmented MOV and
    MP4 keep the times, too.

    Args:
        container: FFmpeg's name of the result's format.
        ahead: from `delay`.
        codec: of the picture.
    """
    return "mov" if container == "matroska" and (ahead or codec == "dnxhd") else container


def write(pipe: Writable, film: Film, segments: Sequence[Segment], copies: Sequence[Span], form: str) -> None:
    """Write the picture as a stream.

    Args:
        pipe: where to.
        film: the source.
        segments: encoded files, rising; none where all is copied.
        copies: ranges of frames taken from the source.
        form: from `pipe_format`.

    Raises:
        nal.Unsupported: encoded packets cannot be joined to copied ones.
        CheckError: a part does not hold the pictures it should.
    """
    _check_alike(segments)
    first = segments[0].path if segments else film.path
    with source.opened(first) as head, source.opened(film.path) as origin:
        made = source.picture(head, first, None if segments else film.video.index)
        taken = source.picture(origin, film.path, film.video.index)
        before, after = taken.codec_context.extradata or b"", made.codec_context.extradata or b""
        joiner = Joiner.of(film.video.codec, before, after) if segments and copies else Joiner.single(after)
        options = {"strict": "unofficial", **({} if form == "matroska" else _fragments(film))}
        with av.open(pipe, "w", format=form, options=options) as out:
            # The film's own stream knows what its container says of it; an encoded file does not.
            same = made.codec_context.codec.id == taken.codec_context.codec.id
            stream = out.add_stream_from_template(taken if same else made, opaque=True)
            stream.codec_context.extradata = joiner.extradata
            # NUT keeps it for the stream alone, where MOV and Matroska do not look for it.
            stream.codec_context.sample_aspect_ratio = Fraction(*film.video.sar)
            if film.video.display is not None:
                stream.set_display_matrix(list(film.video.display))
            messages = _messages(film, segments, made.codec_context.codec.canonical_name)
            for packet in packets(film, segments, copies, joiner, messages):
                packet.stream = stream
                out.mux(packet)
            if messages:
                messages.close()


def _messages(film: Film, segments: Sequence[Segment], codec: str) -> Messages | None:
    """What the film says beside the pictures that were encoded; None where their codec has no place."""
    if not segments or not film.timed or not keeps_registered(film.video, codec):
        return None
    spans = [span for segment in segments for span in segment.spans]
    return Messages(film.path, film.video, film.pts, spans, codec)


def _check_alike(segments: Sequence[Segment]) -> None:
    """Check that all segments decode with the same parameters: one track has one decoder configuration.

    Raises:
        CheckError: another encoder made some of them, as where ffmpeg was updated between two runs.
    """
    first = None
    for segment in segments:
        with source.opened(segment.path) as container:
            context = source.picture(container, segment.path).codec_context
            sets = context.codec.id, nal.parameters(context.extradata or b"", context.name)
        first = first or sets
        if sets != first:
            start, stop = segment.spans[0][0], segment.spans[-1][1]
            raise CheckError(
                f"frames {start} to {stop} were encoded by another ffmpeg than those before them; "
                "type the same command again with --redo compose"
            )


def _fragments(film: Film) -> dict[str, str]:
    return {
        "movflags": "empty_moov+frag_every_frame+delay_moov+default_base_moof",
        **timescales(film),
    }


def timescales(film: Film) -> dict[str, str]:
    """Options of MOV and MP4 that count in the film's own ticks, or whole parts of them.

    A late start is kept in units of the whole film, by default a millisecond: too coarse for most rates. They
    are made fine enough for a sample of sound as well.
    """
    scale = round(1 / film.clock)
    return {
        "video_track_timescale": str(scale),
        "movie_timescale": str(scale * max(1, -(-_SOUND_RATE // scale))),
    }
