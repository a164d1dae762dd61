"""Stabilisation of meshes by optical flow, without smoothing of real movement.

A mesh is unbiased but jitters by a few thousandths of the face. Optical flow of the skin over the skull is
far more exact between two frames, but drifts. So the difference of the two is integrated over time and its
high-pass part taken out of the mesh: real movement, however fast, stays.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.face import mesh as regions
from dubcli.face.crop import Image, halved, halvings

Displacement = NDArray[np.float64]

FLOW_EYES = (
    112.0  # pixels between the outer eye corners to which larger faces are halved, nearly; set by hand
)
DRIFT = 6.0  # frames (standard deviation); slower errors are drift of the flow; set by hand
NONE: Displacement = np.zeros(4)


def displacement(
    previous: Image, current: Image, previous_mesh: NDArray[np.float32], mesh: NDArray[np.float32]
) -> Displacement:
    """Residual displacement of the skull between two pictures: optical flow less the movement of the meshes.

    Returns:
        (4,): shift right and down at the mouth in outer-eye distances, growth, turn in radians clockwise;
        zeros where the flow is not reliable.
    """
    points = _skin()
    old, new = previous_mesh[points, :2].astype(np.float64), mesh[points, :2].astype(np.float64)
    eyes = float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))
    if eyes < 4:
        return NONE
    both = np.concatenate([old, new])
    border = current.shape[1], current.shape[0]
    low = np.clip(np.floor(both.min(axis=0) - 0.3 * eyes), 0, border).astype(int)
    high = np.clip(np.ceil(both.max(axis=0) + 0.3 * eyes), 0, border).astype(int)
    if (high - low).min() < 16:
        return NONE
    times = halvings(eyes / FLOW_EYES)
    factor = 0.5**times
    one, two = (_grey(picture[low[1] : high[1], low[0] : high[0]], times) for picture in (previous, current))
    start = ((old - low) * factor - 0.5).astype(np.float32)
    guess = ((new - low) * factor - 0.5).astype(np.float32)
    window = max(9, int(0.25 * eyes * factor)) | 1
    found, good = _flow(one, two, start, guess, window)
    back, back_good = _flow(two, one, found, start, window)
    reliable = good & back_good & (np.abs(back - start).max(axis=1) < 0.3)
    if reliable.sum() < 12:
        return NONE
    residual = (found - guess)[reliable] / factor / eyes
    mouth = mesh[list(regions.LIPS_OUTER), :2].mean(axis=0)
    return _similarity((new[reliable] - mouth) / eyes, residual)


def steadied(mesh: NDArray[np.float32], displacements: NDArray[np.float64]) -> NDArray[np.float32]:
    """Meshes (T, 478, 3) of consecutive frames without jitter; row 0 of `displacements` (T, 4) is unused."""
    if len(mesh) < 3:
        return mesh
    path = np.cumsum(np.vstack([NONE, displacements[1:]]), axis=0)
    fast = path - ndimage.gaussian_filter1d(path, DRIFT, axis=0, mode="nearest")
    mouth = mesh[:, list(regions.LIPS_OUTER), :2].mean(axis=1, keepdims=True)
    eyes = np.linalg.norm(mesh[:, regions.EYE_LEFT] - mesh[:, regions.EYE_RIGHT], axis=1)[:, None, None]
    offset = mesh[:, :, :2] - mouth
    right, down, growth, turn = (fast[:, k, None] for k in range(4))
    x = offset[..., 0] * growth - offset[..., 1] * turn
    y = offset[..., 0] * turn + offset[..., 1] * growth
    out = mesh.copy()
    out[..., :2] += eyes * np.stack([right, down], axis=-1) + np.stack([x, y], axis=-1)
    return out


def _similarity(points: NDArray[np.float64], residual: NDArray[np.float64]) -> Displacement:
    """Robust fit of `residual` (n, 2) at `points` by shift, growth and turn about 0 (Welsch weights)."""
    x, y = points.T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([one, none, x, -y], axis=1), np.stack([none, one, y, x], axis=1)])
    wanted = residual.T.reshape(-1)
    weight = np.ones_like(wanted)
    ridge = np.diag([0.0, 0.0, 0.5, 0.5])  # prior towards no growth and no turn
    answer = NONE
    for _ in range(4):
        weighted = rows * weight[:, None]
        answer = np.linalg.solve(weighted.T @ rows + ridge, weighted.T @ wanted)
        rest = wanted - rows @ answer
        spread = max(1.48 * float(np.median(np.abs(rest))), 1e-4)
        weight = np.exp(-0.5 * (rest / (2 * spread)) ** 2)
    return np.asarray(answer, np.float64) if np.abs(answer).max() < 0.15 else NONE


def _flow(
    one: Image, two: Image, start: NDArray[np.float32], guess: NDArray[np.float32], window: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    found, good, _ = cv2.calcOpticalFlowPyrLK(
        one,
        two,
        start[:, None],
        guess[:, None].copy(),
        winSize=(window, window),
        maxLevel=1,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01),
    )
    return np.asarray(found[:, 0], np.float32), np.asarray(good[:, 0] > 0)


def _grey(rgb: Image, times: int) -> Image:
    return halved(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8), times)


@lru_cache(maxsize=1)
def _skin() -> NDArray[np.int64]:
    """Indices of skull points on visible skin: not hair, not the outline; and the ridge of the nose."""
    inside = set(regions.RIGID) - set(regions.FACE_OVAL)
    return np.array(sorted(inside | {4, 5, 45, 275, 3, 248, 51, 281}))
