"""Purging a job: what was learnt from people goes, what people wrote stays, and the list of it is true."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dubcli.cli import purge as command
from dubcli.core import published, purge
from dubcli.core.job import Job
from dubcli.core.store import Store
from dubcli.errors import CheckError, LockedError
from dubcli.provenance.signing import sidecar
from dubcli.settings.config import Settings


def put(store: Store, stage: str, name: str, reads: tuple[str, ...] = ()) -> str:
    made = store.workspace()
    (made / "data").write_bytes(name.encode() * 50)
    return store.put({"stage": stage, "name": name}, made, {"read": list(reads)}).key


def job(folder: Path, store: Path | None = None) -> Job:
    """A job with results of every kind and files of every kind."""
    folder.mkdir(exist_ok=True)
    film, dub = folder / "film.mp4", folder / "dub.wav"
    film.write_bytes(b"film")
    dub.write_bytes(b"dub")
    made = Job.create_or_open(film, dub, Settings(), store=store)
    reads: tuple[str, ...] = ()
    for stage in ("probe", "scan", "split", "track", "cast", "gallery", "learn", "lips", "unheard-of"):
        key = put(made.store, stage, f"{folder.name} {stage}", reads)
        made.set_ref(f"{stage}/film", key)
        reads = (key,)
    for name in ("report.html", "report.json", "cast.yaml", "cues.json", "decisions.yaml", "own notes.txt"):
        (made.root / name).write_text("x")
    for name in ("styles", "logs"):
        (made.root / name).mkdir()
        (made.root / name / "a").write_text("x")
    return made


def held(store: Store) -> dict[str, int]:
    """Number of artifacts by stage, from their files alone."""
    found: dict[str, int] = {}
    for path in store.objects.glob("*/*/artifact.json"):
        stage = json.loads(path.read_text())["preimage"]["stage"]
        found[stage] = found.get(stage, 0) + 1
    return found


def test_everything_learnt_from_people_goes_and_all_that_stays_is_listed(tmp_path: Path) -> None:
    made = job(tmp_path / "a")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (made.root / "curves").symlink_to(outside)
    hurt = put(made.store, "track", "unreadable")
    os.chmod(made.store.path(hurt) / "artifact.json", 0o644)
    (made.store.path(hurt) / "artifact.json").write_text("{")

    before = {path for path in made.root.rglob("*") if path.is_file()}
    dry = purge.purge(made, dry_run=True)
    assert {path for path in made.root.rglob("*") if path.is_file()} - before <= {
        made.root / "locks" / "run",
        made.root / "locks" / "publish",
    }

    done = purge.purge(made)
    assert held(made.store) == {"probe": 1, "scan": 1, "split": 1}
    assert (done.keys, done.left) == (dry.keys, dry.left)
    assert len(done.keys) == 7
    assert set(done.files) == {"report.html", "report.json", "curves", "styles", "logs"}
    assert (outside / "precious").exists()
    names = {path.name for path in made.root.iterdir()} - {"store"}
    assert names == {
        "job.json",
        "refs.tsv",
        "locks",
        "cast.yaml",
        "cues.json",
        "decisions.yaml",
        "own notes.txt",
    }
    listed = {Path(row.place).name: row.what for row in done.left}
    assert names | {"film.mp4", "dub.wav", "store: probe", "store: scan", "store: split"} == set(listed)
    assert "look at it" in listed["own notes.txt"]


def test_of_a_shared_store_goes_what_the_job_used_and_the_rest_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = job(tmp_path / "a", tmp_path / "store")
    other = put(one.store, "lips", "other dub of the film", (one.ref("gallery/film") or "",))
    stranger = put(one.store, "track", "another film")
    command.purge(one.root)
    assert one.store.get(other)
    assert one.store.get(stranger)
    assert held(one.store) == {"probe": 1, "scan": 1, "split": 1, "lips": 1, "track": 1}
    assert "1 result of other jobs" in capsys.readouterr().err


def test_all_files_of_the_job_that_lie_elsewhere_are_listed(tmp_path: Path) -> None:
    """Voices by character, the script, and the manifest with its digests of consent records."""
    made = job(tmp_path / "a")
    made.stems, made.script = {"ANNA": tmp_path / "anna.wav"}, tmp_path / "script.srt"
    half = published.unfinished(made.out) + "x7.mp4"
    places = [made.out, sidecar(made.out), made.stems["ANNA"], made.script]
    for path in (*places, made.out.with_name(half)):
        path.write_bytes(b"x")
    stranger = made.out.with_name(published.unfinished(tmp_path / "a" / "other.mp4") + "x7.mp4")
    stranger.write_bytes(b"x")
    done = purge.purge(made)
    what = {row.place: row.what for row in done.left}
    assert what.keys() >= {str(path) for path in places}
    assert "consent" in what[str(sidecar(made.out))]
    assert "ANNA" in what[str(tmp_path / "anna.wav")]
    assert not made.out.with_name(half).exists()  # a film that was being published when the machine failed
    assert half in done.files
    assert stranger.exists()


def test_what_cannot_be_removed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = job(tmp_path / "a")
    monkeypatch.setattr(Store, "remove", lambda self, key: None)
    with pytest.raises(CheckError, match="still there"):
        purge.purge(made)


def test_a_running_job_is_not_purged(tmp_path: Path) -> None:
    made = job(tmp_path / "a")
    with made.lock(), pytest.raises(LockedError):
        purge.purge(made)
    assert held(made.store)["lips"] == 1
