"""How long the training of lip engines takes, said before it begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from dubcli.core.events import Events
from dubcli.core.model import JobView
from dubcli.engines.registry import EngineInfo
from dubcli.settings.config import Settings, TrainSettings
from dubcli.stages import train


@dataclass(frozen=True)
class Training:
    """One training, and how long it takes.

    Attributes:
        stage: `train` or `adapt`.
        unit: the unit's name; "…" for each person while people are not known yet.
        seconds: about how long.
        because: the reason in words.
    """

    stage: str
    unit: str
    seconds: float
    because: str


def forecasts(job: JobView, *, gathered: bool) -> Iterator[Training]:
    """Every training of a job.

    Args:
        job: what is known of it.
        gathered: whether all footage is; without it, one person stands for all.
    """
    settings = job.settings.train
    footage = _footage(job) if gathered else {}
    for info in train.learners(job).values():
        if gathered and footage:
            who = "1 person" if len(footage) == 1 else f"{len(footage)} people"
            what = f"{sum(footage.values())} frames of {who}"
            yield _of(info, settings, "train", train.unit_name(job, "film", info), footage, what)
            for person in sorted(footage.keys() & train.people(job, info)) if settings.person_steps else ():
                own = {person: footage[person]}
                name = train.unit_name(job, person, info)
                yield _of(info, settings, "adapt", name, own, f"{footage[person]} frames")
        elif not gathered:
            name = train.unit_name(job, "film", info)
            yield _of(info, settings, "train", name, {}, "for the film; its footage is not gathered yet")
            if settings.person_steps:
                yield _of(info, settings, "adapt", "…", {}, "for each person")


def announce(job: JobView, events: Events, units: Collection[str] | None = None) -> dict[str, float]:
    """Send an event for each training that is to come, with its seconds.

    Args:
        job: what is known of it.
        events: where to.
        units: ids of the units that will run; None before footage is gathered.

    Returns:
        Their sum as the field `seconds` of the stage's plan; empty where nothing is trained.
    """
    total = 0.0
    for one in forecasts(job, gathered=units is not None):
        if units is None or f"{one.stage}/{one.unit}" in units:
            took = round(one.seconds, 1)
            events("forecast", stage=one.stage, unit=one.unit, seconds=took, because=one.because)
            total += took
    return {"seconds": total} if total else {}


def seconds(settings: Settings) -> dict[str, float]:
    """Stage → seconds that it trains in a film of whose footage nothing is known; empty for no training."""
    view = JobView({}, settings)
    return {one.stage: one.seconds for one in forecasts(view, gathered=False)}


def _of(
    info: EngineInfo, settings: TrainSettings, stage: str, unit: str, footage: Mapping[str, int], what: str
) -> Training:
    steps = train.film_steps(settings.steps, len(footage)) if stage == "train" else settings.person_steps
    asked = train.engine_settings(settings.size, steps, settings.device)
    took = info.training_seconds(sum(footage.values()), asked)
    where = "a CUDA device" if settings.device == "cuda" else "the processor"
    return Training(stage, unit, took, f"{steps} steps at {settings.size} pixels on {where}, {what}")


def _footage(job: JobView) -> dict[str, int]:
    """Person → frames of footage, of those with enough to train on."""
    from dubcli.artifacts import gallery
    from dubcli.artifacts.media import MediaInfo

    rate = MediaInfo.load(job.one("probe").path).film.rate
    least = job.settings.train.least_footage * rate
    counts = {person: gallery.count(artifact.path) for person, artifact in job.all("gallery").items()}
    return {person: count for person, count in counts.items() if count >= least}
