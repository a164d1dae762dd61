"""The pipeline: one module per stage, in running order."""

from __future__ import annotations

import importlib
import typing
from typing import Protocol

from dubcli.core.model import JobView, Stage, Task, Unit

ORDER = (
    "probe",
    "scan",
    "split",
    "track",
    "cast",
    "align",
    "cue",
    "gallery",
    "learn",
    "train",
    "adapt",
    "motion",
    "lips",
    "measure",
    "compose",
    "remux",
    "report",
)

LEARNING = ("train", "adapt")
"""Stages that a job has only where a lip engine learns from the film."""

BY_SHOT = ("track", "gallery", "adapt", "motion", "lips", "measure", "compose")
"""Stages that go by shots, faces or people: their units keep all workers, and several machines, busy."""


class StageModule(Protocol):
    """What every module here has."""

    STAGE: Stage

    def units(self, job: JobView) -> list[Unit]:
        """The stage's units, from finished artifacts upstream."""

    def run(self, task: Task) -> None:
        """Do one unit."""

    def check(self, task: Task) -> None:
        """Raise `CheckError` where the result of `run` is not what it must be."""


def order(job: JobView) -> tuple[str, ...]:
    """The stages of a job, as its settings say."""
    from dubcli.stages.train import learners

    return ORDER if learners(job) else tuple(name for name in ORDER if name not in LEARNING)


def idle(job: JobView, name: str) -> str:
    """Why a stage that has no units has nothing to do for a job, in words."""
    if name not in order(job):
        return (
            f"no lip engine that it asks for learns from the film (lips.engine is {job.settings.lips.engine})"
        )
    if name == "measure" and not job.settings.report.measure:
        return "report.measure is 0"
    if name == "adapt" and not job.settings.train.person_steps:
        return "train.person_steps is 0"
    if name == "adapt" and job.all("train"):
        return "nobody in it has the footage that training asks for"
    return "no mouth in it is to be changed"


def module(name: str) -> StageModule:
    """The module of a stage."""
    # Not `from typing import cast`: the name is that of a stage here.
    return typing.cast(StageModule, importlib.import_module(f"dubcli.stages.{name}"))
