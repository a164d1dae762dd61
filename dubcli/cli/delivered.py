"""Options that hand the changed shots of a film to an editor, and the film that they are taken from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dubcli.cli import options
from dubcli.cli.output import out
from dubcli.errors import UsageError, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dubcli.core.job import Job
    from dubcli.core.plan import Row
    from dubcli.delivery.changed import Film
    from dubcli.delivery.timeline import Marker

ChangedOnly = Annotated[
    Path | None,
    typer.Option(
        "--changed-only", metavar="DIR", rich_help_panel=options.FILES,
        help="Also write the changed shots alone into this folder, with handles, source timecode and reel, "
        "and an OTIO, FCP XML, AAF and EDL that cut them over the source.",
    ),
]  # fmt: skip
Handles = Annotated[
    int,
    typer.Option(
        "--handles", metavar="N", min=0, max=1000, rich_help_panel=options.SETTINGS,
        help="Frames before and after each changed shot.",
    ),
]  # fmt: skip
Mezzanine = Annotated[
    Literal["prores", "dnxhr", "ffv1"],
    typer.Option(
        "--mezzanine", metavar="prores|dnxhr|ffv1", rich_help_panel=options.SETTINGS,
        help="Codec of the changed shots: ProRes or DNxHR in .mov, or FFV1, which is lossless, in .mkv.",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Delivered:
    """What an editor gets beside the film."""

    changed_only: ChangedOnly = None
    handles: Handles = 12
    mezzanine: Mezzanine = "prores"

    def prepared(self, force: bool) -> tuple[Callable[[Job], None], Callable[[Job], None]] | None:
        """What is done before a run and after it; None where nothing was asked for."""
        folder = self.changed_only
        if folder is None:
            return None
        from dubcli.delivery import changed

        check_place(folder)
        form = changed.Form(self.mezzanine, self.handles)

        def before(job: Job) -> None:
            from dubcli.media.probe import probe

            changed.check(probe(job.film, whole=False), folder, form, force, job.out.name)

        def after(job: Job) -> None:
            made = film(job, finished(job))
            for path in changed.write(made, folder, form, markers(job), out.note, job.out.name):
                out.note(str(path))

        return before, after


def check_place(folder: Path) -> None:
    """Check that a folder that something is handed over in lies in no job.

    Raises:
        UsageError: it does.
    """
    from dubcli.core.places import is_job, job_around

    if is_job(folder) or job_around(folder):
        raise UsageError(
            f"{folder} lies in a job, which takes what is there for its own; choose another folder"
        )


def finished(job: Job, until: str = "measure") -> dict[str, dict[str, Row]]:
    """Stage → unit → its row of the plan, up to a stage: by default the measures of all faces.

    All but that stage are done; of that one, rows may have no artifact.

    Raises:
        UsageError: not all of them are done.
    """
    from dubcli.core import plan

    if not job.sources:
        job.read_sources()
    found: dict[str, dict[str, Row]] = {}
    for row in plan.plan(job, plan.Selection(until=until)):
        if row.unit is None:
            raise unfinished(job)
        found.setdefault(row.stage, {})[row.unit.name] = row
    return found


def unfinished(job: Job) -> UsageError:
    """The error where a job has not done yet what is wanted of it."""
    return UsageError(f"{job.root} is not finished; type: dubcli run {typed(job.root)}")


def film(job: Job, done: dict[str, dict[str, Row]]) -> Film:
    """A job's film before it was encoded, from the units that are done, with the faces that it shows."""
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames, Shots
    from dubcli.core import plan
    from dubcli.delivery.changed import Film
    from dubcli.edits import shotfile
    from dubcli.stages.measure import shown

    probe, split = done["probe"]["film"].artifact, done["split"]["film"].artifact
    assert probe is not None
    assert split is not None
    view = plan.view(job)
    for stage, rows in done.items():
        view.artifacts[stage] = {name: row.artifact for name, row in rows.items() if row.artifact}
    info = MediaInfo.load(probe.path)
    frames, shots = Frames.load(split.path), Shots.load(split.path)
    return Film(job.film, info, frames, shots, shown(view), shotfile.clock(job.root, info))


def markers(job: Job) -> Mapping[str, Sequence[Marker]]:
    """Remarks on a job's shots, from its report and its review."""
    from dubcli.artifacts.report import Report
    from dubcli.delivery import remarks
    from dubcli.edits import decisions

    artifact = job.result("report/film")
    return remarks.markers(Report.load(artifact.path), decisions.notes(job.root)) if artifact else {}
