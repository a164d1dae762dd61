"""`dubcli report`."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import StoreError, typed

if TYPE_CHECKING:
    from dubcli.artifacts.report import Report
    from dubcli.core.job import Job

Open = Annotated[
    bool, typer.Option("--open", help="Open it in a web browser.", rich_help_panel=options.OUTPUT)
]
Format = Annotated[
    Literal["html", "csv", "edl"],
    typer.Option(
        "--format", metavar="html|csv|edl", rich_help_panel=options.OUTPUT,
        help="html prints the path of the page; csv a table with a row for each face; edl a CMX 3600 list of "
        "the changed spans, with their verdicts as comments.",
    ),
]  # fmt: skip


def report(
    job_dir: options.JobDir = None,
    form: Format = "html",
    open_it: Open = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show a job's report: its page's path, or a list for other programs.

    The report shows what was changed in each shot, how good it is (good, look, redo), what was not changed,
    and why. With --json the report itself is printed as a JSON document (docs/report.schema.json).
    """

    job = find_job(job_dir)
    page = job.root / "report.html"
    if not (job.root / "report.json" if json or form != "html" else page).is_file():
        raise job.lacks("report")
    if json:
        out.document(json_text.loads((job.root / "report.json").read_text("utf-8")))
    elif form == "csv":
        from dubcli.report.table import table

        out.export(table(_loaded(job.root)), None)
    elif form == "edl":
        out.export(_edl(job, _loaded(job.root)), None)
    else:
        out.path(page)
    if open_it:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            out.warn("no web browser was found; open the file by hand")


def _loaded(root: Path) -> Report:
    from dubcli.artifacts.report import Report

    try:
        return Report.load(root)
    except StoreError:
        path = root / Report.FILE
        raise StoreError(f"{path} is not valid; delete it and type: dubcli run {typed(root)}") from None


def _edl(job: Job, report: Report) -> str:
    from dubcli.delivery import remarks, timeline
    from dubcli.edits import decisions, shotfile
    from dubcli.media.probe import probe

    clock = shotfile.clock(job.root, probe(job.film, whole=False))
    return timeline.edl(report.made.output, remarks.clips(report, job.out, decisions.notes(job.root)), clock)
