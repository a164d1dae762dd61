"""What is printed: to terminals, pipes that close, full disks, in any locale."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dubcli.cli import output
from dubcli.cli.output import out, printable
from dubcli.errors import UsageError
from tests.cli.conftest import COMMAND, Dubcli


def test_a_text_is_not_written_over_a_film(tmp_path: Path) -> None:
    """But over an earlier one, also as a spreadsheet has saved it."""
    film, text = tmp_path / "film.mov", tmp_path / "cues.csv"
    film.write_bytes(b"\0\0\0\x14ftypqt  ")
    with pytest.raises(UsageError, match="is there, and no text"):
        out.export("x", film)
    for before in ("old", "old".encode("utf-16")):
        text.write_bytes(before if isinstance(before, bytes) else before.encode())
        out.export("new", text)
        assert text.read_text() == "new"


@pytest.mark.parametrize(
    "name", ["two\nlines.mp4", "\x1b[31mred.mp4", "bell\x07.mp4", os.fsdecode(b"\xff.mp4")]
)
def test_file_names_cannot_write_on_the_terminal(name: str, dubcli: Dubcli) -> None:
    done = dubcli("run", name, "--audio", "dub.wav")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert not {"\x1b", "\x07"} & set(done.stderr)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_locale_will_do(encoding: str, dubcli: Dubcli) -> None:
    done = dubcli("run", "фильм.mp4", "--audio", "dub.wav", PYTHONIOENCODING=encoding)
    assert done.returncode == 3
    assert dubcli("run", "--help", PYTHONIOENCODING=encoding).returncode == 0


def test_printable_leaves_text_alone() -> None:
    assert printable("Größe 字 \udcff") == "Größe 字 \udcff"
    assert printable("a\tb\x1b[0m") == "a\\tb\\x1b[0m"


def test_a_terminal_that_is_closed_and_a_log_whose_disk_is_full_are_no_errors() -> None:
    """A run that outlived its terminal (disown, setsid) ended with 1 at its next line."""
    terminal, other = pty.openpty()
    os.close(terminal)
    with output._Stream(open(other, "wb"), "utf-8", line_buffering=True) as closed:
        closed.write("a line\n")
        closed.write("another\n")
    with output._Stream(open("/dev/full", "wb"), "utf-8", line_buffering=True) as full:
        with pytest.raises(OSError, match="No space left"):
            full.write("an answer\n")
        full.answers = False
        full.write("how far it is\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # closing it says what was not written


def test_a_reader_that_goes_away_is_no_error(environment: dict[str, str]) -> None:
    child = subprocess.Popen(
        [*COMMAND, "engine", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert child.stdout
    assert child.stderr
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait() == 0


def test_closed_streams_are_no_error(environment: dict[str, str]) -> None:
    shell = ["sh", "-c", '"$0" "$@" >&- 2>&-', *COMMAND]
    assert subprocess.run([*shell, "engine", "list"], env=environment, check=False).returncode == 0
    assert subprocess.run([*shell, "engine", "show", "x"], env=environment, check=False).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_below_stdout_is_told(environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "engine", "list"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.returncode == 75
    assert b"the disk is full" in done.stderr


def _on_terminal(words: list[str], environment: dict[str, str]) -> str:
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, *words], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    text = b""
    try:
        while block := os.read(leader, 65536):
            text += block
    except OSError:  # how Linux ends a terminal whose other side is closed
        pass
    os.close(leader)
    child.wait()
    return text.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_colour_is_for_terminals_that_want_it(environment: dict[str, str], dubcli: Dubcli) -> None:
    for words in (["preset", "list"], ["run", "none.mp4", "-a", "none.wav"]):
        assert "\x1b[" in _on_terminal(words, {**environment, "TERM": "xterm"})
        assert "\x1b[" not in _on_terminal(words, {**environment, "TERM": "xterm", "NO_COLOR": "1"})
        assert "\x1b[" not in _on_terminal(words, {**environment, "TERM": "dumb"})
        done = dubcli(*words)
        assert "\x1b[" not in done.stdout + done.stderr
