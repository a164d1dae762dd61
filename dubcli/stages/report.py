"""`report`: what was done to each shot, what was left alone and why, with figures and pictures."""

from __future__ import annotations

from dubcli.artifacts.shots import Shots
from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.errors import CheckError, StoreError
from dubcli.stages.align import dub_engine

STAGE = Stage("report", version=4, after=("remux",))
MOST_VIEWS = 2  # looks averaged for each mesh; more halve the noise once again at twice the time


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
    for stage, role in (("track", "tracks"), ("align", "speech"), ("motion", "motion"), ("lips", "patch")):
        used |= {f"{role}/{name}": artifact for name, artifact in job.all(stage).items()}
    settings, film, dub = job.settings, job.sources["film"], job.sources["dub"]
    shots = Shots.load(used["split"].path).shots
    return [
        Unit(
            STAGE,
            "film",
            inputs={"film": film.sha256, **{role: artifact.content for role, artifact in used.items()}},
            paths={"film": film.path, **{role: artifact.path for role, artifact in used.items()}},
            params={**settings.report.model_dump(), "views": min(MOST_VIEWS, settings.track.views)},
            facts={
                # The names stand in the report, so they are part of it.
                "film": film.path.name,
                "dub": dub.path.name,
                "suffix": job.suffix,
                "engines": [
                    ["tracker", settings.track.engine],
                    ["aligner", dub_engine(job)],
                    ["lips", settings.lips.engine],
                ],
            },
            cost=len(shots),
        )
    ]


def run(task: Task) -> None:
    """Write `report.json` and `report.html`."""
    from dubcli.artifacts.report import page as web
    from dubcli.report.assemble import assemble
    from dubcli.report.gather import Work
    from dubcli.report.page import page

    work = Work(task.inputs, task.facts)
    report, pictures = assemble(work, task.params["measure"], task.params["views"], task.report)
    report.save(task.out)
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
