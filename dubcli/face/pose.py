"""Head pose: the similarity between canonical head and picture, fitted to the skull points alone.

The model is scaled orthography: `pixels = scale * points @ rotation + shift`, one similarity per frame. It is
fitted to the points in `face.mesh.RIGID`, which the jaw and the lips do not move, against the person's own
mean head, which fits far more tightly than any average one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face.smooth import quadratic

Floats = NDArray[np.floating[Any]]
Array = NDArray[np.float64]

_RIGID = list(regions.RIGID)
_HEAD_FRAMES = (
    400  # frames that a mean head is computed from; set by hand: more change it by less than a thousandth
)


@dataclass(frozen=True)
class Transform:
    """Head pose in each of T pictures.

    Attributes:
        scale: (T,) pixels per outer-eye distance.
        rotation: (T, 3, 3) orthonormal; a canonical row vector times it is in the picture's axes.
        shift: (T, 3) pixels, of the canonical origin (between the eyes); z in the scale of x.
    """

    scale: Array
    rotation: Array
    shift: Array

    def __len__(self) -> int:
        return len(self.scale)

    def __getitem__(self, index: slice | NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Transform:
        return Transform(self.scale[index], self.rotation[index], self.shift[index])


def mean_head(meshes: Floats | Callable[[int], Floats], count: int = 1) -> Array:
    """A person's own canonical head, (478, 3), from meshes (T, 478, 3) of any frames and sizes.

    Generalised Procrustes analysis (Gower 1975) on the skull points: fit, take the median, repeat. The result
    is turned to the average head and has an outer-eye distance of 1, so pose angles mean the same for all.

    Args:
        meshes: of one track; or a function that loads those of track k; a sample over all tracks is used.
        count: of tracks.
    """
    return _mean(meshes, count, list(range(len(regions.head()))))


def _mean(meshes: Floats | Callable[[int], Floats], count: int, points: list[int]) -> Array:
    """The given points of `mean_head`."""
    fetch = meshes if callable(meshes) else lambda k: np.asarray(meshes)
    good = [np.flatnonzero(np.isfinite(fetch(k)[:, 0, 0])) for k in range(count)]
    step = -(-sum(map(len, good)) // _HEAD_FRAMES)
    if not step:
        return np.asarray(regions.head(), np.float64)[points]
    owner = np.repeat(np.arange(count), [len(rows) for rows in good])[::step]
    picked = np.concatenate(good)[::step]
    pool = np.concatenate([fetch(int(k))[picked[owner == k]] for k in np.unique(owner)]).astype(np.float64)
    skulls, average = pool[:, _RIGID], np.asarray(regions.head(), np.float64)[_RIGID]
    skull = average
    for _ in range(4):
        fitted = _fit(skulls, skull)
        skull = np.median(_inverse(skulls, fitted), axis=0)
        turned = _fit(skull[None], average)
        skull = _inverse(skull[None], turned)[0]
    # The other points take no part in the fit: they are averaged once, in the skulls' final poses.
    wanted = pool[:, [*points, regions.EYE_LEFT, regions.EYE_RIGHT]]
    head = _inverse(np.median(_inverse(wanted, fitted), axis=0)[None], turned)[0]
    left, right = head[-2:]
    return np.asarray((head[:-2] - (left + right) / 2) / np.linalg.norm(left - right))


def canonical_transform(mesh: Floats, head: Floats | None = None, smooth: float = 0.0) -> Transform:
    """Similarity per frame from the canonical head to the skull points of `mesh` (T, 478, 3).

    Args:
        mesh: raster pixels.
        head: canonical head (478, 3); the mesh's own `mean_head` where it is None. Pass one head for
            all tracks of a person to make their canonical shapes comparable.
        smooth: frames (standard deviation) of zero-phase smoothing over consecutive frames; 0 for none.
    """
    skull = _mean(mesh, 1, _RIGID) if head is None else np.asarray(head, np.float64)[_RIGID]
    fitted = _fit(np.asarray(mesh[:, _RIGID], np.float64), skull)
    return _smoothed(fitted, smooth) if smooth > 0 and len(fitted) > 2 else fitted


def to_canonical(mesh: Floats, transform: Transform | None = None) -> NDArray[np.float32]:
    """Mesh (T, N, 3) in raster pixels to canonical units; `transform` needs N = 478 where it is None."""
    fitted = canonical_transform(mesh) if transform is None else transform
    return _inverse(np.asarray(mesh, np.float64), fitted).astype(np.float32)


def from_canonical(points: Floats, transform: Transform) -> NDArray[np.float32]:
    """Canonical points (T, N, 3), or (N, 3) for all frames, to raster pixels (T, N, 3)."""
    turned = np.asarray(points, np.float64) @ transform.rotation
    return np.asarray(transform.scale[:, None, None] * turned + transform.shift[:, None], np.float32)


def angles(transform: Transform) -> NDArray[np.float32]:
    """Yaw, pitch and roll in degrees, (T, 3).

    The head turns by yaw, then nods by pitch, then the picture turns by roll. Yaw is positive when
    the face looks to the picture's right, pitch when it looks down, roll when it leans clockwise as seen. All
    are 0 for the average head.
    """
    axes = transform.rotation  # row k: the head's k-th axis (right, down, into the scene) in picture axes
    yaw = np.arctan2(axes[:, 0, 2], axes[:, 2, 2])
    pitch = np.arcsin(np.clip(axes[:, 1, 2], -1, 1))
    roll = np.arctan2(-axes[:, 1, 0], axes[:, 1, 1])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=1)), np.float32)


def _fit(observed: Array, model: Array) -> Transform:
    """Least-squares similarities (Umeyama 1991) from a head's skull points (R, 3) to those of (T, R, 3)."""
    centre = model.mean(axis=0)
    model = model - centre
    middle = observed.mean(axis=1)
    observed = observed - middle[:, None]
    u, s, vt = np.linalg.svd(np.einsum("ni,tnj->tij", model, observed))
    sign = np.sign(np.linalg.det(u @ vt))  # never a reflection
    u[:, :, 2] *= sign[:, None]
    s[:, 2] *= sign
    rotation = u @ vt
    scale = s.sum(axis=1) / (model**2).sum()
    return Transform(scale, rotation, middle - scale[:, None] * (centre @ rotation))


def _inverse(mesh: Array, transform: Transform) -> Array:
    moved = (mesh - transform.shift[:, None]) @ transform.rotation.transpose(0, 2, 1)
    return np.asarray(moved / transform.scale[:, None, None])


def _smoothed(transform: Transform, sigma: float) -> Transform:
    """Head poses without the jitter of the mesh; `sigma` is in frames."""
    reach = min(int(np.ceil(3 * sigma)), len(transform) - 1)
    anchor = np.array(
        (0.0, 0.5, -0.2)
    )  # between nose and mouth: an error of rotation must not swing the mouth
    position = transform.scale[:, None] * (anchor @ transform.rotation) + transform.shift
    columns = np.hstack([np.log(transform.scale)[:, None], position, transform.rotation.reshape(-1, 9)])
    # Mirrored through the end points, so that a steady movement stays one at the ends.
    head = 2 * columns[:1] - columns[reach:0:-1]
    tail = 2 * columns[-1:] - columns[-2 : -reach - 2 : -1]
    padded = np.vstack([head, columns, tail])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    smoothed = windows @ quadratic(sigma, reach)
    u, _, vt = np.linalg.svd(smoothed[:, 4:].reshape(-1, 3, 3))
    rotation, scale = u @ vt, np.exp(smoothed[:, 0])
    return Transform(scale, rotation, smoothed[:, 1:4] - scale[:, None] * (anchor @ rotation))
