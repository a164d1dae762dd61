"""Warp of a lower face: a lattice over the mesh and its surroundings, and dense backward maps from it.

The lattice is the skin's triangles below the eyes, a fan that closes the mouth, and two rings outside the jaw
line on which every movement fades out, so that cheeks, jaw edge and neck follow the chin without a step.
Maps are backward and piecewise affine: exact at the lips, where a smooth map would smear one lip over the
other, and continuous everywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions

Floats = NDArray[np.floating[Any]]
Points = NDArray[np.float32]

TOP = 0.10  # canonical height of the lattice's upper edge, outer-eye distances: just under the eyes
RINGS = (
    (1.25, 0.45),
    (1.55, 0.0),
)  # (distance from the nose over the jaw's, share of the jaw's movement); set by hand
_FIXED_BITS = 4  # sub-pixel bits of OpenCV's polygon filling
_FOLD = 1024  # columns of a folded map; OpenCV takes fewer than 32768
_PIECE = 16384  # pixels whose maps are looked up at once: they fit into a processor's cache
_SLACK = 1.0  # pixels by which a filled triangle exceeds its outline at most
_MIN_AREA = 0.05  # square pixels (twice the area) under which a triangle is not drawn


@dataclass(frozen=True)
class Lattice:
    """Topology of the lattice.

    Attributes:
        triangles: (K, 3) int32 indices of nodes, clockwise as seen; the mouth's fan comes first.
        mouth: number of triangles in the mouth's fan.
        cell: (K + 1,) int32 after which point of the inner lips, counted from the left corner, a triangle
            of the fan lies; -1 for the others, and at the end, which label -1 picks.
        nodes: number of nodes: the mesh's points, then the rings'.
    """

    triangles: NDArray[np.int32]
    mouth: int
    cell: NDArray[np.int32]
    nodes: int


@lru_cache(maxsize=1)
def lattice() -> Lattice:
    """The lattice over the lower face."""
    heights = regions.head()[:, 1]
    skin = [t for t in regions.triangles() if heights[t].min() > TOP]
    lower, upper = regions.LIPS_INNER_LOWER, regions.LIPS_INNER_UPPER
    fan, cell = [], []
    for k, (a, b, c, d) in enumerate(zip(lower, lower[1:], upper, upper[1:], strict=False)):
        whole = [t for t in ((a, b, d), (a, d, c)) if len(set(t)) == 3]
        fan += whole
        cell += [k] * len(whole)
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
    flipped = _area(nodes[triangles]) < 0
    triangles[flipped] = triangles[flipped][:, ::-1]
    cells = np.full(len(triangles) + 1, -1, np.int32)
    cells[: len(fan)] = cell
    return Lattice(triangles, len(fan), cells, len(nodes))


def rest(mesh: Floats) -> Points:
    """Nodes of a face at rest: (..., 478, 2 or 3) to (..., nodes, 2)."""
    flat = np.asarray(mesh[..., :2], np.float32)
    jaw, nose = flat[..., list(regions.JAW), :], flat[..., [regions.NOSE_TIP], :]
    return np.concatenate([flat, *(nose + np.float32(far) * (jaw - nose) for far, _ in RINGS)], axis=-2)


def moved(mesh: Floats, target: Floats) -> Points:
    """Nodes when the mesh's points move to `target` (..., 478, 2); the rings follow in part."""
    nodes = rest(mesh)
    nodes[..., : regions.POINTS, :] = target[..., :2]
    jaw = list(regions.JAW)
    shift = np.asarray(target[..., jaw, :2] - mesh[..., jaw, :2], np.float32)
    for k, (_, share) in enumerate(RINGS):
        start = regions.POINTS + k * len(jaw)
        nodes[..., start : start + len(jaw), :] += np.float32(share) * shift
    return nodes


def footprint(nodes: Points, size: tuple[int, int], depth: Floats | None = None) -> NDArray[np.int32]:
    """Index of the visible triangle at each pixel of a picture, (h, w), -1 for none.

    Args:
        nodes: (nodes, 2) continuous pixels of the picture.
        size: its width and height.
        depth: (478,) distance into the scene of the mesh's points; nearer triangles occlude farther ones.
    """
    grid = lattice()
    order = np.flatnonzero(_area(nodes[grid.triangles].astype(np.float64)) > _MIN_AREA)
    if depth is not None:
        far = np.append(depth, np.full(grid.nodes - len(depth), np.inf))[grid.triangles].mean(axis=1)
        far[: grid.mouth] = np.inf  # the mouth is behind the lips
        order = order[np.argsort(-far[order], kind="stable")]
    labels = np.full((size[1], size[0]), -1, np.int32)
    fixed = np.round((nodes - 0.5) * (1 << _FIXED_BITS)).astype(np.int32)[grid.triangles]
    for k in order.tolist():
        cv2.fillConvexPoly(labels, fixed[k], (k,), cv2.LINE_8, _FIXED_BITS)
    return labels


def affine(nodes: Points, source: Points) -> NDArray[np.float32]:
    """Per triangle the map from a picture with the lattice at `nodes` back to one with it at `source`.

    Returns:
        (K + 1, 10) float32 rows xx, xy, yx, yy, x, y in OpenCV's pixel-centre coordinates, then the least and
        the greatest x and y of the triangle at the source; the last row, which label -1 picks, stays.
    """
    triangles = lattice().triangles
    to = (nodes.astype(np.float64).T - 0.5)[:, triangles.T]
    back = (source.astype(np.float64).T - 0.5)[:, triangles.T]
    (ax, bx, cx), (ay, by, cy) = to
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    safe = np.where(area > _MIN_AREA, area, 1.0)
    # Barycentric weights: p = a + u (b - a) + v (c - a).
    ux, uy, vx, vy = (cy - ay) / safe, (ax - cx) / safe, (ay - by) / safe, (bx - ax) / safe
    rows = np.empty((len(triangles) + 1, 10), np.float32)
    for k, (a, b, c) in enumerate(back):
        across, down = (b - a) * ux + (c - a) * vx, (b - a) * uy + (c - a) * vy
        rows[:-1, 2 * k], rows[:-1, 2 * k + 1] = across, down
        rows[:-1, 4 + k] = a - (across * ax + down * ay)
        rows[:-1, 6 + k] = np.minimum(np.minimum(a, b), c) - _SLACK
        rows[:-1, 8 + k] = np.maximum(np.maximum(a, b), c) + _SLACK
    rows[-1] = (1, 0, 0, 1, 0, 0, -np.inf, -np.inf, np.inf, np.inf)
    return rows


def pull(
    picture: NDArray[Any],
    table: NDArray[np.float32],
    labels: NDArray[np.int32],
    where: NDArray[np.bool_],
    kernel: int = cv2.INTER_CUBIC,
) -> tuple[NDArray[Any], Points]:
    """Colours of the pixels of `where` (h, w), sampled through the affine maps that `labels` (h, w) index.

    Returns:
        (n, 3) colours in the picture's type, and (n, 2) float32 their displacement, pixels (x, y).
    """
    at = pixels(where)
    source_positions = origins(table, labels[where], at)
    return sampled(picture, source_positions, kernel), source_positions - at


def pixels(where: NDArray[np.bool_]) -> Points:
    """The pixels (n, 2), x and y, of a region (h, w), row by row."""
    return np.stack(np.nonzero(where)[::-1], axis=1).astype(np.float32)


def origins(table: NDArray[np.float32], labels: NDArray[np.int32], at: Points) -> Points:
    """Source positions (n, 2) of pixels (n, 2), both pixel centres, by the maps that labels (n,) index."""
    found = np.empty((len(at), 2), np.float32)
    for start in range(0, len(at), _PIECE):
        now = slice(start, start + _PIECE)
        rows, (x, y) = np.take(table, labels[now], axis=0), at[now].T
        for k in (0, 1):
            flat = rows[:, 2 * k] * x + rows[:, 2 * k + 1] * y + rows[:, 4 + k]
            # A pixel on a triangle's rim has its centre outside; extrapolation from a thin one would go far.
            np.clip(flat, rows[:, 6 + k], rows[:, 8 + k], out=found[now, k])
    return found


def sampled(picture: NDArray[Any], positions: Points, kernel: int = cv2.INTER_CUBIC) -> NDArray[Any]:
    """Colours (n, 3) of a picture at positions (n, 2), pixel-centre coordinates, in its type."""
    # OpenCV takes maps of less than 32768 columns, so the list is folded.
    count = len(positions)
    folded = np.zeros((2, -(-max(count, 1) // _FOLD), _FOLD), np.float32)
    folded.reshape(2, -1)[:, :count] = positions.T
    found = cv2.remap(picture, folded[0], folded[1], kernel, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, 3)[:count])


def put(picture: NDArray[Any], where: NDArray[np.bool_], colours: NDArray[Any]) -> None:
    """Write colours (n, 3) into the pixels of `where` (h, w) of a contiguous picture of their type, in place.

    Pixels are moved whole, which takes a thirtieth of the time.
    """
    whole = np.dtype((np.void, 3 * picture.itemsize))
    picture.view(whole)[..., 0][where] = np.ascontiguousarray(colours).view(whole)[:, 0]


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the signed area of triangles (K, 3, 2), positive where they face the viewer."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
