"""Publishing: moves the finished film to its path in one step, and recognises it later, renamed or copied.

Here, and nowhere before, it is signed: a signature differs from run to run, and the store does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dubcli.artifacts import remux
from dubcli.artifacts import report as report_file
from dubcli.core.model import Artifact
from dubcli.core.sources import mark, mark_or_none, read_cache_file
from dubcli.core.store import Files, Store, damage_message, sha256, write_atomically
from dubcli.errors import ConfigError, DependencyError, DubError, EngineError, StoreError
from dubcli.provenance.signing import Signature, sidecar

NOTE = "published.json"


class Note(BaseModel):
    """A film that a job has published.

    Attributes:
        content: its artifact's digest.
        mark: identifies its file without reading it (`core.sources.mark`).
        sha256: its file's digest.
        signature: what was signed and by whom (`provenance.signing.Signature.digest`), "" for nothing.
        sidecar: digest of the manifest beside it, "" for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    content: str
    mark: list[int]
    sha256: str
    signature: str = ""
    sidecar: str = ""


def find_note(root: Path, out: Path) -> Note | None:
    """The job's note of the file at its output path; None if another program wrote that file.

    A copy of it, on another disk or with another time, is recognised as well, by its content.
    """
    here = mark_or_none(out)
    if here is None:
        return None
    known = _notes(root)
    for note in known:
        if note.mark == here:
            return note
    for number, note in enumerate(known):
        if note.mark[:1] == here[:1] and note.sha256 == sha256(out):
            known[number] = note.model_copy(update={"mark": here})
            with contextlib.suppress(OSError):  # a read-only job directory
                _write(root, known)
            return known[number]
    return None


def put(store: Store, film: Artifact, root: Path, out: Path, signature: Signature | None = None) -> bool:
    """Publish a film; returns whether anything was written.

    Args:
        store, film: where it is.
        root: the job directory.
        out: where it goes.
        signature: how it is signed; None for not at all.

    Raises:
        StoreError: the film is not as it was committed, or not there.
        ConfigError, DependencyError, EngineError: it could not be signed; the film is published all the
            same, without a signature.
        OSError: the disk is full or not writable.
    """
    before = find_note(root, out)
    beside = sidecar(out)
    signed = signature.digest if signature else ""
    if before and before.content == film.content:
        if signature and signature.problem:
            raise signature.problem  # what is there stays as it is
        there = not before.sidecar or (beside.is_file() and sha256(beside) == before.sidecar)
        if before.signature == signed and there:
            return False
    files = _files(store, film)
    path = remux.found(film.path)
    made = path.name if path else ""
    if made not in files:
        raise StoreError(damage_message(film.key, "it holds no film", store.root))
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=".dubcli-", suffix=out.suffix)
    os.close(handle)
    manifest: bytes | None = None
    problem: DubError | None = None
    try:
        if sha256(film.path / made) != files[made]["sha256"]:
            raise StoreError(damage_message(film.key, f"{made} has changed", store.root))
        if signature:
            try:
                manifest = signature.sign(film.path / made, Path(name), out.name)
            except (ConfigError, DependencyError, EngineError) as error:
                problem, signed = error, ""
        if signature is None or problem:
            shutil.copyfile(film.path / made, name)
        with open(name, "rb") as copy:
            os.fsync(copy.fileno())
        digest = sha256(Path(name))
        if digest != files[made]["sha256"] and not (signature and signature.embeds(out)):
            raise StoreError(damage_message(film.key, f"{made} changed while it was read", store.root))
        os.chmod(name, 0o644)
        # The note goes first and knows both films, so that a crash on either side of the rename
        # never makes this job's output look like another program's file.
        new = Note(
            content=film.content,
            mark=mark(Path(name)),
            sha256=digest,
            signature=signed,
            sidecar=hashlib.sha256(manifest).hexdigest() if manifest else "",
        )
        _write(root, [new, *([before] if before else [])])
        os.replace(name, out)
        _place(beside, manifest, before)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if problem:
        raise type(problem)(f"{out} is written, but not signed: {problem}")
    return True


def _place(beside: Path, manifest: bytes | None, before: Note | None) -> None:
    """Put a manifest beside the film, or remove the one that this job put there for an earlier film."""
    if manifest:
        write_atomically(beside, manifest)
    elif before and before.sidecar and beside.is_file() and sha256(beside) == before.sidecar:
        beside.unlink()


def copy_report(store: Store, report: Artifact, root: Path, film: str, dub: str) -> None:
    """Put the report into the job directory, with the names that film and dub have now.

    Raises:
        StoreError: it is not as it was committed, or not there.
        OSError: the disk is full or not writable.
    """
    for name, entry in _files(store, report).items():
        if not name.startswith("report."):
            continue
        data = (report.path / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise StoreError(damage_message(report.key, f"{name} has changed", store.root))
        data = report_file.named(data, name, film, dub)
        target = root / name
        if not target.exists() or target.read_bytes() != data:
            write_atomically(target, data)


def _notes(root: Path) -> list[Note]:
    """Films that a job has published, or was about to; the last one first."""
    try:
        return [Note.model_validate(one) for one in read_cache_file(root / NOTE)["films"]]
    except (KeyError, TypeError, ValidationError):
        return []


def _write(root: Path, films: list[Note]) -> None:
    text = json.dumps({"films": [film.model_dump() for film in films]})
    write_atomically(root / NOTE, text.encode())


def _files(store: Store, artifact: Artifact) -> Files:
    files = store.files(artifact.key)
    if files is None:
        raise StoreError(store.deleted_message())
    return files
