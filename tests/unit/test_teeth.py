"""The inside of a mouth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.engines.lips import render
from dubcli.face import mesh as regions
from dubcli.face import teeth, warp
from tests.unit.test_warp import SIZE, face

UPPER, LOWER = regions.LIPS_INNER_UPPER, regions.LIPS_INNER_LOWER
MIDDLE = 160  # column of the picture through the middle of the mouth
TOOTH, DARK, SKIN = 220, 20, 120


def toothy(mesh: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A mouth with a row of teeth at each lip, each 0.3 of its height."""
    picture = np.full((*SIZE, 3), SKIN, np.uint8)
    down = np.arange(SIZE[1]) + 0.5
    for x in range(SIZE[0]):
        top, bottom = (np.interp(x + 0.5, *mesh[list(ring), :2].T) for ring in (UPPER, LOWER))
        inside = (down > top) & (down < bottom)
        gap = np.abs(down - (top + bottom) / 2) < 0.2 * (bottom - top)
        picture[inside, x] = TOOTH
        picture[inside & gap, x] = DARK
    return picture


def drawn(
    picture: NDArray[np.uint8], old: NDArray[np.float32], new: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The mouth of a face shown on the same face with another mouth: its middle column, grey levels."""
    layers = render.layers(render.Face(picture, new), new[:, :2], render.Face(picture, old))
    out = layers.base.copy()
    out[layers.box] = layers.reference
    return 255 * out[:, MIDDLE, 0]


def heights(column: NDArray[np.float32]) -> tuple[float, float]:
    """Pixels of tooth and of dark in a column."""
    return float((column > (TOOTH + SKIN) / 2).sum()), float((column < (DARK + SKIN) / 2).sum())


@pytest.mark.parametrize("gap", [0.20, 0.32])
def test_teeth_keep_their_height_when_lips_part_further_or_less(gap: float) -> None:
    old, new = face(0.26), face(gap)
    picture = toothy(old)
    tooth, dark = heights(picture[:, MIDDLE, 0].astype(np.float32))
    now = heights(drawn(picture, old, new))
    assert abs(now[0] - tooth) <= 0.06 * tooth + 1
    assert abs((now[1] - dark) - (gap - 0.26) * 160) <= 0.06 * tooth + 2


def test_a_mouth_full_of_teeth_opens_evenly() -> None:
    old, new = face(0.16), face(0.24)
    picture = np.full((*SIZE, 3), TOOTH, np.uint8)
    places, ask = asked(picture, old, new)
    top, bottom = (mesh[[regions.UPPER_LIP, regions.LOWER_LIP], 1] for mesh in (old, new))
    wanted = np.interp(ask[:, 1] + 0.5, bottom, top) - 0.5
    assert np.abs(places[:, 1] - wanted).max() < 0.1


def test_a_mouth_that_does_not_move_stays_where_it_is() -> None:
    mesh = face(0.2)
    places, ask = asked(toothy(mesh), mesh, mesh)
    assert np.abs(places - ask).max() < 0.01


def test_corners_stay_corners() -> None:
    """Positions are finite where columns have no length."""
    old, new = face(0.1), face(0.2)
    pixels = new[[UPPER[0], UPPER[-1]], :2] - np.float32(0.5)
    cell = np.array([0, len(UPPER) - 2])
    mouth = teeth.inside(new[:, :2] - 0.5, pixels, cell)
    places = teeth.origins(toothy(old), old[:, :2] - 0.5, mouth, 1.0)
    assert np.abs(places - (old[[UPPER[0], UPPER[-1]], :2] - 0.5)).max() < 0.5


def asked(
    picture: NDArray[np.uint8], old: NDArray[np.float32], new: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the middle column of the mouth comes from, and its pixels (n, 2)."""
    labels = warp.footprint(warp.rest(new), SIZE)
    cell = warp.lattice().cell[labels]
    rows = np.flatnonzero(cell[:, MIDDLE] >= 0)
    pixels = np.stack([np.full_like(rows, MIDDLE), rows], axis=1).astype(np.float32)
    mouth = teeth.inside(new[:, :2] - 0.5, pixels, cell[rows, MIDDLE])
    return teeth.origins(picture, old[:, :2] - 0.5, mouth, 1.0), pixels
