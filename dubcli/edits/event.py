"""One event of an editor's list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Event:
    """One event of a list.

    Attributes:
        number: its number in the list, or its place, from 1.
        name: of its clip.
        reel: of its source, or the name of its file, "" where the list does not say.
        record: half-open range, in frames after 00:00:00:00 of the list.
        source: the same in its source's timecode; None where a list has no such side.
        names: all names that the list gives its source, in lower case.
        effects: names of the effects on it.
        retimed: whether one of them changes its speed, so that its frames are not those of its source.
        track: of the picture, from 1; a higher one is seen over a lower one.
        black: whether it shows no source, as black and bars do.
        drop: whether record side and source side count drop frame timecode; None where a list says no such
            thing.
    """

    number: int
    name: str
    reel: str
    record: tuple[int, int]
    source: tuple[int, int] | None
    names: frozenset[str] = frozenset()
    effects: tuple[str, ...] = ()
    retimed: bool = False
    track: int = 1
    black: bool = False
    drop: tuple[bool | None, bool | None] = (None, None)


@dataclass(frozen=True)
class Read:
    """What was read of a list.

    Attributes:
        events: of its picture, in the order of the list.
        problems: what is wrong with it, a line each, with its place.
        warnings: what the user should know, a line each.
    """

    events: tuple[Event, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def cut_to(event: Event, start: int, stop: int) -> Event:
    """The part of an event that lies in a range of the record side."""
    head, length = start - event.record[0], stop - start
    source = event.source
    if source and not event.retimed:
        source = (source[0] + head, source[0] + head + length)
    return replace(event, record=(start, stop), source=source)


def seen(events: Sequence[Event]) -> list[Event]:
    """What is seen of events: a higher track hides what is under it; events of one track may overlap."""
    found: list[Event] = []
    hidden: list[tuple[int, int]] = []
    for track in sorted({event.track for event in events}, reverse=True):
        own = [event for event in events if event.track == track]
        found += [cut_to(event, *part) for event in own for part in _left(event.record, hidden)]
        hidden += [event.record for event in own]
    return sorted(found, key=lambda event: event.record)


def _left(whole: tuple[int, int], hidden: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of a half-open range that are in none of others; an empty range stays as it is."""
    start, end = whole
    for a, b in sorted(hidden):
        if b <= start or a >= end:
            continue
        if a > start:
            yield start, a
        start = max(start, b)
    if start < end or whole[0] == whole[1]:
        yield start, max(start, end)
