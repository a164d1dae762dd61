"""The learnt lip engine at 64 pixels, on a drawn face that opens and closes its mouth."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dubcli.artifacts import gallery as footage
from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines import registry
from dubcli.engines.lips import LipWork, TrainWork, exemplar, meshes
from dubcli.engines.lips.produb import adapters, batches, checkpoint, engine, losses, pairs, training, view
from dubcli.engines.lips.produb.network import Network
from dubcli.errors import CheckError, DependencyError, EngineError, MemoryFullError
from dubcli.face import gallery, pose
from dubcli.face import mesh as regions
from dubcli.media.patches import Patch
from dubcli.media.square import Square
from tests.unit.test_gallery import track

SETTINGS = {"size": 64, "steps": 6, "device": "cpu"}
WIDTH, HEIGHT = 320, 240
VIDEO = cast(Any, SimpleNamespace(width=WIDTH, height=HEIGHT, bit_depth=8, rate=25, square=(WIDTH, HEIGHT)))
FRAMES = 40  # of the footage; the frames that follow are dubbed
MOUTH = list(regions.MOUTH)
ENGINE = engine.ProdubEngine(batches.Recipe(thin=8))


@dataclass(frozen=True)
class Face:
    """A drawn film of one face, its footage, and frames of it that are none of it."""

    gallery: Path
    made: Path
    rest: FaceTrack
    pictures: dict[int, NDArray[np.uint8]]

    def train_work(self, scratch: Path, out: Path, **changes: Any) -> TrainWork:
        """Work whose pairs are made already."""
        out.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.made, scratch, dirs_exist_ok=True)
        return replace(TrainWork({"p01": self.gallery}, None, 8, SETTINGS, scratch, out), **changes)

    def lip_work(self, *weights: Path) -> LipWork:
        head = footage.load(self.gallery).head
        own = pose.to_canonical(self.rest.mesh, pose.canonical_transform(self.rest.mesh, head))[:, MOUTH]
        count = len(self.rest.frames)
        return LipWork(
            Path("film"), VIDEO, np.zeros(0, np.int64), None, self.rest, self.rest.frames, own,
            np.ones(count, np.float32), self.gallery, weights=weights, settings=SETTINGS,
        )  # fmt: skip


def drawn(mesh: NDArray[np.float32], seed: int) -> NDArray[np.uint8]:
    """Skin with a grain of its own, red lips, a dark mouth and the edge of teeth, which the skull carries."""
    picture = np.full((HEIGHT, WIDTH, 3), (200, 150, 120), np.float32)
    picture += np.linspace(-20, 20, WIDTH)[None, :, None]
    for ring, colour in ((regions.LIPS_OUTER, (150, 60, 60)), (regions.LIPS_INNER, (30, 10, 10))):
        cv2.fillPoly(picture, [np.round(mesh[list(ring), :2]).astype(np.int32)], colour)
    inside = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(inside, [np.round(mesh[list(regions.LIPS_INNER), :2]).astype(np.int32)], (1,))
    inside[int(mesh[regions.NOSE_BASE, 1]) + 22 :] = 0
    picture[inside > 0] = (230, 220, 210)
    picture += np.random.default_rng(seed).normal(0, 1, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    gaps = 0.12 + 0.1 * np.sin(np.arange(FRAMES + 6) / 3)
    whole = track(gaps)
    pictures = {k: drawn(mesh, k) for k, mesh in enumerate(whole.mesh)}

    def frames(path: Path, video: Any, pts: Any, start: int, stop: int, digests: Any = None) -> Iterator[Any]:
        for k in range(start, stop):

            def rgb(rect: tuple[int, int, int, int], picture: NDArray[np.uint8] = pictures[k]) -> Any:
                x, y, w, h = rect
                return picture[y : y + h, x : x + w]

            yield SimpleNamespace(index=k, rgb=rgb, square=Square((WIDTH, HEIGHT), (WIDTH, HEIGHT)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dubcli.media.decode.frames", frames)
        patched.setattr(exemplar, "SHOT_BYTES", 0)
        patched.setattr(training, "BATCH", 4)
        patched.setattr(training, "PART", 2)
        folder = tmp_path_factory.mktemp("gallery")
        film = cut(whole, 0, FRAMES)
        footage.save(
            folder, gallery.build(Path("film"), VIDEO, np.zeros(0, np.int64), None, [lambda: film], 10**9)
        )
        made = tmp_path_factory.mktemp("made")
        pairs.build({"p01": folder}, pairs.fingerprint({"p01": folder}), 64, made, lambda done, total: None)
        yield Face(folder, made, cut(whole, FRAMES, FRAMES + 6), pictures)


def cut(whole: FaceTrack, start: int, stop: int) -> FaceTrack:
    names = ("frames", "mesh", "pose", "size", "sharp", "occlusion", "reason")
    return replace(whole, **{name: getattr(whole, name)[start:stop] for name in names})


@pytest.fixture(scope="module")
def film(face: Face, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Finished weights of the film, and the scratch folder with the pairs."""
    scratch, out = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("film")
    ENGINE.train(face.train_work(scratch, out))
    return out, scratch


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(folder / engine.WEIGHTS)[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def looks(face: Face, source: NDArray[np.uint8], mesh: NDArray[np.float32]) -> view.Seen:
    """What the network sees of a picture with that mesh, drawn from two rows of the footage."""
    rows = footage.load(face.gallery)
    references, still = pairs.faces(rows, *meshes.smoothed_runs(rows), 3, [9, 20])
    fitted = pose.canonical_transform(mesh[None], rows.head)
    return view.seen(source, mesh[:, :2], mesh[:, 2], references, still, rows.head, fitted, 64)


def test_it_is_registered_as_an_engine_that_learns() -> None:
    info = registry.engine("lips", "produb")
    assert info.learns
    assert isinstance(info.load(), engine.ProdubEngine)


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


def test_training_mends_unseen_frames(face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = exemplar.Steady.joined

    def faulty(*args: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        picture, alpha = joined(*args)
        return np.clip(picture - np.array([0.15, 0, 0], np.float32), 0, 1), alpha

    monkeypatch.setattr(exemplar.Steady, "joined", faulty)
    monkeypatch.setattr(training, "RATE", 5e-3)  # for a network that is a sixty-fourth of the real one
    (tmp_path / "scratch").mkdir()
    work = replace(face.train_work(tmp_path / "other", tmp_path / "out"), scratch=tmp_path / "scratch")
    ENGINE.train(replace(work, settings={**SETTINGS, "steps": 40}))

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


def test_nothing_of_the_sources_mouth_is_seen(face: Face) -> None:
    mesh, source = face.rest.mesh[0], face.pictures[int(face.rest.frames[0])]
    fitted = pose.canonical_transform(mesh[None], footage.load(face.gallery).head)
    to_view = view.placement(fitted, 64)
    # Every pixel whose centre lies in the masked part of the view: below the nose, from cheek to cheek.
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    at = np.stack([x, y], axis=-1) @ to_view[:, :2].T + to_view[:, 2]
    below = (at[..., 1] > 64 * (0.62 - view.CENTRE[1] + view.SIDE / 2) / view.SIDE) & (at[..., 1] < 64)
    jaw = below & (at[..., 0] > 0) & (at[..., 0] < 64)
    assert jaw[
        mesh[list(regions.LIPS_OUTER), 1].astype(int), mesh[list(regions.LIPS_OUTER), 0].astype(int)
    ].all()
    other = source.copy()
    other[jaw] = np.random.default_rng(0).integers(0, 255, (int(jaw.sum()), 3))
    before, after = looks(face, source, mesh), looks(face, other, mesh)
    for name in ("context", "visible", "maps", "references", "window"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    other[~jaw] = 255 - other[~jaw]
    assert (looks(face, other, mesh).context != before.context).any()


def test_the_mask_follows_the_skull_and_not_the_jaw(face: Face) -> None:
    mesh, source = face.rest.mesh[0], face.pictures[int(face.rest.frames[0])]
    lower = mesh.copy()
    lower[MOUTH, 1] += 12
    a, b = looks(face, source, mesh), looks(face, source, lower)
    np.testing.assert_array_equal(a.visible, b.visible)
    np.testing.assert_array_equal(a.context, b.context)
    assert (a.maps != b.maps).any()
    turned = mesh + np.array([7, 0, 0], np.float32)
    np.testing.assert_array_equal(looks(face, np.roll(source, 7, axis=1), turned).visible, a.visible)


def test_training_and_rendering_see_a_frame_alike(face: Face, film: tuple[Path, Path]) -> None:
    rows, made = (
        footage.load(face.gallery),
        pairs.build(
            {"p01": face.gallery}, pairs.fingerprint({"p01": face.gallery}), 64, film[1], lambda a, b: None
        ),
    )
    steady, head_pose = meshes.smoothed_runs(rows)
    own = pose.to_canonical(steady, head_pose)[:, MOUTH]
    filmed = FaceTrack(
        rows.frames, np.array(rows.mesh), rows.pose, head_pose.scale.astype(np.float32), rows.sharp,
        np.zeros(len(rows), np.float32), np.zeros(len(rows), np.uint8), face.rest.thumbs,
        face.rest.descriptor,
    )  # fmt: skip
    work = replace(
        face.lip_work(), track=filmed, frames=rows.frames, shape=own, weight=np.ones(len(rows), np.float32)
    )
    plan = exemplar.prepare(work)
    assert plan is not None
    shown = [seen for _, seen in engine.seen_frames(plan, 64)]
    assert len(made) >= len(shown)
    for k in (0, 20, len(shown) - 1):
        for name in ("context", "visible", "maps", "window"):
            np.testing.assert_allclose(
                getattr(made, name)[k].astype(int), getattr(shown[k], name).astype(int), atol=1
            )


def test_frames_are_drawn_from_footage_that_is_far_enough(face: Face) -> None:
    rows = footage.load(face.gallery)
    plans = pairs.paths(rows)
    assert sum(len(a) for a, _, _ in plans) > FRAMES
    assert {held for _, _, held in plans} == {False, True}
    for own, other, _ in plans:
        assert (np.abs(rows.frames[own] - rows.frames[other]) >= pairs.APART).all()
    for number in (0, 20, FRAMES - 1):
        for row in pairs.borrowed(rows, pairs.bank(rows), number, -1):
            assert abs(rows.frames[row] - number) >= pairs.APART


class StoppedError(Exception):
    """Stands for kill -9."""


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


def test_a_full_memory_is_named(
    face: Face, film: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr(training, "result", full)
    with pytest.raises(MemoryFullError, match=r"train\.size=64"):
        ENGINE.train(face.train_work(film[1], tmp_path))


def test_a_person_is_adapted_on_top_of_the_film(face: Face, film: tuple[Path, Path], tmp_path: Path) -> None:
    ENGINE.train(
        face.train_work(
            tmp_path / "scratch", tmp_path / "out", base=film[0], settings={**SETTINGS, "steps": 3}
        )
    )
    adapted, size = engine.network_of((film[0], tmp_path / "out"))
    plain, _ = engine.network_of((film[0],))
    assert size == 64
    a, b = adapted.state_dict(), plain.state_dict()
    assert a.keys() == b.keys()
    assert any(not torch.equal(a[k], b[k]) for k in a)
    assert list(engine.ProdubEngine().patches(face.lip_work(film[0], tmp_path / "out")))


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


def test_cuda_is_refused_where_there_is_none(face: Face, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    settings = {**SETTINGS, "device": "cuda"}
    with pytest.raises(DependencyError, match=r"train\.device=cpu"):
        ENGINE.train(face.train_work(tmp_path, tmp_path, settings=settings))


def test_structure_prefers_equal_contrast_to_blur() -> None:
    torch.manual_seed(0)
    truth = torch.rand(2, 3, 32, 32)
    guess = 0.5 * truth + 0.5 * torch.rand(2, 3, 32, 32)  # half of it is known
    blurred = 0.5 + 0.3 * (guess - 0.5)
    weight = torch.ones(2, 1, 32, 32)
    assert losses.structure(guess, truth, weight) < losses.structure(blurred, truth, weight)
    assert losses.structure(truth, truth, weight).abs() < 1e-5
