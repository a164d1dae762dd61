"""Planning a long film: everything is looked at, and nothing twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dubcli.core import keys, runner, store
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.plan import DONE, plan
from dubcli.core.pool import Pool
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


def test_a_finished_job_is_run_without_reading_more(made: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_manifests(monkeypatch)
    job = Job.open(made.root)
    heard: Counter[str] = Counter()
    opened: list[str] = []
    monkeypatch.setattr(Pool, "_start", lambda pool: opened.append("a worker"))
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
