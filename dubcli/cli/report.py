"""`dubcli report`."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.output import out
from dubcli.errors import UsageError

Open = Annotated[
    bool, typer.Option("--open", help="Open it in a web browser.", rich_help_panel=options.OUTPUT)
]


def report(
    job_dir: options.JobDir = None,
    open_it: Open = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the path of a job's report.

    The report shows what was changed in each shot, what was not, and why.
    With --json the report itself is printed as a JSON document.
    """
    from dubcli.cli.jobs import find_job
    from dubcli.core.job import Job

    job = Job.open(find_job(job_dir))
    page, data = job.root / "report.html", job.root / "report.json"
    if not (page if not json else data).is_file():
        raise UsageError(f"{job.root} has no report yet; type: dubcli run {job.root}")
    if json:
        out.document(json_text.loads(data.read_text("utf-8")))
        return
    out.path(page)
    if open_it:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            out.warn("no web browser was found; open the file by hand")
