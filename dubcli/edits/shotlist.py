"""Shot lists of other programs: EDL (CMX 3600); OTIO, FCP XML and AAF; CSV of PySceneDetect.

What is taken from them is where shots begin. A list says that in one of two ways: it is the cut of the film
itself, and its *record* side counts along the film; or the film is its *source*, cut up in a timeline.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dubcli.edits import edl, interchange
from dubcli.edits.event import Event, Read, seen
from dubcli.edits.interchange import ADAPTERS, BUNDLES, LARGEST_BYTES, XML
from dubcli.edits.scenes import MOST
from dubcli.edits.scenes import parse as parse_scenes
from dubcli.edits.timecode import DROP_RATES, Clock
from dubcli.errors import ConfigError
from dubcli.settings.encoding import read_foreign

Side = Literal["auto", "record", "source"]
SUFFIXES = (*dict.fromkeys((".edl", *ADAPTERS, *XML, *BUNDLES)), ".csv")
_OF_ONE = (".edl", ".csv")  # formats that hold one timeline, as text


@dataclass(frozen=True)
class Found:
    """What a list says of a film.

    Attributes:
        starts: frames at which shots begin, from 0 on.
        side: which side of the list was taken.
        warnings: what the user should know, a line each.
    """

    starts: tuple[int, ...]
    side: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Film:
    """A film, as far as lists speak of it.

    Attributes:
        name: its file's name.
        clock: its timecode.
        count: its frames, None where that is not known yet.
        longest: frames that it has at most, where their number is not known yet.
        reel: its reel.
    """

    name: str
    clock: Clock
    count: int | None
    longest: int | None = None
    reel: str = ""

    @property
    def names(self) -> set[str]:
        """What lists call it: its file's name and its reel, also as reels of an EDL, in lower case."""
        stem = Path(self.name).stem
        short = {edl.reel_name(name) for name in (stem, stem.replace("_", ""), self.reel) if name}
        return {name.casefold() for name in (self.name, stem, self.reel, *short) if name} - {"ax"}


def read(path: Path, film: Film, side: Side = "auto", wanted: str = "") -> Found:
    """The shots that a list gives a film.

    Args:
        path: the list; its suffix says the format.
        film: the film.
        side: which side of the list counts along the film; `auto` is the source side where it names the film.
        wanted: the name or number of the timeline that is meant, "" where the list holds one.

    Raises:
        ConfigError: the list cannot be read, has another rate, overlaps, or lies outside of the film; all
            that is wrong, a line each.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path} is no shot list that can be read; use one of {', '.join(SUFFIXES)}")
    if wanted and suffix in _OF_ONE:
        raise ConfigError(f"{path.name} holds one timeline alone; leave out --timeline")
    text, guess = read_foreign(path, "list", LARGEST_BYTES) if suffix in _OF_ONE else ("", ())
    if suffix == ".csv":
        scenes = parse_scenes(text, str(path))
        events = [Event(number, "", "", span, None) for number, span in enumerate(scenes, 1)]
        return _found(path, Read(tuple(events), (), guess), "record", film, 0)
    if suffix == ".edl":
        film.clock.at(0)  # a rate without timecode is named once
        listed = edl.parse(text, str(path), film.clock)
        listed = replace(listed, warnings=guess + listed.warnings)
    else:
        listed = interchange.parse(path, film.clock, wanted)
    if not listed.events and not listed.problems:
        kind = " as CMX 3600" if suffix == ".edl" else ""
        raise ConfigError(f"{path} has no picture in it; export its video track{kind}")
    names = film.names
    own = [event for event in listed.events if event.names & names]
    if side == "auto":
        side = "source" if own else "record"
    if side == "source":
        listed = _of_source(path, listed, own, film.clock)
    else:
        listed = replace(listed, events=tuple(seen(listed.events)))
    return _found(path, listed, side, film, film.clock.first)


def _of_source(path: Path, listed: Read, own: Sequence[Event], clock: Clock) -> Read:
    """A list's events of which the film is the source, with what keeps them from being cuts of the film.

    Args:
        path: the list.
        listed: what was read of it.
        own: its events that name the film.
        clock: the film's timecode.
    """
    of_film = [event for event in listed.events if not event.black]
    others = [
        f"{path}: event {event.number}: reel {event.reel or event.name or '?'} is not the film; "
        "if the list is the film's own cut, add --side record"
        for event in of_film
        if event not in own
    ]
    speeds = [
        f"{path}: event {event.number} changes speed ({_effects(event)}); take that out"
        for event in of_film
        if event.retimed
    ]
    rates = [
        f"{path}: event {event.number} plays the film at {event.rate:.3f} frames a second, it has "
        f"{float(clock.rate):.3f}; export the list at the film's rate"
        for event in own
        if event.rate is not None
    ]
    return replace(listed, events=tuple(of_film), problems=(*listed.problems, *others, *speeds, *rates))


def _found(path: Path, listed: Read, side: str, film: Film, first: int) -> Found:
    """Events as frames of the film, checked."""
    problems, clock, count = list(listed.problems), film.clock, film.count
    events: Sequence[Event] = listed.events
    if wrong := _other_labels(listed, side, clock):
        problems.append(f"{path}: {wrong}")
        events = ()
    taken = [event.source if side == "source" and event.source else event.record for event in events]
    ranges = [
        (at := clock.after(start, first), at + stop - start, event.number)
        for event, (start, stop) in zip(events, taken, strict=True)
    ]
    inside = _without_ends(ranges, count) if side == "record" else ranges
    if where := _outside(inside, film.longest if count is None else count):
        hint = "if the film's first frame has another timecode, add --start HH:MM:SS:FF"
        if path.suffix.lower() == ".csv" or (side == "record" and any(a == 0 for a, _, _ in inside)):
            hint = "it is of another film, or of another cut"
        elif side == "record" and clock.counts:
            drop = clock.drop if clock.known else True in _drops(listed, side)
            label = replace(clock, drop=drop).label(min(start for start, _ in taken))
            hint = f"if the film begins with the first event, add --start {label}"
        problems.append(f"{path}: {where}; {hint}")
    full = sorted(one for one in inside if one[0] < one[1])
    for (_, stop, one), (start, _, other) in itertools.pairwise(full):
        if start < stop:
            problems.append(f"{path}: events {one} and {other} overlap by {stop - start} frames")
    if problems:
        more = [f"{path}: and {len(problems) - MOST} problems more"] if len(problems) > MOST else []
        raise ConfigError("\n".join([*problems[:MOST], *more]))
    warnings = [*listed.warnings, *_effects_left(path, listed), *_hidden(path, events)]
    if ends := len(ranges) - len(inside):
        warnings.append(
            f"{path.name}: {ends} events before or after the film (such as a leader) are left out"
        )
    return Found(_starts(full, count), side, tuple(warnings))


def _starts(ranges: Sequence[tuple[int, int, int]], count: int | None) -> tuple[int, ...]:
    """Frames at which shots begin, by the events' edges."""
    starts = {0}.union(*((a, b) for a, b, _ in ranges))
    if count is not None:
        starts.discard(count)
    elif ranges and len(starts) > 1:
        starts.discard(ranges[-1][1])  # the film may end there; what is after it stays with the last shot
    return tuple(sorted(starts))


def _drops(listed: Read, side: str) -> set[bool | None]:
    """Whether the labels of a list drop frames, where its events say so."""
    return {event.drop[side == "source"] for event in listed.events} - {None}


def _other_labels(listed: Read, side: str, clock: Clock) -> str:
    """What is wrong where a list counts timecode otherwise than the film; "" where it does not."""
    drops = _drops(listed, side)
    if not drops or drops == {clock.drop} or not (clock.known or clock.rate not in DROP_RATES):
        return ""
    kinds = ("not drop frame", "drop frame")
    return (
        f"its timecode is {kinds[not clock.drop]}, the film's is {kinds[clock.drop]}; export the list in the "
        "film's own"
    )


def _outside(ranges: Sequence[tuple[int, int, int]], end: int | None) -> str:
    """Which event lies outside of a film of so many frames; "" where none does."""
    outside = [
        (number, f"begins {-a} frames before" if a < 0 else f"ends {b - (end or 0)} frames after")
        for a, b, number in ranges
        if a < 0 or (end is not None and b > end)
    ]
    if not outside:
        return ""
    number, where = outside[0]
    many = f" ({len(outside)} such events)" if len(outside) > 1 else ""
    return f"event {number} {where} the film{many}"


def _effects_left(path: Path, listed: Read) -> list[str]:
    """Effects of which only the cuts are taken, a line each."""
    found = [
        f"{path.name}: event {event.number} has an effect ({_effects(event)}); only cuts are taken"
        for event in listed.events
        if event.effects
    ]
    if len(found) > MOST:
        found[MOST:] = [f"{path.name}: and {len(found) - MOST} events more have effects"]
    return found


def _hidden(path: Path, events: Sequence[Event]) -> list[str]:
    """A line where cuts are not taken because another picture lies over them, which may be seen through."""
    over = [event for event in events if event.hides]
    if not over:
        return []
    names = ", ".join(dict.fromkeys(repr(event.name or event.reel) for event in over[:MOST]))
    cuts = sum(event.hides for event in over)
    return [
        f"{path.name}: {cuts} cuts lie under pictures on higher tracks ({names}) and are left out; where the "
        "film is seen through them, as through a logo, switch them off and export the list again"
    ]


def _without_ends(ranges: list[tuple[int, int, int]], count: int | None) -> list[tuple[int, int, int]]:
    """Events without those before the film, such as a leader, and after it.

    That they are no mistake is known where one begins with the film's first frame, and ends with its last.
    """
    full = [(a, b) for a, b, _ in ranges if a < b]
    left = [one for one in ranges if one[1] > 0] if any(a == 0 for a, _ in full) else ranges
    if count is not None and any(b == count for _, b in full):
        left = [one for one in left if one[0] < count]
    return left if any(a < b for a, b, _ in left) else ranges


def _effects(event: Event) -> str:
    """The names of an event's effects, in one line."""
    return ", ".join(" ".join(name.split()) for name in event.effects)
