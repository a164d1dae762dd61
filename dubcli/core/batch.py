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

import glob
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dubcli.core.job import STEM, check_folder, default_out
from dubcli.engines import required
from dubcli.errors import ConfigError, DubError, ExitCode, UsageError
from dubcli.settings.document import Keys, read
from dubcli.settings.layers import resolve

Flags = Mapping[str, tuple[str, Any]]
"""Settings that were given by a flag → (the flag, its value)."""


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class Dub(_Strict):
    """A dubbed track of a film, and where its film goes."""

    audio: str = Field(min_length=1, description="the dubbed track")
    script: str | None = Field(default=None, min_length=1, description="its script")
    stems: dict[Annotated[str, Field(pattern=STEM)], str] = Field(
        default={}, description="single voices of it, by name"
    )
    out: str | None = Field(
        default=None, description="the dubbed film; FILM.DUB.mp4 beside the film by default"
    )


class Film(_Strict):
    """A film and its dubs."""

    film: str = Field(min_length=1, description="the film")
    dubs: list[str | Dub] = Field(min_length=1, description="its dubbed tracks")
    presets: list[str] | None = Field(default=None, min_length=1, description="instead of the manifest's")


class Manifest(_Strict):
    """The file that `dubcli batch` takes."""

    store: str | None = Field(default=None, description="the store that all jobs share")
    presets: list[str] | None = Field(default=None, min_length=1, description="each film is dubbed with each")
    films: list[Film] = Field(min_length=1, description="the films")


@dataclass(frozen=True)
class Entry:
    """One film with one dub under one preset.

    Attributes:
        keys: its position in the manifest.
        preset: name or file; None leaves the choice to the environment and the config files.
    """

    keys: Keys
    film: Path
    dub: Path
    script: Path | None
    stems: dict[str, Path]
    out: Path
    preset: str | None
    store: Path


@dataclass(frozen=True)
class Outcome:
    """How an entry ended; `code` None means that it was not begun."""

    entry: Entry
    code: ExitCode | None
    text: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "film": str(self.entry.film),
            "dub": str(self.entry.dub),
            "preset": self.entry.preset,
            "out": str(self.entry.out),
            "code": None if self.code is None else int(self.code),
            "text": self.text,
            "seconds": round(self.seconds, 3),
        }


def entries(path: Path, flags: Flags) -> list[Entry]:
    """The entries of a manifest, in its order, all of them checked.

    Raises:
        ConfigError: one line per problem, each with its line and column.
    """
    document = read(path)
    manifest = document.model(Manifest)
    folder = path.parent
    store = folder / Path(manifest.store or f"{path.stem}.store").expanduser()
    return _checked(list(_entries(manifest, folder, store)), document.at, flags)


def listed(text: str, folder: Path, store: Path, preset: str | None, flags: Flags) -> list[Entry]:
    """The entries of a list: a film, a dub and perhaps an output a line, with tabs between them, all checked.

    Empty lines, and those that begin with #, say nothing.

    Raises:
        ConfigError: one line per problem, each with the number of its line.
    """
    rows = [(i, line.split("\t")) for i, line in enumerate(text.splitlines(), 1)]
    rows = [(i, words) for i, words in rows if words[0].strip() and not words[0].startswith("#")]
    bad = [f"line {i}: write it as FILM, a tab and DUB" for i, words in rows if len(words) not in (2, 3)]
    if bad or not rows:
        raise ConfigError("\n".join(bad or ["the list names no film; write FILM, a tab and DUB a line"]))
    lines = [i for i, _ in rows]
    films = [
        Film(film=words[0], dubs=[Dub(audio=words[1], out=words[2] if words[2:] else None)])
        for _, words in rows
    ]
    manifest = Manifest(presets=[preset] if preset else None, films=films)
    return _checked(list(_entries(manifest, folder, store)), lambda k: f"line {lines[int(k[1])]}", flags)


def globbed(pattern: str, dubs: str, store: Path, preset: str | None, flags: Flags) -> list[Entry]:
    """The entries of all films that match a pattern, each with the dubs that lie beside it, all checked.

    Args:
        pattern: of films, as in a shell; `**` matches folders.
        dubs: of their dubs, beside each; `{stem}` is the film's name without its suffix.
        store: as in a manifest.
        preset: as in a manifest.
        flags: as in a manifest.

    Raises:
        ConfigError: no film matches, a film has no dub, or one line per problem.
    """
    films = [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]
    found: dict[Path, list[Path]] = {}
    for film in films:
        names = sorted(glob.glob(dubs.replace("{stem}", glob.escape(film.stem)), root_dir=film.parent))
        found[film] = [film.parent / name for name in names if film.with_name(name) != film]
    outs = {default_out(film, dub) for film, beside in found.items() for dub in beside}
    found = {film: beside for film, beside in found.items() if film not in outs}  # what a batch has written
    if not found:
        raise ConfigError(f"--glob {pattern}: no film matches")
    bare = [
        f"{film}: no file beside it matches {dubs}; name its dub with --dubs"
        for film in found
        if not found[film]
    ]
    if bare:
        raise ConfigError("\n".join(bare))
    rows = [Film(film=str(film), dubs=[str(dub) for dub in beside]) for film, beside in found.items()]
    manifest = Manifest(presets=[preset] if preset else None, films=rows)
    return _checked(list(_entries(manifest, Path(), store)), lambda keys: rows[int(keys[1])].film, flags)


def _checked(found: list[Entry], at: Callable[[Keys], str], flags: Flags) -> list[Entry]:
    problems = list(_problems(found, at, flags))
    if problems:
        head = [f"{len(problems)} problems; nothing was begun"] if len(problems) > 1 else []
        raise ConfigError("\n".join([*head, *problems]))
    return found


def _entries(manifest: Manifest, folder: Path, store: Path) -> Iterator[Entry]:
    for i, item in enumerate(manifest.films):
        film = folder / Path(item.film).expanduser()
        chosen: list[str | None] = [*(item.presets or manifest.presets or [])] or [None]
        for j, given in enumerate(item.dubs):
            keys: Keys = ("films", i, "dubs", j)
            dub = Dub(audio=given) if isinstance(given, str) else given
            audio = folder / Path(dub.audio).expanduser()
            named = folder / Path(dub.out).expanduser() if dub.out is not None else None
            script = folder / Path(dub.script).expanduser() if dub.script is not None else None
            stems = {name: folder / Path(file).expanduser() for name, file in dub.stems.items()}
            for preset in chosen:
                out = named or default_out(film, audio)
                if len(chosen) > 1 and preset:
                    out = out.with_name(f"{out.stem}.{Path(preset).stem}{out.suffix}")
                yield Entry(keys, film, audio, script, stems, out, _preset(preset, folder), store)


def _preset(name: str | None, folder: Path) -> str | None:
    """A preset's file counts from the manifest's folder; a name stays a name."""
    is_file = name is not None and Path(name).suffix in {".yaml", ".yml"}
    return str(folder / Path(str(name)).expanduser()) if is_file else name


def _problems(found: list[Entry], at: Callable[[Keys], str], flags: Flags) -> Iterator[str]:
    outs: dict[Path, Entry] = {}
    told: set[Path | str] = set()
    for entry in found:
        for path, keys in (
            (entry.film, (*entry.keys[:2], "film")),
            (entry.dub, entry.keys),
            (entry.script, entry.keys),
            *((stem, (*entry.keys, "stems", name)) for name, stem in entry.stems.items()),
        ):
            if path and not path.is_file() and path not in told:
                told.add(path)
                yield f"{at(keys)}: there is no file {path}"
        if entry.out.parent not in told:
            told.add(entry.out.parent)
            try:
                check_folder(entry.out.parent, make=False)
            except UsageError as error:
                yield f"{at(entry.keys)}: {error}"
        if outs.setdefault(entry.out.resolve(), entry) is not entry:
            yield f"{at(entry.keys)}: {entry.out} is written twice; give one of them another out"
        try:
            required.check(resolve(preset=entry.preset, folder=entry.film.parent, flags=flags))
        except DubError as error:
            if str(error) not in told:
                told.add(str(error))
                yield f"{at(entry.keys)}: {error}"
