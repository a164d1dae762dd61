"""XML of Final Cut Pro X (`fcpxml`), which DaVinci Resolve and others write as well.

Read here, since no adapter for it is kept up. All times are fractions of seconds. The clips of a project lie
in its spine; others are connected to one of them, in lanes over or under it, at a time of that clip's source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dubcli.edits.event import Event, Read
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_CLIPS = ("clip", "asset-clip", "ref-clip", "sync-clip", "mc-clip", "video", "audition")
_LANES = 1000  # tracks under the spine's, for lanes below it


@dataclass(frozen=True)
class _Place:
    """Where an element lies, in seconds: along the project, and what of its source is shown."""

    start: Fraction
    length: Fraction
    source: Fraction
    lane: int


def parse(root: Element, name: str, clock: Clock) -> Read:
    """The picture's events of the project in a document.

    Args:
        root: of the document.
        name: of its file, for messages.
        clock: the film's timecode.

    Raises:
        ConfigError: it holds not one project, has another rate than the film, or times that are none.
    """
    sequences = [found for project in root.iter("project") for found in project.findall("sequence")]
    if len(sequences) != 1:
        raise ConfigError(f"{name} holds {len(sequences)} projects; export one")
    formats = {found.get("id"): found for found in root.iter("format")}
    frame = formats.get(sequences[0].get("format"))
    length = _seconds(frame.get("frameDuration") if frame is not None else None, name)
    if length:
        clock.check_rate(float(1 / length), name)
    reader = _Reader(name, clock, {found.get("id") or "": found for found in root.iter("asset")})
    drop = sequences[0].get("tcFormat")
    events = [
        event
        for spine in sequences[0].findall("spine")
        for item in spine
        for event in reader.events(item, None, None if drop is None else drop == "DF")
    ]
    return Read(tuple(events))


@dataclass
class _Reader:
    """Turns elements into events, and numbers them."""

    name: str
    clock: Clock
    assets: dict[str, Element]
    number: int = 0
    transition: str = ""

    def events(self, item: Element, parent: _Place | None, drop: bool | None) -> Iterator[Event]:
        """The events of an element of a spine or of a clip: its own, and those connected to it."""
        if item.tag == "transition":
            length = self._frames(_seconds(item.get("duration"), self.name))
            self.transition = f"a transition of {length} frames"
            return
        if item.get("enabled") == "0" or (item.tag not in _CLIPS and item.tag != "gap"):
            return
        place = self._place(item, parent)
        if item.tag != "gap":
            yield self._event(item, place, drop)
        self.transition = ""
        for child in item:
            if child.get("lane") is not None and child.tag in _CLIPS:
                yield from self.events(child, place, drop)

    def _place(self, item: Element, parent: _Place | None) -> _Place:
        asset = self.assets.get(item.get("ref") or "")
        own = item.get("start") or (asset.get("start") if asset is not None else None)
        offset, source = _seconds(item.get("offset"), self.name), _seconds(own, self.name)
        start = offset if parent is None else parent.start + offset - parent.source
        length = item.get("duration") or (asset.get("duration") if asset is not None else None)
        try:
            lane = int(item.get("lane") or 0) + (parent.lane if parent else 0)
        except ValueError:
            raise ConfigError(
                f"{self.name}: {item.get('lane')!r} is no lane; export the list again"
            ) from None
        return _Place(start, _seconds(length, self.name), source, lane)

    def _event(self, item: Element, place: _Place, drop: bool | None) -> Event:
        self.number += 1
        asset = self.assets.get(item.get("ref") or "")
        if asset is None and (inner := item.find("video")) is not None:  # a clip plays what is in it
            asset = self.assets.get(inner.get("ref") or "")
        names = [item.get("name") or ""]
        if asset is not None:
            media = asset.find("media-rep")
            url = asset.get("src") or (media.get("src") if media is not None else "") or ""
            names += [asset.get("name") or "", unquote(url).rsplit("/", 1)[-1]]
        speed = item.find("timeMap") is not None
        effects = [self.transition] if self.transition else []
        effects += [found.get("name") or "effect" for found in item.findall("filter-video")]
        effects += ["speed change"] if speed else []
        start, first, length = map(self._frames, (place.start, place.source, place.length))
        return Event(
            self.number,
            names[0],
            next((name for name in reversed(names) if name), ""),
            (start, start + length),
            (first, first + length),
            frozenset(name.casefold() for name in names if name),
            tuple(effects),
            speed,
            track=_LANES + place.lane,
            drop=(drop, None),
        )

    def _frames(self, seconds: Fraction) -> int:
        return round(seconds * self.clock.rate)


def _seconds(text: str | None, name: str) -> Fraction:
    """A time as the format writes it, such as `1001/30000s`; nothing is 0."""
    try:
        return Fraction((text or "0s").removesuffix("s"))
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"{name}: {text!r} is no time of fcpxml; export the list again") from None
