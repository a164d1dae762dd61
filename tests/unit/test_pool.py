"""How many workers there may be: as cores, memory and the GPU allow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dubcli.core import devices, pool
from dubcli.core.model import Needs, Stage, Unit
from dubcli.errors import MemoryFullError
from dubcli.settings.config import RunSettings

GB = 1 << 30


class Stub:
    """A worker without a process."""

    def __init__(self, number: int, log: Path, threads: int) -> None:
        self.number, self.unit = number, None
        self.reader, self.writer = os.pipe()

    def fileno(self) -> int:
        return self.reader

    def kill(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    monkeypatch.setattr(pool, "Worker", Stub)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(devices, "cores", lambda: 4)
    monkeypatch.setattr(devices, "memory", lambda: 5 * GB)
    return []


def unit(needs: Needs, name: str = "00000000") -> Unit:
    return Unit(Stage("track", 1), name, {}, {}, needs=needs)


def started(workers: pool.Pool, needs: Needs, wanted: int) -> list[Any]:
    found = []
    for number in range(wanted):
        worker = workers.hire(unit(needs, f"{number:08d}"))
        if worker is None:
            break
        worker.unit = unit(needs, f"{number:08d}")
        found.append(worker)
    return found


def test_small_pictures_have_a_worker_a_core(notes: list[str], tmp_path: Path) -> None:
    workers = pool.Pool(RunSettings(), tmp_path, notes.append)
    assert len(started(workers, Needs.of_pictures(1280, 720), 9)) == 4
    assert notes == []
    workers.close(hurry=True)


def test_large_pictures_have_as_many_as_memory_carries_and_it_is_said(
    notes: list[str], tmp_path: Path
) -> None:
    workers = pool.Pool(RunSettings(), tmp_path, notes.append)
    needs = Needs.of_pictures(4096, 2160)
    assert 1.6e9 < needs.memory < 1.9e9
    assert len(started(workers, needs, 9)) == 3
    assert workers.hire(unit(needs)) is None
    (note,) = notes
    assert note.startswith("track: 3 of 4 workers at once, since one takes 1.7 GB and 5.4 GB are free")
    workers.close(hurry=True)


def test_who_names_a_number_has_it(notes: list[str], tmp_path: Path) -> None:
    workers = pool.Pool(RunSettings(workers=4), tmp_path, notes.append)
    assert len(started(workers, Needs(memory=4 * GB), 9)) == 4
    workers.close(hurry=True)


def test_one_unit_runs_however_much_it_needs(notes: list[str], tmp_path: Path) -> None:
    workers = pool.Pool(RunSettings(), tmp_path, notes.append)
    assert len(started(workers, Needs(memory=64 * GB), 9)) == 1
    workers.close(hurry=True)


def test_one_unit_at_a_time_has_the_gpu(notes: list[str], tmp_path: Path) -> None:
    workers = pool.Pool(RunSettings(), tmp_path, notes.append)
    assert len(started(workers, Needs(device="gpu"), 2)) == 1
    assert len(started(workers, Needs(), 1)) == 1
    workers.close(hurry=True)


def test_running_out_of_memory_lowers_the_number_at_work(notes: list[str], tmp_path: Path) -> None:
    workers = pool.Pool(RunSettings(workers=3), tmp_path, notes.append)
    first, *_ = started(workers, Needs(), 9)
    first.unit = None
    workers.ran_out()
    assert workers.count == 2
    assert workers.hire(unit(Needs())) is None
    assert notes == ["memory ran out; going on with 2 workers at once"]
    for worker in workers.busy:
        worker.unit = None
    workers.ran_out()
    workers.ran_out()
    assert workers.count == 1
    assert notes[1:] == ["memory ran out; going on with 1 worker at once"]
    assert workers.hire(unit(Needs()))
    workers.close(hurry=True)


def test_a_worker_that_cannot_be_started_is_done_without(
    notes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = pool.Pool(RunSettings(), tmp_path, notes.append)
    assert len(started(workers, Needs(), 1)) == 1

    def no_more(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(pool, "Worker", no_more)
    assert workers.hire(unit(Needs())) is None
    assert workers.count == 1
    workers.close(hurry=True)
    with pytest.raises(MemoryFullError):
        pool.Pool(RunSettings(), tmp_path, notes.append).hire(unit(Needs()))


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path) -> None:
    assert 0 < devices.memory() < 1 << 50
