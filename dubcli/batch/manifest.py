"""Films × dubs × presets from a manifest, a list or a pattern, checked as a whole.

    store: series.store            # optional; beside the manifest by default
    presets: [film]                # optional; every film is dubbed with each
    films:
      - film: episode1.mov
        dubs: [episode1_fr.wav, episode1_de.wav]
      - film: episode2.mov
        presets: [draft]
        dubs:
          - audio: episode2_fr.wav
            script: episode2_fr.srt
            stems: {Anna: anna_fr.wav, Ben: ben_fr.wav}
            out: delivery/episode2.fr.mov

Relative paths count from the manifest's folder.
"""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dubcli.batch.check import checked
from dubcli.batch.entry import Entry, Flags
from dubcli.core.job import Job
from dubcli.core.jobfile import STEM
from dubcli.core.places import default_out, is_job, job_around
from dubcli.errors import ConfigError, DubError, typed
from dubcli.media.containers import SUFFIXES
from dubcli.settings.document import Keys, read

_Word = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]  # no name of a file holds a NUL


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class Dub(_Strict):
    """A dubbed track of a film, and where its film goes."""

    audio: _Word = Field(description="the dubbed track")
    script: _Word | None = Field(default=None, description="its script")
    stems: dict[Annotated[str, Field(pattern=STEM)], _Word] = Field(
        default={}, description="single voices of it, by name"
    )
    out: _Word | None = Field(
        default=None, description="the dubbed film; FILM.DUB.mp4 beside the film by default"
    )

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, given: Any) -> Any:
        """A dub that is only a file's name."""
        return {"audio": given} if isinstance(given, str) else given


class Film(_Strict):
    """A film and its dubs."""

    film: _Word = Field(description="the film")
    dubs: list[Dub] = Field(min_length=1, description="its dubbed tracks")
    presets: list[_Word] | None = Field(default=None, min_length=1, description="instead of the manifest's")


class Manifest(_Strict):
    """The file that `dubcli batch` takes."""

    store: _Word | None = Field(default=None, description="the store that all jobs share")
    presets: list[_Word] | None = Field(
        default=None, min_length=1, description="each film is dubbed with each"
    )
    films: list[Film] = Field(min_length=1, description="the films")


_TABLES = (".csv", ".tsv", ".txt", ".xls", ".xlsx", ".ods")


def entries(path: Path, flags: Flags, *, overwrite: bool = True) -> list[Entry]:
    """The entries of a manifest, in its order, all of them checked.

    Args:
        path: the manifest.
        flags: settings that were given by flags.
        overwrite: whether outputs that are not the jobs' own may be there.

    Raises:
        ConfigError: one line per problem, each with its line and column.
    """
    if path.suffix.lower() in _TABLES:
        raise ConfigError(
            f"{path} is a table, and a manifest is YAML, as dubcli batch --help shows; or give the table as "
            "text, the film, a tab and the dub in each line: dubcli batch - < TABLE.txt"
        )
    if meant := _meant(path):
        raise ConfigError(f"{path} is no manifest; type: {meant}")
    document = read(path)
    return checked(_entries(path, document.model(Manifest)), document.at, flags, overwrite)


def named(path: Path) -> list[Entry]:
    """The entries of a manifest as they stand there, of which nothing need exist (any more).

    Raises:
        ConfigError: the manifest itself is wrong.
    """
    return _entries(path, read(path).model(Manifest))


def _meant(path: Path) -> str:
    """What to type where a manifest's place holds something else; "" where it may be one."""
    if is_job(path):
        return f"dubcli run {typed(path)}"
    if path.is_dir():
        pattern = path / ("*" + next((one for one in SUFFIXES if any(path.glob(f"*{one}"))), SUFFIXES[0]))
        return f"dubcli batch --glob {typed(pattern)}"
    return f"dubcli run {typed(path)} --audio DUB" if path.suffix.lower() in SUFFIXES else ""


def listed(
    text: str, folder: Path, store: Path, preset: str | None, flags: Flags, *, overwrite: bool = True
) -> list[Entry]:
    """The entries of a list: a film, a dub and perhaps an output a line, with tabs between them, all checked.

    Empty lines, and those that begin with #, say nothing.

    Raises:
        ConfigError: one line per problem, each with the number of its line.
    """
    lines = re.split("\r\n|\n|\r", text.removeprefix("\ufeff").replace("\0", ""))
    rows = [(i, line.split("\t")) for i, line in enumerate(lines, 1) if line.strip()]
    rows = [(i, words) for i, words in rows if not words[0].lstrip().startswith("#")]
    if not rows:
        raise ConfigError("the list names no film; write FILM, a tab and DUB a line")
    bad = [i for i, words in rows if len(words) not in (2, 3) or not all(word.strip() for word in words[:2])]
    found = []
    for i, (film, dub, *out) in [(i, words) for i, words in rows if i not in bad]:
        named = folder / Path(out[0]).expanduser() if "".join(out).strip() else None
        found.append(
            _entry(
                (i,), folder / Path(film).expanduser(), folder / Path(dub).expanduser(), named, preset, store
            )
        )
    problems = [f"line {i}: write it as FILM, a tab and DUB" for i in bad]
    return checked(found, lambda keys: f"line {keys[0]}", flags, overwrite, problems)


def globbed(
    pattern: str,
    dubs: str,
    store: Path,
    preset: str | None,
    flags: Flags,
    *,
    overwrite: bool = True,
    fail_fast: bool = False,
) -> tuple[list[Entry], list[str]]:
    """The entries of all films that match a pattern, each with the dubs that lie beside it, all checked.

    Args:
        pattern: of films, as in a shell; `**` matches folders. What jobs have written is no film of it.
        dubs: of their dubs, beside each; `{stem}` is the film's name without its suffix. What matches a film
            with a longer name as well is that one's: `e1_extra_fr.wav` is no dub of `e1.mov`.
        store: as in a manifest.
        preset: as in a manifest.
        flags: as in a manifest.
        overwrite: as in a manifest.
        fail_fast: whether a film without a dub refuses them all.

    Returns:
        The entries, and a line for each film that has no dub, of which there are none with `fail_fast`.

    Raises:
        ConfigError: no film matches, none has a dub, or one line per problem.
    """
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    if Path(pattern).is_dir():
        raise ConfigError(f"--glob {pattern} is a folder; type: {_meant(Path(pattern))}")
    films = [path for path in found if not path.is_dir() and not _is_written(path, store)]
    beside = _beside(films, dubs, store)
    outs = {default_out(film, dub) for film, tracks in beside.items() for dub in tracks}
    beside = {film: tracks for film, tracks in beside.items() if film not in outs}  # what a batch has written
    if not beside:
        raise ConfigError(f"--glob {pattern}: no film matches; check its folder and suffix")
    lone = [
        f"{film}: no file beside it matches {dubs}; name its dub with --dubs"
        for film in beside
        if not beside[film]
    ]
    entries = [
        _entry((str(film),), film, dub, None, preset, store)
        for film, tracks in beside.items()
        for dub in tracks
    ]
    refused, told = (lone, []) if fail_fast or not entries else ([], lone)
    return checked(entries, lambda keys: str(keys[0]), flags, overwrite, refused, told), told


def _beside(films: Sequence[Path], dubs: str, store: Path) -> dict[Path, list[Path]]:
    """Film → its dubs; a link to nothing is one as well, so that it is told of and not left out unseen."""
    found: dict[Path, list[Path]] = {}
    stems: dict[Path, set[str]] = {}  # of a dub, those of the films that it matches
    for film in films:
        names = sorted(glob.glob(dubs.replace("{stem}", glob.escape(film.stem)), root_dir=film.parent))
        tracks = [film.parent / name for name in names]
        found[film] = [
            track
            for track in tracks
            if not track.is_dir() and track.resolve() != film.resolve() and not _is_written(track, store)
        ]
        for track in found[film]:
            stems.setdefault(track.resolve(), set()).add(film.stem)

    def is_of(film: Path, track: Path) -> bool:
        return not any(stem != film.stem and stem.startswith(film.stem) for stem in stems[track.resolve()])

    return {film: [track for track in tracks if is_of(film, track)] for film, tracks in found.items()}


def _is_written(path: Path, store: Path) -> bool:
    """Whether a job has written a file: it is its film, or lies in it or in a store."""
    if job_around(path) or any(folder.samefile(store) for folder in path.parents if store.is_dir()):
        return True
    with contextlib.suppress(DubError):
        return Job.open(path.with_suffix(".dub")).out.resolve() == path.resolve()
    return False


def _entries(path: Path, manifest: Manifest) -> list[Entry]:
    folder = path.parent
    return list(_rows(manifest, folder, folder / Path(manifest.store or f"{path.stem}.store").expanduser()))


def _rows(manifest: Manifest, folder: Path, store: Path) -> Iterator[Entry]:
    for i, item in enumerate(manifest.films):
        film = folder / Path(item.film).expanduser()
        chosen: list[str | None] = [*(item.presets or manifest.presets or [])] or [None]
        for j, dub in enumerate(item.dubs):
            audio = folder / Path(dub.audio).expanduser()
            named = folder / Path(dub.out).expanduser() if dub.out is not None else None
            script = folder / Path(dub.script).expanduser() if dub.script is not None else None
            stems = {name: folder / Path(file).expanduser() for name, file in dub.stems.items()}
            for preset in chosen:
                own = _entry(("films", i, "dubs", j), film, audio, named, _preset(preset, folder), store)
                if len(chosen) > 1 and preset:
                    out = own.out.with_name(f"{own.out.stem}.{Path(preset).stem}{own.out.suffix}")
                    own = replace(own, out=out)
                yield replace(own, script=script, stems=stems)


def _entry(keys: Keys, film: Path, dub: Path, out: Path | None, preset: str | None, store: Path) -> Entry:
    return Entry(keys, film, dub, None, {}, out or default_out(film, dub), preset, store)


def _preset(name: str | None, folder: Path) -> str | None:
    """A preset's file counts from the manifest's folder; a name stays a name."""
    is_file = name is not None and Path(name).suffix in {".yaml", ".yml"}
    return str(folder / Path(str(name)).expanduser()) if is_file else name
