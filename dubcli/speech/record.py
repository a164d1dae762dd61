"""`speech.json`: what was heard in an audio file, as strict models."""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def to_textgrid(record: Record) -> str:
    """The words and phones as a Praat TextGrid in its long text form, one interval tier each."""
    tiers = {
        "words": [(w.start, w.end, w.text) for w in record.words],
        "phones": [(p.start, p.end, p.phone) for p in record.phones],
    }
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {record.seconds}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, rows) in enumerate(tiers.items(), 1):
        full = _filled(rows, record.seconds)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {record.seconds}"]
        lines += [f"        intervals: size = {len(full)}"]
        for k, (start, end, text) in enumerate(full, 1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{k}]:", f"            xmin = {start}", f"            xmax = {end}"]
            lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def from_textgrid(text: str) -> Record:
    """Words and phones of a Praat TextGrid, long or short text form, from tiers named `words` and `phones`.

    Empty intervals are pauses. Phones may carry ARPABET stress (`AA1`), as forced aligners write them.

    Raises:
        ConfigError: it is no such file, or a phone is not ARPABET.
    """
    # Both forms hold the same values in the same order; the long one only adds names before them.
    values = [
        m.group(1).replace('""', '"') if m.group(1) is not None else float(m.group(2))
        for m in _VALUE.finditer(text)
    ]
    if values[:2] != ["ooTextFile", "TextGrid"]:
        raise ConfigError("this is no TextGrid in text form; save it from Praat as a text file")
    words: list[Word] = []
    phones: list[Phone] = []
    try:
        seconds, tiers = _number(values[3]), int(_number(values[4]))
        at = 5
        for _ in range(tiers):
            kind, name, rows = values[at], str(values[at + 1]).lower(), int(_number(values[at + 4]))
            width = 3 if kind == "IntervalTier" else 2
            for k in range(at + 5, at + 5 + width * rows, width):
                if kind != "IntervalTier" or not str(values[k + 2]).strip():
                    continue
                start, end, label = _number(values[k]), _number(values[k + 1]), str(values[k + 2]).strip()
                if name == "words":
                    words.append(Word(start=start, end=end, text=label))
                elif name == "phones":
                    phone = "SIL" if label.lower() in _PAUSES else label.upper().rstrip("012")
                    phones.append(Phone(start=start, end=end, phone=phone))
            at += 5 + width * rows
        return Record(
            engine="textgrid", seconds=seconds, regions=_spoken(phones or words), words=tuple(words),
            phones=tuple(phones),
        )  # fmt: skip
    except (IndexError, TypeError) as error:
        raise ConfigError("the TextGrid ends before its tiers do; save it from Praat anew") from error
    except ValidationError as error:
        raise ConfigError(f"the TextGrid cannot be used: {error.errors()[0]['msg']}") from error


# A quoted string or a number that stands alone; numbers in brackets only count intervals.
_VALUE = re.compile(r'"((?:[^"]|"")*)"|(?<![\w.\[])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\].])')
_PAUSES = {"sil", "sp", "spn", "<eps>", "pau"}
_JOINED_S = 0.3  # sounds nearer than this belong to one region of speech


def _number(value: str | float) -> float:
    if isinstance(value, str):
        raise TypeError(value)
    return value


def _filled(rows: list[tuple[float, float, str]], seconds: float) -> list[tuple[float, float, str]]:
    """Rows with empty ones between, as a tier must have them."""
    out: list[tuple[float, float, str]] = []
    now = 0.0
    for start, end, text in rows:
        if start > now:
            out.append((now, start, ""))
        out.append((start, end, text))
        now = end
    return [*out, (now, seconds, "")] if now < seconds else out


def _spoken(rows: Sequence[Word] | Sequence[Phone]) -> tuple[Region, ...]:
    found: list[list[float]] = []
    for row in rows:
        if isinstance(row, Phone) and row.phone == "SIL":
            continue
        if found and row.start - found[-1][1] < _JOINED_S:
            found[-1][1] = max(found[-1][1], row.end)
        else:
            found.append([row.start, row.end])
    return tuple(Region(start=a, end=b) for a, b in found)
