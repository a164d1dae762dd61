"""Planning a long film: everything is looked at, and nothing twice."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dubcli import stages
from dubcli.core import claim, keys, runner, store
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.plan import DONE, Selection, plan, versions
from dubcli.core.pool import Pool
from dubcli.errors import UsageError
from tests.unit.made_up import finished

SHOTS, PEOPLE = 120, 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return finished(tmp_path_factory.mktemp("film"), SHOTS, PEOPLE)


def count_manifests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    read: Counter[str] = Counter()
    real = store._read_manifest

    def counted(path: str | Path) -> dict[str, Any]:
        read[str(path)] += 1
        return real(path)

    monkeypatch.setattr(store, "_read_manifest", counted)
    return read


def test_a_plan_reads_every_manifest_once(made: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_manifests(monkeypatch)
    job = Job.open(made.root)
    job.read_sources()
    rows = list(plan(job))
    assert {row.state for row in rows} == {DONE}
    spoken = SHOTS - SHOTS // 10
    assert Counter(row.stage for row in rows) == {
        "probe": 2, "scan": 1, "split": 1, "track": SHOTS, "cast": 1, "align": 2, "cue": 1, "gallery": PEOPLE,
        "learn": 1, "motion": spoken, "lips": spoken, "measure": spoken, "compose": spoken,
        "remux": 1, "report": 1,
    }  # fmt: skip
    assert set(read.values()) == {1}
    assert len(read) == len(rows)


def test_planning_loads_nothing_heavy(made: Job) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from dubcli.core.job import Job\nfrom dubcli.core.plan import plan\n"
        "job = Job.open(Path(sys.argv[1]))\njob.read_sources()\n"
        "assert {row.state for row in plan(job)} == {'done'}\n"
        "print(*{'numpy', 'av', 'cv2', 'torch', 'scipy'} & set(sys.modules))\n"
    )
    words = [sys.executable, "-c", code, str(made.root)]
    told = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == ""


def test_a_finished_job_is_run_without_reading_more(made: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_manifests(monkeypatch)
    job = Job.open(made.root)
    heard: Counter[str] = Counter()
    opened: list[str] = []
    monkeypatch.setattr(Pool, "_start", lambda pool: opened.append("a worker"))
    monkeypatch.setattr(claim, "signature", lambda job, view: None)  # it was published without one
    runner.run(job, Events(None, lambda event: heard.update([event["type"]])))
    assert heard["unit.start"] == 0
    assert heard["unit.cached"] == len(read)
    assert not opened
    once = Counter(read.values())
    assert once[1] > len(read) - 15, "only what whole stages leave may be read again"
    assert job.out.read_bytes() == b"dubbed"


@pytest.mark.parametrize("value", [{"a": (1, 2.5, None, True), "b": {"c": ["d"]}}, [], "text", 3])
def test_a_key_is_the_digest_of_its_image(value: Any) -> None:
    plain = keys._to_json_types(value)
    assert keys.key(plain) == keys.digest(value)


def test_shares_are_whole_disjoint_and_even(made: Job) -> None:
    job = Job.open(made.root)
    job.read_sources()
    lips = [row.unit for row in plan(job) if row.stage == "lips" and row.unit]
    shares = [Selection("lips", shard=(number, 7)).chosen(lips) for number in range(1, 8)]
    assert sorted(name for share in shares for name in share) == sorted(unit.name for unit in lips)
    loads = [sum(unit.cost for unit in lips if unit.name in share) for share in shares]
    assert max(loads) - min(loads) <= max(unit.cost for unit in lips)
    assert shares[0] == Selection("lips", shard=(1, 7)).chosen(lips[::-1])
    assert Selection("lips", shard=(3, 3)).chosen(lips[:1]) == set()


def test_what_another_version_did_is_not_mixed_and_said(made: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.open(made.root)
    before = versions(job.settings)
    track = stages.module("track")
    monkeypatch.setattr(track, "STAGE", dataclasses.replace(track.STAGE, version=track.STAGE.version + 1))
    assert versions(job.settings).split("+")[0] == before.split("+")[0]
    assert versions(job.settings) != before
    with pytest.raises(UsageError, match=r"cast waits for track .*did it with another version than this"):
        runner.run(job, Events(None), Selection("cast"))
