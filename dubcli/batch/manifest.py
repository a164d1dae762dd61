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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dubcli.core.job import STEM, Job
from dubcli.core.places import check_folder, check_writable, default_out, images, is_job, job_around, no_file
from dubcli.engines import required
from dubcli.errors import ConfigError, DubError, ExitCode, UsageError, typed
from dubcli.media.containers import SUFFIXES
from dubcli.settings.document import Keys, read
from dubcli.settings.layers import resolve

Flags = Mapping[str, tuple[str, Any]]
"""Settings that were given by a flag → (the flag, its value)."""


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

    @property
    def root(self) -> Path:
        """Its job directory."""
        return self.out.with_suffix(".dub")


_TABLES = (".csv", ".tsv", ".txt", ".xls", ".xlsx", ".ods")


@dataclass(frozen=True)
class Outcome:
    """How an entry ended.

    Attributes:
        code: None where the batch did not come to it.
        text: what was wrong; of one that the batch did not come to, how it stands.
        seconds: what it took this time.
        earlier: whether its film was finished by an earlier batch, and this one did not come to it.
    """

    entry: Entry
    code: ExitCode | None
    text: str
    seconds: float
    earlier: bool = False

    @property
    def is_done(self) -> bool:
        """Whether its film is there."""
        return self.code == ExitCode.OK or self.earlier

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
    return _checked(_entries(path, document.model(Manifest)), document.at, flags, overwrite)


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
    return _checked(found, lambda keys: f"line {keys[0]}", flags, overwrite, problems)


def globbed(
    pattern: str, dubs: str, store: Path, preset: str | None, flags: Flags, *, overwrite: bool = True
) -> list[Entry]:
    """The entries of all films that match a pattern, each with the dubs that lie beside it, all checked.

    Args:
        pattern: of films, as in a shell; `**` matches folders. What jobs have written is no film of it.
        dubs: of their dubs, beside each; `{stem}` is the film's name without its suffix.
        store: as in a manifest.
        preset: as in a manifest.
        flags: as in a manifest.
        overwrite: as in a manifest.

    Raises:
        ConfigError: no film matches, a film has no dub, or one line per problem.
    """
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    films = [path for path in found if path.is_file() and not _is_written(path, store)]
    beside: dict[Path, list[Path]] = {}
    for film in films:
        names = sorted(glob.glob(dubs.replace("{stem}", glob.escape(film.stem)), root_dir=film.parent))
        tracks = (film.parent / name for name in names)
        beside[film] = [track for track in tracks if track.is_file() and track.resolve() != film.resolve()]
    outs = {default_out(film, dub) for film, tracks in beside.items() for dub in tracks}
    beside = {film: tracks for film, tracks in beside.items() if film not in outs}  # what a batch has written
    if not beside:
        raise ConfigError(f"--glob {pattern}: no film matches")
    problems = [
        f"{film}: no file beside it matches {dubs}; name its dub with --dubs"
        for film in beside
        if not beside[film]
    ]
    entries = [
        _entry((str(film),), film, dub, None, preset, store)
        for film, tracks in beside.items()
        for dub in tracks
    ]
    return _checked(entries, lambda keys: str(keys[0]), flags, overwrite, problems)


def _is_written(path: Path, store: Path) -> bool:
    """Whether a job has written a file: it is its film, or lies in it or in a store."""
    if job_around(path) or any(folder.samefile(store) for folder in path.parents if store.is_dir()):
        return True
    with contextlib.suppress(DubError):
        return Job.open(path.with_suffix(".dub")).out.resolve() == path.resolve()
    return False


def job_of(entry: Entry, flags: Flags, *, save: bool = True) -> Job:
    """The job of an entry, opened or made; without `save` nothing is written.

    Raises:
        DubError: it cannot be.
    """
    return Job.create_or_open(
        entry.film,
        entry.dub,
        resolve(preset=entry.preset, folder=entry.film.parent, flags=flags).settings,
        out=entry.out,
        store=entry.store,
        script=entry.script,
        stems=entry.stems,
        save=save,
    )


def _checked(
    found: list[Entry], at: Callable[[Keys], str], flags: Flags, overwrite: bool, before: Sequence[str] = ()
) -> list[Entry]:
    problems = [*before, *_problems(found, at, flags, overwrite)]
    if problems:
        head = [f"{len(problems)} problems; nothing was begun"] if len(problems) > 1 else []
        raise ConfigError("\n".join([*head, *problems]))
    return found


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


def _problems(found: list[Entry], at: Callable[[Keys], str], flags: Flags, overwrite: bool) -> Iterator[str]:
    outs: dict[Path, Entry] = {}
    roots: dict[Path, Entry] = {}
    told: set[Path | str] = set()
    inputs = {path.resolve(): path for entry in found for path in _inputs(entry)}
    for entry in found:
        if (shown := images(entry.film)) and shown not in told:
            told.add(shown)
            yield f"{at((*entry.keys[:2], 'film'))}: {shown}"
        if shown:
            continue
        missing = [(path, keys, why) for path, keys in _inputs(entry).items() if (why := no_file(path))]
        for path, keys, why in missing:
            if path not in told:
                told.add(path)
                bare = f"there is no file {path}; names stand without quotes" if '"' in path.name else ""
                yield f"{at(keys)}: {bare or why}"
        if source := inputs.get(entry.out.resolve()):
            yield f"{at(entry.keys)}: the output would overwrite {source}; give it another out"
        elif outs.setdefault(entry.out.resolve(), entry) is not entry:
            yield f"{at(entry.keys)}: {entry.out} is written twice; give one of them another out"
        elif (other := roots.setdefault(entry.root.resolve(), entry)) is not entry:
            yield (
                f"{at(entry.keys)}: {entry.out} and {other.out} would have one job directory, "
                f"{entry.root.name}; give one of them another out"
            )
        else:
            try:
                _check(entry, flags, overwrite, is_whole=not missing)
            except DubError as error:
                if str(error) not in told:
                    told.add(str(error))
                    yield f"{at(entry.keys)}: {error}"
            except PermissionError as error:
                if not missing:
                    yield f"{at(entry.keys)}: {error.filename} may not be read; check its permissions"


def _inputs(entry: Entry) -> dict[Path, Keys]:
    """The files that a job reads, and where each is written."""
    rows: list[tuple[Path | None, Keys]] = [
        (entry.film, (*entry.keys[:2], "film")),
        (entry.dub, entry.keys),
        (entry.script, entry.keys),
        *((stem, (*entry.keys, "stems", name)) for name, stem in entry.stems.items()),
    ]
    return {path: keys for path, keys in rows if path}


def _check(entry: Entry, flags: Flags, overwrite: bool, *, is_whole: bool) -> None:
    """Refuse what the job itself would refuse when its turn comes.

    Raises:
        DubError: as the job says it.
    """
    check_folder(entry.out.parent, make=False)
    for place in (entry.out.parent, entry.root):
        check_writable(place, "choose another output with -o FILE")
    check_writable(entry.store, "name another store with --store DIR")
    resolved = resolve(preset=entry.preset, folder=entry.film.parent, flags=flags)
    required.check(resolved)
    if not is_whole:
        return
    job = job_of(entry, flags, save=False)
    if not overwrite and (obstacle := job.obstacle()):
        raise UsageError(f"{obstacle}; add --force to replace it, or give another out")
