"""Other programs' alignments as scripts: CTM, WhisperX's JSON, and TextGrids of Praat, MFA and MAUS."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dubcli.errors import ConfigError
from dubcli.language import standard
from dubcli.speech import notation, textgrid
from dubcli.speech.lines import FINE_S, ROUGH_S, Line, Script, Sound, fault_in_times, left_out

_LONGEST_S = 1e6
_NO_WORDS = {"non-lex", "misc", "noscore", "noise", "non-speech"}  # types of CTM rows that nobody says
_ALTERNATIVES = re.compile(r"<ALT(_BEGIN|_END)?>", re.IGNORECASE)


def ctm(text: str, name: str) -> Script:
    """NIST CTM: `file channel start duration word [confidence [type [speaker]]]`.

    Of the alternatives between `<ALT_BEGIN>` and `<ALT_END>` the first one counts.
    """
    found: list[Line] = []
    faults: list[str] = []
    others = begun = False  # in an alternative after the first; between the two marks
    for number, row in enumerate(text.split("\n"), 1):
        cells = row.split()
        if not cells or cells[0].startswith(";;"):
            continue
        mark = _ALTERNATIVES.fullmatch(cells[4]) if len(cells) > 4 else None
        if mark:
            begun = (mark[1] is not None and mark[1].upper() == "_BEGIN") or (begun and mark[1] is None)
            others = begun and mark[1] is None
            continue
        if others:
            continue
        start, length = (_float(cells[k]) if len(cells) > k else None for k in (2, 3))
        place = f"{name}:{number}:1"
        if start is None or length is None or len(cells) < 5:
            faults.append(left_out(place, "not a CTM row such as: dub 1 1.02 0.34 hello", "row"))
            continue
        if why := fault_in_times(start, start + length):
            faults.append(left_out(place, why, "row"))
            continue
        word = cells[4]
        who = cells[7] if len(cells) > 7 and cells[7].lower() not in ("null", "unknown", "na") else None
        kind = cells[6].lower() if len(cells) > 6 else ""
        if word != "@" and kind not in _NO_WORDS and not re.fullmatch(r"<.*>", word):
            found.append(Line(word, start, start + length, who, place))
    return Script(tuple(found), FINE_S, faults=tuple(faults))


def whisperx(text: str, name: str) -> Script:
    """What `whisperx --output_format json` writes."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise ConfigError(f"{name}:{line}:{column}: no JSON ({getattr(error, 'msg', error)})") from None
    return from_whisperx(data, name, _starts(text))


def from_whisperx(data: Any, name: str, lines: Sequence[int] = ()) -> Script:
    """The script that a WhisperX result amounts to; a word without times takes those around it.

    Args:
        data: the result as JSON has it.
        name: what faults are reported of.
        lines: on which each segment begins, () where that is not known.

    Raises:
        ConfigError: it is none.
    """
    segments = data.get("segments") if isinstance(data, dict) else None
    if not isinstance(segments, list):
        raise ConfigError(f"{name}:1:1: no WhisperX result: it has no list of segments")
    found: list[Line] = []
    faults: list[str] = []
    timed = False
    for number, segment in enumerate(segments):
        place = (
            f"{name}:{lines[number]}:1" if len(lines) == len(segments) else f"{name}: segment {number + 1}"
        )
        if not isinstance(segment, dict):
            faults.append(
                left_out(place, 'not a segment such as {"start": 1, "end": 2, "text": "hello"}', "one")
            )
            continue
        start, end, why = _times(segment)
        if why:
            faults.append(left_out(place, why, "segment"))
            continue
        words = segment.get("words")
        words = words if isinstance(words, list) and any(_timed(word) for word in words) else []
        speaker = _string(segment.get("speaker")) or None
        if words:
            timed = True
            found += _words(words, start, end, speaker, place, faults)
        else:
            found.append(Line(_string(segment.get("text")), start, end, speaker, place))
    language = standard(_string(data.get("language")))
    return Script(tuple(found), FINE_S if timed else ROUGH_S, language, faults=tuple(faults))


def _words(
    rows: Sequence[Any],
    start: float | None,
    end: float | None,
    speaker: str | None,
    place: str,
    faults: list[str],
) -> Iterator[Line]:
    """The words of a segment."""
    words: list[tuple[str, float | None, float | None, str | None]] = []
    for number, row in enumerate(rows, 1):
        text = _string(row.get("word", row.get("text"))) if isinstance(row, dict) else ""
        if not text:
            faults.append(left_out(place, f"word {number} is none", "word"))
            continue
        first, last, why = _times(row)
        if why:
            faults.append(left_out(place, f"word {number}, {text.strip()[:40]!r}: {why}", "word"))
            continue
        words.append((text, first, last, _string(row.get("speaker")) or speaker))
    after: list[float | None] = []  # when the next word that has a time begins
    upcoming = end
    for _, first, _, _ in reversed(words):
        after.append(upcoming)
        upcoming = upcoming if first is None else first
    before = start
    for (text, first, last, who), following in zip(words, reversed(after), strict=True):
        a = before if first is None else first
        b = following if last is None else last
        yield Line(text, a, max(a, b) if a is not None and b is not None else b, who, place)
        before = last if last is not None else first if first is not None else before


def _times(row: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """(start, end, what is wrong with them); None where a time is missing or no number, as NaN is not."""
    start, end = _float(row.get("start")), _float(row.get("end"))
    if start is not None and end is not None:
        return start, end, fault_in_times(start, end)
    return start, end, fault_in_times(*(x or 0.0 for x in (start, start if end is None else end)))


def _timed(word: Any) -> bool:
    return isinstance(word, dict) and _float(word.get("start")) is not None


def _float(value: Any) -> float | None:
    """A finite number of seconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < _LONGEST_S else None


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _starts(text: str) -> list[int]:
    """The lines on which the segments of a JSON text begin; [] where they cannot be found."""
    match = re.search(r'"segments"\s*:\s*\[', text)
    decoder, found, at, line, counted = json.JSONDecoder(), [], match.end() if match else len(text), 1, 0
    while at < len(text):
        if text[at] in " \t\n,":
            at += 1
            continue
        line, counted = line + text.count("\n", counted, at), at
        try:
            _, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(line)
    return found


_WORDS = {"words", "word", "ort-mau", "orthography"}
_PHONES = {"phones", "phone", "mau", "segments", "phonemes"}
_OTHER_TIERS = {"kan-mau", "kan", "trn"}  # of MAUS: pronunciations of words, and all text in one interval
_UNKNOWN = 0.5  # share of labels in no known alphabet from which a tier of phones is not used


def praat(text: str, name: str) -> Script:
    """Tiers of words and phones (as Praat, MFA or MAUS name them), or else of lines, one tier a speaker."""
    words: list[Line] = []
    lines: list[Line] = []
    phones: list[Sound] = []
    tiers, faults = textgrid.parse(text, name)
    for tier in tiers:
        speaker, dash, kind = tier.name.rpartition(" - ")
        kind, who = kind.strip().lower(), speaker.strip() if dash else None
        if kind in _PHONES:
            phones += _sounds(tier, name, kind == "mau", faults)
        elif kind in _WORDS or kind not in _OTHER_TIERS:
            (words if kind in _WORDS else lines).extend(
                Line(
                    row.label, row.start, row.end, who if kind in _WORDS else tier.name,
                    f"{name}:{row.line}:{row.column}",
                )
                for row in tier.intervals
                if not notation.pause(row.label)
            )  # fmt: skip
    said = words or ([] if phones else lines)
    return Script(tuple(said), FINE_S if words else ROUGH_S, phones=tuple(phones), faults=tuple(faults))


def _sounds(tier: textgrid.Tier, name: str, sampa: bool, faults: list[str]) -> list[Sound]:
    """The phones of a tier; several in one interval share its time evenly."""
    rows = [row for row in tier.intervals if not notation.pause(row.label)]
    read = notation.reading({row.label for row in rows}, sampa=sampa)
    found: list[Sound] = []
    unknown: list[str] = []
    for row in rows:
        said = read(row.label)
        if said is None:
            why = f"unknown phone {row.label[:40]!r}; use ARPABET, IPA or SAMPA"
            unknown.append(left_out(f"{name}:{row.line}:{row.column}", why, "phone"))
        elif said:
            step = (row.end - row.start) / len(said)
            found += [Sound(p, row.start + k * step, row.start + (k + 1) * step) for k, p in enumerate(said)]
    faults += unknown
    return [] if len(unknown) > _UNKNOWN * len(rows) else found
