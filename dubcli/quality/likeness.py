"""Is it this person's mouth? The lower face of pictures, compared with the person's own footage.

The lower face is warped to the front view of the average head (`face.identity.frontal`) and made small; its
shading about the mean and its colours describe it. Of a person's own pictures, with whatever mouth, the
nearest counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import THUMB
from dubcli.face import identity
from dubcli.face.crop import reduced
from dubcli.face.roi import portrait

_LOWER = 28  # rows of the frontal picture of 64 below which the lower face lies: from the base of the nose
_SIDE = 16  # pixels of the reduced colour picture's side; set by hand
FEWEST_REFERENCES = 4  # pictures of a person without which likeness is not measured; set by hand


def describe(picture: NDArray[np.uint8], mesh: NDArray[np.float32]) -> NDArray[np.float64]:
    """Unit vector (D,) of a lower face.

    Args:
        picture: (H, W, 3) RGB.
        mesh: (478, 3) of the face, pixels of that picture.
    """
    roi = portrait(mesh)
    thumb = reduced(picture, roi, THUMB).cut(roi, THUMB)[0]
    lower = identity.frontal(thumb, mesh, roi, _LOWER)
    lab = cv2.cvtColor(lower.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    small = cv2.resize(lab, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    grey = small[..., 0] - small[..., 0].mean()
    shape = grey / max(float(np.linalg.norm(grey)), 1e-6)
    # Skin and lips by their colour: a and b are about 20, and people differ by a few.
    tint = small[..., 1:] / (40 * _SIDE)
    parts = [shape.ravel(), tint.ravel()]
    vector = np.concatenate(parts)
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def likeness(pictures: Sequence[NDArray[Any]], own: Sequence[NDArray[Any]]) -> float | None:
    """Median over pictures of the cosine to the nearest picture of the person's own, up to 1.

    Sees another person's mouth. Fooled by a relative or a beard alike, and by light that the person's own
    footage does not have; a mouth shape the footage lacks lowers it a little.

    Args:
        pictures: descriptors (D,) as `describe` makes them.
        own: those of the person's footage.
    """
    if not len(pictures) or len(own) < FEWEST_REFERENCES:
        return None
    return float(np.median((np.stack(pictures) @ np.stack(own).T).max(axis=1)))
