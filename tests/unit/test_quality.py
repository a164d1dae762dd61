"""Measures answer what they promise on cases whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from dubcli.quality import curves, pixels


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
    assert curves.offset(got, talk) == pytest.approx(late, abs=0.2)


def test_offset_finds_parts_of_a_frame_and_bridges_gaps(talk: NDArray[np.float64]) -> None:
    at = np.arange(len(talk), dtype=float)
    got = np.interp(at - 2.5, at, talk)
    got[80:140] = np.nan
    assert curves.offset(got, talk) == pytest.approx(2.5, abs=0.25)


@pytest.mark.parametrize("late", [-0.08, 0.0, 0.04])
def test_closure_lag_finds_how_late_lips_close(late: float) -> None:
    seconds = np.arange(150) / 25
    sounds = np.array([1.0, 2.2, 3.1, 4.6])
    aperture = np.full(150, 0.2)
    for sound in sounds + late:
        aperture -= 0.2 * np.exp(-(((seconds - sound) / 0.05) ** 2))
    lag, count = curves.closure_lag(aperture, seconds, sounds)
    assert lag == pytest.approx(late, abs=0.015)
    assert count == 4
    assert curves.closure_lag(aperture, seconds, sounds[:2]) == (None, 2)


def test_tremble_grows_with_shaking_lips_and_not_with_speech(talk: NDArray[np.float64]) -> None:
    shaking = [talk + s * np.sin(2 * np.pi * 10 * np.arange(250) / 25) for s in (0.0, 0.004, 0.01, 0.02)]
    found = [curves.tremble(curve, 25) or 0.0 for curve in shaking]
    assert found == sorted(found)
    assert found[3] == pytest.approx(0.02 / np.sqrt(2), rel=0.2)
    slow = 0.1 * np.sin(2 * np.pi * 3 * np.arange(250) / 25)
    assert curves.tremble(slow, 25) == pytest.approx(0, abs=0.004)
    assert curves.tremble(slow, 15) is None


def test_correlation_ignores_size_and_articulation_measures_it(talk: NDArray[np.float64]) -> None:
    assert curves.correlation(0.3 * talk + 0.05, talk) == pytest.approx(1)
    assert curves.articulation(0.3 * talk + 0.05, talk) == pytest.approx(0.3)


def test_a_mouth_that_is_wrong_for_half_a_second_does_not_follow_its_target(
    talk: NDArray[np.float64],
) -> None:
    moving = next(k for k in range(25, 200) if talk[k : k + 12].std() > 0.03)
    for wrong in (2 * talk[moving : moving + 12].mean() - talk[moving : moving + 12], talk[moving]):
        got = talk.copy()
        got[moving : moving + 12] = wrong
        assert (curves.correlation(got, talk) or 0) > 0.8
        assert (curves.follows(got, talk, 25) or 0) < 0.3
    assert curves.follows(0.3 * talk + 0.05, talk, 25) == pytest.approx(1)
    assert curves.follows(talk[:9], talk[:9], 25) is None
    still = talk.copy()
    still[50:100] = 0.1 + 0.002 * np.sin(np.arange(50))
    assert curves.follows(np.where(still == talk, talk, 0.1), still, 25) == pytest.approx(1, abs=0.01)


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
    assert curves.closures(aperture, closed) == (2, 3)
    assert curves.closures(aperture, np.zeros(60)) == (0, 0)


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


def test_a_hard_edge_is_a_seam_the_stronger_the_more_the_patch_differs(skin: NDArray[np.float64]) -> None:
    y, x = np.mgrid[:200, :200]
    mask = (np.hypot(x - 100, y - 100) < 70).astype(float)
    found = [pixels.seam(skin, skin + mask * gain, mask) for gain in (0.0, 0.02, 0.06, 0.12)]
    assert found == sorted(found, key=lambda value: value or 0)
    assert found[0] == 0
    assert (found[3] or 0) > 3 * (found[1] or 0) > 0


@pytest.mark.parametrize("hard", [False, True])
def test_another_colour_on_the_ring_is_measured_in_lab(hard: bool) -> None:
    y, x = np.mgrid[:200, :200]
    away = np.hypot(x - 100, y - 100)
    mask = np.clip((80 - away) / (1 if hard else 30), 0, 1)
    grain = np.random.default_rng(5).integers(-6, 7, (200, 200, 1))
    before = (np.full((200, 200, 3), (180, 140, 120)) + grain).astype(np.uint8)
    found = [
        pixels.ring_colour(before, (before * (1 + k, 1.0, 1 - k)).clip(0, 255).astype(np.uint8), mask)
        for k in (0.0, 0.03, 0.08)
    ]
    assert found == sorted(found, key=lambda value: value or 0)
    assert found[0] == 0
    assert 5 < (found[2] or 0) < 12


def test_brightness_sees_a_gain_that_flickers_and_not_one_that_drifts() -> None:
    drift = np.linspace(0.4, 0.6, 60)
    found = [pixels.brightness(drift + s * (-1.0) ** np.arange(60)) for s in (0.0, 0.005, 0.02)]
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[1:] == pytest.approx([0.02, 0.08])


def test_flicker_sees_a_frame_that_jumps_and_not_a_steady_change(skin: NDArray[np.float64]) -> None:
    steady = np.stack([skin + 0.01 * t for t in range(20)])
    jumping = steady + 0.05 * (np.arange(20) % 2)[:, None, None]
    assert pixels.flicker(steady) == pytest.approx(0, abs=1e-9)
    assert pixels.flicker(jumping) == pytest.approx(0.1)


def test_each_measure_ranks_the_defect_it_is_made_for(
    talk: NDArray[np.float64], skin: NDArray[np.float64]
) -> None:
    """Five strengths each, from none on; those of whole faces stand in test_measure.py."""
    everywhere, strengths = np.ones(skin.shape, bool), (0.0, 0.1, 0.3, 0.6, 1.0)
    other = np.roll(talk[::-1], 40)
    blink = (np.arange(12) % 2)[:, None, None]
    found = {
        "detail that a blur takes": [-_of(pixels.sharpness, skin, everywhere, 2 * s) for s in strengths],
        "grain that a blur takes": [-_of(pixels.grain, skin, everywhere, 2 * s) for s in strengths],
        "texture that flickers": [pixels.flicker(skin + 0.1 * s * blink) for s in strengths],
        "a face that changed": [pixels.difference(skin, skin + 0.1 * s, everywhere) for s in strengths],
        "a mouth that freezes": [-(curves.articulation((1 - s) * talk, talk) or 0) for s in strengths],
        "a mouth that says something else": [
            -(curves.correlation((1 - s) * talk + s * other, talk) or 0) for s in strengths
        ],
    }
    for defect, values in found.items():
        assert np.all(np.diff(np.array(values, float)) > 0), defect


def _of(measure: Any, skin: NDArray[np.float64], region: NDArray[np.bool_], sigma: float) -> float:
    return float(measure(gaussian_filter(skin, sigma) if sigma else skin, region))


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
