"""The 478-point face mesh: which points move with speech, which are fixed to the skull, and its triangles.

The numbering is MediaPipe's (468 surface points and 10 iris points). "Left" and "right" are the picture's.
The sets were chosen on real speech: after a rigid alignment, the points in `RIGID` move least with the
aperture of the mouth; brows and eyelids, which move with expression, are left out.
"""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Numbers of points are those of MediaPipe's face mesh.
POINTS = 478  # 468 of the face and five for each iris

UPPER_LIP, LOWER_LIP = 13, 14  # middle of the inner rings
CORNER_LEFT, CORNER_RIGHT = 61, 291
EYE_LEFT, EYE_RIGHT = 33, 263  # outer corners
CHIN, NOSE_TIP, NOSE_BASE, FOREHEAD = 152, 1, 2, 10

LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
# Both from the left corner to the right; points of one number lie above each other.
LIPS_INNER_LOWER = LIPS_INNER[:11]
LIPS_INNER_UPPER = (LIPS_INNER[0], *reversed(LIPS_INNER[10:]))

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
JAW = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)

EYE_RING_LEFT = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
EYE_RING_RIGHT = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)

RIGID = (
    8, 168, 6, 197, 195, 193, 417, 122, 351, 188, 412, 196, 419, 174, 399, 245, 465, 114, 343,  # nose bridge
    33, 263, 133, 362, 130, 359, 226, 446, 113, 342,  # corners of the eyes
    10, 151, 108, 337, 109, 338, 69, 299, 67, 297, 104, 333, 103, 332,  # forehead
    68, 298, 71, 301, 54, 284, 21, 251, 139, 368, 162, 389, 34, 264, 127, 356,  # temples
)  # fmt: skip

MOUTH = (
    0, 11, 12, 13, 14, 15, 16, 17, 18, 32, 37, 38, 39, 40, 41, 42, 43, 57, 58, 61, 62, 72, 73, 74, 76, 77, 78,
    80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 95, 96, 106, 132, 135, 136, 138, 140, 146, 147, 148,
    149, 150, 152, 164, 165, 167, 169, 170, 171, 172, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185,
    186, 187, 191, 192, 194, 199, 200, 201, 202, 204, 206, 207, 208, 210, 211, 212, 213, 214, 215, 216, 262,
    267, 268, 269, 270, 271, 272, 273, 287, 288, 291, 292, 302, 303, 304, 306, 307, 308, 310, 311, 312, 313,
    314, 315, 316, 317, 318, 319, 320, 321, 322, 324, 325, 335, 361, 364, 365, 367, 369, 375, 376, 377, 378,
    379, 391, 393, 394, 395, 396, 397, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 415, 416,
    418, 421, 422, 424, 426, 427, 428, 430, 431, 432, 433, 434, 435, 436,
)  # fmt: skip


@lru_cache(maxsize=1)
def head() -> NDArray[np.float32]:
    """The average head, (478, 3) float32, read-only.

    Origin between the outer eye corners, unit the distance between them; x to the picture's right, y down,
    z into the scene; left and right are mirror images. Its yaw, pitch and roll are 0 by definition.
    """
    points = json.loads(Path(__file__).with_name("head.json").read_text(encoding="ascii"))["points"]
    array = np.array(points, np.float32)
    array.flags.writeable = False
    return array


@lru_cache(maxsize=1)
def mirror() -> NDArray[np.int64]:
    """Index of each point's mirror image, (478,)."""
    points = head()
    apart = np.linalg.norm(points[:, None] * (-1, 1, 1) - points[None], axis=2)
    return np.asarray(np.argmin(apart, axis=1), np.int64)


@lru_cache(maxsize=1)
def triangles() -> NDArray[np.int32]:
    """The skin's triangles, (852, 3) int32, rows sorted; the eyes and the mouth are holes.

    They are the faces of the edges that MediaPipe publishes; the mouth is closed by
    `[(LIPS_INNER[0], LIPS_INNER[k], LIPS_INNER[k + 1]) …]` or any fan over that ring.
    """
    spec = importlib.util.find_spec("mediapipe")
    folder = (spec.submodule_search_locations or [""])[0] if spec else ""
    path = Path(folder, "python", "solutions", "face_mesh_connections.py")
    # Loaded by its path: the package itself takes seconds to import.
    source = importlib.util.spec_from_file_location("_connections", path)
    if source is None or source.loader is None:
        raise ImportError("mediapipe is not installed")
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    edges = {tuple(sorted(edge)) for edge in module.FACEMESH_TESSELATION}
    near: dict[int, set[int]] = {}
    for a, b in edges:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    faces = {tuple(sorted((a, b, c))) for a, b in edges for c in near[a] & near[b]}
    faces -= {(49, 64, 129), (279, 294, 358)}  # three edges around a nostril's wing, not a face
    return np.array(sorted(faces), np.int32)


def aperture(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance of the inner lips over that of the outer eye corners: (..., 478, 2 or 3) to (...)."""
    return _over_eyes(mesh, UPPER_LIP, LOWER_LIP)


def width(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance between the mouth's corners, the same."""
    return _over_eyes(mesh, CORNER_LEFT, CORNER_RIGHT)


def _over_eyes(mesh: NDArray[np.float32], one: int, other: int) -> NDArray[np.float32]:
    gap = np.linalg.norm(mesh[..., one, :2] - mesh[..., other, :2], axis=-1)
    eyes = np.linalg.norm(mesh[..., EYE_LEFT, :2] - mesh[..., EYE_RIGHT, :2], axis=-1)
    return np.asarray(gap / np.maximum(eyes, 1e-6), np.float32)
