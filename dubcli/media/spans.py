"""Half-open ranges of frames: runs, unions, differences; which must be encoded, which can be copied.

It imports nothing heavy: the planner uses it too.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.shots import Groups

Span = tuple[int, int]


def codec(asked: str, own: str) -> str:
    """FFmpeg's name of the codec a setting asks for.

    Args:
        asked: `compose.codec`.
        own: the film's codec.
    """
    return {"source": own, "dnxhr": "dnxhd"}.get(asked, asked)


def runs(frames: Iterable[int]) -> list[Span]:
    """The runs of rising frame numbers."""
    out: list[Span] = []
    for frame in frames:
        if out and out[-1][1] == frame:
            out[-1] = (out[-1][0], frame + 1)
        else:
            out.append((frame, frame + 1))
    return out


def runs_of_true(mask: NDArray[np.bool_], shortest: int = 1) -> list[Span]:
    """Ranges of a mask (T,) in which it is true, those of at least `shortest`."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= shortest]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Ranges sorted, those that touch or overlap made one."""
    out: list[Span] = []
    for start, stop in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], stop))
        elif start < stop:
            out.append((start, stop))
    return out


def passes(ranges: Iterable[Span], keys: Sequence[int]) -> list[Span]:
    """Ranges to decode for some that are rising and apart: two of one group of pictures as one.

    To seek for the second would decode again what was decoded for the first.

    Args:
        ranges: of frames.
        keys: frames from which decoding can start, rising from 0.
    """
    out: list[Span] = []
    for start, stop in ranges:
        if out and _last(keys, start) < out[-1][1]:
            out[-1] = (out[-1][0], stop)
        else:
            out.append((start, stop))
    return out


def clip(spans: Sequence[Span], within: Span) -> list[Span]:
    """The intersections of rising ranges with another."""
    first = bisect.bisect_right(spans, within[0], key=lambda span: span[1])
    last = bisect.bisect_left(spans, within[1], key=lambda span: span[0])
    parts = ((max(a, within[0]), min(b, within[1])) for a, b in spans[first:last])
    return [(a, b) for a, b in parts if a < b]


def subtract(span: Span, spans: Sequence[Span]) -> list[Span]:
    """What is left of a range when others, rising, are taken out."""
    edges = [span[0], *(edge for part in clip(spans, span) for edge in part), span[1]]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def grow_to_groups(spans: Iterable[Span], groups: Groups, count: int) -> list[Span]:
    """Ranges widened to what must be encoded: from where a copy may end to the next entry point.

    Args:
        spans: ranges of frames.
        groups: where packets can be cut.
        count: frames of the film.
    """
    starts, stops, ends = groups.starts, groups.stops, [*groups.keys[1:], count]
    return merged(
        (
            max(_last(starts, start), _last(stops, start)),
            ends[bisect.bisect_left(starts, stop) - 1],
        )
        for start, stop in spans
    )


def whole_groups(span: Span, groups: Groups, count: int) -> list[Span]:
    """The parts of a range that may be copied: from entry points to where a copy may end.

    Args:
        span: a range of frames.
        groups: where packets can be cut.
        count: frames of the film.
    """
    ends = [*groups.starts[1:], count]
    out: list[Span] = []
    for start, key, end, stuck in zip(groups.starts, groups.keys, ends, groups.fixed, strict=True):
        stop = end if end <= span[1] else _last(groups.stops, span[1])
        if stuck or key < span[0] or stop <= key:
            continue
        if out and out[-1][1] == start:
            out[-1] = (out[-1][0], stop)  # the group before is copied as well
        else:
            out.append((key, stop))
    return out


def _last(frames: Sequence[int], upto: int) -> int:
    """The last of rising frame numbers that is not above another; 0 where there is none."""
    place = bisect.bisect_right(frames, upto)
    return frames[place - 1] if place else 0
