"""Drawing one frame: the target's own lower face moved to the wanted jaw, borrowed lips and chin over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import blend, mask, warp
from dubcli.face import mesh as regions

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.float32]

_EDGE = list(mask.EDGE)
_LIPS = list(regions.LIPS_OUTER)
_FEATHER = 0.14  # outer-eye distances over which borrowed pixels fade in at their edge
_BESIDE_LIPS = 0.10  # outer-eye distances around the lips where skin is no measure of light
_LIGHT_REACH = 0.25  # outer-eye distances over which light is taken to vary
_VISIBLE = 0.25  # pixels of movement from which the target's own skin is replaced


@dataclass(frozen=True)
class Face:
    """A picture and where its face lies.

    Attributes:
        picture: (h, w, 3) uint8 or uint16 RGB.
        mesh: (478, 3) continuous pixels of this picture; z is depth.
    """

    picture: NDArray[Any]
    mesh: Floats


@dataclass(frozen=True)
class Layers:
    """Two pictures of the wanted face, (h, w, 3) float32 0–1, not yet joined.

    Attributes:
        base: the target's own pixels with cheeks, jaw and neck moved.
        other: the borrowed pixels in place.
        region: (h, w) where borrowed pixels may show, hard-edged.
        movement: (h, w) pixels that the target's own skin has moved.
        light: coarse gains that give `other` the light of `base`.
    """

    base: Picture
    other: Picture
    region: Picture
    movement: Picture
    light: Picture


def layers(target: Face, wanted: Floats, footage: Face) -> Layers:
    """Put both faces where the lattice of `wanted` (478, 2) lies."""
    h, w = target.picture.shape[:2]
    nodes = warp.moved(target.mesh, wanted)
    sources = [warp.rest(target.mesh), warp.rest(footage.mesh)]
    drawn = warp.maps(nodes, sources, (w, h), target.mesh[:, 2])
    own, borrowed = drawn.pairs
    base = _sample(target.picture, own)
    other = _sample(footage.picture, borrowed)
    eyes = _eyes(target.mesh)
    region = mask.polygon(wanted[_EDGE], (w, h))
    lips = mask.spread(mask.polygon(wanted[_LIPS], (w, h)), _BESIDE_LIPS * eyes)
    skin = region * (1 - lips)
    x = np.arange(w, dtype=np.float32)[None]
    y = np.arange(h, dtype=np.float32)[:, None]
    movement = np.hypot(own[0] - x, own[1] - y)
    light = blend.light_field(base, other, skin, _LIGHT_REACH * eyes)
    return Layers(base, other, region, movement, light)


def join(drawn: Layers, light: Picture, eyes: float) -> tuple[Picture, Picture]:
    """Final picture (h, w, 3) and mask (h, w), both 0–1, under the given light."""
    levels = int(np.clip(round(np.log2(max(eyes, 1) / 10)), 1, 6))
    inner = mask.soften(drawn.region, _FEATHER * eyes)
    picture = blend.bands(drawn.base, blend.relight(drawn.other, light), inner, levels)
    alpha = np.maximum(
        mask.spread(drawn.region, 0.5 * _FEATHER * eyes), mask.smoothstep(drawn.movement / _VISIBLE)
    )
    return np.clip(picture, 0, 1), alpha


def _sample(picture: NDArray[Any], at: tuple[Picture, Picture]) -> Picture:
    full = np.float32(np.iinfo(picture.dtype).max)
    moved = cv2.remap(picture, at[0], at[1], cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32) / full


def _eyes(mesh: Floats) -> float:
    return float(np.linalg.norm(mesh[regions.EYE_LEFT, :3] - mesh[regions.EYE_RIGHT, :3]))
