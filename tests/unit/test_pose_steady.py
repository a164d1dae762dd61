"""Steadiness: the tremble of meshes goes, real movement stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import mesh, steady

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def texture() -> Image:
    """Soft blobs, as skin has them."""
    import cv2

    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float32)
    return np.clip((soft - 128) * 4 + 128, 0, 255).astype(np.uint8)


def moved(texture: Image, right: float, down: float) -> Image:
    import cv2

    shift = np.array(((1, 0, right), (0, 1, down)), np.float32)
    return np.asarray(cv2.warpAffine(texture, shift, (640, 480), borderMode=cv2.BORDER_REFLECT), np.uint8)


def face(right: float = 0, down: float = 0) -> NDArray[np.float32]:
    return (mesh.head() * 110 + (320 + right, 200 + down, 0)).astype(np.float32)


def test_a_mesh_that_moves_with_the_picture_has_no_residual_displacement(texture: Image) -> None:
    displacement = steady.displacement(texture, moved(texture, 2.5, -1.25), face(), face(2.5, -1.25))
    assert np.abs(displacement).max() < 5e-4


def test_what_the_mesh_missed_is_told_in_eye_distances(texture: Image) -> None:
    displacement = steady.displacement(texture, moved(texture, 1.5, 0.5), face(), face(1.0, 1.0))
    np.testing.assert_allclose(displacement[:2] * 110, (0.5, -0.5), atol=0.06)


def test_pictures_that_do_not_tell_say_nothing(texture: Image) -> None:
    flat = np.full_like(texture, 90)
    other = np.ascontiguousarray(texture[::-1, ::-1])
    outside = face() + np.float32(5000)
    for before, now, where in ((flat, flat, face()), (texture, other, face()), (texture, texture, outside)):
        np.testing.assert_array_equal(steady.displacement(before, now, where, where), steady.NONE)


def test_tremble_goes_and_fast_movement_stays(texture: Image) -> None:
    random = np.random.default_rng(1)
    when = np.arange(24)
    path = np.stack([3.0 * when, 14 * np.exp(-0.5 * ((when - 12) / 1.5) ** 2)], axis=1)
    wrong = random.normal(0, 0.8, path.shape)
    pictures = [moved(texture, x, y) for x, y in path]
    meshes = np.stack([face(x + dx, y + dy) for (x, y), (dx, dy) in zip(path, wrong, strict=True)])
    displacements = [steady.NONE]
    displacements += [
        steady.displacement(pictures[k - 1], pictures[k], meshes[k - 1], meshes[k]) for k in when[1:]
    ]
    better = steady.steadied(meshes, np.stack(displacements))
    nose = mesh.NOSE_TIP
    left = better[:, nose, :2] - np.stack([face(x, y)[nose, :2] for x, y in path])
    assert np.diff(left, axis=0).std() < 0.25 * np.diff(wrong, axis=0).std()
    steps = np.diff(better[:, nose, 1])
    np.testing.assert_allclose(steps, np.diff(path[:, 1]), atol=0.8)


def test_a_talking_mouth_is_moved_only_as_a_whole() -> None:
    random = np.random.default_rng(2)
    meshes = np.repeat(face()[None], 20, axis=0)
    meshes[:, mesh.LOWER_LIP, 1] += random.uniform(0, 20, 20).astype(np.float32)
    displacements = np.zeros((20, 4))
    displacements[:, :2] = random.normal(0, 0.004, (20, 2))
    better = steady.steadied(meshes, displacements)
    np.testing.assert_allclose(mesh.aperture(better), mesh.aperture(meshes), atol=1e-5)
