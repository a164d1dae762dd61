"""The learnt lip engine at 64 pixels, on a drawn face."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dubcli.engines import registry
from dubcli.engines.lips import exemplar
from dubcli.engines.lips.produb import adapters, checkpoint, engine, view
from dubcli.engines.lips.produb.network import Inputs, Network
from dubcli.engines.lips.produb.pairs import REFERENCES
from dubcli.errors import AwayError, EngineError
from dubcli.face import mesh as regions
from dubcli.media.patches import Patch
from tests.produb.drawn import ENGINE, FRAMES, SETTINGS, Face, same


def test_it_is_registered_as_an_engine_that_learns() -> None:
    info = registry.engine("lips", "produb")
    assert info.learns
    assert isinstance(info.load(), engine.ProdubEngine)


def test_the_weights_that_ship_are_part_of_keys() -> None:
    found = registry.engine("lips", "produb").digests()
    assert list(found.values()) == [hashlib.sha256(engine.START.read_bytes()).hexdigest()]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_training_begins_with_what_was_learnt_from_others(levels: int) -> None:
    """Of a finer resolution than they are for nothing is changed yet; whoever is drawn is their mean."""
    network = Network(2, levels)
    assert engine.begin(network)[1] == 128
    shipped, own = checkpoint.read(engine.START)[0], network.state_dict()
    shared = (set(shipped) & set(own)) - {"token.weight"}
    assert any(name.startswith("body.") for name in shared)
    assert all(torch.equal(own[name], shipped[name]) for name in shared)
    assert all(torch.equal(row, shipped["token.weight"].mean(0)) for row in own["token.weight"])
    heads = [bool(own[f"heads.{k}.out.weight"].any()) for k in range(levels)]
    assert heads == [True, True, False][:levels]


def test_weights_to_begin_with_that_are_damaged_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "START", tmp_path / "start.safetensors")
    held, facts = checkpoint.read(Path(engine.__file__).with_name("start.safetensors"))
    checkpoint.write(engine.START, held, {**facts, "version": 99})
    with pytest.raises(EngineError, match="another version"):
        engine.begin(Network(1, 1))
    engine.START.write_bytes(b"no weights")
    with pytest.raises(EngineError, match="cannot be read"):
        engine.begin(Network(1, 1))


def test_an_untrained_network_gives_exactly_what_exemplar_gives(face: Face, tmp_path: Path) -> None:
    facts = {"version": engine.VERSION, "size": 64, "people": ["p01"], "adapted": False, "thin": 8}
    checkpoint.write(tmp_path / engine.WEIGHTS, Network(1, 1, 8).state_dict(), facts)
    made = list(engine.ProdubEngine().patches(face.lip_work(tmp_path)))
    plain = list(exemplar.ExemplarEngine().patches(face.lip_work()))
    assert len(made) == len(face.rest.frames)
    for a, b in zip(made, plain, strict=True):
        assert (a.frame, a.origin, a.confidence) == (b.frame, b.origin, b.confidence)
        np.testing.assert_array_equal(a.rgb, b.rgb)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_without_weights_the_frames_are_those_of_exemplar(face: Face) -> None:
    made = list(engine.ProdubEngine().patches(face.lip_work()))
    plain = list(exemplar.ExemplarEngine().patches(face.lip_work()))
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(made, plain, strict=True))


def test_a_frame_does_not_depend_on_those_that_are_drawn_with_it(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(1, 1)
    engine.begin(network)
    facts = {"version": engine.VERSION, "size": 64, "people": ["p01"], "adapted": False, "thin": 1}
    checkpoint.write(tmp_path / engine.WEIGHTS, network.state_dict(), facts)
    correction, seen_frames = engine._correction, engine.seen_frames
    found: list[list[NDArray[np.float32]]] = []

    def recorded(*args: Any) -> Any:
        flow, residual = correction(*args)
        found[-1] += list(np.concatenate([flow, residual], 3))
        return flow, residual

    monkeypatch.setattr(engine, "_correction", recorded)
    monkeypatch.setattr(engine, "_THREADS", 1)  # recorded in order
    for first in (0, 1):  # the second time without the first frame, so that others are drawn together
        monkeypatch.setattr(engine, "seen_frames", lambda *a, k=first: islice(seen_frames(*a), k, None))
        found.append([])
        assert len(list(engine.ProdubEngine().patches(face.lip_work(tmp_path)))) == 6 - first
    for k in range(2, 6):  # before the frame after the first one another stood
        assert found[0][k].any()
        np.testing.assert_array_equal(found[0][k], found[1][k - 1])


def test_frames_are_steadied_by_those_right_beside_them_alone() -> None:
    def named(t: int) -> Any:
        return SimpleNamespace(frame=SimpleNamespace(t=t))

    found = [
        (now.frame.t, [other.frame.t for other in beside])
        for now, beside in engine._with_neighbours(map(named, (0, 1, 2, 5, 6, 9)))
    ]
    assert found == [(0, [1]), (1, [0, 2]), (2, [1]), (5, [6]), (6, [5]), (9, [])]


@pytest.mark.parametrize("size", [64, 128])
def test_a_correction_holds_no_checkerboard(size: int) -> None:
    """Whatever the weights, nothing alternates from pixel to pixel, which would pass for detail."""
    torch.manual_seed(0)
    network = Network(1, 2, 8)
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter)
    inputs = Inputs(
        torch.rand(1, 4, size, size) - 0.5,
        torch.rand(1, view.MAPS, size, size) - 0.5,
        torch.full((1, 1 + REFERENCES, 3, size, size), 0.1),  # their own detail may be blended in
        torch.zeros(1, dtype=torch.int64),
    )
    with torch.no_grad():
        made = network(inputs)
    alternating = (-1.0) ** (torch.arange(size)[:, None] + torch.arange(size))
    for values in (made.flow, made.residual):
        inner, board = (t[..., 1:-1, 1:-1] for t in (values, alternating))
        assert (inner * board).mean().abs() < 1e-3 * inner.abs().mean()


def test_training_mends_unseen_frames(face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = exemplar.Steady.joined

    def faulty(*args: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        picture, alpha = joined(*args)
        return np.clip(picture - np.array([0.15, 0, 0], np.float32), 0, 1), alpha

    monkeypatch.setattr(exemplar.Steady, "joined", faulty)
    quick = engine.ProdubEngine(replace(ENGINE.recipe, rate=5e-3))  # a sixty-fourth of the real network
    (tmp_path / "scratch").mkdir()
    work = replace(face.train_work(tmp_path / "other", tmp_path / "out"), scratch=tmp_path / "scratch")
    quick.train(replace(work, settings={**SETTINGS, "steps": 40}))

    def error(made: list[Patch]) -> float:
        rest = []
        for patch in made:
            lips = face.rest.mesh[patch.frame - FRAMES, list(regions.LIPS_OUTER), :2]
            (x0, y0), (x1, y1) = lips.min(axis=0).astype(int), lips.max(axis=0).astype(int)
            truth = face.pictures[patch.frame][y0:y1, x0:x1].astype(float)
            x, y = patch.origin
            rest.append(np.abs(truth - patch.rgb[y0 - y : y1 - y, x0 - x : x1 - x]).mean())
        return float(np.mean(rest))

    plain = error(list(exemplar.ExemplarEngine().patches(face.lip_work())))
    assert error(list(engine.ProdubEngine().patches(face.lip_work(tmp_path / "out")))) < 0.8 * plain


def test_a_person_is_adapted_on_top_of_the_film(face: Face, film: tuple[Path, Path], tmp_path: Path) -> None:
    ENGINE.train(
        face.train_work(
            tmp_path / "scratch", tmp_path / "out", base=film[0], settings={**SETTINGS, "steps": 3}
        )
    )
    adapted, size = engine.network_of((film[0], tmp_path / "out"), "p01")
    plain, _ = engine.network_of((film[0],), "p01")
    assert size == 64
    a, b = adapted.state_dict(), plain.state_dict()
    assert a.keys() == b.keys()
    assert any(not torch.equal(a[k], b[k]) for k in a)
    assert list(engine.ProdubEngine().patches(face.lip_work(film[0], tmp_path / "out")))


def test_everybody_is_drawn_with_their_own_token(film: tuple[Path, Path], tmp_path: Path) -> None:
    held, facts = checkpoint.read(film[0] / engine.WEIGHTS)
    rows = held["token.weight"] + torch.tensor([[0.0], [1.0]])
    people = {**facts, "people": ["p01", "p02"]}
    checkpoint.write(tmp_path / engine.WEIGHTS, {**held, "token.weight": rows}, people)
    for person, row in {"p01": rows[0], "p02": rows[1], "a stranger": rows.mean(0)}.items():
        assert torch.equal(engine.network_of((tmp_path,), person)[0].token.weight, row[None])


def test_fresh_adapters_change_nothing() -> None:
    network = Network(1, 2)
    size = sum(t.numel() for t in network.state_dict().values())
    before = {name: t.clone() for name, t in network.state_dict().items()}
    found = adapters.adapt(network)
    assert float(adapters.departure(found).detach()) == 0
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) < 0.1 * size
    adapters.merge(network)
    assert same(before, network.state_dict())


def test_weights_of_something_else_are_refused(face: Face, film: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no adapters"):
        list(engine.ProdubEngine().patches(face.lip_work(film[0], film[0])))
    held, facts = checkpoint.read(film[0] / engine.WEIGHTS)
    for name, change in {
        "version": (held, {**facts, "version": 99}),
        "shape": (held, {**facts, "size": 128}),
        "half": (dict(list(held.items())[1:]), facts),
    }.items():
        (tmp_path / name).mkdir()
        checkpoint.write(tmp_path / name / engine.WEIGHTS, *change)
        with pytest.raises(EngineError, match="dubcli run again"):
            list(engine.ProdubEngine().patches(face.lip_work(tmp_path / name)))
    (tmp_path / engine.WEIGHTS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(EngineError, match="cannot be read"):
        list(engine.ProdubEngine().patches(face.lip_work(tmp_path)))


def test_a_cuda_device_that_has_gone_since_the_run_began_is_temporary(face: Face, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    settings = {**SETTINGS, "device": "cuda"}
    with pytest.raises(AwayError, match=r"train\.device=cpu"):
        ENGINE.train(face.train_work(tmp_path, tmp_path, settings=settings))
