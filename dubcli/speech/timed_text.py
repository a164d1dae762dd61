"""TTML as scripts: DFXP, IMSC, EBU-TT-D, and what services and editing programs write as `.ttml` or `.xml`.

Source: https://www.w3.org/TR/ttml2/, and files found in practice, which hold to it more or less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from dubcli.errors import ConfigError
from dubcli.language import standard
from dubcli.speech.lines import Script, fault_in_times, left_out
from dubcli.speech.subtitles import Block, dialogue

# As the standard has them, and as players read them: hours or a unit may be missing, the point be a comma.
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:([.,]\d{1,12})|[:;](\d{1,4})(?:\.(\d{1,4}))?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,12})?)(ms|[hmsft]?)")
_SECONDS = {
    "": Fraction(1),
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
}
_RUBY = ("text", "textContainer", "delimiter")  # repeats its base text in another writing system
_DEEPEST = 60  # elements within each other; no real document has ten
_LINE = "line"  # attribute that holds an element's line in the file


@dataclass(frozen=True)
class _Piece:
    """Text with the times and the speaker of the innermost element that has them."""

    line: int
    start: Fraction | None = None
    end: Fraction | None = None
    speaker: str | None = None
    text: str = ""


def read(text: str, name: str) -> Script:
    """The script in a TTML document.

    Raises:
        ConfigError: it is no well-formed XML, declares entities, or its root is not `tt`.
    """
    root = _parsed(text, name)
    reader = _Reader(root, name)
    body = next((child for child in root if child.tag == "body"), None)
    pieces = () if body is None else reader.pieces(body, _Piece(1))
    blocks = [
        Block(
            [row for row in piece.text.split("\n") if row.strip()],
            _number(piece.start), _number(piece.end), f"{name}:{piece.line}:1", piece.speaker,
        )
        for piece in _joined(pieces)
    ]  # fmt: skip
    found, doubts = dialogue(blocks)
    language = standard(root.get("lang", ""))
    return Script(found, language=language, faults=(*reader.faults, *doubts))


def _parsed(text: str, name: str) -> Element:
    """The root of a document; tags and attributes without their namespaces, each with its line."""
    builder = TreeBuilder()
    parser = expat.ParserCreate("utf-8", "}")
    depth = 0

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise ConfigError(f"{name}:{parser.CurrentLineNumber}:1: elements lie too deep for subtitles")
        own = {key.rpartition("}")[2]: value for key, value in attributes.items()}
        builder.start(tag.rpartition("}")[2], own | {_LINE: str(parser.CurrentLineNumber)})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition("}")[2])

    def refuse(*_: object) -> None:
        place = f"{name}:{parser.CurrentLineNumber}:1"
        raise ConfigError(f"{place}: it declares entities, which are not read; export it without them")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, refuse
    try:
        parser.Parse(text.lstrip().encode(errors="replace"), True)
    except expat.ExpatError as error:
        place = f"{name}:{error.lineno}:{error.offset + 1}"
        raise ConfigError(
            f"{place}: not well-formed XML ({expat.ErrorString(error.code)}); export it again"
        ) from None
    root = builder.close()
    if root.tag != "tt":
        raise ConfigError(f"{name}:1:1: no TTML, whose root is tt: it is {root.tag[:40]}")
    return root


class _Reader:
    """What a document's head says, and its text with times counted by that."""

    def __init__(self, root: Element, name: str) -> None:
        self.faults: list[str] = []
        self._name = name
        self._absolute = "timing" in root.attrib  # lyrics of iTunes, whose times all count from the beginning
        self._smpte = root.get("timeBase") == "smpte"
        self._drop = root.get("dropMode", "")
        self._nominal = int(_digits(root.get("frameRate")) or 30)
        above, below = ([*re.findall(r"\d+", root.get("frameRateMultiplier", "")), "1", "1"])[:2]
        self._rate = Fraction(self._nominal * max(int(above), 1), max(int(below), 1))
        self._parts = int(_digits(root.get("subFrameRate")) or 1)
        own = self._rate * self._parts if _digits(root.get("frameRate")) else Fraction(1)
        self._ticks = Fraction(_digits(root.get("tickRate")) or own)
        self._names = {
            agent.get("id", ""): (agent.findtext("name") or agent.get("id") or "").strip()
            for agent in root.iter("agent")
        }
        self._ruby = {style.get("id", ""): style.get("ruby", "") for style in root.iter("style")}

    def pieces(self, element: Element, within: _Piece) -> list[_Piece]:
        """The text of an element; `within` has the times of the one that it lies in."""
        styles = map(self._ruby.get, element.get("style", "").split())
        own = self._placed(element, within)
        if own is None or any(kind in _RUBY for kind in (element.get("ruby"), *styles)):
            return []
        found: list[_Piece] = []

        def say(text: str | None) -> None:
            if text and element.tag in ("p", "span"):
                found.append(replace(own, text=text))

        say("\n" if element.tag == "p" else "")
        say(_spaced(element.text))
        follows, begin = element.get("timeContainer") == "seq", own
        for child in element:
            if child.tag == "br":
                say("\n")
            elif child.tag in ("div", "p", "span"):
                inner = self.pieces(child, begin)
                found += inner
                ends = [piece.end for piece in inner if piece.end is not None]
                begin = replace(own, start=max(ends)) if follows and ends else begin
            say(_spaced(child.tail))
        return found

    def _placed(self, element: Element, within: _Piece) -> _Piece | None:
        """The times and speaker of an element, without text; None where its times are none."""
        who = next((self._names[one] for one in element.get("agent", "").split() if one in self._names), "")
        line = int(element.get(_LINE, "1")) if element.tag == "p" else within.line
        start, end = within.start, within.end
        told = {key: element.get(key, "").strip() for key in ("begin", "end", "dur")}
        if any(told.values()):
            times = {key: self._seconds(value) if value else None for key, value in told.items()}
            place = f"{self._name}:{element.get(_LINE)}:1"
            bad = next((value for key, value in told.items() if value and times[key] is None), None)
            if bad is not None:
                what = "cue" if element.tag in ("p", "span") else "time"
                self.faults.append(left_out(place, f"{bad[:40]!r} is no time such as 00:00:01.500", what))
                return None if what == "cue" else within
            zero = Fraction(0) if self._absolute else within.start or Fraction(0)
            start = zero + (times["begin"] or 0)
            ends = [zero + times["end"]] if times["end"] is not None else []
            ends += [start + times["dur"]] if times["dur"] is not None else []
            end = min([*ends, *([within.end] if within.end is not None else [])], default=None)
            if end is not None and (why := fault_in_times(float(start), float(end))):
                self.faults.append(left_out(place, why))
                return None
        return _Piece(line, start, end, who or within.speaker)

    def _seconds(self, text: str) -> Fraction | None:
        """A time expression in seconds; None where it is none."""
        if match := _OFFSET.fullmatch(text):
            unit = {"f": 1 / self._rate, "t": 1 / self._ticks, **_SECONDS}[match[2]]
            return Fraction(match[1]) * unit
        match = _CLOCK.fullmatch(text)
        if not match:
            return None
        hours, minutes, seconds = int(match[1] or 0), int(match[2]), int(match[3])
        frames = int(match[5] or 0) + Fraction(int(match[6] or 0), self._parts)
        whole = hours * 3600 + minutes * 60 + seconds + Fraction((match[4] or "0").replace(",", "."))
        if not self._smpte:
            return whole + frames / self._rate
        # A label: pictures are counted, of which some labels are left out, and last as long as they do.
        count = whole * self._nominal + frames
        past = hours * 60 + minutes
        count -= {"dropNTSC": 2 * (past - past // 10), "dropPAL": 4 * (past // 2 - past // 20)}.get(
            self._drop, 0
        )
        return count / self._rate


def _digits(text: str | None) -> str:
    """A positive whole number, "" for anything else."""
    return text.strip() if text and re.fullmatch(r"\s*0*[1-9]\d{0,11}\s*", text) else ""


def _spaced(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def _joined(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Pieces with the text of those of the same paragraph, times and speaker in one."""
    last: _Piece | None = None
    for piece in pieces:
        if last and replace(piece, text="") == replace(last, text=""):
            last = replace(last, text=last.text + piece.text)
            continue
        if last:
            yield last
        last = piece
    if last:
        yield last


def _number(moment: Fraction | None) -> float | None:
    return None if moment is None else round(float(moment), 6)
