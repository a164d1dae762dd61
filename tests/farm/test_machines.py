"""Several machines on one job: who may, what is said, and that kills lose nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from dubcli import stages
from dubcli.core.plan import versions
from dubcli.settings.config import Settings
from dubcli.stages import BY_SHOT
from tests.cli.conftest import Dubcli
from tests.conftest import Sample
from tests.crash.harness import COMMAND, Place, streams

WORKERS, KILLS = 4, 50


def test_what_cannot_be_shared_is_refused(begun: Place, dubcli: Dubcli) -> None:
    job = begun.job
    alone = dubcli("run", job, "--shard", "1/2")
    assert (alone.returncode, "--shard goes with --stage" in alone.stderr) == (2, True)
    assert dubcli("run", job, "--stage", "track", "--shard", "3/2").returncode == 2

    other = dubcli("run", job, "--stage", "scan", "--expect", "9.9.9+000000000000")
    assert other.returncode == 5
    assert "9.9.9+000000000000" in other.stderr
    assert not [e for e in begun.events() if e.get("stage") == "scan"]
    same = versions(Settings())
    early = dubcli("run", job, "--stage", "split", "--expect", same)
    assert early.returncode == 2
    assert "split waits for scan; type the same with --stage scan" in early.stderr

    locks = job / "locks"
    (locks / "dead-machine.12").write_text("alone")
    assert dubcli("unlock", job).returncode == 11
    assert dubcli("unlock", job, "--force").returncode == 0
    assert not list(locks.glob("*.*"))


def test_a_farm_may_go_on_with_a_job_that_one_machine_began(begun: Place, dubcli: Dubcli) -> None:
    first = dubcli("farm", "slurm", begun.job)
    assert first.returncode == 0, first.stderr
    for stage in ("scan", "split"):
        assert begun.run("--stage", stage).returncode == 0
    later = dubcli("farm", "slurm", begun.job)
    assert (later.returncode, later.stdout) == (0, first.stdout), later.stderr
    refused = dubcli("farm", "openjd", begun.job, "-o", begun.folder / "no" / "such" / "job.yaml")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.usefixtures("thorough")
def test_four_machines_and_fifty_kills_make_the_same_film(sample: Sample, tmp_path: Path) -> None:
    """Each machine does its share of a stage; any of them may die at any moment, and comes back."""
    alone = Place.make(tmp_path / "alone", sample.film, sample.dub)
    done = alone.run()
    assert done.returncode == 0, done.stderr

    mark = {"PLACE": str(tmp_path / "farm")}
    place = Place.make(tmp_path / "farm", sample.film, sample.dub, mark)
    assert place.run("--stage", "probe", "--store", str(tmp_path / "store")).returncode == 0
    chance = random.Random(50)
    kills = 0
    own = [name for name in stages.ORDER if name not in stages.LEARNING]
    for number, stage in enumerate(own[1:], 2):
        budget = -(-KILLS * number // len(own)) - kills
        kills += machines(place, stage, budget, chance)
    assert kills == KILLS
    assert not place.left_over()
    assert streams(place.out) == streams(alone.out)

    finished: set[str] = set()
    for event in place.events():
        if event["type"] == "unit.done":
            unit = f"{event['stage']}/{event['unit']}"
            # Stages that are not dealt may be done by two at once: the store keeps the first.
            assert unit not in finished or event["stage"] not in BY_SHOT, f"done twice: {unit}"
            finished.add(unit)
    assert finished == {f"{e['stage']}/{e['unit']}" for e in alone.events() if e["type"] == "unit.done"}
    published = [e for e in place.events() if e["type"] == "published"]
    assert sum(e["new"] for e in published) == 1
    assert len(published) > 1  # several were about to


def machines(place: Place, stage: str, kills: int, chance: random.Random) -> int:
    """Run a stage on all machines until each has ended well; kills as many as asked for, and returns that."""
    words = [*COMMAND, "run", str(place.job), "--stage", stage, "--workers", "1", "--progress", "none", "-q"]

    def start(number: int) -> subprocess.Popen[bytes]:
        share = ["--shard", f"{number}/{WORKERS}"] if stage in BY_SHOT else []
        return subprocess.Popen(
            [*words, *share], env=place.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )

    running = {number: start(number) for number in range(1, WORKERS + 1)}
    done = 0
    while running:
        if done < kills:
            time.sleep(chance.uniform(0.2, 2.5))
            number = chance.choice(sorted(running))
            os.killpg(running[number].pid, signal.SIGKILL)
            running[number].wait()
            running[number] = start(number)
            done += 1
        for number, process in list(running.items()):
            code = process.poll()
            if code is not None:
                assert code == 0, f"{stage} {number}"
                if done < kills:
                    running[number] = start(number)
                else:
                    del running[number]
        time.sleep(0.05)
    return done
