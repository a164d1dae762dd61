"""Progress: how far, how long, and in which words."""

from __future__ import annotations

import io
import json
import time

import pytest

from dubcli.cli import progress
from dubcli.core.events import Events


def story(listener: object) -> None:
    """A run of two shots, one of which fails."""
    assert callable(listener)
    events = Events(None, listener)
    events("run.start", film="film.mp4")
    for stage in progress.SHARES:
        events("stage.plan", stage=stage, units=2, run=2 if stage == "track" else 0)
    events("unit.start", stage="track", unit="00000000", shot="00000000", reasons=["new"], cost=10)
    events("progress", stage="track", unit="00000000", shot="00000000", done=5, total=10)
    events("unit.done", stage="track", unit="00000000", shot="00000000", seconds=1.25, cost=10)
    events("unit.failed", stage="track", unit="00000010", shot="00000010", code=7, text="it broke")
    events("run.stop", units=1, seconds=2.0)
    events("exit", code=6)


def test_plain_lines_name_every_finished_shot() -> None:
    stream = io.StringIO()
    story(progress.listener("plain", stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[ 50 %")
    assert lines[0].endswith("track 00000000 done in 1.2 s")
    assert lines[1].startswith("[100 %")
    assert lines[1].endswith("track 00000010 failed: it broke")


def test_openjd_agents_get_percent_and_status() -> None:
    stream = io.StringIO()
    story(progress.listener("openjd", stream))
    lines = stream.getvalue().splitlines()
    assert "openjd_progress: 25.0" in lines
    assert "openjd_progress: 100.0" in lines
    assert "openjd_status: track 00000010 failed: it broke" in lines


def test_json_is_every_event_and_ends_with_exit() -> None:
    stream = io.StringIO()
    story(progress.listener("json", stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert all(event["v"] == 1 and event["time"].endswith("Z") for event in events)
    assert events[-1]["type"] == "exit"
    assert events[-1]["code"] == 6


def test_auto_is_plain_where_nobody_watches() -> None:
    assert isinstance(progress.listener("auto", io.StringIO()), progress.Plain)
    assert progress.listener("none", io.StringIO()) is None


def test_a_long_unit_says_something_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    listener = progress.Plain(stream)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    listener({"type": "progress", "stage": "learn", "unit": "film", "done": 1, "total": 2})
    assert "learn film" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (200, "3 min 20 s"), (3725, "1 h 02 min")])
def test_durations_read_like_speech(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text
