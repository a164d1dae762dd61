"""Shot lists of other programs: EDL (CMX 3600), OTIO, FCP XML, AAF by OpenTimelineIO; PySceneDetect CSV.

What is taken from them is where shots begin. A list says that in one of two ways: it is the cut of the film
itself, and its *record* side counts along the film; or the film is its *source*, cut up in a timeline.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError
from dubcli.settings.document import read_text

if TYPE_CHECKING:
    from opentimelineio.schema import Timeline

Side = Literal["auto", "record", "source"]
ADAPTERS = {".edl": "cmx_3600", ".otio": "otio_json", ".xml": "fcp_xml", ".aaf": "AAF"}
"""File name suffix → OpenTimelineIO's name of the adapter."""
SUFFIXES = (*ADAPTERS, ".csv")
_RATE_SLACK = 0.01  # frames a second by which rates differ that are written 23.98 and 23.976
_START, _STOP = "Start Frame", "End Frame"  # columns of PySceneDetect
_COLUMNS = (
    "Scene Number", _START, "Start Timecode", "Start Time (seconds)", _STOP, "End Timecode",
    "End Time (seconds)", "Length (frames)", "Length (timecode)", "Length (seconds)",
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One event of a list.

    Attributes:
        number: its place, from 1.
        name: of its clip.
        reel: of its source, or the name of its file, "" where the list does not say.
        names: all names that the list gives its source, in lower case.
        record: half-open range, in frames after 00:00:00:00 of the list.
        source: the same in its source's timecode; None where a list has no such side.
        effects: names of the effects on it.
        retimed: whether one of them changes its speed, so that its frames are not those of its source.
    """

    number: int
    name: str
    reel: str
    record: tuple[int, int]
    source: tuple[int, int] | None
    names: frozenset[str] = frozenset()
    effects: tuple[str, ...] = ()
    retimed: bool = False


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
    if suffix == ".csv":
        scenes = parse_scenes(read_text(path), str(path))
        events = [Event(k, "", "", span, None) for k, span in enumerate(scenes, 1)]
        return _found(path, events, "record", 0, count, [])
    if suffix == ".edl":
        _check_labels(path, clock)
    events = list(_events(_load(path, clock), path, clock))
    if not events:
        raise ConfigError(f"{path} has no picture in it; export its video track")
    names = {name.casefold() for name in (film, Path(film).stem, reel, _short_reel(film)) if name}
    own = [event for event in events if event.names & names]
    if side == "auto":
        side = "source" if own else "record"
    problems: list[str] = []
    if side == "source":
        problems += [
            f"{path}: event {event.number}: reel {event.reel or event.name or '?'} is not the film; "
            "if the list is the film's own cut, add --side record"
            for event in events
            if event not in own
        ]
        problems += [
            f"{path}: event {event.number} changes speed ({', '.join(event.effects)}); take that out"
            for event in events
            if event.retimed
        ]
    return _found(path, events, side, clock.first, count, problems)


def _found(
    path: Path, events: Sequence[Event], side: str, first: int, count: int | None, problems: list[str]
) -> Found:
    """Events as frames of the film, checked."""
    ranges: list[tuple[int, int, int]] = []
    for event in events:
        start, stop = event.source if side == "source" and event.source else event.record
        a, b = start - first, stop - first
        if a < 0 or (count is not None and b > count):
            where = f"begins {-a} frames before" if a < 0 else f"ends {b - (count or 0)} frames after"
            problems.append(
                f"{path}: event {event.number} {where} the film; if the film's first frame has another "
                "timecode, add --start HH:MM:SS:FF"
            )
        ranges.append((a, b, event.number))
    ranges.sort()
    for (_, stop, one), (start, _, other) in itertools.pairwise(ranges):
        if start < stop:
            problems.append(f"{path}: events {one} and {other} overlap by {stop - start} frames")
    if problems:
        raise ConfigError("\n".join(problems))
    starts = {0}
    for a, b, _ in ranges:
        starts |= {a, b}
    if count is not None:
        starts.discard(count)
    elif ranges[-1][1] in starts and len(starts) > 1:
        starts.discard(ranges[-1][1])  # the film may end there; what is after it stays with the last shot
    warnings = [
        f"{path.name}: event {event.number} has an effect ({', '.join(event.effects)}); only cuts are taken"
        for event in events
        if event.effects
    ]
    return Found(tuple(sorted(starts)), side, tuple(warnings))


def _check_labels(path: Path, clock: Clock) -> None:
    """Check that an EDL has the film's kind of labels: those of drop frame are 108 frames an hour off.

    Raises:
        ConfigError: one drops labels and the other does not.
    """
    lines = [line.split() for line in read_text(path).splitlines()]
    drop = any(";" in word for line in lines if line[:1] and line[0].isdigit() for word in line[-4:])
    if clock.known and drop != clock.drop:
        kinds = ("not drop frame", "drop frame")
        raise ConfigError(
            f"{path}: its timecode is {kinds[drop]}, the film's is {kinds[clock.drop]}; export the list in "
            "the film's own"
        )


def _load(path: Path, clock: Clock) -> Timeline:
    """A list as OpenTimelineIO's timeline.

    Raises:
        ConfigError: it cannot be read.
    """
    import opentimelineio as otio

    if not path.is_file():
        raise ConfigError(f"there is no file {path}; check the name")
    given = {"rate": float(clock.rate)} if path.suffix.lower() == ".edl" else {}
    try:
        found = otio.adapters.read_from_file(str(path), ADAPTERS[path.suffix.lower()], **given)
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


def _events(timeline: Timeline, path: Path, clock: Clock) -> Iterator[Event]:
    """The events of what is seen of a timeline.

    Raises:
        ConfigError: it has another rate than the film.
    """
    import opentimelineio as otio

    stack = otio.schema.Stack()
    stack.extend([track.deepcopy() for track in timeline.video_tracks()])
    if not len(stack):
        return
    begin = 0
    if timeline.global_start_time is not None:
        begin = _frames(timeline.global_start_time, path, clock)
    elif path.suffix.lower() == ".edl" and stack[0].source_range is not None:
        # Its adapter keeps the first event's record time here, negative, and nowhere else.
        begin = -_frames(stack[0].source_range.start_time, path, clock)
        stack[0].source_range = None
    seen = otio.algorithms.flatten_stack(stack) if len(stack) > 1 else stack[0]
    for number, clip in enumerate(seen.find_clips(), 1):
        place = clip.transformed_time_range(clip.trimmed_range(), seen)
        start = begin + _frames(place.start_time, path, clock)
        first = _frames(clip.trimmed_range().start_time, path, clock)
        length = _frames(place.duration, path, clock)
        names = _names(clip)
        yield Event(
            number,
            clip.name or "",
            next((name for name in names[1:] if name), ""),
            (start, start + length),
            (first, first + length),
            frozenset(name.casefold() for name in names if name),
            tuple(effect.effect_name or effect.schema_name() for effect in clip.effects),
            any(isinstance(effect, otio.schema.TimeEffect) for effect in clip.effects),
        )


def _frames(time: Any, path: Path, clock: Clock) -> int:
    """A time of a list in frames of the film.

    Raises:
        ConfigError: it counts at another rate.
    """
    rate = float(clock.rate)
    if time.value and abs(time.rate - rate) > _RATE_SLACK:
        raise ConfigError(
            f"{path} counts {time.rate:.3f} frames a second, the film has {rate:.3f}; "
            "export it at the film's rate"
        )
    return round(float(time.value))


def _names(clip: Any) -> list[str]:
    """A clip's own name, its reel, and the file it plays; "" for what the list does not say."""
    reels = [str(clip.metadata.get(box, {}).get("reel") or "") for box in ("cmx_3600", "dubcli")]
    url = getattr(clip.media_reference, "target_url", "") or ""
    return [clip.name or "", *reels, unquote(url).replace("\\", "/").rsplit("/", 1)[-1]]


def _short_reel(film: str) -> str:
    """A film's name as a reel of an EDL: eight capital letters and digits."""
    return "".join(c for c in Path(film).stem.upper() if c.isascii() and c.isalnum())[:8]


def parse_scenes(text: str, name: str) -> list[tuple[int, int]]:
    """Half-open ranges of frames, from 0 on, of PySceneDetect's list of scenes.

    Raises:
        ConfigError: it has no such columns, or cells that are no numbers; file and line are named.
    """
    rows = list(csv.reader(io.StringIO(text)))
    head = next((k for k, row in enumerate(rows) if {_START, _STOP} <= set(row)), None)
    if head is None:
        raise ConfigError(
            f"{name} has no columns {_START!r} and {_STOP!r}; write it with scenedetect list-scenes"
        )
    first, last = rows[head].index(_START), rows[head].index(_STOP)
    found = []
    for line, row in enumerate(rows[head + 1 :], head + 2):
        if not row:
            continue
        try:
            span = int(row[first]) - 1, int(row[last])  # it counts from 1, both ends included
        except (ValueError, IndexError):
            raise ConfigError(f"{name}:{line}: {_START} and {_STOP} are frame numbers") from None
        if not 0 <= span[0] < span[1]:
            raise ConfigError(f"{name}:{line}: frames {row[first]} to {row[last]} are no range")
        found.append(span)
    if not found:
        raise ConfigError(f"{name} has no scenes in it")
    return found


def scenes(ranges: Sequence[tuple[int, int]], rate: float) -> str:
    """PySceneDetect's list of scenes, for half-open ranges of frames."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, (a, b) in enumerate(ranges, 1):
        times = [f"{frame / rate:.3f}" for frame in (a, b, b - a)]
        clocks = [_clock(frame / rate) for frame in (a, b, b - a)]
        writer.writerow(
            [number, a + 1, clocks[0], times[0], b, clocks[1], times[1], b - a, clocks[2], times[2]]
        )
    return out.getvalue()


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"
