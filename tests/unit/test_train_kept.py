"""Training that is killed or damaged costs time only; weights that are not whole are refused."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dubcli.artifacts import weights
from dubcli.artifacts.weights import Learnt, TrainFacts
from dubcli.core import keys, scratch
from dubcli.core.inputs import Inputs
from dubcli.core.model import Task
from dubcli.core.worker import serve
from dubcli.engines import registry
from dubcli.errors import CheckError, DubError, MemoryFullError, StoreError
from dubcli.stages import train
from tests.engines import learner
from tests.unit.places import Place, place

pytestmark = pytest.mark.usefixtures("learning_engines")


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
