"""Edit decision lists (CMX 3600), as the programs write them.

Read here: OpenTimelineIO's adapter loses the lines that an error must name, stops at the first one, and
refuses lists that are right (a fade from black at the head, the same number for picture and sound, keys,
events out of order, a source that is slower without a line that says so).

A list is an event a line (number, reel, channels, kind of edit, source in and out, record in and out), and
lines about the event above them. The second event of a dissolve or wipe has the number of the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dubcli.edits.event import Event, Read
from dubcli.edits.timecode import DROP_RATES, Clock
from dubcli.errors import ConfigError

_TIMES = ("source_in", "source_out", "record_in", "record_out")
_TIME = r"\d{1,2}[:;.]\d{2}[:;.]\d{2}[:;.,]\d{2}|\d+"
_EVENT = re.compile(
    r"\s*(?P<number>\d{1,6})\s+(?P<reel>\S.*?)\s+(?P<channels>\S+)\s+"
    r"(?P<edit>C|D|W\d{3}|K)(?:\s+(?P<layer>[BO]))?(?:\s+\(F\))?(?:\s+(?P<length>\d{1,4}))?\s+"
    + r"\s+".join(f"(?P<{name}>{_TIME})" for name in _TIMES)
    + r"\s*$",
    re.IGNORECASE,
)
# What is meant as an event, but is none: a number, and an edit or a timecode somewhere.
_LIKE_EVENT = re.compile(
    r"\s*\d{1,6}\s+\S.*(?:\s(?:V\d?|A\d?|AA|AA/V|A2/V|B)\s+(?:C|D|W\d+|K)\s|\d\d[:;]\d\d[:;]\d\d[:;.,]\d\d)",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\s*\*?\s*(?:(?P<which>FROM|TO|SOURCE|KEY)\s+)?(?:CLIP NAME|CLIP IS|CLIP|FILE PATH|FILE|REEL NAME)\s*"
    r"(?:IS)?\s*:\s*(?P<text>.*\S)",
    re.IGNORECASE,
)
_SPEED = re.compile(r"\s*M2\s+.*?(?P<speed>[-+]?\d+(?:\.\d+)?)\s+\S+\s*$", re.IGNORECASE)
_MODE = re.compile(r"\s*FCM:\s*(?P<not>NON)?", re.IGNORECASE)
_FREEZE = re.compile(r"\s*\*\s*FREEZE FRAME", re.IGNORECASE)
_RESOLVE_MARKER = re.compile(r"\|C:ResolveColor\w* +\|M:")
_BLACK = frozenset({"BL", "BLACK", "BARS"})
_REEL_LETTERS = 8  # of a reel in CMX 3600
_SLACK = 0.05  # frames a second by which the speed of M2 differs from the film's rate, and means it
# Timecodes of a list at the film's own rate, for not to find its highest frames in them would be chance: of a
# list at 25, one in 3000 has none of 24 in 200 of them.
_SAMPLE = 200


_LONGEST = 2000  # characters of a line that may say something; longer ones would take patterns long


@dataclass
class _Row:
    """An event, while the lines about it are read."""

    number: int
    reel: str
    edit: str
    source: tuple[int, int]
    record: tuple[int, int]
    drop: tuple[bool, bool]
    track: int
    names: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    speed: float | None = None


def parse(text: str, name: str, clock: Clock) -> Read:
    """The picture's events of a list.

    Args:
        text: the list.
        name: of its file, for messages.
        clock: the film's timecode, whose rate the list has.
    """
    lines = [line if len(line) <= _LONGEST else "" for line in text.split("\n")]
    reader = _Reader(name, clock, marked=_says_drop(lines))
    for number, line in enumerate(lines, 1):
        reader.take(number, line)
    if any(_RESOLVE_MARKER.search(line) for line in lines):
        why = "holds markers of DaVinci Resolve, not cuts; export the timeline itself as EDL"
        return Read((), (f"{name} {why}",))
    problems, warnings = reader.problems, reader.warnings + _other_rate(lines, name, clock)
    if reader.off:
        more = f" ({reader.count_off} such events)" if reader.count_off > 1 else ""
        problems.append(f"{reader.off}{more}; export the list at the film's rate")
    return Read(tuple(_event(row, clock) for row in reader.rows), tuple(problems), tuple(warnings))


@dataclass
class _Reader:
    """Reads lines in order."""

    name: str
    clock: Clock
    marked: bool  # whether timecodes themselves say where they drop frames; else the FCM lines do
    mode: bool = False  # drop frame, as the list's last FCM line says
    rows: list[_Row] = field(default_factory=list)
    above: list[_Row] = field(default_factory=list)  # the events that the lines below are about
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    off: str = ""  # the first event with times that are no timecode of the film
    count_off: int = 0

    def take(self, number: int, line: str) -> None:
        if found := _EVENT.match(line):
            self._event(f"{self.name}:{number}", found)
        elif mode := _MODE.match(line):
            self.mode = not mode["not"]
        elif speed := _SPEED.match(line):
            for row in self.above[-1:]:
                row.speed = float(speed["speed"])
        elif _FREEZE.match(line):
            for row in self.above[-1:]:
                row.speed = 0.0
        elif name := _NAME.match(line):
            whose = self.above[-1:] if (name["which"] or "").upper() == "TO" else self.above[:1]
            for row in whose:
                row.names.append(name["text"].replace("\\", "/").rsplit("/", 1)[-1])
        elif _LIKE_EVENT.match(line):
            self.problems.append(
                f"{self.name}:{number}: no event of CMX 3600 (number, reel, channels, edit, four timecodes)"
            )

    def _event(self, place: str, found: re.Match[str]) -> None:
        number, reel, edit = int(found["number"]), found["reel"].upper(), found["edit"].upper()
        channels = found["channels"].upper()
        same = [row for row in self.above if row.number == number]
        self.above = []
        if "V" not in channels and channels != "B":
            self.above = same
            return
        if edit == "K" and (found["layer"] or "").upper() != "B":
            self.above = same
            self.warnings.append(
                f"{place}: event {number} is keyed over the picture; only what is under it counts"
            )
            return
        record_drop, source_drop = (
            _drops(text) if self.marked else self.mode and self.clock.rate in DROP_RATES
            for text in found.group("record_in", "source_in")
        )
        try:
            times = [
                self._count(text, source_drop if k < 2 else record_drop)
                for k, text in enumerate(found.group(*_TIMES))
            ]
        except ConfigError as error:
            self.off = self.off or f"{place}: {error}"
            self.count_off += 1
            return
        source, record = (self._range(times[0], times[1]), self._range(times[2], times[3]))
        if source is None or record is None:
            self.problems.append(f"{place}: event {number} ends before it begins")
            return
        track = re.search(r"V(\d+)", channels)
        row = _Row(
            number, reel, edit, source, record, (record_drop, source_drop), int(track[1]) if track else 1
        )
        if edit == "D" or edit.startswith("W"):
            kind = "dissolve" if edit == "D" else "wipe"
            row.effects.append(f"a {kind} of {int(found['length'] or 0)} frames")
            for before in same[-1:]:  # it is seen until the transition begins
                before.record = (min(before.record[0], record[0]), min(before.record[1], record[0]))
        self.rows.append(row)
        self.above = [*same, row]

    def _count(self, text: str, drop: bool) -> int:
        if text.isdecimal():
            return int(text)
        hours, minutes, seconds, frame = re.split(r"\D", text)
        drop = drop and self.clock.rate in DROP_RATES  # else its events are right, and the whole is refused
        head = f"{int(hours) % 24:02d}:{minutes}:{seconds}"  # some programs go on to 24:00:00:00 at midnight
        return Clock(self.clock.rate, drop=drop).count(f"{head}{';' if drop else ':'}{frame}")

    def _range(self, start: int, stop: int) -> tuple[int, int] | None:
        """A range that may go on after midnight; None where it ends before it begins."""
        day = self.clock.count_of_day
        length = (stop - start) % day
        return (start, start + length) if length < day / 2 else None


def reel_name(reel: str) -> str:
    """A reel as CMX 3600 has it: eight letters and digits; AX for files without one."""
    return (
        "".join(c for c in reel.upper() if c.isascii() and (c.isalnum() or c == "_"))[:_REEL_LETTERS] or "AX"
    )


def _drops(text: str) -> bool:
    """Whether a timecode counts drop frame: its frames follow anything but a colon."""
    return text[-3:-2] in (";", ".", ",")


def _says_drop(lines: list[str]) -> bool:
    """Whether a timecode of a list's events says that it drops frames."""
    events = (found for line in lines if (found := _EVENT.match(line)))
    return any(_drops(text) for found in events for text in found.group(*_TIMES))


def _event(row: _Row, clock: Clock) -> Event:
    shown, taken = row.record[1] - row.record[0], row.source[1] - row.source[0]
    slow = row.speed is not None and abs(row.speed - float(clock.rate)) > _SLACK
    retimed = slow or bool(shown and shown != taken and row.edit == "C")
    effects = list(row.effects)
    if slow:
        effects.append(f"{row.speed:g} frames a second")
    elif retimed:
        effects.append(f"{taken} frames of its source in {shown}")
    reel = "" if row.reel == "AX" else row.reel
    names = frozenset(name.casefold() for name in (reel, *row.names) if name)
    name = row.names[0] if row.names else ""
    return Event(
        row.number, name, reel or name, row.record, row.source, names, tuple(effects), retimed,
        row.track, row.reel in _BLACK, row.drop,
    )  # fmt: skip


def _other_rate(lines: list[str], name: str, clock: Clock) -> list[str]:
    """A warning where a long list never uses the highest frames of a second that the film's rate has."""
    frames = [
        int(text[-2:])
        for line in lines
        if (found := _EVENT.match(line))
        for text in found.group(*_TIMES)
        if not text.isdecimal()
    ]
    last = -(-clock.rate.numerator // clock.rate.denominator) - 1
    top = max(frames, default=last)
    # Cuts on whole seconds say nothing.
    if len(set(frames)) < 12 or len(frames) * (last - top) < _SAMPLE:
        return []
    return [
        f"{name}: no timecode in it has a frame after {top}; check that it was made at "
        f"{float(clock.rate):.3f} frames a second"
    ]
