"""Crops of a picture for a tracker's networks, and the colours and sharpness measured in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face.roi import Roi

Image = NDArray[np.uint8]

COLOUR_SIDE = 48  # pixels of a side of the crop that skin colours are sampled from; set by hand


@dataclass(frozen=True)
class Reduced:
    """A part of a picture, made smaller by averaging: `pixels * factor + low` is in the picture."""

    image: Any
    low: NDArray[np.float64]
    factor: int

    def cut(self, roi: Roi, side: int) -> tuple[Image, NDArray[np.float64]]:
        """The square as an upright picture of `side` pixels, and the (2, 3) map from raster to its pixels.

        Outside the picture it is black.
        """
        to_crop = roi.into(side)
        here = to_crop.copy()
        here[:, 2] += to_crop[:, :2] @ self.low
        here[:, :2] *= self.factor
        here[:, 2] += here[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the centre of the first pixel
        crop: Any = cv2.warpAffine(self.image, here, (side, side), flags=cv2.INTER_LINEAR)
        return crop, to_crop


def reduced(rgb: Image, roi: Roi, side: int) -> Reduced:
    """Surroundings of a region of interest, small enough to cut `side` pixels from them without aliasing."""
    times = halvings(roi.side / side)
    factor = 1 << times
    height, width = rgb.shape[:2]
    if not times or min(height, width) < factor:
        return Reduced(rgb, np.zeros(2), 1)
    reach = 0.9 * roi.side  # half a diagonal of the largest view, moved
    low = np.clip(np.floor(roi.centre - reach), 0, (width - factor, height - factor)).astype(int)
    high = np.clip(np.ceil(roi.centre + reach), low + factor, (width, height)).astype(int)
    image = halved(rgb[low[1] : high[1], low[0] : high[0]], times)
    return Reduced(image, low.astype(np.float64), factor)


def halvings(factor: float) -> int:
    """How often to halve a picture that is wanted smaller by a factor; the rest is between 0.71 and 1.41."""
    return round(math.log2(max(factor, 1.0)))


def halved(picture: NDArray[Any], times: int) -> NDArray[Any]:
    """Picture (h, w) or (h, w, 3) whose pixels are means of squares of `2 ** times`; the rest is cut off.

    OpenCV averages two by two in a twentieth of the time that any other factor takes.
    """
    for _ in range(times):
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        even = picture[: 2 * height, : 2 * width]
        picture = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    return picture


def to_raster(roi: Roi, turn: int, width: int, height: int) -> Roi:
    """Region in the raster, from one in the upright picture (`width` by `height`, `turn` quarter turns)."""
    x, y = roi.centre
    turned = ((x, y), (y, width - x), (width - x, height - y), (height - y, x))[turn]
    return Roi(np.array(turned), roi.side, roi.angle - turn * np.pi / 2)


def colours(crop: Image, points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Skin colours at the mesh points of a square crop, (468, 3), each the mean of some pixels."""
    small = cv2.resize(crop, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    x, y = (points[:468, :2] * (COLOUR_SIDE / len(crop)) - 0.5).astype(np.float32).T
    return np.asarray(cv2.remap(small, x[None], y[None], cv2.INTER_LINEAR)[0], np.uint8)


def sharpness(rgb: Image, mesh: NDArray[np.float32]) -> float:
    """Energy of the finest detail around the mouth over its contrast, at the picture's own resolution."""
    lips = mesh[list(regions.LIPS_OUTER), :2]
    low, high = lips.min(axis=0), lips.max(axis=0)
    room = 0.3 * (high - low).max()
    height, width = rgb.shape[:2]
    x0, y0 = np.clip(low - room, 0, (width - 3, height - 3)).astype(int)
    x1, y1 = np.clip(high + room, (x0 + 3, y0 + 3), (width, height)).astype(int)
    grey = cv2.cvtColor(rgb[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean() / (grey.std() + 4.0))


def starts(length: int, side: int) -> list[int]:
    """Starts of tiles of `side` that span `length` and overlap by at least a third."""
    count = max(1, int(np.ceil((length - side) / (side * 2 / 3))) + 1)
    return [round(k * (length - side) / max(count - 1, 1)) for k in range(count)] if length > side else [0]


def tiled(picture: Image, side: int) -> Iterator[tuple[Image, int, int]]:
    """Overlapping tiles of a picture with their left and top; none where one would be nearly all of it."""
    height, width = picture.shape[:2]
    if max(height, width) > 1.2 * side:
        for top in starts(height, side):
            for left in starts(width, side):
                yield picture[top : top + side, left : left + side], left, top


def without_overlap(found: list[tuple[float, Roi]]) -> list[tuple[float, Roi]]:
    """Non-maximum suppression: of regions around one face that of the highest score stays."""
    kept: list[tuple[float, Roi]] = []
    for score, roi in sorted(found, key=lambda pair: (-pair[0], pair[1].centre[0], pair[1].centre[1])):
        apart = [np.abs(roi.centre - other.centre).max() / max(roi.side, other.side) for _, other in kept]
        if all(d > 0.3 for d in apart):
            kept.append((score, roi))
    return kept
