"""Praat's TextGrid, in its long and short text forms: tiers of labelled intervals.

It is parsed here rather than by praatio, whose errors have no line numbers, and which takes comments for
values.

Source: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from dubcli.artifacts.speech import Record
from dubcli.errors import ConfigError
from dubcli.speech.lines import fault_in_times, left_out


@dataclass(frozen=True)
class Interval:
    """A label from `start` to `end` in seconds, at `line` and `column` of the file."""

    start: float
    end: float
    label: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Tier:
    """A named sequence of intervals, in order; those without a label are left out."""

    name: str
    intervals: tuple[Interval, ...]


def dump(record: Record) -> str:
    """The words and phones of a record as a TextGrid in long text form, one tier of words a speaker."""
    speakers = dict.fromkeys([None, *(word.speaker for word in record.words)])
    tiers = [
        Tier(
            f"{who} - words" if who else "words",
            tuple(Interval(w.start, w.end, w.text) for w in record.words if w.speaker == who),
        )
        for who in speakers
    ]
    tiers.append(Tier("phones", tuple(Interval(p.start, p.end, p.phone) for p in record.phones)))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {record.seconds}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, tier in enumerate(tiers, 1):
        full = list(_filled(tier.intervals, record.seconds))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(tier.name)}",
        ]
        lines += ["        xmin = 0", f"        xmax = {record.seconds}"]
        lines += [f"        intervals: size = {len(full)}"]
        for k, one in enumerate(full, 1):
            lines += [f"        intervals [{k}]:"]
            lines += [f"            xmin = {one.start}", f"            xmax = {one.end}"]
            lines += [f"            text = {_quoted(one.label)}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def parse(text: str, name: str) -> tuple[list[Tier], list[str]]:
    """The interval tiers of a TextGrid (not point tiers), and a message for each interval that is left out.

    Raises:
        ConfigError: it is not a TextGrid in text form, or it ends too early.
    """
    values = _values(text)
    head = [str(v.value) for v in values[:2]]
    if head[:1] not in (["ooTextFile"], ["ooTextFile short"]) or head[1:] not in (
        ["TextGrid"],
        ["TextGrid 2"],
    ):
        raise ConfigError(f"{name}:1:1: not a TextGrid in text form; save it from Praat as a text file")
    reader = _Reader(values[2:], name)
    reader.number(), reader.number()
    tiers, faults = [], []
    for _ in range(reader.count()):
        kind, tier = reader.text(), reader.text()
        reader.number(), reader.number()
        rows = []
        for _ in range(reader.count()):
            start = reader.number()
            end = reader.number() if kind == "IntervalTier" else start
            label = reader.label()
            if not label.value or kind != "IntervalTier":
                continue
            if why := fault_in_times(start, end):
                faults.append(left_out(f"{name}:{label.line}:{label.column}", why, "interval"))
                continue
            rows.append(Interval(start, end, str(label.value), label.line, label.column))
        if kind == "IntervalTier":
            tiers.append(Tier(tier, tuple(rows)))
    return tiers, faults


@dataclass(frozen=True)
class _Value:
    value: str | float
    line: int
    column: int


# Praat reads only free-standing quoted strings and numbers; anything else, and everything after an
# exclamation mark, is a comment.
_VALUE = re.compile(
    r'(?<!\S)![^\n]*|(?<!\S)"((?:[^"]|"")*)"|(?<!\S)([-+]?(?:\d{1,15}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)(?!\S)'
)


def _values(text: str) -> list[_Value]:
    found, line, begin, at = [], 1, 0, 0
    for match in _VALUE.finditer(text):
        line += text.count("\n", at, match.start())
        begin = text.rfind("\n", at, match.start()) + 1 or begin
        at = match.start()
        if match[1] is None and match[2] is None:
            continue
        value = float(match[2]) if match[2] else (match[1] or "").replace('""', '"')
        found.append(_Value(value, line, match.start() - begin + 1))
    return found


class _Reader:
    def __init__(self, values: Sequence[_Value], name: str) -> None:
        self._values = iter(values)
        self._last = values[-1] if values else _Value("", 1, 1)
        self._name = name

    def next(self) -> _Value:
        found = next(self._values, None)
        if found is None:
            place = f"{self._name}:{self._last.line}:{self._last.column}"
            raise ConfigError(f"{place}: the TextGrid ends before its tiers do; save it from Praat anew")
        return found

    def text(self) -> str:
        return str(self.next().value)

    def label(self) -> _Value:
        found = self.next()
        if not isinstance(found.value, str):
            self._fail(found, f"the TextGrid has {found.value:g} where a label must be")
        return _Value(str(found.value).strip(), found.line, found.column)

    def count(self) -> int:
        found = self.next()
        if isinstance(found.value, str) or not 0 <= found.value < 1e7 or found.value % 1:
            self._fail(found, f"the TextGrid has {found.value!r} where the number of intervals must be")
        return int(found.value)

    def number(self) -> float:
        found = self.next()
        if isinstance(found.value, str):
            self._fail(found, f"the TextGrid has {found.value[:40]!r} where a number must be")
        return float(found.value)

    def _fail(self, found: _Value, why: str) -> NoReturn:
        raise ConfigError(f"{self._name}:{found.line}:{found.column}: {why}; save it from Praat anew")


def _filled(rows: Iterable[Interval], seconds: float) -> Iterable[Interval]:
    """Rows with empty intervals in their gaps, as a tier must have; overlaps are cut from the later row."""
    now = 0.0
    for row in sorted(rows, key=lambda row: row.start):
        start, end = max(row.start, now), min(row.end, seconds)
        if end <= start:
            continue
        if start > now:
            yield Interval(now, start, "")
        yield Interval(start, end, row.label)
        now = end
    if now < seconds:
        yield Interval(now, seconds, "")
