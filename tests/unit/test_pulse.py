"""Whether a silent process works is told from outside: it computes, or reads and writes."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dubcli.core import pulse

SECONDS = 1.5  # between two looks at a process


@contextmanager
def running(code: str) -> Iterator[pulse.Pulse]:
    """The pulse of a process that has begun to run some code."""
    words = [sys.executable, "-c", f"import time\nprint(flush=True)\n{code}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield pulse.Pulse(process.pid)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("code", "works"),
    [
        ("time.sleep(60)", False),
        # As a film of 100 GB is read over a network, with hardly any work for the processor.
        ("with open('/dev/zero', 'rb', 0) as f:\n while f.read(50_000): time.sleep(0.05)", True),
        ("with open('/dev/null', 'wb', 0) as f:\n while f.write(bytes(50_000)): time.sleep(0.05)", True),
    ],
)
def test_who_reads_or_writes_works(code: str, works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "MIN_CPU_SHARE", math.inf)
    with running(code) as process:
        time.sleep(SECONDS)
        assert process.is_working() == works


def test_who_computes_works_and_who_waits_does_not() -> None:
    for code, works in (("while True: pass", True), ("time.sleep(60)", False)):
        with running(code) as process:
            time.sleep(SECONDS)
            process.is_working()  # what its start took
            time.sleep(SECONDS)
            assert process.is_working() == works
