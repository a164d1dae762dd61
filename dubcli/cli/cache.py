"""`dubcli cache size|verify|prune`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import StoreError, UsageError, counted, typed

if TYPE_CHECKING:
    from dubcli.core.store import Store

HELP = """
Look after a store, where finished work is kept.

A store lies in a job directory, or is shared by many jobs. Deleting a store is always safe: the work
is done again when it is needed.
"""

Place = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR", help="A store, or a job directory. Without it: the job in this folder.",
    ),
]  # fmt: skip
Jobs = Annotated[list[Path], typer.Argument(metavar="JOB", help="Job directories.", show_default=False)]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Remove damaged results, and those made from them; the next run makes them again.",
        rich_help_panel="Running",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", help="Remove nothing; print what would be removed.", rich_help_panel="Running"
    ),
]


def size(
    place: Place = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show how much a store holds, stage by stage."""
    from dubcli.stages import ORDER

    store = _store(place)
    stages: dict[str, list[int]] = {stage: [] for stage in ORDER}
    for _, stage, size_bytes in store.sizes():
        stages.setdefault(stage, []).append(size_bytes)
    if json:
        by_stage = {stage: {"units": len(sizes), "bytes": sum(sizes)} for stage, sizes in stages.items()}
        out.document({"store": str(store.root), "stages": by_stage})
        return
    rows = [(stage, len(sizes), megabytes(sum(sizes))) for stage, sizes in stages.items()]
    total = [size_bytes for sizes in stages.values() for size_bytes in sizes]
    out.table(("stage", "units", "MB"), [*rows, ("all", len(total), megabytes(sum(total)))])


def verify(
    place: Place = None,
    repair: Repair = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Read every byte of a store and compare it with what was written.

    With --repair damaged results are removed, and all that were made from them, since the time of the damage
    is unknown.

    Ends with 9 if something is damaged, or with 0 if --repair has removed it.
    """
    store = _store(place)
    damaged: dict[str, str] = {}
    count = 0
    for key in store.keys():  # noqa: SIM118 - a store is no mapping
        count += 1
        try:
            store.verify(key)
        except StoreError as error:
            damaged[key] = str(error).partition("; type:")[0]
    doubtful = store.descendants(damaged)
    if repair:
        for key in (*damaged, *doubtful):
            store.remove(key)
    if json:
        out.document(
            {
                "store": str(store.root),
                "checked": count,
                "damaged": damaged,
                "made_from_damaged": sorted(doubtful),
                "repaired": repair,
            }
        )
    for text in damaged.values():
        out.warn(text)
    if damaged and not repair:
        where = place or Path()
        raise StoreError(
            f"{len(damaged)} of {counted(count, 'result')} damaged; "
            f"type: dubcli cache verify --repair {typed(where)}"
        )
    if not json:
        gone = f", {len(damaged)} removed, and {len(doubtful)} that were made from them"
        end = f"{gone}; the next run makes them again" if damaged else ", all as written"
        out.note(f"{counted(count, 'result')} checked{end}")


def prune(
    jobs: Jobs,
    dry_run: DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Remove what the named jobs no longer need.

    Results of earlier settings stay in a store until they are pruned, and so do checkpoints of trainings that
    were not ended, in the jobs' own scratch folders. Where jobs share a store, name every
    job that uses it: what none of them needs is removed.
    """
    from dubcli.core import scratch
    from dubcli.core.job import Job
    from dubcli.core.plan import needed

    opened = [Job.open(path) for path in jobs]
    stores = {job.store.root.resolve(): job.store for job in opened}
    if len(stores) > 1:
        raise UsageError("these jobs do not share one store; prune them one by one")
    store = opened[0].store
    with contextlib.ExitStack() as locks:
        keep: set[str] = set()
        for job in opened:
            locks.enter_context(job.lock())
            job.read_sources()
            keep |= needed(job)
        sizes = {key: size_bytes for key, _, size_bytes in store.sizes()}
        gone = [key for key in sizes if key not in keep] if dry_run else store.collect(keep)
        checkpoints = sum(scratch.prune(job.root, keep, dry_run=dry_run) for job in opened)
    before = sum(sizes.values()) + checkpoints
    freed = sum(sizes.get(key, 0) for key in gone) + checkpoints
    if json:
        out.document({"store": str(store.root), "removed": gone, "bytes": freed, "dry_run": dry_run})
        return
    would = "would remove" if dry_run else "removed"
    out.data(f"{would} {counted(len(gone), 'result')}, {megabytes(freed)} of {megabytes(before)} MB")


def megabytes(count: int) -> float:
    """Bytes as megabytes, to two digits after the point."""
    return round(count / 1e6, 2)


def _store(place: Path | None) -> Store:
    from dubcli.core.store import Store

    if place is not None and (place / "objects").is_dir():
        return Store(place)
    return find_job(place).store


COMMANDS = {"size": size, "verify": verify, "prune": prune}
