"""Meshes that `exemplar` draws from and to: the source's, the target's and the gallery's, without jitter."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.artifacts.gallery import Gallery
from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines.lips import render
from dubcli.face import mesh as regions
from dubcli.face import pose
from dubcli.face.smooth import quadratic, smoothstep

Floats = NDArray[np.floating[Any]]

_MOUTH = list(regions.MOUTH)
_SMOOTHING = 0.8  # frames (standard deviation): removes the jitter of the mesh, keeps a lip closure
_UNIT = np.float32(1 / 255)


def canonical(
    track: FaceTrack, frames: NDArray[np.int32], shape: Floats, head: Floats
) -> tuple[pose.Transform, NDArray[np.float32], NDArray[np.float32]]:
    """Head poses of frames (T,) of a track, and canonical meshes (T, 478, 3): the source's and the target's.

    The target's has mouth shapes (T, P, 3); see `own` for the rest.
    """
    head_pose, source = own(track, frames, head)
    target = source.copy()
    target[:, _MOUTH] = reached(source, shape)
    return head_pose, source, target


def own(
    track: FaceTrack, frames: NDArray[np.int32], head: Floats
) -> tuple[pose.Transform, NDArray[np.float32]]:
    """Head poses of frames (T,) of a track, and their canonical meshes (T, 478, 3), both without jitter.

    `head` is that of the gallery.
    """
    rows = frames - track.frames[0]
    head_pose = pose.canonical_transform(track.mesh, head, _SMOOTHING)[rows]
    return head_pose, smoothed(pose.to_canonical(track.mesh[rows], head_pose), _SMOOTHING)


def reached(source: Floats, shape: Floats) -> NDArray[np.float32]:
    """Mouths (T, P, 3) moved from the source (T, 478, 3) by the share that each point may move."""
    mouth = source[:, _MOUTH]
    return np.asarray(mouth + reach()[:, None] * (shape - mouth), np.float32)


def smoothed(shapes: Floats, frames: float) -> NDArray[np.float32]:
    """Points (T, N, 3) without the jitter of the mesh: zero-phase local quadratic smoothing over frames."""
    reach = int(np.ceil(3 * frames))
    kernel = quadratic(frames, reach)
    return np.asarray(ndimage.correlate1d(np.asarray(shapes, np.float32), kernel, axis=0, mode="nearest"))


def smoothed_runs(gallery: Gallery) -> tuple[NDArray[np.float32], pose.Transform]:
    """Meshes of the gallery without jitter, (N, 478, 3), and the head poses (N) that they have."""
    mesh = np.array(gallery.mesh)
    scale, rotation, shift = np.zeros(len(mesh)), np.zeros((len(mesh), 3, 3)), np.zeros((len(mesh), 3))
    for number in np.unique(gallery.run):
        rows = np.flatnonzero(gallery.run == number)
        head_pose = pose.canonical_transform(mesh[rows], gallery.head, _SMOOTHING)
        mesh[rows] = pose.from_canonical(
            smoothed(pose.to_canonical(mesh[rows], head_pose), _SMOOTHING), head_pose
        )
        scale[rows], rotation[rows], shift[rows] = head_pose.scale, head_pose.rotation, head_pose.shift
    return mesh, pose.Transform(scale, rotation, shift)


def face_of(gallery: Gallery, mesh: Floats, row: int) -> render.Face:
    """Reference frame of a row, in pixels of its crop; `mesh` (N, 478, 3) is that of `smoothed_runs`."""
    occluded = gallery.occlusion[row]
    return render.Face(
        gallery.crop[row],
        mesh[row] - (*gallery.origin[row], 0),
        _UNIT * occluded if occluded.any() else None,
    )


@lru_cache(maxsize=1)
def reach() -> NDArray[np.float32]:
    """Share (P,) of the target movement that each mouth point makes: falls towards the ears."""
    side = np.abs(regions.head()[_MOUTH, 0])
    return 1 - smoothstep((side - 0.42) / (0.65 - 0.42))
