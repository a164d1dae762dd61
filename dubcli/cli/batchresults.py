"""How the jobs of a batch ended: the table, the page over all films, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from dubcli.cli.output import out

if TYPE_CHECKING:
    from dubcli.batch.entry import Entry, Outcome


def listed(found: Sequence[Entry], *, json: bool) -> None:
    """Print the jobs of a batch."""
    if json:
        jobs = [
            {"film": str(e.film), "dub": str(e.dub), "preset": e.preset, "out": str(e.out)} for e in found
        ]
        out.document({"jobs": jobs})
    else:
        rows = [(entry.film.name, entry.dub.name, entry.preset, entry.out) for entry in found]
        out.table(("film", "dub", "preset", "output"), rows)


def show(outcomes: Sequence[Outcome], why: str, series: str, *, lone: int, json: bool) -> None:
    """Print how the jobs ended, write the page over them, and end with the batch's exit code.

    Args:
        outcomes: of all jobs, in their order.
        why: why the batch stopped before its end, "" where it did not.
        series: name of the page; "" for that of the store.
        lone: how many films had no dub, and so no job.
        json: whether stdout gets events, in place of a table.

    Raises:
        PartialError: a job is not done, or a film has none.
    """
    page = _write_page(outcomes, series)
    if not json:
        out.table(("film", "dub", "preset", "result", "seconds", "output"), [_row(item) for item in outcomes])
    if page:
        out.note(f"the report over all films: {page}")
    _finish(outcomes, why, lone, json=json)


def result(item: Outcome) -> str:
    """How a job ended, in a word or two."""
    from dubcli.batch.queue import STOPPED

    if item.code is None:
        return item.text
    return (
        "done" if item.code == 0 else f"{'stopped' if item.code in STOPPED else 'failed'} ({int(item.code)})"
    )


def _row(item: Outcome) -> tuple[str, str, str | None, str, float | None, str]:
    entry = item.entry
    return (
        entry.film.name, entry.dub.name, entry.preset, result(item), round(item.seconds, 1), str(entry.out)
    )  # fmt: skip


def _mark(item: Outcome) -> Literal["good", "soft", "bad"]:
    from dubcli.batch.queue import STOPPED

    return "good" if item.is_done else "soft" if item.code is None or item.code in STOPPED else "bad"


def _write_page(outcomes: Sequence[Outcome], series: str) -> Path | None:
    """Write the page over all films beside the store; None where that cannot be written."""
    from dubcli.cli.progress import duration
    from dubcli.files import read_cache_file, write_atomically
    from dubcli.report.batchpage import Line, page

    store = outcomes[0].entry.store
    series = series or store.stem
    path = store.parent / f"{series}.report.html"
    lines = []
    for item in outcomes:
        entry, root = item.entry, item.entry.root
        report = root / "report.html"
        lines.append(
            Line(
                film=entry.film.name,
                dub=entry.dub.name,
                preset=entry.preset or "",
                out=str(entry.out),
                result=result(item),
                mark=_mark(item),
                took="" if item.code is None else duration(item.seconds),
                report=report if report.is_file() else None,
                content=read_cache_file(root / "report.json"),
            )
        )
    try:
        write_atomically(path, page(series, lines, path.parent).encode())
    except OSError as error:
        out.warn(f"cannot write {path} ({error.strerror})")
        return None
    return path


def _finish(outcomes: Sequence[Outcome], why: str, lone: int, *, json: bool) -> None:
    """Print what failed and end with the batch's code: a signal's, a full disk's, or 6 for failures."""
    from dubcli.batch.queue import STOPPED
    from dubcli.cli.progress import Json
    from dubcli.core.events import Events
    from dubcli.errors import ExitCode, PartialError, counted

    bad = [item for item in outcomes if not item.is_done]
    stopped = [item.code for item in bad if item.code in STOPPED and item.code is not None]
    short = "--reserve" in why
    code = stopped[0] if stopped else ExitCode.PARTIAL if bad or lone else ExitCode.OK
    code = ExitCode.TEMPORARY if short else code
    if json:
        events = Events(None, Json(sys.stdout))
        events("batch", jobs=[item.as_json() for item in outcomes])
        events("exit", code=int(code))
    for item in bad:
        if item.code is not None:
            out.error(f"{item.entry.out}: {item.text}")
    if short:
        out.error(why)
    if short:
        raise typer.Exit(int(code))
    if bad:
        error = PartialError(
            f"{len(bad)} of {counted(len(outcomes), 'job')} {'is' if len(bad) == 1 else 'are'} not done; "
            "type the same command to go on"
        )
        error.exit_code = code
        raise error
    if lone:
        raise PartialError(
            f"{counted(lone, 'film')} had no dub; put it beside the film and type the same again"
        )
