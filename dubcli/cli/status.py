"""`dubcli status`."""

from __future__ import annotations

import contextlib
import json as jsons
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import has_reader, out, printable, shown, wants_colour
from dubcli.cli.progress import QUIET_SECONDS, SHARES
from dubcli.errors import UsageError, typed

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Places = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="JOB",
        help="Job directories, or the manifest of a batch. Without one: this folder, or the one job in it.",
    ),
]
Watch = Annotated[
    bool,
    typer.Option(
        "--watch", "-w",
        help="Show it again and again until all is done, or until Ctrl-C: a table on a terminal, a line for "
        "each change elsewhere.",
    ),
]  # fmt: skip
LOOK_SECONDS = 2.0
"""How often a job is looked at; set by hand."""
SHARE_OF_TIME = 0.1
"""Part of the time that looking may take, for films whose plan takes long; set by hand."""
NARROW = 60
"""Columns of a terminal below which a table of several jobs cannot be read; set by hand."""
_HEAD = ("film", "dub", "done", "at", "failed", "held by", "state")


@dataclass(frozen=True)
class Look:
    """How far a job is.

    Attributes:
        counts: stage → units by state, of which `failed` is one.
        written: whether the film at its place is the one that the job has made, or, while it makes another,
            an earlier one.
        holder: the runs that hold it, "" for none.
        stale: whether some version of it is there.
        problem: why it cannot be looked at, or begun, "" where it can.
        obstacle: what stands where its film goes, in words, "" where nothing does.
    """

    root: Path
    film: Path
    dub: Path
    out: Path
    written: bool
    holder: str
    counts: dict[str, Counter[str]]
    failures: dict[str, dict[str, Any]]
    begun: bool = True
    stale: bool = False
    problem: str = ""
    obstacle: str = ""

    @property
    def fraction(self) -> float:
        """About how much of it is done, 0–1, by the stages' usual shares in time."""
        done = 0.0
        for name, count in self.counts.items():
            units = sum(count.values())  # none: of nobody's lips there is nothing to do
            done += SHARES[name] * (count["done"] / units if units else 1.0)
        return done / sum(SHARES[name] for name in self.counts)

    @property
    def at(self) -> str:
        """The first stage that is not done, and how far it is."""
        for name, count in self.counts.items():
            if count["done"] < sum(count.values()):
                return name if count["waiting"] else f"{name} {count['done']}/{sum(count.values())}"
        return ""

    @property
    def state(self) -> str:
        """In one word or two."""
        if self.written and not self.at:
            return "done"
        if self.holder:
            return "running"
        if self.problem or (self.obstacle and not self.at):
            return self.problem or self.obstacle
        return "failed" if self.failures else "stopped" if self.begun else "not begun"

    def row(self) -> tuple[str, ...]:
        """A line of a table of several."""
        done = f"{100 * self.fraction:.0f} %"
        failed = str(len(self.failures)) if self.failures else ""
        return (self.film.name, self.dub.name, done, self.at, failed, self.holder, self.state)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "job": str(self.root),
            "film": str(self.film),
            "dub": str(self.dub),
            "out": str(self.out),
            "written": self.written,
            "running": self.holder or None,
            "stages": {stage: dict(count) for stage, count in self.counts.items()},
            "failed": self.failures,
            **({"problem": why} if (why := self.problem or self.obstacle) else {}),
        }


def status(
    places: Places = None,
    watch: Watch = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show how far a job is, or a batch, and what failed.

    Units done and to do are counted by stage, and a run that holds the job now is named; of several jobs,
    and of a batch's manifest, each is a line. Done means that the store holds the result, so this is true
    even after a crash. With --watch, --json gives a line for each change.
    """
    roots = _roots(places or [])
    alone = len(roots) == 1 and not (places and _is_manifest(places[0]))

    def look() -> list[Look]:
        return [(_look if alone else _look_among)(root, film, dub, path) for root, film, dub, path in roots]

    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(look, json=json, alone=alone)
        return
    found = look()
    if json:
        out.document(found[0].as_json() if alone else {"jobs": [one.as_json() for one in found]})
    elif alone:
        _show(found[0])
    else:
        out.table(_HEAD, [one.row() for one in found])


def _roots(places: list[Path]) -> list[tuple[Path, Path, Path, Path]]:
    """(job directory, film, dub, output) of the jobs that are meant."""
    from dubcli.batch.manifest import named

    found = []
    wanted: list[Path | None] = [*places] or [None]
    for place in wanted:
        if place is not None and _is_manifest(place):
            found += [(row.root, row.film, row.dub, row.out) for row in named(place)]
        else:
            job = find_job(place)
            found.append((job.root, job.film, job.dub, job.out))
    return found


def _is_manifest(place: Path) -> bool:
    """Whether a place is meant as a manifest, which may be mistyped."""
    return place.suffix.lower() in (".yaml", ".yml") or (not place.suffix and place.is_file())


def _look_among(root: Path, film: Path, dub: Path, path: Path) -> Look:
    """A job beside others, which are shown also where it cannot be looked at: its film may be gone."""
    from dubcli.cli.failures import explain
    from dubcli.errors import DubError

    try:
        return _look(root, film, dub, path)
    except (DubError, PermissionError) as error:
        return Look(root, film, dub, path, False, "", _unknown(), {}, problem=explain(error)[1])


def _unknown() -> dict[str, Counter[str]]:
    """The stages of a job of which nothing is known."""
    from dubcli.stages import LEARNING, ORDER

    return {stage: Counter({"waiting": 1}) for stage in ORDER if stage not in LEARNING}


def _look(root: Path, film: Path, dub: Path, path: Path) -> Look:
    from dubcli.core.job import Job
    from dubcli.core.places import no_file
    from dubcli.core.plan import RUN, view
    from dubcli.core.plan import plan as rows_of
    from dubcli.stages import order

    try:
        job = Job.open(root)
    except UsageError:  # there is no job yet
        problem = no_file(film) or no_file(dub)
        return Look(root, film, dub, path, False, "", _unknown(), {}, begun=False, problem=problem)
    job.read_sources()
    counts: dict[str, Counter[str]] = {stage: Counter() for stage in order(view(job))}
    failures = dict(job.failures())
    made = None
    for row in rows_of(job):
        made = row.artifact if row.stage == "remux" else made
        failed = row.unit is not None and row.state == RUN and row.unit.id in failures
        counts[row.stage]["failed" if failed else row.state] += 1
    return Look(
        root,
        job.film,
        job.dub,
        job.out,
        job.published(made),
        job.holder(),
        counts,
        failures,
        stale=job.published(),
        obstacle=job.obstacle(),
    )


def _show(one: Look) -> None:
    out.data(f"{one.film} + {one.dub}")
    written = "written" if one.written else "an earlier version" if one.stale else "not written yet"
    if one.obstacle and not one.stale:
        written = f"{one.obstacle}; to replace it, type: dubcli run {typed(one.root)} --force"
    out.data(f"output: {one.out} ({written})")
    out.data(f"held by {one.holder}" if one.holder else "no run holds the job")
    out.table(("stage", "done", "to do", "failed"), _stages(one))
    for unit, failure in one.failures.items():
        out.data(f"failed: {unit}: {failure.get('error', '?')}")


def _stages(one: Look) -> list[tuple[Any, ...]]:
    """Rows of stages; a stage whose units are not known yet has no numbers."""
    return [
        (stage, *(None if count["waiting"] else count[state] for state in ("done", "run", "failed")))
        for stage, count in one.counts.items()
    ]


def _watch(look: Callable[[], list[Look]], *, json: bool, alone: bool) -> None:
    """Show the jobs until all of them are done, or until nobody reads it any more."""
    with contextlib.ExitStack() as stack:
        if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not json:
            from rich.live import Live

            live = stack.enter_context(Live(auto_refresh=False))
            for found in _looks(look):
                live.update(_table(found, alone=alone, columns=live.console.width), refresh=True)
            return
        last: dict[Path, str] = {}
        said = float("-inf")
        for found in _looks(look):
            quiet = time.monotonic() - said > QUIET_SECONDS
            for one in found:
                text = jsons.dumps(one.as_json(), default=str) if json else _line(one)
                if last.get(one.root) != text or (quiet and one.state == "running"):
                    last[one.root] = text
                    said = time.monotonic()
                    out.raw(text)


def _looks(look: Callable[[], list[Look]]) -> Iterator[list[Look]]:
    while True:
        began = time.monotonic()
        found = look()
        yield found
        if all(one.state == "done" for one in found) or not has_reader(sys.stdout):
            return
        time.sleep(max(LOOK_SECONDS, (time.monotonic() - began) / SHARE_OF_TIME))


def _line(one: Look) -> str:
    """A job on a line, for logs."""
    film, dub, done, at, failed, holder, state = (printable(text) for text in one.row())
    parts = [f"{film} + {dub}: {state}, {done}", at, failed and f"{failed} failed", holder]
    return ", ".join(part for part in parts if part)


def _table(found: list[Look], *, alone: bool, columns: int) -> Table | Text:
    """A table for a terminal; of one job its stages, and of several just lines where it is narrow."""
    from rich.table import Table
    from rich.text import Text

    def text(value: Any) -> Text:
        return Text(printable(shown(value)))

    bold = "bold" if wants_colour(sys.stdout) else ""
    if alone:
        (one,) = found
        title = f"{one.film.name} + {one.dub.name}: {one.state}, {100 * one.fraction:.0f} %"
        table = Table(title=Text(printable(title)), caption=text(one.holder or "no run holds the job"))
        for name in ("stage", "done", "to do", "failed"):
            table.add_column(name, justify="left" if name == "stage" else "right")
        for row in _stages(one):
            style = bold if row[0] == one.at.split(" ")[0] else ""
            table.add_row(*(text(value) for value in row), style=style)
        return table
    if columns < NARROW:
        return Text("\n".join(map(_line, found)))
    table = Table()
    for name in _HEAD:
        table.add_column(name, justify="right" if name in ("done", "failed") else "left", overflow="fold")
    for one in found:
        table.add_row(*(text(value) for value in one.row()))
    return table
