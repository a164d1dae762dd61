"""Plain text as a script: words without times, with speakers where rows or paragraphs begin with their names.

Dubbing lists, screenplays and transcripts of many programs are handed over as text. Names stand before a
colon, a tab or a dash, or alone over what is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dubcli.speech import subtitles
from dubcli.speech.lines import Line, Script, left_out

_CLOCK = r"[\[(]?\d{1,3}:[0-5]\d(?:[:;.,]\d{1,3}){0,2}[\])]?|\d+(?:[.,]\d+)?(?=\t)"
_BETWEEN = r"[\s,;>|–—-]+"
_STAMP = re.compile(rf"\s*(?:\d{{1,5}}\s+)?(?:{_CLOCK})(?:{_BETWEEN}(?:{_CLOCK}))*(?:{_BETWEEN}|$)")
"""Times at the head of a row, perhaps after its number: `00:00:01:12 00:00:03:04`, `[0:05]`, labels'."""
_CELLS = re.compile(r"(?:\t[\d:;.,]*\d[:.,]\d[\d:;.,]*|\t(?=\t)|\t\d+(?=\t))+(?=\t|$)")
"""Cells of times in a row of a table, after its first one: ELAN's text with tabs."""
_STAMPED = 0.2  # share of rows above which times at their heads are no words; set by hand
_MARKED = re.compile(r"^\s*(?:#{1,6}|>)\s|\*\*|__")  # Markdown's headings, quotations and bold letters

_NAME = r"\s*([^\W\d_][\w.'’-]*(?: [\w.'’&-]+){0,3})(?: ?\([^()]{1,30}\)){0,2}"
_APART = r"(?:\t\s*|\s*\|\s*|\s+[–—-]\s+)"
_BEFORE = re.compile(
    rf"{_NAME}{_APART}(?:{_STAMP.pattern})?(?=\S)"
)  # a row's words, perhaps after their time
_LISTED = re.compile(r"\s*(?:[-–—•·]|\d{1,4}[.)])\s+")  # marks of lists
_MOST = 0.5  # share of rows above which what stands at their heads is such a mark; set by hand
_ALONE = re.compile(rf"{_NAME}(?:\s+\d{{1,2}}:\d\d(?::\d\d)?)?\s*$")  # with a time, as transcripts have
_NAMED = 0.25  # share of rows, or of paragraphs, with such a head above which it is a name; set by hand
_SCENE = re.compile(r"\s*(?:\d+[A-Z]?\.?\s+)?(?:INT|EXT|EST|INT\.?/EXT|I/E)[. ]")  # headings of screenplays


def read(text: str, name: str) -> Script:
    """The script in plain text; times at the heads of rows are left out, with a message."""
    rows = [subtitles.BRACKETED.sub(r"\1:", _MARKED.sub("", row)) for row in text.split("\n")]
    marks = [match for row in rows if (match := _LISTED.match(row))]
    if len(marks) > _MOST * sum(bool(row.strip()) for row in rows):
        rows = [_LISTED.sub("", row, count=1) for row in rows]
    faults: list[str] = []
    rows = _without_times(rows, name, faults)
    if (over := _over_paragraphs(rows)) is not None:
        found, beside = _paragraphs(rows, over, name)
        return Script(tuple(found), faults=(*faults, *beside))
    named, doubt = subtitles.naming(rows)
    if doubt:
        faults.append(subtitles.doubtful(f"{name}:{doubt[0] + 1}:1", doubt[1]))
    before = _before_words(rows)
    found = []
    speaker = None
    for number, row in enumerate(rows, 1):
        match = named(row) or before(row)
        speaker = match[1] if match else speaker
        found.append(Line(row[match.end() :] if match else row, None, None, speaker, f"{name}:{number}:1"))
    return Script(tuple(found), faults=tuple(faults))


def _without_times(rows: Sequence[str], name: str, faults: list[str]) -> list[str]:
    """The rows without times at their heads or in cells of their own, where many have some, and a message."""
    cells = [
        match if (match := _CELLS.search(row)) and re.search(r"\d[:.,]\d", match[0]) else None for row in rows
    ]
    stamps = [_STAMP.match(row) or cell for row, cell in zip(rows, cells, strict=True)]
    found = [(number, match) for number, match in enumerate(stamps, 1) if match]
    if len(found) <= max(1, _STAMPED * sum(bool(row.strip()) for row in rows)):
        return list(rows)
    number, first = found[0]
    faults.append(
        f"{name}:{number}:1: times such as {first[0].strip()!r} are not read; the words are, without"
    )
    return [
        row[: match.start()] + row[match.end() :] if match else row
        for row, match in zip(rows, stamps, strict=True)
    ]


def _before_words(rows: Sequence[str]) -> subtitles.Naming:
    """What matches names before a tab or a dash, where rows begin so and a name comes back."""
    heads = [match[1] for row in rows if (match := _BEFORE.match(row)) and subtitles.is_name(match[1])]
    names = set(heads)
    if len(heads) == len(names) or len(heads) < _NAMED * sum(bool(row.strip()) for row in rows):
        return lambda row: None
    return lambda row: match if (match := _BEFORE.match(row)) and match[1] in names else None


@dataclass(frozen=True)
class _Paragraph:
    """Rows between blank ones: the number of the first, and them."""

    start: int
    rows: list[str]

    @property
    def speaker(self) -> str | None:
        """The name that may stand over the rest; None where it is none."""
        match = _ALONE.match(self.rows[0]) if len(self.rows) > 1 else None
        return match[1] if match and subtitles.is_name(match[1]) else None


def _over_paragraphs(rows: Sequence[str]) -> list[_Paragraph] | None:
    """The paragraphs of a text where names stand over them; None where it is not sure.

    In screenplays one is enough, elsewhere one must come back.
    """
    found = list(_split(rows))
    heads = [speaker for one in found if (speaker := one.speaker)]
    plain = sum(not name.isupper() for name in heads)  # which may be a short row of verse as well
    enough = _NAMED * len(found) if plain * 2 < len(heads) else len(found) / 2
    sure = any(count > 1 for count in Counter(heads).values()) or any(map(_SCENE.match, rows))
    return found if heads and sure and len(heads) >= enough else None


def _split(rows: Sequence[str]) -> Iterator[_Paragraph]:
    own: list[str] = []
    for number, row in enumerate([*rows, ""], 1):
        if row.strip():
            own.append(row)
        elif own:
            yield _Paragraph(number - len(own), own)
            own = []


def _paragraphs(
    rows: Sequence[str], paragraphs: Sequence[_Paragraph], name: str
) -> tuple[list[Line], list[str]]:
    """The lines of paragraphs under names; in a screenplay what stands under none is not said."""
    found: list[Line] = []
    unsaid: list[_Paragraph] = []
    is_screenplay = any(_SCENE.match(row) for row in rows)
    speaker = None
    for one in paragraphs:
        if one.speaker is None and is_screenplay:
            unsaid.append(one)
            continue
        speaker = one.speaker or speaker
        said = one.rows[1:] if one.speaker else one.rows
        place = f"{name}:{one.start + (one.speaker is not None)}:1"
        found.append(Line(" ".join(said), None, None, speaker, place))
    if not unsaid:
        return found, []
    what = f"{len(unsaid)} paragraphs of this screenplay stand under no name"
    return found, [left_out(f"{name}:{unsaid[0].start}:1", what, "and what is in them")]
