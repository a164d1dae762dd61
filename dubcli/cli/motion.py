"""`dubcli motion export|import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubcli.cli import options
from dubcli.cli.cue import Format, To
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import UsageError, typed

if TYPE_CHECKING:
    from dubcli.core.job import Job

HELP = """
Edit how a mouth moves, frame by frame.

The curves of a face in a shot are the aperture and the width of its lips, and the blend weight of the
new mouth. Export them, edit them, and import them again; only that face is made anew.
"""

Face = Annotated[str, typer.Argument(metavar="FACE", help="A face in a shot, such as 00000120/0.")]
From = Annotated[Path, typer.Argument(metavar="FILE", help="The edited curves: a table, or JSON.")]


def export(
    face: Face,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    out_file: To = None,
    form: Format = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the curves of a face, to be edited.

    A line is a frame. Lines may be left out, and cells left empty: there, everything stays as it is.
    """
    from dubcli.edits import curvefile

    written = options.form_of(out_file, form, {".csv": "csv", ".json": "json"})
    job, face = find_job(job_dir, job_named), _named(face)
    rows = _curves(job, face)
    text = curvefile.to_json(rows) if written == "json" else curvefile.to_csv(rows)
    out.export(text, out_file)


def import_(
    face: Face,
    file: From,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Read the edited curves of a face into the job.

    Values that differ from the last run are kept in the job's folder curves; to undo the edits,
    delete the file there.
    A mistake in the file is reported with its line and column, ends with 4, and changes nothing.
    """
    from dubcli.edits import curvefile, facename
    from dubcli.files import write_atomically

    job, face = find_job(job_dir, job_named), _named(face)
    known = _curves(job, face)
    document, edits = curvefile.load(file)
    curvefile.check(document, edits, [row["frame"] for row in known])
    path = job.root / "curves" / f"{facename.unit(face)}.csv"
    before = curvefile.load(path)[1] if path.is_file() else None
    rows = curvefile.merge_edits(before, known, edits)
    if rows == [row.model_dump() for row in (before.curves if before else ())]:
        out.note("nothing in it differs from what the mouth does")
        return
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, curvefile.to_csv(rows).encode())
    out.path(path)
    out.note(f"to apply it, type: dubcli run {typed(job.root)}")


def _named(face: str) -> str:
    from dubcli.edits import facename

    try:
        return facename.named(face)
    except ValueError as error:
        raise UsageError(f"{face}: {error}") from None


def _curves(job: Job, face: str) -> list[dict[str, Any]]:
    """The curves that the last run left.

    Raises:
        UsageError: that face is not changed, or no one's is yet.
    """
    from dubcli.artifacts.motion import Motion
    from dubcli.artifacts.shots import Frames
    from dubcli.edits import curvefile, facename
    from dubcli.settings.document import suggestion

    artifact, split = job.result(f"motion/{facename.unit(face)}"), job.result("split/film")
    if artifact is None or split is None:
        known = [facename.named(unit) for unit, _ in job.refs() if unit.startswith("motion/")]
        if not known:
            raise job.lacks("curves")
        raise UsageError(f"the mouth of {face} is not changed in {job.root}{suggestion(face, known)}")
    return curvefile.rows(Motion.load(artifact.path, face.split("/")[0]), Frames.load(split.path).seconds)


COMMANDS = {"export": export, "import": import_}
