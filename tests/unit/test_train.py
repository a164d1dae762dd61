"""Training a lip engine: what is trained, and what is said of it beforehand and afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dubcli import stages
from dubcli.artifacts import weights
from dubcli.artifacts.patches import Choice
from dubcli.artifacts.weights import Learnt, TrainFacts
from dubcli.core import claim, keys, plan, runner
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.plan import Selection
from dubcli.core.training import forecasts
from dubcli.farm.steps import Step, steps
from dubcli.settings.config import Settings
from dubcli.stages import adapt, train
from tests.engines import learner
from tests.unit.places import PEOPLE, place
from tests.unit.test_golden_keys import MEDIA

pytestmark = pytest.mark.usefixtures("learning_engines")


def test_who_has_footage_is_trained_on_and_the_rest_is_told(tmp_path: Path) -> None:
    here = place(tmp_path / "job")
    told: list[dict[str, Any]] = []
    film = TrainFacts.load(here.do("train", "film", told).path)
    assert film.people == {"p01": Learnt(frames=60, gain=film.people["p01"].gain),
                           "p02": Learnt(frames=40, gain=film.people["p02"].gain)}  # fmt: skip
    assert (film.engine, film.steps, film.left_out) == ("mean", 600, {"p03": 0.17})
    warned = [one["text"] for one in told if one["type"] == "warning"]
    assert warned == [
        "p03 has 0.2 s of usable footage, and train.least_footage asks for 1; exemplar draws that mouth"
    ]
    assert {unit.name for unit in adapt.units(here.view)} == {"p01", "p02"}
    own = TrainFacts.load(here.do("adapt", "p01").path)
    assert (own.steps, list(own.people)) == (40, ["p01"])
    drawn = {person: adapt.drawing(here.view, "00000048", person) for person in PEOPLE}
    assert [(one.engine.name, sorted(one.weights)) for one in drawn.values()] == [
        ("mean", ["mean/film", "mean/person"]), ("mean", ["mean/film"]), ("exemplar", []),
    ]  # fmt: skip
    assert drawn["p03"].why == "mean was not trained on 0.2 s of usable footage"


def test_nothing_is_trained_where_nobody_has_footage_or_no_engine_learns(tmp_path: Path) -> None:
    here = place(tmp_path / "job", {"p01": 4})
    made = here.do("train", "film")
    assert weights.files(made.path) == []
    assert TrainFacts.load(made.path).loss is None
    assert adapt.units(here.view) == []
    assert adapt.drawing(here.view, "00000048", "p01").engine.name == "exemplar"
    plain = place(tmp_path / "plain", lips={"engine": "exemplar"})
    assert train.units(plain.view) == adapt.units(plain.view) == []
    assert not set(stages.LEARNING) & set(stages.order(plain.view))


def test_a_stage_without_work_says_why(tmp_path: Path) -> None:
    """It ended well without a word, as if it had trained."""
    for name in ("film.mp4", "dub_fr.wav"):
        (tmp_path / name).write_bytes(b"x")
    job = Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", Settings())
    told: list[str] = []
    events = Events(None, lambda event: told.append(event.get("text", "")))
    runner.run(job, events, Selection(stage="train"))
    why = "no lip engine that it asks for learns from the film (lips.engine is exemplar)"
    assert f"train has nothing to do for this job: {why}" in told
    whole = place(tmp_path / "job", {"p01": 4}, train={"person_steps": 0})
    assert stages.idle(whole.view, "adapt") == "train.person_steps is 0"


def test_a_single_shot_may_ask_for_an_engine_that_learns(tmp_path: Path) -> None:
    here = place(tmp_path / "job", lips={"engine": "exemplar"})
    own = here.view.settings.model_copy(
        update={"lips": here.view.settings.lips.model_copy(update={"engine": "mean"})}
    )
    here.view.shot_settings["00000000"] = own
    assert [unit.name for unit in train.units(here.view)] == ["film"]
    here.do("train", "film")
    assert adapt.units(here.view) == [], "nobody speaks in that shot"
    here.view.shot_settings["00000048"] = own
    assert [unit.name for unit in adapt.units(here.view)] == ["p01", "p02"]


def test_auto_leaves_a_person_to_exemplar_whom_training_did_not_help(tmp_path: Path) -> None:
    here = place(tmp_path / "job", lips={"engine": "auto"}, train={"person_steps": 0})
    people = {"p01": Learnt(frames=60, gain=0.03), "p02": Learnt(frames=40, gain=-0.0125)}
    people["p03"] = Learnt(frames=4)
    facts = TrainFacts(engine="produb", steps=300, loss=0.1, people=people, left_out={})
    here.put("train", "film", facts.save)
    drawn = {person: adapt.drawing(here.view, "00000048", person) for person in PEOPLE}
    assert [one.engine.name for one in drawn.values()] == ["auto", "exemplar", "exemplar"]
    assert drawn["p02"].why == "on held-out footage produb is no better (gain -0.0125)"
    assert drawn["p03"].why.endswith("(no footage could be held out to compare)")
    # What is trained for auto is what is trained for the engine itself.
    alone = place(tmp_path / "job", lips={"engine": "produb"}, train={"person_steps": 0})
    one, other = (keys.digest(keys.preimage(made.unit("train", "film"))) for made in (here, alone))
    assert one == other


def test_training_is_foretold_for_the_film_and_each_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(learner.SPEED, "2")
    here = place(tmp_path / "job")
    before = [(one.stage, one.unit, one.seconds) for one in forecasts(here.view, gathered=False)]
    assert before == [("train", "film", 600.0), ("adapt", "…", 80.0)]
    after = list(forecasts(here.view, gathered=True))
    assert [(one.stage, one.unit, one.seconds) for one in after] == [
        ("train", "film", 1200.1), ("adapt", "p01", 80.06), ("adapt", "p02", 80.04),
    ]  # fmt: skip
    assert after[0].because == "600 steps at 128 pixels on the processor, 100 frames of 2 people"
    plain = place(tmp_path / "plain", lips={"engine": "exemplar"})
    assert list(forecasts(plain.view, gathered=False)) == []


def test_the_claim_names_the_engine_that_drew_and_not_the_one_that_chose(tmp_path: Path) -> None:
    here = place(tmp_path / "job")
    made = here.store.workspace()
    Choice(engine="exemplar", why="the film's own footage fits at 0.80, at least 0.75").save(made)
    image = {"stage": "lips", "engine": ["auto", 1], "libraries": {"exemplar": "4", "produb": "7"}}
    here.view.artifacts["lips"] = {"00000048.0": here.store.put(image, made, {})}
    job = Job(here.root, tmp_path, tmp_path, tmp_path, here.store, here.view.settings)
    (tool,) = [one for one in claim._tools(job, here.view) if one.kind == "lips"]
    assert (tool.name, tool.algorithm, tool.licence) == ("exemplar", 4, "Apache-2.0")


def test_a_farm_trains_on_its_gpus_and_has_no_step_for_what_is_not_trained(tmp_path: Path) -> None:
    for name in ("film.mp4", "dub_fr.wav"):
        (tmp_path / name).write_bytes(b"x")

    def probed(**settings: Any) -> dict[str, Step]:
        values = Settings.model_validate(settings)
        job = Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", values)
        job.read_sources()
        for unit in stages.module("probe").units(plan.view(job)):
            made = job.store.workspace()
            MEDIA.save(made)
            job.store.put(keys.preimage(unit), made, {})
        return {step.stage: step for step in steps(job, shards=4, workers=2)}

    plain = probed()
    assert not set(stages.LEARNING) & set(plain)
    assert "adapt" not in plain["lips"].after
    assert not any(step.gpu for step in plain.values())
    own = probed(lips={"engine": "mean"}, train={"device": "cuda"})
    assert {name for name, step in own.items() if step.gpu} == {"train", "adapt", "lips"}
    assert (own["train"].tasks, own["adapt"].tasks) == (1, 4)
    assert "adapt" in own["lips"].after
    assert own["lips"].memory > plain["lips"].memory
    assert not any(step.gpu for step in probed(lips={"engine": "mean"}).values())


def test_nothing_heavy_is_loaded_to_plan_or_to_foretell() -> None:
    import subprocess

    code = (
        "import sys; from dubcli.core import training; from dubcli.settings.config import Settings\n"
        "from dubcli.engines import registry\n"
        "import dubcli.stages.train, dubcli.stages.adapt, dubcli.stages.lips\n"
        "assert not {'numpy', 'torch', 'cv2', 'av'} & set(sys.modules), sorted(sys.modules)\n"
        "for info in registry.BUILTIN:\n"
        "    if info.learns:\n"
        "        values = {'lips': {'engine': info.name}}\n"
        "        print(training.seconds(Settings.model_validate(values)))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
