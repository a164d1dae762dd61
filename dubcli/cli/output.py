"""All printing: data to stdout, everything else to stderr; colour only on a terminal."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import select
import shutil
import stat
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO


class Output:
    """The output of a command.

    Attributes:
        quiet: notes are dropped; warnings and errors stay.
        verbose: details are shown.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False

    def data(self, text: str = "") -> None:
        """A line of the answer, on stdout."""
        _write(sys.stdout, printable(text))

    def export(self, text: str, file: Path | None) -> None:
        """A text that was asked for: into a file, whose path is then shown, or on stdout.

        Raises:
            UsageError: the file cannot be written, or is there and no text, such as a film.
        """
        from dubcli.errors import UsageError
        from dubcli.files import write_atomically

        if file is None:
            self.raw(text.rstrip("\n"))
            return
        try:
            if file.is_file() and not _is_text(file):
                raise UsageError(f"{file} is there, and no text; choose another name with -o FILE")
            write_atomically(file, text.encode())
        except OSError as error:
            raise UsageError(f"cannot write {file} ({error.strerror}); choose another with -o FILE") from None
        self.path(file)

    def path(self, path: Path) -> None:
        """A path on stdout: as it is for a program, printable for a person."""
        _write(sys.stdout, printable(str(path)) if sys.stdout.isatty() else str(path))

    def raw(self, text: str) -> None:
        """Text for another program, on stdout, character for character."""
        _write(sys.stdout, text)

    def styled(self, mark: str, text: str) -> None:
        """A line of the answer that begins with a mark from `colour`, on stdout."""
        _write(sys.stdout, f"{mark} {printable(text)}")

    def document(self, value: Any) -> None:
        """The answer as one JSON document, on stdout."""
        _write(sys.stdout, json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Aligned columns on stdout, under a head; numbers stand at the right.

        On a terminal the last column is folded to fit; elsewhere a row is a line.
        """
        cells = [[printable(shown(value)) for value in row] for row in rows]
        widths = [max(len(text) for text in column) for column in zip(head, *cells, strict=True)]
        right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(head))]
        _write(sys.stdout, colour(sys.stdout, "1", _columns(head, widths, right)))
        before = sum(widths[:-1]) + 2 * len(widths[:-1])
        fit = max(20, shutil.get_terminal_size().columns - before) if sys.stdout.isatty() else sys.maxsize
        for row in cells:
            first, *more = textwrap.wrap(row[-1], fit) or [""]
            _write(sys.stdout, _columns([*row[:-1], first], widths, right))
            for line in more:
                _write(sys.stdout, " " * before + line)

    def note(self, text: str) -> None:
        """A line about progress, on stderr, unless quiet."""
        if not self.quiet:
            _write(sys.stderr, printable(text))

    def detail(self, text: str) -> None:
        """A line that only `-v` shows, on stderr."""
        if self.verbose:
            _write(sys.stderr, printable(text))

    def warn(self, text: str) -> None:
        """A warning on stderr."""
        _write(sys.stderr, f"dubcli: {colour(sys.stderr, '33', 'warning:')} {printable(text)}")

    def error(self, text: str, *more: str) -> None:
        """An error on stderr; further lines are indented below the first."""
        _write(sys.stderr, f"dubcli: {colour(sys.stderr, '31', 'error:')} {printable(text)}")
        for line in more:
            _write(sys.stderr, f"  {printable(line)}")


out = Output()


class _Stream(io.TextIOWrapper):
    """A standard stream that takes any file name, and discards output once its reader is gone.

    Attributes:
        answers: whether a command's answer goes there, so that a disk that does not take it is an error;
            what is said about progress is lost.
        is_lost: whether its reader is gone.
    """

    answers = True
    is_lost = False

    def write(self, text: str) -> int:
        with self._ignore_closed():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._ignore_closed():
            super().flush()

    @contextlib.contextmanager
    def _ignore_closed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A terminal that was closed answers EIO, as a broken disk does.
            is_file = stat.S_ISREG(os.fstat(self.fileno()).st_mode)
            if error.errno == errno.EPIPE or (error.errno == errno.EIO and not is_file):
                # The reader is gone; a run continues, and its output is discarded.
                self.is_lost = True
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            elif self.answers:
                raise


def prepare() -> None:
    """Make both streams take any file name, whatever the locale, and outlive their readers."""
    if sys.stdin is None:  # closed by the shell: <&-
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - it stays open
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it stays open
        if type(stream) is io.TextIOWrapper:  # and not what a test or a notebook has put there
            utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            buffered = stream.line_buffering
            errors = "surrogateescape" if utf8 else "backslashreplace"
            patient = _Stream(stream.detach(), stream.encoding, errors, line_buffering=buffered)
            patient.answers = name == "stdout"
            setattr(sys, name, patient)


def has_reader(stream: TextIO) -> bool:
    """Whether what is written to a stream can arrive: not where the other end of a pipe is closed."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):  # no file, as in a test or a notebook
        return True
    return not getattr(stream, "is_lost", False) and not poll.poll(0)


def wants_colour(stream: TextIO) -> bool:
    """Whether escape codes may go to the stream (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def colour(stream: TextIO, code: str, text: str) -> str:
    """The text in an ANSI style, or as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if wants_colour(stream) else text


def printable(text: str) -> str:
    """The text with control characters spelt out: a file name cannot move the cursor or start a line."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shown(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_text(file: Path) -> bool:
    """Whether a file begins as text does, which has no zeros unless it is UTF-16."""
    with file.open("rb") as opened:
        head = opened.read(4096)
    return b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        text.rjust(width) if at_right else text.ljust(width)
        for text, width, at_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _write(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()
