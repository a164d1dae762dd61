"""Scripts: the words of a dub, as subtitles, a time-aligned transcript or plain text.

A script is lines of text in order, some with times and speakers. Times may be rough, as those of subtitles
are; the aligner finds the exact ones. Parts that cannot be read are left out and reported; the rest is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from dubcli.errors import ConfigError, typed
from dubcli.settings.encoding import read_foreign
from dubcli.speech import lyrics, plain, subtitles, timed_text, timed_transcripts
from dubcli.speech.lines import Script, tidy

LARGEST_BYTES = 50_000_000  # far above any real script; chosen to bound memory
_BEGINNINGS = (
    (r"WEBVTT", subtitles.read),
    (r"\[(?:Script Info|V4\+? Styles|Events)\]", subtitles.substation),
    (r"<\?xml|<(?:\w+:)?tt[\s>]", timed_text.read),
    (r'(?:File type = )?"ooTextFile', timed_transcripts.praat),
    (r'\{\s*"', timed_transcripts.transcript),
)
_CONVERTED = {
    ".scc .smi": "ffmpeg -i {file} {stem}.srt",
    ".stl .pac .cap .890 .sub .mpl .psb .usf .jss": "SubtitleEdit /convert {file} subrip",
    ".doc .docx .odt .rtf": "soffice --headless --convert-to txt:Text {file}",
    ".pdf": "pdftotext -layout {file}",
}
"""Suffixes that are not read → what makes a script of such a file."""


def load(path: Path) -> Script:
    """The script in a file, whose suffix decides its format, unless its text is unmistakably of another.

    Raises:
        ConfigError: the file, or everything in it, cannot be read; with file, line and column.
    """
    readers = {
        ".srt": subtitles.read, ".vtt": subtitles.read, ".sbv": subtitles.read, ".ass": subtitles.substation,
        ".ssa": subtitles.substation, ".textgrid": timed_transcripts.praat, ".ctm": timed_transcripts.ctm,
        ".json": timed_transcripts.transcript, ".txt": plain.read, ".fountain": plain.read,
        ".lrc": lyrics.read,
        **dict.fromkeys((".ttml", ".dfxp", ".itt", ".xml"), timed_text.read),
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(_unread(path, sorted(readers)))
    text, guess = read_foreign(path, "script", LARGEST_BYTES)
    found = tidy((_reader_of(text, path) or reader)(text, str(path)))
    if not found.lines and not found.phones:
        why = f"{found.faults[0]}, and nothing else is in the script" if found.faults else ""
        raise ConfigError(why or f"{path}:1:1: the script holds no words")
    return Script(found.lines, found.slack, found.language, found.phones, (*guess, *found.faults))


def _reader_of(text: str, path: Path) -> Callable[[str, str], Script] | None:
    """The reader of a text that is unmistakably of one format, whatever its file is called.

    Raises:
        ConfigError: it is of one that is not read.
    """
    head = text[:2000].lstrip()
    if head.startswith("{\\rtf"):
        raise ConfigError(f"{path}:1:1: this is RTF, whatever it is called; save it as plain text")
    if head.startswith("SESSION NAME:"):
        raise ConfigError(
            f"{path}:1:1: this lists the clips of a session, not what is said; name the script itself"
        )
    if re.match(r"<!doctype html|<html", head, re.IGNORECASE):
        raise ConfigError(f"{path}:1:1: this is a web page; download the script itself")
    for begins, reader in _BEGINNINGS:
        if re.match(begins, head):
            return reader
    plain_suffixes = (".txt", ".srt")
    return subtitles.read if path.suffix.lower() in plain_suffixes and subtitles.are_in(text) else None


def _unread(path: Path, suffixes: Iterable[str]) -> str:
    """What to do about a file whose format is not read, in words."""
    if path.is_dir():
        return f"{path} is a folder; name the script in it"
    suffix = path.suffix.lower()
    command = next((what for kinds, what in _CONVERTED.items() if suffix in kinds.split()), "")
    if command:
        words = command.format(file=typed(path), stem=typed(path.with_suffix("")))
        return f"{path}: {suffix} is not read; make a script of it first, as with: {words}"
    return f"{path}: not a script, by its suffix; save it as one of {' '.join(suffixes)}"
