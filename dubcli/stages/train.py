"""`train`: weights of a lip engine that learns, trained on the footage of all the film's people together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dubcli.artifacts.cues import Cues
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.weights import Learnt, TrainFacts
from dubcli.core.model import JobView, Needs, Stage, Task, Unit
from dubcli.engines.registry import EngineInfo, engine, learner
from dubcli.errors import CheckError, StoreError
from dubcli.settings.config import TrainSettings

STAGE = Stage("train", version=2, after=("gallery",))

_LIBRARIES_BYTES = 1_500_000_000  # torch and what it loads; set by hand
_BYTES_A_PIXEL = 120_000  # of the square that is drawn, at the default batch; set by hand
DEVICES = {"cpu": "cpu", "gpu": "cuda"}
"""`Task.device` → what engines and settings call it."""


def units(job: JobView) -> list[Unit]:
    """One unit for the film and each lip engine that learns; none where no shot asks for such an engine.

    Its key covers all footage, also of people with too little of it: `run` leaves those out.
    """
    galleries = {f"gallery/{person}": artifact for person, artifact in job.all("gallery").items()}
    if not galleries:
        return []
    found = []
    for info in learners(job).values():
        video = MediaInfo.load(job.one("probe").path).film
        found.append(
            Unit(
                STAGE,
                unit_name(job, "film", info),
                inputs={role: artifact.content for role, artifact in galleries.items()},
                paths={role: artifact.path for role, artifact in galleries.items()},
                params=job.settings.train.model_dump(include={"size", "steps", "least_footage"}),
                facts={"rate": video.average_rate, "depth": video.bit_depth},
                engine=info,
                cost=film_steps(job.settings.train.steps, len(galleries)),
                needs=needs(job.settings.train),
                scratch=True,
            )
        )
    return found


def learners(job: JobView) -> dict[str, EngineInfo]:
    """The lip engines that learn which the settings ask for, by name; of single shots as well."""
    asked = (learner(engine("lips", one.lips.engine)) for one in (job.settings, *job.shot_settings.values()))
    return {info.name: info for info in sorted((one for one in asked if one), key=lambda one: one.name)}


def unit_name(job: JobView, who: str, info: EngineInfo) -> str:
    """Name of the unit that trains an engine for the film or a person: `who`, or `who:ENGINE` of several."""
    return who if len(learners(job)) == 1 else f"{who}:{info.name}"


def people(job: JobView, info: EngineInfo) -> set[str]:
    """Ids of the people who have a cue in a shot that asks for an engine."""
    asking = {shot: learner(engine("lips", one.lips.engine)) for shot, one in job.shot_settings.items()}
    usual = learner(engine("lips", job.settings.lips.engine))
    cues = Cues.load(job.one("cue").path).cues
    return {cue.person for cue in cues if asking.get(cue.shot, usual) == info}


def needs(settings: TrainSettings) -> Needs:
    """What a unit needs that trains an engine or draws with it."""
    if settings.device == "cuda":
        return Needs(memory=2 * _LIBRARIES_BYTES, device="gpu")
    return Needs(memory=_LIBRARIES_BYTES + _BYTES_A_PIXEL * settings.size**2)


def film_steps(steps: int, people: int) -> int:
    """Steps of the training of so many people together; one person stands for all where none is known yet."""
    return steps * max(people, 1)


def engine_settings(size: int, steps: int, device: str) -> dict[str, Any]:
    """Settings of `engines.lips.TrainWork`."""
    return {"size": size, "steps": steps, "device": device}


def run(task: Task) -> None:
    """Write the film's weights and what they were learnt from; none where no one has enough footage."""
    from dubcli.artifacts import gallery

    number, unit = task.facts["rate"]
    least, enough, left_out = task.params["least_footage"], {}, {}
    for role, path in task.inputs.items():
        person, seconds = role.removeprefix("gallery/"), gallery.count(path) * unit / number
        if seconds >= least:
            enough[person] = path
        else:
            left_out[person] = round(seconds, 2)
            task.warn(
                f"{person} has {seconds:.1f} s of usable footage, and train.least_footage asks for "
                f"{least:g}; exemplar draws that mouth"
            )
    learn(task, enough, None, film_steps(task.params["steps"], len(enough)), left_out)


def learn(
    task: Task, footage: Mapping[str, Path], base: Path | None, steps: int, left_out: Mapping[str, float]
) -> None:
    """Train the task's engine, and write its weights with the facts.

    Args:
        task: the task of a unit that has a scratch folder.
        footage: person → folder of the gallery; where it is empty, nothing is trained.
        base: folder of the film's weights, where one person's are made from them.
        steps: of this training.
        left_out: person → seconds of footage of those with too little.
    """
    import math

    from dubcli.artifacts import gallery
    from dubcli.engines.lips import Trained, TrainWork

    assert task.scratch
    done, loss = Trained(0, 0.0), None
    if footage:
        work = TrainWork(
            galleries=footage,
            base=base,
            depth=task.facts["depth"],
            settings=engine_settings(task.params["size"], steps, DEVICES[task.device]),
            scratch=task.scratch,
            out=task.out,
            batch=task.batch,
            report=task.report,
        )
        done = engine("lips", task.engine).load().train(work)
        loss = float(done.loss)
        if not all(math.isfinite(value) for value in (loss, *done.gain.values())):
            raise CheckError(_no_numbers(task.engine))
    TrainFacts(
        engine=task.engine,
        steps=done.steps,
        loss=loss,
        people={
            person: Learnt(frames=gallery.count(path), gain=done.gain.get(person))
            for person, path in footage.items()
        },
        left_out=dict(left_out),
    ).save(task.out)


def check(task: Task) -> None:
    """There are weights for those who had enough footage, finite ones, and nothing else.

    Raises:
        CheckError: it is not so.
    """
    from dubcli.artifacts import weights

    facts, found = TrainFacts.load(task.out), weights.files(task.out)
    known = {path.name for path in found} | {TrainFacts.FILE}
    if others := sorted(path.name for path in task.out.rglob("*") if path.name not in known):
        raise CheckError(
            f"the engine {task.engine} left {others[0]} beside its weights; choose another engine"
        )
    if bool(found) != bool(facts.people):
        raise CheckError(f"the engine {task.engine} left no weights; choose another with --engine lips=NAME")
    try:
        good = all(weights.finite(path) for path in found)
    except StoreError as error:
        raise CheckError(
            f"the engine {task.engine}: {error}; choose another with --engine lips=NAME"
        ) from error
    if not good:
        raise CheckError(_no_numbers(task.engine))


def _no_numbers(name: str) -> str:
    return (
        f"the training of {name} came to values that are no numbers; choose another with --engine lips=NAME"
    )
