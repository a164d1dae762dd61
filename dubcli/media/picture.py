"""The dubbed film's picture as one stream of packets with exact times.

It is made of spans encoded anew and of groups copied from the film, one after the other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import CheckError
from dubcli.media import source
from dubcli.media.join import Joiner
from dubcli.media.spans import Span

if TYPE_CHECKING:
    from av.packet import Packet

    from dubcli.artifacts.media import VideoStream

Coded = tuple[int, bytes, bool]  # frame, packet, whether it is a key picture


@dataclass(frozen=True)
class Segment:
    """An encoded file and the spans of the film's frames in it, one after the other.

    Attributes:
        path: as `media.compose.encode_spans` wrote it.
        spans: ranges of frame numbers.
        delay: the reorder depth of its packets.
    """

    path: Path
    spans: tuple[Span, ...]
    delay: int


@dataclass(frozen=True)
class Film:
    """The source, for copying from it.

    Attributes:
        path: the film.
        video: its picture.
        pts: (N,) timestamps of its frames.
    """

    path: Path
    video: VideoStream
    pts: NDArray[np.int64]

    @property
    def shown(self) -> NDArray[np.int64]:
        """(N,) ticks each frame is shown; the last one as long as the rate says."""
        last = max(1, round(1 / (self.video.rate * self.video.tick)))
        return np.append(np.diff(self.pts), last)

    @property
    def seconds(self) -> Fraction:
        """From the first picture's beginning to the last one's end."""
        return int(self.pts[-1] + self.shown[-1] - self.pts[0]) * self.video.tick


class Writable(Protocol):
    """Takes bytes."""

    def write(self, data: Any, /) -> Any:
        """Take some."""


def gaps(segments: Sequence[Segment], count: int) -> list[Span]:
    """Ranges of a film's `count` frames that no segment holds."""
    held = sorted(span for segment in segments for span in segment.spans)
    edges = [0, *(edge for span in held for edge in span), count]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def packets(
    film: Film, segments: Sequence[Segment], copies: Sequence[Span], joiner: Joiner
) -> Iterator[Packet[Any]]:
    """Packets of all parts in decoding order, with the film's own times.

    A packet's decoding time is the presentation time of the frame as many places earlier as pictures are
    reordered at most, so it rises and never passes its presentation time.

    Args:
        film: the source.
        segments: encoded files, rising.
        copies: ranges of frames taken from the source.
        joiner: makes packets of both fit into one stream.

    Raises:
        CheckError: a part does not hold the pictures it should.
    """
    shown = film.shown
    ahead = np.arange(delay(film, segments, copies), 0, -1)
    decoding = np.concatenate([film.pts[0] - shown[0] * ahead, film.pts])
    taken = _taken(film, copies, joiner)
    number = 0
    for (start, stop), made in _weave(segments, copies, joiner):
        for _ in range(start, stop):
            frame, data, key = next(made or taken, (-1, b"", False))
            if not start <= frame < stop:
                raise CheckError(f"frames {start} to {stop} are not in their place; type: dubcli run again")
            packet: Packet[Any] = av.Packet(data)
            packet.pts, packet.dts = int(film.pts[frame]), int(decoding[number])
            packet.duration = int(shown[frame])
            packet.time_base = film.video.tick
            packet.is_keyframe = key
            yield packet
            number += 1
    if number != len(film.pts):
        raise CheckError(
            f"the picture has {number} frames instead of {len(film.pts)}; type: dubcli run again"
        )


def _weave(
    segments: Sequence[Segment], copies: Sequence[Span], joiner: Joiner
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
        found = open_now.setdefault(id(segment), _made(segment, joiner))
        yield span, found
        if span == segment.spans[-1]:
            open_now.pop(id(segment)).close()


def _made(segment: Segment, joiner: Joiner) -> Generator[Coded, None, None]:
    """(frame, data, is a key picture) of an encoded file's packets."""
    frames = np.concatenate([np.arange(*span) for span in segment.spans])
    with source.opened(segment.path) as container:
        stream = source.picture(container, segment.path)
        rate = stream.average_rate or stream.guessed_rate
        assert stream.time_base is not None
        assert rate is not None
        first = None
        for packet in container.demux(stream):
            if not packet.size or packet.pts is None:
                continue
            first = packet.pts if first is None else first  # a closed group begins with its first picture
            place = round((packet.pts - first) * stream.time_base * rate)
            if not 0 <= place < len(frames):
                raise CheckError(f"{segment.path} holds a picture out of its place; type: dubcli run again")
            yield int(frames[place]), joiner.made(bytes(packet)), packet.is_keyframe


def _taken(film: Film, copies: Sequence[Span], joiner: Joiner) -> Generator[Coded, None, None]:
    """(frame, data, is a key picture) of the film's packets that are copied."""
    if not copies:
        return
    enter = {start for start, _ in copies}
    wanted = np.zeros(len(film.pts), np.bool_)
    for start, stop in copies:
        wanted[start:stop] = True
    with source.opened(film.path) as container:
        for packet in container.demux(source.picture(container, film.path, film.video.index)):
            if not packet.size or packet.pts is None or packet.is_discard:
                continue
            frame = int(np.searchsorted(film.pts, packet.pts))
            if frame < len(wanted) and film.pts[frame] == packet.pts and wanted[frame]:
                data = bytes(packet)
                yield frame, joiner.entered(data) if frame in enter else data, packet.is_keyframe


def delay(film: Film, segments: Sequence[Segment], copies: Sequence[Span]) -> int:
    """By how many pictures decoding runs ahead of showing, in the whole."""
    return max([segment.delay for segment in segments] + ([film.video.delay] if copies else []))


def piped(container: str, ahead: int) -> str:
    """The format in which the picture is handed on to ffmpeg.

    Matroska keeps all colour tags but no decoding times; fragmented MOV and MP4 keep the times, too.

    Args:
        container: FFmpeg's name of the result's format.
        ahead: from `delay`.
    """
    return "mov" if container == "matroska" and ahead else container


def write(pipe: Writable, film: Film, segments: Sequence[Segment], copies: Sequence[Span], form: str) -> None:
    """Write the picture as a stream.

    Args:
        pipe: where to.
        film: the source.
        segments: encoded files, rising.
        copies: ranges of frames taken from the source.
        form: from `piped`.

    Raises:
        nal.Unsupported: what is encoded does not fit to what is copied.
        CheckError: a part does not hold the pictures it should.
    """
    with source.opened(segments[0].path) as head, source.opened(film.path) as origin:
        made = source.picture(head, segments[0].path)
        taken = source.picture(origin, film.path, film.video.index)
        before, after = taken.codec_context.extradata or b"", made.codec_context.extradata or b""
        joiner = Joiner.of(film.video.codec, before, after) if copies else Joiner.plain(after)
        options = {} if form == "matroska" else _fragments(film.video)
        with av.open(pipe, "w", format=form, options=options) as out:
            # The film's own stream knows what its container says of it; an encoded file does not.
            same = made.codec_context.codec.id == taken.codec_context.codec.id
            stream = out.add_stream_from_template(taken if same else made, opaque=True)
            stream.codec_context.extradata = joiner.extradata
            if film.video.display is not None:
                stream.set_display_matrix(list(film.video.display))
            for packet in packets(film, segments, copies, joiner):
                packet.stream = stream
                out.mux(packet)


def _fragments(video: VideoStream) -> dict[str, str]:
    tick = video.tick
    return {
        "movflags": "empty_moov+frag_every_frame+delay_moov+default_base_moof",
        "video_track_timescale": str(tick.denominator if tick.numerator == 1 else round(1 / tick)),
    }
