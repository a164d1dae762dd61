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


def grow_to_groups(
    spans: Iterable[Span], starts: Sequence[int], keys: Sequence[int], count: int
) -> list[Span]:
    """Ranges widened to what must be encoded when they change: whole groups, up to the next entry point.

    Args:
        spans: ranges of frames.
        starts, keys: as in `artifacts.shots.Groups`.
        count: frames of the film.
    """
    ends = [*keys[1:], count]
    return merged(
        (starts[bisect.bisect_right(starts, start) - 1], ends[bisect.bisect_left(starts, stop) - 1])
        for start, stop in spans
    )


def whole_groups(
    span: Span, starts: Sequence[int], keys: Sequence[int], fixed: Sequence[bool], count: int
) -> list[Span]:
    """The parts of a range that may be copied: from entry points to ends of groups.

    Args:
        span: a range of frames.
        starts, keys, fixed: as in `artifacts.shots.Groups`.
        count: frames of the film.
    """
    ends = [*starts[1:], count]
    out: list[Span] = []
    for start, key, end, stuck in zip(starts, keys, ends, fixed, strict=True):
        if stuck or key < span[0] or end > span[1]:
            continue
        if out and out[-1][1] == start:
            out[-1] = (out[-1][0], end)  # the group before is copied as well
        elif key < end:
            out.append((key, end))
    return out
