"""Turns on a GPU: one run at a time, none starved, a dead one forgotten."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from dubcli.core import plan, scheduler
from dubcli.core.backlog import Work
from dubcli.core.gpu import Turn
from dubcli.core.job import Job
from dubcli.core.model import JobView, Needs, Stage, Unit
from dubcli.core.plan import Row, Selection
from dubcli.settings.config import Settings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "cache"


def test_runs_take_turns_and_none_takes_two_while_another_waits() -> None:
    one, other = Turn(), Turn()
    assert one.take()
    assert one.take(), "it has it already"
    assert not other.take()
    one.release()
    assert not one.take(), "the other is next"
    assert other.take()
    assert not one.take()
    other.release()
    assert not other.take()
    assert one.take()
    one.release()
    other.release()


def test_each_device_has_its_own(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    one = Turn()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "../../1,2")
    other = Turn()
    assert one.take()
    assert other.take()
    assert len(list((cache / "dubcli" / "gpu").iterdir())) == 4, "a file and that of the next, for each"
    assert [path.name for path in cache.parent.rglob("*") if path.is_file()].count("1") == 0


def test_who_is_killed_holds_nothing() -> None:
    ready, done = os.pipe()
    child = os.fork()
    if not child:
        turn = Turn()
        os.write(done, b"y" if turn.take() else b"n")
        signal.pause()
    assert os.read(ready, 1) == b"y"
    mine = Turn()
    assert not mine.take()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert mine.take()


def test_without_locks_everybody_has_their_turn(cache: Path) -> None:
    cache.write_text("no folder")
    one, other = Turn(), Turn()
    assert one.take()
    assert other.take()


def test_a_run_waits_for_its_turn_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner itself, with a unit that asks for the GPU and a worker in place of a process."""
    for name in ("film.mp4", "dub_fr.wav"):
        (tmp_path / name).write_bytes(b"x")
    job = Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", Settings())
    monkeypatch.setattr(plan, "view", lambda job: JobView({}, Settings()))
    told: list[str] = []
    events: Any = lambda kind, **fields: told.append(fields.get("text", kind))  # noqa: E731
    waiting = scheduler.Scheduler(job, events, Selection())
    unit = Unit(Stage("train", 1), "film", {}, {}, needs=Needs(device="gpu"))
    waiting.backlog.waiting.append(Work(Row("train", unit, "a" * 64), unit))
    hired: list[Any] = []
    monkeypatch.setattr(waiting.pool, "hire", lambda unit, fresh: hired.append(unit))
    other = Turn()
    assert other.take()
    assert waiting._dispatch() is False
    assert waiting._waits
    assert told == ["waits for the GPU, which another run uses"]
    waiting._dispatch()
    assert len(told) == 1, "once a minute"
    waiting._said_waiting -= scheduler.WAITING_SECONDS
    waiting._dispatch()
    assert len(told) == 2
    assert not hired
    other.release()
    waiting._dispatch()
    assert hired == [unit]
    assert other.take(), "no worker was free, so the turn was given back"
