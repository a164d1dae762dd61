"""The common form of all script formats: lines of text with times and speakers, and timed phones."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

ROUGH_S, FINE_S = 0.7, 0.15  # seconds by which times of subtitles, and of words, may be off; set by hand

# Tags, override codes of SubStation, sound descriptions in brackets (East Asian ones too), marks of music.
_UNSPOKEN = re.compile(
    r"<[^<>]*>|\{[^{}]*\}|\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】|［[^［］]*］|[♩♪♫♬#*]"
)
# Control characters, UTF-16 surrogates, and invisible characters for direction, joining and line breaks. The
# joiners of Persian and Indic scripts (U+200C, U+200D) are kept because they change how a word is read.
_INVISIBLE = re.compile(
    r"[\0-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffc]"
)


@dataclass(frozen=True)
class Line:
    """A line of dialogue.

    Attributes:
        text: the words, without layout tags.
        start, end: seconds in the dub, None where the script gives no times.
        speaker: the speaker's name in the script.
        place: `file:line:column` of the line.
    """

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    place: str = ""


@dataclass(frozen=True)
class TimedPhone:
    """A phone whose times in seconds the script gives."""

    phone: str
    start: float
    end: float


@dataclass(frozen=True)
class Script:
    """A whole script.

    Attributes:
        lines: in order of time, or in order of the file where no times are known.
        slack: seconds by which times may be off.
        language: BCP 47 tag, "" where the script names none.
        phones: timed phones in order of time, () where the script has none.
        faults: one message, with its place, for everything that could not be read and is left out.
    """

    lines: tuple[Line, ...]
    slack: float = ROUGH_S
    language: str = ""
    phones: tuple[TimedPhone, ...] = ()
    faults: tuple[str, ...] = ()


def tidy(found: Script) -> Script:
    """The script without what is not spoken, in order of time.

    A line without times stays after the one that it follows.
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
    phones = tuple(sorted(found.phones, key=lambda phone: (phone.start, phone.end)))
    return replace(found, lines=tuple(line for _, line in timed), phones=phones)


def bare(text: str) -> str:
    """The text without tags, sound descriptions in brackets, music notes and dialogue dashes."""
    text = _INVISIBLE.sub(" ", re.sub("[\u00ad\u200b\u2060\ufeff]", "", text))
    for _ in range(2):  # brackets within brackets
        text = _UNSPOKEN.sub(" ", text)
    return " ".join(re.sub(r"(^|\s)[-–—]+(?=\s|\w)", " ", text).split())


def fault_in_times(start: float, end: float) -> str:
    """A description of what is wrong with a pair of times in seconds, "" where nothing is."""
    if start < 0 or end < 0:
        return f"it lies before the beginning ({min(start, end):g} s)"
    return f"it ends at {end:g} s, before it starts at {start:g} s" if end < start else ""


def left_out(place: str, why: str, what: str = "cue") -> str:
    """A message about a row of a script that is not read."""
    return f"{place}: {why}; this {what} is left out"
