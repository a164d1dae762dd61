"""Measures on pixels: does the patch match the film around it?

Pictures are luma, (H, W) or (T, H, W), in 0-1 of the film's own transfer function; regions are boolean, masks
0-1, both of the picture's size. A measure is None where there is too little to measure.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.floating[Any]]
Region = NDArray[np.bool_]

FEWEST_PIXELS = 64  # of a region that is measured; set by hand
_SECOND_DIFFERENCE = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float64)
_SLOPE_SIGMA = 2.0  # pixels (standard deviation) of a blur that removes grain and keeps a seam; set by hand


def luma(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Luma of (..., 3) RGB by BT.709, scaled to 0-1 where it comes as integers; (...) float32."""
    scale = np.iinfo(rgb.dtype).max if np.issubdtype(rgb.dtype, np.integer) else 1
    return np.asarray(rgb @ np.array([0.2126, 0.7152, 0.0722], np.float32) / scale, np.float32)


def sharpness(picture: Picture, region: Region) -> float | None:
    """Strength of detail in a region: root mean square of the Laplacian."""
    if np.count_nonzero(region) < FEWEST_PIXELS:
        return None
    detail = cv2.Laplacian(np.asarray(picture, np.float64), cv2.CV_64F, borderType=cv2.BORDER_REPLICATE)
    return float(np.sqrt(np.square(detail[region]).mean()))


def grain(picture: Picture, region: Region) -> float | None:
    """Standard deviation of the grain in a region, in parts of full scale.

    Immerkaer, "Fast noise variance estimation", 1996: a kernel that is blind to smooth shading and straight
    edges; the median in place of the mean, so that lashes and stubble count little.
    """
    if np.count_nonzero(region) < FEWEST_PIXELS:
        return None
    rest = cv2.filter2D(
        np.asarray(picture, np.float64), cv2.CV_64F, _SECOND_DIFFERENCE, borderType=cv2.BORDER_REPLICATE
    )
    return float(1.4826 * np.median(np.abs(rest[region])) / 6)


def seam(before: Picture, after: Picture, mask: Picture) -> float | None:
    """Gradient of the change on the outer ring of the mask, over that of the source there.

    0 is none; from about 1 the seam is as strong as the edges of the source.
    """
    ring = (mask > 0.01) & (mask < 0.3)
    if np.count_nonzero(ring) < FEWEST_PIXELS:
        return None
    change_slope = _slope(np.asarray(after, np.float64) - before)[ring]
    source_slope = _slope(np.asarray(before, np.float64))[ring]
    return float(np.percentile(change_slope, 95) / max(float(np.percentile(source_slope, 95)), 1 / 255))


def flicker(pictures: Picture) -> float | None:
    """Flicker within three frames: median over time of the mean second difference.

    Args:
        pictures: (T, H, W) luma of consecutive, aligned frames.
    """
    if len(pictures) < 3:
        return None
    pictures = np.asarray(pictures, np.float64)
    second = np.abs(pictures[:-2] - 2 * pictures[1:-1] + pictures[2:]).mean(axis=(1, 2))
    return float(np.median(second))


def changed_outside(before: NDArray[Any], after: NDArray[Any], mask: Picture) -> int:
    """Samples that differ where the mask is 0; any number of planes in the last axis; must be 0."""
    differs = before != after
    if differs.ndim > mask.ndim:
        differs = differs.any(axis=-1)
    return int(np.count_nonzero(differs & (mask <= 0)))


def _slope(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    smooth = cv2.GaussianBlur(picture, (0, 0), _SLOPE_SIGMA, borderType=cv2.BORDER_REPLICATE)
    down, across = np.gradient(smooth)
    return np.asarray(np.hypot(down, across))
