"""The changed shots of a film alone, with handles, as mezzanine files, and timelines that cut them over it.

Pictures are those before the film's own encoding, so they are encoded once. Timecode and reel are the
source's. A shot whose pictures stay the same is not written again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dubcli.artifacts.patches import PatchFacts
from dubcli.core.store import sha256
from dubcli.delivery import timeline
from dubcli.edits.edl import reel_name
from dubcli.edits.timecode import Clock, tag
from dubcli.errors import MediaError, UsageError
from dubcli.files import write_atomically
from dubcli.media.sequence import FIRST

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames, Shot, Shots
    from dubcli.core.model import Artifact
    from dubcli.settings.config import ComposeSettings

Codec = Literal["prores", "dnxhr", "ffv1"]
NOTE = "changed.json"
_TIMELINES = (".otio", ".xml", ".aaf", ".edl")
_SUFFIXES = {"prores": ".mov", "dnxhr": ".mov", "ffv1": ".mkv"}


@dataclass(frozen=True)
class Film:
    """A dubbed film before it was encoded.

    Attributes:
        path: the source.
        info: what it is.
        frames: its frames.
        shots: its shots.
        patches: `shot.track` → artifact of `lips`.
        clock: its timecode.
    """

    path: Path
    info: MediaInfo
    frames: Frames
    shots: Shots
    patches: Mapping[str, Artifact]
    clock: Clock

    @property
    def first(self) -> int:
        """Number of the first frame for people: that of the image where the film is a sequence, else 0."""
        number = tag(self.info, FIRST)
        return int(number) if number.isdecimal() else 0

    def changed(self) -> list[Shot]:
        """The shots of which a frame was changed."""
        names = {
            name.split(".")[0] for name, one in self.patches.items() if PatchFacts.load(one.path).changed
        }
        return [shot for shot in self.shots.shots if shot.name in names]

    def within(self, start: int, stop: int) -> dict[str, Artifact]:
        """Face → its patches, of the shots that have frames in a range, in order."""
        names = {shot.name for shot in self.shots.shots if shot.start < stop and start < shot.stop}
        return {name: one for name, one in sorted(self.patches.items()) if name.split(".")[0] in names}


@dataclass(frozen=True)
class Form:
    """How changed shots are written: a codec, and frames of handle at either end."""

    codec: Codec = "prores"
    handles: int = 12


class _Written(BaseModel):
    """A file of an earlier export.

    Attributes:
        file: its name.
        digest: of all that its pictures depend on.
        size: bytes.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)

    file: str
    digest: str
    size: int


class _Note(BaseModel):
    """`changed.json`: the files that an export has written.

    Attributes:
        of: name of the dubbed film, "" where an earlier version wrote it.
        shots: files by shot.
        timelines: names of the timelines.
        digests: name of a file → SHA-256 of it as it was written; none of a file that was being written when
            the export was killed, or that an earlier version wrote.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)

    of: str = ""
    shots: dict[str, _Written] = {}
    timelines: list[str] = []
    digests: dict[str, str] = {}


def check(info: MediaInfo, folder: Path, form: Form, force: bool, of: str = "") -> None:
    """Refuse before any work what cannot be written.

    Args:
        info: the film.
        folder: where to.
        form: how.
        force: whether files there may be of others.
        of: name of the dubbed film.

    Raises:
        MediaError: the codec cannot hold the film's pictures; the line says what to type instead.
        UsageError: the folder holds files that are not of an earlier export, or of that of another film, as
            of another language, whose files have the same names, or one that was changed since.
    """
    from dubcli.media import encode

    try:
        encode.encoding(info.film, _settings(form))
    except MediaError as error:
        other = "; add --mezzanine ffv1" if form.codec != "ffv1" else ""
        raise MediaError(f"the changed shots cannot be written: {error}{other}") from None
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder; choose another with --changed-only DIR")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / NOTE).is_file() and not force:
        raise UsageError(f"{folder} holds other files; choose an empty folder, or add --force")
    note = _read(folder)
    before = note.of
    if before not in ("", of) and not force:
        raise UsageError(f"{folder} holds the shots of {before}; choose another folder, or add --force")
    if not force and (changed := _changed_since(folder, note)):
        raise UsageError(
            f"{changed} was changed since it was written; move it away, choose another folder, or add --force"
        )


def write(
    film: Film,
    folder: Path,
    form: Form,
    remarks: Mapping[str, Sequence[timeline.Marker]],
    report: Callable[[str], None] = lambda line: None,
    of: str = "",
) -> list[Path]:
    """Write the changed shots of a film, and timelines that cut them over it.

    Args:
        film: the film.
        folder: where to; made where it does not exist.
        form: how.
        remarks: markers by shot.
        report: called with a line for each file.
        of: name of the dubbed film.

    Returns:
        The timelines.

    Raises:
        MediaError, EngineError, CheckError, TemporaryError: a shot cannot be encoded.
        UsageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make {folder} ({error.strerror}); choose another with --changed-only DIR"
        ) from None
    before = _read(folder)
    made: dict[str, _Written] = {}
    digests: dict[str, str] = {}
    clips: list[timeline.Clip] = []
    reel = tag(film.info, "reel_name") or reel_name(film.path.stem)

    def note(*timelines: str) -> None:
        """Say what is there, so that an export that was killed goes on, and finds what it left its own."""
        shots, known = {**before.shots, **made}, {**before.digests, **digests}
        _save(folder, _Note(of=of, shots=shots, timelines=[*before.timelines, *timelines], digests=known))

    for shot in film.changed():
        span = max(0, shot.start - form.handles), min(film.shots.count, shot.stop + form.handles)
        path = folder / f"{film.path.stem}.{shot.name}{_SUFFIXES[form.codec]}"
        digest = _digest(film, span, form, reel)
        known = before.shots.get(shot.name)
        own = _as_written(path, known, before.digests) if known and known.digest == digest else ""
        if not own:
            before.digests.pop(path.name, "")  # or a kill would make it look like a file that others changed
            note()
            _encode(film, span, path, form, reel)
            report(f"{path.name}: frames {span[0]} to {span[1]}, shot {shot.start} to {shot.stop}")
            own = sha256(path)
        digests[path.name] = own
        made[shot.name] = _Written(file=path.name, digest=digest, size=path.stat().st_size)
        marks = tuple(remarks.get(shot.name, ()))
        clips.append(timeline.Clip(shot.name, path, shot.start, shot.stop, span, reel, marks))
    source = timeline.Clip(film.path.name, film.path, 0, film.shots.count, (0, film.shots.count), reel)
    suffixes = [suffix for suffix in _TIMELINES if suffix != ".edl" or _fits_edl(film, clips)]
    if ".edl" not in suffixes:
        report(f"no .edl: it needs a rate that has timecode, and holds {timeline.EDL_EVENTS} shots")
    names = [f"{film.path.stem}.changed{suffix}" for suffix in suffixes]
    for name in names:
        before.digests.pop(name, "")
    note(*names)
    for name in names:
        timeline.write(folder / name, f"{film.path.stem} changed shots", [[source], clips], film.clock)
    kept = {one.file for one in made.values()} | set(names)
    for name in {one.file for one in before.shots.values()} | set(before.timelines):
        if name not in kept and Path(name).name == name and name.startswith(f"{film.path.stem}."):
            (folder / name).unlink(missing_ok=True)
    digests |= {name: sha256(folder / name) for name in names}
    _save(folder, _Note(of=of, shots=made, timelines=names, digests=digests))
    return [folder / name for name in names]


def _fits_edl(film: Film, clips: Sequence[timeline.Clip]) -> bool:
    """Whether an EDL can hold the clips: it has timecode alone, and numbers of three digits."""
    return film.clock.counts and len(clips) <= timeline.EDL_EVENTS


def _settings(form: Form) -> ComposeSettings:
    from dubcli.settings.config import ComposeSettings

    return ComposeSettings(codec=form.codec)


def _encode(film: Film, span: tuple[int, int], path: Path, form: Form, reel: str) -> None:
    """Encode frames with their patches, then give the file its timecode and reel."""
    import ffmpeg

    from dubcli.media.compose import encode_spans
    from dubcli.media.ffmpeg import Process, arguments, url
    from dubcli.media.patches import Patches

    faces = [
        Patches(one.path, name.split(".")[0])
        for name, one in film.within(*span).items()
        if PatchFacts.load(one.path).changed
    ]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".dubcli-") as scratch:
        raw, ready = Path(scratch) / "shot.nut", Path(scratch) / path.name
        video, frames = film.info.film, film.frames
        encode_spans(film.path, video, frames.pts, frames.digest, [span], faces, raw, _settings(form))
        options = {"metadata:s:v:0": f"reel_name={reel}", "c": "copy", "fflags": "+bitexact"}
        if film.clock.counts:
            options["timecode"] = film.clock.at(span[0])
        if path.suffix == ".mov":
            options["video_track_timescale"] = str(video.rate.numerator)
        command = ffmpeg.output(ffmpeg.input(url(raw)), url(ready), **options)
        with Process([*arguments(command), "-y"]):
            pass
        os.replace(ready, path)


def _digest(film: Film, span: tuple[int, int], form: Form, reel: str) -> str:
    """A digest of all that a file depends on."""
    state = hashlib.sha256(film.frames.digest[slice(*span)].tobytes())
    facts = [span, form.codec, reel, film.clock.first, film.clock.drop, film.info.film.average_rate]
    state.update(json.dumps([*facts, [one.content for one in film.within(*span).values()]]).encode())
    return state.hexdigest()


def _as_written(path: Path, known: _Written, digests: Mapping[str, str]) -> str:
    """Digest of a file that is there as it was written, "" where it is not."""
    with suppress(OSError):
        if path.name == known.file and path.stat().st_size == known.size:
            here = sha256(path)
            return here if digests.get(path.name, here) == here else ""
    return ""


def _changed_since(folder: Path, note: _Note) -> Path | None:
    """A file of an export that another program has written since, None for none."""
    files = ((folder / name, digest) for name, digest in note.digests.items() if Path(name).name == name)
    return next((path for path, digest in files if path.is_file() and sha256(path) != digest), None)


def _read(folder: Path) -> _Note:
    try:
        return _Note.model_validate_json((folder / NOTE).read_bytes())
    except (OSError, ValidationError):
        return _Note()


def _save(folder: Path, note: _Note) -> None:
    write_atomically(folder / NOTE, (note.model_dump_json(indent=1) + "\n").encode())
