"""Engines that crash, hang, print, lie or eat: the right exit code, one line, nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.crash.harness import ENGINES, Place
from tests.engines import misbehave


@pytest.fixture
def place(tmp_path: Path, tiny: Sample) -> Place:
    installed = misbehave.install(tmp_path / "site")
    calls = tmp_path / "calls"
    calls.mkdir()
    path = os.pathsep.join([str(installed), str(ENGINES), *filter(None, [os.environ.get("PYTHONPATH")])])
    return Place.make(tmp_path / "job", tiny.film, tiny.dub, {"PYTHONPATH": path, misbehave.MARK: str(calls)})


def calls(place: Place) -> int:
    return len(list(Path(place.environment[misbehave.MARK]).iterdir()))


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("crash", 7, "its process ended (signal SIGABRT)"),
        ("raises", 7, "ValueError: tensor of shape (0,)"),
        ("hungry", 75, "out of memory"),
    ],
)
def test_a_broken_engine_is_tried_three_times_and_told(
    place: Place, name: str, code: int, words: str
) -> None:
    done = place.run("--engine", f"tracker={name}", "--workers", "1")
    assert done.returncode == code, done.stderr
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("dubcli: error:"))
    assert words in error
    assert "Traceback" not in done.stderr
    shots = len({e["unit"] for e in place.events() if e["type"] == "unit.failed"})
    assert shots
    assert calls(place) == 3 * shots
    assert not place.out.exists()
    kept = {e["unit"] for e in place.events() if e["type"] == "unit.done" and e["stage"] == "split"}
    assert kept == {"film"}
    mended = place.run("--engine", "tracker=passthrough")
    assert mended.returncode == 0, mended.stderr
    assert sum(e["type"] == "unit.start" and e["stage"] == "split" for e in place.events()) == 1


def test_memory_that_comes_back_costs_one_retry(place: Place) -> None:
    done = place.run("--engine", "tracker=hungry-once", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert sum(e["type"] == "unit.retry" for e in place.events()) == 1


def test_what_an_engine_prints_does_not_reach_the_protocol(place: Place) -> None:
    done = place.run("--engine", "tracker=polluter", "--json")
    assert done.returncode == 0, done.stderr
    assert "not me" not in done.stdout + done.stderr
    assert "not me" in "".join(p.read_text() for p in (place.job / "logs").glob("*.log"))


def test_an_engine_that_cannot_be_loaded_is_a_missing_dependency(place: Place) -> None:
    done = place.run("--engine", "tracker=missing")
    assert done.returncode == 5, done.stderr
    assert "type: dubcli doctor" in done.stderr


def test_one_frame_too_few_is_caught(place: Place) -> None:
    done = place.run("--engine", "lips=short")
    assert done.returncode == 8, done.stderr
    assert not place.out.exists()


def test_failed_shots_can_fall_back_to_the_original(place: Place) -> None:
    done = place.run("--engine", "lips=short", "--fallback", "original")
    assert done.returncode == 6, done.stderr
    assert place.out.exists()
    assert "original picture" in done.stderr
