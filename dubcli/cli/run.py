"""`dubcli run`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import failures, options
from dubcli.cli.delivered import Delivered
from dubcli.cli.grouped import grouped
from dubcli.cli.jobs import Request, Running
from dubcli.cli.output import out
from dubcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dubcli.core.events import Event, Listener
    from dubcli.core.job import Job
    from dubcli.core.plan import Selection

Force = Annotated[
    bool,
    typer.Option(
        "--force", "-f", rich_help_panel=options.FILES,
        help="Replace an output file that this job did not make; without it that is refused.",
    ),
]  # fmt: skip
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", rich_help_panel=options.RUNNING, help="Show what would run and why; write nothing."
    ),
]
StageOption = Annotated[
    str | None,
    typer.Option(
        "--stage", metavar="STAGE", rich_help_panel=options.RUNNING,
        help="Do this stage only, of those whose inputs are ready: probe, scan, split, track, cast, align, "
        "cue, gallery, learn, motion, lips, measure, compose, remux or report.",
    ),
]  # fmt: skip
Shots = Annotated[
    str | None,
    typer.Option(
        "--shots", metavar="FIRST-LAST", rich_help_panel=options.RUNNING,
        help="Of stages that go shot by shot, these shots only, by the names that dubcli plan shows "
        "(the number of a shot's first frame), such as 120-180.",
    ),
]  # fmt: skip
Redo = Annotated[
    list[str] | None,
    typer.Option(
        "--redo", metavar="STAGE", rich_help_panel=options.RUNNING,
        help="Do the units of this stage again although they are done.",
    ),
]  # fmt: skip
JsonLines = Annotated[
    bool,
    typer.Option(
        "--json", rich_help_panel=options.OUTPUT,
        help='Events on stdout, one JSON object a line; the last is {"type":"exit","code":N}.',
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Which part of a job to run."""

    stage: StageOption = None
    shots: Shots = None
    redo: Redo = None

    def selection(self) -> Selection:
        """The same, for the runner.

        Raises:
            UsageError: there is no such stage, or the range is not one.
        """
        from dubcli.core.plan import Selection
        from dubcli.settings.document import suggestion
        from dubcli.stages import ORDER

        for name in [self.stage, *(self.redo or ())]:
            if name is not None and name not in ORDER:
                raise UsageError(f"there is no stage {name!r}{suggestion(name, ORDER)}")
        span = None
        if self.shots is not None:
            first, dash, last = self.shots.partition("-")
            last = last if dash else first
            if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
                raise UsageError(f"--shots {self.shots}: write it as FIRST-LAST, such as 120-180")
            span = (f"{int(first):08d}", f"{int(last):08d}")
        return Selection(self.stage or "", span, tuple(self.redo or ()))


@grouped
def run(
    request: Request,
    running: Running,
    chosen: Chosen,
    delivered: Delivered,
    force: Force = False,
    dry_run: DryRun = False,
    progress: options.Progress = "auto",
    json: JsonLines = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Dub a film: the same film, with mouths that speak the dub.

      dubcli run film.mp4 --audio dub_fr.wav   writes film.dub_fr.mp4
      dubcli run film.dub_fr.dub               continues that job

    Everything done is kept in the job directory, so the same command typed again continues where the last one
    stopped, and does nothing where all is done. Changing a setting runs again only what it touches. Ctrl-C
    finishes the current units and stops; a second Ctrl-C stops at once. Either way nothing finished is lost.

    On stdout comes the path of the dubbed film, or with --json the events; progress goes to stderr.
    """
    if dry_run:
        from dubcli.cli.plan import show

        show(request, chosen.selection(), running, json=json)
        return
    heard = listeners(progress, json=json)
    also = delivered.prepared(force)
    execute(request, running, chosen.selection(), force=force, listeners=heard, json=json, also=also)


def execute(
    request: Request,
    running: Running,
    selection: Selection,
    *,
    force: bool,
    listeners: list[Listener],
    json: bool,
    also: tuple[Callable[[Job], None], Callable[[Job], None]] | None = None,
) -> None:
    """Run a job and end its events with the exit code, whatever happens; `also` is done before and after."""
    from dubcli.cli.jobs import open_job
    from dubcli.core import runner
    from dubcli.core.events import Events

    events, code, text = Events(None, *listeners), ExitCode.BUG, ""
    try:
        job, resolved = open_job(request, running)
        for name, value, origin in resolved.rows():
            if origin != "default":
                out.detail(f"{name} = {value} ({origin})")
        events = Events(job.root / "events.jsonl", *listeners)
        if also:
            also[0](job)
        runner.run(job, events, selection, overwrite=force)
        if also:
            also[1](job)
        code = ExitCode.OK
    except BaseException as error:
        code, text = failures.explain(error)
        raise
    finally:
        events("exit", code=int(code), **({"text": text} if text else {}))
    if not json and job.published():
        out.path(job.out)


def listeners(progress: str, *, json: bool) -> list[Listener]:
    """The listeners of a run's events: stdout for machines, stderr for people."""
    from dubcli.cli.progress import Json, listener

    found: list[Listener] = [Json(sys.stdout)] if json else []
    shown = listener("none" if out.quiet else progress, sys.stderr)
    found.append(shown or _warnings)
    if out.verbose:
        found.append(_details)
    return found


def _warnings(event: Event) -> None:
    from dubcli.cli.progress import describe

    if event["type"] in ("warning", "unit.failed", "unit.retry"):
        out.warn(describe(event) or "")


def _details(event: Event) -> None:
    if event["type"] == "unit.start":
        out.detail(f"{event['stage']} {event['unit']} runs: {', '.join(event['reasons'])}")
