"""Praat's TextGrid, in its long and short text forms: tiers of labelled intervals.

Source: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dubcli.artifacts.speech import Record
from dubcli.errors import ConfigError


@dataclass(frozen=True)
class Interval:
    """A label from `start` to `end` in seconds; `line` and `column` are where it stands in the file."""

    start: float
    end: float
    label: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Tier:
    """A named row of intervals, in order; those without a label are left out."""

    name: str
    intervals: tuple[Interval, ...]


def dump(record: Record) -> str:
    """The words and phones of a record in the long text form, one tier each."""
    tiers = (
        Tier("words", tuple(Interval(w.start, w.end, w.text) for w in record.words)),
        Tier("phones", tuple(Interval(p.start, p.end, p.phone) for p in record.phones)),
    )
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {record.seconds}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, tier in enumerate(tiers, 1):
        full = list(_filled(tier.intervals, record.seconds))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{tier.name}"']
        lines += ["        xmin = 0", f"        xmax = {record.seconds}"]
        lines += [f"        intervals: size = {len(full)}"]
        for k, one in enumerate(full, 1):
            quoted = one.label.replace('"', '""')
            lines += [f"        intervals [{k}]:"]
            lines += [f"            xmin = {one.start}", f"            xmax = {one.end}"]
            lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def parse(text: str, name: str) -> list[Tier]:
    """The interval tiers of a TextGrid; point tiers are passed over.

    Raises:
        ConfigError: it is no TextGrid in text form, or it ends too early.
    """
    values = _values(text)
    if [str(v.value) for v in values[:2]] != ["ooTextFile", "TextGrid"]:
        raise ConfigError(f"{name}:1:1: no TextGrid in text form; save it from Praat as a text file")
    reader = _Reader(values[2:], name)
    reader.number(), reader.number()
    tiers = []
    for _ in range(int(reader.number())):
        kind, tier = reader.text(), reader.text()
        reader.number(), reader.number()
        rows = []
        for _ in range(int(reader.number())):
            start = reader.number()
            end = reader.number() if kind == "IntervalTier" else start
            label = reader.next()
            if end < start:
                raise ConfigError(f"{name}:{label.line}:{label.column}: it ends at {end} s, before it starts")
            if str(label.value).strip():
                rows.append(Interval(start, end, str(label.value).strip(), label.line, label.column))
        if kind == "IntervalTier":
            tiers.append(Tier(tier, tuple(rows)))
    return tiers


@dataclass(frozen=True)
class _Value:
    value: str | float
    line: int
    column: int


# A quoted string or a number that stands alone; numbers in brackets only count intervals.
_VALUE = re.compile(r'"((?:[^"]|"")*)"|(?<![\w.\[])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\].])')


def _values(text: str) -> list[_Value]:
    found, line, begin, at = [], 1, 0, 0
    for match in _VALUE.finditer(text):
        line += text.count("\n", at, match.start())
        begin = text.rfind("\n", 0, match.start()) + 1
        at = match.start()
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

    def number(self) -> float:
        found = self.next()
        if isinstance(found.value, str):
            place = f"{self._name}:{found.line}:{found.column}"
            raise ConfigError(f"{place}: the TextGrid has {found.value!r} where a number must be")
        return found.value


def _filled(rows: Iterable[Interval], seconds: float) -> Iterable[Interval]:
    """Rows with empty ones between, as a tier must have them."""
    now = 0.0
    for row in rows:
        if row.start > now:
            yield Interval(now, row.start, "")
        yield row
        now = row.end
    if now < seconds:
        yield Interval(now, seconds, "")
