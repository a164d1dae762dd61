"""The job directory: made, opened, locked, published."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dubcli.core import published, sources
from dubcli.core.job import Job
from dubcli.core.model import Artifact, Stage, Unit
from dubcli.core.places import default_out, is_job, job_around, other_channels
from dubcli.core.sources import find_change
from dubcli.core.store import sha256
from dubcli.errors import ConfigError, LockedError, MediaError, StoreError, UsageError
from dubcli.provenance import credentials, signing
from dubcli.settings.config import Settings


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "dub_fr.wav").write_bytes(b"dub")
    return Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", Settings())


def remuxed(job: Job, data: bytes) -> Artifact:
    """A film as `remux` leaves it."""
    made = job.store.workspace()
    (made / "film.mp4").write_bytes(data)
    return job.store.put({"stage": "remux", "inputs": {"n": data.hex()}}, made, {})


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


def test_a_job_that_moved_without_its_film_says_how_to_name_it(job: Job, tmp_path: Path) -> None:
    job.read_sources()
    (tmp_path / "away").mkdir()
    moved = Job.open(job.root.rename(tmp_path / "away" / "the job.dub"))
    with pytest.raises(MediaError, match=r"no file .*away/film\.mp4, .* --audio DUB --job '.*the job\.dub'"):
        moved.read_sources()
    again = Job.create_or_open(job.film, job.dub, Settings(), root=moved.root)
    assert again.read_sources()["film"].path == job.film


def test_what_lies_in_a_job_is_known(job: Job, tmp_path: Path) -> None:
    assert is_job(job.root)
    assert job_around(job.root / "layers" / "00000000.0") == job.root
    assert not is_job(tmp_path)
    assert job_around(job.root) is None


def test_a_job_is_not_made_within_another(job: Job) -> None:
    with pytest.raises(
        UsageError, match=r"would lie in the job .*film\.dub_fr\.dub; choose another directory"
    ):
        Job.create_or_open(job.film, job.dub, Settings(), root=job.root / "more")


def test_the_job_file_of_another_program_is_no_job_around(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"frames": "1-100"}')
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "dub.wav").write_bytes(b"dub")
    assert job_around(tmp_path / "film.mp4") is None
    assert Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub.wav", Settings()).root.is_dir()


def test_a_script_that_is_gone_is_told_with_what_to_do(job: Job, tmp_path: Path) -> None:
    script = tmp_path / "dub.txt"
    script.write_text("Hello.")
    Job.create_or_open(job.film, job.dub, Settings(), script=script)
    script.unlink()
    with pytest.raises(ConfigError, match=r"no file .*dub\.txt, .* with another --script or without"):
        Job.open(job.root).read_sources()
    Job.create_or_open(job.film, job.dub, Settings()).read_sources()
    with pytest.raises(ConfigError, match="is a folder"):
        Job.create_or_open(job.film, job.dub, Settings(), script=tmp_path)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("dub_fr.L.wav", ["dub_fr.C.wav", "dub_fr.R.wav"]),
        ("dub_fr.R.wav", ["dub_fr.C.wav", "dub_fr.L.wav"]),
        ("dub_fr.wav", []), ("solo_L.wav", []), ("Mix Left.WAV", ["Mix Right.wav"]),
    ],
)  # fmt: skip
def test_files_of_split_mono_are_known(name: str, others: list[str], tmp_path: Path) -> None:
    for file in ("dub_fr.L.wav", "dub_fr.R.wav", "dub_fr.C.wav", "dub_fr.wav", "dub_fr.L.txt", "solo_L.wav",
                 "Mix Left.WAV", "Mix Right.wav", "other.R.wav"):  # fmt: skip
        (tmp_path / file).touch()
    assert other_channels(tmp_path / name) == others


def test_a_changed_film_gets_another_digest(job: Job) -> None:
    before = job.read_sources()["film"].sha256
    job.film.write_bytes(b"another film")
    assert job.read_sources()["film"].sha256 != before


def test_a_dub_that_was_written_over_with_its_old_time_gets_another_digest(job: Job) -> None:
    before, status = job.read_sources()["dub"].sha256, job.dub.stat()
    job.dub.write_bytes(b"bud")
    os.utime(job.dub, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert job.read_sources()["dub"].sha256 != before


def test_a_job_keeps_its_store_until_another_is_named(tmp_path: Path) -> None:
    film, dub = tmp_path / "film.mp4", tmp_path / "dub_fr.wav"
    film.write_bytes(b"film")
    dub.write_bytes(b"dub")
    Job.create_or_open(film, dub, Settings(), store=tmp_path / "shared")
    again = Job.create_or_open(film, dub, Settings())
    assert again.store.root == Job.open(again.root).store.root == tmp_path / "shared"
    other = Job.create_or_open(film, dub, Settings(), store=tmp_path / "other")
    assert other.store.root == Job.open(other.root).store.root == tmp_path / "other"


def test_what_cannot_be_is_said(job: Job, tmp_path: Path) -> None:
    film, dub = job.film, job.dub
    with pytest.raises(MediaError, match="no file"):
        Job.create_or_open(tmp_path / "gone.mp4", dub, Settings())
    with pytest.raises(UsageError, match="overwrite its own source"):
        Job.create_or_open(film, dub, Settings(), out=film)
    (tmp_path / "FILM.mp4").hardlink_to(film)  # as a disk shows it that takes both names for the same
    with pytest.raises(UsageError, match="overwrite its own source"):
        Job.create_or_open(film, dub, Settings(), out=tmp_path / "FILM.mp4")
    with pytest.raises(UsageError, match="no film"):
        Job.create_or_open(film, dub, Settings(), out=tmp_path / "x.wav")
    with pytest.raises(UsageError, match="not a job directory"):
        Job.open(tmp_path)
    (tmp_path / "other.mp4").write_bytes(b"other")
    with pytest.raises(UsageError, match="--job DIR"):
        Job.create_or_open(tmp_path / "other.mp4", dub, Settings(), root=job.root)
    with pytest.raises(UsageError, match=r"would lie in the job .*choose another directory with --job DIR"):
        Job.create_or_open(film, dub, Settings(), root=job.root / "new" / "one")
    with pytest.raises(UsageError, match=r"would lie in the job .*choose another film to write with -o FILE"):
        Job.create_or_open(film, dub, Settings(), out=job.root / "x.mp4")
    assert not (job.root / "new").exists()
    (job.root / "job.json").write_text('{"film": 3}')
    with pytest.raises(ConfigError):
        Job.open(job.root)
    (job.root / "job.json").rename(job.root / "mail.txt")
    with pytest.raises(UsageError, match=r"has no job\.json; move it away, or choose another film to write"):
        Job.create_or_open(film, dub, Settings())


def test_a_dub_that_was_refused_gives_its_place_to_another_of_the_name(job: Job, tmp_path: Path) -> None:
    later = tmp_path / "dub_fr.mp3"
    later.write_bytes(b"other")
    job.set_failure("probe/output", {"code": 3})
    with job.lock(), pytest.raises(UsageError, match="is the job of"):
        Job.create_or_open(job.film, later, Settings())
    Job.create_or_open(job.film, later, Settings())
    assert Job.open(job.root).dub == later
    job.set_ref("probe/output", "0" * 64)
    with pytest.raises(UsageError, match=r"is the job of .*dub_fr\.mp3; choose another film .* -o FILE"):
        Job.create_or_open(job.film, job.dub, Settings())
    Job.create_or_open(job.film, job.dub, Settings(), out=tmp_path / "other.mp4")


def test_what_is_no_file_is_called_by_its_kind(job: Job, tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    (tmp_path / "link.wav").symlink_to("gone.wav")
    (tmp_path / "round.wav").symlink_to("round.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    for name, why in {
        "stems": "is a folder",
        "link.wav": "is a link to gone.wav, where there is no file",
        "round.wav": "is a link to round.wav",
        "pipe.wav": "is a pipe",
        "gone.wav": "there is no file",
    }.items():
        with pytest.raises(MediaError, match=f"^--audio: .*{why}"):
            Job.create_or_open(job.film, tmp_path / name, Settings())
    with pytest.raises(MediaError, match="is a web address"):
        Job.create_or_open(job.film, Path("https://example.org/dub_fr.wav"), Settings())


def test_a_second_holder_is_refused_and_told_who_holds(job: Job) -> None:
    with job.lock(), pytest.raises(LockedError, match=f"process {os.getpid()} on"), job.lock():
        pass
    with job.lock():
        pass


def test_publishing_knows_its_own_output(job: Job) -> None:
    first = remuxed(job, b"dubbed")
    assert not job.published()
    assert job.publish(first, None)
    assert job.out.read_bytes() == b"dubbed"
    assert job.published()
    assert not job.publish(first, None)
    assert job.publish(remuxed(job, b"dubbed again"), None)
    assert job.published()
    assert job.obstacle() == ""
    job.out.write_bytes(b"somebody else's")
    assert not job.published()
    assert job.obstacle() == f"{job.out} was changed, or replaced, since this job wrote it"
    job.out = job.out.with_name("other.mp4")
    assert job.obstacle() == ""
    job.out.write_bytes(b"somebody else's")
    assert job.obstacle() == f"{job.out} exists and is not this job's"


def test_a_film_that_was_published_under_another_name_stays_known(job: Job) -> None:
    assert job.publish(remuxed(job, b"dubbed"), None)
    first, job.out = job.out, job.out.with_name("second.mp4")
    assert job.publish(remuxed(job, b"dubbed again"), None)
    assert published.films(job.root, first.parent) == sorted([first, job.out])  # as a purge lists them
    job.out = first
    assert job.published()
    assert job.obstacle() == ""


def test_a_manifest_of_another_film_is_in_the_way(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of the source, or of the same film in another container: it would be lost."""
    beside = signing.sidecar(job.out)
    beside.write_bytes(b"of another film")
    assert job.obstacle() == f"{beside} exists and is no manifest of {job.out.name}"
    monkeypatch.setattr(credentials, "available", lambda: False)
    assert job.obstacle() == ""  # without the extra no manifest is written


def test_a_crash_between_note_and_rename_loses_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.publish(remuxed(job, b"one"), None)
    real = os.replace

    def crash(source: str, target: Path) -> None:
        if Path(target) == job.out:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        job.publish(remuxed(job, b"two"), None)
    monkeypatch.undo()
    assert job.published()
    assert job.publish(remuxed(job, b"two"), None)
    assert job.out.read_bytes() == b"two"


def test_pointers_and_failures_are_only_notes(job: Job) -> None:
    job.set_failure("lips/00000000.0", {"code": 7, "error": "x", "attempts": 3})
    assert dict(job.failures())["lips/00000000.0"]["code"] == 7
    one, two = 64 * "1", 64 * "2"
    job.set_ref("lips/00000000.0", one)
    assert not dict(job.failures())
    assert dict(job.refs()) == {"lips/00000000.0": one}
    job.set_ref("lips/00000000.0", two)
    with (job.root / "refs.tsv").open("a") as file:
        file.write("lips/00000000.1\tto")
    again = Job.open(job.root)
    assert dict(again.refs()) == {"lips/00000000.0": two}
    again.set_ref("lips/00000000.2", one)
    assert Job.open(job.root).ref("lips/00000000.0") == two
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


def test_a_copy_of_the_output_is_ours_and_nothing_else_is(job: Job) -> None:
    """`cp -a`, a move to another disk and `touch` change what tells one file from another, not the film."""
    film = remuxed(job, b"dubbed")
    job.publish(film, None)
    copy = job.out.with_name("copy")
    shutil.copy(job.out, copy)
    copy.replace(job.out)
    os.utime(job.out, (1, 1))
    assert job.published()
    assert not job.publish(film, None)
    assert job.publish(remuxed(job, b"dubbed again"), None)
    job.out.write_bytes(b"DUBBED AGAIN")
    assert not job.published()


def test_a_film_that_was_changed_in_the_store_is_not_published(job: Job) -> None:
    film = remuxed(job, b"dubbed")
    file = film.path / "film.mp4"
    file.chmod(0o644)
    file.write_bytes(b"dubbEd")
    with pytest.raises(StoreError, match=r"film\.mp4 has changed"):
        job.publish(film, None)
    assert not job.out.exists()
    assert sorted(path.name for path in job.out.parent.iterdir()) == [
        "dub_fr.wav", "film.dub_fr.dub", "film.mp4",
    ]  # fmt: skip


def test_a_film_and_its_job_that_are_renamed_together_stay_together(job: Job, tmp_path: Path) -> None:
    job.publish(remuxed(job, b"dubbed"), None)
    before = job.read_sources()
    job.film.rename(tmp_path / "movie.mp4")
    job.out.rename(tmp_path / "movie.dub_fr.mp4")
    root = job.root.rename(tmp_path / "movie.dub_fr.dub")
    found = Job.open(root)
    typed = Job.create_or_open(tmp_path / "movie.mp4", job.dub, Settings(), save=False)
    for one in (found, typed):
        assert (one.root, one.film, one.out) == (root, tmp_path / "movie.mp4", tmp_path / "movie.dub_fr.mp4")
        assert one.published()
        assert one.read_sources()["film"].sha256 == before["film"].sha256
    (tmp_path / "movie.mp4").write_bytes(b"flim")
    with pytest.raises(UsageError, match="is the job of"):
        Job.create_or_open(tmp_path / "movie.mp4", job.dub, Settings(), root=root)


def test_a_source_that_was_put_back_is_noticed(job: Job, tmp_path: Path) -> None:
    stage = Stage("probe", 1)
    unit = Unit(stage, "film", {}, {"film": job.film})
    read = job.read_sources()
    assert find_change(unit, read) is None
    away = job.film.rename(tmp_path / "away.mp4")
    job.film.write_bytes(b"flim")
    problem = find_change(unit, read)
    assert problem
    assert "type the same again" in str(problem)
    away.replace(job.film)
    assert job.film.read_bytes() == b"film"
    assert find_change(unit, read), "the same file again, but another one lay there meanwhile"
    assert find_change(Unit(stage, "film", {}, {"dub": job.dub}), read) is None
    assert job.read_sources()["film"].sha256 == read["film"].sha256
    assert find_change(unit, job.sources) is None


def test_a_file_that_grows_while_it_is_read_is_no_source(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def growing(path: Path) -> str:
        with path.open("ab") as file:
            file.write(b"more")
        return sha256(path)

    monkeypatch.setattr(sources, "sha256", growing)
    with pytest.raises(MediaError, match="wait until it is complete"):
        job.read_sources()


def test_the_report_has_the_names_of_today(job: Job) -> None:
    made = job.store.workspace()
    (made / "report.json").write_text('{"film": "{{film}}", "dub": "{{dub}}"}')
    (made / "report.html").write_text("<title>{{film}}</title><p>{{dub}}</p>")
    report = job.store.put({"stage": "report", "inputs": {}}, made, {})
    job.film = job.film.rename(job.film.with_name('a "b" <c> & d.mp4'))
    job.publish(remuxed(job, b"dubbed"), report)
    data = json.loads((job.root / "report.json").read_text())
    assert data == {"film": 'a "b" <c> & d.mp4', "dub": "dub_fr.wav"}
    page = (job.root / "report.html").read_text()
    assert page == "<title>a &quot;b&quot; &lt;c&gt; &amp; d.mp4</title><p>dub_fr.wav</p>"


def test_a_film_of_other_pictures_is_an_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a decision was taken back, all may be done, and the film at its place another one."""
    film, dub = tmp_path / "film.mp4", tmp_path / "dub.wav"
    film.touch()
    dub.touch()
    job = Job.create_or_open(film, dub, Settings())
    assert not job.published()
    note = published.Note(content="one", mark=[], sha256="")
    monkeypatch.setattr(published, "find_note", lambda root, out: note)
    assert job.published()
    assert job.published(Artifact("key", tmp_path, "one"))
    assert not job.published(Artifact("key", tmp_path, "other"))
