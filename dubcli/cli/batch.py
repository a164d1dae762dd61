"""`dubcli batch`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import options
from dubcli.cli.grouped import grouped
from dubcli.cli.jobs import Running
from dubcli.cli.output import out
from dubcli.cli.run import Force, JsonLines

if TYPE_CHECKING:
    from dubcli.core.batch import Entry, Outcome
    from dubcli.core.events import Event, Listener

ManifestFile = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="The YAML file that lists them.", show_default=False)
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", rich_help_panel=options.RUNNING, help="Check the manifest and list its jobs."
    ),
]


@grouped
def batch(
    manifest: ManifestFile,
    running: Running,
    force: Force = False,
    dry_run: DryRun = False,
    progress: options.Progress = "auto",
    json: JsonLines = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Dub many films into many languages, over one store.

    Jobs run one after another and share the store, so the shots, faces and mouth model of a film are computed
    once for all its languages. The manifest is checked as a whole before work starts. Typed again, the
    command goes on where it stopped. A job that fails does not stop the others.

      presets: [film]
      films:
        - film: episode1.mov
          dubs: [episode1_fr.wav, episode1_de.wav]
        - film: episode2.mov
          presets: [draft]
          dubs:
            - audio: episode2_fr.wav
              out: delivery/episode2.fr.mov

    Relative paths count from the manifest's folder; "store: DIR" names another store than the one beside the
    manifest. On stdout comes a table of results, or with --json the events of all jobs.
    """
    from dubcli.core import batch as batches

    flags = running.flags()
    found = batches.entries(manifest, flags)
    if dry_run:
        _list(found, json=json)
        return
    heard = _listeners(found, progress, json=json)
    outcomes = list(batches.run(found, flags, force=force, listeners=heard))
    if not json:
        out.table(("film", "dub", "preset", "result", "seconds", "output"), [_row(item) for item in outcomes])
    _finish(outcomes, json=json)


def _list(found: list[Entry], *, json: bool) -> None:
    if json:
        jobs = [
            {"film": str(e.film), "dub": str(e.dub), "preset": e.preset, "out": str(e.out)} for e in found
        ]
        out.document({"jobs": jobs})
    else:
        rows = [(entry.film.name, entry.dub.name, entry.preset, entry.out) for entry in found]
        out.table(("film", "dub", "preset", "output"), rows)


def _listeners(found: list[Entry], progress: str, *, json: bool) -> Callable[[Entry], list[Listener]]:
    """Listeners for each job; its events on stdout name its output, and its `exit` is a `job.exit`."""
    import sys

    from dubcli.cli.run import listeners
    from dubcli.core.events import line

    def make(entry: Entry) -> list[Listener]:
        def forward(event: Event) -> None:
            kind = "job.exit" if event["type"] == "exit" else event["type"]
            sys.stdout.write(line({**event, "type": kind, "job": str(entry.out)}))
            sys.stdout.flush()

        out.note(f"job {found.index(entry) + 1} of {len(found)}: {entry.film.name} + {entry.dub.name}")
        return [*([forward] if json else []), *listeners(progress, json=False)]

    return make


def _row(item: Outcome) -> tuple[str, str, str | None, str, float | None, str]:
    good, entry = item.code == 0, item.entry
    result = "done" if good else item.text if item.code is None else f"failed ({int(item.code)})"
    return entry.film.name, entry.dub.name, entry.preset, result, round(item.seconds, 1), str(entry.out)


def _finish(outcomes: list[Outcome], *, json: bool) -> None:
    """Print what failed and end with the batch's own code: a signal's, or 6 where anything failed."""
    import sys

    from dubcli.cli.progress import Json
    from dubcli.core.events import Events
    from dubcli.errors import ExitCode, PartialError

    bad = [item for item in outcomes if item.code != ExitCode.OK]
    stopped = [item.code for item in bad if item.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)]
    code = stopped[0] if stopped else ExitCode.PARTIAL if bad else ExitCode.OK
    if json:
        events = Events(None, Json(sys.stdout))
        events("batch", jobs=[item.as_json() for item in outcomes])
        events("exit", code=int(code or 0))
    for item in bad:
        if item.code is not None:
            out.error(f"{item.entry.out}: {item.text}")
    if stopped:
        raise typer.Exit(int(stopped[0] or 0))
    if bad:
        again = "type the same command to go on"
        raise PartialError(f"{len(bad)} of {len(outcomes)} jobs are not done; {again}")
