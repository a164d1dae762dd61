"""Pictures with square pixels, and back: faces are analysed and drawn where a circle is round.

A film whose samples are not square (DV, DVD, anamorphic) is stretched for everything that analyses
faces, so that no sample is lost; what is mixed into the film goes back to its own raster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream

Rect = tuple[int, int, int, int]
Patch = tuple[NDArray[Any], NDArray[Any], int, int]

_REACH = 5  # raster samples around a rectangle that the interpolation (Lanczos, 8 taps) needs


@dataclass(frozen=True)
class Square:
    """Conversion between a raster and its picture in square pixels.

    Attributes:
        raster: width and height of the raster.
        size: width and height of the picture in square pixels.
    """

    raster: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, video: VideoStream) -> Square:
        """The conversion for a film's picture."""
        return cls((video.width, video.height), video.square)

    @property
    def is_square(self) -> bool:
        """Whether the raster's own samples are square."""
        return self.raster == self.size

    @property
    def factor(self) -> tuple[float, float]:
        """Square pixels per raster sample, (across, down); never below 1."""
        return self.size[0] / self.raster[0], self.size[1] / self.raster[1]

    def cut(self, take: Callable[[Rect], NDArray[Any]], rect: Rect) -> NDArray[Any]:
        """A rectangle (h, w, 3) of the picture in square pixels.

        Args:
            take: gives a rectangle of the raster.
            rect: (x, y, width, height) inside the picture, in square pixels.
        """
        near, far = [], []
        for at, span, factor, full in zip(rect[:2], rect[2:], self.factor, self.raster, strict=True):
            near.append(max(0, int(at / factor) - _REACH))
            far.append(min(full, int((at + span) / factor) + 1 + _REACH))
        part = take((near[0], near[1], far[0] - near[0], far[1] - near[1]))
        fx, fy = self.factor
        # The centre of square pixel k is at (k + 0.5) / factor of the raster.
        way = np.array(
            [
                [1 / fx, 0, (rect[0] + 0.5) / fx - 0.5 - near[0]],
                [0, 1 / fy, (rect[1] + 0.5) / fy - 0.5 - near[1]],
            ]
        )
        how = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        out = cv2.warpAffine(part, way, rect[2:], flags=how, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(out)

    def to_raster(self, patch: Patch) -> Patch:
        """A patch in square pixels as one in the raster, each sample the mean of what it covers.

        Args:
            patch: RGB (h, w, 3) and mask (h, w), integers over their full scale, and the x and y of its
                first pixel.
        """
        if self.is_square:
            return patch
        rgb, mask, x, y = patch
        full = np.iinfo(mask.dtype).max
        weight = mask.astype(np.float32)
        colour = rgb.astype(np.float32) * weight[..., None]  # under a mask of 0 there is no colour
        origin = []
        for axis, (at, factor) in enumerate(zip((x, y), self.factor, strict=True)):
            if factor == 1:
                origin.append(at)
                continue
            first = int(np.floor(at / factor))
            shares = _overlaps(at, mask.shape[1 - axis], factor, first)
            weight = np.moveaxis(np.tensordot(shares, weight, (1, 1 - axis)), 0, 1 - axis)
            colour = np.moveaxis(np.tensordot(shares, colour, (1, 1 - axis)), 0, 1 - axis)
            origin.append(first)
        colour = np.divide(colour, weight[..., None], out=np.zeros_like(colour), where=weight[..., None] > 0)
        return (
            np.rint(np.clip(colour, 0, np.iinfo(rgb.dtype).max)).astype(rgb.dtype),
            np.rint(np.clip(weight, 0, full)).astype(mask.dtype),
            origin[0],
            origin[1],
        )


@lru_cache(maxsize=64)
def _overlaps(at: int, count: int, factor: float, first: int) -> NDArray[np.float32]:
    """How much of each raster sample (rows) each of `count` square pixels from `at` on fills, 0–1."""
    samples = int(np.ceil((at + count) / factor)) - first
    left = (first + np.arange(samples))[:, None] * factor
    pixels = at + np.arange(count)[None]
    overlap = np.minimum(left + factor, pixels + 1) - np.maximum(left, pixels)
    return np.asarray(np.clip(overlap, 0, None) / factor, np.float32)
