"""The 478-point mesh from the 106 landmarks of 2d106det.

The average head is posed by the skull points and then deformed: the residuals of the landmarks are
interpolated over the mesh by a biharmonic spline, above and below the mouth separately, so that lips part.
Depth is that of the posed average head.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions

# The 68 points of iBUG's scheme (Sagonas et al. 2013) among the 106, and on the mesh.
IBUG = (
    1, 10, 12, 14, 16, 3, 5, 7, 0, 23, 21, 19, 32, 30, 28, 26, 17,  # jaw
    43, 48, 49, 51, 50, 102, 103, 104, 105, 101,  # brows
    72, 73, 74, 86, 78, 79, 80, 85, 84,  # nose
    35, 41, 42, 39, 37, 36, 89, 95, 96, 93, 91, 90,  # eyes
    52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55, 65, 66, 62, 70, 69, 57, 60, 54,  # lips
)  # fmt: skip
MESH = (
    127, 234, 132, 58, 172, 150, 149, 148, 152, 377, 378, 379, 397, 288, 361, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
# Numbers of points are those of insightface's 2d106det.
SKULL = (0, 16, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45)
UPPER_LIP, LOWER_LIP = (49, 50, 51, 52, 53, 61, 62, 63), (55, 56, 57, 58, 59, 65, 66, 67)

Floats = NDArray[np.floating[Any]]


def lifted(points: Floats) -> NDArray[np.float32]:
    """The mesh (478, 3) through landmarks (106, 2), in the same pixels."""
    marks = np.asarray(points, np.float64)[list(IBUG)]
    head = regions.head().astype(np.float64)
    posed = _posed(head, marks)
    posed[:, :2] += _spread() @ (marks - posed[list(MESH), :2])
    return posed.astype(np.float32)


def _posed(head: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The head (478, 3) where the skull's landmarks are: scaled orthography."""
    skull, observed = head[[MESH[k] for k in SKULL]], marks[list(SKULL)]
    centre, middle = skull.mean(axis=0), observed.mean(axis=0)
    free = np.linalg.lstsq(skull - centre, observed - middle, rcond=None)[0]
    left, sizes, right = np.linalg.svd(free, full_matrices=False)
    axes = left @ right
    rotation = np.column_stack([axes, np.cross(axes[:, 0], axes[:, 1])])
    posed = sizes.mean() * (head - centre) @ rotation
    return np.asarray(posed + np.append(middle, 0.0))


@lru_cache(maxsize=1)
def _spread() -> NDArray[np.float64]:
    """How much of each landmark's displacement each mesh point makes, (478, 68)."""
    from scipy.interpolate import RBFInterpolator

    head = regions.head()[:, :2].astype(np.float64)
    line = head[[regions.UPPER_LIP, regions.LOWER_LIP], 1].mean()
    out = np.zeros((regions.POINTS, len(MESH)))
    for below, other in ((False, LOWER_LIP), (True, UPPER_LIP)):
        own = [k for k in range(len(MESH)) if k not in other]
        field = RBFInterpolator(head[[MESH[k] for k in own]], np.eye(len(own)), kernel="linear", degree=1)
        here = np.flatnonzero((head[:, 1] > line) == below)
        out[here[:, None], own] = field(head[here])
    return out
