"""Moving a lower face: a lattice over the mesh and its surroundings, and the dense maps it gives.

The lattice is the skin's triangles below the eyes, a fan that closes the mouth, and two rings outside the jaw
line on which every movement dies out, so that cheeks, jaw edge and neck follow the chin without a step.
Maps are backward and piecewise affine: exact at the lips, where a smooth map would smear one lip over the
other, and continuous everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions

Floats = NDArray[np.floating[Any]]
Points = NDArray[np.float32]

TOP = 0.10  # canonical height of the lattice's upper edge: just under the eyes
RINGS = ((1.25, 0.45), (1.55, 0.0))  # (distance from the nose over the jaw's, share of the jaw's movement)
_FIXED_BITS = 4  # sub-pixel bits of OpenCV's polygon filling
_THIN = 0.05  # square pixels (twice the area) under which a triangle shows nothing


@dataclass(frozen=True)
class Lattice:
    """What joins the nodes.

    Attributes:
        triangles: (K, 3) int32 indices of nodes, clockwise as seen; the mouth's fan comes first.
        mouth: number of triangles in the mouth's fan.
        nodes: number of nodes: the mesh's points, then the rings'.
    """

    triangles: NDArray[np.int32]
    mouth: int
    nodes: int


@lru_cache(maxsize=1)
def lattice() -> Lattice:
    """The lattice over the lower face."""
    heights = regions.head()[:, 1]
    skin = [t for t in regions.triangles() if heights[t].min() > TOP]
    ring = regions.LIPS_INNER
    half = len(ring) // 2  # the ring starts at one corner, runs along the lower lip and back along the upper
    lower, upper = ring[: half + 1], (ring[0], *reversed(ring[half:]))
    fan = []
    for a, b, c, d in zip(lower, lower[1:], upper, upper[1:], strict=False):
        fan += [t for t in ((a, b, d), (a, d, c)) if len(set(t)) == 3]
    jaw = regions.JAW
    inside = list(jaw)
    joined = []
    for k in range(len(RINGS)):
        outside = [regions.POINTS + k * len(jaw) + j for j in range(len(jaw))]
        for j in range(len(jaw) - 1):
            joined += [(inside[j], inside[j + 1], outside[j + 1]), (inside[j], outside[j + 1], outside[j])]
        inside = outside
    triangles = np.array([*fan, *skin, *joined], np.int32)
    nodes = rest(regions.head()).astype(np.float64)  # the average head, whose mouth is open
    away = _area(nodes[triangles]) < 0
    triangles[away] = triangles[away][:, ::-1]
    return Lattice(triangles, len(fan), len(nodes))


@dataclass(frozen=True)
class Maps:
    """Backward maps for `cv2.remap`.

    Attributes:
        pairs: x and y, (h, w) float32 each, per source.
        covered: (h, w) bool, what the lattice covers.
    """

    pairs: tuple[tuple[Points, Points], ...]
    covered: NDArray[np.bool_]


def rest(mesh: Floats) -> Points:
    """Nodes of a face as it is: (..., 478, 2 or 3) to (..., nodes, 2)."""
    flat = np.asarray(mesh[..., :2], np.float32)
    jaw, nose = flat[..., list(regions.JAW), :], flat[..., [regions.NOSE_TIP], :]
    return np.concatenate([flat, *(nose + np.float32(far) * (jaw - nose) for far, _ in RINGS)], axis=-2)


def moved(mesh: Floats, wanted: Floats) -> Points:
    """Nodes when the mesh's points move to `wanted` (..., 478, 2): the rings follow in part."""
    nodes = rest(mesh)
    nodes[..., : regions.POINTS, :] = wanted[..., :2]
    jaw = list(regions.JAW)
    shift = np.asarray(wanted[..., jaw, :2] - mesh[..., jaw, :2], np.float32)
    for k, (_, share) in enumerate(RINGS):
        start = regions.POINTS + k * len(jaw)
        nodes[..., start : start + len(jaw), :] += np.float32(share) * shift
    return nodes


def maps(to: Points, sources: Sequence[Points], size: tuple[int, int], depth: Floats | None = None) -> Maps:
    """Backward maps that draw the faces at `sources` (nodes, 2) where the lattice lies at `to` (nodes, 2).

    Args:
        to: nodes in continuous pixels of the picture to draw.
        sources: nodes in continuous pixels of the pictures to take from.
        size: width and height of the picture to draw.
        depth: (478,) distance into the scene of the mesh's points; nearer triangles cover farther ones.
    """
    grid = lattice()
    corners = to[grid.triangles].astype(np.float64)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _area(corners)
    shown = area > _THIN
    order = np.flatnonzero(shown)
    if depth is not None:
        far = np.append(depth, np.full(grid.nodes - len(depth), np.inf))[grid.triangles].mean(axis=1)
        far[: grid.mouth] = np.inf  # the mouth lies behind the lips
        order = order[np.argsort(-far[order], kind="stable")]
    labels = np.full((size[1], size[0]), -1, np.int32)
    fixed = np.round((to - 0.5) * (1 << _FIXED_BITS)).astype(np.int32)[grid.triangles]
    for k in order:
        cv2.fillConvexPoly(labels, fixed[k], (int(k),), cv2.LINE_8, _FIXED_BITS)
    # Affine maps by barycentric weights: picture point p = a + u (b - a) + v (c - a).
    safe = np.where(shown, area, 1.0)
    ub = np.stack([c[:, 1] - a[:, 1], a[:, 0] - c[:, 0]], axis=1) / safe[:, None]
    vc = np.stack([a[:, 1] - b[:, 1], b[:, 0] - a[:, 0]], axis=1) / safe[:, None]
    covered = labels >= 0
    x = np.arange(size[0], dtype=np.float32)[None] + 0.5
    y = np.arange(size[1], dtype=np.float32)[:, None] + 0.5
    result = []
    for source in sources:
        s = source[grid.triangles].astype(np.float64)
        du, dv = s[:, 1] - s[:, 0], s[:, 2] - s[:, 0]
        linear = du[:, :, None] * ub[:, None, :] + dv[:, :, None] * vc[:, None, :]  # (K, 2 out, 2 in)
        offset = s[:, 0] - np.einsum("koi,ki->ko", linear, a)
        table = np.concatenate([linear.reshape(-1, 4), offset], axis=1).astype(np.float32)
        table = np.vstack([table, np.array([[1, 0, 0, 1, 0, 0]], np.float32)])  # label -1: stay
        part = table[labels]
        map_x = part[..., 0] * x + part[..., 1] * y + part[..., 4] - np.float32(0.5)
        map_y = part[..., 2] * x + part[..., 3] * y + part[..., 5] - np.float32(0.5)
        result.append((map_x, map_y))
    return Maps(tuple(result), covered)


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the signed area of triangles (K, 3, 2), positive where they face the viewer."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
