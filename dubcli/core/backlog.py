"""What a run has to do: its stages' units, planned as soon as what they need is there.

A stage is planned when all stages before it are complete; units that the store holds are done by definition,
the others wait, earlier stages first and long shots before short ones. Where workers would be idle while some
end a stage, shots that are complete go on to the stages along it (`Stage.along`): these are planned in parts.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dubcli import stages
from dubcli.core import consent, gpu, plan, training
from dubcli.core.events import Events
from dubcli.core.failures import Failures
from dubcli.core.inputs import Inputs
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Unit
from dubcli.core.plan import Row, Selection
from dubcli.core.store import MANIFEST

PLANNING_SHARE = 0.1
"""Share of a run's time, at most, in which shots' next stages are planned ahead of others; set by hand."""


@dataclass
class Work:
    """A unit that waits or runs."""

    row: Row
    unit: Unit
    attempt: int = 0
    batch: float = 1.0
    out: Path | None = None
    began: float = 0.0
    notes: list[str] = field(default_factory=list)


@dataclass
class _Part:
    """What is planned of a stage.

    Attributes:
        units: names of its units that are planned.
        open: those of them that are not done.
        run: how many of them did not exist.
        cost: frames of work of these.
        awaited: units of stages before it whose shots are planned later, by id; empty once all are planned.
    """

    units: set[str] = field(default_factory=set)
    open: dict[str, Unit] = field(default_factory=dict)
    run: int = 0
    cost: float = 0.0
    awaited: dict[str, Unit] = field(default_factory=dict)


class Backlog:
    """The stages and waiting units of one run of a job.

    Attributes:
        view: the job, and what is done of it.
        waiting: what is to run, the next first.
        failures: what failed.
        left_out: stage → what is left to other runs.
    """

    def __init__(self, job: Job, events: Events, selection: Selection, *, salt: str = "") -> None:
        self.view = plan.view(job)
        self.waiting: list[Work] = []
        self.failures = Failures(self.view, job.settings.run.fallback == "original")
        self.left_out: dict[str, list[Row]] = {}
        self._job = job
        self._events = events
        self._selection = selection
        self._salt = salt
        self._inputs = Inputs()
        self._parts: dict[str, _Part] = {}
        self._next_ahead = 0.0
        for name in set(stages.ORDER) - set(stages.order(self.view)):
            self._parts[name], self.view.artifacts[name] = _Part(), {}

    def planned(self, stage: str) -> bool:
        """Whether all units of a stage are known."""
        return stage in self._parts and not self._parts[stage].awaited

    def plan_ready(self) -> None:
        """Plan every stage whose upstream is complete, until one has units that must run.

        Raises:
            DubError: a stage cannot be planned, or must not run.
        """
        for name in self._asked():
            held = name == "remux" and self.failures.errors and not self.failures.fall_back
            if not held and all(map(self._complete, stages.module(name).STAGE.after)):
                self._plan(name, {})

    def plan_ahead(self) -> bool:
        """Plan what follows for complete shots, though others are still worked on.

        Returns:
            Whether something waits now.

        Raises:
            DubError: as `plan_ready`.
        """
        began = time.monotonic()
        if began < self._next_ahead:
            return False
        for name in self._asked():
            stage = stages.module(name).STAGE
            before = self._parts.get(stage.along)
            if before is None or not all(self._complete(one) for one in stage.after if one != stage.along):
                continue
            awaited = before.awaited | {unit.id: unit for unit in before.open.values()}
            part = self._parts.get(name)
            if (
                awaited
                and stage.along not in self.left_out
                and (not part or awaited.keys() != part.awaited.keys())
            ):
                self._plan(name, awaited)
        now = time.monotonic()
        self._next_ahead = now + (now - began) / PLANNING_SHARE
        return bool(self.waiting)

    def foretell(self) -> None:
        """Before anything is done, say how long training will take, and that there are the devices asked for.

        Raises:
            DependencyError: one is not there.
        """
        if self.view.settings.track.device == "cuda" and not self._selection.stage:
            known = plan.plan(self._job, replace(self._selection, until="track"), salt=self._salt)
            if any(row.stage == "track" and row.state != plan.DONE for row in known):
                gpu.check(self.view, "track")
        trained = self._job.ref("train/film")
        if "train" not in stages.order(self.view)[: stages.ORDER.index(self._last)] or (
            trained and self._job.store.path(trained).is_dir()
        ):
            return
        if self._selection.stage in ("", *stages.LEARNING, "lips"):
            gpu.check(self.view, "train")
            training.announce(self.view, self._events)

    def done(self, unit: Unit, artifact: Artifact, *, cached: bool, seconds: float = 0.0) -> None:
        """A unit is done: its result is in the store."""
        self.view.artifacts[unit.stage.name][unit.name] = artifact
        # What a proof makes of a part of the film is not what the film is made of.
        self._job.set_ref(f"proof/{unit.id}" if self._selection.frames else unit.id, artifact.key)
        kind = "unit.cached" if cached else "unit.done"
        self._events(kind, **event_fields(unit), key=artifact.key, seconds=seconds, cost=unit.cost)
        self.close(unit)

    def close(self, unit: Unit) -> None:
        """Nothing more is to be done for a unit: it is done, or has failed."""
        part = self._parts[unit.stage.name]
        if part.open.pop(unit.name, None) and not part.open and not part.awaited:
            self._events("stage.done", stage=unit.stage.name)

    @property
    def _last(self) -> str:
        return self._selection.stage or self._selection.until or stages.ORDER[-1]

    def _asked(self) -> Iterator[str]:
        """The stages that are asked for and not planned whole."""
        for name in stages.ORDER[: stages.ORDER.index(self._last) + 1]:
            if not self.planned(name):
                yield name

    def _complete(self, stage: str) -> bool:
        return self.planned(stage) and not self._parts[stage].open and stage not in self.left_out

    def _plan(self, name: str, awaited: dict[str, Unit]) -> None:
        """Plan a stage, but for the shots of units upstream that are still awaited."""
        part = self._parts.get(name)
        if part is None:
            self._events("stage.start", stage=name)
        self._verify_inputs(name)
        if name == consent.FIRST and (text := consent.check(self._job, self.view)):
            self._events("warning", stage=name, unit="film", text=text)
        found = plan.rows(self._job, self._without(awaited.values()), name, self._selection, salt=self._salt)
        to_run = [row.unit for row in found if row.unit and row.chosen and not row.artifact]
        if any(unit.needs.device == "gpu" for unit in to_run):
            gpu.check(self.view, name)
        learns = name in stages.LEARNING
        seconds = training.announce(self.view, self._events, {unit.id for unit in to_run}) if learns else {}
        asked = self._selection.stage or ("track" if self._selection.shots else "")
        if name == asked and not any(row.chosen for row in found):
            self._events("notice", text=plan.idle(self.view, name, self._selection, found))
        if part is None:
            part = self._parts[name] = _Part()
            self.view.artifacts[name] = {}
        self._take(part, found)
        part.awaited = awaited
        rest = len(awaited)  # about what is still to come
        cost = part.cost + sum(unit.cost for unit in awaited.values())
        fields: dict[str, Any] = {
            "units": len(part.units) + rest,
            "run": part.run + rest,
            "cost": round(cost, 3),
        }
        self._events("stage.plan", stage=name, **fields, **seconds)
        if not part.open and not awaited:
            self._events("stage.done", stage=name)

    def _take(self, part: _Part, found: Collection[Row]) -> None:
        """Take in those units of a stage that are not known yet."""
        for row in found:
            unit = row.unit
            assert unit
            if unit.name in part.units:
                continue
            part.units.add(unit.name)
            if row.artifact:
                self.done(unit, row.artifact, cached=True)
            elif not row.chosen:
                self._leave_out(row, unit)
            elif not self.failures.abandons(unit):
                part.run += 1
                part.cost += unit.cost
                part.open[unit.name] = unit
                self.waiting.append(Work(row, unit))
        self.waiting.sort(key=lambda work: (stages.ORDER.index(work.unit.stage.name), -work.unit.cost))

    def _without(self, awaited: Collection[Unit]) -> JobView:
        """The job without what there is so far of shots that are awaited."""
        shots = frozenset(unit.shot for unit in awaited)
        return replace(self.view.without(shots, stages.BY_SHOT), awaited=shots) if shots else self.view

    def _leave_out(self, row: Row, unit: Unit) -> None:
        """Leave a unit to another run; where one failed and may fall back, its shot stays as it was."""
        failure = self._job.failure(unit.id)
        if failure and self.failures.fall_back and unit.shot:
            self.view.failures[unit.id] = str(failure.get("error", ""))
        else:
            self.left_out.setdefault(unit.stage.name, []).append(row)

    def _verify_inputs(self, stage: str) -> None:
        """Verify the artifacts that a stage is planned from: a changed byte would give another plan."""
        for name in stages.module(stage).STAGE.after:
            own = self.view.artifacts[name]
            for unit in own if name in stages.LEARNING else ("film", "dub"):
                if artifact := own.get(unit):
                    small = [path for path in artifact.path.glob("*.json") if path.name != MANIFEST]
                    self._inputs.check(self._job.store, small)


def event_fields(unit: Unit) -> dict[str, Any]:
    """The fields by which events name a unit."""
    return {"stage": unit.stage.name, "unit": unit.name, **({"shot": unit.shot} if unit.shot else {})}
