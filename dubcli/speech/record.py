"""`speech.json`: what was heard in an audio file, as strict models."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dubcli.errors import ConfigError
from dubcli.speech.visemes import PHONES

Score = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


def _known(phone: str) -> str:
    if phone not in PHONES:
        raise ValueError(f"unknown phone {phone!r}")
    return phone


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Region(_Model):
    """A stretch of speech, seconds."""

    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _forward(self) -> Region:
        if self.end < self.start:
            raise ValueError(f"ends at {self.end} before it starts at {self.start}")
        return self


class Word(Region):
    """A word with its times in seconds and how sure the engine is of it."""

    text: str
    score: Score = 1.0
    speaker: str | None = None


class Phone(Region):
    """A phone in ARPABET without stress, `SIL` for none, with its times in seconds."""

    phone: Annotated[str, AfterValidator(_known)]
    score: Score = 1.0


class Record(_Model):
    """What was heard.

    Attributes:
        engine: the aligner's name.
        language: a language tag, or "und" where none was needed.
        seconds: length of the audio.
        offset: when the audio's first sample sounds, seconds after the film's first picture; all other
            times are in the audio's own time.
        regions: stretches of speech, in order, apart from each other.
        words: in order; empty where no words are known.
        phones: in order, without overlaps.
    """

    engine: str
    language: str = "und"
    seconds: Seconds
    offset: float = 0.0
    regions: tuple[Region, ...] = ()
    words: tuple[Word, ...] = ()
    phones: tuple[Phone, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Record:
        for name in ("regions", "phones"):
            rows = getattr(self, name)
            for a, b in pairwise(rows):
                if b.start < a.end - 1e-6:
                    raise ValueError(f"{name} overlap at {b.start} s")
        return self

    def save(self, path: Path) -> None:
        """Write it as JSON, one row a line, the same bytes for the same content."""
        path.write_text(self.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")


def load(path: Path) -> Record:
    """Read a `speech.json`.

    Raises:
        ConfigError: it is not one.
    """
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path.name} is not a speech record: {where}: {first['msg']}") from error
