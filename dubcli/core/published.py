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
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import dubcli
from dubcli.artifacts import remux
from dubcli.core import takelist
from dubcli.core.model import Artifact
from dubcli.core.sources import mark, mark_or_none
from dubcli.core.store import Files, Store, damage_message, sha256
from dubcli.edits import decisions
from dubcli.errors import CheckError, ConfigError, DependencyError, DubError, EngineError, StoreError
from dubcli.files import read_cache_file, write_atomically
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
    beside = sidecar(out)
    signed = signature.digest if signature else ""
    unsigns = before is not None and before.is_signed and not (signature and signature.is_somebodys)
    if before and before.content == film.content:
        if signature and signature.problem:
            raise signature.problem  # what is there stays as it is
        there = not before.sidecar or (beside.is_file() and sha256(beside) == before.sidecar)
        if before.signature == signed and there:
            return False
        if unsigns and there:
            warn(
                f"{out.name} stays as it was signed, since {_NO_CERTIFICATE}; set them to sign it anew, or "
                "delete it and run again to have it without that signature"
            )
            return False
    files = _files(store, film)
    path = remux.found(film.path)
    made = path.name if path else ""
    if made not in files:
        raise StoreError(damage_message(film.key, "it holds no film", store.root))
    for left in unfinished_films(out):
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=unfinished(out), suffix=out.suffix)
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
            name=out.name,
        )
        _write(root, [new, *(note for note in _notes(root) if note.sha256 != digest)])
        os.replace(name, out)
        _place(beside, manifest, before)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if unsigns and not problem:
        warn(
            f"{out.name} was signed, and is another film now that is not, since {_NO_CERTIFICATE}; set them "
            "and run again to sign it"
        )
    if problem:
        raise type(problem)(f"{out} is written, but not signed: {problem}")
    return True


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


def copy_report(store: Store, report: Artifact, root: Path, names: Mapping[str, str]) -> None:
    """Put the report into the job directory, with what its placeholders stand for now.

    Args:
        store: the store.
        report: the report.
        root: the job directory.
        names: placeholder of `artifacts.report` → text.

    Raises:
        StoreError: it is not as it was committed, or not there.
        OSError: the disk is full or not writable.
    """
    # Here, since its many models take a quarter of the time of a command that publishes nothing.
    from dubcli.artifacts import report as report_file

    for name, entry in _files(store, report).items():
        if not name.startswith("report."):
            continue
        data = (report.path / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise StoreError(damage_message(report.key, f"{name} has changed", store.root))
        data = report_file.named(data, name, names)
        target = root / name
        if not target.exists() or target.read_bytes() != data:
            write_atomically(target, data)


def check_verdicts(report: Artifact, root: Path) -> None:
    """Fail where a shot's verdict is redo.

    Raises:
        CheckError: so it is; the film and its report are published all the same.
    """
    from dubcli.artifacts import report as report_file

    redo = report_file.Verdicts.load(report.path).redo
    if redo:
        some = ", ".join(redo[:5]) + (f" and {len(redo) - 5} more" if len(redo) > 5 else "")
        shots = "1 shot is" if len(redo) == 1 else f"{len(redo)} shots are"
        raise CheckError(
            f"{shots} to be redone ({some}); see {root / 'report.html'}, or set quality.gate=none"
        )


def names(root: Path, film: Path, dub: Path, out: Path, warned: Iterable[str] = ()) -> dict[str, str]:
    """What the report's placeholders stand for: file names, when the film was published, by which version.

    The day is that of the published file, so that the same command typed again writes the same report.
    """
    from dubcli.artifacts import report as report_file

    at = datetime.fromtimestamp(out.stat().st_mtime, timezone.utc) if out.exists() else None
    return {
        report_file.FILM: film.name,
        report_file.DUB: dub.name,
        report_file.OUTPUT: out.name,
        report_file.DATE: f"{at:%Y-%m-%d %H:%M} UTC" if at else "not published",
        report_file.VERSION: dubcli.__version__,
        report_file.TIMINGS: _timings(root),
        report_file.WARNED: "\n".join(dict.fromkeys([*warned, *_warned(root)])),
        report_file.REVIEW: json.dumps(_review(root), ensure_ascii=False),
    }


def _review(root: Path) -> dict[str, tuple[str, int | None, str, int]]:
    """What was decided about each shot, and which take the film shows; nothing where the file was damaged
    since the run began."""
    with contextlib.suppress(ConfigError):
        shots, known = decisions.load(root / decisions.FILE)[1].shots, takelist.load(root)
        return {
            shot: (one.state, one.take, one.note, known[shot].current if shot in known else 0)
            for shot, one in shots.items()
        }
    return {}


def _warned(root: Path) -> list[str]:
    """What the last run warned of, but for what its report says itself."""
    found: list[str] = []
    with (
        contextlib.suppress(OSError),
        open(root / "events.jsonl", encoding="utf-8", errors="replace") as lines,
    ):
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                event = json.loads(line)
                if event["type"] == "run.start":
                    found.clear()
                elif event["type"] == "warning" and event["stage"] != "report":
                    found.append(str(event["text"]))
    return found


def _timings(root: Path) -> str:
    """What each stage took, from the job's events: seconds of the last run of each of its units."""
    last: dict[tuple[str, str], float] = {}
    path = root / "events.jsonl"
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                event = json.loads(line)
                if event["type"] == "unit.done":
                    last[str(event["stage"]), str(event["unit"])] = float(event["seconds"])
    stages: dict[str, float] = {}
    for (stage, _), seconds in last.items():
        stages[stage] = stages.get(stage, 0.0) + seconds
    return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages.items()) or "not known"


def _notes(root: Path) -> list[Note]:
    """Films that a job has published, or was about to; the last one first."""
    try:
        return [Note.model_validate(one) for one in read_cache_file(root / NOTE)["films"]]
    except (KeyError, TypeError, ValidationError):
        return []


def _write(root: Path, films: list[Note]) -> None:
    text = json.dumps({"films": [film.model_dump() for film in films[:_KEPT]]})
    write_atomically(root / NOTE, text.encode())


def _files(store: Store, artifact: Artifact) -> Files:
    files = store.files(artifact.key)
    if files is None:
        raise StoreError(store.deleted_message())
    return files
