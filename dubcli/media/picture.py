"""The dubbed film's picture as one stream of packets with exact times, from spans encoded one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import CheckError
from dubcli.media import source

if TYPE_CHECKING:
    from av.packet import Packet

    from dubcli.media.probe import VideoStream

Span = tuple[int, int]


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


def gaps(segments: Sequence[Segment], count: int) -> list[Span]:
    """Ranges of a film's `count` frames that no segment holds."""
    held = sorted(span for segment in segments for span in segment.spans)
    edges = [0, *(edge for span in held for edge in span), count]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


class Writable(Protocol):
    """Takes bytes."""

    def write(self, data: Any, /) -> Any:
        """Take some."""


def packets(
    segments: Sequence[Segment], pts: NDArray[np.int64], last: int, base: Fraction
) -> Iterator[Packet[Any]]:
    """Packets of all segments in decoding order, with the film's own times.

    A packet's decoding time is the presentation time of the frame as many places earlier as pictures are
    reordered at most, so it rises and never passes its presentation time.

    Args:
        segments: in the film's order, without gaps.
        pts: (N,) timestamps of the film's frames.
        last: ticks that the last frame is shown.
        base: seconds per tick.

    Raises:
        CheckError: a segment does not hold the pictures it should.
    """
    delay = max(segment.delay for segment in segments)
    early = pts[0] - last * np.arange(delay, 0, -1)
    decoding = np.concatenate([early, pts])
    shown = np.append(np.diff(pts), last)
    number = 0
    for segment in segments:
        frames = np.concatenate([np.arange(*span) for span in segment.spans])
        with source.opened(segment.path) as container:
            stream = source.picture(container, segment.path)
            assert stream.time_base is not None
            rate = stream.average_rate or stream.guessed_rate
            assert rate is not None
            seen, first = 0, None
            for packet in container.demux(stream):
                if not packet.size or packet.pts is None:
                    continue
                first = packet.pts if first is None else first  # a closed group begins with its first picture
                place = round((packet.pts - first) * stream.time_base * rate)
                if not 0 <= place < len(frames):
                    raise CheckError(
                        f"{segment.path} holds a picture out of its place; type: dubcli run again"
                    )
                frame = frames[place]
                packet.pts = int(pts[frame])
                packet.dts = int(decoding[number])
                packet.duration = int(shown[frame])
                packet.time_base = base
                yield packet
                number += 1
                seen += 1
            if seen != len(frames):
                raise CheckError(f"{segment.path} holds {seen} pictures instead of {len(frames)}")
    if number != len(pts):
        raise CheckError(f"the picture has {number} frames instead of {len(pts)}; type: dubcli run again")


def write(
    pipe: Writable, video: VideoStream, segments: Sequence[Segment], pts: NDArray[np.int64], last: int
) -> None:
    """Write the picture as fragmented MOV: a stream that keeps decoding and presentation times as they are.

    Args:
        pipe: where to.
        video: the film's picture.
        segments, pts, last: as `packets` takes them.
    """
    base = video.tick
    scale = str(base.denominator if base.numerator == 1 else round(1 / base))
    options = {
        "movflags": "empty_moov+frag_every_frame+delay_moov+default_base_moof",
        "video_track_timescale": scale,
    }
    with (
        source.opened(segments[0].path) as head,
        av.open(pipe, "w", format="mov", options=options) as out,
    ):
        stream = out.add_stream_from_template(source.picture(head, segments[0].path), opaque=True)
        if video.display is not None:
            stream.set_display_matrix(list(video.display))
        for packet in packets(segments, pts, last, base):
            packet.stream = stream
            out.mux(packet)
