"""Progress: how far, how long, and in which words."""

from __future__ import annotations

import io
import json
import threading
import time

import pytest

from dubcli.cli import progress, run
from dubcli.core.events import Events
from dubcli.stages import LEARNING


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
    events(
        "unit.failed", stage="track", unit="00000010", shot="00000010", code=7, text="it broke", fatal=False
    )
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


def test_what_ends_the_run_is_told_once() -> None:
    """The command's last line says it; older jobs' events do not know of it."""
    failed: dict[str, object] = {"type": "unit.failed", "stage": "probe", "unit": "film", "text": "it broke"}
    assert progress.describe({**failed, "fatal": True}) == "probe film failed"
    assert progress.describe(failed) == "probe film failed: it broke"


@pytest.mark.parametrize("kind", ["plain", "openjd"])
def test_a_name_cannot_begin_a_line(kind: str) -> None:
    """A film's name made a line of its own, which a scheduler may take for a command."""
    stream = io.StringIO()
    shown = progress.listener(kind, stream)
    assert shown
    shown({"type": "published", "new": True, "path": "a\nopenjd_fail: b.mp4", "v": 1, "time": ""})
    assert len(stream.getvalue().splitlines()) == 1
    assert "a\\nopenjd_fail: b.mp4" in stream.getvalue()


def test_a_quiet_run_says_once_that_a_warning_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = run.listeners("none", json=False)
    shown({"type": "warning", "stage": "probe", "unit": "output", "text": "no language"})
    assert capsys.readouterr().err == "dubcli: warning: probe output: no language\n"


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


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (200, "3 min 20 s"), (3725, "1 h 02 min")])
def test_durations_read_like_speech(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_plain_lines_come_even_where_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.05)
    stream = io.StringIO()
    events = Events(None, progress.Plain(stream))
    events("unit.start", stage="learn", unit="film", reasons=["new"], cost=10)
    end = time.monotonic() + 10
    while stream.getvalue().count("learn film works for") < 2 and time.monotonic() < end:
        time.sleep(0.01)
    events("unit.done", stage="learn", unit="film", seconds=1.0, cost=10)
    events("run.stop", units=1, seconds=1.0)
    time.sleep(0.2)
    events("run.start", film="film.mp4")  # a recut film is read by a run of its own before
    events("unit.start", stage="track", unit="00000000", reasons=["new"], cost=10)
    while "track 00000000 works" not in stream.getvalue() and time.monotonic() < end:
        time.sleep(0.01)
    events("exit", code=0)
    written = stream.getvalue()
    assert written.count("learn film works for") >= 2
    assert "track 00000000 works for" in written
    time.sleep(0.2)
    assert stream.getvalue() == written, "a run that has ended says no more"


def test_a_run_of_one_stage_ends_at_all_of_it() -> None:
    tally = progress.Tally()
    events = Events(None, tally)
    events("run.start", film="film.mp4", only="track", shard="1/2")
    for stage in progress.SHARES:
        if stage in ("probe", "scan", "split", "track"):
            events("stage.plan", stage=stage, units=4, run=2 if stage == "track" else 0)
    events("unit.done", stage="track", unit="00000000", seconds=1.0, cost=1)
    assert tally.fraction == 0.5
    events("unit.done", stage="track", unit="00000010", seconds=1.0, cost=1)
    assert tally.fraction == 1.0


def test_a_second_run_goes_on_where_the_first_ended() -> None:
    """The percentage fell back to 0 where a recut film had been read, and the bar was gone."""
    tally = progress.Tally()
    bar = progress.Bar(io.StringIO())
    events = Events(None, tally, bar)
    told: list[float] = []
    for stages in (("probe", "scan"), ("probe", "scan", "split", "track")):
        events("run.start", film="film.mp4")
        assert bar._progress.live.is_started
        for stage in stages:
            run = 0 if stage in ("probe", "scan") and told else 2
            events("stage.plan", stage=stage, units=2, run=run)
            for unit in "ab"[:run]:
                events("unit.done", stage=stage, unit=unit, seconds=1.0, cost=1)
                told.append(tally.fraction)
        events("run.stop", units=2, seconds=1.0)
    assert told == sorted(told)
    assert told[0] > 0
    for stage in progress.SHARES:
        events("stage.plan", stage=stage, units=2, run=0)
    assert tally.fraction == 1.0


def test_training_counts_by_its_forecast_and_for_nothing_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def half_way(seconds: float | None) -> progress.Tally:
        clock[0] = 0.0
        tally = progress.Tally()
        events = Events(None, tally)
        events("run.start", film="film.mp4")
        events("stage.plan", stage="track", units=1, run=1)
        clock[0] = 30.0
        events("unit.done", stage="track", unit="00000000", seconds=30.0, cost=1)
        if seconds:
            events("stage.plan", stage="train", units=1, run=1, seconds=seconds)
        return tally

    plain = sum(share for stage, share in progress.SHARES.items() if stage not in LEARNING)
    track = progress.SHARES["track"]
    assert half_way(None).fraction == pytest.approx(track / plain)
    # A second of this run is worth a thirtieth of the share that took thirty.
    assert half_way(300.0).fraction == pytest.approx(track / (plain + track * 10))
    alone = progress.Tally()
    events = Events(None, alone)
    events("run.start", film="film.mp4", only="train")
    events("stage.plan", stage="train", units=1, run=1, seconds=300.0)
    events("progress", stage="train", unit="film", done=1, total=4)
    assert alone.fraction == 0.25


def test_a_signal_in_the_midst_of_a_line_does_not_hang() -> None:
    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            if "stopping" not in text and "stopping" not in self.getvalue():
                listener({"type": "notice", "text": "stopping"})
            return super().write(text)

    stream = Interrupted()
    listener = progress.Plain(stream)
    thread = threading.Thread(target=listener, args=({"type": "notice", "text": "first"},), daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert stream.getvalue().count("\n") == 2
