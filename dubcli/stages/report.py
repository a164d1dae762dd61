"""`report`: what was done to each shot, what was left alone and why, with figures and pictures."""

from __future__ import annotations

from typing import Any

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.shots import Shots
from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.edits import shotfile
from dubcli.engines.registry import engine
from dubcli.errors import CheckError, StoreError
from dubcli.settings.config import Settings
from dubcli.settings.layers import flatten, nearest
from dubcli.stages.adapt import drawing
from dubcli.stages.align import dub_engine
from dubcli.stages.measure import given_back
from dubcli.stages.train import learners

_ROLES = (
    ("track", "tracks"),
    ("align", "speech"),
    ("gallery", "gallery"),
    ("motion", "motion"),
    ("lips", "patch"),
    ("measure", "measure"),
)

STAGE = Stage("report", version=18, after=("remux", "measure"))


def units(job: JobView) -> list[Unit]:
    """One unit: the film."""
    used: dict[str, Artifact] = {
        "probe": job.one("probe"),
        "split": job.one("split"),
        "cast": job.one("cast"),
        "cue": job.one("cue"),
        "learn": job.one("learn"),
        "remux": job.one("remux"),
    }
    for stage, role in _ROLES:
        used |= {f"{role}/{name}": artifact for name, artifact in job.all(stage).items()}
    settings, film = job.settings, job.sources["film"]
    shots = Shots.load(used["split"].path).shots
    preset, differing = nearest(settings)
    return [
        Unit(
            STAGE,
            "film",
            inputs={"film": film.sha256, **{r: artifact.content for r, artifact in used.items()}},
            paths={"film": film.path, **{role: artifact.path for role, artifact in used.items()}},
            params={"quality": settings.quality.model_dump(exclude={"gate"})},
            facts={
                "suffix": job.suffix,
                "keep_matching": settings.motion.keep_matching,
                "edited": sorted(
                    role.removeprefix("curves:") for role in job.sources if role.startswith("curves:")
                ),
                "failed": sorted(job.failures),
                "given_back": given_back(job),
                "start": shotfile.first_timecode(job.sources["shots"].path) if "shots" in job.sources else "",
                "preset": preset,
                "settings": differing,
                "own": {shot: _own(job.settings, one) for shot, one in sorted(job.shot_settings.items())},
                "approved": sorted(job.pins),
                "engines": [
                    ["tracker", settings.track.engine],
                    ["aligner", dub_engine(job)],
                    *_lip_engines(job),
                ],
                **({"drawn": _reasons(job)} if learners(job) else {}),
            },
            cost=len(shots),
        )
    ]


def _own(film: Settings, shot: Settings) -> dict[str, Any]:
    """The settings of a shot that differ from the film's."""
    before, own = (flatten(one.model_dump(mode="json"), Settings) for one in (film, shot))
    return {name: value for name, value in own.items() if value != before.get(name)}


def _lip_engines(job: JobView) -> list[list[str]]:
    """The lip engine of the settings, and those among which it chooses."""
    info = engine("lips", job.settings.lips.engine)
    return [["lips", name] for name in (info.name, *info.chooses)]


def _reasons(job: JobView) -> dict[str, str]:
    """Face → why `exemplar` draws it although the settings name another engine; of what planning decided."""
    owners = Cast.load(job.one("cast").path).owners
    found = {}
    for name in job.all("lips"):
        shot, _, number = name.partition(".")
        if why := drawing(job, shot, owners[shot, int(number)].id).why:
            found[name] = why
    return found


def run(task: Task) -> None:
    """Write `report.json`, `report.html` and `verdicts.json`."""
    from dubcli.artifacts.report import page as web
    from dubcli.report.assemble import assemble, verdicts
    from dubcli.report.gather import Work
    from dubcli.report.page import page
    from dubcli.report.warned import unmoved
    from dubcli.settings.config import QualitySettings
    from dubcli.settings.document import validate

    work = Work(task.inputs, task.facts)
    limits = validate(task.params["quality"], QualitySettings)
    report, pictures = assemble(work, limits, task.report)
    for line in unmoved([face for shot in report.shots for face in shot.faces]):
        task.warn(line)
    report.save(task.out)
    verdicts(report).save(task.out)
    web(task.out).write_text(page(report, pictures), encoding="utf-8")


def check(task: Task) -> None:
    """The report is valid and knows every shot.

    Raises:
        CheckError: it is not so.
    """
    from dubcli.artifacts.report import Report, page

    try:
        report = Report.load(task.out)
    except StoreError as error:
        raise CheckError(f"the report is not valid ({error})") from error
    if [shot.name for shot in report.shots] != list(Shots.load(task.inputs["split"]).named()):
        raise CheckError("the report does not know every shot; type: dubcli run again")
    if not page(task.out).stat().st_size:
        raise CheckError("the report's page is empty; type: dubcli run again")
