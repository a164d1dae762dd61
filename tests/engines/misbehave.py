"""Engines that misbehave on purpose, found by dubcli through their entry points like anybody's."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.engines.registry import EngineInfo

if TYPE_CHECKING:
    from dubcli.artifacts.tracks import FaceTrack
    from dubcli.engines.lips import LipWork
    from dubcli.media.patches import Patch

MARK = "DUBCLI_TEST_MARK"
"""Names a directory in which engines leave one file per call, so that tests can count the calls."""


def _info(kind: str, name: str, target: str) -> EngineInfo:
    return EngineInfo(kind, name, 1, f"misbehave:{target}", "misbehaves", "Apache-2.0")


crash = _info("tracker", "crash", "Crash")
hang = _info("tracker", "hang", "Hang")
polluter = _info("tracker", "polluter", "Polluter")
raises = _info("tracker", "raises", "Raises")
quiet = _info("tracker", "quiet", "Quiet")
parent = _info("tracker", "parent", "Parent")
deadlock = _info("tracker", "deadlock", "Deadlock")
endless = _info("tracker", "endless", "Endless")
starved = _info("tracker", "starved", "Starved")
killed = _info("tracker", "killed", "Killed")
bad_alloc = _info("tracker", "bad-alloc", "BadAlloc")
tensors = _info("tracker", "tensors", "Tensors")
hungry = _info("tracker", "hungry", "Hungry")
hungry_once = _info("tracker", "hungry-once", "HungryOnce")
missing = _info("tracker", "missing", "NotThere")
short = _info("lips", "short", "Short")

ENTRY_POINTS = """[dubcli.engines]
crash = misbehave:crash
hang = misbehave:hang
polluter = misbehave:polluter
raises = misbehave:raises
quiet = misbehave:quiet
parent = misbehave:parent
deadlock = misbehave:deadlock
endless = misbehave:endless
starved = misbehave:starved
killed = misbehave:killed
bad-alloc = misbehave:bad_alloc
tensors = misbehave:tensors
hungry = misbehave:hungry
hungry-once = misbehave:hungry_once
missing = misbehave:missing
short = misbehave:short
"""


def install(folder: Path) -> Path:
    """Make a folder for PYTHONPATH in which these engines are an installed distribution."""
    made = folder / "misbehave-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehave\nVersion: 1.0\n")
    (made / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def _mark() -> int:
    """Leave a mark of this call; returns how many came before."""
    folder = Path(os.environ[MARK])
    count = len(list(folder.iterdir()))
    (folder / f"call-{count}-{os.getpid()}").touch()
    return count


class _Tracker:
    def track(
        self,
        pictures: Iterable[Any],
        *,
        turn: int = 0,
        views: int = 4,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[FaceTrack]:
        _mark()
        for count, _ in enumerate(pictures, 1):
            done(count)
        self.misbehave()
        return []

    def misbehave(self) -> None:
        """What is wrong with it."""


class Crash(_Tracker):
    """Takes its process down."""

    def misbehave(self) -> None:
        os.abort()


class Hang(_Tracker):
    """Never answers."""

    def misbehave(self) -> None:
        time.sleep(10_000)


QUIET_SECONDS = 8.0
"""How long engines work without a word: many times the limit that tests set."""


class Starved(_Tracker):
    """Asks for memory again and again under a limit of address space, as OpenBLAS does."""

    def misbehave(self) -> None:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (16 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        while True:
            with contextlib.suppress(OSError):
                mmap.mmap(-1, 32 << 20)


class Quiet(_Tracker):
    """Works for long and says nothing."""

    def misbehave(self) -> None:
        end = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < end:
            sum(range(10_000))


class Parent(_Tracker):
    """Waits for a child that works for long."""

    def misbehave(self) -> None:
        code = "import sys, time\nend = time.time() + float(sys.argv[1])\nwhile time.time() < end: pass"
        subprocess.run([sys.executable, "-c", code, str(QUIET_SECONDS)], check=True)


class Deadlock(_Tracker):
    """Waits for itself."""

    def misbehave(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


class Endless(_Tracker):
    """Works and gets nowhere."""

    def misbehave(self) -> None:
        while True:
            sum(range(10_000))


class Killed(_Tracker):
    """Is killed from outside, as by a system that is short of memory."""

    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class BadAlloc(_Tracker):
    """Dies as a C++ library does when no memory is given."""

    def misbehave(self) -> None:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
        os.abort()


class Tensors(_Tracker):
    """Meets a full disk where the error has no number."""

    def misbehave(self) -> None:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


class Polluter(_Tracker):
    """Prints where the protocol is spoken, from Python and from below it."""

    def misbehave(self) -> None:
        print('{"type": "done"}')
        sys.stdout.flush()
        os.write(1, b'{"type": "error", "code": 1, "text": "not me"}\n')


class Raises(_Tracker):
    """Raises what nobody expects."""

    def misbehave(self) -> None:
        raise ValueError("tensor of shape (0,)\nand a second line")


class Hungry(_Tracker):
    """Needs more memory than there is."""

    def misbehave(self) -> None:
        raise MemoryError


class HungryOnce(_Tracker):
    """Runs out of memory the first time only."""

    def misbehave(self) -> None:
        if len(list(Path(os.environ[MARK]).iterdir())) == 1:
            raise MemoryError


class Short:
    """A lip engine that leaves out the last frame."""

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """All patches of the default engine but the last."""
        from dubcli.engines.lips.exemplar import ExemplarEngine

        *patches, _ = ExemplarEngine().patches(work)
        return iter(patches)
