"""A batch's queue, with a program in dubcli's place that ends as its film says."""

from __future__ import annotations

import errno
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dubcli.batch import queue
from dubcli.batch.entry import Entry
from dubcli.batch.queue import EXECUTED, Policy, Queue
from dubcli.core.events import Event
from dubcli.core.job import Job
from dubcli.core.published import NOTE, Note
from dubcli.core.sources import mark
from dubcli.errors import ExitCode

PROGRAM = """
import json, pathlib, sys, time
root = pathlib.Path(sys.argv[2])
film = root / json.loads((root / "job.json").read_text())["film"]
kind, *codes = film.read_text().split()
calls = root / "calls"
count = len(calls.read_text()) if calls.exists() else 0
calls.write_text("." * (count + 1))
log = root.parent / "log"
with log.open("a") as file: file.write(f"+{root.name}\\n")
time.sleep(float(kind))
with log.open("a") as file: file.write(f"-{root.name}\\n")
code = int(codes[min(count, len(codes) - 1)])
print(json.dumps({"type": "exit", "code": code, "text": f"attempt {count}"}))
sys.exit(code)
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., list[Entry]]:
    """Entries of films: name → seconds that a job takes and the exit codes of its attempts, in order."""

    def entries(**films: str) -> list[Entry]:
        found = []
        for name, words in films.items():
            film, _, dub = name.partition("_")
            (tmp_path / f"{film}.mp4").write_text(words)
            (tmp_path / f"{name}.wav").write_bytes(b"dub")
            path = tmp_path / f"{film}.{name}.mp4"
            assert dub
            found.append(
                Entry(
                    (),
                    tmp_path / f"{film}.mp4",
                    tmp_path / f"{name}.wav",
                    None,
                    {},
                    path,
                    None,
                    tmp_path / "s",
                )
            )
        return found

    return entries


def run(found: list[Entry], **policy: object) -> tuple[dict[str, tuple[int | None, str]], Queue]:
    """Outcomes by dub, and the queue."""
    notices: list[str] = []
    program = (sys.executable, "-c", PROGRAM)
    queue = Queue(Policy(program, **policy), {}, lambda entry: [], notices.append)  # type: ignore[arg-type]
    ended = list(queue.run(found))
    return {
        one.entry.dub.stem: (None if one.code is None else int(one.code), one.text) for one in ended
    }, queue


def test_others_go_on_or_not(make: Callable[..., list[Entry]]) -> None:
    found = make(a_fr="0 3", b_fr="0 0", c_fr="0 0")
    assert {name: code for name, (code, _) in run(found)[0].items()} == {"a_fr": 3, "b_fr": 0, "c_fr": 0}
    failed, queue = run(found, fail_fast=True)
    assert {name: code for name, (code, _) in failed.items()} == {"a_fr": 3, "b_fr": None, "c_fr": None}
    assert "failed" in queue.why


def test_what_may_pass_is_tried_again_after_the_others(
    make: Callable[..., list[Entry]], tmp_path: Path
) -> None:
    found = make(a_fr="0 7 6 0", b_fr="0 0", c_fr="0 3")
    outcomes, _ = run(found, retries=2)
    assert outcomes == {"b_fr": (0, "attempt 0"), "c_fr": (3, "attempt 0"), "a_fr": (0, "attempt 2")}
    order = [line[1] for line in (tmp_path / "log").read_text().split() if line.startswith("+")]
    assert "".join(order) == "abcaa"


def test_a_films_first_dub_goes_alone(make: Callable[..., list[Entry]], tmp_path: Path) -> None:
    found = make(a_fr="0.5 0", a_de="0.5 0", a_es="0.5 0", b_fr="0.5 0")
    outcomes, _ = run(found, jobs=3)
    assert [code for code, _ in outcomes.values()] == [0, 0, 0, 0]
    lines = (tmp_path / "log").read_text().split()
    assert {lines[0], lines[1]} == {"+a.a_fr.dub", "+b.b_fr.dub"}
    assert lines.index("-a.a_fr.dub") < min(lines.index("+a.a_de.dub"), lines.index("+a.a_es.dub"))
    both = [line for line in lines if line[1:] in ("a.a_de.dub", "a.a_es.dub")]
    assert [line[0] for line in both] == ["+", "+", "-", "-"]


def test_a_disk_that_is_nearly_full_stops_the_batch(make: Callable[..., list[Entry]]) -> None:
    found = make(a_fr="0 0", b_fr="0 0")
    outcomes, queue = run(found, reserve=1 << 60)
    assert [code for code, _ in outcomes.values()] == [None, None]
    assert "GB are free" in queue.why


def test_what_an_earlier_batch_finished_is_done_though_this_one_does_not_come_to_it(
    make: Callable[..., list[Entry]], tmp_path: Path
) -> None:
    found = make(a_fr="0 0", b_fr="0 0", c_fr="0 3", d_fr="0 0")
    run(found[:3])
    for entry in found[:2]:  # the program in dubcli's place publishes nothing
        entry.out.write_bytes(b"dubbed")
        note = Note(content="c", mark=mark(entry.out), sha256="s")
        (entry.out.with_suffix(".dub") / NOTE).write_text(json.dumps({"films": [note.model_dump()]}))
    found[1].out.write_bytes(b"another program's")
    queue = Queue(Policy((sys.executable, "-c", PROGRAM), reserve=1 << 60), {}, lambda entry: [], print)
    ended = list(queue.run(found))
    assert [one.text for one in ended] == ["done earlier", "not finished", "not finished", "not begun"]
    assert [one.is_done for one in ended] == [True, False, False, False]
    queue = Queue(
        Policy((sys.executable, "-c", PROGRAM), reserve=1 << 60, command=("true",)),
        {},
        lambda entry: [],
        print,
    )
    assert next(iter(queue.run(found))).text == "not finished"  # what comes after the film is not done


def test_a_command_follows_each_film_once(make: Callable[..., list[Entry]], tmp_path: Path) -> None:
    found = make(a_fr="0 0")
    command = (
        sys.executable,
        "-c",
        "import sys; open(sys.argv[1], 'a').write(sys.argv[2])",
        "{job}/told; x",
        "{}",
    )
    for _ in range(2):
        assert run(found, command=command)[0]["a_fr"][0] == 0
    told = tmp_path / "a.a_fr.dub" / "told; x"  # and no shell made two commands of it
    assert told.read_text() == str(found[0].out)
    bad, _ = run(found, command=("false",))
    assert bad["a_fr"] == (int(ExitCode.ENGINE), "the film is written, but false ended with 1")
    killed, _ = run(found, command=("sh", "-c", "kill -9 $$"))
    assert killed["a_fr"][1] == "the film is written, but sh -c kill -9 $$ was ended by SIGKILL"
    missing, _ = run(found, command=("./no such program",))
    assert missing["a_fr"][0] == int(ExitCode.ENGINE)
    assert (
        missing["a_fr"][1]
        == "the film is written, but ./no such program cannot be run (No such file or directory)"
    )
    assert json.loads((tmp_path / "a.a_fr.dub" / EXECUTED).read_text())["command"] == list(command)


def test_a_signal_reaches_the_jobs(make: Callable[..., list[Entry]]) -> None:
    found = make(a_fr="20 0", b_fr="0 0")
    sent: list[float] = []

    def heard(entry: Entry) -> list[Callable[[Event], None]]:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        return []

    def alarm(number: int, frame: object) -> None:
        sent.append(1.0)
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGALRM, alarm)
    try:
        queue = Queue(Policy((sys.executable, "-c", PROGRAM)), {}, heard, lambda text: None)
        ended = {one.entry.dub.stem: one.code for one in queue.run(found)}
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sent
    assert ended["b_fr"] is None
    assert ended["a_fr"] == ExitCode.TERMINATED  # though this program knows no better than to die of it


def test_a_job_that_cannot_be_made_is_that_job_alone(
    make: Callable[..., list[Entry]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch ended with a traceback, and took what ran with it."""
    found = make(a_fr="0 0", b_fr="0 0")
    kept = Job.save

    def save(job: Job) -> None:
        if job.root.name.startswith("a"):
            raise OSError(errno.EACCES, "Permission denied", str(job.root / "job.json"))
        kept(job)

    monkeypatch.setattr(Job, "save", save)
    outcomes, _ = run(found)
    assert outcomes["a_fr"][0] == ExitCode.USAGE
    assert "cannot write to" in outcomes["a_fr"][1]
    assert outcomes["b_fr"][0] == 0
    monkeypatch.undo()
    full = OSError(errno.ENOSPC, "No space left on device", "job.json")
    monkeypatch.setattr(queue, "job_of", raised(full))
    outcomes, _ = run(found)
    assert [code for code, _ in outcomes.values()] == [ExitCode.TEMPORARY, None]
    assert "the disk is full (job.json)" in outcomes["a_fr"][1]


def raised(error: Exception) -> Callable[..., Any]:
    """A function that raises this."""

    def function(*words: object, **named: object) -> None:
        raise error

    return function


def test_what_a_library_prints_among_the_events_is_passed_over(make: Callable[..., list[Entry]]) -> None:
    found = make(a_fr="0 0")
    for printed in ("hello", "42", "[]", "{", "\\xff"):
        program = PROGRAM.replace("time.sleep", f"print({printed!r}, flush=True); time.sleep", 1)
        ended = list(Queue(Policy((sys.executable, "-c", program)), {}, lambda entry: [], print).run(found))
        assert [one.code for one in ended] == [0]


def test_a_command_after_a_film_is_told_of_while_it_runs_and_may_be_stopped(
    make: Callable[..., list[Entry]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was said for as long as it hung, and what a person had stopped was "failed (7)"."""
    found = make(a_fr="0 0", b_fr="0 0")
    said: list[str] = []

    def notice(text: str) -> None:
        said.append(text)
        if "sleep 60 runs" in text:
            signal.raise_signal(signal.SIGINT)

    policy = Policy((sys.executable, "-c", PROGRAM), command=("sleep", "60"), retries=1)
    ended = list(Queue(policy, {}, lambda entry: [], notice).run(found))
    assert said[0] == f"{found[0].out}: sleep 60 runs"
    assert [(one.code, one.text) for one in ended] == [(ExitCode.INTERRUPTED, "stopped"), (None, "not begun")]


def test_what_a_command_after_a_film_has_started_is_stopped_with_it(
    make: Callable[..., list[Entry]], tmp_path: Path
) -> None:
    """A script that was stopped left the program running that it waited for, such as a copy."""
    late = tmp_path / "late"
    found = make(a_fr="0 0")

    def notice(text: str) -> None:
        if text.endswith(" runs"):
            signal.raise_signal(signal.SIGTERM)

    command = ("sh", "-c", f"(sleep 2; touch {late}); true")
    policy = Policy((sys.executable, "-c", PROGRAM), command=command)
    ended = list(Queue(policy, {}, lambda entry: [], notice).run(found))
    assert [one.code for one in ended] == [ExitCode.TERMINATED]
    time.sleep(3)
    assert not late.exists()


def test_where_it_cannot_be_noted_that_a_command_ended_well_the_batch_goes_on(
    make: Callable[..., list[Entry]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "write_atomically", raised(OSError(errno.ENOSPC, "No space left on device")))
    said: list[str] = []
    policy = Policy((sys.executable, "-c", PROGRAM), command=("true",))
    ended = list(Queue(policy, {}, lambda entry: [], said.append).run(make(a_fr="0 0")))
    assert [one.code for one in ended] == [0]
    assert any("that true ended well cannot be noted (No space left on device)" in text for text in said)
