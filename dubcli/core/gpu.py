"""The GPU: whether there is one, and whose turn it is among all runs of this user on this machine.

A card's memory does not suffice for two trainings, so runs take turns, a unit at a time. Two files are
locked: who computes holds `HOST.DEVICE`, who comes next holds `HOST.DEVICE.next`, so that a run that has many
units lets another in between. Locks are of the kind that ends with its process, and never carry correctness:
where files cannot be locked, everybody has their turn at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import IO

from dubcli.core import devices
from dubcli.core.model import JobView
from dubcli.core.shortage import shortage
from dubcli.core.worker import program
from dubcli.errors import DependencyError, MemoryFullError

_BUSY = {errno.EWOULDBLOCK, errno.EACCES}


def check(job: JobView, stage: str) -> None:
    """Make sure that there is a CUDA device where a stage is to compute on one.

    Raises:
        DependencyError: there is none.
    """
    from dubcli.stages.train import learners

    if stage == "track":
        if job.settings.track.device == "cuda":
            _try_onnx(*(network.path for network in job.weights(job.settings.track.engine).values()))
    elif job.settings.train.device == "cuda" and learners(job):
        devices.require_cuda()


def _try_onnx(*networks: Path) -> None:
    """Open networks on the GPU, in a process of its own: nothing else gives all of its memory back."""
    words = [*program("dubcli.models.onnx"), *map(str, networks)]
    # Ctrl-C is for this process alone, which then ends in its own way.
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, start_new_session=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"onnxruntime ended with {done.returncode}"])[-1]
        error = DependencyError(last)
        if not isinstance(shortage(error), MemoryFullError):  # another run has it now; units take turns
            raise error


class Turn:
    """A run's turn on the device that it would use."""

    def __init__(self) -> None:
        device = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        name = re.sub(r"[^\w-]", "-", f"{socket.gethostname()}.{device}")
        self._path = Path(cache) / "dubcli" / "gpu" / name
        self._device: IO[bytes] | None = None
        self._next: IO[bytes] | None = None

    def take(self) -> bool:
        """Whether it is this run's turn now; where it is not, it becomes the next if nobody is that yet."""
        if self._device is None:
            with contextlib.suppress(BlockingIOError):
                self._next = self._next or _locked(self._path.with_name(f"{self._path.name}.next"))
                self._device = _locked(self._path)
                self._leave(self._next)
                self._next = None
        return self._device is not None

    def release(self) -> None:
        """Let others have their turn; also gives up a place as the next."""
        self._leave(self._device)
        self._leave(self._next)
        self._device = self._next = None

    @staticmethod
    def _leave(file: IO[bytes] | None) -> None:
        if file:
            file.close()


def _locked(path: Path) -> IO[bytes]:
    """A file that is locked as long as it is open; one that no one else sees where there are no locks.

    Raises:
        BlockingIOError: another process has it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")  # noqa: SIM115 - closing it ends the turn
    except OSError:
        return open(os.devnull, "ab")
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            file.close()
            raise BlockingIOError(error.errno, "it is another's turn") from None
    return file
