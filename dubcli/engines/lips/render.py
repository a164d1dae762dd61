"""Rendering of one frame: the source's lower face warped to the target jaw, reference lips and chin over it.

Constants are set by hand on real footage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import blend, mask, occlusion, overlay, warp
from dubcli.face import mesh as regions
from dubcli.face.inverse import InverseWarp
from dubcli.face.smooth import smoothstep
from dubcli.media.samples import unit

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.float32]

_EDGE = list(mask.EDGE)
_LIPS = list(regions.LIPS_OUTER)
_FEATHER = 0.14  # outer-eye distances; feather of reference pixels at their edge
_LIP_MARGIN = 0.10  # outer-eye distances around the lips that are left out when light is measured
_LIGHT_REACH = 0.25  # outer-eye distances (standard deviation) over which light varies
_MAX_GRAIN = 1.4  # largest gain of detail; more would be sharpening
_MIN_MOVEMENT = 0.02  # pixels of movement under which a node is at rest
_WORDS_FEATHER = 0.7  # pixels (standard deviation) at the edge of words
_VISIBLE = 0.25  # pixels of movement from which the source's skin is replaced


@dataclass(frozen=True)
class Face:
    """A picture, the mesh of its face and its occlusion mask.

    Attributes:
        picture: (h, w, 3) uint8 or uint16 RGB.
        mesh: (478, 3) continuous pixels of this picture; z is depth.
        occlusion: mask on the texture of `face.occlusion`, 0–1; None where nothing is occluded.
        inside: rows and columns that are the film's own; beyond it, and over bars, its edge is replicated.
        words: (h, w) what is written over chin and neck, and stays as it is; None where nothing is.
    """

    picture: NDArray[Any]
    mesh: Floats
    occlusion: Picture | None = None
    inside: tuple[slice, slice] = (slice(None), slice(None))
    words: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Layers:
    """Two pictures of the target face, not yet composited.

    Attributes:
        base: (H, W, 3) float32 0–1, the source's own pixels with cheeks, jaw and neck moved.
        movement: (H, W) pixels by which the source's skin has moved.
        occlusion_mask: (H, W) 0–1, where an occluder of the source must stay.
        moved_occlusion: (H, W) 0–1, where the occluder was moved along with the skin in `base`.
        box: rows and columns of the picture that reference pixels may replace.
        reference: (h, w, 3) the reference pixels warped to the target, in that box.
        region: (h, w) blend region, not feathered.
        matte: (h, w) 0 where the reference is occluded.
        skin: (h, w) 1 on skin, 0 on the lips and in the mouth, whose detail is not grain.
        light: coarse gains that give `reference` the light of `base`.
        grain: ratio of the finest detail of the source's skin to that of `reference`.
    """

    base: Picture
    movement: Picture
    occlusion_mask: Picture
    moved_occlusion: Picture
    box: tuple[slice, slice]
    reference: Picture
    region: Picture
    matte: Picture
    skin: Picture
    light: Picture
    grain: float


def layers(source: Face, target_mesh: Floats, reference_face: Face) -> Layers:
    """Both faces warped to `target_mesh` (478, 2)."""
    h, w = source.picture.shape[:2]
    nodes, rest_nodes = warp.moved(source.mesh, target_mesh), warp.rest(source.mesh)
    labels = warp.footprint(nodes, (w, h), source.mesh[:, 2])
    eyes = _eyes(source.mesh)

    own = source.picture if source.words is None else overlay.lifted(source.picture, source.words)
    picture = own.copy()
    movement = np.zeros((h, w), np.float32)
    free = np.append(
        (np.abs(nodes - rest_nodes) > _MIN_MOVEMENT).any(axis=1)[warp.lattice().triangles].any(axis=1), False
    )
    where = np.take(free, labels)
    colours, path = warp.pull(own, warp.affine(nodes, rest_nodes), labels, where)
    warp.put(picture, where, colours)
    base = unit(picture)
    movement[where] = np.sqrt(path[:, 0] ** 2 + path[:, 1] ** 2)  # a third of the time that hypot takes

    box = _around(target_mesh[_EDGE], _levels(eyes), (h, w))
    corner = (box[1].start, box[0].start)
    size = (box[1].stop - corner[0], box[0].stop - corner[1])
    region = mask.polygon(target_mesh[_EDGE] - corner, size)
    lips = mask.spread(mask.polygon(target_mesh[_LIPS] - corner, size), _LIP_MARGIN * eyes)
    pixels = picture[box].copy()
    visible = region > 0
    goal = target_mesh - corner
    taken = InverseWarp.of(nodes - np.array(corner, np.float32), labels[box], visible, goal)
    scale = eyes / max(_eyes(reference_face.mesh), 1e-3)
    points = reference_face.mesh[:, :2]
    warp.put(pixels, visible, taken.colours(reference_face.picture, points, scale, cv2.INTER_LANCZOS4))
    reference = unit(pixels)
    occlusion_mask, moved_occlusion, matte = (
        np.zeros((h, w), np.float32),
        np.zeros((h, w), np.float32),
        np.ones_like(region),
    )
    if source.occlusion is not None:
        occlusion_mask = occlusion.projected(
            source.occlusion, rest_nodes, warp.footprint(rest_nodes, (w, h), source.mesh[:, 2])
        )
        moved_occlusion = occlusion.projected(source.occlusion, nodes, labels)
    if source.words is not None:
        kept = cv2.GaussianBlur(source.words.astype(np.float32), (0, 0), _WORDS_FEATHER)
        np.maximum(occlusion_mask, kept, out=occlusion_mask)
    if reference_face.occlusion is not None:
        matte = 1 - occlusion.projected(reference_face.occlusion, nodes, labels)[box]
        reference = base[box] + matte[..., None] * (reference - base[box])
    light_mask = region * (1 - lips) * matte * (1 - moved_occlusion[box])
    light = blend.light_field(base[box], reference, light_mask, _LIGHT_REACH * eyes)
    grain = blend.detail(base[box], light_mask) / max(blend.detail(reference, light_mask), 1e-4)
    grain = float(np.clip(grain, 1, _MAX_GRAIN))
    return Layers(
        base, movement, occlusion_mask, moved_occlusion, box, reference, region, matte, 1 - lips, light, grain
    )


def join(drawn: Layers, light: Picture, grain: float, eyes: float) -> tuple[Picture, Picture]:
    """Picture (H, W, 3), made in `drawn.base`, and mask (H, W), 0–1, with the given light and grain."""
    inner = mask.soften(drawn.region, _FEATHER * eyes) * drawn.matte
    picture, alpha = drawn.base, smoothstep(drawn.movement / _VISIBLE)
    reference = blend.relight(blend.sharpened(drawn.reference, grain, drawn.skin), light)
    base = picture[drawn.box]
    if drawn.moved_occlusion.any():
        # An occluder must not appear where it was moved to: neither in the widest band of the blend, nor
        # where there is no reference skin to replace it; there the source stays.
        base = base + (drawn.moved_occlusion[drawn.box] * drawn.matte)[..., None] * (reference - base)
    picture[drawn.box] = blend.bands(base, reference, inner, _levels(eyes))
    alpha[drawn.box] = np.maximum(alpha[drawn.box], mask.spread(drawn.region, 0.5 * _FEATHER * eyes))
    moved = drawn.moved_occlusion.copy()
    moved[drawn.box] *= 1 - inner
    np.minimum(np.maximum(picture, 0, out=picture), 1, out=picture)
    return picture, alpha * (1 - np.maximum(drawn.occlusion_mask, moved))


def _around(points: Floats, levels: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a picture of that shape that hold the points and a margin for the widest band."""
    room = 1 << levels
    low = np.floor(points.min(axis=0) - room).astype(int)
    high = np.ceil(points.max(axis=0) + room).astype(int)
    (left, top), (right, bottom) = np.maximum(low, 0).tolist(), np.minimum(high, shape[::-1]).tolist()
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def _levels(eyes: float) -> int:
    return int(np.clip(round(np.log2(max(eyes, 1) / 10)), 1, 6))


def _eyes(mesh: Floats) -> float:
    return float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))
