"""Joining two pictures of one face."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import blend, mask

Picture = NDArray[np.float32]


@pytest.fixture
def skin() -> Picture:
    rng = np.random.default_rng(1)
    grain = 0.03 * rng.standard_normal((90, 120, 3))
    return np.asarray(np.array([0.6, 0.45, 0.4]) + grain, np.float32)


def test_light_of_another_scene_is_brought_to_this_one(skin: Picture) -> None:
    other = skin * np.array([0.7, 0.9, 1.2], np.float32)
    gain = blend.light_field(skin, other, np.ones((90, 120), np.float32), 20)
    assert np.abs(blend.relight(other, gain) - skin).max() < 0.03


def test_light_is_judged_by_skin_alone(skin: Picture) -> None:
    other, weight = skin.copy(), np.ones((90, 120), np.float32)
    other[30:60, 40:80] = (1.0, 1.0, 1.0)  # teeth in one picture only
    weight[25:65, 35:85] = 0
    gain = blend.light_field(skin, other, weight, 20)
    assert np.abs(gain - 1).max() < 0.02


def test_without_any_skin_light_stays_as_it_is(skin: Picture) -> None:
    gain = blend.light_field(skin, skin, np.zeros((90, 120), np.float32), 20)
    assert np.isfinite(gain).all()
    assert np.abs(gain - 1).max() < 1e-3


def test_blending_a_picture_with_itself_changes_nothing(skin: Picture) -> None:
    region = np.zeros((90, 120), np.float32)
    region[20:70, 30:90] = 1
    assert np.abs(blend.bands(skin, skin, mask.soften(region, 8), 4) - skin).max() < 1e-6


def test_inside_the_mask_is_the_other_picture_and_far_outside_the_base(skin: Picture) -> None:
    other = np.roll(skin, 7, axis=0) * np.float32(1.05)
    region = np.zeros((90, 120), np.float32)
    region[15:75, 25:95] = 1
    joined = blend.bands(skin, other, mask.soften(region, 8), 3)
    assert np.abs(joined[40:50, 50:70] - other[40:50, 50:70]).max() < 0.02
    assert np.abs(joined[:, :8] - skin[:, :8]).max() < 1e-3


def test_a_step_of_light_becomes_a_slope(skin: Picture) -> None:
    flat = np.full_like(skin, 0.4)
    region = np.zeros((90, 120), np.float32)
    region[:, 40:] = 1
    row = blend.bands(flat, flat + 0.2, mask.soften(region, 10), 3)[45, :, 0]
    assert np.abs(np.diff(row)).max() < 0.03


def test_grain_is_strengthened_on_skin_and_nowhere_else(skin: Picture) -> None:
    where = np.zeros((90, 120), np.float32)
    where[:, :60] = 1
    before, after = skin[10:80, 10:50], blend.sharpened(skin, 1.3, where)[10:80, 10:50]
    ones = np.ones(before.shape[:2], np.float32)
    assert blend.detail(after, ones) / blend.detail(before, ones) == pytest.approx(1.3, abs=0.08)
    assert (blend.sharpened(skin, 1.3, where)[:, 60:] == skin[:, 60:]).all()
