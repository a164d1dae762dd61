"""Slurm: a real one on this machine runs the arrays, and takes back a task that was stopped in time."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Dubcli
from tests.crash.harness import Place, streams
from tests.farm.cluster import NotStartedError, cluster
from tests.farm.conftest import moved

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Iterator[dict[str, str]]:
    """The environment of a running cluster's commands."""
    try:
        with cluster(tmp_path_factory.mktemp("slurm")) as environment:
            yield {**environment, "DUBCLI": str(program)}
    except NotStartedError as why:
        pytest.skip(f"no Slurm can be started here: {why}; make farm-test installs it")


def ask(environment: dict[str, str], *words: str) -> str:
    """The answer of a Slurm command."""
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def state(environment: dict[str, str], job: str) -> str:
    """The state of an array's first task, by the cluster's controller."""
    text = ask(environment, "scontrol", "show", "job", f"{job}_1")
    return text.partition("JobState=")[2].split()[0]


def wait_for(environment: dict[str, str], job: str, states: tuple[str, ...], seconds: float = 240.0) -> str:
    """The state of a job, once it is one of these."""
    end = time.monotonic() + seconds
    while (now := state(environment, job)) not in (*states, *ENDED) and time.monotonic() < end:
        time.sleep(0.1)
    assert now in states, now
    return now


def wait_for_process(words: str, seconds: float = 240.0) -> None:
    """Wait until a process with these arguments is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if words in path.read_text("utf-8", "replace").replace("\0", " "):
                    return
        time.sleep(0.02)
    pytest.fail(f"no process with {words!r} within {seconds:.0f} s")


def test_stages_wait_for_each_other_and_a_stopped_task_continues(
    begun: Place, slurm: dict[str, str], dubcli: Dubcli, tmp_path: Path
) -> None:
    place = moved(begun, tmp_path / "a folder's name, 100 %d")
    script = place.folder / "go.sh"
    written = dubcli("farm", "slurm", place.job, "-o", script, "--shards", "2", "--workers", "1")
    assert written.returncode == 0, written.stderr
    jobs = dict(line.split() for line in ask(slurm, "bash", str(script)).splitlines())

    wait_for_process("--stage track --shard 1/2")
    ask(slurm, "scancel", "--signal=USR1", "--batch", f"{jobs['track']}_1")
    wait_for(slurm, jobs["track"], ("PENDING",))
    # Slurm lets a task rest for minutes before it starts again. Its credentials count in seconds: a start in
    # the second of the stop is refused as revoked.
    ask(slurm, "scontrol", "update", f"JobId={jobs['track']}_1", "StartTime=now+2seconds")

    assert wait_for(slurm, jobs["report"], ENDED) == "COMPLETED"
    assert streams(place.out)[0] == streams(place.film)[0]
    order = [e["stage"] for e in place.events() if e["type"] == "unit.done"]
    assert order.index("scan") < order.index("split") < order.index("track") < order.index("cast")
    assert order.count("track") == 2
    assert sum(e["type"] == "published" and e["new"] for e in place.events()) == 1


def test_a_stage_that_fails_ends_those_that_wait_for_it(
    begun: Place, slurm: dict[str, str], dubcli: Dubcli
) -> None:
    script = begun.folder / "go.sh"
    assert dubcli("farm", "slurm", begun.job, "-o", script, "--shards", "1", "--workers", "1").returncode == 0
    begun.film.unlink()
    jobs = dict(line.split() for line in ask(slurm, "bash", str(script)).splitlines())
    assert wait_for(slurm, jobs["probe"], ENDED) == "FAILED"
    assert wait_for(slurm, jobs["report"], ENDED) == "CANCELLED"
