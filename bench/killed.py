"""Kills the training of a lip engine again and again, and compares its weights with those of one left alone.

    python -m bench.killed FILM AUDIO [--engine produb] [--kills 10] [--set train.steps=300]...

The job is made in a temporary folder, up to the galleries. Then its training is killed (SIGKILL, with all its
processes) at random moments and continued, and at last left alone; then it is done again without a kill. Ends
with 1 where the weights differ by a bit. The moments are spread over what the engine forecasts.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dubcli.core import plan
from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.core.store import tree
from dubcli.core.training import forecasts
from dubcli.stages import LEARNING, ORDER

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()", "run"]
_START_SECONDS = 8.0  # until a training works, at most: imports, and what a checkpoint is made of


def main() -> None:
    """Kill, continue, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--engine", default="produb")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    words = ["--engine", f"lips={arguments.engine}"]
    words += [word for text in arguments.settings for word in ("--set", text)]
    with tempfile.TemporaryDirectory() as folder:
        film, dub = (shutil.copy(path, folder) for path in (arguments.film, arguments.audio))
        root = Path(folder) / "job"
        for stage in ORDER[: ORDER.index(LEARNING[0])]:
            what = [str(root)] if root.exists() else [film, "--audio", dub, "--job", str(root), *words]
            subprocess.run([*COMMAND, *what, "--stage", stage, "--progress", "none"], check=True)
        same = [_compare(root, stage, arguments.kills, random.Random(arguments.seed)) for stage in LEARNING]
    sys.exit(0 if all(same) else 1)


def _compare(root: Path, stage: str, kills: int, lot: random.Random) -> bool:
    """Whether a stage's weights are the same with kills as without, which is printed."""
    words = [*COMMAND, str(root), "--stage", stage, "--progress", "none"]
    expected = _seconds(root, stage)
    began = time.monotonic()
    for number in range(kills):
        process = subprocess.Popen(words, start_new_session=True)
        time.sleep(_START_SECONDS + lot.uniform(0, expected / kills))
        if process.poll() is not None:
            print(f"{stage}: done after {number} kills; raise the number of steps")
            break
        _kill(process)
    subprocess.run(words, check=True)
    killed, took = _weights(root, stage), time.monotonic() - began
    began = time.monotonic()
    subprocess.run([*words, "--redo", stage], check=True)
    alone, took_alone = _weights(root, stage), time.monotonic() - began
    verdict = "the same weights" if killed == alone else "OTHER weights"
    print(f"{stage}: {kills} kills, {took:.0f} s; alone {took_alone:.0f} s: {verdict} ({len(alone)} units)")
    return killed == alone


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a run and its workers, which have sessions of their own and die with it."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _seconds(root: Path, stage: str) -> float:
    """Seconds that a stage of a job is expected to train."""
    job = Job.open(root)
    job.read_sources()
    view: JobView = plan.view(job)
    for row in plan.plan(job):
        if row.unit and row.artifact:
            view.artifacts.setdefault(row.stage, {})[row.unit.name] = row.artifact
    return sum(one.seconds for one in forecasts(view, gathered=True) if one.stage == stage)


def _weights(root: Path, stage: str) -> dict[str, str]:
    """Unit → digest of what it left, its manifest (which says when) left out."""
    job = Job.open(root)
    found = {}
    for unit, key in job.refs():
        if unit.startswith(f"{stage}/"):
            copy = Path(tempfile.mkdtemp(dir=root)) / "copy"
            shutil.copytree(job.store.path(key), copy, ignore=shutil.ignore_patterns("artifact.json"))
            found[unit] = tree(copy)
    return found


if __name__ == "__main__":
    main()
