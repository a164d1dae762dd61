"""Runs the entries of a batch: some at once, each as a process of its own, so that none can take others down.

Of a film's dubs one goes first alone: what it leaves about the picture the others find in the store.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dubcli.batch.entry import Entry, Outcome, job_of
from dubcli.core import published
from dubcli.core.events import Event, Listener, parsed
from dubcli.core.job import Job
from dubcli.core.shortage import shortage
from dubcli.core.signals import Stop
from dubcli.errors import DubError, ExitCode, UsageError
from dubcli.files import read_cache_file, write_atomically

WAIT_SECONDS = 0.1
"""How long one look at the running jobs waits; set by hand."""
SPACE_SECONDS = 2.0
"""How often free space is looked at; set by hand."""
SAY_SECONDS = 60.0
"""How often it is said that the command after a film runs; set by hand."""
RETRIED = frozenset(
    {ExitCode.BUG, ExitCode.PARTIAL, ExitCode.ENGINE, ExitCode.CHECK, ExitCode.LOCKED, ExitCode.TEMPORARY}
)
"""How a job may have ended for another try to make sense."""
STOPPED = frozenset({ExitCode.TEMPORARY, ExitCode.INTERRUPTED, ExitCode.TERMINATED})
"""Ends of jobs that are only stopped: the same command goes on with them."""
STOPPING = STOPPED | {ExitCode.DEPENDENCY}
"""Ends that stop the batch: the next entry would meet the same, or a person asked to stop."""
EXECUTED = "executed.json"
"""File of a job directory: the last command that ended well after the job, and on which film."""


@dataclass(frozen=True)
class Policy:
    """How a batch runs.

    Attributes:
        program: the command line of `dubcli`, up to its subcommand.
        jobs: how many entries at once.
        fail_fast: whether a failure ends the batch.
        retries: how often an entry is tried again, after all others.
        reserve: bytes that must stay free where the batch writes.
        command: words to run after each film; `{}` is the film written, `{job}` its job directory.
        force: replace outputs that are not the jobs' own.
    """

    program: Sequence[str]
    jobs: int = 1
    fail_fast: bool = False
    retries: int = 0
    reserve: int = 0
    command: tuple[str, ...] = ()
    force: bool = False


@dataclass
class _Running:
    """A job's process, and then that of the command after it."""

    entry: Entry
    job: Job
    process: subprocess.Popen[bytes]
    attempt: int
    began: float
    listeners: list[Listener]
    buffer: bytes = b""
    text: str = ""
    executing: bool = False
    stopped: str = ""
    ends_as: ExitCode | None = None
    said: float = float("-inf")


@dataclass
class Queue:
    """The entries that wait and those that run."""

    policy: Policy
    flags: Mapping[str, tuple[str, Any]]
    listeners: Callable[[Entry], list[Listener]]
    notice: Callable[[str], None]
    waiting: deque[tuple[Entry, int]] = field(default_factory=deque)
    running: list[_Running] = field(default_factory=list)
    begun: set[Path] = field(default_factory=set)
    why: str = ""
    _looked: float = float("-inf")

    def run(self, entries: Sequence[Entry]) -> Iterator[Outcome]:
        """Run all entries; outcomes come as they end.

        After a failure that the others would meet too (a signal, a full disk, a missing dependency) the
        rest is not begun.
        """
        self.waiting = deque((entry, 0) for entry in entries)
        with Stop(self._kill, self.notice, lambda code: None) as stop:
            while self.running or (self.waiting and not self.why):
                if stop.signum:
                    self._end("stopped", signal.Signals(stop.signum))
                elif short := self._shortage():
                    self._end(short, signal.SIGTERM, ExitCode.TEMPORARY)
                yield from self._begin()
                for one in list(self.running):
                    yield from self._look(one)
                time.sleep(WAIT_SECONDS)
        for entry, _ in self.waiting:
            yield _unreached(entry, self.policy.command)

    def _begin(self) -> Iterator[Outcome]:
        while not self.why and len(self.running) < self.policy.jobs:
            busy = {one.entry.film.resolve() for one in self.running}
            free = (
                item for item in self.waiting
                if item[0].film.resolve() in self.begun or item[0].film.resolve() not in busy
            )  # fmt: skip
            item = next(free, None)
            if item is None:
                return
            self.waiting.remove(item)
            entry, attempt = item
            heard = self.listeners(entry)
            try:
                self.running.append(self._start(entry, attempt, heard))
            except (DubError, OSError) as failed:
                error = _in_words(failed, entry)
                _send(heard, {"type": "exit", "code": int(error.exit_code), "text": str(error)})
                yield from self._settle(entry, attempt, error.exit_code, str(error), 0.0)

    def _start(self, entry: Entry, attempt: int, heard: list[Listener]) -> _Running:
        job = job_of(entry, self.flags)
        words = [*self.policy.program, "run", os.path.abspath(job.root), "--json", "--progress", "none"]
        words += ["--force"] if self.policy.force else []
        return _Running(entry, job, _open(words), attempt, time.monotonic(), heard)

    def _look(self, one: _Running) -> Iterator[Outcome]:
        """Read what a process has said, and see whether it has ended."""
        code = one.process.poll()
        self._read(one)
        seconds = time.monotonic() - one.began
        if code is None:
            if one.executing and time.monotonic() - one.said >= SAY_SECONDS:
                one.said = time.monotonic()
                self.notice(f"{one.entry.out}: {' '.join(self.policy.command)} runs")
            return
        if one.executing:
            self.running.remove(one)
            words = " ".join(self.policy.command)
            ended, text = ExitCode.OK, ""
            if code == 0:
                self._remember(one)
            elif stopped := _stopped(one, code):
                ended, text = stopped, one.stopped
            else:
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
                ended, text = ExitCode.ENGINE, f"the film is written, but {words} {how}"
            yield from self._settle(one.entry, one.attempt, ended, text, seconds)
        elif code == 0 and self.policy.command and not _is_executed(one.job, self.policy.command):
            if text := self._execute(one):
                self.running.remove(one)
                yield from self._settle(one.entry, one.attempt, ExitCode.ENGINE, text, seconds)
        else:
            self.running.remove(one)
            yield from self._settle(one.entry, one.attempt, *_meaning(one, code), seconds)

    def _settle(
        self, entry: Entry, attempt: int, code: ExitCode, text: str, seconds: float
    ) -> Iterator[Outcome]:
        if code == ExitCode.OK:
            self.begun.add(entry.film.resolve())
        elif code in RETRIED and attempt < self.policy.retries and not self.why:
            self.notice(f"{entry.out}: {text}; it is tried again after the others")
            self.waiting.append((entry, attempt + 1))
            return
        elif not self.why and (self.policy.fail_fast or code in STOPPING):
            self._end("stopped, since another job failed", signal.SIGTERM)
        yield Outcome(entry, code, text, seconds)

    def _execute(self, one: _Running) -> str:
        """Start the command that comes after a film; returns why it cannot be, "" where it was."""
        names = {"{}": str(one.job.out.resolve()), "{job}": str(one.job.root.resolve())}
        words = [re.sub(r"\{(job)?\}", lambda m: names[m[0]], word) for word in self.policy.command]
        one.executing, one.buffer = True, b""
        try:
            one.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True)
        except OSError as error:
            return f"the film is written, but {words[0]} cannot be run ({error.strerror})"
        return ""

    def _remember(self, one: _Running) -> None:
        """Note that the command after a film has ended well."""
        text = json.dumps({"command": list(self.policy.command), "film": _film(one.job)})
        try:
            write_atomically(one.job.root / EXECUTED, text.encode())
        except OSError as error:
            why = f"{one.entry.out}: that {self.policy.command[0]} ended well cannot be noted"
            self.notice(f"{why} ({error.strerror}); the next batch runs it again")

    def _read(self, one: _Running) -> None:
        if one.executing or one.process.stdout is None:
            return
        while data := one.process.stdout.read(1 << 16):
            *lines, one.buffer = (one.buffer + data).split(b"\n")
            for event in filter(None, map(parsed, lines)):
                one.text = event.get("text", "") if event["type"] == "exit" else one.text
                _send(one.listeners, event)

    def _shortage(self) -> str:
        """Why the batch must stop for lack of space, "" while it need not."""
        if self.why or time.monotonic() - self._looked < SPACE_SECONDS:
            return ""
        self._looked = time.monotonic()
        entries = [one.entry for one in self.running] + [entry for entry, _ in list(self.waiting)[:1]]
        for place in {place for entry in entries for place in (entry.store, entry.out.parent)}:
            try:
                free = free_bytes(place)
            except OSError:  # its file server is away: the jobs themselves say so
                continue
            if free < self.policy.reserve:
                return (
                    f"{free / 1e9:.1f} GB are free at {place}, less than --reserve "
                    f"{self.policy.reserve / 1e9:g}; free some space and type the same again"
                )
        return ""

    def _end(self, why: str, number: signal.Signals, code: ExitCode | None = None) -> None:
        """Begin nothing more, and have the running jobs finish the units in hand; they end as `code` says."""
        if self.why:
            return
        self.why = why
        for one in self.running:
            one.stopped, one.ends_as = why, code
            if one.executing:  # a script does not pass a signal on to the program that it waits for
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(one.process.pid, number)
            else:
                one.process.send_signal(number)

    def _kill(self) -> None:
        for one in self.running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(one.process.pid, signal.SIGKILL)


def free_bytes(place: Path) -> int:
    """Bytes that are free at a path, or at the nearest folder above it that exists."""
    there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _open(words: Sequence[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # its last event says the same
        start_new_session=True,
    )
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    return process


def _send(listeners: list[Listener], event: Event) -> None:
    for listener in listeners:
        listener(event)


def _in_words(error: DubError | OSError, entry: Entry) -> DubError:
    """Why a job could not be made, as it is shown: its disk may be full, or its file server away."""
    if isinstance(error, DubError):
        return error
    where = str(error.filename or entry.root)
    return shortage(error, where) or UsageError(
        f"cannot write to {where} ({(error.strerror or str(error)).lower()}); give it another out"
    )


def _stopped(one: _Running, code: int) -> ExitCode | None:
    """How a process ended that was told to stop; None where it was not, or ended otherwise."""
    # Below 0: before it began to listen, or as any program does that does not listen.
    number = -code if code < 0 else code - 128
    if one.stopped and number in (signal.SIGINT, signal.SIGTERM):
        return one.ends_as or ExitCode(128 + number)
    return None


def _meaning(one: _Running, code: int) -> tuple[ExitCode, str]:
    """How a job's process ended."""
    if stopped := _stopped(one, code):
        return stopped, one.stopped
    if code < 0:
        return ExitCode.ENGINE, f"its process was ended by {signal.Signals(-code).name}"
    try:
        return ExitCode(code), one.text
    except ValueError:
        return ExitCode.BUG, one.text or f"its process ended with {code}"


def _unreached(entry: Entry, command: Sequence[str]) -> Outcome:
    """How an entry stands that the batch did not come to: an earlier one may have finished it."""
    root = entry.root
    if not root.is_dir():
        return Outcome(entry, None, "not begun", 0.0)
    with contextlib.suppress(DubError):
        job = Job.open(root)
        if job.published() and (not command or _is_executed(job, command)):
            return Outcome(entry, None, "done earlier", 0.0, earlier=True)
    return Outcome(entry, None, "not finished", 0.0)


def _film(job: Job) -> str:
    note = published.find_note(job.root, job.out)
    return note.content if note else ""


def _is_executed(job: Job, command: Sequence[str]) -> bool:
    known = read_cache_file(job.root / EXECUTED)
    return bool(known) and known == {"command": list(command), "film": _film(job)}
