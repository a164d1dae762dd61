"""Errors a user can meet, each carrying the exit code that scripts rely on.

The text of an error is one line: what is wrong, then what to type next.
"""

from __future__ import annotations

import shlex
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Exit codes of every `dubcli` command; the table stands in the README and in each man page."""

    OK = 0
    BUG = 1
    USAGE = 2
    MEDIA = 3
    CONFIG = 4
    DEPENDENCY = 5
    PARTIAL = 6
    ENGINE = 7
    CHECK = 8
    STORE = 9
    LOCKED = 11
    TEMPORARY = 75
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done, also when there was nothing to do",
    ExitCode.BUG: "a bug; the traceback is in the log",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.MEDIA: "source media missing, undecodable or mismatched",
    ExitCode.CONFIG: "preset, config, script or job file invalid",
    ExitCode.DEPENDENCY: "missing dependency: ffmpeg, an extra, weights, a licence not accepted",
    ExitCode.PARTIAL: "finished, but some shots failed",
    ExitCode.ENGINE: "an engine or child process failed",
    ExitCode.CHECK: "a result failed its own check",
    ExitCode.STORE: "the store is damaged",
    ExitCode.LOCKED: "another run holds the job",
    ExitCode.TEMPORARY: "temporary: GPU memory or device busy, disk full or away",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C (INT); state saved",
    ExitCode.TERMINATED: "stopped by TERM; state saved",
}


def counted(count: int, noun: str) -> str:
    """A number of things, as messages say it: `1 shot`, `2 shots`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def one_line(text: str) -> str:
    """The text with a space for each character that cannot be printed: names may hold line breaks."""
    return "".join(c if c.isprintable() else " " for c in text)


def typed(path: Path) -> str:
    """A path as it is typed: in quotes where a shell needs them, and never like an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


class DubError(Exception):
    """Base of all errors that are the user's to mend; `exit_code` is what the command returns."""

    exit_code = ExitCode.BUG


class UsageError(DubError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


class MediaError(DubError):
    """A film or audio file is missing, cannot be decoded, or does not fit."""

    exit_code = ExitCode.MEDIA


class ConfigError(DubError):
    """A preset, config, script, cast, cue or job file is invalid."""

    exit_code = ExitCode.CONFIG


class DependencyError(DubError):
    """A program, package, weight file or licence acceptance is missing."""

    exit_code = ExitCode.DEPENDENCY


class PartialError(DubError):
    """The run ended, but some units failed."""

    exit_code = ExitCode.PARTIAL


class EngineError(DubError):
    """An engine or a child process crashed, hung or answered nonsense."""

    exit_code = ExitCode.ENGINE


class CheckError(DubError):
    """A result failed its own check, such as a frame count."""

    exit_code = ExitCode.CHECK


class StoreError(DubError):
    """An artifact in the store does not match its manifest."""

    exit_code = ExitCode.STORE


class LockedError(DubError):
    """Another run holds this job."""

    exit_code = ExitCode.LOCKED


class TemporaryError(DubError):
    """Trying again later may work: memory, a busy device, a full disk."""

    exit_code = ExitCode.TEMPORARY


class DiskFullError(TemporaryError):
    """Nothing more can be written."""


class MemoryFullError(TemporaryError):
    """No more memory is given; less work at once may fit."""


class AwayError(TemporaryError):
    """A disk, a file server or a GPU cannot be reached."""


class StoppedError(DubError):
    """The run was stopped by a signal after saving its state."""

    def __init__(self, signum: int) -> None:
        super().__init__("stopped; type the same command to continue")
        self.exit_code = ExitCode(128 + signum)


def by_code(code: int, name: str = "") -> type[DubError]:
    """Error class for an exit code, or for a name of one, for errors that crossed a process border."""
    classes = [cls for cls in DubError.__subclasses__() if cls is not StoppedError]
    classes += TemporaryError.__subclasses__()
    named = {cls.__name__: cls for cls in classes}
    by_number = {cls.exit_code: cls for cls in reversed(classes)}
    return named.get(name) or by_number.get(ExitCode(code), DubError)
