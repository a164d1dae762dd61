"""Where shots begin, by scores of change alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.media.shots import Scorer, Shot, detect
from dubcli.settings.config import SplitSettings

CUT = 60.0  # a change that is a cut, in grey levels


def scores(count: int) -> NDArray[np.float64]:
    """Of a film in which somebody moves a little, all the time."""
    return 2 + np.random.default_rng(3).random(count)


def test_a_lecture_of_an_hour_is_worked_on_in_parts() -> None:
    found = detect(scores(90_000), SplitSettings(), 25.0)
    assert found[0].start == 0
    assert found[-1].stop == 90_000
    assert all(a.stop == b.start for a, b in pairwise(found))
    assert all(1500 <= shot.stop - shot.start <= 3000 for shot in found)


@pytest.mark.parametrize("count", [2999, 3000])
def test_a_shot_that_is_not_too_long_stays_whole(count: int) -> None:
    assert detect(scores(count), SplitSettings(), 25.0) == [Shot(0, count)]


def test_a_long_shot_is_divided_where_it_is_calm() -> None:
    change = scores(500)
    change[[100, 400]] = CUT  # a shot of 300 frames
    change[230:260] = 0.1
    found = detect(change, SplitSettings(max_frames=200), 25.0)
    starts = [shot.start for shot in found]
    assert starts == [0, 100, starts[2], 400]
    assert 230 < starts[2] < 260


def test_a_part_is_never_a_few_frames() -> None:
    """A shot of one frame too many is halved, not cut at its last frame."""
    change = scores(3001)
    change[2900:] = 0
    first, last = detect(change, SplitSettings(), 25.0)
    assert first == Shot(0, last.start)
    assert last.stop == 3001
    assert 1500 <= first.stop <= 1501


def film(count: int, cuts: tuple[int, ...] = (), flashes: dict[int, int] | None = None) -> list[Shot]:
    """Shots of a film of noise that glides, cut and flashed (frame → frames that the flash lasts)."""
    noise = np.random.default_rng(5).integers(40, 140, (4, 90, 400, 3)).astype(np.uint8)
    noise = np.repeat(np.repeat(noise[:, ::9, ::9], 9, axis=1), 9, axis=2)[:, :90, :400]
    lit = {k + n for k, lasts in (flashes or {}).items() for n in range(lasts)}
    scorer = Scorer(25.0)
    for k in range(count):
        picture = noise[sum(cut <= k for cut in cuts), :, k : k + 160]
        scorer.add(np.minimum(picture.astype(np.int64) + 100 * (k in lit), 255).astype(np.uint8))
    return detect(np.array(scorer.scores), SplitSettings(), 25.0)


def test_a_flash_is_no_cut() -> None:
    assert film(120, flashes={30: 1, 60: 2, 90: 3}) == [Shot(0, 120)]


def test_a_cut_beside_a_flash_is_one() -> None:
    assert film(120, cuts=(40, 80), flashes={20: 1, 44: 1}) == [
        Shot(0, 40),
        Shot(40, 80),
        Shot(80, 120),
    ]


def test_a_strobe_cuts_nothing() -> None:
    assert film(120, cuts=(100,), flashes=dict.fromkeys(range(30, 60, 2), 1)) == [
        Shot(0, 100),
        Shot(100, 120),
    ]
