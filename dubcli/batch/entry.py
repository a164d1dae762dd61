"""One job of a batch, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubcli.core.job import Job
from dubcli.errors import ExitCode
from dubcli.settings.document import Keys
from dubcli.settings.layers import resolve

Flags = Mapping[str, tuple[str, Any]]
"""Settings that were given by a flag → (the flag, its value)."""
BY_ENTRY = "in a manifest or a list"
"""How the output of an entry is named, as errors say it."""


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
        by=BY_ENTRY,
    )


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
