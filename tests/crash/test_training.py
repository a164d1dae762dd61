"""A film whose lip engine learns from it: killed while it trains, continued, drawn, reported, purged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from dubcli.artifacts.patches import Choice, PatchFacts, Placement
from dubcli.artifacts.weights import SUFFIX, TrainFacts
from dubcli.core.job import Job
from dubcli.core.model import Task
from dubcli.core.plan import DONE, plan
from dubcli.engines.lips import LipWork, auto, exemplar
from dubcli.errors import ExitCode
from dubcli.settings.config import Settings
from dubcli.stages import lips
from tests.conftest import Sample
from tests.crash.harness import COMMAND, ENGINES, Place
from tests.engines import learner

WORDS = (
    "--engine", "lips=mean", "--workers", "1", "--set", "report.measure=0",
    "--set", "train.steps=400", "--set", "train.person_steps=20", "--set", "train.least_footage=0.5",
)  # fmt: skip
SECONDS = 60


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, tiny: Sample) -> Place:
    """A job that was killed while it trained, with all it left."""
    folder = tmp_path_factory.mktemp("training")
    installed = learner.install(folder / "site")
    path = os.pathsep.join([str(installed), str(ENGINES), *filter(None, [os.environ.get("PYTHONPATH")])])
    here = Place.make(folder / "job", tiny.film, tiny.dub, {"PYTHONPATH": path, learner.SPEED: "0.05"})
    process = here.start(*WORDS)
    end = time.monotonic() + SECONDS
    while not checkpoints(here) and time.monotonic() < end:
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert here.left_over() == []
    return here


def checkpoints(here: Place) -> list[Path]:
    return list((here.job / "scratch").glob("*/checkpoint.safetensors"))


def command(here: Place, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=SECONDS,
        env=here.environment | environment,
    )  # fmt: skip


def facts(here: Place, stage: str) -> dict[str, TrainFacts]:
    job = Job.open(here.job)
    found = {unit: key for unit, key in job.refs() if unit.startswith(f"{stage}/")}
    return {unit: TrainFacts.load(job.store.path(key)) for unit, key in found.items()}


def test_a_killed_training_is_continued_to_the_end(killed: Place) -> None:
    """One job from the kill to the purge; steps follow each other, as they would at a desk."""
    (kept,) = checkpoints(killed)
    began = [e for e in killed.events() if e["type"] == "forecast"]
    assert [(e["stage"], e["unit"]) for e in began[:2]] == [("train", "film"), ("adapt", "…")]
    assert began[0]["seconds"] == 20.0
    assert began[2]["because"].startswith("400 steps at 128 pixels on the processor")

    planned = json.loads(command(killed, "plan", str(killed.job), "--json").stdout)
    first = planned["training"][0]
    assert (first["stage"], first["unit"]) == ("train", "film")
    assert 20.0 < first["seconds"] < 21.0

    # What waits to be continued is kept, what no setting asks for any more is not.
    pruned = command(killed, "cache", "prune", str(killed.job))
    assert pruned.returncode == 0, pruned.stderr
    assert kept.is_file()

    # Ctrl-C does not wait for the end of what may take hours.
    stopped = subprocess.Popen(
        [*COMMAND, "run", str(killed.job), "--progress", "none"], env=killed.environment,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    before, end = kept.stat().st_mtime_ns, time.monotonic() + SECONDS
    while kept.stat().st_mtime_ns == before and time.monotonic() < end:
        time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    _, text = stopped.communicate(timeout=10)
    assert stopped.returncode == ExitCode.INTERRUPTED, text
    assert kept.is_file()
    assert killed.left_over() == []

    mended = command(
        killed, "run", str(killed.job), "--progress", "plain", **{learner.SPEED: "0", learner.FAILS: ""}
    )
    assert mended.returncode == 0, mended.stderr
    assert "train film will take about" in mended.stderr
    assert not (killed.job / "scratch").exists()
    (film,) = facts(killed, "train").values()
    assert (film.engine, film.steps) == ("mean", 400)
    assert set(facts(killed, "adapt")) == {f"adapt/{person}" for person in film.people}
    job = Job.open(killed.job)
    drawn = {unit: PatchFacts.load(job.store.path(key)) for unit, key in job.refs() if "lips/" in unit}
    assert drawn
    assert all(one.engine == "mean" and one.changed for one in drawn.values())
    report = json.loads((killed.job / "report.json").read_text())
    engines = {face["engine"] for shot in report["shots"] for face in shot["faces"] if face["frames_changed"]}
    assert engines == {"mean"}

    # Too little footage for the setting: the default engine draws, and what it made counts as its own.
    little = command(
        killed, "run", str(killed.job), "--set", "train.least_footage=60.0", "--json", **{learner.SPEED: "0"}
    )
    assert little.returncode == 0, little.stderr
    told = [json.loads(line) for line in little.stdout.splitlines()]
    warned = [one["text"] for one in told if one["type"] == "warning" and one["stage"] == "train"]
    assert warned
    assert all("train.least_footage asks for 60; exemplar draws that mouth" in text for text in warned)
    report = json.loads((killed.job / "report.json").read_text())
    faces = [face for shot in report["shots"] for face in shot["faces"] if face["frames_changed"]]
    assert {face["engine"] for face in faces} == {"exemplar"}
    assert all("mean was not trained on" in face["why"] for face in faces)
    assert any("mean was not trained on" in line for line in report["warnings"])
    assert "mean was not trained on" in (killed.job / "report.html").read_text()
    plain = Job.open(killed.job, Settings.model_validate({"report": {"measure": 0}}))
    plain.read_sources()
    assert {row.stage for row in plan(plain) if row.state != DONE} == {"report"}, "no face is drawn anew"


def test_training_without_memory_halves_its_batch_and_ends_with_75(killed: Place) -> None:
    failed = command(
        killed, "run", str(killed.job), "--engine", "lips=mean", "--set", "train.least_footage=0.5",
        "--set", "train.steps=75", **{learner.FAILS: "memory"},
    )  # fmt: skip
    assert failed.returncode == ExitCode.TEMPORARY, failed.stderr
    assert "training needs 9 GB at a batch of 0.25, and 8 GB are free" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_device_that_is_not_there_ends_the_run_before_any_work(killed: Place, tmp_path: Path) -> None:
    new = Place.make(
        tmp_path / "new", killed.film, killed.dub, killed.environment | {"CUDA_VISIBLE_DEVICES": ""}
    )
    told = new.run("--engine", "lips=mean", "--set", "train.device=cuda")
    assert told.returncode == 5, told.stderr
    assert "type the same with --set train.device=cpu" in told.stderr
    assert not [e for e in new.events() if e["type"] in ("unit.start", "unit.done")]


@pytest.fixture
def trained(killed: Place) -> Place:
    """The job with its weights, whichever test came before."""
    done = command(killed, "run", str(killed.job), *WORDS, **{learner.SPEED: "0"})
    assert done.returncode == 0, done.stderr
    return killed


@pytest.mark.usefixtures("learning_engines")
@pytest.mark.parametrize(("fits", "name"), [(0.0, "exemplar"), (1.0, "produb")])
def test_auto_chooses_by_how_well_the_footage_fits(
    trained: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: float, name: str
) -> None:
    """The stage itself, with the weights that the job trained and this engine in place of the real one."""
    monkeypatch.setattr(auto, "FITS", fits)
    values = {"lips": {"engine": "mean"}, "report": {"measure": 0}}
    training = {"train": {"steps": 400, "person_steps": 20, "least_footage": 0.5}}
    job = Job.open(trained.job, Settings.model_validate(values | training))
    job.read_sources()
    unit = next(row.unit for row in plan(job) if row.unit and row.stage == "lips")
    inputs = {role.replace("mean/", "auto/"): path for role, path in unit.paths.items()}
    assert {"auto/film", "auto/person"} <= set(inputs)
    task = Task(unit.name, inputs, unit.params, unit.facts, "auto", tmp_path)
    bounds: list[Any] = []
    real = exemplar.confidence

    def noted(work: LipWork) -> Any:
        bounds.append(real(work))
        return bounds[-1]

    monkeypatch.setattr(exemplar, "confidence", noted)
    lips.run(task)
    lips.check(task)
    choice, drawn = Choice.load(tmp_path), PatchFacts.load(tmp_path)
    assert (choice.engine, drawn.engine) == (name, name)
    assert drawn.changed
    (bound,) = bounds
    assert choice.why.startswith(f"the film's own footage fits at {bound.mean():.2f}, ")
    placed = Placement.load(tmp_path, unit.shot)
    if drawn.given_back == 0:
        assert len(bound) == len(placed.frames)
        assert (bound >= placed.confidence - 0.05).all(), "what drawing comes to is no better than the bound"
    assert 0.05 < bound.mean() <= 1.0


def test_purging_removes_checkpoints(killed: Place) -> None:
    kept = killed.job / "scratch" / ("f" * 64)
    kept.mkdir(parents=True)
    (kept / "checkpoint.safetensors").write_bytes(b"a face")
    purged = command(killed, "purge", str(killed.job), "--json")
    assert purged.returncode == 0, purged.stderr
    assert not (killed.job / "scratch").exists()
    assert "scratch" in json.loads(purged.stdout)["files_removed"]
    job = Job.open(killed.job)
    assert not [path for path in job.store.objects.rglob("*") if path.suffix == SUFFIX]
