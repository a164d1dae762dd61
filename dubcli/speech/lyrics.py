"""LRC as a script: `[00:12.50] words`, which lasts until the next row does.

Source: https://en.wikipedia.org/wiki/LRC_(file_format), and files found in practice.
"""

from __future__ import annotations

import re
from itertools import pairwise

from dubcli.language import standard
from dubcli.speech.lines import Script, left_out
from dubcli.speech.subtitles import Block, dialogue

_STAMP = re.compile(r"\s*\[(?:(\d{1,2}):(?=\d+:\d+\.))?(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_WITHIN = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")  # times of single words
_TAG = re.compile(r"\s*\[([A-Za-z#]+)\s*:(.*)\]\s*$")
_LONGEST_S = 10.0  # seconds that a row may last whose successor comes later; set by hand


def read(text: str, name: str) -> Script:
    """The script in an LRC file; a row with several times is said at each of them."""
    rows: list[tuple[float, str, str]] = []
    faults: list[str] = []
    offset, language = 0.0, ""
    for number, row in enumerate(text.split("\n"), 1):
        times: list[float] = []
        rest = row
        while match := _STAMP.match(rest):
            hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3].replace(":", "."))
            times.append(hours * 3600 + minutes * 60 + seconds)
            rest = rest[match.end() :]
        tag = None if times else _TAG.match(row)
        if tag and tag[1].lower() == "offset" and re.fullmatch(r"\s*[+-]?\d{1,7}\s*", tag[2]):
            offset = int(tag[2]) / 1000  # a positive one has the words come sooner
        elif tag and tag[1].lower() in ("la", "lang", "language"):
            language = language or standard(tag[2])
        elif rest.strip() and not times and not tag:
            faults.append(left_out(f"{name}:{number}:1", "no time such as [00:12.50] before it", "row"))
        place = f"{name}:{number}:1"
        rows += [(time, _WITHIN.sub("", rest).strip(), place) for time in times]
    rows.sort(key=lambda row: row[0])
    blocks = [
        Block([words], max(0.0, start - offset), max(0.0, min(end, start + _LONGEST_S) - offset), place)
        for (start, words, place), (end, _, _) in pairwise([*rows, (float("inf"), "", "")])
        if words
    ]
    found, doubts = dialogue(blocks)
    return Script(found, language=language, faults=(*faults, *doubts))
