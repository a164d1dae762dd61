"""Lists of scenes (CSV) of PySceneDetect, there and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dubcli.errors import ConfigError

_START, _STOP = "Start Frame", "End Frame"
_COLUMNS = (
    "Scene Number", _START, "Start Timecode", "Start Time (seconds)", _STOP, "End Timecode",
    "End Time (seconds)", "Length (frames)", "Length (timecode)", "Length (seconds)",
)  # fmt: skip


def parse(text: str, name: str) -> list[tuple[int, int]]:
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
