"""Mouths measured without the code under test."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UPPER_LIP, LOWER_LIP, EYE_LEFT, EYE_RIGHT = 13, 14, 33, 263


def aperture(frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Inner-lip gap over the distance between the outer eye corners, NaN where no face was found, (T,)."""
    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
    seen = []
    for frame in frames:
        found = mesh.process(frame).multi_face_landmarks
        if not found:
            seen.append(np.nan)
            continue
        size = frame.shape[1::-1]
        top, bottom, left, right = (
            np.array([found[0].landmark[k].x, found[0].landmark[k].y]) * size
            for k in (UPPER_LIP, LOWER_LIP, EYE_LEFT, EYE_RIGHT)
        )
        seen.append(float(np.linalg.norm(top - bottom) / np.linalg.norm(left - right)))
    return np.array(seen)
