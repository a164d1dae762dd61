"""Scripts: the words of a dub, as subtitles, a time-aligned transcript or plain text.

A script is lines of text in order, some with times and speakers. Times may be rough, as those of subtitles
are; the aligner finds the exact ones. Parts that cannot be read are left out and reported; the rest is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dubcli.errors import ConfigError, typed
from dubcli.settings.encoding import read_foreign
from dubcli.speech import lyrics, subtitles, timed_text, timed_transcripts
from dubcli.speech.lines import Line, Script, tidy

LARGEST_BYTES = 50_000_000  # far above any real script; chosen to bound memory
_CLOCK = r"[\[(]?\d{1,3}:[0-5]\d(?:[:;.,]\d{1,3}){0,2}[\])]?|\d+(?:\.\d+)?(?=\t)"
_BETWEEN = r"[\s,;>–—-]+"
_STAMP = re.compile(rf"\s*(?:\d{{1,5}}\s+)?(?:{_CLOCK})(?:{_BETWEEN}(?:{_CLOCK}))*(?:{_BETWEEN}|$)")
"""Times at the head of a row, perhaps after its number: `00:00:01:12 00:00:03:04`, `[0:05]`, labels'."""
_STAMPED = 0.2  # share of rows above which times at their heads are no words; set by hand
_CONVERTED = {
    ".scc .smi": "ffmpeg -i {file} {stem}.srt",
    ".stl .pac .cap .890 .sub .mpl .psb .usf .jss": "SubtitleEdit /convert {file} subrip",
    ".doc .docx .odt .rtf": "soffice --headless --convert-to txt:Text {file}",
    ".pdf": "pdftotext -layout {file}",
}
"""Suffixes that are not read → what makes a script of such a file."""


def load(path: Path) -> Script:
    """The script in a file, whose suffix decides its format.

    Raises:
        ConfigError: the file, or everything in it, cannot be read; with file, line and column.
    """
    readers = {
        ".srt": subtitles.read, ".vtt": subtitles.read, ".sbv": subtitles.read, ".ass": subtitles.substation,
        ".ssa": subtitles.substation, ".textgrid": timed_transcripts.praat, ".ctm": timed_transcripts.ctm,
        ".json": timed_transcripts.whisperx, ".txt": _plain, ".lrc": lyrics.read,
        **dict.fromkeys((".ttml", ".dfxp", ".itt", ".xml"), timed_text.read),
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(_unread(path, sorted(readers)))
    text, guess = read_foreign(path, "script", LARGEST_BYTES)
    found = tidy(reader(text, str(path)))
    if not found.lines and not found.phones:
        why = f"{found.faults[0]}, and nothing else is in the script" if found.faults else ""
        raise ConfigError(why or f"{path}:1:1: the script holds no words")
    return Script(found.lines, found.slack, found.language, found.phones, (*guess, *found.faults))


def _unread(path: Path, suffixes: Iterable[str]) -> str:
    """What to do about a file whose format is not read, in words."""
    suffix = path.suffix.lower()
    command = next((what for kinds, what in _CONVERTED.items() if suffix in kinds.split()), "")
    if command:
        words = command.format(file=typed(path), stem=typed(path.with_suffix("")))
        return f"{path}: {suffix} is not read; make a script of it first, as with: {words}"
    return f"{path}: not a script, by its suffix; save it as one of {' '.join(suffixes)}"


def _plain(text: str, name: str) -> Script:
    """The script in plain text, without times; `NAME: ` at the head of a line names its speaker.

    Subtitles are often handed over as text, and other lists with times that only their programs read.
    """
    if subtitles.are_in(text):
        return subtitles.read(text, name)
    rows = text.split("\n")
    stamps = [(number, match) for number, row in enumerate(rows, 1) if (match := _STAMP.match(row))]
    faults: tuple[str, ...] = ()
    if len(stamps) > max(1, _STAMPED * sum(bool(row.strip()) for row in rows)):
        number, first = stamps[0]
        faults = (
            f"{name}:{number}:1: times such as {first[0].strip()!r} are not read; the words are, without",
        )
        for number, match in stamps:
            rows[number - 1] = rows[number - 1][match.end() :]
    named, doubt = subtitles.naming(rows)
    if doubt:
        faults = (*faults, subtitles.doubtful(f"{name}:{doubt[0] + 1}:1", doubt[1]))
    found: list[Line] = []
    speaker = None
    for number, row in enumerate(rows, 1):
        match = named(row)
        speaker = match[1] if match else speaker
        found.append(Line(row[match.end() :] if match else row, None, None, speaker, f"{name}:{number}:1"))
    return Script(tuple(found), faults=faults)
