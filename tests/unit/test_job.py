"""The job directory: made, opened, locked, published."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dubcli.core.job import Job, default_out
from dubcli.core.model import Artifact
from dubcli.core.store import sha256
from dubcli.errors import ConfigError, LockedError, MediaError, UsageError
from dubcli.settings.config import Settings


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "dub_fr.wav").write_bytes(b"dub")
    return Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", Settings())


def remuxed(tmp_path: Path, data: bytes, content: str) -> Artifact:
    path = tmp_path / content
    path.mkdir()
    (path / "film.mp4").write_bytes(data)
    return Artifact("k", path, content)


def test_names_follow_the_film_and_the_dub(job: Job, tmp_path: Path) -> None:
    assert job.out == tmp_path / "film.dub_fr.mp4"
    assert job.root == tmp_path / "film.dub_fr.dub"
    assert default_out(Path("a.mpg"), Path("b.wav")) == Path("a.b.mp4")
    assert default_out(Path("a.MKV"), Path("b.wav")) == Path("a.b.MKV")


def test_a_moved_job_still_finds_its_film(job: Job, tmp_path: Path) -> None:
    there = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(there)
    moved = Job.open(there / "film.dub_fr.dub")
    assert moved.film == there / "film.mp4"
    assert moved.read_sources()["film"].sha256 == sha256(there / "film.mp4")
    there.rename(tmp_path)


def test_a_changed_film_gets_another_digest(job: Job) -> None:
    before = job.read_sources()["film"].sha256
    job.film.write_bytes(b"another film")
    assert job.read_sources()["film"].sha256 != before


def test_what_cannot_be_is_said(job: Job, tmp_path: Path) -> None:
    film, dub = job.film, job.dub
    with pytest.raises(MediaError, match="no file"):
        Job.create_or_open(tmp_path / "gone.mp4", dub, Settings())
    with pytest.raises(UsageError, match="overwrite its own source"):
        Job.create_or_open(film, dub, Settings(), out=film)
    with pytest.raises(UsageError, match="no film"):
        Job.create_or_open(film, dub, Settings(), out=tmp_path / "x.wav")
    with pytest.raises(UsageError, match="not a job directory"):
        Job.open(tmp_path)
    (tmp_path / "other.mp4").write_bytes(b"other")
    with pytest.raises(UsageError, match="--job DIR"):
        Job.create_or_open(tmp_path / "other.mp4", dub, Settings(), root=job.root)
    (job.root / "job.json").write_text('{"film": 3}')
    with pytest.raises(ConfigError):
        Job.open(job.root)


def test_a_second_holder_is_refused_and_told_who_holds(job: Job) -> None:
    with job.lock(), pytest.raises(LockedError, match=f"process {os.getpid()} on"), job.lock():
        pass
    with job.lock():
        pass


def test_publishing_knows_its_own_output(job: Job, tmp_path: Path) -> None:
    first = remuxed(tmp_path, b"dubbed", "c1")
    assert not job.published()
    assert job.publish(first, None)
    assert job.out.read_bytes() == b"dubbed"
    assert job.published()
    assert not job.publish(first, None)
    assert job.publish(remuxed(tmp_path, b"dubbed again", "c2"), None)
    assert job.published()
    job.out.write_bytes(b"somebody else's")
    assert not job.published()


def test_a_crash_between_note_and_rename_loses_nothing(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.publish(remuxed(tmp_path, b"one", "c1"), None)
    real = os.replace

    def crash(source: str, target: Path) -> None:
        if Path(target) == job.out:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        job.publish(remuxed(tmp_path, b"two", "c2"), None)
    monkeypatch.undo()
    assert job.published()
    assert job.publish(Artifact("k", tmp_path / "c2", "c2"), None)
    assert job.out.read_bytes() == b"two"


def test_pointers_and_failures_are_only_notes(job: Job) -> None:
    job.set_failure("lips/00000000.0", {"code": 7, "error": "x", "attempts": 3})
    assert dict(job.failures())["lips/00000000.0"]["code"] == 7
    job.set_ref("lips/00000000.0", "abc")
    assert not dict(job.failures())
    assert dict(job.refs()) == {"lips/00000000.0": "abc"}
    (job.root / "refs/lips/00000000.0.json").write_text("torn {")
    assert job.ref("lips/00000000.0") is None
    assert json.loads((job.root / "job.json").read_text())["film"] == "../film.mp4"


@pytest.mark.parametrize("known", [True, False])
def test_a_script_that_is_refused_is_not_kept(job: Job, tmp_path: Path, known: bool) -> None:
    bad, film, dub = tmp_path / "bad.srt", job.film, job.dub
    bad.write_text("no subtitle\n")
    out = job.out if known else tmp_path / "other.mp4"
    before = (job.root / "job.json").read_bytes()
    with pytest.raises(ConfigError, match=r"bad\.srt:1:1: no times"):
        Job.create_or_open(film, dub, Settings(), out=out, script=bad)
    assert (job.root / "job.json").read_bytes() == before
    assert not (tmp_path / "other.dub").exists()


def test_settings_that_are_refused_are_not_kept(job: Job) -> None:
    before = (job.root / "job.json").read_bytes()
    missing = Settings.model_validate({"align": {"engine": "whisperx"}})
    with pytest.raises(ConfigError, match=r"engines\.whisperx\.model"):
        Job.create_or_open(job.film, job.dub, missing)
    assert (job.root / "job.json").read_bytes() == before
