"""`adapt`: a lip engine's weights for one person, made from the film's.

A stage of its own, since its units are made from the unit of `train`: stages list their units from what those
before them have left, and a unit that waits for another of its own stage could not be planned.
"""

from __future__ import annotations

from dataclasses import dataclass

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.weights import TrainFacts
from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.engines.registry import EngineInfo, engine, learner
from dubcli.stages import train

STAGE = Stage("adapt", version=1, after=("train",))

check = train.check


def units(job: JobView) -> list[Unit]:
    """One unit per person the film's weights know, where a shot with their cue asks for the engine."""
    settings, trained = job.settings.train, job.all("train")
    if not trained or not settings.person_steps:
        return []
    depth, found = MediaInfo.load(job.one("probe").path).film.bit_depth, []
    for info in train.learners(job).values():
        base = trained[train.unit_name(job, "film", info)]
        wanted = train.people(job, info)
        for person, learnt in TrainFacts.load(base.path).people.items():
            if person not in wanted:
                continue
            footage = job.one("gallery", person)
            found.append(
                Unit(
                    STAGE,
                    train.unit_name(job, person, info),
                    inputs={"base": base.content, f"gallery/{person}": footage.content},
                    paths={"base": base.path, f"gallery/{person}": footage.path},
                    params=settings.model_dump(include={"size", "person_steps"}),
                    facts={"depth": depth},
                    engine=info,
                    cost=learnt.frames,
                    needs=train.needs(settings),
                    scratch=True,
                )
            )
    return found


def run(task: Task) -> None:
    """Write one person's weights."""
    footage = {
        role.removeprefix("gallery/"): path
        for role, path in task.inputs.items()
        if role.startswith("gallery/")
    }
    train.learn(task, footage, task.inputs["base"], task.params["person_steps"], {})


@dataclass(frozen=True)
class Drawing:
    """How a face is drawn.

    Attributes:
        engine: the lip engine.
        weights: role → artifact of its weights, empty of an engine that learns nothing.
        why: the reason, where it is another than the settings name.
    """

    engine: EngineInfo
    weights: dict[str, Artifact]
    why: str = ""


def drawing(job: JobView, shot: str, person: str) -> Drawing:
    """How a person is drawn in a shot: as the settings say, but by `exemplar` where training does not help.

    That is where a person has too little footage to train on, or, under an engine that chooses, where
    footage held out of the training was drawn no better.
    """
    info = engine("lips", job.settings_of(shot).lips.engine)
    learns = learner(info)
    if learns is None:
        return Drawing(info, {})
    base = job.one("train", train.unit_name(job, "film", learns))
    facts = TrainFacts.load(base.path)
    exemplar = engine("lips", "exemplar")
    if person not in facts.people:
        seconds = facts.left_out.get(person, 0.0)
        return Drawing(exemplar, {}, f"{learns.name} was not trained on {seconds:.1f} s of usable footage")
    weights, gain = {f"{info.name}/film": base}, facts.people[person].gain
    own = job.artifacts.get("adapt", {}).get(train.unit_name(job, person, learns))
    if own:
        weights[f"{info.name}/person"] = own
        gain = TrainFacts.load(own.path).people[person].gain
    if info.chooses and (gain is None or gain <= 0):
        held_out = "no footage could be held out to compare" if gain is None else f"gain {gain:+.4f}"
        return Drawing(exemplar, {}, f"on held-out footage {learns.name} is no better ({held_out})")
    return Drawing(info, weights)
