"""Face identity without downloaded weights: a descriptor from a face's shape and its frontal picture.

The picture is warped to the average head's front view through the mesh, which takes pose and expression out
of it, and its light is normalised; the result is described by histograms of gradients (Dalal & Triggs 2005).
The shape is some eighty points in front view, projected on the directions in which people differ more than
one person does from frame to frame (Fisher 1936; `bench/train_identity.py` makes them).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face import pose
from dubcli.face.roi import Roi, apply, portrait

SIDE = 64  # pixels of the frontal picture; set by hand
CELL, BINS = 8, 8  # pixels of a cell; orientations of its histogram (Dalal & Triggs 2005 have 8 and 9)
_BATCH = 1000  # tracks clustered at once, about a quarter of a film: bounds memory; set by hand
WINDOW = (-0.72, -0.42, 1.44)  # left, top and side of the frontal picture on the average head

SHAPE = (
    33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 64, 294, 48, 278, 129, 358,  # eyes, nose
    61, 291, 0, 17, 37, 267, 40, 270, 18, 200, 199,  # lips, chin
    10, 67, 297, 54, 284, 162, 389, 127, 356, 234, 454, 93, 323, 132, 361, 58, 288, 172, 397, 136, 365,
    150, 379, 149, 378, 176, 400, 148, 377, 152,  # outline
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 46, 53, 52, 65, 55, 285, 295, 282, 283, 276,  # brows
    50, 280, 101, 330, 205, 425,  # cheeks
)  # fmt: skip

Vector = NDArray[np.float64]


def describe(thumbs: NDArray[np.uint8], meshes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Descriptors of upright pictures of one face: (n, D) float32, unit length.

    Args:
        thumbs: (n, 96, 96, 3), each the square `roi.portrait` of its mesh.
        meshes: n meshes (478, 3) in raster pixels.
    """
    means = _means()
    rows = []
    for thumb, mesh in zip(thumbs, meshes, strict=True):
        texture, shape = features(thumb, mesh)
        person = (shape - means["shape"]) @ means["people"]
        rows.append(np.concatenate([_unit(texture - means["texture"]), _unit(person)]))
    return np.asarray(np.stack(rows) / np.sqrt(2), np.float32)


def features(thumb: NDArray[np.uint8], mesh: NDArray[np.float32]) -> tuple[Vector, Vector]:
    """Gradient histograms of the frontal picture (512,), and the shape in front view (2 * len(SHAPE),)."""
    grey = cv2.cvtColor(frontal(thumb, mesh), cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = cv2.GaussianBlur(grey, (0, 0), 6)
    normalised = (grey - mean) / (np.sqrt(cv2.GaussianBlur((grey - mean) ** 2, (0, 0), 8)) + 4)
    fitted = pose.canonical_transform(mesh[None], regions.head())
    shape = pose.to_canonical(mesh[None], fitted)[0][list(SHAPE), :2]
    return _gradients(normalised), np.asarray(shape.reshape(-1), np.float64)


def frontal(
    thumb: NDArray[np.uint8], mesh: NDArray[np.float32], roi: Roi | None = None, top: int = 0
) -> NDArray[np.uint8]:
    """The face from the front with a resting mouth, (64, 64, 3), warped through the mesh's triangles.

    Args:
        thumb: the square `roi` of the picture that the mesh is of.
        mesh: (478, 3) pixels.
        roi: `roi.portrait` of the mesh, where it is known already.
        top: rows to leave out.
    """
    corners, weights = (each[top:] for each in _frontal_map())
    points = apply((roi or portrait(mesh)).into(len(thumb)), mesh[:, :2])
    position = ((points[corners] * weights[..., None]).sum(axis=2) - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(thumb, position[..., 0], position[..., 1], cv2.INTER_LINEAR), np.uint8)


def _gradients(normalised: NDArray[np.float32]) -> Vector:
    right, down = cv2.Sobel(normalised, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(normalised, cv2.CV_32F, 0, 1) / 8
    strength = np.hypot(right, down)
    turn = np.mod(np.arctan2(down, right), 2 * np.pi) * BINS / (2 * np.pi)
    cells = []
    for k in range(BINS):
        near = np.clip(1 - np.abs(np.mod(turn - k + BINS / 2, BINS) - BINS / 2), 0, 1)
        cells.append(cv2.resize(strength * near, (SIDE // CELL, SIDE // CELL), interpolation=cv2.INTER_AREA))
    bins = np.stack(cells, axis=-1).astype(np.float64)
    return np.asarray(np.sqrt(bins / (np.linalg.norm(bins, axis=-1, keepdims=True) + 0.05)).reshape(-1))


@lru_cache(maxsize=1)
def _frontal_map() -> tuple[NDArray[np.int64], Vector]:
    """For each pixel of the frontal picture its triangle's points and their weights, both (64, 64, 3)."""
    head = regions.head()[:, :2].astype(np.float64)
    fans = [
        (ring[0], ring[k], ring[k + 1])
        for ring in (regions.LIPS_INNER, regions.EYE_RING_LEFT, regions.EYE_RING_RIGHT)
        for k in range(1, len(ring) - 1)
    ]
    left, top, side = WINDOW
    step = side / SIDE
    corners = np.zeros((SIDE, SIDE, 3), np.int64)
    weights = np.zeros((SIDE, SIDE, 3))
    free = np.ones((SIDE, SIDE), bool)
    for triangle in [*regions.triangles().tolist(), *fans]:
        places = (head[list(triangle)] - (left, top)) / step - 0.5  # in pixels of the frontal picture
        low = np.clip(np.floor(places.min(axis=0)).astype(int), 0, SIDE)
        high = np.clip(np.ceil(places.max(axis=0)).astype(int) + 1, low, SIDE)
        edges = places[1:] - places[0]
        area = edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]
        if abs(area) < 1e-6:
            continue
        x, y = np.meshgrid(
            np.arange(low[0], high[0]) - places[0, 0], np.arange(low[1], high[1]) - places[0, 1]
        )
        second = (x * edges[1, 1] - y * edges[1, 0]) / area
        third = (y * edges[0, 0] - x * edges[0, 1]) / area
        share = np.stack([1 - second - third, second, third], axis=-1)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        inside = free[box] & (share >= -1e-6).all(axis=-1)
        corners[box][inside], weights[box][inside] = triangle, share[inside]
        free[box] &= ~inside
    return corners, weights


@lru_cache(maxsize=1)
def _means() -> dict[str, Vector]:
    """`texture` (512,) and `shape` (S,) of the average person, and `people` (S, K), how people differ."""
    from safetensors.numpy import load_file

    loaded: dict[str, Any] = load_file(Path(__file__).with_name("identity.safetensors"))
    return {name: np.asarray(tensor, np.float64) for name, tensor in loaded.items()}


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def cluster(
    descriptors: Sequence[NDArray[np.float32]],
    weights: Sequence[float],
    apart: set[tuple[int, int]],
    limit: float,
) -> list[list[int]]:
    """Tracks grouped into people by agglomerative clustering under cannot-link constraints.

    Splitting a person in two costs a line in `cast.yaml`; merging two people puts one's mouth on the other.
    So uncertain pairs stay apart. Time and memory grow with the square of what is compared at once, so a long
    film is clustered batch by batch, and then the groups of all batches.

    Descriptors of another tracker, as those of a shot that was approved before it was changed, cannot be
    compared: such tracks are never one person.

    Args:
        descriptors: one (n, D) array per track, in film order; D tells the tracker.
        weights: one per track, such as its number of eligible frames.
        apart: pairs (i, j), i < j, that are certainly two people: both in one frame.
        limit: cosine distance up to which groups are merged.

    Returns:
        Groups of track numbers, heaviest first.
    """
    count = len(descriptors)
    if not count:
        return []
    kinds = sorted({rows.shape[-1] for rows in descriptors})
    if len(kinds) > 1:
        found: list[list[int]] = []
        for kind in kinds:
            own = [k for k, rows in enumerate(descriptors) if rows.shape[-1] == kind]
            at = {k: number for number, k in enumerate(own)}
            kept = {(at[i], at[j]) for i, j in apart if i in at and j in at}
            alike = cluster([descriptors[k] for k in own], [weights[k] for k in own], kept, limit)
            found += [[own[number] for number in group] for group in alike]
        return sorted(found, key=lambda group: (-sum(weights[k] for k in group), group))
    means = [rows.mean(axis=0, dtype=np.float64) for rows in descriptors]
    sums = np.array([mean * max(w, 1.0) for mean, w in zip(means, weights, strict=True)]).reshape(count, -1)
    cannot_link = np.array(sorted(apart), np.int64).reshape(-1, 2)
    groups: list[list[int]] = []
    for first in range(0, count, _BATCH):
        batch = range(first, min(first + _BATCH, count))
        groups += _merged([[k] for k in batch], sums, cannot_link, limit)
    if count > _BATCH:
        groups = _merged(groups, sums, cannot_link, limit)
    found = [sorted(group) for group in groups]
    return sorted(found, key=lambda group: (-sum(weights[k] for k in group), group))


def _merged(
    groups: list[list[int]], weighted: Vector, apart: NDArray[np.int64], limit: float
) -> list[list[int]]:
    """Groups of tracks merged, nearest first, until none are within the limit.

    Args:
        groups: of track numbers.
        weighted: (N, D) each track's mean descriptor times its weight.
        apart: (M, 2) pairs of tracks that are certainly two people.
        limit: cosine distance.
    """
    count = len(groups)
    owner = np.full(len(weighted), -1)
    for k, group in enumerate(groups):
        owner[group] = k
    cannot_link = np.eye(count, dtype=bool)
    i, j = owner[apart[(owner[apart] >= 0).all(axis=1)]].T
    cannot_link[i, j] = cannot_link[j, i] = True
    sums = np.stack([weighted[group].sum(axis=0) for group in groups])
    units = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    between = np.where(cannot_link, np.inf, 1 - units @ units.T)
    nearest = between.argmin(axis=1)
    best = between[np.arange(count), nearest]
    while best.min() <= limit:
        a = int(best.argmin())
        a, b = sorted((a, int(nearest[a])))
        groups[a] = groups[a] + groups[b]
        groups[b] = []
        sums[a] += sums[b]
        units[a] = _unit(sums[a])
        cannot_link[a] |= cannot_link[b]
        cannot_link[:, a] |= cannot_link[:, b]
        cannot_link[b] = cannot_link[:, b] = True
        between[b] = between[:, b] = np.inf
        between[a] = between[:, a] = np.where(cannot_link[a], np.inf, 1 - units @ units[a])
        lost = (nearest == a) | (nearest == b)
        lost[[a, b]] = True
        nearer = ~lost & ((between[a] < best) | ((between[a] == best) & (a < nearest)))
        nearest[nearer], best[nearer] = a, between[a][nearer]
        nearest[lost] = between[lost].argmin(axis=1)
        best[lost] = between[lost, nearest[lost]]
    return [group for group in groups if group]
