"""Timelines of OTIO and AAF, read through OpenTimelineIO and its adapter; XML by `xmeml` and `fcpxml`."""

from __future__ import annotations

import io
import json
import logging
import math
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dubcli.edits import fcpxml, xmeml
from dubcli.edits.event import Event, Read, check_nesting, chosen, numbered, placed, seen
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError
from dubcli.settings.encoding import read_foreign

if TYPE_CHECKING:
    from opentimelineio.core import Composition
    from opentimelineio.opentime import RationalTime
    from opentimelineio.schema import Clip, Stack, Timeline

ADAPTERS = {".otio": "otio_json", ".xml": "fcp_xml", ".aaf": "AAF"}
"""File name suffix → OpenTimelineIO's name of the adapter."""
XML = (".xml", ".fcpxml", ".fcpxmld")
"""Suffixes of Final Cut Pro's XML, of version 7 or X (which, its root says); the last is a folder of X."""
BUNDLES = (".otioz", ".otiod")
"""Suffixes of an OTIO with its media, as a zip file or a folder."""
_CONTENT, _INFO = "content.otio", "Info.fcpxml"
LARGEST_BYTES = 50_000_000  # far above any real list; bounds memory


def parse(path: Path, clock: Clock, wanted: str = "") -> Read:
    """The events of what is seen of a timeline.

    Args:
        path: the timeline; its suffix says the format.
        clock: the film's timecode.
        wanted: the name or number of the timeline that is meant, "" where the list holds one.

    Raises:
        ConfigError: it cannot be read, has another rate than the film, or it is not clear which timeline is
            meant.
    """
    import opentimelineio as otio

    if path.suffix.lower() in XML:
        file = path / _INFO if path.is_dir() else path
        document = xmeml.root(read_foreign(file, "list", LARGEST_BYTES)[0], str(path))
        parse_document = fcpxml.parse if document.tag == "fcpxml" else xmeml.parse
        return parse_document(document, str(path), clock, wanted)
    timeline, drop = _load(path, wanted)
    stack = otio.schema.Stack()
    stack.extend([track.deepcopy() for track in timeline.video_tracks() if len(track)])
    start = timeline.global_start_time
    if start is not None and start.value:
        clock.check_rate(start.rate, str(path))
    begin = clock.first if start is None else round(start.value)  # else it begins as the film does
    reader = _Reader(path, clock, drop)
    try:
        reader.check_rate(stack)
        events = reader.events(stack)
    except otio.exceptions.OTIOError as error:
        why = str(error).split(":")[0]
        raise ConfigError(f"{path} does not say how long each clip is ({why}); export it again") from None
    return Read(numbered(events, begin))


def _load(path: Path, wanted: str) -> tuple[Timeline, bool | None]:
    """A list as OpenTimelineIO's timeline, and whether it says that its timecode drops frames.

    Raises:
        ConfigError: it cannot be read.
    """
    import opentimelineio as otio

    if not path.exists():
        raise ConfigError(f"there is no file {path}; check the name")
    is_aaf = path.suffix.lower() == ".aaf"
    try:
        if is_aaf:
            with _quiet():
                found = otio.adapters.read_from_file(str(path), "AAF")
        else:
            text = _text(path)
            with suppress(ValueError):  # what is no JSON is told below, with its line
                json.loads(text)
            found = otio.adapters.read_from_string(text, "otio_json")
    except RecursionError:
        raise ConfigError(f"{path} nests timelines without end; export it flattened") from None
    except ConfigError:
        raise
    # Adapters raise whatever comes on files that are not theirs.
    except Exception as error:
        line = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            f"{path} cannot be read ({line}); check that it is whole, and at the film's rate"
        ) from None
    items = found if isinstance(found, otio.schema.SerializableCollection) else [found]
    timelines = [item for item in items if isinstance(item, otio.schema.Timeline)]
    timeline = chosen(timelines, lambda one: one.name or "", wanted, str(path))
    return timeline, _aaf_drops(path, timeline.name) if is_aaf else None


def _text(path: Path) -> str:
    """The document of an OTIO, which a bundle holds beside its media.

    Raises:
        ConfigError: it cannot be read, or is too large.
    """
    if path.suffix.lower() == ".otioz" and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as bundle:
            if _CONTENT in bundle.namelist() and bundle.getinfo(_CONTENT).file_size <= LARGEST_BYTES:
                return read_foreign(Path(bundle.extract(_CONTENT, folder)), "list", LARGEST_BYTES)[0]
    return read_foreign(path / _CONTENT if path.is_dir() else path, "list", LARGEST_BYTES)[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the adapter of AAF prints and logs of odd files from the user."""
    logging.disable()
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _aaf_drops(path: Path, name: str) -> bool | None:
    """Whether a composition in an AAF has drop frame timecode, which its adapter does not tell."""
    import aaf2  # comes with the adapter

    with aaf2.open(str(path)) as file:
        mobs = list(file.content.toplevel())
        slots = [slot for mob in mobs if len(mobs) == 1 or mob.name == name for slot in mob.slots]
        found = [slot.segment.drop for slot in slots if isinstance(slot.segment, aaf2.components.Timecode)]
    return bool(found[0]) if found else None


@dataclass(frozen=True)
class _Reader:
    """Turns compositions into events."""

    path: Path
    clock: Clock
    drop: bool | None

    def check_rate(self, stack: Stack) -> None:
        """Check that a timeline counts as the film does; some of its clips may be of another rate."""
        rates = [item.duration().rate for track in stack for item in track]
        if rates and not any(self.clock.counts_as(rate) for rate in rates):
            self.clock.check_rate(rates[0], str(self.path))

    def events(self, parent: Composition, depth: int = 0) -> list[Event]:
        """What is seen of a composition, its record side counted from the composition's beginning."""
        import opentimelineio as otio

        if not len(parent):
            return []
        found: list[Event] = []
        stacked = isinstance(parent, otio.schema.Stack)
        origin = parent.trimmed_range().start_time
        ranges, transition = parent.range_of_all_children(), ""
        for number, child in enumerate(parent, 1):
            if isinstance(child, otio.schema.Transition):
                length = self.frames(child.in_offset) + self.frames(child.out_offset)
                transition = f"a transition of {length} frames"
                continue
            whole = ranges[child]
            place = parent.trim_child_range(whole) if parent.source_range is not None else whole
            if child.enabled and place is not None:
                start = self.frames(place.start_time - origin)
                length = self.frames(place.end_time_exclusive() - origin) - start
                if length < 0:
                    raise ConfigError(
                        f"{self.path}: clip {child.name!r} ends before it begins; export it again"
                    )
                head = self.frames(place.start_time - whole.start_time)
                own = self._of(child, start, head, length, (transition,) if transition else (), depth)
                found += [replace(event, track=number if stacked else 1) for event in own]
            transition = ""
            check_nesting(depth, len(found), str(self.path))
        return seen(found)

    def _of(
        self, item: Any, start: int, head: int, length: int, effects: tuple[str, ...], depth: int
    ) -> list[Event]:
        """The events of a clip or composition of which a part, from `head` on, has this place in another."""
        import opentimelineio as otio

        effects += tuple(one.effect_name or one.name or one.schema_name() for one in item.effects)
        retimed = any(isinstance(effect, otio.schema.TimeEffect) for effect in item.effects)
        if isinstance(item, otio.schema.Clip):
            taken, names = item.trimmed_range(), _names(item)
            first = self.frames(taken.start_time) + head
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
                    drop=(self.drop, None),
                    rate=None if self.clock.counts_as(taken.duration.rate) else taken.duration.rate,
                )
            ]
        if not isinstance(item, otio.core.Composition):
            return []  # a gap
        return placed(self.events(item, depth + 1), start, head, length, effects, retimed)

    def frames(self, time: RationalTime) -> int:
        """A time of the list in frames of the film.

        Raises:
            ConfigError: it is no number.
        """
        own = float(self.clock.rate)
        count = time.value if self.clock.counts_as(time.rate) else time.to_seconds() * own
        if not math.isfinite(count):
            raise ConfigError(f"{self.path} holds times that are no numbers; export it again")
        return round(float(count))


def _names(clip: Clip) -> list[str]:
    """A clip's own name, its reel, and the file it plays; "" for what the list does not say."""
    reels = [str(clip.metadata.get(box, {}).get("reel") or "") for box in ("cmx_3600", "dubcli")]
    url = getattr(clip.media_reference, "target_url", "") or ""
    return [clip.name or "", *reels, unquote(url).replace("\\", "/").rsplit("/", 1)[-1]]
