"""A run killed at any moment continues, and ends in the same film."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from dubcli import stages
from tests.conftest import Sample
from tests.crash.harness import Place, streams

STAGES = tuple(name for name in stages.ORDER if name not in stages.LEARNING)  # tests/crash/test_training.py
KILLS = 20


@pytest.fixture(scope="module")
def undisturbed(tiny: Sample, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place.make(tmp_path_factory.mktemp("undisturbed"), tiny.film, tiny.dub)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def disturbed(tmp_path: Path, undisturbed: Place) -> Place:
    return Place.make(tmp_path, undisturbed.film, undisturbed.dub, {"PLACE": str(tmp_path)})


def wait_for(place: Place, stage: str, seconds: float = 120.0) -> None:
    """Until the run has begun a unit of the stage, or has ended."""
    known = len(place.events())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        new = place.events()[known:]
        if any(e["type"] in ("unit.start", "exit") and e.get("stage", stage) == stage for e in new):
            return
        time.sleep(0.02)


def test_twenty_kills_change_nothing(tmp_path: Path, undisturbed: Place) -> None:
    place = disturbed(tmp_path, undisturbed)
    chance = random.Random(20)
    moments = [*STAGES, *chance.choices(STAGES, k=KILLS - len(STAGES))]
    for stage in sorted(moments, key=stages.ORDER.index):
        run = place.start()
        wait_for(place, stage)
        time.sleep(chance.uniform(0, 0.6))
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        assert not place.left_over(), "a killed run left processes behind"
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert streams(place.out) == streams(undisturbed.out)

    finished: set[str] = set()
    for event in place.events():
        if event["type"] == "unit.start":
            assert f"{event['stage']}/{event['unit']}" not in finished, f"ran again: {event}"
        # A kill between the commit of a unit and its event leaves no `unit.done`: the next run finds it done.
        elif event["type"] in ("unit.done", "unit.cached"):
            finished.add(f"{event['stage']}/{event['unit']}")
    assert {unit.split("/")[0] for unit in finished} == set(STAGES)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)]
)
def test_the_first_signal_finishes_the_unit_in_hand(
    tmp_path: Path, undisturbed: Place, number: signal.Signals, code: int
) -> None:
    place = disturbed(tmp_path, undisturbed)
    run = place.start()
    wait_for(place, "track")
    run.send_signal(number)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == code, errors
    assert "type the same command to continue" in errors
    assert not place.left_over()
    events = place.events()
    assert events[-1]["type"] == "exit"
    assert events[-1]["code"] == code
    begun = {(e["stage"], e["unit"]) for e in events if e["type"] == "unit.start"}
    ended = {(e["stage"], e["unit"]) for e in events if e["type"] == "unit.done"}
    assert begun == ended
    assert place.run().returncode == 0
    assert streams(place.out) == streams(undisturbed.out)


def test_the_second_signal_leaves_no_child(tmp_path: Path, undisturbed: Place) -> None:
    place = disturbed(tmp_path, undisturbed)
    run = place.start()
    wait_for(place, "track")
    run.send_signal(signal.SIGINT)
    time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=10)
    assert run.returncode == 130
    assert not place.left_over()
    assert place.run().returncode == 0


def test_a_second_run_is_refused_and_told_who_holds_the_job(tmp_path: Path, undisturbed: Place) -> None:
    place = disturbed(tmp_path, undisturbed)
    first = place.start()
    wait_for(place, "probe")
    second = place.run()
    assert second.returncode == 11
    assert f"process {first.pid}" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    first.communicate(timeout=300)
    assert first.returncode == 0


def test_a_finished_job_has_nothing_to_do(undisturbed: Place) -> None:
    before = undisturbed.out.stat()
    count = len(undisturbed.events())
    done = undisturbed.run()
    assert done.returncode == 0
    assert not [e for e in undisturbed.events()[count:] if e["type"] == "unit.start"]
    assert undisturbed.out.stat().st_ino == before.st_ino
