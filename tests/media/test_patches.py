"""Patches of a face: written without loss, read in order, some of them passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dubcli.artifacts.patches import pictures
from dubcli.media.patches import Patch, Patches, write

COUNT = 30
SHOT = "00000090"


def made(depth: int) -> Iterator[Patch]:
    chance, kind = np.random.default_rng(1), np.uint8 if depth == 8 else np.uint16
    picture = chance.integers(0, np.iinfo(kind).max, (48, 64, 3)).astype(kind)
    for index in range(COUNT):
        moved = np.roll(picture, index, axis=1)
        yield Patch(100 + index, (2 * index, 4), moved, np.full((48, 64), np.iinfo(kind).max, kind), 1.0)


@pytest.mark.parametrize("depth", [8, 10])
def test_patches_that_are_passed_over_change_nothing(tmp_path: Path, depth: int) -> None:
    video: Any = SimpleNamespace(width=640, height=360, bit_depth=depth)
    asked = np.arange(100, 100 + COUNT, dtype=np.int32)
    placement, _ = write(pictures(tmp_path), made(depth), asked, video)
    placement.save(tmp_path, SHOT)
    reader, found = Patches(tmp_path, SHOT), list(made(depth))
    for index in (100, 107, 108, 121, 129):
        placed = reader.at(index)
        assert placed is not None
        rgb, mask, x, y = placed
        patch = found[index - 100]
        assert np.array_equal(rgb, patch.rgb)
        assert np.array_equal(mask, patch.mask)
        assert (x, y) == patch.origin
    assert reader.at(130) is None
