"""Samples of pictures in other types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def eight_bit(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """As 8 bits."""
    return np.asarray(rgb if rgb.dtype == np.uint8 else rgb >> 8, np.uint8)


def unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """As 0–1 of the full scale of their type."""
    found = np.asarray(values, np.float32)
    found *= np.float32(1 / np.iinfo(values.dtype).max)
    return found
