"""`dubcli batch`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import options
from dubcli.cli.grouped import grouped
from dubcli.cli.jobs import Running
from dubcli.cli.output import out
from dubcli.cli.run import Force, JsonLines
from dubcli.errors import UsageError

if TYPE_CHECKING:
    from dubcli.batch.entry import Entry, Flags
    from dubcli.batch.queue import Policy

ManifestFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="MANIFEST",
        help="The YAML file that lists them; - for a list on stdin, a line for each: the film, a tab, the "
        "dub, and if wanted a tab and the output.",
        show_default=False,
    ),
]
Glob = Annotated[
    str | None,
    typer.Option(
        "--glob", metavar="PATTERN", rich_help_panel=options.FILES,
        help="In place of a manifest: all films that match, such as 'season/*.mov', with dubs beside them.",
    ),
]  # fmt: skip
Dubs = Annotated[
    str,
    typer.Option(
        "--dubs", metavar="PATTERN", rich_help_panel=options.FILES,
        help="With --glob, the dubs of a film, from its folder; {stem} is its name without suffix.",
    ),
]  # fmt: skip
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", metavar="N", min=1, rich_help_panel=options.RUNNING,
        help="Films at once. They share the cores, unless --workers says how many each gets.",
    ),
]  # fmt: skip
FailFast = Annotated[
    bool,
    typer.Option(
        "--fail-fast/--keep-going", rich_help_panel=options.RUNNING,
        help="Whether a job that fails ends the batch; by default the others go on.",
    ),
]  # fmt: skip
Retries = Annotated[
    int,
    typer.Option(
        "--retries", metavar="N", min=0, rich_help_panel=options.RUNNING,
        help="How often a job that failed is tried again, after all others.",
    ),
]  # fmt: skip
Reserve = Annotated[
    float,
    typer.Option(
        "--reserve", metavar="GB", min=0, max=1_000_000, rich_help_panel=options.RUNNING,
        help="Stop after the units in hand when less than this is free on a disk the batch writes to.",
    ),
]  # fmt: skip
Exec = Annotated[
    str | None,
    typer.Option(
        "--exec", metavar="CMD", rich_help_panel=options.RUNNING,
        help="Run this after each film that is new, as words and not by a shell: {} becomes the film "
        "written, {job} its job directory. Where it fails, it is run again by the next batch.",
    ),
]  # fmt: skip
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", rich_help_panel=options.RUNNING,
        help="Check everything, list the jobs and forecast time and disk.",
    ),
]  # fmt: skip
_SHELL = ("|", "||", "&", "&&", ";", ">", ">>", "<")  # words of shells
SPREAD = (
    "--glob goes without a manifest; where it was a pattern, a shell has put names in its place: write it in "
    "quotes, as in --glob 'season/*.mov'"
)
# Places that neither --exec nor --dubs has; {stem} is one of --dubs.
_UNKNOWN = re.compile(r"(?<!\$)\{(?:film|dub|out|output|file|path|stem|name)\}")


@dataclass(frozen=True)
class Films:
    """Where the films come from."""

    manifest: ManifestFile = None
    glob: Glob = None
    dubs: Dubs = "{stem}_*.wav"
    preset: options.PresetOption = None
    store: options.StoreOption = None

    def entries(self, flags: Flags, *, overwrite: bool, fail_fast: bool) -> tuple[list[Entry], list[str]]:
        """The jobs, all checked, and a line for each film that has no dub.

        Raises:
            UsageError: it is not clear which films are meant.
            ConfigError: one line per problem.
        """
        from dubcli.batch.manifest import entries, globbed, listed
        from dubcli.settings.encoding import encoding

        if self.manifest and self.glob:
            raise UsageError(SPREAD)
        if self.manifest is None and self.glob is None:
            raise UsageError("which films? name a manifest, - for a list on stdin, or --glob PATTERN")
        store = self.store or Path("batch.store")
        if self.glob is not None:
            if unknown := _UNKNOWN.search(self.dubs.replace("{stem}", "")):
                raise UsageError(
                    f"--dubs: {unknown[0]} stands for nothing; write {{stem}} for the film's name"
                )
            return globbed(
                self.glob, self.dubs, store, self.preset, flags, overwrite=overwrite, fail_fast=fail_fast
            )
        assert self.manifest
        if str(self.manifest) == "-":
            data = sys.stdin.buffer.read()
            how = encoding(data)  # spreadsheets write UTF-16; else names of files are bytes of any kind
            text = data.decode(how, "surrogateescape" if how.startswith("utf-8") else "replace")
            return listed(text, Path(), store, self.preset, flags, overwrite=overwrite), []
        if self.preset or self.store:
            raise UsageError("--preset and --store go with --glob and lists; a manifest names its own")
        return entries(self.manifest, flags, overwrite=overwrite), []

    @property
    def series(self) -> str:
        """Name of the manifest, "" where there is none: series that share a store have a page each."""
        return "" if self.manifest is None or str(self.manifest) == "-" else self.manifest.stem


@dataclass(frozen=True)
class How:
    """How the batch runs."""

    jobs: Jobs = 1
    fail_fast: FailFast = False
    retries: Retries = 0
    reserve: Reserve = 1.0
    command: Exec = None

    def policy(self, *, force: bool) -> Policy:
        """The same, for the queue.

        Raises:
            UsageError: the command has an open quote or no word.
        """
        import shlex
        import shutil

        from dubcli.batch.queue import Policy
        from dubcli.core.worker import program

        try:
            command = tuple(shlex.split(self.command or ""))
        except ValueError as error:
            raise UsageError(f"--exec {self.command}: {error}".lower()) from None
        shell = next((word for word in command if word in _SHELL), None)
        if shell:
            raise UsageError(
                f"--exec: no shell runs it, and {shell} would be a word; write sh -c '…', or a script"
            )
        unknown = next((found[0] for word in command if (found := _UNKNOWN.search(word))), None)
        if unknown:
            raise UsageError(
                f"--exec: {unknown} stands for nothing; write {{}} for the film, {{job}} for its job"
            )
        if command and "{" not in command[0] and shutil.which(command[0]) is None:
            raise UsageError(f"--exec: there is no program {command[0]} that can be run; check its name")
        return Policy(
            program=program("dubcli.cli.main"),
            jobs=self.jobs,
            fail_fast=self.fail_fast,
            retries=self.retries,
            reserve=round(self.reserve * 1e9),
            command=command,
            force=force,
        )


@grouped
def batch(
    films: Films,
    running: Running,
    how: How,
    force: Force = False,
    dry_run: DryRun = False,
    progress: options.Progress = "auto",
    json: JsonLines = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Dub many films into many languages, over one store.

    Jobs share the store, so the shots, faces and mouth model of a film are computed once for all its
    languages. All of it is checked as a whole before work starts, and time and disk are forecast; the
    forecast is made again when a twentieth is done, and after each job. Typed again, the command goes on
    where it stopped. A job that fails does not stop the others; a disk that is nearly full does.

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
    manifest. On stdout comes a table of results, or with --json the events of all jobs; a page over all
    films, MANIFEST.report.html, is written beside the store.
    """
    import time

    from dubcli.batch.queue import Queue, free_bytes
    from dubcli.cli import batchresults
    from dubcli.cli.batchprogress import Listening, forecast_line, forecast_of, unreadable
    from dubcli.core.places import one_channel
    from dubcli.core.store import Store
    from dubcli.errors import MediaError, counted

    flags = running.flags()
    found, lone = films.entries(flags, overwrite=force, fail_fast=how.fail_fast)
    policy = how.policy(force=force)
    forecast = forecast_of(found, running.workers, how.jobs, flags)
    bad = [*lone, *unreadable(found)]
    alone = (one_channel(entry.dub) for entry in found)
    for text in [*bad, *dict.fromkeys(filter(None, alone))]:
        out.warn(text)
    if not quiet:
        free = min(free_bytes(place) for entry in found for place in (entry.store, entry.out.parent))
        out.note(f"{forecast_line(forecast, 0.0)}; {free / 1e9:.1f} GB are free")
        if forecast.bytes() > free - policy.reserve:
            out.warn(f"that is more than is free above --reserve {how.reserve:g}, at which the batch stops")
    if dry_run:
        batchresults.listed(found, json=json)
        if bad:
            raise MediaError(
                f"{counted(len(bad), 'file')} cannot be dubbed; mend or leave out what is named above"
            )
        return
    if how.jobs > 1 and running.workers is None:
        from dubcli.core.devices import cores

        flags = {**flags, "run.workers": ("--jobs", max(1, cores() // how.jobs))}
    for store in {entry.store for entry in found}:
        forecast.look(Store(store), count=False)
    began = time.monotonic()
    heard = Listening(
        found, progress, json=json, alone=how.jobs == 1,
        forecast=forecast, began=began, ending=lambda: bool(queue.why),
    )  # fmt: skip
    queue = Queue(policy, flags, heard.listeners, out.note)
    outcomes = []
    for outcome in queue.run(found):
        outcomes.append(outcome)
        heard.ended(outcome)
    outcomes.sort(key=lambda item: found.index(item.entry))
    batchresults.show(outcomes, queue.why, films.series, lone=len(lone), json=json)
