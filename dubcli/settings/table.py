"""Tables as spreadsheets write them back, into documents for strict models."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dubcli.errors import ConfigError
from dubcli.settings.document import Document, Keys, parse_yaml, read_text, suggestion

_MARKS = ",;\t"
_SEPARATOR = re.compile(rf'"?sep=([{_MARKS}])"?[{_MARKS}]*', re.IGNORECASE)  # a first line of Excel's


def read_rows(path: Path, top: str, columns: Collection[str], needed: Collection[str]) -> Document:
    """A list that a person edits, as a table or as JSON, whatever its file is called.

    Args:
        path: the file.
        top: the key of the list in JSON.
        columns, needed: of the table: those it may have, and those it must.

    Raises:
        ConfigError: it cannot be read, or is not well formed.
    """
    text = read_text(path)
    if path.suffix.lower() == ".json" or text.lstrip().startswith(("{", "[")):
        return parse_yaml(text.expandtabs(1), str(path))  # which keeps positions; tabs only indent
    return parse_csv(text, str(path), top, columns, needed)


def parse_csv(
    text: str, name: str, top: str, columns: Collection[str], needed: Collection[str] = ()
) -> Document:
    """A table as `{top: [{column: text}, ...]}`; empty cells are left out, `;` or a tab may replace `,`.

    Raises:
        ConfigError: its head lacks a column, names an unknown one or one twice, or a row has more cells.
    """
    lines = text.splitlines()
    first = next((k for k, line in enumerate(lines) if line.strip()), len(lines))
    named = _SEPARATOR.fullmatch(lines[first].strip()) if first < len(lines) else None
    first += bool(named)
    line = lines[first] if first < len(lines) else ""
    mark = named[1] if named else next((mark for mark in ";\t" if mark in line and "," not in line), ",")
    place = f"{name}:{first + 1}"
    cells = [(cell.strip().lower(), column) for cell, column in _cells(line, mark)]
    head = [cell for cell, _ in cells]
    for k, (cell, column) in enumerate(cells):
        if cell and cell in head[:k]:
            raise ConfigError(f"{place}:{column}: the column {cell!r} is given twice")
    if missing := [column for column in needed if column not in head]:
        raise ConfigError(
            f"{place}:1: the first line must name the columns, and names no {missing[0]!r}; "
            f"there are: {', '.join(columns)}"
        )
    for cell, column in cells:
        if cell and cell not in columns:
            raise ConfigError(f"{place}:{column}: unknown column {cell!r}{suggestion(cell, columns)}")
    rows: list[dict[str, str]] = []
    places: dict[Keys, tuple[int, int]] = {(): (first + 1, 1), (top,): (first + 1, 1)}
    for number, line in enumerate(lines[first + 1 :], first + 2):
        row: dict[str, str] = {}
        here = len(rows)
        for k, (cell, column) in enumerate(_cells(line, mark)):
            key = head[k] if k < len(head) else ""
            if cell.strip() and not key:
                raise ConfigError(
                    f"{name}:{number}:{column}: more cells than columns; "
                    f"a cell that holds {mark!r} goes in quotes"
                )
            if key:
                places[top, here, key] = (number, column)
            if cell.strip():
                row[key] = cell.strip()
        if row:
            places[top, here] = (number, 1)
            rows.append(row)
    return Document(name, {top: rows}, places)


def to_integer(value: Any) -> Any:
    """A cell of a table as an integer, also as spreadsheets write it (50.0, 50,0); else unchanged."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    whole = re.fullmatch(r"(\d{1,9})(?:[.,]0{1,2})?", value) if isinstance(value, str) else None
    return int(whole[1]) if whole else value


def to_number(value: Any) -> Any:
    """A cell as a number, which may have a decimal comma; other text is returned unchanged."""
    try:
        return float(value.replace(",", ".")) if isinstance(value, str) and "_" not in value else value
    except ValueError:
        return value


def _cells(line: str, mark: str) -> list[tuple[str, int]]:
    """Cells of a line of CSV with the column, from 1, at which each begins."""
    found, at = [], 0
    closed = re.compile(rf'"((?:[^"]|"")*)"[ \t]*(?={mark}|$)')
    while at <= len(line):
        quoted = closed.match(line, at)
        if quoted:
            found.append((quoted[1].replace('""', '"'), at + 1))
            at = quoted.end() + 1
        else:
            stop = line.find(mark, at)
            stop = len(line) if stop < 0 else stop
            found.append((line[at:stop], at + 1))
            at = stop + 1
    return found
