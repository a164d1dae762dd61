"""`align`'s artifact: speech, words and phones of an audio file, and its audio features."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, Field, model_validator

from dubcli.artifacts.base import Document, Strict
from dubcli.artifacts.phones import INDEX, PHONES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dubcli.artifacts.arrays import Blocks

_FEATURES = "features.npz"
RATE = 16000  # Hz, of the audio that aligners take: the rate of silero-vad, PocketSphinx and Whisper

Score = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


def _known(phone: str) -> str:
    if phone not in PHONES:
        raise ValueError(f"unknown phone {phone!r}")
    return phone


def _class(viseme: str) -> str:
    if viseme not in INDEX:
        raise ValueError(f"unknown viseme {viseme!r}")
    return viseme


class Region(Strict):
    """A span of speech from `start` to `end` in seconds.

    `samples` is the same span as a half-open range of samples at the record's rate.
    """

    start: Seconds
    end: Seconds
    samples: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _forward(self) -> Region:
        if self.end < self.start:
            raise ValueError(f"ends at {self.end} before it starts at {self.start}")
        return self


_Timed = TypeVar("_Timed", bound=Region)


class Word(Region):
    """A word with its times, its confidence score, and its speaker's name in the script."""

    text: str
    score: Score = 1.0
    speaker: str | None = None


class Phone(Region):
    """A phone in ARPABET without stress, `SIL` for none, with its times in seconds."""

    phone: Annotated[str, AfterValidator(_known)]
    score: Score = 1.0


class Mouth(Region):
    """A viseme class of `artifacts.phones` with its times; `score` is that of its phone."""

    viseme: Annotated[str, AfterValidator(_class)]
    score: Score = 1.0


class Record(Document):
    """`speech.json`: speech, words and phones of an audio file.

    Attributes:
        engine: the aligner's name.
        language: BCP 47 tag, or "und" where none was needed.
        seconds: length of the audio.
        offset: seconds from the film's first picture to the audio's first sample; all other times count
            from the first sample.
        rate: samples per second in which `samples` count.
        regions: speech regions, in order, without overlaps.
        words: in order; empty where no words are known.
        phones: in order, without overlaps.
        visemes: the viseme classes of the phones, in order, without overlaps.
    """

    FILE: ClassVar[str] = "speech.json"
    SPARSE: ClassVar[bool] = True

    engine: str
    language: str = "und"
    seconds: Seconds
    offset: float = 0.0
    rate: int = RATE
    regions: tuple[Region, ...] = ()
    words: tuple[Word, ...] = ()
    phones: tuple[Phone, ...] = ()
    visemes: tuple[Mouth, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Record:
        for name in ("regions", "phones", "visemes"):
            rows = getattr(self, name)
            for a, b in pairwise(rows):
                if b.start < a.end - 1e-6:
                    raise ValueError(f"{name} overlap at {b.start} s")
        return self

    def whole(self) -> Record:
        """The record with the visemes of its phones, and with all times as samples too."""
        visemes = tuple(mouth for phone in self.phones for mouth in _mouths(phone))
        rows = {"regions": self.regions, "words": self.words, "phones": self.phones, "visemes": visemes}
        return self.model_copy(
            update={name: tuple(_counted(row, self.rate) for row in of) for name, of in rows.items()}
        )


@lru_cache(maxsize=4)
def _kept(folder: Path) -> tuple[float, tuple[Phone, ...]]:
    """Offset and phones of an artifact: units of single shots look into the record of a whole film."""
    record = Record.load(folder)
    return record.offset, record.phones


def offset(folder: Path) -> float:
    """Seconds from the film's first picture to the first sample of an artifact's sound."""
    return _kept(folder)[0]


def phones(folder: Path, start: float, stop: float) -> tuple[Phone, ...]:
    """The phones of an artifact that touch a span, which is counted as the film is, as they are then."""
    late, found = _kept(folder)
    first = bisect_left(found, start, key=lambda phone: phone.end + late)
    last = bisect_right(found, stop, key=lambda phone: phone.start + late)
    return tuple(
        phone.model_copy(update={"start": phone.start + late, "end": phone.end + late})
        for phone in found[first:last]
    )


def features(folder: Path) -> Mapping[str, NDArray[Any]]:
    """Audio features by name (`speech.features`), memory-mapped."""
    from dubcli.artifacts import arrays

    return arrays.mapped(folder / _FEATURES)


def save_features(folder: Path, members: Iterable[tuple[str, Blocks | NDArray[Any]]]) -> None:
    """Write audio features as they are made, uncompressed, so that they can be mapped."""
    from dubcli.artifacts import arrays

    arrays.write(folder / _FEATURES, members)


def _mouths(phone: Phone) -> list[Mouth]:
    """The viseme classes of a phone, each with an equal share of its time."""
    classes = PHONES[phone.phone]
    edges = [phone.start + k * (phone.end - phone.start) / len(classes) for k in range(len(classes) + 1)]
    return [
        Mouth(viseme=name, start=round(a, 3), end=round(b, 3), score=phone.score)
        for name, (a, b) in zip(classes, pairwise(edges), strict=True)
    ]


def _counted(row: _Timed, rate: int) -> _Timed:
    return row.model_copy(update={"samples": (round(row.start * rate), round(row.end * rate))})
