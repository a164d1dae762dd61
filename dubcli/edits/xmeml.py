"""XML of Final Cut Pro 7 (`xmeml`), which Premiere, Resolve, Hiero and others write as well.

Read here: OpenTimelineIO's adapter lays the items of a track one behind another, so that one that is out of
order, or whose transition has no other side, moves all after it; and it refuses lists that are right (items
without a file, an effect or an alignment). Positions are frames of the sequence; what an item plays, frames
of its own rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree

from dubcli.edits.event import Event, Read, check_nesting, chosen, numbered, placed, seen
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ITEMS = ("clipitem", "generatoritem", "transitionitem")
_NUMBER = re.compile(r"[-+]?\d{1,12}(?:\.\d{1,9})?")
_OPEN = -1  # an edge that is where the transition beside it cuts


def root(text: str, name: str) -> Element:
    """The root of a document.

    Args:
        text: the document.
        name: of its file, for messages.

    Raises:
        ConfigError: it is no XML, or none of an editing program.
    """
    try:
        found = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise ConfigError(f"{name}:{line}:{column + 1}: not well-formed XML; export the list again") from None
    if found.tag not in ("xmeml", "fcpxml"):
        raise ConfigError(f"{name} is no XML of Final Cut Pro (its root is {found.tag}); export that")
    return found


def parse(root: Element, name: str, clock: Clock, wanted: str = "") -> Read:
    """The events of what is seen of the sequence in a document.

    Args:
        root: of the document.
        name: of its file, for messages.
        clock: the film's timecode.
        wanted: the name or number of the sequence that is meant, "" where there is one.

    Raises:
        ConfigError: it is not clear which sequence is meant, or it has another rate than the film, or
            positions that are none.
    """
    whole: dict[tuple[str, str], Element] = {}
    for element in root.iter():
        if element.tag in ("file", "sequence") and len(element):
            whole.setdefault((element.tag, element.get("id") or ""), element)
    inner = {one for item in root.iter("clipitem") for one in item.findall("sequence")}
    names = {one.get("id") for one in inner} - {None}
    sequences = [
        one for one in root.iter("sequence") if len(one) and one not in inner and one.get("id") not in names
    ]
    sequence = chosen(sequences, lambda one: one.findtext("name") or "", wanted, name)
    reader = _Reader(name, clock, whole)
    rate = reader.rate(sequence, clock.rate)
    clock.check_rate(float(rate), name)
    begin = reader.timecode(sequence, rate)
    first = clock.first if begin is None else round(begin * rate)  # else it begins as the film does
    return Read(numbered(reader.events(sequence, rate), first))


@dataclass(frozen=True)
class _Reader:
    """Turns sequences into events.

    Attributes:
        name: of the list, for messages.
        clock: the film's timecode.
        whole: tag and id → the element that says all; others of that id only point to it.
        done: what is seen of the nested sequences that were read already.
    """

    name: str
    clock: Clock
    whole: dict[tuple[str, str], Element]
    done: dict[Element, list[Event]] = field(default_factory=dict)

    def events(self, sequence: Element, rate: Fraction, depth: int = 0) -> list[Event]:
        """What is seen of a sequence, in frames of the film from its beginning."""
        shown = sequence.findtext("timecode/displayformat")
        drop = None if shown is None else shown.strip() == "DF"
        found: list[Event] = []
        for number, track in enumerate(sequence.findall("media/video/track"), 1):
            if not _is_off(track):
                own = self._track(track, rate, drop, depth)
                found += [replace(event, track=number) for event in own]
            check_nesting(depth, len(found), self.name)
        return seen(found)

    def _track(self, track: Element, rate: Fraction, drop: bool | None, depth: int) -> Iterator[Event]:
        items = [item for item in track if item.tag in _ITEMS]
        for before, item, after in zip([None, *items], items, [*items[1:], None], strict=False):
            if item.tag == "transitionitem" or _is_off(item):
                continue
            fade = before if before is not None and before.tag == "transitionitem" else None
            start, stop = self._edge(item, "start", before), self._edge(item, "end", after)
            filters = [one for one in item.findall("filter/effect") if not _is_off(one)]
            names = [(one.findtext("name") or "effect").strip() for one in filters]
            if fade is not None:
                length = self._number(fade, "end") - self._number(fade, "start")
                names.insert(0, f"a transition of {length} frames")
            effects = tuple(names)
            retimed = any(_changes_speed(one) for one in filters)
            # What is played counts from where the transition begins.
            late = start - self._number(fade, "start") if fade is not None and _is_open(item, "start") else 0
            own = self.rate(item, rate)
            head = (
                Fraction(self._number(item, "in") if item.find("in") is not None else 0) / own + late / rate
            )
            span = self._frames(start / rate), self._frames(stop / rate)
            inner = self._pointed(item, "sequence")
            if inner is None:
                event = self._clip(item, span, head, own, drop)
                yield replace(event, effects=effects, retimed=retimed)
                continue
            check_nesting(depth, 0, self.name)
            if inner not in self.done:
                self.done[inner] = self.events(inner, self.rate(inner, rate), depth + 1)
            yield from placed(
                self.done[inner], span[0], self._frames(head), span[1] - span[0], effects, retimed
            )

    def _clip(
        self, item: Element, span: tuple[int, int], head: Fraction, rate: Fraction, drop: bool | None
    ) -> Event:
        """The event of a clip; `head` is where in its file it begins, in seconds."""
        file = self._pointed(item, "file")
        names, shown, made = [item.findtext("name") or ""], None, item.tag == "generatoritem"
        if file is not None:
            head += self.timecode(file, rate) or 0
            shown = file.findtext("timecode/displayformat")
            url = unquote(file.findtext("pathurl") or "").replace("\\", "/").rsplit("/", 1)[-1]
            names += [file.findtext("timecode/reel/name") or "", url, file.findtext("name") or ""]
            made = made or (not url and file.find("mediaSource") is not None)
        names = [name.strip() for name in names]
        first = self._frames(head)
        return Event(
            0,
            names[0],
            next((name for name in names[1:] if name), ""),
            span,
            (first, first + span[1] - span[0]),
            frozenset(name.casefold() for name in names if name),
            black=made,
            drop=(drop, None if shown is None else shown.strip() == "DF"),
            rate=None if self.clock.counts_as(float(rate)) else float(rate),
        )

    def _pointed(self, item: Element, tag: str) -> Element | None:
        """The file or sequence of an item, wherever the document says all of it."""
        found = item.find(tag)
        return None if found is None else self.whole.get((tag, found.get("id") or ""), found)

    def rate(self, element: Element, default: Fraction) -> Fraction:
        """Frames a second in which an element counts.

        Raises:
            ConfigError: they are no number.
        """
        if element.find("rate/timebase") is None:
            return default
        base = self._number(element, "rate/timebase")
        if base <= 0:
            raise ConfigError(f"{self.name} counts {base} frames a second; export it again")
        ntsc = (element.findtext("rate/ntsc") or "").strip().upper() == "TRUE"
        return base * Fraction(1000, 1001) if ntsc else base

    def timecode(self, element: Element, default: Fraction) -> Fraction | None:
        """The timecode of an element's first frame, in seconds; None where it says none."""
        given = element.find("timecode")
        if given is None:
            return None
        rate = self.rate(given, self.rate(element, default))
        if given.find("frame") is not None:
            return self._number(given, "frame") / rate
        text = (given.findtext("string") or "").strip()
        return Clock(rate, drop=";" in text).count(text) / rate if text else None

    def _edge(self, item: Element, name: str, beside: Element | None) -> Fraction:
        """Where an item begins or ends in its sequence."""
        if not _is_open(item, name):
            return self._number(item, name)
        if beside is None or beside.tag != "transitionitem":
            clip = (item.findtext("name") or "").strip()
            raise ConfigError(f"{self.name} does not say where clip {clip!r} has its {name}; export it again")
        start, end = self._number(beside, "start"), self._number(beside, "end")
        alignment = (beside.findtext("alignment") or "center").strip()
        if alignment.startswith("start"):
            return start
        return end if alignment.startswith("end") else Fraction((start + end) // 2)

    def _number(self, element: Element, path: str) -> Fraction:
        text = (element.findtext(path) or "").strip()
        if not _NUMBER.fullmatch(text):
            raise ConfigError(f"{self.name}: {text!r} is no number of frames ({path}); export it again")
        return Fraction(text)

    def _frames(self, seconds: Fraction) -> int:
        return round(seconds * self.clock.rate)


def _is_open(item: Element, name: str) -> bool:
    return (item.findtext(name) or "").strip() == str(_OPEN)


def _is_off(element: Element) -> bool:
    return (element.findtext("enabled") or "").strip().upper() == "FALSE"


def _changes_speed(effect: Element) -> bool:
    if (effect.findtext("effectid") or "").strip() != "timeremap":
        return False
    parameters = effect.findall("parameter")
    speeds = {
        (one.findtext("value") or "").strip()
        for one in parameters
        if (one.findtext("parameterid") or "").strip() == "speed"
    }
    return not speeds or any(not _NUMBER.fullmatch(text) or Fraction(text) != 100 for text in speeds)
