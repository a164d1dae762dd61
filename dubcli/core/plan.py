"""The plan of a job: its units, which must run, and why."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import dubcli
from dubcli import stages
from dubcli.core import keys, takes
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Unit
from dubcli.engines import registry, required
from dubcli.errors import DubError
from dubcli.settings.config import Settings
from dubcli.settings.layers import flatten

DONE, RUN, WAITING = "done", "run", "waiting"
OF_A_MACHINE = frozenset({"version", "engine", "weights", "libraries"})
"""Reasons to run that come from what is installed, not from what a person asked for."""


@dataclass(frozen=True)
class Row:
    """A unit of the plan.

    Attributes:
        unit: the unit; None for a stage whose units are not known yet.
        stage: the stage's name.
        key: the unit's key, "" if not known.
        state: `done`, `run`, or `waiting` for stages upstream.
        reasons: why it would run: `new`, `params`, `facts`, `engine`, `weights`, `libraries`, `input:<role>`,
            `version`, `forced`, `failed-before`, `lost`; of one that is done, `approved` where a reviewer
            keeps it.
        chosen: whether the selection asks for it.
    """

    stage: str
    unit: Unit | None = None
    key: str = ""
    state: str = WAITING
    reasons: tuple[str, ...] = ()
    artifact: Artifact | None = None
    chosen: bool = True


@dataclass(frozen=True)
class Selection:
    """Which units a run may do: all, or those of a stage, of a range of shots and of a share of these.

    Attributes:
        stage: only this stage, "" for all.
        until: the last stage to run, "" for all.
        shots: first and last shot name, inclusive; None for all.
        redo: stages whose units are done again although the store holds them.
        frames: only shots with frames in this half-open range, and those that are done already; stages of
            the whole film then work with these alone (`core.proof`).
    """

    stage: str = ""
    shots: tuple[str, str] | None = None
    redo: Collection[str] = ()
    until: str = ""
    frames: tuple[int, int] | None = None
    shard: tuple[int, int] | None = None

    @property
    def shared(self) -> bool:
        """Whether other runs may work on the same job beside this one: it does one stage only."""
        return bool(self.stage)

    def fields(self) -> dict[str, str]:
        """What events say of it: `only`, the stage, and `shard`."""
        shard = {"shard": "{}/{}".format(*self.shard)} if self.shard else {}
        return {"only": self.stage, **shard} if self.stage else {}

    def chosen(self, units: Collection[Unit]) -> set[str]:
        """Names of those of a stage's units that are asked for.

        Shares are dealt the longest units first, each to the share that has least so far: the same on every
        machine, whatever is done already.
        """
        found = [unit for unit in units if self._asks_for(unit)]
        if not self.shard:
            return {unit.name for unit in found}
        number, count = self.shard
        loads = [(0.0, share) for share in range(1, count + 1)]
        mine: set[str] = set()
        for unit in sorted(found, key=lambda unit: (-unit.cost, unit.name)):
            load, share = heapq.heappop(loads)
            heapq.heappush(loads, (load + unit.cost, share))
            if share == number:
                mine.add(unit.name)
        return mine

    def _asks_for(self, unit: Unit) -> bool:
        if self.stage and unit.stage.name != self.stage:
            return False
        return not (self.shots and unit.shot) or self.shots[0] <= unit.shot <= self.shots[1]

    def forces(self, unit: Unit) -> bool:
        """Whether a unit that was chosen is to be done again."""
        return unit.stage.name in self.redo


def view(job: Job) -> JobView:
    """The job as stages see it, without artifacts.

    Raises:
        DubError: the decisions of its review are not valid, or cannot be carried out.
    """
    found = JobView(sources=job.sources, settings=job.settings, suffix=job.out.suffix.lower())
    takes.decide(job, found)
    return found


def rows(job: Job, upstream: JobView, stage: str, selection: Selection, *, salt: str = "") -> list[Row]:
    """The rows of one stage whose upstream stages are complete in `upstream`, but for shots that it awaits.

    Raises:
        DubError: a source, an engine or the store is not as it must be.
    """
    if stage == "track":
        takes.check_shots(job, upstream)
    pinned = takes.pinned(job, upstream, stage)
    try:
        units = list(stages.module(stage).units(pinned.left(upstream)))
    except (DubError, MemoryError):
        raise
    except Exception:
        for name in stages.ORDER[: stages.ORDER.index(stage)]:  # a file changed on disk may parse as anything
            for artifact in upstream.all(name).values():
                job.store.verify(artifact.key)
        raise
    chosen = selection.chosen(units)
    found = [Row(stage, unit, own.key, DONE, ("approved",), own) for unit, own in pinned.units(stage)]
    for unit in units:
        if unit.shot not in pinned.shots:
            found.append(_row(job, unit, unit.name in chosen, selection, salt))
    found = [row for row in found if row.unit and row.unit.shot not in upstream.awaited]
    pinned.check(stage, {row.unit.id: row.key for row in found if row.unit and row.key}, job)
    if selection.frames:
        near = _near(upstream, selection.frames)
        found = [row for row in found if row.unit and (row.artifact or near(row.unit))]
    return found


def _near(upstream: JobView, frames: tuple[int, int]) -> Callable[[Unit], bool]:
    """Whether a unit's shot has frames in a range; units of the whole film always do."""
    from dubcli.artifacts.shots import Shots

    if "split" not in upstream.artifacts:
        return lambda unit: True
    shots = Shots.load(upstream.one("split").path).named()
    inside = {name for name, shot in shots.items() if shot.start < frames[1] and frames[0] < shot.stop}
    return lambda unit: not unit.shot or unit.shot in inside


def plan(job: Job, selection: Selection | None = None, *, salt: str = "") -> Iterator[Row]:
    """Every unit that can be known now, in running order; a stage that must wait is one row without a unit.

    Raises:
        DubError: a source, an engine or the store is not as it must be.
    """
    selection = selection or Selection()
    upstream = view(job)
    own = stages.order(upstream)
    complete = set(stages.ORDER) - set(own)
    for name in own:
        if not complete.issuperset(stages.module(name).STAGE.after):
            yield Row(name)
            continue
        found = rows(job, upstream, name, selection, salt=salt)
        yield from found
        upstream.artifacts[name] = {row.unit.name: row.artifact for row in found if row.unit and row.artifact}
        if all(row.state == DONE for row in found):
            complete.add(name)
        if name == selection.until:
            return


def idle(upstream: JobView, stage: str, selection: Selection, found: Sequence[Row] = ()) -> str:
    """Why a stage that was asked for has nothing to do, in words: a silent end looks like work.

    Args:
        upstream: the job.
        stage: the stage.
        selection: what was asked for.
        found: the stage's rows, none of which was chosen.
    """
    if not found:
        why = f"for this job: {stages.idle(upstream, stage)}"
    elif selection.shots:
        why = "here: no shot begins from {} to {}".format(*map(int, selection.shots))
    else:
        why = "here: there are fewer units than shares"
    return f"{stage} has nothing to do {why}"


def needed(job: Job) -> set[str]:
    """Keys of the artifacts that a job is made of, and of the takes of shots that were reviewed.

    Of an unfinished job also those it last came to.
    """
    found = list(plan(job))
    keep = {row.key for row in found if row.key}
    if any(row.state != DONE for row in found):
        keep |= {key for _, key in job.refs()}
    return keep | takes.needed(job)


def versions(settings: Settings) -> str:
    """What must be the same on all machines of a job, as `VERSION+DIGEST`; keys depend on the latter.

    The digest covers the versions of all stages, of dubcli's own engines and of those that the settings name.
    """
    values = flatten(settings.model_dump(mode="json"), Settings)
    named = [registry.engine(kind, str(values[setting])) for kind, setting in required.SETTINGS.items()]
    steps = {name: stages.module(name).STAGE.version for name in stages.ORDER}
    engines = {f"{info.kind}/{info.name}": info.algorithm for info in (*registry.BUILTIN, *named)}
    return f"{dubcli.__version__}+{keys.digest({'stages': steps, 'engines': engines})[:12]}"


def made_by_others(job: Job, found: Collection[Row]) -> str:
    """How what other machines did differs from what this one would do; "" where it does not."""
    there: set[str] = set()
    differ: set[str] = set()
    for row in found:
        other = OF_A_MACHINE.intersection(row.reasons)
        key = job.ref(row.unit.id) if row.unit and other else None
        if key:
            there.add(job.store.provenance(key).get("dubcli", "of an unknown version"))
            differ |= other
    if not there:
        return ""
    what = " and ".join(sorted(differ))
    names = ", ".join(sorted(there))
    return f"dubcli {names} did it with another {what} than this machine's {dubcli.__version__}"


def _row(job: Job, unit: Unit, chosen: bool, selection: Selection, salt: str) -> Row:
    key = keys.of(unit, salt)
    artifact = job.store.get(key)
    forced = chosen and selection.forces(unit)
    if artifact and not forced:
        return Row(unit.stage.name, unit, key, DONE, (), artifact, chosen)
    reasons: list[str] = ["forced"] if forced else []
    before_key = job.ref(unit.id)
    before = job.store.preimage(before_key) if before_key else None
    if before and before_key != key:
        image = keys.preimage(unit, salt)
        for field in ("stage", "version", "engine", "weights", "libraries", "params", "facts", "salt"):
            if before.get(field) != image.get(field):
                reasons.append(field)
        roles = sorted({*before.get("inputs", {}), *image["inputs"]})
        reasons += [f"input:{r}" for r in roles if before["inputs"].get(r) != image["inputs"].get(r)]
    elif not reasons:
        reasons.append("lost" if before_key else "new")
    if job.failure(unit.id):
        reasons.append("failed-before")
    return Row(unit.stage.name, unit, key, RUN, tuple(reasons), None, chosen)
