"""Lists of scenes (CSV) of PySceneDetect, there and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dubcli.errors import ConfigError

_START, _STOP = "start frame", "end frame"
_COLUMNS = (
    "Scene Number", "Start Frame", "Start Timecode", "Start Time (seconds)", "End Frame", "End Timecode",
    "End Time (seconds)", "Length (frames)", "Length (timecode)", "Length (seconds)",
)  # fmt: skip

_HEAD_ROWS = 5  # among which the names of the columns are; above them stands the list of timecodes
MOST = 20
"""Problems that are named of a list."""


def parse(text: str, name: str) -> list[tuple[int, int]]:
    """Half-open ranges of frames, from 0 on, of PySceneDetect's list of scenes.

    A spreadsheet may have written it again: with semicolons or tabs, and with empty rows. Before version 0.6
    it counted from 0, and a scene ended with the first frame of the next.

    Raises:
        ConfigError: it has no such columns, or cells that are no numbers; all of them, a line each.
    """
    for delimiter in ",;\t":
        try:
            rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        except csv.Error as error:
            raise ConfigError(
                f"{name} is no table ({error}); write it with scenedetect list-scenes"
            ) from None
        heads = [[cell.strip().casefold() for cell in row] for row in rows[:_HEAD_ROWS]]
        head = next((k for k, row in enumerate(heads) if {_START, _STOP} <= set(row)), None)
        if head is not None:
            break
    else:
        raise ConfigError(
            f"{name} has no columns 'Start Frame' and 'End Frame'; write it with scenedetect list-scenes"
        )
    first, last = heads[head].index(_START), heads[head].index(_STOP)
    found: list[tuple[int, int]] = []
    problems = []
    base = 1  # it counts from 1, both ends included; a list that begins at 0 is of an older version
    for line, row in enumerate(rows[head + 1 :], head + 2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            start, stop = float(row[first]), float(row[last])
            if not (start.is_integer() and stop.is_integer()):
                raise ValueError
        except (ValueError, IndexError):
            problems.append(f"{name}:{line}: Start Frame and End Frame are frame numbers")
            continue
        if not found and start == 0:
            base = 0
        if not base <= start < stop + base:
            problems.append(f"{name}:{line}: frames {row[first].strip()} to {row[last].strip()} are no range")
            continue
        found.append((int(start) - base, int(stop)))
    if problems:
        more = [f"{name}: and {len(problems) - MOST} rows more"] if len(problems) > MOST else []
        raise ConfigError("\n".join([*problems[:MOST], *more]))
    if not found:
        raise ConfigError(f"{name} has no scenes in it")
    return found


def text(ranges: Sequence[tuple[int, int]], rate: float) -> str:
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
