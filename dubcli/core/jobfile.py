"""`job.json`: the sources, the output and the settings of a job, for people and for `dubcli run JOB`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from dubcli.core.places import JOB_FILE, check_names
from dubcli.errors import ConfigError, UsageError
from dubcli.files import write_atomically
from dubcli.settings.config import PERSONAL, Settings
from dubcli.settings.layers import flatten, nest, refusal

SCHEMA = 1
STEM = r"^[\w' .-]{1,60}$"
"""Names that a stem can have."""


class JobFile(BaseModel):
    """What the file holds. Paths below the directory that holds the job are kept relative to the job."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    schema_version: int = SCHEMA
    film: str
    dub: str
    out: str
    script: str = ""
    store: str = "store"
    stems: dict[str, str] = {}
    settings: Settings = Settings()


def read(root: Path) -> JobFile:
    """The file of a job directory.

    Raises:
        UsageError: there is no such directory, it is no job, or its name is not UTF-8.
        ConfigError: the file is not valid, or holds what only the user may say.
    """
    check_names(root)
    path = root / JOB_FILE
    try:
        data = JobFile.model_validate_json(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{root} is not a job directory; name one that dubcli run wrote") from None
    except (ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ConfigError(f"{path} is not valid ({first}); move it away and type the same again") from None
    given = flatten(data.settings.model_dump(mode="json"), Settings)
    for dotted in PERSONAL:
        if given.get(dotted):
            raise ConfigError(f"{path}: {refusal(dotted)}; take it out of the file")
    return data


def write(root: Path, file: JobFile) -> None:
    """Write the file, without the settings that only the user may say."""
    left_out: dict[str, Any] = {"settings": nest(dict.fromkeys(PERSONAL, True))}
    text = file.model_dump_json(indent=1, exclude=left_out) + "\n"
    write_atomically(root / JOB_FILE, text.encode())


def kept(root: Path, path: Path) -> str:
    """A path as the file keeps it."""
    here, there = root.resolve(), path.resolve()
    return os.path.relpath(there, here) if there.is_relative_to(here.parent) else str(there)


def meant(root: Path, text: str) -> Path:
    """The path that the file keeps as this."""
    return Path(os.path.normpath(root / text))
