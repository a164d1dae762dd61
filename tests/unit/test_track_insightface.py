"""The insightface engine over a made-up model pack of the same signature: decoding, lifting, licence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.core.job import Job
from dubcli.engines import insightface_pack, required
from dubcli.engines.registry import engine
from dubcli.engines.trackers.insightface_models import Detection, Detector, Identity, Landmarks, suppressed
from dubcli.errors import ConfigError, DependencyError
from dubcli.face import landmarks106, mesh, pose
from dubcli.settings.layers import resolve
from tests import onnx_models


def marks(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The 106 landmarks that show a mesh (478, 3); those outside the scheme of 68 are never read."""
    out = np.full((106, 2), np.nan)
    out[list(landmarks106.IBUG)] = points[list(landmarks106.MESH), :2]
    return out


def in_crop() -> NDArray[np.float64]:
    """Landmarks of the average head as a square around it shows them, 0–1."""
    head = mesh.head()[:, :2]
    low, high = head.min(axis=0), head.max(axis=0)
    side = 1.5 * (high - low).max()
    return np.nan_to_num(marks((mesh.head() - np.append((low + high) / 2, 0)) / side + 0.5), nan=0.5)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return onnx_models.pack(tmp_path / "buffalo_test", in_crop())


def turned(yaw: float, gap: float) -> NDArray[np.float64]:
    """A head in pixels, turned, its lower lip and chin lowered."""
    head = mesh.head().astype(np.float64)
    lower = [14, 87, 317, 178, 402, 88, 318, 95, 324, 17, 84, 314, 91, 321, 181, 405, 146, 375]
    corner = abs(head[78, 0])
    head[lower, 1] += gap * np.maximum(1 - (head[lower, 0] / corner) ** 2, 0)
    head[[152, 148, 377], 1] += gap
    angle = np.deg2rad(yaw)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    return np.asarray(80 * head @ turn + (300, 200, 0))


@pytest.mark.parametrize("yaw", [-25.0, 0.0, 25.0])
@pytest.mark.parametrize("gap", [0.0, 0.15])
def test_landmarks_are_lifted_to_the_mesh_they_were_taken_from(yaw: float, gap: float) -> None:
    true = turned(yaw, gap)
    found = landmarks106.lifted(marks(true))
    apart_ = np.linalg.norm(found[:, :2] - true[:, :2], axis=1) / 80
    assert apart_[list(landmarks106.MESH)].max() < 1e-4
    # Between two landmarks, as at the corners of an open mouth, a lip can only be guessed.
    assert apart_[list(mesh.LIPS_INNER + mesh.LIPS_OUTER)].max() < 0.05
    assert np.median(apart_) < 0.03
    shape = pose.to_canonical(found[None])[0]
    assert shape[14, 1] - shape[13, 1] == pytest.approx(
        gap + mesh.head()[14, 1] - mesh.head()[13, 1], abs=0.03
    )
    yaw_found = pose.angles(pose.canonical_transform(found[None]))[0, 0]
    assert abs(abs(yaw_found) - abs(yaw)) < 4


def test_detections_are_in_pixels_of_the_picture(pack: Path) -> None:
    picture = np.zeros((320, 640, 3), np.uint8)
    picture[64:96, 128:160] = 255
    detect = Detector(insightface_pack.files(pack)["detector"])
    (one,) = detect(picture, 640, 0.5)
    assert one.score > 0.9
    assert one.box.tolist() == [64, -32, 192, 96]
    assert one.points[0].tolist() == [96, 32]
    (twice,) = detect(np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1), 640, 0.5)
    assert np.allclose(twice.box, 2 * one.box)


def test_of_two_overlapping_faces_that_of_the_higher_score_stays() -> None:
    def face(score: float, left: float) -> Detection:
        return Detection(score, np.array([left, 0, left + 10, 10]), np.zeros((5, 2)))

    kept = suppressed([face(0.6, 1), face(0.9, 0), face(0.7, 20)])
    assert [one.score for one in kept] == [0.9, 0.7]


def test_landmarks_are_in_pixels_of_the_crop(pack: Path) -> None:
    network = Landmarks(insightface_pack.files(pack)["landmarks"])
    found = network(np.full((192, 192, 3), 90, np.uint8))
    assert np.allclose(found, 192 * in_crop(), atol=1e-3)
    assert network._norm == (0.0, 1.0), "a network that normalises by itself gets plain pixels"


def test_one_face_is_the_same_wherever_and_however_large_it_is(pack: Path) -> None:
    who = Identity(insightface_pack.files(pack)["identity"])
    rng = np.random.default_rng(1)
    face, other = (
        np.kron(rng.integers(0, 255, (14, 14, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in "ab"
    )
    from dubcli.engines.trackers.insightface_models import TEMPLATE

    small, large = who(face, TEMPLATE), who(np.kron(face, np.ones((2, 2, 1), np.uint8)), 2 * TEMPLATE + 0.5)
    assert np.linalg.norm(small) == pytest.approx(1)
    assert small @ large > 0.99
    assert small @ who(other, TEMPLATE) < 0.9


@dataclass
class Still:
    """A frame of a film."""

    index: int
    image: NDArray[np.uint8]

    def eight_bit(self) -> NDArray[np.uint8]:
        return self.image


def film(count: int) -> Iterator[Still]:
    picture = np.full((480, 640, 3), 40, np.uint8)
    picture[192:224, 288:320] = 255
    picture[100:330, 220:400] = np.maximum(picture[100:330, 220:400], 150)
    for k in range(count):
        yield Still(k, picture)


def test_a_shot_is_tracked_with_meshes_and_descriptors(pack: Path) -> None:
    tracker = engine("tracker", "insightface").load()
    tracker.use(insightface_pack.files(pack))
    found = tracker.track(film(14), views=2)
    assert found
    track = found[0]
    assert track.frames.tolist() == list(range(14))
    assert track.mesh.shape == (14, 478, 3)
    assert track.descriptor.shape[1] == 513
    assert np.allclose(np.linalg.norm(track.descriptor, axis=1), 1)


def test_what_a_pack_lacks_is_named(tmp_path: Path, pack: Path) -> None:
    (pack / "2d106det.onnx").unlink()
    with pytest.raises(ConfigError, match="holds no 2d106det"):
        insightface_pack.files(pack)
    (pack / "det_10g.onnx").write_bytes(b"no network")
    with pytest.raises(DependencyError, match=r"det_10g\.onnx is not a network"):
        Detector(pack / "det_10g.onnx")
    with pytest.raises(DependencyError, match="no SCRFD"):
        Detector(pack / "w600k_r50.onnx")


def test_the_licence_must_be_accepted_and_the_pack_named(tmp_path: Path, pack: Path) -> None:
    asked = {"track.engine": ("--engine", "insightface")}
    with pytest.raises(DependencyError, match="add --accept-licence insightface"):
        required.check(resolve(flags=asked, environ={}))
    asked["engines.accepted"] = ("--accept-licence", ["insightface"])  # type: ignore[assignment]
    resolved = resolve(flags=asked, environ={})
    required.check(resolved)
    (tmp_path / "film.mp4").touch()
    (tmp_path / "dub.wav").touch()
    files = tmp_path / "film.mp4", tmp_path / "dub.wav"
    with pytest.raises(ConfigError, match=r"engines\.insightface\.pack: name the folder"):
        Job.create_or_open(*files, resolved.settings)
    asked["engines.insightface.pack"] = ("--set", str(pack))
    sources = Job.create_or_open(*files, resolve(flags=asked, environ={}).settings).read_sources()
    assert {role for role in sources if role.startswith("insightface/")} == {
        "insightface/detector", "insightface/landmarks", "insightface/identity",
    }  # fmt: skip
    assert len(sources["insightface/detector"].sha256) == 64
