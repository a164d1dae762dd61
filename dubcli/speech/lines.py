"""What a script comes to, whatever its format: lines of text with times and speakers, and phones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

ROUGH_S, FINE_S = 0.7, 0.15  # by which the times of subtitles, and those of words, may be off

# Tags, override codes of SubStation, sound descriptions in brackets (East Asian ones too), marks of music.
_UNSPOKEN = re.compile(
    r"<[^<>]*>|\{[^{}]*\}|\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】|［[^［］]*］|[♩♪♫♬#*]"
)
# Controls, halves of UTF-16 pairs, and what directs, joins or breaks text without being seen. The joiners of
# Persian and Indic scripts (U+200C, U+200D) stay: they change how a word is read.
_UNSEEN = re.compile(
    r"[\0-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffc]"
)


@dataclass(frozen=True)
class Line:
    """What somebody says.

    Attributes:
        text: the words, without marks of layout.
        start, end: seconds in the dub, None where the script does not say.
        speaker: who says it, as the script calls them.
        place: `file:line:column` where it stands.
    """

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    place: str = ""


@dataclass(frozen=True)
class Sound:
    """A phone that the script itself places."""

    phone: str
    start: float
    end: float


@dataclass(frozen=True)
class Script:
    """A whole script.

    Attributes:
        lines: in order of time, or as they stand where no times are known.
        slack: seconds by which times may be off.
        language: BCP 47 tag, "" where the script does not say.
        phones: where the script places phones itself, all of them in order of time; else ().
        faults: what could not be read and is left out, one line each, with its place.
    """

    lines: tuple[Line, ...]
    slack: float = ROUGH_S
    language: str = ""
    phones: tuple[Sound, ...] = ()
    faults: tuple[str, ...] = ()


def tidy(found: Script) -> Script:
    """The script without what is not spoken, in order of time.

    A line without times stays behind the one that it follows.
    """
    spoken = [
        replace(line, text=bare(line.text), speaker=bare(line.speaker or "") or None) for line in found.lines
    ]
    timed: list[tuple[float, Line]] = []
    now = 0.0
    for line in spoken:
        now = now if line.start is None else line.start
        if re.search(r"\w", line.text):
            timed.append((now, line))
    timed.sort(key=lambda pair: pair[0])
    phones = tuple(sorted(found.phones, key=lambda sound: (sound.start, sound.end)))
    return replace(found, lines=tuple(line for _, line in timed), phones=phones)


def bare(text: str) -> str:
    """A line's words: without tags, sound descriptions in brackets, notes of music and dashes of dialogue."""
    text = _UNSEEN.sub(" ", re.sub("[\u00ad\u200b\u2060\ufeff]", "", text))
    for _ in range(2):  # brackets within brackets
        text = _UNSPOKEN.sub(" ", text)
    return " ".join(re.sub(r"(^|\s)[-–—]+(?=\s|\w)", " ", text).split())


def fault_in_times(start: float, end: float) -> str:
    """What is wrong with times in seconds, "" where nothing is."""
    if start < 0 or end < 0:
        return f"it lies before the beginning ({min(start, end):g} s)"
    return f"it ends at {end:g} s, before it starts at {start:g} s" if end < start else ""


def left_out(place: str, why: str, what: str = "cue") -> str:
    """A line that says what is not read."""
    return f"{place}: {why}; this {what} is left out"


def sounding(phones: Iterable[Sound]) -> tuple[Sound, ...]:
    """Phones that last."""
    return tuple(sound for sound in phones if sound.end > sound.start)
