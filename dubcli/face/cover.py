"""What covers a lower face (microphones, hands, cups), found by comparing it with the face's appearance.

Every picture of the lower face is unrolled onto one small layout in which each place of the skin always lies
at the same texel. What the skin looks like there is learnt from the actor's footage, and what departs from it
by more than light and expression do is something in front of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.face import mask, warp
from dubcli.face import mesh as regions
from dubcli.face.smooth import smoothstep

Floats = NDArray[np.floating[Any]]
Plane = NDArray[np.float32]

COLUMNS, ROWS = 48, 36  # of the layout
_LEFT, _TOP, _WIDE, _HIGH = -0.72, 0.30, 1.44, 1.08  # its place on the average head, outer-eye distances
_FLOOR = 0.04  # of full scale: keeps ratios of dark pixels tame
_SKIN = 0.5  # log of colour by which skin of one face differs at most from its median
_RARE = 0.15  # share of pictures in which a place must look like skin to be taken for skin
_SAMPLE = 200  # pictures that the appearance is learnt from
_LIGHTER, _COOLER = 0.45, 0.25  # log of light and of blue over red that count as one departure
_USUAL = 7.0  # departures that a spread of 1 excuses
_UNLIKE = 1.0  # departures from which something may be there; twice as many are sure
_SPECK, _TIP = 12, 5  # texels; less is a wrinkle, but at the rim the tip of something


@dataclass(frozen=True)
class Appearance:
    """What a lower face looks like.

    Attributes:
        colour: (ROWS, COLUMNS, 3) log of colour, in the light of an average picture.
        spread: (ROWS, COLUMNS) usual departure from it.
    """

    colour: Plane
    spread: Plane


def unrolled(picture: NDArray[Any], mesh: Floats) -> NDArray[np.uint8]:
    """The lower face laid flat, (ROWS, COLUMNS, 3); `mesh` (478, 2 or 3) are pixels of `picture`."""
    layout, labels = _layout()
    eyes = float(np.linalg.norm(mesh[regions.EYE_LEFT, :2] - mesh[regions.EYE_RIGHT, :2]))
    shrink = max(1.0, eyes * _WIDE / COLUMNS / 2)
    small = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    scale = np.array([small.shape[1] / picture.shape[1], small.shape[0] / picture.shape[0]], np.float32)
    table = warp.affine(layout, warp.rest(mesh) * scale)
    colours, _ = warp.pull(small, table, labels, np.ones(labels.shape, bool), cv2.INTER_LINEAR)
    full = np.float32(255 / np.iinfo(picture.dtype).max)
    return np.asarray(np.rint(colours.reshape(ROWS, COLUMNS, 3) * full), np.uint8)


def learn(textures: NDArray[np.uint8]) -> Appearance:
    """What a face looks like, from pictures (N, ROWS, COLUMNS, 3) of it; from none, nothing is unlike it."""
    if not len(textures):
        nothing = np.zeros((ROWS, COLUMNS, 3), np.float32)
        return Appearance(nothing, np.full((ROWS, COLUMNS), np.inf, np.float32))
    some = _log(textures[:: -(-len(textures) // _SAMPLE)])
    upper = some[:, _places() == 1]
    some = some - np.median(upper, axis=1)[:, None, None]
    # A microphone may stand before the chin most of the time: where skin is ever seen, skin is meant.
    skin = np.abs(some).max(axis=3) < _SKIN
    seen = skin.mean(axis=0) > _RARE
    used = np.where((skin | ~seen)[..., None], some, np.nan)
    colour = np.nanmedian(used, axis=0)
    spread = 1.48 * np.nanmedian(np.abs(used - colour).max(axis=3), axis=0)
    return Appearance(np.asarray(colour, np.float32), np.asarray(spread, np.float32))


def light(textures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colour of the skin of each picture (N, ROWS, COLUMNS, 3), (N, 3) 0–1."""
    return np.asarray(np.median(textures[:, _places() > 0], axis=1) / 255, np.float32)


def mouth(textures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey values 0–255 of the mouth of each picture (N, ROWS, COLUMNS, 3), flat, (N, D)."""
    placed, _ = _layout()
    lips = placed[list(regions.LIPS_OUTER)]
    (left, top), (right, bottom) = (
        np.floor(lips.min(axis=0)).astype(int),
        np.ceil(lips.max(axis=0)).astype(int),
    )
    part = textures[:, top:bottom, left:right].astype(np.float32)
    return np.asarray(part.mean(axis=3).reshape(len(textures), -1))


def covered(texture: NDArray[np.uint8], appearance: Appearance) -> Plane:
    """How surely something lies before each texel, (ROWS, COLUMNS) 0–1."""
    skin = _places() > 0
    departure = _log(texture) - appearance.colour
    sure = _unlike(departure - np.median(departure[_places() == 1], axis=0), appearance) * skin
    _, labels, stats, _ = cv2.connectedComponentsWithStats((sure > 0.5).astype(np.uint8))
    large = stats[:, cv2.CC_STAT_AREA] >= _SPECK
    reaching = np.unique(labels[_rim()])
    large[reaching] |= stats[reaching, cv2.CC_STAT_AREA] >= _TIP
    large[0] = False
    if not large.any():
        return np.zeros((ROWS, COLUMNS), np.float32)
    whole = cv2.morphologyEx(large[labels].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    # Its soft edge, its shadow and the mesh's error lie within two texels.
    wide = np.asarray(cv2.dilate(whole, np.ones((5, 5), np.uint8)), np.float32)
    return _filled(np.asarray(cv2.GaussianBlur(wide, (0, 0), 0.7), np.float32))


def _unlike(departure: Plane, appearance: Appearance) -> Plane:
    """How surely each texel (ROWS, COLUMNS, 3) that departs by that is no skin: 0–1."""
    light, cool = departure.mean(axis=2), departure[..., 2] - departure[..., 0]
    # Skin that turns from the light darkens and reddens; what is not skin is less red.
    far = np.abs(light) / _LIGHTER + np.clip(cool / _COOLER, -2, 2) - _USUAL * appearance.spread
    much = cv2.blur(np.asarray(far, np.float32), (3, 3))
    return smoothstep((much - _UNLIKE) / _UNLIKE)


def _filled(sure: Floats) -> Plane:
    """Give the lips what surrounds them, and the rim and the neck what lies nearest to them on the skin."""
    weight = (_places() > 0).astype(np.float32)
    found = np.asarray(sure, np.float32)[_nearest()]
    around = cv2.GaussianBlur(found * weight, (0, 0), 2.5) / (cv2.GaussianBlur(weight, (0, 0), 2.5) + 1e-4)
    inner = smoothstep((np.asarray(around, np.float32) - 0.3) / 0.4)
    return np.asarray(np.where(_lips(), inner, found), np.float32)


def shown(cover: Plane, nodes: Floats, labels: NDArray[np.int32]) -> Plane:
    """Cover of the layout drawn over a face at `nodes` whose footprint is `labels`: (h, w) 0–1."""
    where = labels >= 0
    out = np.zeros(labels.shape, np.float32)
    table = warp.affine(np.asarray(nodes, np.float32), _layout()[0])
    values, _ = warp.pull(np.repeat(cover[..., None], 3, axis=2), table, labels, where, cv2.INTER_LINEAR)
    out[where] = values[:, 0]
    return out


def _log(textures: NDArray[np.uint8]) -> Plane:
    return np.asarray(np.log(np.asarray(textures, np.float32) / 255 + _FLOOR), np.float32)


@lru_cache(maxsize=1)
def _layout() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Nodes of the lattice on the layout, and which triangle lies at each texel."""
    nodes = warp.rest(regions.head())
    scale = np.array([COLUMNS / _WIDE, ROWS / _HIGH], np.float32)
    placed = (nodes - np.array([_LEFT, _TOP], np.float32)) * scale
    return placed, warp.footprint(placed, (COLUMNS, ROWS))


@lru_cache(maxsize=1)
def _places() -> NDArray[np.uint8]:
    """(ROWS, COLUMNS): 1 on skin above the mouth, seldom covered, 2 below, 0 where skin is not judged."""
    placed, _ = _layout()
    place = np.where(mask.polygon(placed[list(mask.EDGE)], (COLUMNS, ROWS)) > 0.5, 2, 0)
    above = slice(round(float(placed[regions.UPPER_LIP, 1])))
    place[above] = np.minimum(place[above], 1)
    place[_lips()] = 0
    return place.astype(np.uint8)


@lru_cache(maxsize=1)
def _lips() -> NDArray[np.bool_]:
    """(ROWS, COLUMNS): lips and what the mesh may misplace them by."""
    outline = _layout()[0][list(regions.LIPS_OUTER)]
    return mask.spread(mask.polygon(outline, (COLUMNS, ROWS)), 3.0) > 0.2


@lru_cache(maxsize=1)
def _rim() -> NDArray[np.bool_]:
    """(ROWS, COLUMNS): outermost judged texels, where what covers a face comes in."""
    face = mask.polygon(_layout()[0][list(mask.EDGE)], (COLUMNS, ROWS)) > 0.5
    inner = cv2.erode(face.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=(0,)) > 0
    return np.asarray(face & ~inner & (_places() > 0))


@lru_cache(maxsize=1)
def _nearest() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Row and column of the judged texel nearest to each texel."""
    rows, columns = ndimage.distance_transform_edt(
        _places() == 0, return_distances=False, return_indices=True
    )
    return rows, columns
