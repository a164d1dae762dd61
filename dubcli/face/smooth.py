"""Smooth steps, and a smoothing kernel over frames that keeps peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def smoothstep(part: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Cubic step of the same shape: 0 up to 0, 1 from 1, flat at both ends."""
    part = np.clip(part, 0, 1)
    return np.asarray(part * part * (3 - 2 * part), np.float32)


def quadratic(sigma: float, reach: int) -> NDArray[np.float64]:
    """Kernel (2 reach + 1,) of zero-phase local quadratic smoothing (Savitzky & Golay 1964).

    Gaussian weights: noise is removed, the peak of a nod stays.

    Args:
        sigma: standard deviation of the weights, frames.
        reach: frames on either side.
    """
    offset = np.arange(-reach, reach + 1, dtype=np.float64)
    weight = np.exp(-0.5 * (offset / sigma) ** 2)
    m0, m2, m4 = (float((weight * offset**k).sum()) for k in (0, 2, 4))
    return np.asarray(weight * (m4 - m2 * offset**2) / (m0 * m4 - m2 * m2))
