"""One event of an editor's list."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dubcli.errors import ConfigError
from dubcli.media.spans import merged

_Timeline = TypeVar("_Timeline")
_NAMED = 20  # timelines that an error names
_DEEPEST = 50  # timelines within timelines; no program's have ten
_MOST = 20_000  # events, far above any real list. Both bound time and memory


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
        rate: frames a second of its source, where they are not the film's; else None.
        hides: cuts of lower tracks under it, which are not seen.
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
    rate: float | None = None
    hides: int = 0


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


def placed(
    events: Iterable[Event], start: int, head: int, length: int, effects: tuple[str, ...], retimed: bool
) -> list[Event]:
    """The events of a timeline of which a part lies in another.

    Args:
        events: of the timeline, counted as its part is.
        start: where the part lies in the other timeline.
        head, length: the part.
        effects, retimed: what is done to it there.
    """
    found = []
    for event in events:
        a, b = max(event.record[0], head), min(event.record[1], head + length)
        if a < b:
            part = cut_to(event, a, b)
            record = (a - head + start, b - head + start)
            found.append(
                replace(part, record=record, effects=effects + part.effects, retimed=retimed or part.retimed)
            )
    return found


def numbered(events: Iterable[Event], begin: int) -> tuple[Event, ...]:
    """Events that count from the first frame of a list, as they count from 00:00:00:00, with numbers."""
    return tuple(
        replace(one, number=number, record=(begin + one.record[0], begin + one.record[1]))
        for number, one in enumerate(events, 1)
    )


def chosen(
    found: Sequence[_Timeline], title: Callable[[_Timeline], str], wanted: str, name: str
) -> _Timeline:
    """The one of a list's timelines that is meant.

    Args:
        found: the timelines.
        title: gives the name of one.
        wanted: the name of the one that is meant, or its place from 1; "" where there is but one.
        name: of the list, for the message.

    Raises:
        ConfigError: there is none, or it is not clear which one is meant.
    """
    if not found:
        raise ConfigError(f"{name} holds no timeline; export one")
    titles = [" ".join(title(one).split()) for one in found]
    meant = [one for one, called in zip(found, titles, strict=True) if called == wanted or not wanted]
    if not meant and wanted.isdecimal():
        meant = list(found[int(wanted) - 1 : int(wanted)]) if int(wanted) else []
    if len(meant) != 1:
        known = ", ".join(f"{place} {called!r}" for place, called in enumerate(titles[:_NAMED], 1))
        raise ConfigError(
            f"which timeline of {name}? choose one with --timeline, by its name or number: {known}"
        )
    return meant[0]


def check_nesting(depth: int, count: int, name: str) -> None:
    """Check that timelines within timelines are not without end.

    Args:
        depth: how deep one lies in others.
        count: its events.
        name: of the list, for the message.

    Raises:
        ConfigError: they are deeper, or hold more, than those of any program.
    """
    if depth > _DEEPEST or count > _MOST:
        raise ConfigError(f"{name} nests timelines without end; export it flattened")


def seen(events: Sequence[Event]) -> list[Event]:
    """What is seen of events: a higher track hides what is under it; events of one track may overlap.

    What is generated, as titles and layers of effects, hides nothing: the picture is seen through it.
    """
    found: list[Event] = []
    hidden: list[tuple[int, int]] = []
    for black, track in sorted({(event.black, -event.track) for event in events}):
        own = [event for event in events if (event.black, -event.track) == (black, track)]
        parts = [cut_to(event, *part) for event in own for part in _left(event.record, hidden)]
        under = (one.record for one in events if one.track < -track and not black)
        edges = sorted({at for record in under for at in record})
        found += [replace(one, hides=one.hides + _within(edges, one.record)) for one in parts]
        hidden = merged([*hidden, *(event.record for event in own)])
    return sorted(found, key=lambda event: event.record)


def _within(edges: Sequence[int], span: tuple[int, int]) -> int:
    """How many of sorted edges lie inside a range, and not at its ends."""
    return max(0, bisect_left(edges, span[1]) - bisect_right(edges, span[0]))


def _left(whole: tuple[int, int], hidden: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of a half-open range that are in none of others, in order; an empty range stays as it is."""
    start, end = whole
    for a, b in hidden:
        if b <= start or a >= end:
            continue
        if a > start:
            yield start, a
        start = max(start, b)
    if start < end or whole[0] == whole[1]:
        yield start, max(start, end)
