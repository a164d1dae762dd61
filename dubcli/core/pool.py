"""The workers of a run: how many there may be, whether they are alive, and their messages."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dubcli.core import devices
from dubcli.core.gpu import Turn
from dubcli.core.model import Unit
from dubcli.core.shortage import memory_full, shortage
from dubcli.core.worker import Message, Worker, death_message
from dubcli.errors import DubError, EngineError, counted
from dubcli.settings.config import RunSettings

WAIT_SECONDS = 0.25
"""How long one poll for messages waits; set by hand, so that a signal is noticed at once."""
CHECK_SECONDS = 30.0
"""How often workers are checked for a hang, set by hand; more often where `run.timeout` is short."""
STARVED_SHARE = 0.1
"""Share of `run.timeout` without progress after which a worker without address space is given up."""


class Pool:
    """Worker processes, started when there is something for them to do.

    Attributes:
        count: worker processes at once; lowered where memory runs out.
        workers: those that run.
        turn: on the GPU, where units ask for one.
    """

    def __init__(self, settings: RunSettings, logs: Path, notice: Callable[[str], None]) -> None:
        self.settings = settings
        self.count = settings.workers or devices.cores()
        self.memory = devices.memory()
        self.workers: list[Worker] = []
        self.turn = Turn()
        self._logs = logs
        self._notice = notice
        self._notified: set[str] = set()
        self._checked = time.monotonic()
        self._selector = selectors.DefaultSelector()

    @property
    def busy(self) -> list[Worker]:
        """Workers that run a unit."""
        return [worker for worker in self.workers if worker.unit]

    def waits_for_gpu(self, unit: Unit) -> bool:
        """Whether a unit cannot start since another one, of this run or of another, has the GPU."""
        if unit.needs.device != "gpu":
            return False
        return any(worker.unit and worker.unit.needs.device == "gpu" for worker in self.workers) or (
            not self.turn.take()
        )

    def hire(self, unit: Unit, *, fresh: bool = False) -> Worker | None:
        """A worker for a unit, None while all are busy or memory does not suffice for one more.

        Args:
            unit: the unit to run.
            fresh: whether its process must be a new one.

        Raises:
            MemoryFullError: not a single worker can be started.
        """
        if self.waits_for_gpu(unit) or len(self.busy) >= self.count or not self._fits(unit):
            return None
        idle = next((worker for worker in self.workers if not worker.unit), None)
        if idle and not fresh:
            return idle
        if idle:
            self.drop(idle)
        return self._start()

    def messages(self) -> Iterator[tuple[Worker, Message]]:
        """Messages of workers within `WAIT_SECONDS`, and one for each worker that died or hangs."""
        for chosen, _ in self._selector.select(WAIT_SECONDS):
            worker = chosen.fileobj
            assert isinstance(worker, Worker)
            for message in worker.receive():
                if message["type"] == "died":
                    self.drop(worker)
                yield worker, message
        now = time.monotonic()
        if now - self._checked < min(CHECK_SECONDS, self.settings.timeout / 5):
            return
        self._checked = now
        for worker in self.busy:
            if error := self._hang(worker, now):
                self.drop(worker)
                yield worker, death_message(error)

    def ran_out(self) -> None:
        """Memory ran out: from now on as many workers as are busy, at least one."""
        left = max(1, len(self.busy))
        if left < self.count:
            self.count = left
            self._notice(f"memory ran out; going on with {counted(left, 'worker')} at once")

    def drop(self, worker: Worker) -> None:
        """End a worker and its children at once."""
        self._selector.unregister(worker)
        self.workers.remove(worker)
        worker.kill()

    def kill(self) -> None:
        """End all workers at once, from a signal handler or anywhere."""
        for worker in list(self.workers):
            worker.kill()

    def close(self, *, hurry: bool) -> None:
        """Let idle workers end, and end the others."""
        for worker in list(self.workers):
            if worker.unit or hurry:
                self.drop(worker)
            else:
                self._selector.unregister(worker)
                worker.close()
        self.workers.clear()
        self.turn.release()
        self._selector.close()

    def _fits(self, unit: Unit) -> bool:
        """Whether memory and devices suffice for a unit beside the running ones; alone it is always tried."""
        others = [worker.unit.needs for worker in self.busy if worker.unit]
        needed = unit.needs.memory + sum(other.memory for other in others)
        # A number of workers that the user has set is not lowered.
        if not others or self.settings.workers or needed <= self.memory:
            return True
        if unit.stage.name not in self._notified:
            self._notified.add(unit.stage.name)
            self._notice(
                f"{unit.stage.name}: {len(others)} of {self.count} workers at once, since one takes "
                f"{unit.needs.memory / 1e9:.1f} GB and {self.memory / 1e9:.1f} GB are free "
                f"(--workers {self.count} starts them all the same)"
            )
        return False

    def _start(self) -> Worker | None:
        self._logs.mkdir(parents=True, exist_ok=True)
        number = min(set(range(1, len(self.workers) + 2)) - {worker.number for worker in self.workers})
        threads = max(1, devices.cores() // self.count)
        try:
            worker = Worker(number, self._logs / f"worker-{number}.log", threads)
        except OSError as error:
            short = shortage(error, os.fspath(self._logs))
            if short and self.busy:
                self.ran_out()
                return None
            raise short or error from None
        self._selector.register(worker, selectors.EVENT_READ)
        self.workers.append(worker)
        return worker

    def _hang(self, worker: Worker, now: float) -> DubError | None:
        """The error of a worker that counts as hung, None while it does not."""
        timeout, stall = self.settings.timeout, self.settings.stall
        if worker.pulse.is_working():
            worker.last_active = now
        if now - worker.last_active > timeout:
            return EngineError(
                f"no message for {timeout:g} s; raise run.timeout if it needs longer "
                "(its process neither computes nor reads nor writes)"
            )
        if now - worker.last_progress > timeout * STARVED_SHARE and worker.pulse.is_starved():
            return memory_full()
        if stall and now - worker.last_progress > stall:
            return EngineError(
                f"no progress for {stall:g} s, although it works; raise run.stall if it needs longer"
            )
        return None
