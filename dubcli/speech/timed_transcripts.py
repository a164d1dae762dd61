"""Time-aligned transcripts of other programs: CTM, JSON of Whisper's kin, TextGrids (Praat, MFA, MAUS)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dubcli.errors import ConfigError
from dubcli.language import guess, standard
from dubcli.speech import notation, textgrid
from dubcli.speech.lines import FINE_S, ROUGH_S, Line, Script, TimedPhone, fault_in_times, left_out

_LONGEST_S = 1e6  # seconds, eleven days; larger times are taken for errors
# Types of CTM rows that are not speech, as in NIST's rich transcription evaluations.
_NO_WORDS = {"non-lex", "misc", "noscore", "noise", "non-speech"}
_ALTERNATIVES = re.compile(r"<ALT(_BEGIN|_END)?>", re.IGNORECASE)


def ctm(text: str, name: str) -> Script:
    """The script in a NIST CTM: `file channel start duration word [confidence [type [speaker]]]`.

    Of the alternatives between `<ALT_BEGIN>` and `<ALT_END>` the first one is used.
    """
    found: list[Line] = []
    faults: list[str] = []
    skipping = begun = False  # in an alternative after the first; between the two tags
    for number, row in enumerate(text.split("\n"), 1):
        cells = row.split()
        if not cells or cells[0].startswith(";;"):
            continue
        mark = _ALTERNATIVES.fullmatch(cells[4]) if len(cells) > 4 else None
        if mark:
            begun = (mark[1] is not None and mark[1].upper() == "_BEGIN") or (begun and mark[1] is None)
            skipping = begun and mark[1] is None
            continue
        if skipping:
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


def transcript(text: str, name: str) -> Script:
    """The script in JSON of WhisperX, Whisper, whisper.cpp, or the Montreal Forced Aligner.

    Raises:
        ConfigError: it is no JSON, or that of another program.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise ConfigError(f"{name}:{line}:{column}: not JSON ({getattr(error, 'msg', error)})") from None
    if isinstance(data, dict) and isinstance(data.get("tiers"), dict):
        return _from_tiers(list(_mfa(data["tiers"])), name)
    return from_whisperx(_as_whisperx(data), name, _starts(text))


def _as_whisperx(data: Any) -> Any:
    """A transcript of whisper.cpp, or of words alone (OpenAI, Gentle), as WhisperX has it; others as is."""
    if not isinstance(data, dict) or "segments" in data:
        return data
    if isinstance(rows := data.get("transcription"), list):
        times = [row.get("offsets") if isinstance(row, dict) else None for row in rows]
        result = data.get("result")
        return {
            "segments": [
                {
                    "text": row.get("text"),
                    "start": _thousandth(at.get("from")),
                    "end": _thousandth(at.get("to")),
                }
                if isinstance(at, dict)
                else row
                for row, at in zip(rows, times, strict=True)
            ],
            "language": result.get("language") if isinstance(result, dict) else "",
        }
    if isinstance(words := data.get("words"), list):
        return {**data, "segments": [{"words": words}]}
    return data


def _thousandth(value: Any) -> float | None:
    number = _float(value)
    return None if number is None else number / 1000


def _mfa(tiers: Mapping[str, Any]) -> Iterator[textgrid.Tier]:
    """Tiers of MFA's JSON: name → rows of start, end and label; what is no such row is left out."""
    for title, tier in tiers.items():
        entries = tier.get("entries") if isinstance(tier, dict) else None
        rows = [row for row in entries or () if isinstance(row, list) and len(row) == 3]
        read = [(_float(start), _float(end), _string(label)) for start, end, label in rows]
        yield textgrid.Tier(
            title,
            tuple(
                textgrid.Interval(start, end, label, 1, 1)
                for start, end, label in read
                if label and start is not None and end is not None and not fault_in_times(start, end)
            ),
        )


def from_whisperx(data: Any, name: str, lines: Sequence[int] = ()) -> Script:
    """The script in a WhisperX result; a word without times gets those of its neighbours.

    Args:
        data: the parsed JSON.
        name: the file's name in faults.
        lines: the line on which each segment begins, () where that is not known.

    Raises:
        ConfigError: it is not a WhisperX result.
    """
    segments = data.get("segments") if isinstance(data, dict) else None
    if not isinstance(segments, list):
        raise ConfigError(
            f"{name}:1:1: not a transcript of WhisperX, Whisper or MFA: it has no list of segments; "
            "save it as .srt"
        )
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
    told = _string(data.get("language"))  # of some programs by its name
    language = standard(told) or guess(told)
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
    following_start: list[float | None] = []  # start of the next word that has a time
    upcoming = end
    for _, first, _, _ in reversed(words):
        following_start.append(upcoming)
        upcoming = upcoming if first is None else first
    previous_end = start
    for (text, first, last, who), following in zip(words, reversed(following_start), strict=True):
        a = previous_end if first is None else first
        b = following if last is None else last
        yield Line(text, a, max(a, b) if a is not None and b is not None else b, who, place)
        previous_end = last if last is not None else first if first is not None else previous_end


def _times(row: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """(start, end, fault); None for a time that is missing or not a finite number."""
    start, end = _float(row.get("start")), _float(row.get("end"))
    if start is not None and end is not None:
        return start, end, fault_in_times(start, end)
    return start, end, fault_in_times(*(x or 0.0 for x in (start, start if end is None else end)))


def _timed(word: Any) -> bool:
    return isinstance(word, dict) and _float(word.get("start")) is not None


def _float(value: Any) -> float | None:
    """A finite number of seconds; None for anything else, and for more than `_LONGEST_S`."""
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
    """The line numbers on which the segments of a JSON text begin; [] where they cannot be found."""
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


# Names of tiers as Praat users, the Montreal Forced Aligner and WebMAUS write them.
_WORDS = {"words", "word", "ort-mau", "orthography"}
_PHONES = {"phones", "phone", "mau", "segments", "phonemes"}
_IGNORED_TIERS = {
    "kan-mau",
    "kan",
    "trn",
}  # of MAUS: canonical pronunciations; the whole text in one interval
_UNKNOWN = 0.5  # share of unreadable labels above which a tier is not used as phones; set by hand


def praat(text: str, name: str) -> Script:
    """The script in a TextGrid: tiers named as words or phones, or else tiers of lines, one a speaker."""
    tiers, faults = textgrid.parse(text, name)
    return _from_tiers(tiers, name, faults)


def _from_tiers(tiers: Sequence[textgrid.Tier], name: str, faults: Sequence[str] = ()) -> Script:
    words: list[Line] = []
    lines: list[Line] = []
    phones: list[TimedPhone] = []
    faults = list(faults)
    for tier in tiers:
        speaker, dash, kind = tier.name.rpartition(" - ")
        kind, who = kind.strip().lower(), speaker.strip() if dash else None
        if kind in _PHONES:
            phones += _phones(tier, name, kind == "mau", faults)
        elif kind in _WORDS or kind not in _IGNORED_TIERS:
            (words if kind in _WORDS else lines).extend(
                Line(
                    row.label, row.start, row.end, who if kind in _WORDS else tier.name,
                    f"{name}:{row.line}:{row.column}",
                )
                for row in tier.intervals
                if not notation.pause(row.label)
            )  # fmt: skip
    chosen = words or ([] if phones else lines)
    return Script(tuple(chosen), FINE_S if words else ROUGH_S, phones=tuple(phones), faults=tuple(faults))


def _phones(tier: textgrid.Tier, name: str, sampa: bool, faults: list[str]) -> list[TimedPhone]:
    """The phones of a tier; several phones in one interval divide its time evenly."""
    rows = [row for row in tier.intervals if not notation.pause(row.label)]
    read = notation.reading({row.label for row in rows}, sampa=sampa)
    found: list[TimedPhone] = []
    unknown: list[str] = []
    for row in rows:
        symbols = read(row.label)
        if symbols is None:
            why = f"unknown phone {row.label[:40]!r}; use ARPABET, IPA or SAMPA"
            unknown.append(left_out(f"{name}:{row.line}:{row.column}", why, "phone"))
        elif symbols:
            step = (row.end - row.start) / len(symbols)
            found += [
                TimedPhone(p, row.start + k * step, row.start + (k + 1) * step) for k, p in enumerate(symbols)
            ]
    faults += unknown
    return [] if len(unknown) > _UNKNOWN * len(rows) else found
