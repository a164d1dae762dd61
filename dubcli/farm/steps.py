"""A job as steps that a farm's scheduler can order: one for each stage, with what a task of it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dubcli import stages
from dubcli.core import plan
from dubcli.core.job import Job
from dubcli.core.model import JobView, Needs, Unit
from dubcli.stages import lips, track, train

NOTICE_SECONDS = 300
"""How long before a limit a task is asked to stop, and how long it may then take; set by hand."""


@dataclass(frozen=True)
class Step:
    """A stage on a farm.

    Attributes:
        stage: its name, and the step's.
        after: steps that must be complete.
        tasks: into how many shares its units are dealt.
        workers: worker processes in a task: cores.
        memory: mebibytes of memory for a task.
        gpu: whether a task computes on a GPU.
    """

    stage: str
    after: tuple[str, ...]
    tasks: int
    workers: int
    memory: int
    gpu: bool


def steps(job: Job, shards: int, workers: int) -> Iterator[Step]:
    """The steps of a job whose film was probed.

    Args:
        job: the job, with its sources read.
        shards: tasks of each stage that is dealt.
        workers: worker processes in a task of these; the other stages have one or two units.

    Raises:
        DubError: a source, an engine or the store is not as it must be.
    """
    # Of a stage that is planned and has no units, as where nobody speaks, the plan has no row.
    known: dict[str, list[Unit]] = {name: [] for name in stages.ORDER}
    rows = list(plan.plan(job))
    for row in rows:
        known[row.stage] += [row.unit] if row.unit else []
    view = plan.view(job)
    probed = [row for row in rows if row.stage == "probe"]
    view.artifacts["probe"] = {row.unit.name: row.artifact for row in probed if row.unit and row.artifact}
    unknown = _unknown_needs(view)
    own = stages.order(view)
    for name in own:
        dealt = name in stages.BY_SHOT
        needs = [unit.needs for unit in known[name]] or [unknown.get(name, Needs())]
        count = workers if dealt else min(workers, max(1, len(known[name])))
        memory = count * max(one.memory for one in needs)
        yield Step(
            stage=name,
            after=tuple(one for one in stages.module(name).STAGE.after if one in own),
            tasks=shards if dealt else 1,
            workers=count,
            memory=-(-memory // (1 << 20)),
            gpu=any(one.device == "gpu" for one in needs),
        )


def _unknown_needs(view: JobView) -> dict[str, Needs]:
    """Stage → the needs of its units until these are known: what goes by shots is taken to need most."""
    found = dict.fromkeys(stages.BY_SHOT, view.picture_needs) | {"track": track.needs(view)}
    if learns := train.learners(view):
        network = train.needs(view.settings.train)
        found |= dict.fromkeys(stages.LEARNING, network)
        found["lips"] = lips.needs(view, next(iter(learns.values())))
    return found


def outside(job: Job) -> list[Path]:
    """Files of a job that lie outside the folder of its job directory: a farm cannot map their paths."""
    folder = job.root.resolve().parent
    files = [job.film, job.dub, job.out, job.store.root, *job.stems.values()]
    files += [job.script] if job.script else []
    return [path for path in files if not path.resolve().is_relative_to(folder)]


def arguments(step: Step, version: str) -> list[str]:
    """The words of a task after `dubcli run JOB`, without its share and how it shows progress."""
    return ["--stage", step.stage, "--workers", str(step.workers), "--expect", version]
