"""Measures answer what they promise on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from dubcli.artifacts.phones import INDEX
from dubcli.quality import curves, pixels
from dubcli.speech import visemes


@pytest.fixture
def talk() -> NDArray[np.float64]:
    """Ten seconds of a talking mouth."""
    random = np.random.default_rng(1)
    curve = gaussian_filter1d(np.maximum(0, random.standard_normal(250)), 1.5)
    return np.asarray(0.2 * curve / curve.max())


@pytest.fixture
def skin() -> NDArray[np.float64]:
    """A smooth picture with grain of 0.02, (200, 200)."""
    random = np.random.default_rng(2)
    shade = gaussian_filter(random.standard_normal((200, 200)), 20)
    return np.asarray(0.5 + 0.2 * shade / np.abs(shade).max() + 0.02 * random.standard_normal((200, 200)))


@pytest.mark.parametrize("late", [-3, 0, 2])
def test_offset_finds_how_late_the_mouth_is(talk: NDArray[np.float64], late: int) -> None:
    got = np.roll(talk, late) + 0.002 * np.random.default_rng(0).standard_normal(len(talk))
    assert curves.offset(got, talk) == late


def test_correlation_ignores_size_and_articulation_measures_it(talk: NDArray[np.float64]) -> None:
    assert curves.correlation(0.3 * talk + 0.05, talk) == pytest.approx(1)
    assert curves.articulation(0.3 * talk + 0.05, talk) == pytest.approx(0.3)


def test_unknown_frames_are_left_out(talk: NDArray[np.float64]) -> None:
    got = talk.copy()
    got[50:90] = np.nan
    assert curves.correlation(got, talk) == pytest.approx(1)
    assert curves.motion(got) == pytest.approx(curves.motion(np.delete(talk, range(50, 90))), rel=0.1)


@pytest.mark.parametrize("curve", [np.full(100, 0.1), np.full(100, np.nan), np.linspace(0, 1, 5)])
def test_curves_without_information_have_no_figure(curve: NDArray[np.float64]) -> None:
    other = np.sin(np.arange(len(curve)))
    assert curves.correlation(curve, other) is None
    assert curves.offset(curve, other) is None


def test_closures_count_within_one_frame() -> None:
    aperture = np.full(60, 0.2) + 0.02 * np.sin(np.arange(60))
    closed = np.zeros(60)
    for at in (10, 25, 40):
        closed[at] = 1
    aperture[11] = aperture[25] = 0.0  # one late by a frame, one in time, one missed
    assert curves.closure_hits(aperture, closed) == pytest.approx(2 / 3)
    assert curves.closure_hits(aperture, np.zeros(60)) is None


def test_speech_calls_for_an_open_mouth_in_vowels_only() -> None:
    rows = np.zeros((300, len(visemes.VISEMES)), np.float32)
    rows[:, INDEX["PP"]] = 1
    rows[100:200] = 0
    rows[100:200, INDEX["aa"]] = 1
    want = curves.called_for(rows, np.array([0.5, 1.5, 2.5, 9.0]))
    assert want[1] > 0.8
    assert want[[0, 2, 3]].max() < 0.01


def test_blur_lowers_sharpness_and_grain(skin: NDArray[np.float64]) -> None:
    everywhere = np.ones(skin.shape, bool)
    soft = gaussian_filter(skin, 1)
    sharp, dull = pixels.sharpness(skin, everywhere), pixels.sharpness(soft, everywhere)
    assert sharp is not None
    assert dull is not None
    assert dull < 0.5 * sharp
    assert pixels.grain(skin, everywhere) == pytest.approx(0.02, rel=0.1)
    assert pixels.grain(soft, everywhere) == pytest.approx(0, abs=0.005)


def test_a_patch_of_another_brightness_shows_a_seam(skin: NDArray[np.float64]) -> None:
    y, x = np.mgrid[:200, :200]
    away = np.hypot(x - 100, y - 100)
    wide, hard = np.clip((80 - away) / 60, 0, 1), np.clip((80 - away) / 3, 0, 1)
    other = skin + 0.1
    soft_seam = pixels.seam(skin, skin + wide * (other - skin), wide)
    hard_seam = pixels.seam(skin, skin + hard * (other - skin), hard)
    assert pixels.seam(skin, skin, wide) == 0
    assert soft_seam is not None
    assert hard_seam is not None
    assert hard_seam > 4 * soft_seam


def test_flicker_sees_a_frame_that_jumps_and_not_a_steady_change(skin: NDArray[np.float64]) -> None:
    steady = np.stack([skin + 0.01 * t for t in range(20)])
    jumping = steady + 0.05 * (np.arange(20) % 2)[:, None, None]
    assert pixels.flicker(steady) == pytest.approx(0, abs=1e-9)
    assert pixels.flicker(jumping) == pytest.approx(0.1)


def test_samples_changed_outside_the_mask_are_counted() -> None:
    before = np.random.default_rng(3).integers(0, 255, (40, 40, 3), np.uint8)
    mask = np.zeros((40, 40))
    mask[10:20, 10:20] = 0.5
    after = before.copy()
    after[10:20, 10:20] += 1
    assert pixels.changed_outside(before, after, mask) == 0
    after[0, 0, 1] += 1
    after[30, 5] += 1
    assert pixels.changed_outside(before, after, mask) == 2


def test_luma_is_the_same_for_all_depths() -> None:
    rgb = np.random.default_rng(4).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    deep = rgb.astype(np.uint16) * 257
    assert pixels.luma(rgb) == pytest.approx(pixels.luma(deep), abs=1e-6)
    assert pixels.luma(rgb) == pytest.approx(pixels.luma(rgb.astype(np.float32) / 255), abs=1e-6)
