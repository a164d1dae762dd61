"""A dub or a stem that is laid elsewhere than it was meant is told of; what may be chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from dubcli.artifacts.speech import Record, Region
from dubcli.cueing import fit


def spoken(seed: int, seconds: float, later: float = 0.0, jitter: float = 0.0, offset: float = 0.0) -> Record:
    """Lines and pauses of some seconds each, each up to `jitter` off."""
    lengths, moved = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    at, regions = 5.0, []
    while at < seconds:
        start, end = at, at + lengths.uniform(0.8, 4)
        at = end + lengths.uniform(0.7, 4)
        a, b = (float(x + later + moved.uniform(-jitter, jitter)) for x in (start, end))
        regions.append(Region(start=max(0.0, a), end=max(a, b)))
    return Record(engine="test", seconds=seconds, regions=tuple(regions), offset=offset)


@pytest.mark.parametrize(
    ("film", "dub", "offset"),
    [
        (spoken(1, 300), spoken(1, 300, 12, 0.3), "align.offset=-12.0"),
        (spoken(1, 300), spoken(1, 300, -2, 0.3), "align.offset=2.0"),
        (spoken(1, 3000), spoken(1, 3000, 30, 0.3, 10.0), "align.offset=-30.0"),
        (spoken(1, 300), spoken(1, 300, 0, 0.3), ""),
        (spoken(1, 300), spoken(1, 300, 0.3, 0.3), ""),
        (spoken(1, 40), spoken(1, 40, 5), ""),
        (Record(engine="test", seconds=3.0), spoken(1, 300), ""),
    ],
)
def test_a_dub_that_fits_elsewhere_is_told_of(film: Record, dub: Record, offset: str) -> None:
    told = fit.misplaced(film, dub)
    assert (offset in told) if offset else not told


def test_another_films_dub_does_not_fit_by_chance() -> None:
    assert not [seed for seed in range(2, 60) if fit.misplaced(spoken(1, 150), spoken(seed, 150))]


@pytest.mark.parametrize(
    ("stem", "told"),
    [
        (spoken(1, 300), ""), (Record(engine="test", seconds=300.0), "holds no speech"),
        (spoken(1, 250), "lasts 250.0 s and the dub 300.0 s"),
        (Record(engine="test", seconds=300.0, regions=(Region(start=0.0, end=4.0),)), "speaks where the dub"),
    ],
)  # fmt: skip
def test_a_stem_that_does_not_lie_over_its_dub_is_told_of(stem: Record, told: str) -> None:
    found = fit.misfit("ANNA", stem, spoken(1, 300))
    assert (told in found) if told else not found
