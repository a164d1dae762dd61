"""Running jobs from the command line; engines that do nothing keep it short, all else is real."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import SECONDS, Dubcli, own_environment
from tests.conftest import Sample
from tests.forked import Forked

PASS = [word for kind in ("tracker", "aligner", "lips") for word in ("--engine", f"{kind}=passthrough")]
WORDS = ("run", "film.mp4", "--audio", "dub_fr.wav", *PASS, "--progress", "none")


@pytest.fixture
def place(tmp_path: Path, tiny: Sample) -> Path:
    """A folder with the tiny film and its dub."""
    shutil.copy(tiny.film, tmp_path / "film.mp4")
    shutil.copy(tiny.dub, tmp_path / "dub_fr.wav")
    return tmp_path


@pytest.fixture(scope="module")
def made(tiny: Sample, forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny film, its dub and a finished job of `WORDS`."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(tiny.film, folder / "film.mp4")
    shutil.copy(tiny.dub, folder / "dub_fr.wav")
    done = forked.run(WORDS, folder, own_environment(folder / "home"), SECONDS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    """A copy of `made`."""
    return Path(shutil.copytree(made, tmp_path, dirs_exist_ok=True))


def events_of(job: Path) -> list[dict[str, Any]]:
    """All events that the runs of a job have left."""
    return [json.loads(line) for line in (job / "events.jsonl").read_text().splitlines()]


def test_a_job_from_start_to_end(place: Path, dubcli: Dubcli) -> None:
    """One job, looked at by every command; steps follow each other, as they would at a desk."""
    words = ("film.mp4", "--audio", "dub_fr.wav", *PASS)
    before = sorted(place.iterdir())
    planned = dubcli("run", *words, "-n")
    assert planned.returncode == 0
    assert "probe" in planned.stdout
    assert sorted(path for path in place.iterdir() if path.name != "home") == before

    done = dubcli("run", *words)
    assert (done.returncode, done.stdout) == (0, "film.dub_fr.mp4\n")
    assert "remux film done" in done.stderr
    job = place / "film.dub_fr.dub"
    first = events_of(job)
    assert (first[-1]["type"], first[-1]["code"]) == ("exit", 0)

    again = dubcli("run", job.name, "--json")
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert again.returncode == 0
    assert not [event for event in events if event["type"] == "unit.start"]
    assert all(event["v"] == 1 and event["time"].endswith("Z") for event in events)
    assert (events[-1]["type"], events[-1]["code"]) == ("exit", 0)
    assert [e["type"] for e in events] == [e["type"] for e in events_of(job)[len(first) :]]

    status = json.loads(dubcli("status", "--json").stdout)
    assert status["written"] is True
    assert status["running"] is None
    assert all(set(counts) <= {"done"} for counts in status["stages"].values())
    assert set(status["stages"]) >= {"probe", "lips", "report"}
    assert "written" in dubcli("status", job.name).stdout

    report = dubcli("report", job.name)
    assert (place / report.stdout.strip()).is_file()
    assert isinstance(json.loads(dubcli("report", "--json").stdout), dict)

    explained = json.loads(dubcli("explain", job.name, "split/film", "--json").stdout)
    assert explained["state"] == "done"
    assert (place / explained["result"] / "artifact.json").is_file()
    unknown = dubcli("explain", job.name, "split/flim")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "did you mean 'split/film'?" in unknown.stderr

    settings = (job / "job.json").read_text()
    changed = json.loads(dubcli("plan", *words, "--set", "split.threshold=9", "--json").stdout)
    states = {unit["stage"]: (unit["state"], unit["reasons"]) for unit in changed["units"]}
    assert states["scan"] == ("done", []), "another threshold decodes nothing again"
    assert states["split"] == ("run", ["params"])
    assert changed["settings"]["track.engine"] == {"value": "passthrough", "from": "--engine"}
    assert changed["settings"]["split.threshold"] == {"value": 9.0, "from": "--set"}
    assert (job / "job.json").read_text() == settings

    assert dubcli("cache", "verify", job.name).returncode == 0
    size = json.loads(dubcli("cache", "size", job.name, "--json").stdout)
    assert size["stages"]["probe"]["units"] == 2  # the film, and whether its result can be written
    kept = json.loads(dubcli("cache", "prune", job.name, "--json").stdout)
    assert kept["removed"] == []
    assert dubcli("run", *words, "--redo", "split", "-q").returncode == 0
    redone = [e["stage"] for e in events_of(job) if e["type"] == "unit.start" and "forced" in e["reasons"]]
    assert redone == ["split"]
    idle = dubcli("run", job.name, "--stage", "lips")
    assert (idle.returncode, idle.stdout) == (0, "film.dub_fr.mp4\n")
    assert "lips has nothing to do for this job: no mouth in it is to be changed" in idle.stderr
    mistyped = dubcli("run", job.name, "--shots", "7-9").stderr
    assert mistyped.count("track has nothing to do here: no shot begins from 7 to 9") == 1
    assert "fewer units than shares" in dubcli("run", job.name, "--stage", "track", "--shard", "9/9").stderr


def test_damage_is_found_and_mended(finished: Path, dubcli: Dubcli) -> None:
    job = finished / "film.dub_fr.dub"
    victim = next(job.rglob("shots.json"))
    victim.chmod(0o644)
    victim.write_text(victim.read_text().replace("0", "1"))
    found = dubcli("cache", "verify", job.name)
    assert found.returncode == 9
    assert "shots.json" in found.stderr
    assert "--repair" in found.stderr
    assert dubcli("cache", "verify", "--repair", job.name).returncode == 0
    assert dubcli("cache", "verify", job.name).returncode == 0
    assert dubcli("run", job.name).returncode == 0


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, and neither its size nor its time."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_flipped_bit_goes_no_further(finished: Path, dubcli: Dubcli) -> None:
    """Neither into a result, nor into the film, nor into what is left after a repair."""
    job, film = finished / "film.dub_fr.dub", finished / "film.dub_fr.mp4"
    store, right = job / "store", film.read_bytes()

    def held() -> dict[str, str]:
        manifests = (json.loads(path.read_text()) for path in store.rglob("artifact.json"))
        return {item["key"]: item["preimage"]["stage"] for item in manifests}

    flip(next(store.rglob("features.npz")))
    before = held()
    refused = dubcli(*WORDS, "--set", "cue.pad=0.5")
    assert refused.returncode == 9, refused.stderr
    assert "features.npz has changed" in refused.stderr
    assert f"dubcli cache verify --repair {store.relative_to(finished)}" in refused.stderr
    assert held() == before

    told = json.loads(dubcli("cache", "verify", "--repair", job.name, "--json").stdout)
    assert len(told["damaged"]) == 1
    gone = {before[key] for key in told["made_from_damaged"]}
    assert {"cue", "remux"} & gone == {"cue"}, "what was made from it went, and nothing else"
    assert dubcli(*WORDS, "--set", "cue.pad=0.5").returncode == 0

    flip(next(store.rglob("film.mp4")))
    film.unlink()
    refused = dubcli(*WORDS, "--set", "cue.pad=0.5")
    assert refused.returncode == 9, refused.stderr
    assert "film.mp4 has changed" in refused.stderr
    assert not film.exists()
    assert dubcli("cache", "verify", "--repair", job.name).returncode == 0
    assert dubcli(*WORDS, "--set", "cue.pad=0.5").returncode == 0
    assert film.read_bytes() == right


def test_a_plan_is_not_made_from_a_flipped_bit(place: Path, dubcli: Dubcli) -> None:
    for stage in ("probe", "scan", "split"):
        assert dubcli(*WORDS, "--stage", stage).returncode == 0
    shots = next(place.rglob("shots.json"))
    text = shots.read_text()
    shots.chmod(0o644)
    shots.write_text(text.replace('"start": 0', '"start": 1', 1))
    refused = dubcli(*WORDS)
    assert refused.returncode == 9, refused.stderr
    begun = [e["stage"] for e in events_of(place / "film.dub_fr.dub") if e["type"] == "unit.start"]
    assert begun == ["probe", "probe", "scan", "split"]  # probe has two units


def test_a_job_goes_where_its_film_goes(finished: Path, dubcli: Dubcli) -> None:
    """Copied to another disk and renamed with its film, it is the same job, and does nothing again."""
    for path in finished.iterdir():
        os.utime(path)
    job = finished / "film.dub_fr.dub"
    known = len(events_of(job))
    again = dubcli(*WORDS)
    assert again.returncode == 0, again.stderr
    assert not [e for e in events_of(job)[known:] if e["type"] == "unit.start"]

    for name in ("film.mp4", "film.dub_fr.mp4", "film.dub_fr.dub"):
        (finished / name).rename(finished / name.replace("film", "movie", 1))
    job = finished / "movie.dub_fr.dub"
    known = len(events_of(job))
    for command in (("run", "movie.mp4", *WORDS[2:]), ("run", job.name, "--progress", "none")):
        again = dubcli(*command)
        assert again.returncode == 0, again.stderr
        assert again.stdout == "movie.dub_fr.mp4\n"
    assert not [e for e in events_of(job)[known:] if e["type"] == "unit.start"]


@pytest.mark.parametrize(
    ("film", "dub"),
    [
        ("-v film %03d.mp4", "-o.wav"),
        ("a 'b' \"c\" [d] $HOME;e.mp4", "два 字 é.wav"),
        ("concat:a|b.mp4", "two\nlines.wav"),
    ],
)
def test_file_names_are_data(film: str, dub: str, place: Path, dubcli: Dubcli) -> None:
    (place / "film.mp4").rename(place / film)
    (place / "dub_fr.wav").rename(place / dub)
    done = dubcli("run", *PASS, f"--audio={dub}", "--progress", "none", "--", film)
    assert done.returncode == 0, done.stderr
    out = place / f"{Path(film).stem}.{Path(dub).stem}.mp4"
    assert out.stat().st_size > 10_000
    assert done.stdout == f"{out.name}\n"


def test_an_output_that_is_not_ours_is_kept(place: Path, dubcli: Dubcli) -> None:
    other = place / "film.dub_fr.mp4"
    other.write_bytes(b"somebody's work")
    refused = dubcli(*WORDS)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert other.read_bytes() == b"somebody's work"
    assert dubcli(*WORDS, "--force").returncode == 0
    assert other.stat().st_size > 10_000
    assert dubcli(*WORDS).returncode == 0  # ours now


def test_a_job_that_runs_is_left_alone(place: Path, dubcli: Dubcli) -> None:
    words = ("run", "film.mp4", "--audio", "dub_fr.wav", *PASS, "--stage", "probe", "-q")
    assert dubcli(*words).returncode == 0
    locks = place / "film.dub_fr.dub" / "locks"
    (locks / "elsewhere.1").write_text("alone")
    refused = dubcli(*words)
    held = json.loads(dubcli("status", "--json").stdout)["running"]
    assert refused.returncode == 11
    assert "process 1 on elsewhere" in refused.stderr
    assert "dubcli unlock --force" in refused.stderr
    assert held == "process 1 on elsewhere"
    (locks / "elsewhere.1").unlink()
    with open(locks / "run", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert dubcli(*words).returncode == 11


def test_batch_computes_a_film_once(place: Path, dubcli: Dubcli) -> None:
    shutil.copy(place / "dub_fr.wav", place / "dub_de.wav")
    (place / "torn.mp4").write_bytes((place / "film.mp4").read_bytes()[:3000])
    (place / "dubcli.toml").write_text(
        "[track]\nengine='passthrough'\n[align]\nengine='passthrough'\n[lips]\nengine='passthrough'\n"
    )
    (place / "all.yaml").write_text(
        "films:\n- {film: torn.mp4, dubs: [dub_fr.wav]}\n- {film: film.mp4, dubs: [dub_fr.wav, dub_de.wav]}\n"
    )
    done = dubcli("batch", "all.yaml", "--progress", "none", "--exec", "cp {} {job}/copy.mp4")
    assert done.returncode == 6
    assert "failed (3)" in done.stdout
    assert (place / "film.dub_de.dub" / "copy.mp4").read_bytes() == (place / "film.dub_de.mp4").read_bytes()
    page = (place / "all.report.html").read_text()
    assert "2 of 3 films are done" in page
    assert 'href="film.dub_de.dub/report.html"' in page
    assert done.stdout.count("done") == 2
    assert "1 of 3 jobs is not done" in done.stderr
    assert (place / "film.dub_fr.mp4").is_file()
    assert (place / "film.dub_de.mp4").is_file()
    ran = {(e["stage"], e["unit"]) for e in events_of(place / "film.dub_de.dub") if e["type"] == "unit.start"}
    assert not {stage for stage, _ in ran} & {"probe", "scan", "split", "track", "cast", "gallery", "learn"}

    (place / "one.yaml").write_text("store: all.store\nfilms: [{film: film.mp4, dubs: [dub_fr.wav]}]\n")
    assert dubcli("batch", "one.yaml", "--progress", "none").returncode == 0
    assert "1 of 1 films are done" in (place / "one.report.html").read_text()
    assert (place / "all.report.html").read_text() == page

    again = dubcli("batch", "all.yaml", "--json")
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert again.returncode == 6
    assert not [e for e in events if e["type"] == "unit.start" and "torn" not in e["job"]]
    assert [event["type"] for event in events[-2:]] == ["batch", "exit"]
    assert events[-1]["code"] == 6
    assert [job["code"] for job in events[-2]["jobs"]] == [3, 0, 0]

    jobs = [place / "film.dub_fr.dub", place / "film.dub_de.dub"]
    seen = dubcli("status", *jobs, "--watch")  # both are done: it ends by itself
    assert (seen.returncode, seen.stdout.splitlines()) == (
        0, ["film.mp4 + dub_fr.wav: done, 100 %", "film.mp4 + dub_de.wav: done, 100 %"]
    )  # fmt: skip
    rows = json.loads(dubcli("status", "all.yaml", "--json").stdout)["jobs"]
    assert [(job["written"], set(job["failed"]) != set()) for job in rows] == [
        (False, True), (True, False), (True, False)
    ]  # fmt: skip
