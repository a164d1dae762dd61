"""What covers a lower face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import cover, warp
from dubcli.face import mesh as regions

SCALE = 110.0
SIZE = (240, 220)
MESH = (regions.head() * SCALE + np.array([120, 40, 0])).astype(np.float32)


def face(light: float = 1.0, seed: int = 0) -> NDArray[np.uint8]:
    """A plain face: skin with shading and noise, lips, a dark mouth."""
    rng = np.random.default_rng(seed)
    x = np.broadcast_to(np.arange(SIZE[0]), SIZE[::-1])
    shade = 1 - 0.25 * np.abs(x - 120) / 120
    picture = np.array([200, 150, 125]) * shade[..., None] * light + rng.normal(0, 3, (SIZE[1], SIZE[0], 3))
    out = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    cv2.fillPoly(out, [MESH[list(regions.LIPS_OUTER), :2].round().astype(np.int32)], (150, 70, 70))
    cv2.fillPoly(out, [MESH[list(regions.LIPS_INNER), :2].round().astype(np.int32)], (30, 20, 20))
    return out


@pytest.fixture(scope="module")
def appearance() -> cover.Appearance:
    rng = np.random.default_rng(9)
    return cover.learn(np.stack([cover.unrolled(face(rng.uniform(0.6, 1.1), k), MESH) for k in range(40)]))


def test_a_bare_face_is_bare_in_any_light(appearance: cover.Appearance) -> None:
    for light in (0.5, 1.0, 1.2):
        assert not cover.covered(cover.unrolled(face(light, 77), MESH), appearance).any()


def test_coloured_light_covers_nothing(appearance: cover.Appearance) -> None:
    tinted = (face(0.9, 5) * np.array([1.0, 0.8, 0.7])).astype(np.uint8)
    assert not cover.covered(cover.unrolled(tinted, MESH), appearance).any()


def test_a_microphone_before_the_chin_is_found_where_it_is(appearance: cover.Appearance) -> None:
    picture = face(1.0, 3)
    cv2.circle(picture, (130, 180), 24, (20, 20, 22), -1)
    found = cover.covered(cover.unrolled(picture, MESH), appearance)
    nodes = warp.rest(MESH)
    drawn = cover.shown(found, nodes, warp.footprint(nodes, SIZE)) > 0.5
    assert drawn[175, 130]
    assert not drawn[175, 85]
    assert not drawn[110, 120]
    # Below the jaw, where skin is not judged, the microphone goes on.
    assert drawn[190, 130]


def test_a_hand_over_the_mouth_covers_the_lips_too(appearance: cover.Appearance) -> None:
    picture = face(1.0, 4)
    picture[122:175, 50:190] = (90, 60, 120)
    found = cover.covered(cover.unrolled(picture, MESH), appearance)
    nodes = warp.rest(MESH)
    assert (cover.shown(found, nodes, warp.footprint(nodes, SIZE)) > 0.5)[132, 120]


def test_a_microphone_that_is_mostly_there_is_no_part_of_the_face() -> None:
    textures = []
    for k in range(40):
        picture = face(1.0, k)
        if k % 4:
            cv2.circle(picture, (130, 180), 24, (20, 20, 22), -1)
        textures.append(cover.unrolled(picture, MESH))
    appearance = cover.learn(np.stack(textures))
    assert not cover.covered(textures[0], appearance).any()
    assert (cover.covered(textures[1], appearance) > 0.5).sum() > 20


def test_the_layout_is_the_same_for_large_and_small_faces() -> None:
    picture = face(1.0, 1)
    double = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    a = cover.unrolled(picture, MESH).astype(float)
    b = cover.unrolled(np.asarray(double), MESH * 2).astype(float)
    assert np.abs(a - b).mean() < 4


def test_deep_pictures_are_laid_flat_as_shallow_ones() -> None:
    picture = face(1.0, 1)
    deep = picture.astype(np.uint16) * 257
    a, b = cover.unrolled(picture, MESH).astype(int), cover.unrolled(deep, MESH).astype(int)
    assert np.abs(a - b).max() <= 1


def test_the_light_of_a_face_is_the_light_of_its_skin() -> None:
    flat = np.stack([cover.unrolled(face(0.5, 1), MESH), cover.unrolled(face(1.0, 1), MESH)])
    light = cover.light(flat)
    assert np.allclose(light[1] / light[0], 2, atol=0.1)
