"""`dubcli run`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dubcli.cli import failures, options
from dubcli.cli.delivered import Delivered
from dubcli.cli.grouped import grouped
from dubcli.cli.jobs import Request, Running
from dubcli.cli.output import out
from dubcli.errors import DependencyError, ExitCode, UsageError, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from dubcli.core.events import Event, Events, Listener
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
        "cue, gallery, learn, train, adapt, motion, lips, measure, compose, remux or report.",
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
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", rich_help_panel=options.RUNNING,
        help="Of the units of --stage, the I-th of N shares, such as 2/8: machines that share the job's "
        "folder do a share each. dubcli farm writes such commands.",
    ),
]  # fmt: skip
Expect = Annotated[
    str | None,
    typer.Option(
        "--expect", metavar="VERSIONS", rich_help_panel=options.RUNNING,
        help="Refuse to run where stages or engines have other versions than those on the machine that wrote "
        "this word, which dubcli farm does: results would have other keys, and not be used.",
    ),
]  # fmt: skip
RecutOf = Annotated[
    Path | None,
    typer.Option(
        "--recut-of", metavar="JOB", rich_help_panel=options.FILES,
        help="The film is another cut of that job's: shots approved there keep their picture wherever they "
        "are now, if pictures and dub are the same. Both jobs need one --store.",
    ),
]  # fmt: skip
Redo = Annotated[
    list[str] | None,
    typer.Option(
        "--redo", metavar="STAGE", rich_help_panel=options.RUNNING,
        help="Do the units of this stage again although they are done.",
    ),
]  # fmt: skip
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="MOMENT", rich_help_panel=options.RUNNING,
        help="Make a proof: do only the shots between this moment and --to, and write a clip that shows them "
        "before and after side by side. A time (0:10:00), a frame (14400) or a timecode of the source "
        "(01:10:00:00).",
    ),
]  # fmt: skip
To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="MOMENT", rich_help_panel=options.RUNNING, help="Where the proof ends; see --from."
    ),
]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--json", rich_help_panel=options.OUTPUT,
        help='Events on stdout, one JSON object a line; the last is {"type":"exit","code":N}.',
    ),
]  # fmt: skip


_TOLD = 5  # shots that a line names


@dataclass(frozen=True)
class Chosen:
    """Which part of a job to run."""

    stage: StageOption = None
    shots: Shots = None
    shard: Shard = None
    redo: Redo = None
    start: From = None
    stop: To = None

    def proof(self) -> tuple[str, str] | None:
        """The moments of a proof; None for a usual run.

        Raises:
            UsageError: one of them is missing, or does not go with another option.
        """
        if self.start is None and self.stop is None:
            return None
        if self.start is None or self.stop is None:
            raise UsageError("a proof goes --from one moment --to another; give both")
        if self.stage or self.shots or self.redo:
            raise UsageError("--from and --to do not go with --stage, --shots or --redo; leave those out")
        return self.start, self.stop

    def selection(self) -> Selection:
        """The same, for the runner.

        Raises:
            UsageError: there is no such stage, or the range is not one.
        """
        from dubcli.core.plan import Selection
        from dubcli.edits import shotname
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
            span = (shotname.named(int(first)), shotname.named(int(last)))
        return Selection(self.stage or "", span, tuple(self.redo or ()), shard=self._share())

    def _share(self) -> tuple[int, int] | None:
        if self.shard is None:
            return None
        number, _, count = self.shard.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise UsageError(f"--shard {self.shard}: write it as I/N, such as 2/8")
        if not self.stage:
            raise UsageError("--shard goes with --stage: later stages need all shares of earlier ones")
        return int(number), int(count)


@grouped
def run(
    request: Request,
    running: Running,
    chosen: Chosen,
    delivered: Delivered,
    expect: Expect = None,
    recut_of: RecutOf = None,
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

    With --from and --to a proof of one stretch is made first, as a clip in the job's folder proof; what it
    takes is done for the whole film as well.

    On stdout comes the path of the dubbed film (or of the proof), or with --json the events; progress goes
    to stderr.
    """
    stretch = chosen.proof()
    if recut_of and (stretch or dry_run or chosen.stage or chosen.shots):
        raise UsageError(
            "--recut-of is of a whole run; leave out --dry-run, --from, --to, --stage and --shots"
        )
    if stretch and dry_run:
        raise UsageError("--dry-run does not go with --from; leave one out")
    if dry_run:
        from dubcli.cli.plan import show

        show(request, chosen.selection(), running, json=json)
        return
    heard = listeners(progress, json=json)
    also = delivered.prepared(force)
    if also and stretch:
        raise UsageError("--changed-only is of a whole run; leave out --from and --to")
    execute(
        request, running, chosen.selection(), expect=expect,
        force=force, listeners=heard, json=json, also=also, stretch=stretch, recut_of=recut_of,
    )  # fmt: skip


def execute(
    request: Request,
    running: Running,
    selection: Selection,
    *,
    force: bool,
    listeners: list[Listener],
    json: bool,
    also: tuple[Callable[[Job], None], Callable[[Job], None]] | None = None,
    stretch: tuple[str, str] | None = None,
    expect: str | None = None,
    recut_of: Path | None = None,
) -> None:
    """Run a job, or make a proof of a stretch, and end its events with the exit code, whatever happens.

    What is in `also` is done before and after a run.
    """
    from dubcli.cli.jobs import open_job
    from dubcli.core import proof, runner
    from dubcli.core.events import FILE, Events
    from dubcli.core.plan import versions

    events, code, text = Events(None, *listeners), ExitCode.BUG, ""
    try:
        # Of many machines none must write its own configuration into the job; a person's words are kept.
        own = selection.shared and request.source.is_dir() and not (request.sets_something or running.flags())
        job, resolved = open_job(request, running, save=not own)
        if expect is not None:
            _check_versions(expect, versions(resolved.settings))
        for name, value, origin in resolved.rows():
            if origin != "default":
                out.detail(f"{name} = {value} ({origin})")
        events = Events(job.root / FILE, *listeners)
        if recut_of:
            _carry(job, recut_of, events, overwrite=force)
        clip = proof.run(job, events, *stretch) if stretch else None
        if also:
            also[0](job)
        if not stretch:
            runner.run(job, events, selection, overwrite=force)
        if also:
            also[1](job)
        code = ExitCode.OK
    except BaseException as error:
        code, text = failures.explain(error)
        raise
    finally:
        events("exit", code=int(code), **({"text": text} if text else {}))
    if not json and (clip or job.published()):
        out.path(clip or job.out)


def _carry(job: Job, recut_of: Path, events: Events, *, overwrite: bool) -> None:
    """Carry decisions over from the job of another cut, and say so."""
    from dubcli.core import recut
    from dubcli.core.job import Job

    found = recut.carry(job, Job.open(recut_of), events, overwrite=overwrite)
    told = {
        "kept: same pictures, same dub": found.kept,
        "open again: the dub has changed there, or their take is gone": found.reopened,
        "with their notes and settings": found.noted,
    }
    for what, shots in told.items():
        if shots:
            out.note(f"{counted(len(shots), 'shot')} of {recut_of} {what}")
    if found.gone:
        more = ", …" if len(found.gone) > _TOLD else ""
        out.warn(
            f"decisions on {len(found.gone)} of {recut_of}'s shots stay behind: none here has just their "
            f"pictures, colour tags and length ({', '.join(found.gone[:_TOLD])}{more})"
        )


def _check_versions(expected: str, here: str) -> None:
    """Refuse another dubcli than the one that a farm's job was written for.

    Raises:
        DependencyError: keys would differ.
    """
    if expected.partition("+")[2] != here.partition("+")[2]:
        raise DependencyError(
            f"this machine has dubcli {here}, and the farm job is for {expected}: its results would not be "
            "used; install the same dubcli here, or write the farm job again with dubcli farm"
        )


def listeners(progress: str, *, json: bool, stream: TextIO | None = None, name: str = "") -> list[Listener]:
    """The listeners of a run's events: stdout for machines, stderr or another stream for people.

    Args:
        progress: how to show it.
        json: whether stdout gets the events.
        stream: in place of stderr.
        name: of the job, before warnings and details that stand under no name of it.
    """
    from functools import partial

    from dubcli.cli.progress import Json, listener

    found: list[Listener] = [Json(sys.stdout)] if json else []
    shown = listener("none" if out.quiet else progress, stream or sys.stderr)
    found.append(shown or partial(_warnings, name))
    if out.verbose:
        found.append(partial(_details, name))
    return found


def _warnings(name: str, event: Event) -> None:
    from dubcli.cli.progress import describe

    if event["type"] == "warning":
        out.warn(f"{name}{event['stage']} {event['unit']}: {event['text']}")
    elif event["type"] in ("unit.failed", "unit.retry"):
        out.warn(f"{name}{describe(event)}")


def _details(name: str, event: Event) -> None:
    if event["type"] == "unit.start":
        out.detail(f"{name}{event['stage']} {event['unit']} runs: {', '.join(event['reasons'])}")
