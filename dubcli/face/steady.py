"""Steady placement: what a mesh got wrong from one frame to the next, told by the picture itself.

A mesh is right on average but trembles by a few thousandths of the face. Optical flow of the skin over the
skull knows the motion between two frames far better, but drifts. So the difference of the two is summed up
over time and its quick part taken out of the mesh: real movement, however fast, is never smoothed.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.face import mesh as regions

Image = NDArray[np.uint8]
Slip = NDArray[np.float64]

EYES = 112.0  # pixels between the outer eye corners at which flow is measured; smaller faces stay as they are
DRIFT = 6.0  # frames (standard deviation): slower errors are left, there the mesh knows better than the flow
NONE: Slip = np.zeros(4)


def slip(before: Image, now: Image, mesh_before: NDArray[np.float32], mesh: NDArray[np.float32]) -> Slip:
    """How the skull moved between two pictures beyond what their meshes (478, 3) say.

    Returns:
        (4,): shift right and down at the mouth in outer-eye distances, growth, turn in radians clockwise;
        zeros where the pictures do not tell.
    """
    points = _skin()
    old, new = mesh_before[points, :2].astype(np.float64), mesh[points, :2].astype(np.float64)
    eyes = float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))
    if eyes < 4:
        return NONE
    both = np.concatenate([old, new])
    border = now.shape[1], now.shape[0]
    low = np.clip(np.floor(both.min(axis=0) - 0.3 * eyes), 0, border).astype(int)
    high = np.clip(np.ceil(both.max(axis=0) + 0.3 * eyes), 0, border).astype(int)
    if (high - low).min() < 16:
        return NONE
    scale = min(1.0, EYES / eyes)
    one, two = (_grey(picture[low[1] : high[1], low[0] : high[0]], scale) for picture in (before, now))
    factor = np.array(one.shape[::-1]) / (high - low)
    start = ((old - low) * factor - 0.5).astype(np.float32)
    guess = ((new - low) * factor - 0.5).astype(np.float32)
    window = max(9, int(0.25 * eyes * scale)) | 1
    found, good = _flow(one, two, start, guess, window)
    back, again = _flow(two, one, found, start, window)
    sure = good & again & (np.abs(back - start).max(axis=1) < 0.3)
    if sure.sum() < 12:
        return NONE
    missed = (found - guess)[sure] / factor / eyes
    mouth = mesh[list(regions.LIPS_OUTER), :2].mean(axis=0)
    return _similarity((new[sure] - mouth) / eyes, missed)


def steadied(mesh: NDArray[np.float32], slips: NDArray[np.float64]) -> NDArray[np.float32]:
    """Meshes (T, 478, 3) of consecutive frames without their tremble; row 0 of `slips` (T, 4) is unused."""
    if len(mesh) < 3:
        return mesh
    path = np.cumsum(np.vstack([NONE, slips[1:]]), axis=0)
    quick = path - ndimage.gaussian_filter1d(path, DRIFT, axis=0, mode="nearest")
    mouth = mesh[:, list(regions.LIPS_OUTER), :2].mean(axis=1, keepdims=True)
    eyes = np.linalg.norm(mesh[:, regions.EYE_LEFT] - mesh[:, regions.EYE_RIGHT], axis=1)[:, None, None]
    away = mesh[:, :, :2] - mouth
    right, down, growth, turn = (quick[:, k, None] for k in range(4))
    x = away[..., 0] * growth - away[..., 1] * turn
    y = away[..., 0] * turn + away[..., 1] * growth
    better = mesh.copy()
    better[..., :2] += eyes * np.stack([right, down], axis=-1) + np.stack([x, y], axis=-1)
    return better


def _similarity(place: NDArray[np.float64], missed: NDArray[np.float64]) -> Slip:
    """Robust fit of `missed` (n, 2) by shift, growth and turn about the origin (Welsch weights)."""
    x, y = place.T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([one, none, x, -y], axis=1), np.stack([none, one, y, x], axis=1)])
    wanted = missed.T.reshape(-1)
    weight = np.ones_like(wanted)
    ridge = np.diag([0.0, 0.0, 0.5, 0.5])  # growth and turn only where the points really tell
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


def _grey(rgb: Image, scale: float) -> Image:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(grey, np.uint8)


@lru_cache(maxsize=1)
def _skin() -> NDArray[np.int64]:
    """Skull points that lie on skin in the picture: not hair, not the outline; and the ridge of the nose."""
    inside = set(regions.RIGID) - set(regions.FACE_OVAL)
    return np.array(sorted(inside | {4, 5, 45, 275, 3, 248, 51, 281}))
