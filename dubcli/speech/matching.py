"""Selective dubbing: frames whose source mouth already matches the dub and can stay as it is.

There are two criteria. The prediction from the film's audio may match the prediction from the dub, as where a
line was kept or replaced by another take; the model's errors cancel in that comparison. Or the mouth in the
source may match the target, as in pauses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech.basis import LIPS

Floats = NDArray[np.floating[Any]]

# Seconds; set by hand, no measurement is on record.
_AROUND_S = 0.12  # on either side of a frame, in which the mouth must match too
_SHORTEST_S = 0.6  # shorter runs are dubbed all the same: two crossfades would be more visible


def distance(one: Floats, two: Floats) -> NDArray[np.float64]:
    """(T,) root mean square distance between the lips of mouth shapes (T, P, 3), in outer-eye distances.

    It is taken in the image plane, because the depth of lips is only estimated.
    """
    difference = np.asarray(one - two, np.float64)[:, LIPS, :2]
    return np.asarray(np.sqrt((difference**2).sum(axis=2).mean(axis=1)))


def matches(
    target: Floats, source: Floats, predicted: Floats | None, step: float, limit: float
) -> NDArray[np.bool_]:
    """(T,) bool, whether the source mouth of each frame matches the dub.

    Args:
        target: (T, P, 3) mouth shapes for the dub.
        source: (T, P, 3) mouth shapes in the film.
        predicted: (T, P, 3) mouth shapes predicted from the film's audio; None where it has none.
        step: seconds from frame to frame.
        limit: largest `distance` that still matches, outer-eye distances.
    """
    from scipy.ndimage import binary_opening, maximum_filter1d

    error = distance(target, source)
    if predicted is not None:
        error = np.minimum(error, distance(target, predicted))
    near = maximum_filter1d(error, 2 * round(_AROUND_S / step) + 1, mode="nearest") < limit
    shortest = np.ones(max(1, round(_SHORTEST_S / step)), bool)
    # A run that touches an end of the track may be longer than what is visible of it.
    padded = np.pad(near, len(shortest), mode="edge")
    return np.asarray(binary_opening(padded, shortest)[len(shortest) : -len(shortest)])
