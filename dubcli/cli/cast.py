"""`dubcli cast show|edit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dubcli.cli import editor, options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import typed

if TYPE_CHECKING:
    from dubcli.core.job import Job

HELP = """
Show who is who in a film, and correct it.

People are found by their faces over all shots. Uncertain matches stay apart: two entries may be
one person, and cast.yaml in the job directory can merge them, split one, name them, or forbid touching them.
"""


def show(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the people of a film, with a picture sheet of each.

    The most frequent come first. The cast is that of the last run; later edits of cast.yaml are
    not in it yet.
    """

    job = find_job(job_dir, job_named)
    persons = _persons(job)
    if json:
        out.document({"job": str(job.root), "persons": persons})
        return
    rows = [
        (
            person["id"],
            person["name"] or None,
            len({shot for shot, _ in person["faces"]}),
            person["frames"],
            "yes" if person["touch"] else f"no: {person['why']}",
            person["consent"]["state"] if person.get("consent") else None,
            person["sheet"],
        )
        for person in persons
    ]
    out.table(("person", "name", "shots", "frames", "touched", "consent", "pictures"), rows)


def edit(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Correct the cast: open the job's cast.yaml in an editor.

    The file is made where there is none, and the next run applies it. The editor is VISUAL or EDITOR;
    without one, or without a terminal, the path of the file is printed.
    A mistake in the file is reported with its line and column, and ends with 4; whether people and faces
    that it names are there, the next run says.
    """
    from dubcli.edits import castfile, stylefile
    from dubcli.files import write_atomically

    job = find_job(job_dir, job_named)
    path = job.root / "cast.yaml"
    if not path.exists():
        write_atomically(path, castfile.template(_persons(job)).encode())
    editor.open_file(path)
    document, file = castfile.load(path)
    stylefile.check(document, file.styles(), stylefile.files(job.root))
    out.path(path)
    out.note(f"to apply it, type: dubcli run {typed(job.root)}")


def _persons(job: Job) -> list[dict[str, Any]]:
    """The persons of the last cast, each with the path of its contact sheet."""
    from dubcli.artifacts.cast import Cast, sheet

    artifact = job.require("cast/film", "cast")
    persons = Cast.load(artifact.path).persons
    return [
        person.model_dump(exclude_none=True) | {"sheet": str(sheet(artifact.path, person.id))}
        for person in persons
    ]


COMMANDS = {"show": show, "edit": edit}
