"""Words and logos over a lower face: sharp edges that stay where they are while the face moves under them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mask
from dubcli.face import mesh as regions
from dubcli.face.crop import Image
from dubcli.face.roi import eye_distance

LAG = 6  # frames between two pictures that are compared
# All set by hand on one clip with burnt-in words over a chin (median 0.06) and three without (0, one grainy).
SMALLEST = 0.01  # area, squares of the outer-eye distance, from which something is written there
_MOVED = 2.0  # pixels by which the face must have moved: what is sharp on it then changes
_SAME = 12  # of 255, by which what is written may change: codecs do that
_SHARP = 100  # of 255, contrast of what is written within 5 pixels; folds and beards have less
_LIPS_GROWN = 1.15  # the lips are left out: teeth are sharp, and a mouth may stay open


def area(earlier: Image, later: Image, before: NDArray[np.float32], now: NDArray[np.float32]) -> float | None:
    """Area of what is written over a lower face, squares of the outer-eye distance; None if it did not move.

    Args:
        earlier: picture, (H, W, 3).
        later: picture `LAG` frames later.
        before: (478, 3) mesh of the face in the earlier one.
        now: (478, 3) in the later one.
    """
    edge = list(mask.EDGE)
    moved = np.median(np.linalg.norm(now[edge, :2] - before[edge, :2], axis=1))
    height, width = later.shape[:2]
    left, top = np.maximum(now[edge, :2].min(axis=0).astype(int), 0).tolist()
    right, bottom = np.minimum(now[edge, :2].max(axis=0).astype(int) + 1, (width, height)).tolist()
    if moved < _MOVED or right - left < 1 or bottom - top < 1:
        return None
    box, corner, size = (slice(top, bottom), slice(left, right)), (left, top), (right - left, bottom - top)
    face = np.ones((size[1], size[0]), np.bool_)
    for points in (before[:, :2], now[:, :2]):
        lips = points[list(regions.LIPS_OUTER)]
        grown = lips.mean(axis=0) + _LIPS_GROWN * (lips - lips.mean(axis=0))
        face &= mask.polygon(points[edge] - corner, size) > 0.5
        face &= mask.polygon(grown - corner, size) < 0.5
    kernel = np.ones((5, 5), np.uint8)
    same = cv2.dilate(cv2.absdiff(earlier[box], later[box]).max(axis=2), kernel) <= _SAME
    grey = np.ascontiguousarray(later[box][..., 1])
    sharp = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, kernel) >= _SHARP
    return float((face & same & sharp).sum()) / eye_distance(now) ** 2
