"""Help as text, for the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable

from dubcli.cli.declaration import Declaration, Parameter
from dubcli.errors import MEANINGS

WIDEST = 100  # columns, however wide the terminal is; set by hand
COLUMN = 26  # where descriptions begin; longer names get a line of their own


def render(command: Declaration, width: int = 0) -> str:
    """The help of a command, fitted to the terminal or to a width."""
    width = width or min(WIDEST, shutil.get_terminal_size().columns - 1)
    parts = [f"Usage: {command.usage}", *paragraphs(command.text, width)]
    for heading in dict.fromkeys(item.group for item in command.commands):
        rows = [(item.name, item.summary) for item in command.commands if item.group == heading]
        parts.append(_section(heading, rows, width, column=12))
    if command.arguments:
        rows = [(item.names[0], _with_notes(item)) for item in command.arguments]
        parts.append(_section("Arguments", rows, width))
    for heading, options in command.groups():
        parts.append(_section(heading, [(flags(item), _with_notes(item)) for item in options], width))
    parts.append(_section("Exit codes", exit_codes(), width, column=8))
    return "\n\n".join(parts) + "\n"


def flags(option: Parameter) -> str:
    """An option as it is typed: `-o, --out FILE`."""
    gap = "    " if option.names[0].startswith("--") else ""
    return f"{gap}{', '.join(option.names)} {option.value}".rstrip()


def exit_codes() -> list[tuple[str, str]]:
    """(code, meaning) rows of the table that every help and man page ends with."""
    return [(str(int(code)), meaning) for code, meaning in MEANINGS.items()]


def paragraphs(text: str, width: int) -> list[str]:
    """The paragraphs of a help text, filled; those with indented lines as they stand."""
    found = []
    for part in text.split("\n\n"):
        verbatim = any(line.startswith(" ") for line in part.splitlines())
        found.append(part if verbatim else textwrap.fill(part, width, break_on_hyphens=False))
    return [part for part in found if part]


def _with_notes(item: Parameter) -> str:
    notes = ["required"] if item.required and item.value else []
    notes += ["may be repeated"] if item.repeats and item.value else []
    notes += [f"default: {item.default}"] if item.default else []
    return f"{item.help} [{'; '.join(notes)}]" if notes else item.help


def _section(heading: str, rows: Iterable[tuple[str, str]], width: int, column: int = COLUMN) -> str:
    lines = [f"{heading}:"]
    for name, text in rows:
        first = f"  {name}"
        filled = textwrap.wrap(text, max(20, width - column), break_on_hyphens=False)
        if len(first) + 2 > column:
            lines.append(first)
        elif filled:
            lines.append(first.ljust(column) + filled.pop(0))
        lines += [" " * column + line for line in filled]
    return "\n".join(lines)
