"""Moving a lower face."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import mask, warp
from dubcli.face import mesh as regions

SIZE = (320, 320)
MIDDLE = 0.80  # height of the mouth's line on the average head


def face(gap: float = 0.08, scale: float = 160.0) -> NDArray[np.float32]:
    """The average head in a picture of `SIZE`, with its lips that far apart, (478, 3) pixels."""
    points = regions.head().astype(np.float32).copy()
    mouth = list(regions.MOUTH)
    x, y = points[mouth, 0], points[mouth, 1] - MIDDLE
    now = points[regions.LOWER_LIP, 1] - points[regions.UPPER_LIP, 1]
    share = np.clip(1 - (x / 0.28) ** 2, 0, 1) * np.clip(1.06 - np.abs(y) / 0.5, 0, 1)
    points[mouth, 1] += np.sign(y) * share * (gap - now) / 2
    return points * np.float32(scale) + np.array([160, 40, 0], np.float32)


def drawn(
    source: NDArray[np.float32], wanted: NDArray[np.float32], picture: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """`picture` of the face `source`, moved to `wanted`."""
    nodes = warp.moved(source, wanted)
    labels = warp.footprint(nodes, SIZE)
    out = picture.copy()
    everywhere = np.ones(labels.shape, bool)
    colours, _ = warp.pull(picture, warp.affine(nodes, warp.rest(source)), labels, everywhere)
    out[everywhere] = colours
    return out


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)


def test_a_face_that_does_not_move_keeps_every_bit(picture: NDArray[np.uint8]) -> None:
    assert (drawn(face(), face()[:, :2], picture) == picture).all()


def test_no_teeth_slide_over_the_lips() -> None:
    source, wanted = face(0.14), face(0.02)
    picture, left = (
        np.where(mask.polygon(f[list(regions.LIPS_INNER), :2], SIZE)[..., None] > 0, 255, 60)
        .astype(np.uint8)
        .repeat(3, axis=2)
        for f in (source, wanted)
    )
    moved = drawn(source, wanted[:, :2], picture)
    assert (picture == 255).sum() > 2 * (left == 255).sum()
    assert ((moved > 200) & (left == 60)).sum() < 0.05 * (picture == 255).sum()


def test_an_opening_mouth_opens_as_far_as_is_wanted() -> None:
    source, wanted = face(0.04), face(0.16)
    inside = mask.polygon(source[list(regions.LIPS_INNER), :2], SIZE) > 0.5
    picture = np.where(inside[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    column = drawn(source, wanted[:, :2], picture)[:, 160, 0]
    assert abs((column > 128).sum() - 0.16 * 160) <= 1.5


def test_nothing_moves_beyond_the_rings(picture: NDArray[np.uint8]) -> None:
    wanted = face()[:, :2].copy()
    wanted[list(regions.MOUTH), 1] += 12
    moved = drawn(face(), wanted, picture)
    outline = warp.rest(face())[-len(regions.JAW) :]
    inside = mask.polygon(np.concatenate([outline, face()[[454, 234], :2] - (0, 60)]), SIZE) > 0
    assert (moved[~inside] == picture[~inside]).all()
    assert (moved != picture).any()


def test_movement_fades_without_a_fold_when_the_jaw_drops() -> None:
    source = face()
    wanted = source[:, :2].copy()
    wanted[list(regions.MOUTH), 1] += 0.2 * 160 * np.clip(source[list(regions.MOUTH), 1] / 250, 0, 1)
    nodes = warp.moved(source, wanted)
    corners = nodes[warp.lattice().triangles[warp.lattice().mouth :]].astype(float)
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    ring = warp.lattice().triangles[warp.lattice().mouth :].max(axis=1) >= regions.POINTS
    assert ((ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])[ring] > -1e-3).all()


def test_skin_turned_away_does_not_show() -> None:
    turned = regions.head().astype(np.float64)
    cos, sin = np.cos(1.0), np.sin(1.0)
    turned = turned @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    nodes = warp.rest((turned * 160 + (160, 40, 0)).astype(np.float32))
    shown = np.unique(warp.footprint(nodes, SIZE, turned[:, 2] * 160))
    corners = nodes[warp.lattice().triangles[shown[shown >= 0]]].astype(float)
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert (ab[:, 0] * ac[:, 1] > ab[:, 1] * ac[:, 0]).all()


def test_the_nose_covers_the_cheek_behind_it() -> None:
    turned = regions.head().astype(np.float64)
    cos, sin = np.cos(0.9), np.sin(0.9)
    turned = turned @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    nodes = warp.rest((turned * 160 + (160, 40, 0)).astype(np.float32))
    tip = (nodes[[regions.NOSE_TIP]] - 0.5).round().astype(int)[0]
    label = warp.footprint(nodes, SIZE, turned[:, 2] * 160)[tip[1], tip[0]]
    assert np.linalg.norm(nodes[warp.lattice().triangles[label]] - nodes[regions.NOSE_TIP], axis=1).max() < 20


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colours_are_put_where_they_belong_and_nowhere_else(kind: type[np.uint8] | type[np.uint16]) -> None:
    picture = np.arange(4 * 5 * 3, dtype=kind).reshape(4, 5, 3)
    where = np.zeros((4, 5), bool)
    where[1, 2:4] = where[3, 0] = True
    before, colours = picture.copy(), np.arange(200, 209, dtype=kind).reshape(3, 3)
    warp.put(picture, where, colours)
    assert (picture[where] == colours).all()
    assert (picture[~where] == before[~where]).all()
