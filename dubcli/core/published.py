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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dubcli.artifacts import remux
from dubcli.core.model import Artifact
from dubcli.core.sources import mark, mark_or_none
from dubcli.core.store import Store, damage_message, sha256
from dubcli.errors import ConfigError, DependencyError, DubError, EngineError, StoreError
from dubcli.files import read_cache_file, sync, write_atomically
from dubcli.provenance.signing import Signature, left_behind, sidecar

NOTE = "published.json"
_KEPT = 100  # films that a job remembers having published, far more than anybody asks for; set by hand
_NO_CERTIFICATE = "provenance.certificate and provenance.key are not set now"


class Note(BaseModel):
    """A film that a job has published.

    Attributes:
        content: its artifact's digest.
        mark: identifies its file without reading it (`core.sources.mark`).
        sha256: its file's digest.
        signature: what was signed and by whom (`provenance.signing.Signature.digest`), "" for nothing.
        sidecar: digest of the manifest beside it, "" for none.
        name: its file's name.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)

    content: str
    mark: list[int]
    sha256: str
    signature: str = ""
    sidecar: str = ""
    name: str = ""

    @property
    def is_signed(self) -> bool:
        """Whether somebody signed it with a certificate, and not a key that dubcli made for it alone."""
        return bool(self.signature.rpartition("/")[2])


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
    if not any(note.mark[:1] == here[:1] for note in known):
        return None
    digest = sha256(out)
    for number, note in enumerate(known):
        if note.sha256 == digest:
            known[number] = note.model_copy(update={"mark": here})
            with contextlib.suppress(OSError):  # a read-only job directory
                _write(root, known)
            return known[number]
    return None


def obstacle(root: Path, out: Path, *, beside: bool = False) -> str:
    """What stands where the job will write that the job has not written so, in words; "" for nothing.

    Args:
        root: the job directory.
        out: the path of its output.
        beside: whether a manifest will be put beside it.
    """
    found, own = find_note(root, out), [note for note in _notes(root) if note.name == out.name]
    if out.exists() and found is None:
        return (
            f"{out} was changed, or replaced, since this job wrote it"
            if own
            else f"{out} exists and is not this job's"
        )
    known = any(note.sidecar for note in [found, *own] if note)
    if beside and sidecar(out).exists() and not known and not left_behind(out):
        return f"{sidecar(out)} exists and is no manifest of {out.name}"
    return ""


def put(
    store: Store,
    film: Artifact,
    root: Path,
    out: Path,
    signature: Signature | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> bool:
    """Publish a film; returns whether anything was written.

    A film that was signed with a certificate stays where it would only lose that: who runs a job again may
    be another person, or a shell without the certificate.

    Args:
        store, film: where it is.
        root: the job directory.
        out: where it goes.
        signature: how it is signed; None for not at all.
        warn: called with one line where a signature was there and there is no certificate for one now.

    Raises:
        StoreError: the film is not as it was committed, or not there.
        ConfigError, DependencyError, EngineError: it could not be signed; the film is published all the
            same, without a signature.
        OSError: the disk is full or not writable.
    """
    before = find_note(root, out)
    unsigns = before is not None and before.is_signed and not (signature and signature.is_somebodys)
    if before and before.content == film.content and _stays(before, out, signature, unsigns, warn):
        return False
    for left in unfinished_films(out):
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=unfinished(out), suffix=out.suffix)
    os.close(handle)
    unplaced = Path(name)
    try:
        copy = _copied(store, film, unplaced, out, signature)
        # The note goes first and knows both films, so that a crash on either side of the rename
        # never makes this job's output look like another program's file.
        new = Note(
            content=film.content,
            mark=mark(unplaced),
            sha256=copy.sha256,
            signature=signature.digest if signature and not copy.problem else "",
            sidecar=hashlib.sha256(copy.manifest).hexdigest() if copy.manifest else "",
            name=out.name,
        )
        _write(root, [new, *(note for note in _notes(root) if note.sha256 != copy.sha256)])
        os.replace(unplaced, out)
        _place(sidecar(out), copy.manifest, before)
    except BaseException:
        unplaced.unlink(missing_ok=True)
        raise
    if copy.problem:
        raise type(copy.problem)(f"{out} is written, but not signed: {copy.problem}")
    if unsigns:
        warn(
            f"{out.name} was signed, and is another film now that is not, since {_NO_CERTIFICATE}; set them "
            "and run again to sign it"
        )
    return True


def _stays(
    before: Note, out: Path, signature: Signature | None, unsigns: bool, warn: Callable[[str], None]
) -> bool:
    """Whether a film stays that was published before: as it is signed, or because it could only lose that.

    Raises:
        ConfigError, DependencyError: it is to be signed, and cannot be.
    """
    if signature and signature.problem:
        raise signature.problem
    beside = sidecar(out)
    if before.sidecar and not (beside.is_file() and sha256(beside) == before.sidecar):
        return False
    if before.signature == (signature.digest if signature else ""):
        return True
    if unsigns:
        warn(
            f"{out.name} stays as it was signed, since {_NO_CERTIFICATE}; set them to sign it anew, or "
            "delete it and run again to have it without that signature"
        )
    return unsigns


@dataclass(frozen=True)
class _Copy:
    """A film as it will stand at its place.

    Attributes:
        sha256: its file's digest.
        manifest: what goes beside it, None for nothing.
        problem: why it could not be signed, None where it was, or need not be.
    """

    sha256: str
    manifest: bytes | None = None
    problem: DubError | None = None


def _copied(store: Store, film: Artifact, to: Path, out: Path, signature: Signature | None) -> _Copy:
    """Write a film from the store into a file, signed where it can be, and compare what was written.

    Raises:
        StoreError: the film is not as it was committed, or not there.
        OSError: the disk is full or not writable.
    """
    files, path = store.files(film.key), remux.found(film.path)
    if path is None or path.name not in files:
        raise StoreError(damage_message(film.key, "it holds no film", store.root))
    committed = files[path.name]["sha256"]
    if sha256(path) != committed:
        raise StoreError(damage_message(film.key, f"{path.name} has changed", store.root))
    manifest: bytes | None = None
    problem: DubError | None = None
    if signature:
        try:
            manifest = signature.sign(path, to, out.name)
        except (ConfigError, DependencyError, EngineError) as error:
            problem = error
    if signature is None or problem:
        shutil.copyfile(path, to)
    sync(to)
    digest = sha256(to)
    if digest != committed and not (signature and signature.embeds(out)):
        raise StoreError(damage_message(film.key, f"{path.name} changed while it was read", store.root))
    os.chmod(to, 0o644)
    return _Copy(digest, manifest, problem)


def films(root: Path, folder: Path) -> list[Path]:
    """Films in a folder that a job has published, under whatever name."""
    named = sorted({note.name for note in _notes(root) if note.name})
    return [folder / name for name in named if (folder / name).is_file() and find_note(root, folder / name)]


def unfinished(out: Path) -> str:
    """How the names of films begin that are being published there."""
    return f".dubcli-{hashlib.sha256(os.fsencode(out.name)).hexdigest()[:16]}-"


def unfinished_films(out: Path) -> list[Path]:
    """Films that a run has left beside a job's output because it was killed while it published them."""
    return sorted(out.parent.glob(f"{unfinished(out)}*"))


def _place(beside: Path, manifest: bytes | None, before: Note | None) -> None:
    """Put a manifest beside the film, or remove the one that this job put there for an earlier film."""
    if manifest:
        write_atomically(beside, manifest)
    elif before and before.sidecar and beside.is_file() and sha256(beside) == before.sidecar:
        beside.unlink()


def _notes(root: Path) -> list[Note]:
    """Films that a job has published, or was about to; the last one first."""
    try:
        return [Note.model_validate(one) for one in read_cache_file(root / NOTE)["films"]]
    except (KeyError, TypeError, ValidationError):
        return []


def _write(root: Path, films: list[Note]) -> None:
    text = json.dumps({"films": [film.model_dump() for film in films[:_KEPT]]})
    write_atomically(root / NOTE, text.encode())
