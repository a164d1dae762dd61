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
_SECOND_DIFFERENCE = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
_SLOPE_SIGMA = 2.0  # pixels (standard deviation) of a blur that removes grain and keeps a seam; set by hand


def luma(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Luma of (..., 3) RGB by BT.709, scaled to 0-1 where it comes as integers; (...) float32."""
    scale = np.iinfo(rgb.dtype).max if np.issubdtype(rgb.dtype, np.integer) else 1
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32) / np.float32(scale)
    return np.asarray(rgb.astype(np.float32) @ weights, np.float32)


def sharpness(picture: Picture, region: Region) -> float | None:
    """Strength of detail in a region: root mean square of the Laplacian.

    Sees a blurred mouth. Fooled by teeth and dark gaps, which are detail too: an open mouth is sharper than a
    closed one.
    """
    if np.count_nonzero(region) < FEWEST_PIXELS:
        return None
    near = _around(region)
    part = np.asarray(picture[near], np.float32)
    detail = cv2.Laplacian(part, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE)
    return float(np.sqrt(np.square(detail[region[near]]).mean()))


def grain(picture: Picture, region: Region) -> float | None:
    """Standard deviation of the grain in a region, in parts of full scale.

    Immerkaer, "Fast noise variance estimation", 1996: a kernel that is blind to smooth shading and straight
    edges; the median in place of the mean, so that lashes and stubble count little. Sees skin that was
    painted or averaged. Fooled by the quantisation of a compressed film, which has hardly any grain.
    """
    if np.count_nonzero(region) < FEWEST_PIXELS:
        return None
    near = _around(region)
    part = np.asarray(picture[near], np.float32)
    rest = cv2.filter2D(part, cv2.CV_32F, _SECOND_DIFFERENCE, borderType=cv2.BORDER_REPLICATE)
    return float(1.4826 * np.median(np.abs(rest[region[near]])) / 6)


def seam(before: Picture, after: Picture, mask: Picture) -> float | None:
    """Gradient of the change on the outer ring of the mask, over that of the source there.

    0 is none; from about 1 the seam is as strong as the edges of the source. Sees a hard edge between
    patch and source that differ. Fooled by a beard or a collar under the ring, whose edges hide more than one
    should.
    """
    ring = _ring(mask, 0.01, 0.3)
    if np.count_nonzero(ring) < FEWEST_PIXELS:
        return None
    source = np.asarray(before, np.float32)
    change_slope = _slope(np.asarray(after, np.float32) - source)[ring]
    source_slope = _slope(source)[ring]
    return float(np.percentile(change_slope, 95) / max(float(np.percentile(source_slope, 95)), 1 / 255))


def flicker(pictures: Picture) -> float | None:
    """Flicker within three frames: median over time of the mean second difference.

    Sees texture that jumps. Fooled by speech, which changes a mouth quickly: compare with the source. Blind
    to jumps in fewer than half of the frames.

    Args:
        pictures: (T, H, W) luma of consecutive, aligned frames.
    """
    if len(pictures) < 3:
        return None
    pictures = np.asarray(pictures, np.float64)
    second = np.abs(pictures[:-2] - 2 * pictures[1:-1] + pictures[2:]).mean(axis=(1, 2))
    return float(np.median(second))


def brightness(levels: NDArray[np.floating[Any]]) -> float | None:
    """Root mean square of the second difference of a brightness over time.

    Sees a gain that flickers, also in few frames. Fooled by light that flickers in the film, unless the
    source's level at the same place is taken off first.

    Args:
        levels: (T,) mean luma of a region in consecutive frames, NaN where it is not known.
    """
    second = np.diff(np.asarray(levels, np.float64), 2)
    second = second[np.isfinite(second)]
    return float(np.sqrt(np.mean(np.square(second)))) if len(second) else None


def ring_colour(before: NDArray[Any], patch: NDArray[Any], mask: Picture) -> float | None:
    """CIELAB distance (CIE 1976) of a patch's colour from the source's on the ring of the mask.

    The mean over eight sectors, of which each is averaged first, so that grain and small shifts do not count.
    Sees a patch of another light or skin; about 2 is just noticeable. Fooled where the jaw moves, so that the
    ring shows skin in one picture and background in the other: hence the median of the sectors.

    Args:
        before, patch: (H, W, 3) uint8 RGB; the patch before it is blended.
        mask: (H, W) 0-1.
    """
    ring = _ring(mask, 0.05, 0.6) & (mask > 0.05)  # elsewhere there is no patch
    if np.count_nonzero(ring) < FEWEST_PIXELS:
        return None
    y, x = np.nonzero(ring)
    sector = ((np.arctan2(y - y.mean(), x - x.mean()) / np.pi + 1) * 4).astype(int) % 8
    count = np.bincount(sector, minlength=8)
    kept = count >= FEWEST_PIXELS // 8
    means = []
    for picture in (before, patch):
        colours = picture[y, x].astype(np.float64) / 255
        sums = np.stack([np.bincount(sector, colours[:, k], 8) for k in range(3)], axis=1)
        means.append((sums[kept] / count[kept, None]).astype(np.float32))
    if not kept.any():
        return None
    lab = [cv2.cvtColor(one[None], cv2.COLOR_RGB2Lab)[0] for one in means]
    return float(np.median(np.linalg.norm(lab[0] - lab[1], axis=1)))


def difference(before: Picture, after: Picture, region: Region) -> float | None:
    """Mean absolute difference in a region, in parts of full scale.

    Sees a face or a background that changed where nothing should. Encoding alone makes a difference.
    """
    if np.count_nonzero(region) < FEWEST_PIXELS:
        return None
    return float(np.abs(np.asarray(after, np.float64) - before)[region].mean())


def changed_outside(before: NDArray[Any], after: NDArray[Any], mask: Picture) -> int:
    """Samples that differ where the mask is 0; any number of planes in the last axis; must be 0."""
    differs = before != after
    if differs.ndim > mask.ndim:
        differs = differs.any(axis=-1)
    return int(np.count_nonzero(differs & (mask <= 0)))


def _around(region: Region) -> tuple[slice, slice]:
    """Rows and columns of a region, with the pixel around it that filters of three reach."""
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    return np.s_[max(0, rows[0] - 1) : rows[-1] + 2, max(0, columns[0] - 1) : columns[-1] + 2]


def _ring(mask: Picture, low: float, high: float) -> Region:
    """Where a mask rises from `low` to `high`, and two pixels on either side: a hard edge has a ring too."""
    square = np.ones((5, 5), np.uint8)
    outer = cv2.dilate((mask > low).astype(np.uint8), square)
    inner = cv2.erode((mask >= high).astype(np.uint8), square)
    return np.asarray((outer > 0) & (inner == 0))


def _slope(picture: Any) -> NDArray[np.float32]:
    smooth = cv2.GaussianBlur(picture, (0, 0), _SLOPE_SIGMA, borderType=cv2.BORDER_REPLICATE)
    half = np.array([-0.5, 0, 0.5], np.float32)
    one = np.ones(1, np.float32)
    across = cv2.sepFilter2D(smooth, cv2.CV_32F, half, one, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(smooth, cv2.CV_32F, one, half, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.magnitude(across, down))
