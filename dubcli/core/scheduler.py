"""Does the units of a plan: workers, retries, stopping.

A stage's units are planned when all stages before it are complete; units that the store holds are done by
definition, the others wait in one queue, earlier stages first and long shots before short ones.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dubcli
from dubcli import stages
from dubcli.core import consent, gpu, keys, plan, scratch, sources, training
from dubcli.core.events import Events
from dubcli.core.failures import Failures, is_fatal
from dubcli.core.inputs import Inputs
from dubcli.core.job import Job
from dubcli.core.model import Artifact, Unit
from dubcli.core.plan import Row, Selection
from dubcli.core.pool import Pool
from dubcli.core.shortage import translated
from dubcli.core.signals import Stop
from dubcli.core.store import MANIFEST, Files, remove_tree
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


@dataclass
class _Work:
    """A unit that waits or runs."""

    row: Row
    unit: Unit
    attempt: int = 0
    batch: float = 1.0
    out: Path | None = None
    began: float = 0.0
    notes: list[str] = field(default_factory=list)


class Scheduler:
    """One run of a job."""

    def __init__(self, job: Job, events: Events, selection: Selection, *, salt: str = "") -> None:
        self.job = job
        self.events = events
        self.selection = selection
        self.salt = salt
        self.pool = Pool(job.settings.run, logs(job, selection), self._notice)
        self.view = plan.view(job)
        self.planned: dict[str, int] = {}
        self.queue: list[_Work] = []
        self.hands: dict[Worker, _Work] = {}
        self.failures = Failures(self.view, job.settings.run.fallback == "original")
        self.fatal: DubError | None = None
        self.ran = 0
        self.left_out: dict[str, list[Row]] = {}
        self._inputs = Inputs()
        self._waits = False  # for the GPU
        self._said_waiting = 0.0
        for name in set(stages.ORDER) - set(stages.order(self.view)):
            self.planned[name], self.view.artifacts[name] = 0, {}

    def run(self) -> None:
        """Do all that the selection asks for.

        Raises:
            DubError: as the exit-code table says; what was finished is in the store.
        """
        with Stop(self.pool.kill, self._notice, self._send_exit) as stop:
            try:
                if self.selection.stage in self.planned:
                    self._notice(plan.idle(self.view, self.selection.stage, self.selection))
                self._foresee_tracking()
                self._foretell()
                while True:
                    if not (self.fatal or stop.signum):
                        self._plan_ready()
                        if self._dispatch():
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
        if self.failures.errors or (self.selection.stage == stages.ORDER[-1] and self.view.failures):
            self._raise_failures()
        if self.selection.stage and self.selection.stage not in self.planned:
            waits = sorted(self.left_out, key=stages.ORDER.index)
            others = plan.made_by_others(self.job, [row for name in waits for row in self.left_out[name]])
            why = f" ({others}; use one version on all machines)" if others else ""
            raise UsageError(
                f"{self.selection.stage} waits for {', '.join(waits)}{why}; "
                f"type the same with --stage {waits[0]}"
            )

    def _plan_ready(self) -> None:
        """Plan every stage whose upstream is complete, until one has units that must run."""
        for name in self._ready():
            self.events("stage.start", stage=name)
            try:
                self._verify_inputs(name)
                if name == consent.FIRST and (text := consent.check(self.job, self.view)):
                    self.events("warning", stage=name, unit="film", text=text)
                found = plan.rows(self.job, self.view, name, self.selection, salt=self.salt)
                waiting = [row.unit for row in found if row.unit and row.chosen and not row.artifact]
                if any(unit.needs.device == "gpu" for unit in waiting):
                    gpu.check(self.view, name)
                learning = name in stages.LEARNING
                seconds = self._foretell_training({one.id for one in waiting}) if learning else {}
            except DubError as error:
                self.fatal = error
                return
            asked = self.selection.stage or ("track" if self.selection.shots else "")
            if name == asked and not any(row.chosen for row in found):
                self._notice(plan.idle(self.view, name, self.selection, found))
            self.view.artifacts[name] = {}
            self.planned[name], cost = 0, 0.0
            for row in found:
                assert row.unit
                if row.artifact:
                    self._record(row.unit, row.artifact, cached=True)
                elif not row.chosen:
                    self._leave_out(row, row.unit)
                elif not self.failures.abandons(row.unit):
                    self.planned[name] += 1
                    cost += row.unit.cost
                    self.queue.append(_Work(row, row.unit))
            self.queue.sort(key=lambda work: (stages.ORDER.index(work.unit.stage.name), -work.unit.cost))
            run = self.planned[name]
            self.events("stage.plan", stage=name, units=len(found), run=run, cost=round(cost, 3), **seconds)
            if not self.planned[name]:
                self.events("stage.done", stage=name)

    def _foresee_tracking(self) -> None:
        """Before anything is done, make sure of the device where shots are yet to be tracked on one.

        Raises:
            DependencyError: it is not there.
        """
        if self.view.settings.track.device == "cuda" and not self.selection.stage:
            known = plan.plan(self.job, replace(self.selection, until="track"), salt=self.salt)
            if any(row.stage == "track" and row.state != plan.DONE for row in known):
                gpu.check(self.view, "track")

    def _foretell(self) -> None:
        """Before anything is done, say how long training will take, and that there is the device for it.

        Raises:
            DependencyError: there is not.
        """
        last = self.selection.stage or self.selection.until or stages.ORDER[-1]
        trained = self.job.ref("train/film")
        if "train" not in stages.order(self.view)[: stages.ORDER.index(last)] or (
            trained and self.job.store.path(trained).is_dir()
        ):
            return
        if self.selection.stage in ("", *stages.LEARNING, "lips"):
            gpu.check(self.view, "train")
            self._foretell_training(set(), gathered=False)

    def _foretell_training(self, units: set[str], *, gathered: bool = True) -> dict[str, float]:
        """Say how long some units will train; returns the field `seconds` for the stage that has them."""
        total = 0.0
        for one in training.forecasts(self.view, gathered=gathered):
            if f"{one.stage}/{one.unit}" in units or not gathered:
                took = round(one.seconds, 1)
                self.events("forecast", stage=one.stage, unit=one.unit, seconds=took, because=one.because)
                total += took
        return {"seconds": total} if total else {}

    def _leave_out(self, row: Row, unit: Unit) -> None:
        """Leave a unit to another run; where one failed and may fall back, its shot stays as it was."""
        failure = self.job.failure(unit.id)
        if failure and self.failures.fall_back and unit.shot:
            self.view.failures[unit.id] = str(failure.get("error", ""))
        else:
            self.left_out.setdefault(unit.stage.name, []).append(row)

    def _ready(self) -> Iterator[str]:
        last = self.selection.stage or self.selection.until or stages.ORDER[-1]
        for name in stages.ORDER[: stages.ORDER.index(last) + 1]:
            if name in self.planned or self.fatal:
                continue
            after = stages.module(name).STAGE.after
            if any(self.planned.get(stage, 1) or stage in self.left_out for stage in after):
                continue
            if name == "remux" and self.failures.errors and not self.failures.fall_back:
                continue
            yield name

    def _verify_inputs(self, stage: str) -> None:
        """Verify the artifacts that a stage is planned from: a changed byte would give another plan."""
        for name in stages.module(stage).STAGE.after:
            own = self.view.artifacts[name]
            for unit in own if name in stages.LEARNING else ("film", "dub"):
                if artifact := own.get(unit):
                    small = [path for path in artifact.path.glob("*.json") if path.name != MANIFEST]
                    self._inputs.check(self.job.store, small)

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
        for work in list(self.queue):
            if work.row.key in busy:
                continue
            if self.pool.waits_for_gpu(work.unit):
                self._waits = True
                continue
            try:
                worker = self.pool.hire(work.unit, fresh=work.attempt > 0)
            except DubError as error:
                self.fatal = error
                return False
            if worker is None:
                return settled
            self.queue.remove(work)
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
                    **_event_fields(work.unit),
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
            self.events("progress", **_event_fields(work.unit), done=message["done"], total=message["total"])
        elif kind == "warning":
            work.notes.append(message["text"])
            self.events("warning", **_event_fields(work.unit), text=message["text"])
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

    def _commit(self, work: _Work, files: Files) -> None:
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

    def _complete(self, work: _Work, artifact: Artifact, *, cached: bool) -> None:
        seconds = round(time.monotonic() - work.began, 3) if work.began else 0.0
        if work.unit.scratch:
            scratch.remove(self.job.root, work.row.key)
        self._record(work.unit, artifact, cached=cached, seconds=seconds)
        self._count_down(work.unit)

    def _record(self, unit: Unit, artifact: Artifact, *, cached: bool, seconds: float = 0.0) -> None:
        self.view.artifacts[unit.stage.name][unit.name] = artifact
        # What a proof makes of a part of the film is not what the film is made of.
        self.job.set_ref(f"proof/{unit.id}" if self.selection.frames else unit.id, artifact.key)
        kind = "unit.cached" if cached else "unit.done"
        self.events(kind, **_event_fields(unit), key=artifact.key, seconds=seconds, cost=unit.cost)

    def _count_down(self, unit: Unit) -> None:
        name = unit.stage.name
        self.planned[name] -= 1
        if not self.planned[name]:
            self.events("stage.done", stage=name)

    def _fail(self, work: _Work, error: DubError) -> None:
        self._clear(work)
        final = is_fatal(error)
        if isinstance(error, MemoryFullError):
            self.pool.ran_out()
            work.batch /= 2
        if not final and work.attempt <= self.job.settings.run.retries:
            self.events("unit.retry", **_event_fields(work.unit), attempt=work.attempt + 1, text=str(error))
            self.queue.insert(0, work)
            return
        fatal = final or not work.unit.shot
        code, text = int(error.exit_code), str(error)
        self.job.set_failure(work.unit.id, {"code": code, "error": text, "attempts": work.attempt})
        self.events("unit.failed", **_event_fields(work.unit), code=code, text=text, fatal=fatal)
        told = type(error)(text if final else f"{work.unit.id}: {error}")
        if fatal:
            self.fatal = told
            return
        self.failures.add(work.unit, told, text)
        self._count_down(work.unit)

    def _raise_failures(self) -> None:
        """The exit code of a run some of whose shots failed."""
        if self.selection.shared and self.failures.fall_back and self.selection.stage != stages.ORDER[-1]:
            self._notice("failed shots keep the original picture; the report, which comes last, ends with 6")
        else:
            raise self.failures.error()

    @staticmethod
    def _clear(work: _Work) -> None:
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


def _event_fields(unit: Unit) -> dict[str, Any]:
    """The fields by which events name a unit."""
    return {"stage": unit.stage.name, "unit": unit.name, **({"shot": unit.shot} if unit.shot else {})}
