"""Locks on a job directory: who works on it now, here and elsewhere. They never carry correctness.

    locks/run           locked by `flock` as long as a run lasts; network file systems may not pass that on
    locks/HOST.PID      a file per run, touched every `BEAT_SECONDS`: how machines see each other
    locks/publish       locked while the film is put at its place

A run of the whole job holds it alone; runs of single stages share it, as many and on as many machines as one
likes. What a killed run on this machine leaves behind counts for nothing; a run on another machine counts as
dead once its file was not touched for `DEAD_SECONDS`. Times are the file server's, so that clocks may differ.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dubcli.errors import LockedError, typed

FOLDER = "locks"
BEAT_SECONDS = 20.0
"""How often a run touches its file; set by hand."""
DEAD_SECONDS = 300.0
"""How long a file of another machine may stay untouched; set by hand, for file servers that fail over."""
PUBLISH_SECONDS = 60.0
"""How long publishing waits for another machine that publishes; set by hand."""
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@dataclass(frozen=True)
class Holder:
    """A run that holds a job, or did when it died.

    Attributes:
        path: its file.
        shared: whether it does a single stage and lets others work beside it.
        age: seconds since it last touched its file.
    """

    path: Path
    host: str
    pid: int
    shared: bool
    age: float

    @property
    def here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == _host()

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as this machine can know."""
        return self.age < DEAD_SECONDS and (not self.here or _is_running(self.pid))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@contextlib.contextmanager
def hold(root: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a job: alone, or beside others that share it.

    Raises:
        LockedError: another run holds it.
    """
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    own = folder / f"{_host()}.{os.getpid()}"
    with open(folder / "run", "a+", encoding="utf-8") as file:
        exact = _flock(file.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX, root)
        own.write_text("shared" if shared else "alone", "utf-8")
        try:
            # Written before others are looked for: of two that begin at once, at least one sees the other.
            for other in holders(root):
                beside = shared and other.shared
                if other.path != own and other.alive and not beside and not (exact and other.here):
                    raise LockedError(_refusal(root, other))
            with _beating(own):
                yield
        finally:
            own.unlink(missing_ok=True)


@contextlib.contextmanager
def publishing(root: Path) -> Iterator[None]:
    """Wait until no other run publishes this job's film, at most `PUBLISH_SECONDS`: that one may be dead."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    end = time.monotonic() + PUBLISH_SECONDS
    with open(folder / "publish", "a+", encoding="utf-8") as file:
        while time.monotonic() < end:
            try:
                _flock(file.fileno(), fcntl.LOCK_EX, root)
                break
            except LockedError:
                time.sleep(0.2)
        yield


def holders(root: Path) -> list[Holder]:
    """All runs that left a file, dead ones included."""
    found: list[Holder] = []
    files = sorted((root / FOLDER).glob("*.*"))
    now = _server_time(root / FOLDER) if files else 0.0
    for path in files:
        host, _, pid = path.name.rpartition(".")
        if host and pid.isdecimal():
            with contextlib.suppress(OSError):  # it has just ended
                age = now - path.stat().st_mtime
                found.append(Holder(path, host, int(pid), path.read_text("utf-8") == "shared", age))
    return found


def release(root: Path, *, force: bool = False) -> list[Holder]:
    """Remove what dead machines hold a job by; returns what was removed.

    Args:
        force: also where another machine gave a sign of life lately.

    Raises:
        LockedError: a run that lives holds it; one of this machine is never removed.
    """
    found = holders(root)
    for holder in found:
        if holder.alive and (holder.here or not force):
            raise LockedError(_refusal(root, holder))
    for holder in found:
        holder.path.unlink(missing_ok=True)
    # A file server may keep the lock of a client that is dead: another file has none.
    for name in ("run", "publish"):
        (root / FOLDER / name).unlink(missing_ok=True)
    return found


def _flock(descriptor: int, mode: int, root: Path) -> bool:
    """Lock a file; False where the file system has no locks.

    Raises:
        LockedError: another process has it.
    """
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        living = [one for one in holders(root) if one.alive]
        raise LockedError(_refusal(root, living[0] if living else None)) from None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _refusal(root: Path, holder: Holder | None) -> str:
    if holder is None:
        return (
            f"another run holds {root}; wait for it, or, if that is dead, type: dubcli unlock {typed(root)}"
        )
    if holder.here:
        return f"{holder} holds {root}; wait for it, or stop it (kill {holder.pid})"
    return (
        f"{holder} holds {root}, which it last touched {holder.age:.0f} s ago; wait for it, or, if that "
        f"machine is dead, type: dubcli unlock --force {typed(root)}"
    )


@contextlib.contextmanager
def _beating(path: Path) -> Iterator[None]:
    """Touch a file again and again, from a thread: a run may spend minutes in one call."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            try:
                os.utime(path)
            except FileNotFoundError:  # released by a person
                return
            except OSError:  # the file server is away for a moment
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _server_time(folder: Path) -> float:
    """Now, by the clock of the machine that keeps a folder; by this one's where that is read-only."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="now-") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _host() -> str:
    return re.sub(r"[^\w-]", "-", socket.gethostname()) or "localhost"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
