"""Locks: one run of a whole job, or many of single stages, on this machine and on others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dubcli.core import lock
from dubcli.errors import LockedError


def abroad(root: Path, text: str, age: float = 0.0) -> Path:
    """What a run on another machine leaves while it works."""
    (root / lock.FOLDER).mkdir(exist_ok=True)
    path = root / lock.FOLDER / "elsewhere.7"
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_single_stages_share_a_job_and_a_whole_run_does_not(tmp_path: Path) -> None:
    with lock.hold(tmp_path, shared=True):
        with lock.hold(tmp_path, shared=True):
            pass
        with pytest.raises(LockedError), lock.hold(tmp_path):
            pass
    with lock.hold(tmp_path), pytest.raises(LockedError), lock.hold(tmp_path, shared=True):
        pass
    assert not lock.holders(tmp_path)


@pytest.mark.parametrize(
    ("theirs", "shared", "refused"),
    [("alone", True, True), ("shared", True, False), ("shared", False, True), ("alone", False, True)],
)
def test_other_machines_count_though_the_file_system_passes_no_locks(
    tmp_path: Path, theirs: str, shared: bool, refused: bool
) -> None:
    abroad(tmp_path, theirs)
    if refused:
        with pytest.raises(LockedError, match=r"process 7 on elsewhere .*dubcli unlock --force"):
            lock.hold(tmp_path, shared=shared).__enter__()
    else:
        with lock.hold(tmp_path, shared=shared):
            assert len(lock.holders(tmp_path)) == 2


def test_a_machine_without_a_sign_of_life_holds_nothing(tmp_path: Path) -> None:
    abroad(tmp_path, "alone", age=lock.DEAD_SECONDS + 1)
    with lock.hold(tmp_path):
        pass


def test_a_run_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    threads = threading.active_count()  # other tests may have left some
    with lock.hold(tmp_path):
        (own,) = lock.holders(tmp_path)
        os.utime(own.path, (1, 1))
        end = time.monotonic() + 5
        while own.path.stat().st_mtime < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert lock.holders(tmp_path)[0].alive
    assert threading.active_count() == threads


def test_what_a_killed_run_left_here_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from dubcli.core import lock\n"
        "with lock.hold(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [holder.alive for holder in lock.holders(tmp_path)] == [False]
    with lock.hold(tmp_path):
        pass


def test_release_spares_the_living(tmp_path: Path) -> None:
    theirs = abroad(tmp_path, "alone")
    with pytest.raises(LockedError):
        lock.release(tmp_path)
    assert [holder.path for holder in lock.release(tmp_path, force=True)] == [theirs]
    with lock.hold(tmp_path), pytest.raises(LockedError, match=f"kill {os.getpid()}"):
        lock.release(tmp_path, force=True)
