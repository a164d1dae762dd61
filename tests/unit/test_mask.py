"""Where the new mouth shows."""

from __future__ import annotations

import numpy as np

from dubcli.face import mask

SQUARE = np.array([[20.5, 20.5], [80.5, 20.5], [80.5, 80.5], [20.5, 80.5]], np.float32)


def test_a_polygon_is_filled_where_its_points_are() -> None:
    plane = mask.polygon(SQUARE, (100, 90))
    assert plane.shape == (90, 100)
    assert plane[50, 50] == 1
    assert plane[50, 10] == 0
    assert abs(plane.sum() - 60 * 60) < 200


def test_a_softened_region_stays_within_itself_and_is_whole_inside() -> None:
    plane = mask.polygon(SQUARE, (100, 100))
    soft = mask.soften(plane, 10)
    assert (soft[plane == 0] == 0).all()
    assert soft[50, 50] == 1
    assert 0 < soft[50, 25] < 1
    assert (np.diff(soft[50, 20:40]) >= 0).all()


def test_a_region_that_reaches_the_border_ends_there() -> None:
    soft = mask.soften(np.ones((40, 40), np.float32), 8)
    assert soft[0].max() < 0.1
    assert soft[20, 20] == 1


def test_a_spread_region_is_whole_and_falls_to_nothing_outside() -> None:
    plane = mask.polygon(SQUARE, (100, 100))
    wide = mask.spread(plane, 10)
    assert (wide[plane > 0.5] == 1).all()
    assert wide[50, 5] == 0
    assert 0 < wide[50, 15] < 1
