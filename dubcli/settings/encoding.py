"""Text of files that other programs write, in whatever encoding they chose."""

from __future__ import annotations

import re
from pathlib import Path

from dubcli.errors import ConfigError

# Share of non-ASCII letters that no language written in Windows-1252 exceeds; set by hand.
_NON_ASCII = 0.3

_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip


def read_foreign(path: Path, kind: str, largest: int) -> tuple[str, tuple[str, ...]]:
    """The text of a file with `\\n` as its only line break, and a message where its encoding is a guess.

    Args:
        path: the file.
        kind: what it is, for messages: `script`, `list`.
        largest: bytes that it may have.

    Raises:
        ConfigError: it cannot be read, is too large, or is not text.
    """
    data = read_bytes(path, kind, largest)
    guess: tuple[str, ...] = ()
    try:
        text = data.decode(encoding(data))
    except UnicodeDecodeError as error:
        place = place_of(path, data, error)
        text = _western(data)
        if not text:
            raise ConfigError(f"{place}: not UTF-8 text; save the {kind} as UTF-8") from None
        guess = (
            f"{place}: not UTF-8, so it is read as Windows-1252; save it as UTF-8 if letters come out wrong",
        )
    text = text.replace("\0", " ").replace("\ufeff", "")
    # Several carriage returns before a newline are common damage, and do not mean blank rows.
    return re.sub(r"\r{1,3}\n|\r", "\n", text), guess


def read_bytes(path: Path, kind: str, largest: int) -> bytes:
    """The bytes of a file of text.

    Raises:
        ConfigError: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > largest:
            raise ConfigError(f"{path}: too large for a {kind} ({path.stat().st_size} bytes)")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; check the name of the {kind}") from None


def place_of(path: Path, data: bytes, error: UnicodeDecodeError) -> str:
    """`file:line:column` of the byte that is no text."""
    line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
    return f"{path}:{line}:{column}"


def encoding(data: bytes) -> str:
    """The encoding of a text's bytes: UTF-8, unless a mark or zeros between its letters say otherwise."""
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
