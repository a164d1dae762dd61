"""The default tracker on real pictures of a face."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.engines.trackers.mediapipe import Finder, MediapipeTracker
from dubcli.engines.trackers.passthrough import PassthroughTracker
from dubcli.face import mesh

Image = NDArray[np.uint8]


@dataclass
class Picture:
    index: int
    pixels: Image

    def eight_bit(self) -> Image:
        return self.pixels


@pytest.fixture(scope="module")
def portrait() -> Image:
    from skimage import data

    return np.asarray(data.astronaut()[:360, 60:420])  # type: ignore[no-untyped-call]


def shot(portrait: Image, frames: int, first: int = 0, step: int = 3, canvas: int = 460) -> Iterator[Picture]:
    """The portrait gliding to the right over grey."""
    for k in range(frames):
        pixels = np.full((400, canvas, 3), 128, np.uint8)
        pixels[20 : 20 + len(portrait), step * k : step * k + portrait.shape[1]] = portrait
        yield Picture(first + k, pixels)


def track(pictures: Iterator[Picture], turn: int = 0, views: int = 4) -> list[FaceTrack]:
    return MediapipeTracker().track(pictures, turn=turn, views=views)


def test_a_face_that_fills_the_picture_is_found(portrait: Image) -> None:
    import cv2

    close = cv2.resize(portrait[80:175, 115:210], (480, 480), interpolation=cv2.INTER_CUBIC)
    with Finder() as finder:
        (roi,) = finder.detect(np.asarray(close), tiles=True)
        assert finder.observe(np.asarray(close), roi) is not None
    assert 120 < roi.centre[0] < 360
    assert 120 < roi.centre[1] < 360


def test_one_face_is_one_track_that_moves_as_the_picture_does(portrait: Image) -> None:
    (face,) = track(shot(portrait, 14, first=1000))
    np.testing.assert_array_equal(face.frames, np.arange(1000, 1014))
    assert face.frames.dtype == np.int32
    assert face.mesh.shape == (14, 478, 3)
    assert face.mesh.dtype == np.float32
    glide = np.diff(face.mesh[:, list(mesh.RIGID), 0].mean(axis=1))
    np.testing.assert_allclose(glide, 3.0, atol=0.3)
    assert (face.reason == Reason.OK).all()
    assert face.occlusion.max() < 0.3
    assert np.abs(face.pose[:, 0]).max() < 30
    assert face.thumbs.shape[1:] == (96, 96, 3)
    assert len(face.descriptor) == len(face.thumbs)


def test_the_mesh_lies_on_the_face(portrait: Image) -> None:
    """Places read off the enlarged portrait by hand, in pixels of the 512-pixel original."""
    (face,) = track(shot(portrait, 4, step=0))
    read = {
        mesh.EYE_LEFT: (193, 101),
        mesh.EYE_RIGHT: (259, 104),
        mesh.CORNER_LEFT: (204, 140),
        mesh.CORNER_RIGHT: (246, 141),
        mesh.UPPER_LIP: (223, 143),
        mesh.LOWER_LIP: (223, 149),
    }
    for point, (x, y) in read.items():
        np.testing.assert_allclose(face.mesh[0, point, :2], (x - 60, y + 20), atol=4)


def test_the_same_shot_gives_the_same_bytes(portrait: Image) -> None:
    one, two = track(shot(portrait, 4)), track(shot(portrait, 4))
    np.testing.assert_array_equal(one[0].mesh, two[0].mesh)
    np.testing.assert_array_equal(one[0].descriptor, two[0].descriptor)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_raster_gives_the_same_face_in_its_own_pixels(portrait: Image, turn: int) -> None:
    (upright,) = track(shot(portrait, 5, step=0))
    turned = (
        Picture(p.index, np.ascontiguousarray(np.rot90(p.pixels, turn))) for p in shot(portrait, 5, step=0)
    )
    (face,) = track(turned, turn=turn)
    np.testing.assert_allclose(face.pose, upright.pose, atol=3.0)
    height, width = 400, 460
    x, y = upright.mesh[..., 0], upright.mesh[..., 1]
    wanted = {1: (y, width - x), 2: (width - x, height - y), 3: (height - y, x)}[turn]
    np.testing.assert_allclose(face.mesh[..., :2], np.stack(wanted, axis=-1), atol=1.5)


def test_two_faces_are_two_tracks(portrait: Image) -> None:
    double = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    faces = track(shot(double, 4, step=0, canvas=760))
    assert len(faces) == 2
    assert abs(faces[0].mesh[0, :, 0].mean() - faces[1].mesh[0, :, 0].mean()) > 200


def test_a_mouth_that_leaves_the_picture_is_marked(portrait: Image) -> None:
    narrow = (
        Picture(p.index, np.ascontiguousarray(p.pixels[:, :250]))
        for p in shot(portrait, 14, step=6, canvas=480)
    )
    (face,) = track(narrow)
    lips = face.mesh[:, list(mesh.LIPS_OUTER), 0].max(axis=1)
    assert lips[0] < 250 < lips[-1]
    np.testing.assert_array_equal(face.reason == Reason.EDGE, lips > 250)


def test_no_face_is_no_track() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    assert track(Picture(k, noise) for k in range(5)) == []
    assert track(iter(())) == []


def test_passthrough_finds_nothing_and_decodes_nothing() -> None:
    def never() -> Iterator[Picture]:
        raise AssertionError
        yield

    assert PassthroughTracker().track(never()) == []


def test_networks_are_given_back_when_a_shot_is_done() -> None:
    with Finder() as finder:
        networks = [weakref.ref(network) for network in finder.networks]
    assert networks
    del finder
    gc.collect()
    assert not any(network() for network in networks)


def test_a_process_that_never_detects_opens_the_mesh_network(tmp_path: Path) -> None:
    """As a worker does that continues a run at `measure`."""
    code = """
import numpy as np
from dubcli.engines.trackers.mediapipe import FaceMesh
print(FaceMesh().mesh(np.zeros((192, 192, 3), np.uint8))[0].shape)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "(478, 3)", ran.stderr
