"""Subtitles as scripts: SubRip, WebVTT, SBV of YouTube, and SubStation.

A cue extends from its line of times to the next one, whatever blank rows there are within and between. SubRip
and WebVTT are parsed here rather than by pysubs2, which drops a bad cue silently, reports no line numbers,
takes WebVTT's notes for text, and loses its voices. SubStation is passed to pysubs2 row by row, so that a
fault has a line number.

Sources: https://www.w3.org/TR/webvtt1/, https://wiki.videolan.org/SubRip/, and files found in practice.
"""

from __future__ import annotations

import html
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pysubs2

from dubcli.language import standard
from dubcli.speech.lines import Line, Script, fault_in_times, left_out

# Hours may be missing, digits too many or too few, and machine translation puts a space after a colon.
_CLOCK = r"(-?) ?(?:(\d{1,4}) ?: ?)?(\d{1,3}) ?: ?(\d{1,3})(?: ?[.,] ?(\d{1,9}))?"
_TIMES = re.compile(rf"{_CLOCK} {{0,9}}[-–—]{{1,3}} ?[>＞] {{0,9}}{_CLOCK}(?:\s.*)?$")
_SBV = re.compile(r"()(\d{1,3}):(\d\d):(\d\d)\.(\d{3}),()(\d{1,3}):(\d\d):(\d\d)\.(\d{3})$")
_BROKEN = re.compile(r"-->.*\d|\d.*-->|-?\d+:\d+.*>.*\d:\d")
_EXAMPLE = "00:01:02,500 --> 00:01:04,000"
_NOTES = re.compile(r"(NOTE|STYLE|REGION)\b")
_TAG = re.compile(r"</?(?!v[ .>])[\w.:/][^<>]*>|\{[^{}]*\}")
_VOICE = re.compile(r"\s*<v(?:\.[^\s<>]*)?(?:\s+([^<>]*))?>")
_DASH = re.compile(r"\s*(?:[-–—]|>>+)\s*(?=\S)")
_COLON = r"(?: ?\([^()]{1,30}\))?\s?:"  # after `(V.O.)` or the like, and as French writes it after a space
# In scripts with letter case, a name in capitals may also be alone in its row, or have no space after it.
SPEAKER = re.compile(
    rf"\s*([^\W\d_a-z][^\Wa-z]*(?:[ .'’-]+[^\Wa-z]+){{0,3}})(?:{_COLON}\s+(?=\S)"
    rf"|(?<=[A-ZÀ-ÞΑ-ΩА-Я0-9]){_COLON}(?:\s*$|(?=[^\W\d_]|[\"'“«¿¡])))"
)
"""A speaker's name: `ANNA:`, `ANNA (V.O.) :` or `DR. NO:` at the head of a row, alone or before a line."""
BRACKETED = re.compile(r"^\s*[\[(]([^\[\]()]{1,40})[\])]\s?:")
"""What may be a name, in brackets before a colon."""
_COLON_WIDE = _COLON[:-1] + "[:：]"
_MIXED = re.compile(
    rf"\s*([^\W\d_][\w'’.-]*(?: \w[\w'’.-]*){{0,2}}){_COLON_WIDE}(?:\s+(?=\S)|\s*$|(?=[\"'“«¿¡]|[^\W\d_]))"
)
_NAMED = 0.25  # share of rows with a name in mixed case at their head above which it may be one; set by hand
_FIELDS = ["Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text"]
_ROLL_UP = 0.7  # share of cues that repeat rows of the previous one above which captions roll up; set by hand


@dataclass
class _Cue:
    number: int  # line number of its times, from 1
    start: float = 0.0
    end: float = 0.0
    fault: str = ""
    rows: list[str] = field(default_factory=list)


def read(text: str, name: str) -> Script:
    """The script in a SubRip, WebVTT or SBV file."""
    rows = text.split("\n")
    web = rows[0].startswith("WEBVTT")
    cues, language = _cues(rows, web)
    preamble, cues = cues[0], cues[1:]
    faults = []
    head = next((k for k, row in enumerate(preamble.rows) if row.strip()), None)
    if head is not None:
        faults.append(left_out(f"{name}:{head + 1}:1", f"no times such as {_EXAMPLE} in this block"))
    blocks: list[Block] = []
    for cue in cues:
        cue.rows = list(_visible(cue.rows))
    _unroll(cues)
    for cue in cues:
        place = f"{name}:{cue.number}:1"
        fault = cue.fault or fault_in_times(cue.start, cue.end)
        if fault:
            faults.append(left_out(place, fault))
            continue
        blocks.append(Block(cue.rows, cue.start, cue.end, place))
    found, doubts = dialogue(blocks)
    return Script(found, language=language, faults=(*faults, *doubts))


@dataclass(frozen=True)
class Block:
    """A subtitle: the rows of its text, its times in seconds, its place, and who speaks where it says so."""

    rows: Sequence[str]
    start: float | None
    end: float | None
    place: str
    speaker: str | None = None


Naming = Callable[[str], "re.Match[str] | None"]


def naming(rows: Sequence[str]) -> tuple[Naming, tuple[int, str] | None]:
    """How the rows of a script name speakers at their heads; the number and name of a doubtful one, if any.

    Names in capitals are names. `Anna:` may also be a sentence's beginning (`Remember:`), so those in mixed
    case count in scripts where many rows begin so, and where one of them comes back.
    """
    heads: dict[int, tuple[bool, str]] = {}  # row -> whether the name is alone in it, and the name
    for number, row in enumerate(rows):
        dash = _DASH.match(row)
        rest = row[dash.end() :] if dash else row
        match = None if SPEAKER.match(rest) else _MIXED.match(rest)
        if match and is_name(match[1]):
            heads[number] = match.end() == len(rest), match[1]
    if not heads or len(heads) < _NAMED * sum(bool(row.strip()) for row in rows):
        return SPEAKER.match, None
    repeated = {alone for (alone, _), count in Counter(heads.values()).items() if count > 1}
    if not repeated:
        first = next((number for number, (_, name) in heads.items() if name != name.upper()), None)
        return SPEAKER.match, None if first is None else (first, heads[first][1])
    names = {name for alone, name in heads.values() if alone in repeated}

    def named(row: str) -> re.Match[str] | None:
        mixed = _MIXED.match(row)
        return SPEAKER.match(row) or (mixed if mixed and mixed[1] in names else None)

    return named, None


def is_name(text: str) -> bool:
    """Whether each word begins as names do: with a capital, a number, or a letter that knows no case."""
    return all(not word[0].islower() for word in text.split())


def doubtful(place: str, name: str) -> str:
    """A message about what may be a speaker's name."""
    return f"{place}: {name + ':'!r} may name a speaker, and is read as words; write {name.upper() + ':'!r}"


def are_in(text: str) -> bool:
    """Whether a text has times as subtitles have them, whatever its file is called."""
    return any(cue and not cue.fault for cue in map(_times, text.split("\n")))


def substation(text: str, name: str) -> Script:
    """The script in a SubStation Alpha file, SSA or ASS: the name (actor) of an event is its speaker."""
    blocks: list[Block] = []
    faults: list[str] = []
    seen = set()
    order = _FIELDS  # unless a row says another
    for number, row in enumerate(text.split("\n"), 1):
        row = row.strip()
        place = f"{name}:{number}:1"
        if row.startswith("Format:"):
            order = [cell.strip() for cell in row.partition(":")[2].split(",")]
        if not row.startswith("Dialogue:"):
            continue
        event, fault = _event(_in_order(row, order))
        if event is None or fault:
            faults.append(left_out(place, fault))
            continue
        key = (event.start, event.end, event.name, event.plaintext)
        if not event.is_text or key in seen:  # drawings are no text; borders and glows repeat the text
            continue
        seen.add(key)
        rows = list(_visible(event.text.split("\n")))
        blocks.append(Block(rows, event.start / 1000, event.end / 1000, place, event.name.strip() or None))
    found, doubts = dialogue(blocks)
    return Script(found, faults=(*faults, *doubts))


def _in_order(row: str, order: Sequence[str]) -> str:
    """A row of an event with its fields in the usual order, those that it lacks empty."""
    if order == _FIELDS or "Text" not in order or "Start" not in order:
        return row
    cells = row.partition(":")[2].split(",", len(order) - 1)
    told = dict(zip(order, cells, strict=False)) if len(cells) == len(order) else {}
    return "Dialogue: " + ",".join(told.get(field, "0").strip() for field in _FIELDS) if told else row


def _event(row: str) -> tuple[pysubs2.SSAEvent | None, str]:
    if row.count(",") < 9:
        return (
            None,
            "not a row of ten fields such as Dialogue: 0,0:00:01.00,0:00:02.00,Default,ANNA,0,0,0,,Hello",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pysubs2 warns of margins, which do not matter here
            event = pysubs2.SSAFile.from_string(f"[Events]\n{row}", format_="ass")[0]
    except ValueError as error:
        return None, f"{error}"
    return event, fault_in_times(event.start / 1000, event.end / 1000)


def _cues(rows: Sequence[str], web: bool) -> tuple[list[_Cue], str]:
    """The rows before the first line of times as a cue, then all cues; the language of a WebVTT header."""
    cues = [_Cue(0)]
    stamps = [_times(row) for row in rows]
    numbered = _numbered(rows, stamps)
    language, skipping = "", web
    for number, (row, times) in enumerate(zip(rows, stamps, strict=True), 1):
        if times:
            _drop_name(cues[-1].rows, numbered, web)
            cues.append(times)
            times.number = number
            skipping = False
        elif skipping:
            if match := re.match(r"Language:\s*(\S+)", row):
                language = language or standard(match[1])
            skipping = bool(row.strip())
            cues[-1].rows.append("")
        elif web and _NOTES.match(row) and not (number > 1 and rows[number - 2].strip()):
            skipping = True
            cues[-1].rows.append("")
        else:
            cues[-1].rows.append(row)
    return cues, language


def _times(row: str) -> _Cue | None:
    """A cue with the times of a row; None where the row is not a line of times."""
    row = row.strip()[:500]
    if ">" not in row and "＞" not in row and "," not in row:
        return None
    match = _TIMES.match(row) or _SBV.match(row)
    if match:
        return _Cue(0, _seconds(match.groups()[:5]), _seconds(match.groups()[5:]))
    return _Cue(0, fault=f"not a line of times such as {_EXAMPLE}") if _BROKEN.match(row) else None


def _seconds(parts: Sequence[str | None]) -> float:
    sign, hours, minutes, seconds, decimals = parts
    value = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(f"{seconds}.{decimals or 0}")
    return -value if sign else value


def _is_number(row: str) -> bool:
    return row.strip().isdecimal()


def _numbered(rows: Sequence[str], stamps: Sequence[_Cue | None]) -> bool:
    """Whether most cues have a number before their line of times."""
    heads, last = [], ""
    for row, times in zip(rows, stamps, strict=True):
        if times:
            heads.append(_is_number(last))
        if row.strip():
            last = row
    return 2 * sum(heads) > len(heads)


def _drop_name(rows: list[str], numbered: bool, web: bool) -> None:
    """Remove the number or name of the next cue from the rows before its line of times."""
    at = next((k for k in range(len(rows) - 1, -1, -1) if rows[k].strip()), None)
    if at is None:
        return
    alone = at == len(rows) - 1 and (at == 0 or not rows[at - 1].strip())
    if (numbered and _is_number(rows[at])) or (web and alone):
        rows[at] = ""


def _visible(rows: Sequence[str]) -> Iterator[str]:
    """Rows as they are displayed, each voice on a separate row; voices keep their tag."""
    text = re.sub(
        r"<rt>[^<]*(?:</rt>)?", "", "\n".join(rows)
    )  # ruby text repeats its base text in another writing system
    text = re.sub(r"<(?=v[ .>])", "\n<", text)
    text = re.sub(r"(?i)<br ?/?>|\\N|\\n", "\n", text).replace("\\h", " ").replace("</v>", "")
    for row in _TAG.sub("", text).split("\n"):
        row = BRACKETED.sub(r"\1:", html.unescape(row))
        if row.strip():
            yield row.strip()


def _unroll(cues: Sequence[_Cue]) -> None:
    """Remove rows that roll-up captions (YouTube, CEA-608) repeat from the previous cue."""
    whole = [cue for cue in cues if cue.rows and not cue.fault]
    # Captions roll up only while they stay on the screen, so rows after a pause are new.
    repeats = [(b, _repeated(a.rows, b.rows)) for a, b in pairwise(whole) if b.start <= a.end + 0.1]
    if len(repeats) >= 3 and sum(count > 0 for _, count in repeats) >= _ROLL_UP * len(repeats):
        for cue, count in repeats:
            cue.rows = cue.rows[count:]


def _repeated(earlier: Sequence[str], later: Sequence[str]) -> int:
    """Number of the last rows of a cue that are the first rows of the next one."""
    for count in range(min(len(earlier), len(later), 8), 0, -1):
        if list(earlier[-count:]) == list(later[:count]):
            return count
    return 0


def dialogue(blocks: Sequence[Block]) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """The lines of subtitles, and a message where it is doubtful who speaks them."""
    rows = [(row, block.place) for block in blocks for row in block.rows]
    named, doubt = naming([row for row, _ in rows])
    found = [
        Line(text, block.start, block.end, who, block.place)
        for block in blocks
        for who, text in _spoken(block, named)
    ]
    return tuple(found), () if doubt is None else (doubtful(rows[doubt[0]][1], doubt[1]),)


def _spoken(block: Block, named: Naming) -> Iterator[tuple[str | None, str]]:
    """(speaker, text) of the lines of a subtitle; a speaker continues until another one is named."""
    who = block.speaker
    texts: list[str] = []
    for row in block.rows:
        voice = _VOICE.match(row)
        dash = _DASH.match(row)
        rest = row[voice.end() :] if voice else row[dash.end() :] if dash else row
        name = None if voice else named(rest)
        if voice or dash or name:
            if texts:
                yield who, " ".join(texts)
            told = voice or name
            who, texts = ((told[1] or "").strip() or None) if told else None, []
        texts.append(rest[name.end() :] if name else rest)
    if texts:
        yield who, " ".join(texts)
