"""Who works is left alone however long it says nothing, who hangs is found, shortages are told as such."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.crash.harness import ENGINES, Place
from tests.engines import misbehave

LIMIT = 2.5
"""Seconds of silence allowed here; an hour's work without a word against 600 s is no other case."""


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory, tiny: Sample) -> Place:
    """A job whose shots are known; each test adds the tracking of one of them."""
    folder = tmp_path_factory.mktemp("watch")
    installed = misbehave.install(folder / "site")
    (folder / "calls").mkdir()
    path = os.pathsep.join([str(installed), str(ENGINES), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, misbehave.MARK: str(folder / "calls"), "PLACE": str(folder / "job")}
    place = Place.make(folder / "job", tiny.film, tiny.dub, environment)
    for stage in ("probe", "scan", "split"):
        done = place.run("--stage", stage)
        assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def elsewhere(split: Place, tmp_path: Path) -> Iterator[Path]:
    """A place for another store; the job keeps the one that was named last, so its own is named again."""
    yield tmp_path / "store"
    assert split.run("--stage", "probe", "--store", str(split.job / "store")).returncode == 0


def track(place: Place, engine: str, *more: str) -> tuple[int, str]:
    """Exit code and errors of tracking the first shot with an engine."""
    words = ["--engine", f"tracker={engine}", "--stage", "track", "--shots", "0", "--workers", "1"]
    done = place.run(*words, "--set", f"run.timeout={LIMIT}", "--set", "run.retries=0", *more)
    return done.returncode, done.stderr


def seconds_in_hand(place: Place) -> float:
    """How long the last unit that failed was in hand."""
    start = next(e for e in reversed(place.events()) if e["type"] == "unit.start")
    failed = next(e for e in reversed(place.events()) if e["type"] == "unit.failed")
    begun, ended = (datetime.fromisoformat(e["time"].replace("Z", "+00:00")) for e in (start, failed))
    return (ended - begun).total_seconds()


@pytest.mark.parametrize("engine", ["quiet", "parent"])
def test_a_unit_that_works_without_a_word_is_left_alone(split: Place, engine: str) -> None:
    code, errors = track(split, engine)
    assert code == 0, errors


@pytest.mark.parametrize("engine", ["hang", "deadlock"])
def test_a_unit_that_hangs_is_ended_within_the_limit(split: Place, engine: str) -> None:
    code, errors = track(split, engine)
    assert code == 7, errors
    assert f"no message for {LIMIT} s; raise run.timeout" in errors
    assert LIMIT < seconds_in_hand(split) < LIMIT + 15  # with the worker's start, on a busy machine
    assert not split.left_over()


def test_a_unit_that_gets_nowhere_is_ended_by_a_limit_of_its_own(split: Place) -> None:
    code, errors = track(split, "endless", "--set", "run.stall=4")
    assert code == 7, errors
    assert "no progress for 4 s, although it works; raise run.stall" in errors
    assert not split.left_over()


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("killed", "most likely because memory ran out"),
        ("bad-alloc", "out of memory"),
        ("starved", "out of memory"),
        ("tensors", "the disk is full"),
    ],
)
def test_shortages_are_temporary_whoever_tells_them(split: Place, engine: str, words: str) -> None:
    code, errors = track(split, engine)
    assert code == 75, errors
    assert words in errors
    assert "a bug" not in errors
    (line,) = (line for line in errors.splitlines() if line.startswith("dubcli: error:"))
    assert words in line


def test_unfinished_work_does_not_stay_in_a_store_that_others_share(split: Place, elsewhere: Path) -> None:
    for stage in ("probe", "scan", "split"):
        assert split.run("--stage", stage, "--store", str(elsewhere)).returncode == 0
    code, _ = track(split, "raises", "--store", str(elsewhere))
    assert code == 7
    assert not list((elsewhere / "tmp").iterdir())


def test_a_full_disk_names_the_store(split: Place) -> None:
    _, errors = track(split, "tensors")
    found = re.search(r"the disk is full \((.*?)\)", errors)
    assert found
    assert Path(found[1]).resolve() == (split.job / "store").resolve()
    assert "--store DIR" in errors


def disturbed(place: Place, disturb: Callable[[], None], *more: str) -> tuple[int, str]:
    """Exit code and errors of a run during whose tracking something happens."""
    words = ["--engine", "tracker=quiet", "--stage", "track", "--shots", "0", "--redo", "track", *more]
    known = len(place.events())
    run = place.start(*words)
    end = time.monotonic() + 60
    while not any(e["type"] == "unit.start" for e in place.events()[known:]) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(3)  # the worker has opened the film by then
    disturb()
    _, errors = run.communicate(timeout=120)
    return run.returncode, errors


def kept(place: Place) -> set[str]:
    return {path.name for path in (place.job / "store" / "objects").glob("*/*")}


def test_nothing_is_kept_of_a_film_that_was_replaced_meanwhile_and_put_back(split: Place) -> None:
    def replaced() -> None:
        aside = split.film.rename(split.film.with_name("aside.mp4"))
        shutil.copy(aside, split.film)
        time.sleep(0.5)
        aside.replace(split.film)

    before = kept(split)
    code, errors = disturbed(split, replaced, "--set", "track.max_yaw=44.0")
    assert code == 3, errors
    assert "was changed or moved while the run was reading it, so track/00000000 is not kept" in errors
    assert "type the same again" in errors
    assert kept(split) == before
    assert split.run("--stage", "split").returncode == 0


def test_a_store_that_is_deleted_meanwhile_is_no_bug(split: Place, elsewhere: Path) -> None:
    shutil.copytree(split.job / "store", elsewhere)
    code, errors = disturbed(split, lambda: shutil.rmtree(elsewhere), "--store", str(elsewhere))
    assert code == 9, errors
    assert "was deleted or emptied meanwhile; type the same again" in errors
    assert "a bug" not in errors


def test_the_second_signal_gives_the_cursor_back(split: Place) -> None:
    words = split.arguments(
        "--engine", "tracker=quiet", "--stage", "track", "--shots", "0", "--redo", "track"
    )
    words[words.index("none")] = "bar"
    leader, follower = pty.openpty()
    environment = {**split.environment, "TERM": "xterm"}
    known = len(split.events())
    run = subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    text, sent = b"", 0
    with contextlib.suppress(OSError):  # how Linux ends a terminal whose other side is closed
        while block := os.read(leader, 65536):
            text += block
            if sent < 2 and any(e["type"] == "unit.start" for e in split.events()[known:]):
                run.send_signal(signal.SIGINT)
                sent += 1
                time.sleep(0.3)
    os.close(leader)
    assert run.wait() == 130
    assert b"\x1b[?25l" in text
    assert text.rindex(b"\x1b[?25h") > text.rindex(b"\x1b[?25l"), "the cursor stays hidden"
    assert split.events()[-1]["type"] == "exit"
    assert not split.left_over()
