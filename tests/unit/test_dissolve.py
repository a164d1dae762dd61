"""Dissolves: found where two pictures lie over each other, and taken for nothing else."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face.dissolve import dissolves, structure

Image = NDArray[np.uint8]
HEIGHT, WIDTH = 90, 160


@functools.cache
def scene(seed: int, width: int = WIDTH) -> NDArray[np.float64]:
    """A still scene (90, width, 3) of patches of light, in grey levels."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, width, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 4.5)
    return np.asarray(120 + 50 * blurred / blurred.std(), np.float64)


def found(pictures: list[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """Dissolves in pictures that get some grain."""
    random = np.random.default_rng(5)
    grainy = [(picture + random.normal(scale=3, size=picture.shape)).clip(0, 255) for picture in pictures]
    return dissolves(np.stack([structure(picture.astype(np.uint8)) for picture in grainy]))


def mixed(share: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Pictures of two scenes, the second one with these shares; someone moves in both."""
    one, two = scene(1), scene(2)
    out = []
    for k, part in enumerate(share):
        picture = (1 - part) * one + part * two
        left = 50 + round(7 * np.sin(k / 3))
        picture[30:55, left : left + 20] = scene(3)[30:55, 50:70]
        out.append(picture)
    return out


@pytest.mark.parametrize("length", [8, 12, 25, 50, 100])
def test_a_dissolve_is_found_where_it_is(length: int) -> None:
    frames = np.arange(200)
    ((start, stop),) = found(mixed(((frames - 50) / length).clip(0, 1)))
    share = 0.25 if length < 100 else 0.35  # of the fainter picture, outside of what is found
    assert 50 - length / 2 - 4 < start <= 50 + share * length
    assert 50 + (1 - share) * length <= stop < 50 + 1.5 * length + 4


def test_two_dissolves_are_two() -> None:
    share = np.interp(np.arange(160), [40, 60, 100, 120], [0, 1, 1, 0])
    assert len(found(mixed(share))) == 2


def test_cuts_fades_pans_and_light_are_none() -> None:
    frames = np.arange(120)
    wide = scene(1, 3 * WIDTH)
    fade = [scene(1) * np.clip(k / 25, 0, 1) for k in frames]
    assert found(fade) == []
    assert found(mixed((frames >= 50).astype(float))) == []
    for speed in (1, 2):
        assert found([wide[:, speed * k : speed * k + WIDTH] for k in frames]) == []
    light = [scene(1) * np.interp(k, [30, 60], [0.5, 1.2]) for k in frames]
    assert found(light) == []
    blank = [np.full((HEIGHT, WIDTH, 3), 16.0 + k) for k in frames]
    assert found(blank) == []


def test_a_short_shot_has_none() -> None:
    assert dissolves(np.zeros((3, 64 * 36), np.float32)) == []
