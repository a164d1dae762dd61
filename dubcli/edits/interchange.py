"""Timelines of OTIO, FCP XML and AAF, read through OpenTimelineIO and its adapters; FCP X by `fcpxml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dubcli.edits import fcpxml, xmeml
from dubcli.edits.event import Event, Read, cut_to, seen
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError
from dubcli.settings.encoding import read_foreign

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from opentimelineio.core import Composition
    from opentimelineio.opentime import RationalTime
    from opentimelineio.schema import Clip, Effect, Timeline

ADAPTERS = {".otio": "otio_json", ".xml": "fcp_xml", ".aaf": "AAF"}
"""File name suffix → OpenTimelineIO's name of the adapter."""
XML = (".xml", ".fcpxml")
"""Suffixes of Final Cut Pro's XML, of version 7 or X; which of both it is, its root says."""
LARGEST_BYTES = 50_000_000  # far above any real list; bounds memory


def parse(path: Path, clock: Clock) -> Read:
    """The events of what is seen of a timeline.

    Args:
        path: the timeline; its suffix says the format.
        clock: the film's timecode.

    Raises:
        ConfigError: it cannot be read, or has another rate than the film.
    """
    import opentimelineio as otio

    document = None
    if path.suffix.lower() in XML:
        document = xmeml.root(read_foreign(path, "list", LARGEST_BYTES)[0], str(path))
        if document.tag == "fcpxml":
            return fcpxml.parse(document, str(path), clock)
    timeline = _load(path, document)
    stack = otio.schema.Stack()
    stack.extend([track.deepcopy() for track in timeline.video_tracks() if len(track)])
    reader = _Reader(path, clock, _drops(timeline))
    start = timeline.global_start_time
    begin = reader.frames(start) if start is not None else clock.first  # else it begins as the film does
    try:
        events = reader.events(stack)
    except otio.exceptions.OTIOError as error:
        why = str(error).split(":")[0]
        raise ConfigError(f"{path} does not say how long each clip is ({why}); export it again") from None
    return Read(
        tuple(
            replace(one, number=number, record=(begin + one.record[0], begin + one.record[1]))
            for number, one in enumerate(events, 1)
        )
    )


def _load(path: Path, document: Element | None) -> Timeline:
    """A list as OpenTimelineIO's timeline.

    Raises:
        ConfigError: it cannot be read.
    """
    import opentimelineio as otio

    if not path.is_file():
        raise ConfigError(f"there is no file {path}; check the name")
    adapter = ADAPTERS.get(path.suffix.lower(), "fcp_xml")
    try:
        found = (
            otio.adapters.read_from_file(str(path), adapter)
            if document is None
            else otio.adapters.read_from_string(xmeml.tidied(document), adapter)
        )
    # Adapters raise whatever comes on files that are not theirs.
    except Exception as error:
        line = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            f"{path} cannot be read ({line}); check that it is whole, and at the film's rate"
        ) from None
    if isinstance(found, otio.schema.SerializableCollection):
        timelines = [item for item in found if isinstance(item, otio.schema.Timeline)]
        if len(timelines) != 1:
            raise ConfigError(f"{path} holds {len(timelines)} timelines; export one")
        found = timelines[0]
    if not isinstance(found, otio.schema.Timeline):
        raise ConfigError(f"{path} holds no timeline; export one")
    return found


@dataclass(frozen=True)
class _Reader:
    """Turns compositions into events."""

    path: Path
    clock: Clock
    drop: bool | None

    def events(self, parent: Composition) -> list[Event]:
        """What is seen of a composition, its record side counted from the composition's beginning."""
        import opentimelineio as otio

        if not len(parent):
            return []
        found: list[Event] = []
        stacked = isinstance(parent, otio.schema.Stack)
        origin = self.frames(parent.trimmed_range().start_time)
        transition = ""
        for number, child in enumerate(parent, 1):
            if isinstance(child, otio.schema.Transition):
                length = self.frames(child.in_offset) + self.frames(child.out_offset)
                transition = f"a transition of {length} frames"
                continue
            place = parent.trimmed_range_of_child(child)
            if child.enabled and place is not None:
                start, length = self.frames(place.start_time) - origin, self.frames(place.duration)
                head = self.frames(place.start_time - parent.range_of_child(child).start_time)
                own = self._of(child, start, head, length, (transition,) if transition else ())
                found += [replace(event, track=number if stacked else 1) for event in own]
            transition = ""
        return seen(found)

    def _of(self, item: Any, start: int, head: int, length: int, effects: tuple[str, ...]) -> list[Event]:
        """The events of a clip or composition of which a part, from `head` on, has this place in another."""
        import opentimelineio as otio

        effects += tuple(one.effect_name or one.name or one.schema_name() for one in item.effects)
        retimed = any(_changes_speed(effect) for effect in item.effects)
        if isinstance(item, otio.schema.Clip):
            first, names = self.frames(item.trimmed_range().start_time) + head, _names(item)
            return [
                Event(
                    0,
                    item.name or "",
                    next((name for name in names[1:] if name), ""),
                    (start, start + length),
                    (first, first + length),
                    frozenset(name.casefold() for name in names if name),
                    effects,
                    retimed,
                    black=isinstance(item.media_reference, otio.schema.GeneratorReference),
                    drop=(self.drop, _drops(item.media_reference)),
                )
            ]
        if not isinstance(item, otio.core.Composition):
            return []  # a gap
        found = []
        for event in self.events(item):
            a, b = max(event.record[0], head), min(event.record[1], head + length)
            if a < b:
                part = cut_to(event, a, b)
                record = (a - head + start, b - head + start)
                effect = effects + part.effects
                found.append(replace(part, record=record, effects=effect, retimed=retimed or part.retimed))
        return found

    def frames(self, time: RationalTime) -> int:
        """A time of the list in frames of the film.

        Raises:
            ConfigError: it counts at another rate.
        """
        if time.value:
            self.clock.check_rate(time.rate, str(self.path))
        return round(float(time.value))


def _names(clip: Clip) -> list[str]:
    """A clip's own name, its reel, and the file it plays; "" for what the list does not say."""
    reels = [str(clip.metadata.get(box, {}).get("reel") or "") for box in ("cmx_3600", "dubcli")]
    reels.append(str(_fcp(clip.media_reference, "timecode", "reel", "name") or ""))
    url = getattr(clip.media_reference, "target_url", "") or ""
    return [clip.name or "", *reels, unquote(url).replace("\\", "/").rsplit("/", 1)[-1]]


def _changes_speed(effect: Effect) -> bool:
    import opentimelineio as otio

    if _fcp(effect, "effectid") == "timeremap":
        given = _fcp(effect, "parameter")
        rows = given if isinstance(given, list) else [given]
        speeds = {_fcp_value(row) for row in rows if _fcp_value(row, "parameterid") == "speed"}
        return speeds != {"100"}
    return isinstance(effect, otio.schema.TimeEffect)


def _drops(item: Any) -> bool | None:
    """Whether FCP XML says that something has drop frame timecode; None where nothing is said."""
    shown = _fcp(item, "timecode", "displayformat")
    return None if shown is None else shown == "DF"


def _fcp(item: Any, *names: str) -> Any:
    """What the adapter of FCP XML keeps of an element, by the names of its children; None for nothing."""
    found: Any = getattr(item, "metadata", {}).get("fcp_xml")
    for name in names:
        found = _fcp_value(found, name)
    return found


def _fcp_value(found: Any, name: str = "value") -> Any:
    return found.get(name) if isinstance(found, Mapping) else None
