"""XML of Final Cut Pro X (`fcpxml`), which DaVinci Resolve and others write as well.

Read here, since no adapter for it is kept up. All times are fractions of seconds. The clips of a project lie
in its spine; others are connected to one of them, in lanes over or under it, at a time of that clip's source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dubcli.edits.event import Event, Read, check_nesting, chosen, numbered, placed, seen
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_CLIPS = ("clip", "asset-clip", "ref-clip", "sync-clip", "mc-clip", "video", "audition")
_SOUND = ("gap", "audio")  # what a clip plays where it is sound alone
_PLAYED = (*_CLIPS, *_SOUND, "spine")
_LANES = 1000  # tracks under the spine's, for lanes below it
_TIME = re.compile(r"(-?\d{1,18})(?:\.(\d{1,9}))?(?:/(\d{1,18}))?s?")


@dataclass(frozen=True)
class _Place:
    """Where an element lies, in seconds: along its timeline, and what of its source is shown."""

    start: Fraction
    length: Fraction
    source: Fraction
    lane: int


def parse(root: Element, name: str, clock: Clock, wanted: str = "") -> Read:
    """The picture's events of the project in a document.

    Args:
        root: of the document.
        name: of its file, for messages.
        clock: the film's timecode.
        wanted: the name or number of the project that is meant, "" where there is one.

    Raises:
        ConfigError: it is not clear which project is meant, or it has another rate than the film, or times
            that are none.
    """
    projects = [found for found in root.iter("project") if found.find("sequence") is not None]
    project = chosen(projects, lambda one: one.get("name") or "", wanted, name)
    (sequence,) = project.findall("sequence")[:1]
    formats = {found.get("id"): found for found in root.iter("format")}
    frame = formats.get(sequence.get("format"))
    length = _seconds(frame.get("frameDuration") if frame is not None else None, name)
    if length:
        clock.check_rate(float(1 / length), name)
    drop = sequence.get("tcFormat")
    resources = {found.get("id") or "": found for tag in ("asset", "media") for found in root.iter(tag)}
    reader = _Reader(name, clock, resources, None if drop is None else drop == "DF")
    return Read(numbered(reader.timeline(sequence, 0), 0))


@dataclass(frozen=True)
class _Reader:
    """Turns elements into events.

    Attributes:
        name: of the list, for messages.
        clock: the film's timecode.
        resources: assets and compound clips by their ids.
        drop: whether the project counts drop frame timecode.
        done: what is seen of the timelines that were read already.
    """

    name: str
    clock: Clock
    resources: dict[str, Element]
    drop: bool | None
    done: dict[Element, list[Event]] = field(default_factory=dict)

    def timeline(self, sequence: Element, depth: int) -> list[Event]:
        """The events of the spine of a project or of a compound clip, at its own times."""
        begin = _Place(_seconds(sequence.get("tcStart"), self.name), Fraction(0), Fraction(0), 0)
        return [
            event
            for spine in sequence.findall("spine")
            for event in self._spine(spine, begin, Fraction(0), depth)
        ]

    def _spine(self, spine: Element, place: _Place, origin: Fraction, depth: int) -> Iterator[Event]:
        """The events of a storyline.

        Args:
            spine: the storyline.
            place: where it begins.
            origin: where the offsets of its items count from.
            depth: how deep it lies in others.
        """
        check_nesting(depth, 0, self.name)
        at, transition = place.start, ""
        for item in spine:
            if item.tag == "transition":
                length = self._frames(_seconds(item.get("duration"), self.name))
                transition = f"a transition of {length} frames"
                continue
            if item.tag not in (*_CLIPS, "gap", "title"):
                continue
            given = item.get("offset")  # else it follows the one before
            start = at if given is None else origin + _seconds(given, self.name)
            yield from self._item(item, start, place.lane, transition, depth)
            at, transition = start + self._length(item), ""

    def _item(
        self, item: Element, start: Fraction, lane: int, transition: str, depth: int
    ) -> Iterator[Event]:
        """The events of an element: its own, and those connected to it."""
        if item.tag == "audition" and len(item):  # the first of its clips is the chosen one
            item = item[0]
        if item.get("enabled") == "0":
            return
        check_nesting(depth, 0, self.name)
        place = _Place(start, self._length(item), _seconds(self._own(item, "start"), self.name), lane)
        if item.tag in _CLIPS and self._has_picture(item):
            yield from self._own_events(item, place, transition, depth)
        for child in item:
            if child.get("lane") is None or child.tag not in (*_CLIPS, "spine"):
                continue
            try:
                over = lane + int(child.get("lane") or 0)
            except ValueError:
                raise ConfigError(
                    f"{self.name}: {child.get('lane')!r} is no lane; export the list again"
                ) from None
            begin = start + _seconds(child.get("offset"), self.name) - place.source
            if child.tag == "spine":
                yield from self._spine(child, _Place(begin, Fraction(0), Fraction(0), over), begin, depth + 1)
            else:
                yield from self._item(child, begin, over, "", depth + 1)

    def _own_events(self, item: Element, place: _Place, transition: str, depth: int) -> Iterator[Event]:
        """What a clip itself shows: one event, or those of the timeline that it plays."""
        speed = item.find("timeMap") is not None
        effects = [transition] if transition else []
        effects += [found.get("name") or "effect" for found in item.findall("filter-video")]
        effects += ["speed change"] if speed else []
        start, first = self._frames(place.start), self._frames(place.source)
        length = self._frames(place.start + place.length) - start
        inner = self._inner(item, depth)
        if inner is not None:
            check_nesting(depth, len(inner), self.name)
            parts = placed(inner, start, first, length, tuple(effects), speed)
            yield from (replace(event, track=_LANES + place.lane) for event in parts)
            return
        asset = self.resources.get(item.get("ref") or "")
        if asset is None and (video := item.find("video")) is not None:  # a clip plays what is in it
            asset = self.resources.get(video.get("ref") or "")
        names = [item.get("name") or ""]
        if asset is not None:
            media = asset.find("media-rep")
            url = asset.get("src") or (media.get("src") if media is not None else "") or ""
            names += [asset.get("name") or "", unquote(url).rsplit("/", 1)[-1]]
        yield Event(
            0,
            names[0],
            next((name for name in reversed(names) if name), ""),
            (start, start + length),
            (first, first + length),
            frozenset(name.casefold() for name in names if name),
            tuple(effects),
            speed,
            track=_LANES + place.lane,
            drop=(self.drop, None),
        )

    def _inner(self, item: Element, depth: int) -> list[Event] | None:
        """What is seen of the timeline within a compound or synchronized clip, at its own times."""
        if item.tag == "ref-clip":
            media = self.resources.get(item.get("ref") or "")
            sequence = media.find("sequence") if media is not None else None
            if sequence is None:
                return None
            if sequence not in self.done:
                self.done[sequence] = seen(self.timeline(sequence, depth + 1))
            return self.done[sequence]
        if item.tag not in ("sync-clip", "clip"):
            return None
        spine = next((one for one in item.findall("spine") if one.get("lane") is None), None)
        if spine is None:
            return None
        begin = _seconds(spine.get("offset"), self.name)
        place = _Place(begin, Fraction(0), Fraction(0), 0)
        return seen(list(self._spine(spine, place, begin, depth + 1)))

    def _has_picture(self, item: Element) -> bool:
        if item.get("srcEnable", "all") not in ("all", "video"):
            return False
        asset = self.resources.get(item.get("ref") or "")
        if asset is not None:
            return asset.get("hasAudio") != "1" or asset.get("hasVideo") == "1"
        played = [child.tag for child in item if child.get("lane") is None and child.tag in _PLAYED]
        return not played or not set(played) <= set(_SOUND)

    def _own(self, item: Element, name: str) -> str | None:
        """What an element says, or else the file that it plays."""
        asset = self.resources.get(item.get("ref") or "")
        return item.get(name) or (asset.get(name) if asset is not None else None)

    def _length(self, item: Element) -> Fraction:
        if item.tag == "audition" and len(item):
            item = item[0]
        return _seconds(self._own(item, "duration"), self.name)

    def _frames(self, seconds: Fraction) -> int:
        return round(seconds * self.clock.rate)


def _seconds(text: str | None, name: str) -> Fraction:
    """A time as the format writes it, such as `1001/30000s`; nothing is 0."""
    found = _TIME.fullmatch((text or "0s").strip())
    if found is None or (found[3] and not int(found[3])):
        raise ConfigError(f"{name}: {text!r} is no time of fcpxml; export the list again")
    return Fraction(f"{found[1]}.{found[2] or 0}") / int(found[3] or 1)
