"""Bars: what of a picture is none, because a letterbox, a pillarbox or a strip of graphics lies there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, right, bottom

_FLAT = 10 / 255  # of full scale; bars that were encoded vary by less, skin and cloth by more: set by hand
_EDGE = 2  # samples beside a bar that scaling and chroma mix with it; set by hand
_LOOKED = 240  # samples of a row, or of a column, that are looked at in a large picture


def between(plane: NDArray[Any], at: tuple[int, int], full: int) -> Box:
    """The box around a place that ends at the next bars, or at the border.

    A bar is a row or column of one colour all along. What is of one colour at the place itself has none.

    Args:
        plane: (h, w) samples of one component.
        at: x and y, inside the plane.
        full: the largest sample that is possible.
    """
    down, across = (max(1, size // _LOOKED) for size in plane.shape)
    rows, columns = (
        part.max(axis=axis).astype(int) - part.min(axis=axis) <= _FLAT * full
        for part, axis in ((plane[:, ::across], 1), (plane[::down], 0))
    )
    if rows[at[1]] or columns[at[0]]:
        return 0, 0, len(columns), len(rows)
    left, right = _between(columns, at[0])
    top, bottom = _between(rows, at[1])
    return left, top, right, bottom


def _between(flat: NDArray[np.bool_], at: int) -> tuple[int, int]:
    """The half-open range around `at` that ends at the next place that is flat."""
    earlier, later = np.flatnonzero(flat[:at]), np.flatnonzero(flat[at:])
    start = min(int(earlier[-1]) + 1 + _EDGE, at) if len(earlier) else 0
    stop = max(at + int(later[0]) - _EDGE, at + 1) if len(later) else len(flat)
    return start, stop
