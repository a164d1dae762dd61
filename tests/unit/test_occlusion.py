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


def held(k: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A face that sings into a microphone, held by a hand in changing light, and the microphone's middle."""
    picture = face(1.0, k)
    x, y = round(120 + 45 * np.sin(1.7 * k)), round(178 + 12 * np.cos(2.3 * k))
    hand = ((1 + 0.35 * np.sin(2.9 * k)) * np.array([200, 155, 135])).tolist()
    cv2.ellipse(picture, (x, y + 6), (110, 46), 0, 0, 360, hand, -1)
    cv2.circle(picture, (x, y), 22, (70, 68, 72), -1)
    return picture, (x, y)


def test_a_microphone_that_is_held_before_the_chin_all_the_time_is_no_part_of_the_face() -> None:
    pictures, middles = zip(*(held(k) for k in range(40)), strict=True)
    textures = np.stack([occlusion.unwrapped(picture, MESH) for picture in pictures])
    appearance, nodes = occlusion.fit(textures), warp.rest(MESH)
    labels = warp.footprint(nodes, SIZE)
    found = [
        occlusion.projected(occlusion.estimate(texture, appearance), nodes, labels)[y - 10, x] > 0.5
        for texture, (x, y) in zip(textures, middles, strict=True)
    ]
    assert np.mean(found) > 0.8
    free = occlusion.unwrapped(face(1.0, 50), MESH)
    assert not occlusion.estimate(free, appearance).any()


def fingers(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with two fingers of the colour of its skin before chin and lips, dark and red between."""
    out = picture.copy()
    cv2.line(out, (112, 215), (112, 148), (100, 55, 40), 12)
    for x in (98, 126):
        cv2.line(out, (x, 215), (x, 140), (230, 178, 152), 16)
    return out


def test_fingers_of_the_colour_of_skin_are_in_front_of_the_lips(appearance: occlusion.Appearance) -> None:
    for light in (0.8, 1.1):
        hand, free = (occlusion.unwrapped(p, MESH) for p in (fingers(face(light, 6)), face(light, 6)))
        masks = np.stack([occlusion.estimate(texture, appearance) for texture in (hand, free)])
        hidden, clear = occlusion.of_lips(masks)
        assert hidden > 0.1
        assert clear == 0


def test_a_fold_beside_the_mouth_is_no_finger(appearance: occlusion.Appearance) -> None:
    picture = face(1.0, 7).astype(np.float64)
    dark = np.zeros(picture.shape[:2], np.float32)
    cv2.line(dark, (80, 128), (72, 165), (1.0,), 9)
    picture *= 1 - cv2.GaussianBlur(dark, (0, 0), 3)[..., None] * np.array([0.15, 0.22, 0.28])
    assert not occlusion.estimate(occlusion.unwrapped(picture.astype(np.uint8), MESH), appearance).any()


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
