"""Training that is killed, continued, damaged or out of memory, and what it minimises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dubcli.engines.lips.produb import checkpoint, engine, losses, pairs, training
from dubcli.engines.lips.produb.batches import Recipe, batch
from dubcli.engines.lips.produb.network import Correction, Inputs
from dubcli.errors import CheckError, MemoryFullError
from tests.produb.drawn import ENGINE, SETTINGS, Face, same, tensors


class StoppedError(Exception):
    """Stands for kill -9."""


def ignored(done: int, total: int) -> None:
    """No report."""


def stops_after(steps: int) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if done == steps:
            raise StoppedError

    return report


def test_a_training_killed_anywhere_ends_with_the_same_weights(
    face: Face, film: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_PIXELS", 2 * 64 * 64)
    (tmp_path / "scratch").mkdir()
    work = face.train_work(tmp_path / "scratch", tmp_path / "out")
    for steps in (1, 3, 5):
        with pytest.raises(StoppedError):
            ENGINE.train(replace(work, report=stops_after(steps)))
    steps_seen: list[int] = []
    ENGINE.train(replace(work, report=lambda done, total: steps_seen.append(done)))
    assert steps_seen[-2:] == [5, 6]
    assert steps_seen.count(1) == 0  # continued, not begun again
    assert same(tensors(tmp_path / "out"), tensors(film[0]))


@pytest.mark.parametrize(
    ("recipe", "size", "seen"),
    [
        (Recipe(begun=False, thin=8), 128, [64, 64, 64, 128]),
        (Recipe(begun=False, grown=False, thin=8), 128, [128, 128, 128, 128]),
        (Recipe(), 64, [64, 64, 64, 64]),
        (Recipe(), 128, [128, 128, 128, 128]),
        (Recipe(), 256, [128, 128, 128, 256]),
    ],
)
def test_each_resolution_is_trained_that_is_not_learnt_yet(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, size: int, seen: list[int]
) -> None:
    trained: list[int] = []

    def advance(self: training.Trainer) -> bool:
        trained.append(self.resolution())
        return True

    monkeypatch.setattr(training.Trainer, "advance", advance)
    monkeypatch.setattr(training.Trainer, "gain", lambda self: {})
    work = face.train_work(tmp_path / "scratch", tmp_path / "out")
    engine.ProdubEngine(recipe).train(replace(work, settings={**SETTINGS, "size": size, "steps": 4}))
    assert trained == seen


def test_a_training_that_began_with_other_weights_is_not_continued(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_PIXELS", 64 * 64)
    begun = engine.ProdubEngine()
    held, facts = checkpoint.read(engine.START)
    work = replace(face.train_work(tmp_path / "scratch", tmp_path / "out"), settings={**SETTINGS, "steps": 2})
    monkeypatch.setattr(engine, "START", tmp_path / "other.safetensors")
    checkpoint.write(engine.START, {name: tensor * 0.9 for name, tensor in held.items()}, facts)
    with pytest.raises(StoppedError):
        begun.train(replace(work, report=stops_after(2)))
    monkeypatch.undo()
    seen: list[int] = []
    begun.train(replace(work, report=lambda done, total: seen.append(done)))
    assert [done for done in seen if done] == [1, 2]


@pytest.mark.parametrize("harm", ["damaged", "cut short", "of another training", "of another network"])
def test_a_checkpoint_that_is_not_this_trainings_is_ignored(
    face: Face, film: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr(training, "SAVE_PIXELS", 2 * 64 * 64)
    work = face.train_work(tmp_path / "scratch", tmp_path / "out")
    other = replace(work, settings={**SETTINGS, "steps": 7}) if harm == "of another training" else work
    with pytest.raises(StoppedError):
        ENGINE.train(replace(other, report=stops_after(5)))
    path = work.scratch / "checkpoint.safetensors"
    if harm == "of another network":
        held, facts = checkpoint.read(path)
        name = next(name for name in held if name.startswith("now/"))
        checkpoint.write(path, {("now/other" if k == name else k): v for k, v in held.items()}, facts)
    data = bytearray(path.read_bytes())
    if harm == "damaged":
        data[-100] ^= 255
    path.write_bytes(bytes(data[: len(data) // 2]) if harm == "cut short" else bytes(data))
    ENGINE.train(work)
    assert same(tensors(work.out), tensors(film[0]))


def test_lost_numbers_go_back_once(
    face: Face, film: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, calls = losses.total, [0]  # two calls a step: the fourth step fails

    def broken(times: int) -> Callable[..., torch.Tensor]:
        def total(*args: Any) -> torch.Tensor:
            calls[0] += 1
            return true(*args) * (float("nan") if 7 <= calls[0] < 7 + 2 * times else 1.0)

        return total

    monkeypatch.setattr(training, "SAVE_PIXELS", 2 * 64 * 64)
    monkeypatch.setattr(losses, "total", broken(1))
    seen: list[int] = []
    ENGINE.train(
        face.train_work(tmp_path / "s1", tmp_path / "o1", report=lambda done, total: seen.append(done))
    )
    assert [n for n in seen if n] == [1, 2, 3, 3, 4, 5, 6]
    assert all(torch.isfinite(t).all() for t in tensors(tmp_path / "o1").values())
    calls[0] = 0
    monkeypatch.setattr(losses, "total", broken(2))
    with pytest.raises(CheckError, match="lost its numbers twice"):
        ENGINE.train(face.train_work(tmp_path / "s2", tmp_path / "o2"))


@pytest.mark.parametrize("seed", [7, 2**64 - 9])
def test_neighbouring_seeds_choose_other_frames(face: Face, seed: int) -> None:
    """After lost numbers the next seed is taken; seeds are digests, so half of them are above 2^63."""
    made = pairs.build(
        {"p01": face.gallery}, pairs.fingerprint({"p01": face.gallery}), 64, face.made, ignored
    )
    cpu = torch.device("cpu")
    first, again, other = (
        torch.stack([batch(made, seed + k, number, cpu, Recipe()).truth for number in range(3)])
        for k in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_full_memory_is_named(
    face: Face, film: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr(training, "result", full)
    with pytest.raises(MemoryFullError, match=r"train\.size=64"):
        ENGINE.train(face.train_work(film[1], tmp_path))


def test_structure_prefers_equal_contrast_to_blur() -> None:
    torch.manual_seed(0)
    truth = torch.rand(2, 3, 32, 32)
    guess = 0.5 * truth + 0.5 * torch.rand(2, 3, 32, 32)  # half of it is known
    blurred = 0.5 + 0.3 * (guess - 0.5)
    weight = torch.ones(2, 1, 32, 32)
    assert losses.structure(guess, truth, weight) < losses.structure(blurred, truth, weight)
    assert losses.structure(truth, truth, weight).abs() < 1e-5


@pytest.mark.parametrize(
    ("able", "half"),
    [({}, False), ({"avx512_f": True, "avx512_bf16": False}, False), ({"amx_bf16": True}, True)],
)
def test_bfloat16_is_for_processors_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], half: bool
) -> None:
    """Without such instructions it takes six times as long as float32; a graphics card has them."""
    cpu, card = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    fresh = training.multiplies_bfloat16.__wrapped__
    monkeypatch.setattr(training, "multiplies_bfloat16", fresh)
    assert fresh(cpu) is half
    assert fresh(card) is True

    class Recorder(torch.nn.Module):
        def forward(self, inputs: Inputs) -> Correction:
            product = inputs.context @ torch.ones(64, 2)
            assert product.dtype == inputs.context.dtype == (torch.bfloat16 if half else torch.float32)
            return Correction(product, product)

    one = torch.zeros(1, 4, 64, 64)
    training.corrected(Recorder(), Inputs(one, one, one, torch.zeros(1, dtype=torch.int64)), cpu)
