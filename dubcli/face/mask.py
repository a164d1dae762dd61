"""Blend masks of the new mouth: a region of lips and chin whose edge lies on smooth skin."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face.smooth import smoothstep

Floats = NDArray[np.floating[Any]]
Plane = NDArray[np.float32]

# Mesh points around the borrowed pixels: under the nose, outside the folds beside the mouth, over the jaw.
EDGE = (2, 326, 423, 427, 434, 430, 394, 395, 369, 396, 175, 171, 140, 170, 169, 210, 214, 207, 203, 97)


def polygon(points: Floats, size: tuple[int, int]) -> Plane:
    """Filled polygon (n, 2) of continuous pixels as (h, w) float32: 1 inside, 0 outside, antialiased."""
    plane = np.zeros((size[1], size[0]), np.uint8)
    fixed = np.round((np.asarray(points, np.float64) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(plane, [fixed.reshape(-1, 1, 2)], (255,), cv2.LINE_AA, 4)
    return plane.astype(np.float32) / np.float32(255)


def soften(plane: Plane, radius: float) -> Plane:
    """A region (h, w) feathered inwards: from 0 at its edge to 1 at `radius` pixels inside it."""
    inside = cv2.copyMakeBorder((plane > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return smoothstep(distance / np.float32(max(radius, 1.0)))


def spread(plane: Plane, radius: float) -> Plane:
    """A region (h, w) feathered outwards: from 1 at its edge to 0 at `radius` pixels outside it."""
    outside = (plane <= 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    return smoothstep(1 - distance / np.float32(max(radius, 1.0)))
