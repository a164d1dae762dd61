"""Blending of two pictures of one face: light matched at low frequencies, detail blended band by band."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.float32]

ROWS, COLUMNS = 12, 16  # of a light field; set by hand
_OFFSET = 0.02  # of full scale, added to both: bounds ratios of near-black pixels; set by hand
_MAX_GAIN = 1.6  # largest correction of light, as a factor; set by hand
_DETAIL_SIGMA = 1.0  # pixels (standard deviation) of the blur whose residual is detail and grain; set by hand


def light_field(base: Picture, source: Picture, skin: Picture, reach: float) -> Picture:
    """Gain per coarse cell that gives `source` the light of `base`.

    Both pictures are compared where `skin` is set only; from there the gain is extrapolated by blurring.

    Args:
        base: (h, w, 3), 0–1.
        source: (h, w, 3), 0–1, already aligned with `base`.
        skin: (h, w) weight of pixels of the same skin in both.
        reach: pixels (standard deviation) over which light varies.

    Returns:
        (ROWS, COLUMNS, 3) gains.
    """
    h, w = skin.shape
    step = max(1, min(h // ROWS, w // COLUMNS) // 4)  # a quarter of a cell is fine enough
    base, source, skin = base[::step, ::step], source[::step, ::step], skin[::step, ::step]
    across, down = max(reach * COLUMNS / w, 0.8), max(reach * ROWS / h, 0.8)

    def low(picture: Picture) -> Picture:
        small = cv2.resize(picture, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(small, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(blurred, np.float32)

    weight = low(skin) + np.float32(1e-4)
    masked = skin[..., None]
    a, b = low(base * masked) / weight[..., None], low(source * masked) / weight[..., None]
    gain = (a + _OFFSET) / (b + _OFFSET)
    # Far from any skin the gain is unknown: there it is the weighted mean.
    mean = (gain * weight[..., None]).sum(axis=(0, 1)) / weight.sum()
    confidence = np.clip(weight / 0.02, 0, 1)[..., None]
    return np.asarray(
        np.clip(gain * confidence + mean * (1 - confidence), 1 / _MAX_GAIN, _MAX_GAIN), np.float32
    )


def detail(picture: Picture, weight: Picture) -> float:
    """Strength of the finest detail, grain included: root mean square over `weight` (h, w), in full scale."""
    luma = (picture[..., 0] + picture[..., 1] + picture[..., 2]) / np.float32(3)
    fine = luma - cv2.GaussianBlur(luma, (0, 0), _DETAIL_SIGMA)
    return float(np.sqrt((fine**2 * weight).sum() / max(float(weight.sum()), 1e-3)))


def sharpened(picture: Picture, by: float, where: Picture) -> Picture:
    """Picture (h, w, 3) whose finest detail is `by` times as strong, as far as `where` (h, w) is 1."""
    fine = np.asarray(cv2.GaussianBlur(picture, (0, 0), _DETAIL_SIGMA), np.float32)
    np.subtract(picture, fine, out=fine)
    fine *= (np.float32(by - 1) * where)[..., None]
    fine += picture
    return fine


def relight(picture: Picture, gain: Picture) -> Picture:
    """Picture (h, w, 3) under the gains of a light field."""
    lit = picture + np.float32(_OFFSET)
    lit *= cv2.resize(gain, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    lit -= np.float32(_OFFSET)
    return lit


def bands(base: Picture, source: Picture, mask: Picture, levels: int) -> Picture:
    """`source` over `base` (h, w, 3) inside `mask` (h, w), each frequency band over its own width.

    Burt & Adelson, A multiresolution spline (1983).
    """
    masks: list[Picture] = [mask]
    for _ in range(levels):
        masks.append(np.asarray(cv2.pyrDown(masks[-1]), np.float32))
    blended = np.empty(base.shape, np.float32)
    for channel in range(base.shape[2]):  # one by one: in 4K the pyramids of all are hundreds of megabytes
        # Blending is linear, so the pyramid of the difference is enough.
        lows: list[Picture] = [np.asarray(source[..., channel] - base[..., channel], np.float32)]
        for _ in range(levels):
            lows.append(np.asarray(cv2.pyrDown(lows[-1]), np.float32))
        out = lows[-1] * masks[-1]
        for k in range(levels - 1, -1, -1):
            size = (lows[k].shape[1], lows[k].shape[0])
            detail = lows[k] - cv2.pyrUp(lows[k + 1], dstsize=size)
            detail *= masks[k]
            out = np.asarray(cv2.pyrUp(out, dstsize=size), np.float32)
            out += detail
        np.add(base[..., channel], out, out=blended[..., channel])
    return blended
