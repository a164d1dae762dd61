"""Regions of interest: squares around a face, and the maps from the picture into them and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face import pose

MARGIN = 1.5  # side of the square over the extent of the face; that of MediaPipe's face mesh


@dataclass(frozen=True)
class Roi:
    """A region of interest: a turned square in the picture around a face.

    Attributes:
        centre: (2,) pixels.
        side: pixels.
        angle: radians, clockwise as seen; the direction of the face's own x axis.
    """

    centre: NDArray[np.float64]
    side: float
    angle: float

    def scaled(self, factor: float) -> Roi:
        """The same square, larger or smaller."""
        return Roi(self.centre, self.side * factor, self.angle)

    def into(self, side: int) -> NDArray[np.float64]:
        """The similarity (2, 3) from raster pixels to those of the square cut out at `side` by `side`."""
        k = side / self.side
        c, s = np.cos(self.angle) * k, np.sin(self.angle) * k
        matrix = np.array(((c, s, 0.0), (-s, c, 0.0)))
        matrix[:, 2] = side / 2 - matrix[:, :2] @ self.centre
        return matrix


def apply(matrix: NDArray[np.float64], points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Points (..., 2) through a similarity (2, 3)."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def undo(matrix: NDArray[np.float64], points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Points (..., 2) back through a similarity (2, 3), whose inverse is its scaled transpose."""
    scale = float((matrix[0, :2] ** 2).sum())
    return np.asarray((points - matrix[:, 2]) @ matrix[:, :2] / scale, np.float64)


def roi_of(mesh: NDArray[np.float32], previous: NDArray[np.float32] | None = None) -> Roi:
    """Region of interest of a face in the next picture, from its mesh in this one and in the previous one.

    It depends on the skull points only, so an opening mouth does not move it.
    """
    average = regions.head()
    fitted = pose.canonical_transform(mesh[None], average)
    posed = pose.from_canonical(average, fitted)[0, :, :2].astype(np.float64)
    axis = fitted.rotation[0, 0]
    angle = float(np.arctan2(axis[1], axis[0]))
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    flat = posed @ turn
    low, high = flat.min(axis=0), flat.max(axis=0)
    centre = turn @ ((low + high) / 2)
    if previous is not None:
        skull = list(regions.RIGID)
        centre = centre + (mesh[skull, :2] - previous[skull, :2]).mean(axis=0)
    return Roi(centre, MARGIN * float((high - low).max()), angle)


def portrait(mesh: NDArray[np.float32]) -> Roi:
    """The square of the upright picture that is kept of a face."""
    return roi_of(mesh).scaled(0.8)


def distance(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Mean distance of two meshes in the picture, over the larger outer-eye distance."""
    apart = np.linalg.norm(one[:468, :2] - two[:468, :2], axis=1).mean()
    return float(apart / max(eye_distance(one), eye_distance(two), 1e-6))


def eye_distance(mesh: NDArray[np.float32]) -> float:
    """Distance between the outer eye corners in pixels, with depth: a turned head keeps its size."""
    return float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))
