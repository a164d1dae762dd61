"""Scripts: the words of a dub, as subtitles, a time-aligned transcript or plain text.

A script is lines of text in order, some with times and speakers. Times may be rough, as those of subtitles
are; the aligner finds the exact ones. Parts that cannot be read are left out and reported; the rest is used.
"""

from __future__ import annotations

import re
from pathlib import Path

from dubcli.errors import ConfigError
from dubcli.speech import subtitles, timed_transcripts
from dubcli.speech.lines import Line, Script, tidy

LARGEST_BYTES = 50_000_000  # far above any real script; chosen to bound memory
# Share of non-ASCII letters that no language written in Windows-1252 exceeds; set by hand.
_NON_ASCII = 0.3

_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip


def load(path: Path) -> Script:
    """The script in a file, whose suffix decides its format.

    Raises:
        ConfigError: the file, or everything in it, cannot be read; with file, line and column.
    """
    readers = {
        ".srt": subtitles.read, ".vtt": subtitles.read, ".ass": subtitles.substation,
        ".ssa": subtitles.substation, ".textgrid": timed_transcripts.praat, ".ctm": timed_transcripts.ctm,
        ".json": timed_transcripts.whisperx, ".txt": _plain,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        suffixes = " ".join(sorted(readers))
        raise ConfigError(f"{path}: not a script, by its suffix; use one of {suffixes}")
    text, guess = _text(path)
    found = tidy(reader(text, str(path)))
    if not found.lines and not found.phones:
        why = f"{found.faults[0]}, and nothing else is in the script" if found.faults else ""
        raise ConfigError(why or f"{path}:1:1: the script holds no words")
    return Script(found.lines, found.slack, found.language, found.phones, (*guess, *found.faults))


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file with `\\n` as its only line break, and a message where its encoding is a guess."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"{path}: too large for a script ({path.stat().st_size} bytes)")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; check the name of the script") from None
    guess: tuple[str, ...] = ()
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        place = f"{path}:{line}:{column}"
        text = _western(data)
        if not text:
            raise ConfigError(f"{place}: not UTF-8 text; save the script as UTF-8") from None
        guess = (
            f"{place}: not UTF-8, so it is read as Windows-1252; save it as UTF-8 if letters come out wrong",
        )
    text = text.replace("\0", " ").replace("\ufeff", "")
    # Several carriage returns before a newline are common damage, and do not mean blank rows.
    return re.sub(r"\r{1,3}\n|\r", "\n", text), guess


def _encoding(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding
    # UTF-16 without a byte order mark: every second byte of digits and spaces is zero.
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = data[start:2000:2]
        if half.count(0) > len(half) / 3 and data[1 - start : 2000 : 2].count(0) < len(half) / 10:
            return encoding
    return "utf-8-sig"


def _western(data: bytes) -> str:
    """Text decoded as Windows-1252; "" where it is unlikely to be that."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return ""
    letters = [c for c in text if c.isalpha()]
    return text if sum(c > "\x7f" for c in letters) <= _NON_ASCII * len(letters) else ""


def _plain(text: str, name: str) -> Script:
    """The script in plain text, without times; `NAME: ` at the head of a line names its speaker."""
    found: list[Line] = []
    speaker = None
    for number, row in enumerate(text.split("\n"), 1):
        match = subtitles.SPEAKER.match(row)
        speaker = match[1] if match else speaker
        found.append(Line(row[match.end() :] if match else row, None, None, speaker, f"{name}:{number}:1"))
    return Script(tuple(found))
