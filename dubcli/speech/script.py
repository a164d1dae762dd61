"""Scripts: what is said in a dub, as SRT, VTT, TextGrid, CTM, WhisperX JSON or plain text.

A script is lines of text in order, some with times and speakers. Times may be rough, as a subtitle's are; the
aligner finds the exact ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dubcli.artifacts.phones import PHONES, SILENCE
from dubcli.errors import ConfigError
from dubcli.speech import textgrid
from dubcli.speech.pronunciation import from_ipa

LARGEST_BYTES = 50_000_000
_ROUGH_S, _FINE_S = 0.7, 0.15  # by which the times of subtitles, and those of words, may be off


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
        language: ISO 639-1 code, "" where the script does not say.
        phones: where the script places phones itself, all of them; else ().
    """

    lines: tuple[Line, ...]
    slack: float = _ROUGH_S
    language: str = ""
    phones: tuple[Sound, ...] = ()


def load(path: Path) -> Script:
    """Read a script by its suffix.

    Raises:
        ConfigError: it cannot be read, is not well formed, or holds no words; with file, line and column.
    """
    readers = {
        ".srt": _subtitles, ".vtt": _subtitles, ".textgrid": _textgrid, ".ctm": _ctm, ".json": _json,
        ".txt": _plain,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: no script by its name; use one of {' '.join(sorted(readers))}")
    found = reader(_text(path), str(path))
    lines = [replace(line, text=_bare(line.text)) for line in found.lines]
    lines = [line for line in lines if re.search(r"\w", line.text)]
    if not lines:
        raise ConfigError(f"{path}:1:1: the script holds no words")
    for line in lines:
        if line.start is not None and line.end is not None and line.end < line.start:
            raise ConfigError(f"{line.place}: it ends at {line.end:g} s, before it starts")
    lines.sort(key=lambda line: line.start or 0.0)
    return replace(found, lines=tuple(lines))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"{path}: too large for a script ({path.stat().st_size} bytes)")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; check the name of the script") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(f"{path}:{line}:{column}: not UTF-8 text; save the script as UTF-8") from None
    if "\0" in text:
        raise ConfigError(f"{path}: no text; save the script as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_NOTES = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
_SPEAKER = re.compile(r"\s*([^\W\d_a-z][^\Wa-z]*(?:[ .'’-]+[^\Wa-z]+){0,3}):\s+(?=\S)")


def _subtitles(text: str, name: str) -> Script:
    """SRT and WebVTT: blocks of a number or name, a line of times, and text."""
    found: list[Line] = []
    rows = text.split("\n")
    at = 0
    while at < len(rows):
        if not rows[at].strip():
            at += 1
            continue
        stop = next((k for k in range(at, len(rows)) if not rows[k].strip()), len(rows))
        times = next((k for k in range(at, min(at + 2, stop)) if "-->" in rows[k]), None)
        if times is not None:
            match = _TIMES.match(rows[times])
            if not match:
                raise ConfigError(
                    f"{name}:{times + 1}:1: not a line of times such as 00:01:02,500 --> 00:01:04,000"
                )
            start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
            for speaker, said in _said(rows[times + 1 : stop]):
                found.append(Line(said, start, end, speaker, f"{name}:{times + 1}:1"))
        elif not _NOTES.match(rows[at]) and not "".join(rows[at:stop]).strip().isdecimal():
            raise ConfigError(
                f"{name}:{at + 1}:1: no times such as 00:00:01,500 --> 00:00:02,000 in this block"
            )
        at = stop
    return Script(tuple(found))


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, part = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(f"{seconds}.{part or 0}")


def _said(rows: list[str]) -> Iterator[tuple[str | None, str]]:
    """(speaker, text) of the lines of a subtitle; a speaker goes on until another one speaks."""
    who: str | None = None
    parts: list[str] = []
    for row in rows:
        voice = re.match(r"\s*<v(?:\.[^\s>]*)?\s+([^>]+)>", row)
        name = voice or _SPEAKER.match(re.sub(r"^\s*[-–—]\s*", "", row))
        if name or re.match(r"\s*[-–—]\s*\S", row):
            if parts:
                yield who, " ".join(parts)
            who, parts = (name[1].strip() if name else None), []
        if name and not voice:
            row = re.sub(r"^\s*[-–—]\s*", "", row)[name.end() :]
        parts.append(row)
    if parts:
        yield who, " ".join(parts)


def _plain(text: str, name: str) -> Script:
    """Text as it is said, without times; `NAME: ` at the head of a line says who speaks from there on."""
    found: list[Line] = []
    for number, row in enumerate(text.split("\n"), 1):
        match = _SPEAKER.match(row)
        speaker = match[1] if match else found[-1].speaker if found and row.strip() else None
        if row.strip():
            found.append(
                Line(row[match.end() :] if match else row, None, None, speaker, f"{name}:{number}:1")
            )
    return Script(tuple(found))


def _ctm(text: str, name: str) -> Script:
    """NIST CTM: `file channel start duration word [confidence [type [speaker]]]`."""
    found: list[Line] = []
    for number, row in enumerate(text.split("\n"), 1):
        cells = row.split()
        if not cells or row.lstrip().startswith(";;"):
            continue
        try:
            start, length = float(cells[2]), float(cells[3])
            if not (0 <= start < 1e6 and 0 <= length < 1e6):
                raise ValueError
            word = cells[4]
        except (IndexError, ValueError):
            raise ConfigError(f"{name}:{number}:1: not a CTM row such as: dub 1 1.02 0.34 hello") from None
        who = cells[7] if len(cells) > 7 and cells[7].lower() not in ("null", "unknown") else None
        if not re.fullmatch(r"<.*>", word):
            found.append(Line(word, start, start + length, who, f"{name}:{number}:1"))
    return Script(tuple(found), _FINE_S)


class _Given(BaseModel):
    # Another program's file: what it says beyond this is its own affair.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
    start: float | None = Field(default=None, ge=0)
    end: float | None = Field(default=None, ge=0)
    speaker: str | None = None


class _GivenWord(_Given):
    word: str


class _GivenSegment(_Given):
    text: str = ""
    words: tuple[_GivenWord, ...] = ()


class _WhisperX(BaseModel):
    model_config = ConfigDict(extra="ignore")
    segments: tuple[_GivenSegment, ...]
    language: str | None = None


def _json(text: str, name: str) -> Script:
    """What `whisperx --output_format json` writes."""
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise ConfigError(f"{name}:{line}:{column}: no JSON ({getattr(error, 'msg', error)})") from None
    return from_whisperx(data, name)


def from_whisperx(data: Any, name: str) -> Script:
    """The script that a WhisperX result amounts to; a word without times takes those around it.

    Raises:
        ConfigError: it is none.
    """
    try:
        result = _WhisperX.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"{name}: no WhisperX result: {where}: {first['msg']}") from None
    found: list[Line] = []
    for segment in result.segments:
        words = segment.words if any(w.start is not None for w in segment.words) else ()
        if not words:
            found.append(Line(segment.text, segment.start, segment.end, segment.speaker, name))
        for k, word in enumerate(words):
            before = next((w.end for w in words[k::-1] if w.end is not None), segment.start)
            after = next((w.start for w in words[k:] if w.start is not None), segment.end)
            start = before if word.start is None else word.start
            end = after if word.end is None else word.end
            if start is not None and end is not None:
                end = max(start, end)
            found.append(Line(word.word, start, end, word.speaker or segment.speaker, name))
    timed = any(segment.words for segment in result.segments)
    return Script(tuple(found), _FINE_S if timed else _ROUGH_S, (result.language or "")[:2].lower())


_WORDS, _PHONES = (
    {"words", "word", "ort-mau", "orthography"},
    {"phones", "phone", "mau", "segments", "phonemes"},
)
_PAUSES = {"sil", "sp", "spn", "<eps>", "pau", "<p:>", "<sil>", "#"}


def _textgrid(text: str, name: str) -> Script:
    """Tiers of words and phones (as Praat, MFA or MAUS name them), or else of lines, one tier a speaker."""
    words: list[Line] = []
    lines: list[Line] = []
    phones: list[Sound] = []
    for tier in textgrid.parse(text, name):
        speaker, dash, kind = tier.name.rpartition(" - ")
        kind, who = kind.strip().lower(), speaker.strip() if dash else None
        if kind in _PHONES:
            phones += [s for row in tier.intervals for s in _sounds(row, name)]
            continue
        for row in tier.intervals:
            if row.label.lower() not in _PAUSES:
                place = f"{name}:{row.line}:{row.column}"
                (words if kind in _WORDS else lines).append(
                    Line(row.label, row.start, row.end, who if kind in _WORDS else tier.name, place)
                )
    phones.sort(key=lambda sound: sound.start)
    if phones and not words:
        raise ConfigError(f"{name}:1:1: a TextGrid with phones needs a tier named words too")
    return Script(tuple(words or lines), _FINE_S if words else _ROUGH_S, phones=tuple(phones))


def _sounds(row: textgrid.Interval, name: str) -> Iterator[Sound]:
    """The phones of an interval, in ARPABET or IPA; several share its time evenly."""
    if row.label.lower() in _PAUSES:
        return
    plain = row.label.upper().rstrip("012")
    said = (plain,) if plain in PHONES else from_ipa([row.label])
    if not said:
        raise ConfigError(f"{name}:{row.line}:{row.column}: unknown phone {row.label!r}; use ARPABET or IPA")
    step = (row.end - row.start) / len(said)
    for k, phone in enumerate(said):
        if phone != SILENCE:
            yield Sound(phone, row.start + k * step, row.start + (k + 1) * step)


def _bare(text: str) -> str:
    """A line's words: without tags, sound descriptions in brackets, notes of music and dashes of dialogue."""
    text = re.sub(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[♪♫#*]", " ", text)
    return " ".join(re.sub(r"(^|\s)[-–—]+(?=\s|\w)", " ", text).split())
