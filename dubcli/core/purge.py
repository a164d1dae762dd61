"""Purging: removes what a job has learnt from people, and lists what is left.

What is kept is named here; whatever else the store holds goes, so that a new stage is purged until
somebody has thought about it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dubcli.core import published
from dubcli.core.job import Job
from dubcli.core.places import JOB_FILE
from dubcli.errors import CheckError
from dubcli.provenance.signing import sidecar

KEPT_STAGES = {
    "probe": "streams, tags and times of the film and the dub",
    "scan": "times and digests of the film's frames, and how much each differs from the last",
    "split": "where the shots are",
}
"""Stages whose artifacts hold nothing of people, and what they hold."""

KEPT_FILES = {
    JOB_FILE: "names of the sources, and the settings",
    "sources.json": "digests of the sources",
    "published.json": "digest of the published film",
    "refs.tsv": "names of results, most of them gone",
    "takes.tsv": "names of results, most of them gone",
    "events.jsonl": "what ran when; warnings may name people by their ids and names",
    "locks": "who works on the job now",
    "cast.yaml": "names and consent records, written by a person",
    "cues.json": "who speaks when, edited by a person",
    "shots.yaml": "where shots begin, written by a person",
    "executed.json": "the last command that ran after the job",
    "decisions.yaml": "decisions of the review, written by a person",
    "dubcli.toml": "settings",
}
"""Files of a job directory that stay, and what they hold."""

_REMOVED = (
    "report.html",
    "report.json",
    "report.csv",
    "report.edl",
    "curves",
    "styles",
    "layers",
    "logs",
    "failed",
    "proof",
    "scratch",
)
"""Files and folders of a job directory that show, measure or describe people."""


@dataclass(frozen=True)
class Left:
    """Something that is left after purging.

    Attributes:
        place: a path, or the stage of artifacts in the store.
        size: bytes.
        what: what it holds, in words.
    """

    place: str
    size: int
    what: str


@dataclass(frozen=True)
class Purged:
    """What purging did.

    Attributes:
        keys: of the artifacts removed.
        size: bytes of everything removed.
        files: files and folders of the job directory that were removed.
        left: what the job directory and its store still hold, and the films beside them.
        elsewhere: number of results of other jobs in a shared store that were made from what was removed.
    """

    keys: tuple[str, ...]
    size: int
    files: tuple[str, ...]
    left: tuple[Left, ...]
    elsewhere: int


def purge(job: Job, *, dry_run: bool = False) -> Purged:
    """Remove what the job learnt from people; with `dry_run` say what would go, and what would be left.

    Raises:
        LockedError: a run holds the job.
        CheckError: something is still there afterwards.
        OSError: a file cannot be removed.
    """
    with job.lock():
        doomed = _keys(job)
        sizes = {key: size for key, _, size in job.store.sizes() if key in doomed}
        elsewhere = 0 if job.has_own_store else len(job.store.descendants(doomed))
        paths = [job.root / name for name in _REMOVED if _exists(job.root / name)]
        paths += published.unfinished_films(job.out)
        size = sum(sizes.values()) + sum(_size(path) for path in paths)
        if not dry_run:
            for key in doomed:
                job.store.remove(key)
            job.store.sweep(private=job.has_own_store)
            for path in paths:
                _remove(path)
        left = tuple(_left(job, set(doomed), set(paths)))
        if not dry_run and (rest := [*_keys(job), *(str(path) for path in paths if _exists(path))]):
            raise CheckError(f"{len(rest)} of the things to purge are still there ({rest[0]}); purge again")
        return Purged(tuple(doomed), size, tuple(path.name for path in paths), left, elsewhere)


def _keys(job: Job) -> list[str]:
    """Keys of the job's artifacts that hold something of people; in a store of its own also those unread."""
    held = list(job.store.keys())
    if not job.has_own_store:
        own = job.history()
        held = [key for key in held if key in own]
    return [key for key in held if (job.store.preimage(key) or {}).get("stage") not in KEPT_STAGES]


def _left(job: Job, doomed: set[str], gone: set[Path]) -> Iterable[Left]:
    own = None if job.has_own_store else job.history()
    stages: dict[str, int] = {}
    for key, stage, size in job.store.sizes():
        if key not in doomed and (own is None or key in own):
            stages[stage] = stages.get(stage, 0) + size
    for stage, size in sorted(stages.items()):
        yield Left(f"{job.store.root}: {stage}", size, KEPT_STAGES.get(stage, "?"))
    for path in sorted(job.root.iterdir()):
        if path == job.store.root or path in gone:
            continue
        yield Left(str(path), _size(path), KEPT_FILES.get(path.name, "no file of dubcli's; look at it"))
    elsewhere: list[tuple[Path | None, str]] = [
        (job.film, "the film"),
        (job.dub, "the dub"),
        *((path, f"the voice of {name}") for name, path in sorted(job.stems.items())),
        (job.script, "the script of the dub"),
    ]
    for made in dict.fromkeys([job.out, *published.films(job.root, job.out.parent)]):
        elsewhere.append((made, "the dubbed film"))
        manifest = "its manifest: digests of consent records, frames that were changed"
        elsewhere.append((sidecar(made), manifest))
    for file, what in elsewhere:
        if file and file.is_file():
            yield Left(str(file), _size(file), what)


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _remove(path: Path) -> None:
    """Remove a file, a folder, or a link without what it points to."""
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    else:
        shutil.rmtree(path)
