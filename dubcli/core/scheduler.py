"""Does what a run has to do (`core.backlog`): workers, retries, stopping."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import dubcli
from dubcli import stages
from dubcli.core import keys, plan, scratch, sources
from dubcli.core.backlog import Backlog, Work, event_fields
from dubcli.core.events import Events
from dubcli.core.failures import is_fatal
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView
from dubcli.core.plan import Selection
from dubcli.core.pool import Pool
from dubcli.core.shortage import translated
from dubcli.core.signals import Stop
from dubcli.core.store import Files, remove_tree
from dubcli.core.worker import Message, Worker
from dubcli.errors import (
    DubError,
    MemoryFullError,
    StoppedError,
    UsageError,
    by_code,
)

WAITING_SECONDS = 60.0
"""How often it is said that a run waits for the GPU; set by hand."""


class Scheduler:
    """One run of a job."""

    def __init__(self, job: Job, events: Events, selection: Selection, *, salt: str = "") -> None:
        self.job = job
        self.events = events
        self.selection = selection
        self.salt = salt
        self.pool = Pool(job.settings.run, logs(job, selection), self._notice)
        self.backlog = Backlog(job, events, selection, salt=salt)
        self.hands: dict[Worker, Work] = {}
        self.fatal: DubError | None = None
        self.ran = 0
        self._waits = False  # for the GPU
        self._said_waiting = 0.0

    @property
    def view(self) -> JobView:
        """The job, and what is done of it."""
        return self.backlog.view

    def run(self) -> None:
        """Do all that the selection asks for.

        Raises:
            DubError: as the exit-code table says; what was finished is in the store.
        """
        with Stop(self.pool.kill, self._notice, self._send_exit) as stop:
            try:
                if self.backlog.planned(self.selection.stage):
                    self._notice(plan.idle(self.view, self.selection.stage, self.selection))
                self.backlog.foretell()
                while True:
                    if not (self.fatal or stop.signum):
                        if self._go_on():
                            continue
                    else:
                        self._let_go()
                    if not self.hands and (self.fatal or stop.signum or not self._waits):
                        break
                    for worker, message in self.pool.messages():
                        self._handle(worker, message)
            finally:
                self.pool.close(hurry=self.fatal is not None)
                for work in self.hands.values():
                    self._clear(work)
        if self.fatal:
            raise self.fatal
        if stop.signum:
            raise StoppedError(stop.signum)
        failures = self.backlog.failures
        if failures.errors or (self.selection.stage == stages.ORDER[-1] and self.view.failures):
            self._raise_failures()
        if self.selection.stage and not self.backlog.planned(self.selection.stage):
            left_out = self.backlog.left_out
            waits = sorted(left_out, key=stages.ORDER.index)
            others = plan.made_by_others(self.job, [row for name in waits for row in left_out[name]])
            why = f" ({others}; use one version on all machines)" if others else ""
            raise UsageError(
                f"{self.selection.stage} waits for {', '.join(waits)}{why}; "
                f"type the same with --stage {waits[0]}"
            )

    def _go_on(self) -> bool:
        """Plan what can be, and keep workers busy.

        Returns:
            Whether something was done at once, so that more may be.
        """
        try:
            self.backlog.plan_ready()
            if self._dispatch():
                return True
            idle = self.hands and not self.backlog.waiting and len(self.pool.busy) < self.pool.count
            return bool(idle) and self.backlog.plan_ahead()
        except DubError as error:
            self.fatal = error
            return False

    def _dispatch(self) -> bool:
        """Send waiting units to workers; True if one was done already, so that later stages may be ready."""
        self._waits = False
        settled = self._assign()
        if not self._waits and not any(work.unit.needs.device == "gpu" for work in self.hands.values()):
            self.pool.turn.release()
        self._say_waiting()
        return settled

    def _assign(self) -> bool:
        settled = False
        busy = {work.row.key for work in self.hands.values()}
        for work in list(self.backlog.waiting):
            if work.row.key in busy:
                continue
            if self.pool.waits_for_gpu(work.unit):
                self._waits = True
                continue
            worker = self.pool.hire(work.unit, fresh=work.attempt > 0)
            if worker is None:
                return settled
            self.backlog.waiting.remove(work)
            # A unit with the same inputs may have been finished since, here or on another machine.
            if not self.selection.forces(work.unit) and (artifact := self.job.store.get(work.row.key)):
                self._complete(work, artifact, cached=True)
                settled = True
                continue
            work.out = self.job.store.workspace()
            work.began = time.monotonic()
            work.attempt += 1
            busy.add(work.row.key)
            self.hands[worker] = work
            if work.attempt == 1:
                self.events(
                    "unit.start",
                    **event_fields(work.unit),
                    reasons=list(work.row.reasons),
                    cost=work.unit.cost,
                )
            kept = scratch.make(self.job.root, work.row.key) if work.unit.scratch else None
            worker.send(work.unit, self.job.store, work.out, batch=work.batch, scratch=kept)
        return settled

    def _let_go(self) -> None:
        """End units that keep checkpoints: what others have done would be lost, and they may take hours."""
        for worker, work in list(self.hands.items()):
            if work.unit.scratch:
                del self.hands[worker]
                self.pool.drop(worker)
                self._clear(work)

    def _say_waiting(self) -> None:
        """Say at once, and then once a minute, that there is nothing to do but to wait for the GPU."""
        now = time.monotonic()
        if not self._waits or self.hands:
            self._said_waiting = 0.0
        elif now - self._said_waiting >= WAITING_SECONDS:
            self._said_waiting = now
            self._notice("waits for the GPU, which another run uses")

    def _handle(self, worker: Worker, message: Message) -> None:
        work = self.hands.get(worker)
        kind = message["type"]
        if work is None:
            return
        if kind == "progress":
            self.events("progress", **event_fields(work.unit), done=message["done"], total=message["total"])
        elif kind == "warning":
            work.notes.append(message["text"])
            self.events("warning", **event_fields(work.unit), text=message["text"])
        else:
            del self.hands[worker]
            worker.unit = None
            if work.unit.needs.device == "gpu":
                self.pool.turn.release()
            changed = sources.find_change(work.unit, self.job.sources)
            if changed:
                self._fail(work, changed)
            elif kind == "done":
                self._commit(work, message["files"])
            else:
                self._fail(work, by_code(message["code"], message["error"])(message["text"]))

    def _commit(self, work: Work, files: Files) -> None:
        assert work.out
        store = self.job.store
        provenance = {
            "unit": work.unit.id,
            "dubcli": dubcli.__version__,
            "warnings": work.notes,
            "read": sorted({key for path in work.unit.paths.values() if (key := store.key_of_path(path))}),
        }
        try:
            if self.selection.forces(work.unit):
                store.remove(work.row.key)
            artifact = store.put(keys.preimage(work.unit, self.salt), work.out, provenance, files)
        except (OSError, DubError) as error:
            self.fatal = translated(error, self.job)
            self._clear(work)
        else:
            self.ran += 1
            self._complete(work, artifact, cached=False)

    def _complete(self, work: Work, artifact: Artifact, *, cached: bool) -> None:
        seconds = round(time.monotonic() - work.began, 3) if work.began else 0.0
        if work.unit.scratch:
            scratch.remove(self.job.root, work.row.key)
        self.backlog.done(work.unit, artifact, cached=cached, seconds=seconds)

    def _fail(self, work: Work, error: DubError) -> None:
        self._clear(work)
        final = is_fatal(error)
        if isinstance(error, MemoryFullError):
            self.pool.ran_out()
            work.batch /= 2
        if not final and work.attempt <= self.job.settings.run.retries:
            self.events("unit.retry", **event_fields(work.unit), attempt=work.attempt + 1, text=str(error))
            self.backlog.waiting.insert(0, work)
            return
        fatal = final or not work.unit.shot
        code, text = int(error.exit_code), str(error)
        self.job.set_failure(work.unit.id, {"code": code, "error": text, "attempts": work.attempt})
        self.events("unit.failed", **event_fields(work.unit), code=code, text=text, fatal=fatal)
        told = type(error)(text if final else f"{work.unit.id}: {error}")
        if fatal:
            self.fatal = told
            return
        self.backlog.failures.add(work.unit, told, text)
        self.backlog.close(work.unit)

    def _raise_failures(self) -> None:
        """The exit code of a run some of whose shots failed."""
        if (
            self.selection.shared
            and self.backlog.failures.fall_back
            and self.selection.stage != stages.ORDER[-1]
        ):
            self._notice("failed shots keep the original picture; the report, which comes last, ends with 6")
        else:
            raise self.backlog.failures.error()

    @staticmethod
    def _clear(work: Work) -> None:
        """Remove a unit's unfinished files: in a shared store they would stay for a day."""
        if work.out:
            remove_tree(work.out)

    def _notice(self, text: str) -> None:
        self.events("notice", text=text)

    def _send_exit(self, code: int) -> None:
        """Send the `exit` event of a run that a second signal ends: displays then restore the terminal."""
        self.events("exit", code=code, text="stopped at once; type the same command to continue")
        for work in self.hands.values():
            self._clear(work)


def logs(job: Job, selection: Selection) -> Path:
    """Where workers' logs go: a folder for each of several runs at once, since ends of logs are searched."""
    logs = job.root / "logs"
    return logs / f"{selection.stage}.{socket.gethostname()}.{os.getpid()}" if selection.shared else logs
