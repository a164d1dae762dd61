"""Opens or creates the job that a command line names, with its settings."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.cli import options
from dubcli.cli.output import out
from dubcli.errors import UsageError, typed

if TYPE_CHECKING:
    from dubcli.core.job import Job
    from dubcli.settings.config import Settings
    from dubcli.settings.layers import Resolved


@dataclass(frozen=True)
class Running:
    """How to run; a job keeps it with its settings."""

    workers: options.Workers = None
    fallback: options.Fallback = None

    def flags(self) -> dict[str, tuple[str, Any]]:
        """Settings that were given by a flag → (the flag, its value)."""
        given = {"run.workers": ("--workers", self.workers), "run.fallback": ("--fallback", self.fallback)}
        return {name: (flag, value) for name, (flag, value) in given.items() if value is not None}


@dataclass(frozen=True)
class Request:
    """What job is meant, and with which settings; paths as typed, None where not given."""

    source: options.Source
    audio: options.Audio = None
    stems: options.Stems = None
    script: options.Script = None
    out: options.Out = None
    job: options.JobOption = None
    store: options.StoreOption = None
    preset: options.PresetOption = None
    assignments: options.Assignments = None
    engines: options.Engines = None
    accept: options.Accept = None
    keep_matching: options.KeepMatching = False

    def flags(self) -> dict[str, tuple[str, Any]]:
        """Settings that were given by a flag of their own → (the flag, its value).

        Raises:
            UsageError: an engine is not written as KIND=NAME.
        """
        from dubcli.engines.required import SETTINGS

        found: dict[str, tuple[str, Any]] = {}
        for text in self.engines or ():
            kind, equals, name = text.partition("=")
            if not equals or kind not in SETTINGS:
                raise UsageError(f"--engine {text}: write it as KIND=NAME; kinds are {', '.join(SETTINGS)}")
            found[SETTINGS[kind]] = ("--engine", name)
        if self.accept:
            found["engines.accepted"] = ("--accept-licence", list(self.accept))
        if self.keep_matching:
            found["motion.keep_matching"] = ("--keep-matching", True)
        return found

    @property
    def sets_something(self) -> bool:
        """Whether the words say more than which job is meant."""
        return bool(self.preset or self.assignments or self.script or self.flags())

    def voices(self) -> dict[str, Path]:
        """Name → file of the stems.

        Raises:
            UsageError: one is not written as NAME=FILE, or a name stands twice.
        """
        from dubcli.core.jobfile import STEM

        found: dict[str, Path] = {}
        for text in self.stems or ():
            name, equals, file = text.partition("=")
            name = name.strip()
            if not equals or not file or not re.fullmatch(STEM, name):
                raise UsageError(f"--stem {text}: write it as NAME=FILE, such as ANNA=anna_fr.wav")
            if name in found:
                raise UsageError(f"--stem {text}: there is a stem of {name} already; mix them into one file")
            found[name] = Path(file)
        return found


def open_job(request: Request, running: Running | None = None, *, save: bool = True) -> tuple[Job, Resolved]:
    """The job that a command is about, made where it does not exist, and the origin of its settings.

    Args:
        request: the command line's words.
        running: those that say how to run.
        save: keep the settings in the job; without it nothing is written.

    Raises:
        DubError: a file is missing, a setting is wrong, or the options do not go together.
    """
    from dubcli.core.job import Job
    from dubcli.core.places import check_names, check_store, images, one_channel
    from dubcli.core.sources import check
    from dubcli.core.store import Store

    running = running or Running()
    if why := images(request.source):
        raise UsageError(why)
    if request.source.is_dir():
        given = {"--audio": request.audio, "-o": request.out, "--job": request.job}
        for flag, value in {**given, "--stem": request.stems or None}.items():
            if value is not None:
                raise UsageError(f"{flag} goes with a film; {request.source} is a job and has its own")
        stored = Job.open(request.source)
        resolved = _resolve(request, running, stored.root.parent, base=stored.settings)
        job = Job.open(request.source, resolved.settings)
        job.script = request.script or job.script
        if request.store:  # which may have been moved
            check_names(request.store)
            job.store = Store(request.store)
        check_store(job.store.root)
        check(resolved.settings, request.script)
        if save:
            job.save()
        return job, resolved
    if request.audio is None:
        raise UsageError(f"which dub? type: dubcli run {typed(request.source)} --audio FILE")
    resolved = _resolve(request, running, (request.job or request.out or request.source).parent)
    job = Job.create_or_open(
        request.source,
        request.audio,
        resolved.settings,
        out=request.out,
        root=request.job,
        store=resolved.store,
        stems=request.voices(),
        script=request.script,
        save=save,
    )
    if text := one_channel(request.audio):
        out.warn(text)
    return job, resolved


@contextlib.contextmanager
def preview_job(request: Request, running: Running | None = None) -> Iterator[tuple[Job, Resolved]]:
    """`open_job` that writes nothing; a job that does not exist yet lives in a temporary folder."""
    job, resolved = open_job(request, running, save=False)
    if job.root.is_dir():
        yield job, resolved
        return
    with tempfile.TemporaryDirectory(prefix="dubcli-plan-") as folder:
        job.root = Path(folder)
        yield job, resolved


def find_job(place: Path | None, named: Path | None = None) -> Job:
    """The job that was named, or else that of this folder, or else the only one in it.

    Args:
        place: as JOB.
        named: with --job.

    Raises:
        UsageError: none or several could be meant, or there is no job.
        ConfigError: its file is not valid.
    """
    from dubcli.core.job import Job

    return Job.open(_found(place, named))


def _found(place: Path | None, named: Path | None) -> Path:
    from dubcli.core.places import is_job

    if place is not None and named is not None:
        raise UsageError(f"{place} and --job {named}: name the job once")
    place = place or named
    if place is not None:
        return place
    if is_job(here := Path()):
        return here
    found = sorted(path for path in here.glob("*") if is_job(path))
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(path) for path in found[:5])
    several = f"this folder holds {len(found)} jobs ({names}); name one"
    raise UsageError(several if found else "this folder is no job and holds none; name a job directory")


def _resolve(request: Request, running: Running, folder: Path, base: Settings | None = None) -> Resolved:
    from dubcli.engines import required
    from dubcli.settings.layers import resolve

    resolved = resolve(
        preset=request.preset,
        store=request.store,
        folder=folder,
        flags=request.flags() | running.flags(),
        assignments=tuple(request.assignments or ()),
        base=base,
    )
    required.check(resolved)
    return resolved


def as_json(resolved: Resolved) -> Mapping[str, Any]:
    """Settings with origins, for JSON documents."""
    return {name: {"value": value, "from": origin} for name, value, origin in resolved.rows()}
