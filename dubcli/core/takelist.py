"""The file of takes, `takes.tsv` in the job directory: what each shot of the published films showed."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

FILE = "takes.tsv"
_CELL = re.compile(r"((?:motion|lips)/(\d{8,12})\.\d{1,4})=([0-9a-f]{64})")

Take = dict[str, str]
"""Unit id → key."""


@dataclass
class Takes:
    """The takes of one shot.

    Attributes:
        takes: in the order in which they were first shown; the film's own picture, without units, is first.
        current: number of the one in the published film.
    """

    takes: list[Take]
    current: int = 0


def line(shot: str, take: Take) -> str:
    """The line that says that a film shows a take of a shot."""
    return "\t".join([shot, *(f"{unit}={key}" for unit, key in sorted(take.items()))]) + "\n"


def load(root: Path) -> dict[str, Takes]:
    """The takes of every shot that has any; a line that a crash cut off, or that is none, is left out."""
    found: dict[str, Takes] = {}
    with contextlib.suppress(OSError):
        for line in (root / FILE).read_text("utf-8", "replace").splitlines():
            shot, *cells = line.split("\t")
            units = [_CELL.fullmatch(cell) for cell in cells]
            if not all(unit and unit[2] == shot for unit in units):
                continue
            take = {unit[1]: unit[3] for unit in units if unit}
            own = found.setdefault(shot, Takes([{}]))
            if take not in own.takes:
                own.takes.append(take)
            own.current = own.takes.index(take)
    return found
