"""Selective dubbing: where the mouth in the film already fits the dub, so that it may stay as it is.

Two ways tell. The film's own sound may ask for the same mouth as the dub, as where a line was kept, or
replaced by another take: what the model makes of both is compared, so its errors cancel. Or the mouth that
is seen may happen to be the one that is wanted, as in pauses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech.basis import LIPS

Floats = NDArray[np.floating[Any]]

_AROUND_S = 0.12  # a mouth fits if it does so for this long before and after
_LEAST_S = 0.6  # shorter stretches are not worth two fades


def apart(one: Floats, two: Floats) -> NDArray[np.float64]:
    """Root mean square distance of the lips of mouth shapes (T, P, 3), in outer-eye distances: (T,).

    In the picture: how deep lips lie is a guess.
    """
    gap = np.asarray(one - two, np.float64)[:, LIPS, :2]
    return np.asarray(np.sqrt((gap**2).sum(axis=2).mean(axis=1)))


def fits(wanted: Floats, own: Floats, asked: Floats | None, step: float, limit: float) -> NDArray[np.bool_]:
    """Frames (T,) to leave alone.

    Args:
        wanted: (T, P, 3) mouths that the dub asks for.
        own: (T, P, 3) as they are in the film.
        asked: (T, P, 3) what the film's own sound asks for; None where it has none.
        step: seconds from frame to frame.
        limit: outer-eye distances that lips may be off.
    """
    from scipy.ndimage import binary_opening, maximum_filter1d

    far = apart(wanted, own)
    if asked is not None:
        far = np.minimum(far, apart(wanted, asked))
    near = maximum_filter1d(far, 2 * round(_AROUND_S / step) + 1, mode="nearest") < limit
    least = np.ones(max(1, round(_LEAST_S / step)), bool)
    # At the ends of a track the stretch may go on unseen.
    padded = np.pad(near, len(least), mode="edge")
    return np.asarray(binary_opening(padded, least)[len(least) : -len(least)])
