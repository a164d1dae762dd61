"""Occlusion masks of a lower face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face import occlusion, warp

SCALE = 110.0
SIZE = (240, 220)
MESH = (regions.head() * SCALE + np.array([120, 40, 0])).astype(np.float32)


def face(light: float = 1.0, seed: int = 0) -> NDArray[np.uint8]:
    """A synthetic face: skin with shading and noise, lips, a dark mouth."""
    rng = np.random.default_rng(seed)
    x = np.broadcast_to(np.arange(SIZE[0]), SIZE[::-1])
    shade = 1 - 0.25 * np.abs(x - 120) / 120
    picture = np.array([200, 150, 125]) * shade[..., None] * light + rng.normal(0, 3, (SIZE[1], SIZE[0], 3))
    out = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    cv2.fillPoly(out, [MESH[list(regions.LIPS_OUTER), :2].round().astype(np.int32)], (150, 70, 70))
    cv2.fillPoly(out, [MESH[list(regions.LIPS_INNER), :2].round().astype(np.int32)], (30, 20, 20))
    return out


@pytest.fixture(scope="module")
def appearance() -> occlusion.Appearance:
    rng = np.random.default_rng(9)
    return occlusion.fit(
        np.stack([occlusion.unwrapped(face(rng.uniform(0.6, 1.1), k), MESH) for k in range(40)])
    )


def test_a_face_without_occluder_has_an_empty_mask_in_any_light(appearance: occlusion.Appearance) -> None:
    for light in (0.5, 1.0, 1.2):
        assert not occlusion.estimate(occlusion.unwrapped(face(light, 77), MESH), appearance).any()


def test_coloured_light_is_no_occluder(appearance: occlusion.Appearance) -> None:
    tinted = (face(0.9, 5) * np.array([1.0, 0.8, 0.7])).astype(np.uint8)
    assert not occlusion.estimate(occlusion.unwrapped(tinted, MESH), appearance).any()


def test_a_microphone_in_front_of_the_chin_is_masked_where_it_is(appearance: occlusion.Appearance) -> None:
    picture = face(1.0, 3)
    cv2.circle(picture, (130, 180), 24, (20, 20, 22), -1)
    found = occlusion.estimate(occlusion.unwrapped(picture, MESH), appearance)
    nodes = warp.rest(MESH)
    drawn = occlusion.projected(found, nodes, warp.footprint(nodes, SIZE)) > 0.5
    assert drawn[175, 130]
    assert not drawn[175, 85]
    assert not drawn[110, 120]
    # Below the jaw, off the skin, the mask is extended.
    assert drawn[190, 130]


def test_a_hand_over_the_mouth_occludes_the_lips_too(appearance: occlusion.Appearance) -> None:
    picture = face(1.0, 4)
    picture[122:175, 50:190] = (90, 60, 120)
    found = occlusion.estimate(occlusion.unwrapped(picture, MESH), appearance)
    nodes = warp.rest(MESH)
    assert (occlusion.projected(found, nodes, warp.footprint(nodes, SIZE)) > 0.5)[132, 120]


def test_a_microphone_that_is_mostly_there_is_no_part_of_the_face() -> None:
    textures = []
    for k in range(40):
        picture = face(1.0, k)
        if k % 4:
            cv2.circle(picture, (130, 180), 24, (20, 20, 22), -1)
        textures.append(occlusion.unwrapped(picture, MESH))
    appearance = occlusion.fit(np.stack(textures))
    assert not occlusion.estimate(textures[0], appearance).any()
    assert (occlusion.estimate(textures[1], appearance) > 0.5).sum() > 20


def test_the_texture_is_the_same_for_large_and_small_faces() -> None:
    picture = face(1.0, 1)
    double = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    a = occlusion.unwrapped(picture, MESH).astype(float)
    b = occlusion.unwrapped(np.asarray(double), MESH * 2).astype(float)
    assert np.abs(a - b).mean() < 4


def test_pictures_of_16_bits_have_the_texture_of_8_bits() -> None:
    picture = face(1.0, 1)
    deep = picture.astype(np.uint16) * 257
    a, b = occlusion.unwrapped(picture, MESH).astype(int), occlusion.unwrapped(deep, MESH).astype(int)
    assert np.abs(a - b).max() <= 1


def test_the_light_of_a_face_is_the_light_of_its_skin() -> None:
    flat = np.stack([occlusion.unwrapped(face(0.5, 1), MESH), occlusion.unwrapped(face(1.0, 1), MESH)])
    light = occlusion.light(flat)
    assert np.allclose(light[1] / light[0], 2, atol=0.1)
