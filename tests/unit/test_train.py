"""Training a lip engine: what is trained, that kills cost no more than time, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dubcli import stages
from dubcli.artifacts import gallery, weights
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.artifacts.patches import Choice
from dubcli.artifacts.weights import Learnt, TrainFacts
from dubcli.core import claim, keys, plan, scratch
from dubcli.core.inputs import Inputs
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Source, Task, Unit
from dubcli.core.store import Store
from dubcli.core.training import forecasts
from dubcli.core.worker import serve
from dubcli.engines import registry
from dubcli.errors import CheckError, DubError, MemoryFullError, StoreError
from dubcli.face import mesh
from dubcli.farm.steps import Step, steps
from dubcli.settings.config import Settings
from dubcli.stages import adapt, train
from tests.crash.harness import ENGINES
from tests.engines import learner
from tests.unit.test_golden_keys import MEDIA, SHOTS

PEOPLE = {"p01": 60, "p02": 40, "p03": 4}
"""Person → frames of footage; a second has 24."""


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine that learns is registered, and stands in for the one that `auto` chooses as well."""
    monkeypatch.syspath_prepend(str(ENGINES))
    others = tuple(info for info in registry.BUILTIN if info.name != "produb")
    monkeypatch.setattr(
        registry, "BUILTIN", (*others, learner.mean, dataclasses.replace(learner.mean, name="produb"))
    )
    registry.engines.cache_clear()
    yield
    registry.engines.cache_clear()


def footage(frames: int, seed: int) -> gallery.Gallery:
    lot = np.random.default_rng(seed)
    sizes = np.full((frames, 2), 4, np.int32)
    return gallery.Gallery(
        frames=np.arange(frames, dtype=np.int32),
        origin=np.zeros((frames, 2), np.int32),
        crop=gallery.Crops(lot.integers(0, 255, frames * 48).astype(np.uint8), sizes),
        mesh=np.zeros((frames, 478, 3), np.float32),
        shape=np.zeros((frames, len(mesh.MOUTH), 3), np.float32),
        pose=np.zeros((frames, 3), np.float32),
        run=np.zeros(frames, np.int32),
        sharp=np.ones(frames, np.float32),
        texture=lot.integers(0, 255, (frames, 36, 48, 3)).astype(np.uint8),
        occlusion=np.zeros((frames, 36, 48), np.uint8),
        head=np.zeros((478, 3), np.float32),
    )


@dataclasses.dataclass
class Place:
    """A store, and a job's view of it up to the galleries."""

    root: Path
    store: Store
    view: JobView

    def put(self, stage: str, name: str, save: Any) -> Artifact:
        made = self.store.workspace()
        save(made)
        artifact = self.store.put({"stage": stage, "name": name, "root": str(self.root)}, made, {})
        self.view.artifacts.setdefault(stage, {})[name] = artifact
        return artifact

    def unit(self, stage: str, name: str) -> Unit:
        return next(unit for unit in stages.module(stage).units(self.view) if unit.name == name)

    def request(self, unit: Unit, kept: Path, batch: float = 1.0) -> dict[str, Any]:
        return {
            "stage": unit.stage.name, "unit": unit.name, "params": dict(unit.params), "batch": batch,
            "inputs": {role: str(path) for role, path in unit.paths.items()}, "facts": dict(unit.facts),
            "engine": [unit.engine.kind, unit.engine.name] if unit.engine else None, "device": "cpu",
            "store": str(self.store.root), "out": str(self.store.workspace()), "scratch": str(kept),
        }  # fmt: skip

    def do(self, stage: str, name: str, told: list[dict[str, Any]] | None = None) -> Artifact:
        """Run a unit as a worker does, and commit it."""
        unit = self.unit(stage, name)
        key = keys.digest(keys.preimage(unit))
        request = self.request(unit, scratch.make(self.root, key))
        answer = serve(request, (told if told is not None else []).append, Inputs())
        assert answer["type"] == "done", answer
        artifact = self.store.put(keys.preimage(unit), Path(request["out"]), {}, answer["files"])
        self.view.artifacts.setdefault(stage, {})[name] = artifact
        return artifact


def place(folder: Path, people: dict[str, int] | None = None, **settings: Any) -> Place:
    base = {"lips": {"engine": "mean"}, "train": {"steps": 300, "person_steps": 40, "least_footage": 1.0}}
    values = {name: base.get(name, {}) | settings.get(name, {}) for name in {*base, *settings}}
    sources = {role: Source(folder / role, role) for role in ("film", "dub")}
    folder.mkdir(exist_ok=True)
    made = Place(folder, Store(folder / "store"), JobView(sources, Settings.model_validate(values)))
    people = people or PEOPLE
    made.put("probe", "film", MEDIA.save)
    made.put("split", "film", SHOTS.save)
    faces = {person: (("00000048", number),) for number, person in enumerate(people)}
    made.put("cast", "film", Cast(persons=tuple(Person(id=p, faces=own) for p, own in faces.items())).save)
    cues = (
        Cue(shot="00000048", track=k, person=p, start=50, stop=90, kind="speak", confidence=1.0)
        for k, p in enumerate(people)
    )
    made.put("cue", "film", Cues(cues=tuple(cues)).save)
    for seed, (person, frames) in enumerate(people.items()):
        made.put("gallery", person, lambda out, n=frames, s=seed: gallery.save(out, footage(n, s)))
    return made


def test_who_has_footage_is_trained_on_and_the_rest_is_told(tmp_path: Path) -> None:
    here = place(tmp_path / "job")
    told: list[dict[str, Any]] = []
    film = TrainFacts.load(here.do("train", "film", told).path)
    assert film.people == {"p01": Learnt(frames=60, gain=film.people["p01"].gain),
                           "p02": Learnt(frames=40, gain=film.people["p02"].gain)}  # fmt: skip
    assert (film.engine, film.steps, film.left_out) == ("mean", 300, {"p03": 0.17})
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


def test_a_training_killed_ten_times_ends_with_the_weights_of_one_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(tmp_path / "killed", train={"steps": 1000})
    alone = place(tmp_path / "alone", train={"steps": 1000}).do("train", "film")
    from safetensors.numpy import load_file

    unit = here.unit("train", "film")
    key = keys.digest(keys.preimage(unit))
    monkeypatch.setenv(learner.SPEED, "0.01")
    kept = scratch.make(here.root, key)
    lot, last = random.Random(13), kept / "checkpoint.safetensors"
    for number in range(10):
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            serve(here.request(unit, kept), lambda message: None, Inputs())
            os._exit(0)
        before, end = last.stat().st_mtime_ns if last.exists() else 0, time.monotonic() + 30
        while number % 3 and time.monotonic() < end:  # and each third at once, before it has come to anything
            if last.exists() and last.stat().st_mtime_ns != before:
                break
            time.sleep(0.002)
        time.sleep(lot.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        if number == 4:  # a power cut in the midst of writing
            (kept / "unfinished").write_bytes(b"half")
    assert load_file(last)["step"][0] >= 6 * learner.EVERY, "each went on where the last had come to"
    monkeypatch.setenv(learner.SPEED, "0")
    done = here.do("train", "film")
    (one,), (other,) = weights.files(done.path), weights.files(alone.path)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "junk", "link", "file", "gone"])
def test_what_is_damaged_in_scratch_costs_time_only(tmp_path: Path, damage: str) -> None:
    alone = place(tmp_path / "alone", {"p01": 60}).do("train", "film")
    here = place(tmp_path / "job", {"p01": 60})
    key = keys.digest(keys.preimage(here.unit("train", "film")))
    kept, outside = scratch.make(here.root, key), tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    match damage:
        case "cut":
            (kept / "checkpoint.safetensors").write_bytes(weights.files(alone.path)[0].read_bytes()[:300])
        case "junk":
            (kept / "checkpoint.safetensors").write_bytes(weights.files(alone.path)[0].read_bytes())
        case "link":
            kept.rmdir()
            kept.symlink_to(outside)
        case "file":
            kept.rmdir()
            kept.write_text("x")
        case "gone":
            scratch.remove(here.root, key)
    done = here.do("train", "film")
    assert weights.files(done.path)[0].read_bytes() == weights.files(alone.path)[0].read_bytes()
    scratch.remove(here.root, key)
    assert not (here.root / scratch.FOLDER).exists()
    assert [path.name for path in outside.iterdir()] == ["precious"]


def test_scratch_is_swept_and_pruned_by_key_and_never_through_links(tmp_path: Path) -> None:
    done, waits, other = ("a" * 64, "b" * 64, "c" * 64)
    for key in (done, waits, other):
        (scratch.make(tmp_path, key) / "checkpoint").write_bytes(bytes(100))
    (tmp_path / "scratch" / "notes").mkdir()
    assert (scratch.make(tmp_path, done).stat().st_mode & 0o777) == 0o700
    scratch.sweep(tmp_path, lambda key: key == done)
    assert list(scratch.keys(tmp_path)) == [waits, other]
    assert scratch.prune(tmp_path, {waits}, dry_run=True) == 100
    assert scratch.prune(tmp_path, {waits}) == 100
    assert {path.name for path in (tmp_path / "scratch").iterdir()} == {waits, "notes"}
    victim = tmp_path / "victim"
    (victim / other).mkdir(parents=True)
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "scratch").symlink_to(victim)
    assert list(scratch.keys(hostile)) == []
    scratch.remove(hostile, other)
    assert (victim / other).is_dir()
    scratch.make(hostile, done)
    assert not (hostile / "scratch").is_symlink()
    assert [path.name for path in victim.iterdir()] == [other]


def test_weights_of_another_film_version_or_byte_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = place(tmp_path / "a", {"p01": 60}), place(tmp_path / "b", {"p01": 61})

    def key(made: Place) -> str:
        return keys.digest(keys.preimage(made.unit("train", "film")))

    first = key(here)
    assert first != key(other)
    engine = registry.engine("lips", "mean")
    monkeypatch.setitem(registry.engines(), ("lips", "mean"), dataclasses.replace(engine, algorithm=2))
    assert first != key(here)
    monkeypatch.setitem(registry.engines(), ("lips", "mean"), engine)
    made, strange = here.do("train", "film"), other.do("train", "film")
    (file,), (foreign,) = weights.files(made.path), weights.files(strange.path)
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_bytes(foreign.read_bytes())
    unit = here.unit("adapt", "p01")
    answer = serve(here.request(unit, scratch.make(here.root, "d" * 64)), lambda message: None, Inputs())
    assert answer["error"] == StoreError.__name__
    assert "mean.safetensors has changed" in answer["text"]


@pytest.mark.parametrize(
    ("fails", "error", "words"),
    [
        ("nan", CheckError, "the loss is no number, again"),
        ("memory", MemoryFullError, "needs 9 GB at a batch of 0.5, and 8 GB are free"),
        ("junk", CheckError, "left notes.txt beside its weights"),
    ],
)
def test_what_goes_wrong_in_training_keeps_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, error: type[DubError], words: str
) -> None:
    here = place(tmp_path / "job", {"p01": 60})
    monkeypatch.setenv(learner.FAILS, fails)
    request = here.request(here.unit("train", "film"), scratch.make(here.root, "e" * 64), batch=0.5)
    answer = serve(request, lambda message: None, Inputs())
    assert (answer["type"], answer["error"]) == ("error", error.__name__)
    assert answer["code"] == error.exit_code
    assert words in answer["text"]


@pytest.mark.parametrize("value", [np.float32("nan"), np.float16("inf"), np.float64("-inf"), "bf16"])
def test_weights_that_are_no_numbers_are_not_committed(tmp_path: Path, value: Any) -> None:
    from safetensors.numpy import save_file

    file, good = tmp_path / "a.safetensors", np.ones(3, np.float32)
    save_file({"a": good, "n": np.array([1, 2])}, file)
    assert weights.finite(file)
    if value == "bf16":  # 1.0 and then a NaN
        for bits, finite in (([0x3F80], True), ([0x3F80, 0x7FC0], False)):
            size = 2 * len(bits)
            head = json.dumps(
                {"a": {"dtype": "BF16", "shape": [len(bits)], "data_offsets": [0, size]}}
            ).encode()
            file.write_bytes(len(head).to_bytes(8, "little") + head + np.array(bits, "<u2").tobytes())
            assert weights.finite(file) is finite
        return
    save_file({"a": good, "b": np.array([1, value], value.dtype)}, file)
    assert not weights.finite(file)
    task = Task("film", {}, {}, {}, "mean", tmp_path)
    facts = {"people": {"p01": Learnt(frames=60)}, "left_out": {}}
    TrainFacts(engine="mean", steps=1, loss=1.0, **facts).save(tmp_path)  # type: ignore[arg-type]
    with pytest.raises(CheckError, match="values that are no numbers"):
        train.check(task)
    file.write_bytes(b"nothing")
    with pytest.raises(CheckError, match=r"a\.safetensors holds no weights"):
        train.check(task)
    file.unlink()
    with pytest.raises(CheckError, match="left no weights"):
        train.check(task)


def test_training_is_foretold_for_the_film_and_each_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(learner.SPEED, "2")
    here = place(tmp_path / "job")
    before = [(one.stage, one.unit, one.seconds) for one in forecasts(here.view, gathered=False)]
    assert before == [("train", "film", 600.0), ("adapt", "…", 80.0)]
    after = list(forecasts(here.view, gathered=True))
    assert [(one.stage, one.unit, one.seconds) for one in after] == [
        ("train", "film", 600.1), ("adapt", "p01", 80.06), ("adapt", "p02", 80.04),
    ]  # fmt: skip
    assert after[0].because == "300 steps at 128 pixels on the processor, 100 frames of 2 people"
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
