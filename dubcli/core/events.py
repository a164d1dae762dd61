"""Events of a run, one JSON object a line: to `events.jsonl` and to listeners such as progress displays.

Every event has `v` (1), `time` (UTC, ISO 8601) and `type`; new types and new fields may be added at any time.
The last event of a run is `{"type": "exit", "code": n}`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

FILE = "events.jsonl"
"""Of the job directory, for the events of all its runs."""
Event = dict[str, Any]
Listener = Callable[[Event], None]


class Events:
    """Sends every event to `events.jsonl` and to the listeners."""

    def __init__(self, path: Path | None = None, *listeners: Listener) -> None:
        file = open(path, "a", encoding="utf-8") if path else None  # noqa: SIM115 - `__exit__` closes it
        self._file: TextIO | None = file
        self._listeners = listeners

    def __call__(self, type: str, **fields: Any) -> None:
        """Send one event; `progress` events are too many to keep and go to the listeners only."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"v": 1, "time": now, "type": type, **fields}
        if self._file and type != "progress":
            self._file.write(line(event))
            self._file.flush()
        for listener in self._listeners:
            listener(event)

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()


def line(event: Event) -> str:
    """An event as one line of JSON."""
    return json.dumps(event, ensure_ascii=False, sort_keys=False) + "\n"


def parsed(line: str | bytes) -> Event | None:
    """The event on a line; None where none stands there: a library has printed, or a crash cut it off."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "type" in event else None


def past(root: Path) -> Iterator[Event]:
    """The events of a job's runs so far, the oldest first."""
    with contextlib.suppress(OSError), open(root / FILE, encoding="utf-8", errors="replace") as lines:
        yield from filter(None, map(parsed, lines))
