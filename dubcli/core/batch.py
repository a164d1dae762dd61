"""Films × dubs × presets from one manifest, checked as a whole and run one after another over one store.

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

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dubcli.core import runner
from dubcli.core.events import Events, Listener
from dubcli.core.job import STEM, Job, check_folder, default_out
from dubcli.engines import required
from dubcli.errors import (
    ConfigError,
    DependencyError,
    DubError,
    ExitCode,
    StoppedError,
    TemporaryError,
    UsageError,
)
from dubcli.settings.document import Document, Keys, read
from dubcli.settings.layers import resolve

STOPPING = (StoppedError, TemporaryError, DependencyError)
"""Failures that stop the batch: the next entry would meet them too, or a person asked to stop."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


def entries(path: Path, flags: Mapping[str, tuple[str, Any]]) -> list[Entry]:
    """The entries of a manifest, in its order, all of them checked.

    Raises:
        ConfigError: one line per problem, each with its line and column.
    """
    document = read(path)
    manifest = document.model(Manifest)
    folder = path.parent
    store = folder / Path(manifest.store or f"{path.stem}.store").expanduser()
    found = list(_entries(manifest, folder, store))
    problems = list(_problems(found, document, flags))
    if problems:
        head = [f"{path}: {len(problems)} problems; nothing was begun"] if len(problems) > 1 else []
        raise ConfigError("\n".join([*head, *problems]))
    return found


def run(
    found: list[Entry],
    flags: Mapping[str, tuple[str, Any]],
    *,
    force: bool,
    listeners: Callable[[Entry], list[Listener]],
) -> Iterator[Outcome]:
    """Run entries one after another; a failed one is recorded and the next one starts.

    After a failure that the others would meet too (a signal, a full disk, a missing dependency) the rest is
    not begun.
    """
    stopped: DubError | None = None
    for entry in found:
        if stopped:
            yield Outcome(entry, None, "not begun", 0.0)
            continue
        began, hooks = time.monotonic(), listeners(entry)
        events = Events(None, *hooks)
        code, text = ExitCode.BUG, ""
        try:
            settings = resolve(preset=entry.preset, folder=entry.film.parent, flags=flags).settings
            job = Job.create_or_open(
                entry.film,
                entry.dub,
                settings,
                out=entry.out,
                store=entry.store,
                script=entry.script,
                stems=entry.stems,
            )
            events = Events(job.root / "events.jsonl", *hooks)
            runner.run(job, events, overwrite=force)
            code = ExitCode.OK
        except DubError as error:
            code, text = error.exit_code, str(error)
            stopped = error if isinstance(error, STOPPING) else None
        finally:
            events("exit", code=int(code), **({"text": text} if text else {}))
        yield Outcome(entry, code, text, time.monotonic() - began)


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


def _problems(found: list[Entry], document: Document, flags: Mapping[str, tuple[str, Any]]) -> Iterator[str]:
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
                yield f"{document.at(keys)}: there is no file {path}"
        if entry.out.parent not in told:
            told.add(entry.out.parent)
            try:
                check_folder(entry.out.parent, make=False)
            except UsageError as error:
                yield f"{document.at(entry.keys)}: {error}"
        if outs.setdefault(entry.out.resolve(), entry) is not entry:
            yield f"{document.at(entry.keys)}: {entry.out} is written twice; give one of them another out"
        try:
            required.check(resolve(preset=entry.preset, folder=entry.film.parent, flags=flags))
        except DubError as error:
            if str(error) not in told:
                told.add(str(error))
                yield f"{document.at(entry.keys)}: {error}"
