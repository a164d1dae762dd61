"""Shot lists of other programs: EDL (CMX 3600); OTIO, FCP XML and AAF; CSV of PySceneDetect.

What is taken from them is where shots begin. A list says that in one of two ways: it is the cut of the film
itself, and its *record* side counts along the film; or the film is its *source*, cut up in a timeline.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dubcli.edits import edl, interchange
from dubcli.edits.event import Event, Read, seen
from dubcli.edits.interchange import ADAPTERS, LARGEST_BYTES, XML
from dubcli.edits.scenes import MOST
from dubcli.edits.scenes import parse as parse_scenes
from dubcli.edits.timecode import DROP_RATES, Clock
from dubcli.errors import ConfigError
from dubcli.settings.encoding import read_foreign

Side = Literal["auto", "record", "source"]
SUFFIXES = (*dict.fromkeys((".edl", *ADAPTERS, *XML)), ".csv")


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


def read(
    path: Path, film: str, clock: Clock, count: int | None, side: Side = "auto", reel: str = ""
) -> Found:
    """The shots that a list gives a film.

    Args:
        path: the list; its suffix says the format.
        film: file name of the film.
        clock: the film's timecode.
        count: the film's frames, None where that is not known yet.
        side: which side of the list counts along the film; `auto` is the source side where it names the film.
        reel: the film's reel.

    Raises:
        ConfigError: the list cannot be read, has another rate, overlaps, or lies outside of the film; all
            that is wrong, a line each.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path.name} is no shot list that can be read; use one of {', '.join(SUFFIXES)}")
    text, guess = ("", ()) if suffix in (*ADAPTERS, *XML) else read_foreign(path, "list", LARGEST_BYTES)
    if suffix == ".csv":
        scenes = parse_scenes(text, str(path))
        events = [Event(number, "", "", span, None) for number, span in enumerate(scenes, 1)]
        return _found(path, Read(tuple(events), (), guess), "record", clock, 0, count)
    if suffix == ".edl":
        clock.at(0)  # a rate without timecode is named once
        listed = edl.parse(text, str(path), clock)
        listed = replace(listed, warnings=guess + listed.warnings)
    else:
        listed = interchange.parse(path, clock)
    if not listed.events and not listed.problems:
        raise ConfigError(f"{path} has no picture in it; export its video track")
    names = {name.casefold() for name in (film, Path(film).stem, reel, _short_reel(film)) if name}
    own = [event for event in listed.events if event.names & names]
    if side == "auto":
        side = "source" if own else "record"
    if side == "record":
        return _found(
            path, replace(listed, events=tuple(seen(listed.events))), side, clock, clock.first, count
        )
    of_film = [event for event in listed.events if not event.black]
    others = [
        f"{path}: event {event.number}: reel {event.reel or event.name or '?'} is not the film; "
        "if the list is the film's own cut, add --side record"
        for event in of_film
        if event not in own
    ]
    speeds = [
        f"{path}: event {event.number} changes speed ({', '.join(event.effects)}); take that out"
        for event in of_film
        if event.retimed
    ]
    listed = replace(listed, events=tuple(of_film), problems=(*listed.problems, *others, *speeds))
    return _found(path, listed, side, clock, clock.first, count)


def _found(path: Path, listed: Read, side: str, clock: Clock, first: int, count: int | None) -> Found:
    """Events as frames of the film, checked."""
    problems = list(listed.problems)
    drops = {event.drop[side == "source"] for event in listed.events} - {None}
    other_labels = (clock.known or clock.rate not in DROP_RATES) and bool(drops) and drops != {clock.drop}
    if other_labels:
        kinds = ("not drop frame", "drop frame")
        problems.append(
            f"{path}: its timecode is {kinds[not clock.drop]}, the film's is {kinds[clock.drop]}; export the "
            "list in the film's own"
        )
    ranges: list[tuple[int, int, int]] = []
    for event in () if other_labels else listed.events:
        start, stop = event.source if side == "source" and event.source else event.record
        a = clock.after(start, first)
        b = a + stop - start
        if a < 0 or (count is not None and b > count):
            where = f"begins {-a} frames before" if a < 0 else f"ends {b - (count or 0)} frames after"
            hint = "; if the film's first frame has another timecode, add --start HH:MM:SS:FF"
            hint = hint if path.suffix.lower() != ".csv" else "; it is of another film, or of another cut"
            problems.append(f"{path}: event {event.number} {where} the film{hint}")
        ranges.append((a, b, event.number))
    ranges = sorted(one for one in ranges if one[0] < one[1])
    for (_, stop, one), (start, _, other) in itertools.pairwise(ranges):
        if start < stop:
            problems.append(f"{path}: events {one} and {other} overlap by {stop - start} frames")
    if problems:
        more = [f"{path}: and {len(problems) - MOST} problems more"] if len(problems) > MOST else []
        raise ConfigError("\n".join([*problems[:MOST], *more]))
    starts = {0}
    for a, b, _ in ranges:
        starts |= {a, b}
    if count is not None:
        starts.discard(count)
    elif ranges and len(starts) > 1:
        starts.discard(ranges[-1][1])  # the film may end there; what is after it stays with the last shot
    effects = tuple(
        f"{path.name}: event {event.number} has an effect ({', '.join(event.effects)}); only cuts are taken"
        for event in listed.events
        if event.effects
    )
    return Found(tuple(sorted(starts)), side, listed.warnings + effects)


def _short_reel(film: str) -> str:
    """A film's name as a reel of an EDL: eight capital letters and digits."""
    return "".join(c for c in Path(film).stem.upper() if c.isascii() and c.isalnum())[:8]
