"""Warp of the inside of a mouth that keeps the height of teeth.

Lips further apart than in the reference frame show more of the dark between the teeth, not longer teeth:
those move with skull and jaw. So dark parts stretch or shrink with the aperture, and bright parts
keep their height. Columns join the upper lip with the lower one, point by point; two neighbours bound a cell,
and a position in it is bilinear: a share of the way across and one of the way down.
Constants are set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Points = NDArray[np.float32]

_LOWER, _UPPER = list(regions.LIPS_INNER_LOWER), list(regions.LIPS_INNER_UPPER)
_STEPS = 24  # segments of a column
_STIFFNESS = 0.1  # elasticity of bright segments, over that of black ones
_BRIGHT = 0.9  # quantile of luminance that counts as bright: teeth, or else tongue or lip
_SHORTEST = 0.1  # of its length, that a segment keeps at least
_TINY = 1e-6  # square pixels; keeps divisions finite


@dataclass(frozen=True)
class Inside:
    """Where in the wanted mouth pixels lie, whatever frame they are taken from.

    Attributes:
        at: (n,) number of the point of the columns' grid to the upper left of each.
        across: (n, 1) share of the way to the next column.
        down: (n, 1) share of the way to the next point of the column.
        height: length of all columns, pixels.
    """

    at: NDArray[np.int64]
    across: Points
    down: Points
    height: float


def inside(new: Floats, pixels: Points, cell: Integers) -> Inside:
    """Where pixels lie in a mouth; all positions in pixel-centre coordinates.

    Args:
        new: (478, 2) the target mesh.
        pixels: (n, 2) of the new picture, x and y.
        cell: (n,) the cell that each lies in, counted from the left.
    """
    across, down = _placed(new[_UPPER], new[_LOWER], pixels, cell)
    step = np.minimum(down * _STEPS, _STEPS - 1).astype(np.int64)
    at = step * len(_UPPER) + cell
    return Inside(at, across[:, None], (down * _STEPS - step)[:, None], _height(new))


def origins(picture: NDArray[Any], old: Floats, mouth: Inside, scale: float) -> Points:
    """Source positions (n, 2) of pixels inside the mouth; all positions in pixel-centre coordinates.

    Args:
        picture: the reference frame, (h, w, 3).
        old: (478, 2) its mesh.
        mouth: the pixels.
        scale: size of the target face over that of the reference.
    """
    upper, lower = (np.asarray(old[ring], np.float32) for ring in (_UPPER, _LOWER))
    share = _shares(picture, upper, lower, mouth.height / max(scale * _height(old), 1))[..., None]
    grid = (upper + share * (lower - upper)).reshape(-1, 2)
    above, below = (np.take(grid, k, axis=0) for k in (mouth.at, mouth.at + len(upper)))
    above += mouth.across * (np.take(grid, mouth.at + 1, axis=0) - above)
    below += mouth.across * (np.take(grid, mouth.at + len(upper) + 1, axis=0) - below)
    return np.asarray(above + mouth.down * (below - above), np.float32)


def _height(mesh: Floats) -> float:
    return float(np.linalg.norm(mesh[_LOWER] - mesh[_UPPER], axis=1).sum())


def _shares(picture: NDArray[Any], upper: Points, lower: Points, growth: float) -> Points:
    """Share of each reference column at regular steps of the target's, (_STEPS + 1, columns) 0–1.

    Args:
        picture: the reference frame.
        upper: (columns, 2) upper ends, from corner to corner.
        lower: (columns, 2) lower ends.
        growth: target length over reference length.
    """
    middle = ((np.arange(_STEPS, dtype=np.float32) + 0.5) / _STEPS)[:, None, None]
    points = upper + middle * (lower - upper)
    samples = cv2.remap(
        picture, points[..., 0], points[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    luminance = cv2.GaussianBlur(samples.mean(axis=2), (0, 0), 1, borderType=cv2.BORDER_REPLICATE)
    bright = np.sort(luminance, axis=None)[int(_BRIGHT * luminance.size)]
    elasticity = _STIFFNESS + (1 - _STIFFNESS) * np.clip(1 - luminance / max(bright, 1), 0, 1) ** 2
    length = np.maximum(1 + (growth - 1) * elasticity / elasticity.mean(axis=0), _SHORTEST)
    ends = np.vstack([np.zeros(len(upper)), np.cumsum(length / length.sum(axis=0), axis=0)])
    regular = np.linspace(0, 1, _STEPS + 1)
    return np.stack([np.interp(regular, end, regular) for end in ends.T], axis=1).astype(np.float32)


def _placed(upper: Floats, lower: Floats, points: Points, cell: Integers) -> tuple[Points, Points]:
    """Share of the way across its cell and of the way down, (n,) each, of points (n, 2)."""
    e, f = np.diff(upper, axis=0), (lower - upper)[:-1]
    g = np.diff(lower, axis=0) - e
    table = np.vstack([upper[:-1].T, e.T, f.T, g.T, -_cross(f.T, g.T), -_cross(f.T, e.T)]).astype(np.float32)
    a, b, ex, ey, fx, fy, gx, gy, square, linear = np.take(table, cell, axis=1)
    x, y = points[:, 0] - a, points[:, 1] - b
    # (x, y) = across e + down f + across down g without `across`: the root that is finite where g vanishes.
    linear = linear + _cross((x, y), (gx, gy))
    rest = _cross((x, y), (ex, ey))
    below = -linear - np.copysign(np.sqrt(np.maximum(linear**2 - 4 * square * rest, 0)), linear)
    down = np.clip(2 * rest / np.where(np.abs(below) > _TINY, below, 1), 0, 1)
    along = ex + down * gx, ey + down * gy
    across = (x - down * fx) * along[0] + (y - down * fy) * along[1]
    return np.clip(across / np.maximum(along[0] ** 2 + along[1] ** 2, _TINY), 0, 1), down


def _cross(a: Any, b: Any) -> Any:
    return a[0] * b[1] - a[1] * b[0]
