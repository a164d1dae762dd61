"""Drawing one frame: the target's own lower face moved to the wanted jaw, borrowed lips and chin over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import blend, cover, mask, teeth, warp
from dubcli.face import mesh as regions
from dubcli.face.smooth import smoothstep

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.float32]

_EDGE = list(mask.EDGE)
_LIPS = list(regions.LIPS_OUTER)
_FEATHER = 0.14  # outer-eye distances over which borrowed pixels fade in at their edge
_BESIDE_LIPS = 0.10  # outer-eye distances around the lips where skin is no measure of light
_LIGHT_REACH = 0.25  # outer-eye distances over which light is taken to vary
_GRAINIER = 1.4  # times; more would be sharpening
_STILL = 0.02  # pixels
_VISIBLE = 0.25  # pixels of movement from which the target's own skin is replaced


@dataclass(frozen=True)
class Face:
    """A picture and where its face lies.

    Attributes:
        picture: (h, w, 3) uint8 or uint16 RGB.
        mesh: (478, 3) continuous pixels of this picture; z is depth.
        cover: what lies before it, on the layout of `face.cover`, 0–1; None for nothing.
    """

    picture: NDArray[Any]
    mesh: Floats
    cover: Picture | None = None


@dataclass(frozen=True)
class Layers:
    """Two pictures of the wanted face, not yet joined.

    Attributes:
        base: (H, W, 3) float32 0–1, the target's own pixels with cheeks, jaw and neck moved.
        movement: (H, W) pixels that the target's own skin has moved.
        before: (H, W) where something lies before the target's face and must stay.
        veiled: (H, W) where `base` shows what lay before the face, moved along with it.
        box: part (rows, columns) of the picture where borrowed pixels may show.
        other: (h, w, 3) the borrowed pixels in place, in that part.
        region: (h, w) where they may show, hard-edged.
        usable: (h, w) 0 where they are not the actor's face.
        plain: (h, w) 1 on skin, 0 on the lips and in the mouth, whose detail is not grain.
        light: coarse gains that give `other` the light of `base`.
        grain: how much stronger the finest detail of the target's skin is than that of `other`.
    """

    base: Picture
    movement: Picture
    before: Picture
    veiled: Picture
    box: tuple[slice, slice]
    other: Picture
    region: Picture
    usable: Picture
    plain: Picture
    light: Picture
    grain: float


def layers(target: Face, wanted: Floats, footage: Face) -> Layers:
    """Put both faces where `wanted` (478, 2) lies."""
    h, w = target.picture.shape[:2]
    nodes, still = warp.moved(target.mesh, wanted), warp.rest(target.mesh)
    labels = warp.footprint(nodes, (w, h), target.mesh[:, 2])
    eyes = _eyes(target.mesh)

    picture = target.picture.copy()
    movement = np.zeros((h, w), np.float32)
    free = np.append(
        (np.abs(nodes - still) > _STILL).any(axis=1)[warp.lattice().triangles].any(axis=1), False
    )
    where = np.take(free, labels)
    colours, path = warp.pull(target.picture, warp.affine(nodes, still), labels, where)
    warp.put(picture, where, colours)
    base = _unit(picture)
    movement[where] = np.sqrt(path[:, 0] ** 2 + path[:, 1] ** 2)  # a third of the time that hypot takes

    box = _around(wanted[_EDGE], _levels(eyes), (h, w))
    corner = (box[1].start, box[0].start)
    size = (box[1].stop - corner[0], box[0].stop - corner[1])
    region = mask.polygon(wanted[_EDGE] - corner, size)
    lips = mask.spread(mask.polygon(wanted[_LIPS] - corner, size), _BESIDE_LIPS * eyes)
    borrowed = picture[box].copy()
    shown = region > 0
    table = warp.affine(nodes - np.array(corner, np.float32), warp.rest(footage.mesh))
    at, name = warp.pixels(shown), labels[box][shown]
    places, cell = warp.origins(table, name, at), np.take(warp.lattice().cell, name)
    inside = cell >= 0
    if inside.any():
        old, new = footage.mesh[:, :2] - 0.5, wanted - corner - 0.5
        larger = eyes / max(_eyes(footage.mesh), 1e-3)
        places[inside] = teeth.origins(footage.picture, old, new, at[inside], cell[inside], larger)
    warp.put(borrowed, shown, warp.taken(footage.picture, places, cv2.INTER_LANCZOS4))
    other = _unit(borrowed)
    before, veiled, usable = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32), np.ones_like(region)
    if target.cover is not None:
        before = cover.shown(target.cover, still, warp.footprint(still, (w, h), target.mesh[:, 2]))
        veiled = cover.shown(target.cover, nodes, labels)
    if footage.cover is not None:
        usable = 1 - cover.shown(footage.cover, nodes, labels)[box]
        other = base[box] + usable[..., None] * (other - base[box])
    skin = region * (1 - lips) * usable * (1 - veiled[box])
    light = blend.light_field(base[box], other, skin, _LIGHT_REACH * eyes)
    grain = blend.detail(base[box], skin) / max(blend.detail(other, skin), 1e-4)
    grain = float(np.clip(grain, 1, _GRAINIER))
    return Layers(base, movement, before, veiled, box, other, region, usable, 1 - lips, light, grain)


def join(drawn: Layers, light: Picture, grain: float, eyes: float) -> tuple[Picture, Picture]:
    """Final picture (H, W, 3) and mask (H, W), both 0–1, with the given light and grain."""
    inner = mask.soften(drawn.region, _FEATHER * eyes) * drawn.usable
    picture, alpha = drawn.base.copy(), smoothstep(drawn.movement / _VISIBLE)
    other = blend.relight(blend.sharpened(drawn.other, grain, drawn.plain), light)
    # What lay before the face must not show where it was moved to: not in the widest band of the blend, and
    # where no borrowed skin can take its place, the source stays.
    base = picture[drawn.box]
    base = base + (drawn.veiled[drawn.box] * drawn.usable)[..., None] * (other - base)
    picture[drawn.box] = blend.bands(base, other, inner, _levels(eyes))
    alpha[drawn.box] = np.maximum(alpha[drawn.box], mask.spread(drawn.region, 0.5 * _FEATHER * eyes))
    moved = drawn.veiled.copy()
    moved[drawn.box] *= 1 - inner
    return np.clip(picture, 0, 1), alpha * (1 - np.maximum(drawn.before, moved))


def _around(points: Floats, levels: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a picture of that shape that hold the points and room for the widest band."""
    room = 1 << levels
    low = np.floor(points.min(axis=0) - room).astype(int)
    high = np.ceil(points.max(axis=0) + room).astype(int)
    (left, top), (right, bottom) = np.maximum(low, 0).tolist(), np.minimum(high, shape[::-1]).tolist()
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def _levels(eyes: float) -> int:
    return int(np.clip(round(np.log2(max(eyes, 1) / 10)), 1, 6))


def _unit(values: NDArray[Any]) -> Picture:
    return np.asarray(values, np.float32) * np.float32(1 / np.iinfo(values.dtype).max)


def _eyes(mesh: Floats) -> float:
    return float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))
