"""Occlusion masks of a lower face (microphones, hands, cups), from its departure from the face's appearance.

Every picture of the lower face is unwrapped onto one small texture in which each point of the skin always has
the same texel. The appearance of the skin there is fitted to the actor's footage, and what departs from it by
more than light and expression do is an occluder.

Every constant was set by hand on real footage: `bench/track.py` measures how well occluded faces are found by
the tracker, and no measurement of these masks is on record.
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
from dubcli.face.crop import halved, halvings
from dubcli.face.smooth import smoothstep

Floats = NDArray[np.floating[Any]]
Plane = NDArray[np.float32]

COLUMNS, ROWS = 48, 36  # texels of the texture
_LEFT, _TOP, _WIDTH, _HEIGHT = (
    -0.72,
    0.30,
    1.44,
    1.08,
)  # of the texture on the average head, outer-eye distances
_LOG_FLOOR = 0.04  # of full scale, added before the logarithm: bounds ratios of dark pixels
_SKIN_RANGE = 0.5  # log of colour (natural); skin of one face is within that of its median
_SKIN_SHARE = 0.15  # share of pictures in which a texel must be within that range to count as skin
_FIT_TEXTURES = 200  # textures at most that the appearance is fitted to
_LUMINANCE_UNIT, _HUE_UNIT = (
    0.45,
    0.25,
)  # log of luminance and of blue over red that are one unit of departure
_SPREAD_WEIGHT = 7.0  # units of departure that are allowed for each unit of log of the spread
_OUTLIER = 1.5  # units of departure from which a texel is an outlier
_MOST_SPREAD = 0.1  # log of colour that a texel of skin is taken to spread by: more is of what was before it
_LIGHT_OUTLIER = (0.25, 4.0)  # log of luminance, and spreads, by which skin below the mouth never departs
_LIGHT_UNSURE = (0.1, 2.5)  # the same, by which it departs within an occluder that is sure elsewhere
_SMALLEST, _SMALLEST_AT_RIM = (
    12,
    5,
)  # texels of a component; less is a wrinkle, but at the rim an occluder's tip


@dataclass(frozen=True)
class Appearance:
    """Appearance of one lower face on the texture.

    Attributes:
        colour: (ROWS, COLUMNS, 3) log of colour, relative to the skin above the mouth.
        spread: (ROWS, COLUMNS) robust standard deviation of the log of colour about it, `_MOST_SPREAD` at
            most; infinite: unknown.
    """

    colour: Plane
    spread: Plane


def unwrapped(picture: NDArray[Any], mesh: Floats) -> NDArray[np.uint8]:
    """Texture of a lower face, (ROWS, COLUMNS, 3); `mesh` (478, 2 or 3) in pixels of `picture`."""
    layout, labels = _layout()
    eyes = float(np.linalg.norm(mesh[regions.EYE_LEFT, :2] - mesh[regions.EYE_RIGHT, :2]))
    times = min(halvings(eyes * _WIDTH / COLUMNS / 2), int(np.log2(min(picture.shape[:2]))))
    small = halved(picture, times)
    table = warp.affine(layout, warp.rest(mesh) * np.float32(0.5**times))
    colours, _ = warp.pull(small, table, labels, np.ones(labels.shape, bool), cv2.INTER_LINEAR)
    full = np.float32(255 / np.iinfo(picture.dtype).max)
    return np.asarray(np.rint(colours.reshape(ROWS, COLUMNS, 3) * full), np.uint8)


def fit(textures: NDArray[np.uint8]) -> Appearance:
    """Appearance from textures (N, ROWS, COLUMNS, 3); from none, one from which nothing departs."""
    if not len(textures):
        nothing = np.zeros((ROWS, COLUMNS, 3), np.float32)
        return Appearance(nothing, np.full((ROWS, COLUMNS), np.inf, np.float32))
    sample = _log(textures[:: -(-len(textures) // _FIT_TEXTURES)])
    upper = sample[:, _zones() == 1]
    sample = sample - np.median(upper, axis=1)[:, None, None]
    # A microphone may be in front of the chin most of the time: texels that are ever skin are fitted to skin.
    skin = np.abs(sample).max(axis=3) < _SKIN_RANGE
    observed = skin.mean(axis=0) > _SKIN_SHARE
    values = np.where((skin | ~observed)[..., None], sample, np.nan)
    colour = np.nanmedian(values, axis=0)
    spread = 1.48 * np.nanmedian(np.abs(values - colour).max(axis=3), axis=0)
    return Appearance(np.asarray(colour, np.float32), np.minimum(spread, _MOST_SPREAD).astype(np.float32))


def light(textures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Median skin colour of four parts of each texture (N, ROWS, COLUMNS, 3), (N, 4, 3) 0–1.

    Above and below the mouth, left and right: where light comes from tells frames apart that are as bright.
    """
    left = np.arange(COLUMNS) < COLUMNS // 2
    parts = [(_zones() == zone) & side for zone in (1, 2) for side in (left, ~left)]
    colours = [np.median(textures[:, part], axis=1) / 255 for part in parts]
    return np.asarray(np.stack(colours, axis=1), np.float32)


def mouth(textures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey values 0–255 of the mouth in each texture (N, ROWS, COLUMNS, 3), flattened, (N, D)."""
    placed, _ = _layout()
    lips = placed[list(regions.LIPS_OUTER)]
    (left, top), (right, bottom) = (
        np.floor(lips.min(axis=0)).astype(int),
        np.ceil(lips.max(axis=0)).astype(int),
    )
    part = textures[:, top:bottom, left:right].astype(np.float32)
    return np.asarray(part.mean(axis=3).reshape(len(textures), -1))


def estimate(texture: NDArray[np.uint8], appearance: Appearance) -> Plane:
    """Occlusion mask of a texture, (ROWS, COLUMNS) 0–1."""
    departure = _log(texture) - appearance.colour
    departure -= np.median(departure[_zones() == 1], axis=0)
    sure, unsure = _outliers(departure, appearance)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(sure.astype(np.uint8))
    large = stats[:, cv2.CC_STAT_AREA] >= _SMALLEST
    reaching = np.unique(labels[_rim()])
    large[reaching] |= stats[reaching, cv2.CC_STAT_AREA] >= _SMALLEST_AT_RIM
    large[0] = False
    if not large.any():
        return np.zeros((ROWS, COLUMNS), np.float32)
    # Fingers are of the colour of skin, the dark between them is not: what is unsure joins what is sure.
    _, joined = cv2.connectedComponents((large[labels] | unsure).astype(np.uint8))
    found = np.isin(joined, np.unique(joined[large[labels]]))
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    # Two texels are room for the occluder's soft edge, its shadow and the error of the mesh.
    dilated = np.asarray(cv2.dilate(closed, np.ones((5, 5), np.uint8)), np.float32)
    return _filled(np.asarray(cv2.GaussianBlur(dilated, (0, 0), 0.7), np.float32))


def of_lips(masks: Plane) -> NDArray[np.float32]:
    """Share (N,) of the lips and of the skin next to them that masks (N, ROWS, COLUMNS) cover, 0–1."""
    return np.asarray(masks[:, _lips()].mean(axis=1), np.float32)


def _outliers(departure: Plane, appearance: Appearance) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(ROWS, COLUMNS) bool each: texels of skin whose departures (ROWS, COLUMNS, 3) in the log of colour are
    surely, and perhaps, those of an occluder.
    """
    light, cool = departure.mean(axis=2), departure[..., 2] - departure[..., 0]
    # Skin that turns from the light darkens and reddens; an occluder is less red.
    coloured = (
        np.abs(light) / _LUMINANCE_UNIT
        + np.clip(cool / _HUE_UNIT, -2, 2)
        - _SPREAD_WEIGHT * appearance.spread
    )
    smooth = cv2.blur(np.dstack([coloured, light, appearance.spread]).astype(np.float32), (3, 3))
    # A hand is of the same colour; the shadow of a nose, which falls above the mouth, is no hand.
    below = _zones() == 2
    dark, unsure = (
        (np.abs(smooth[..., 1]) > least + spreads * smooth[..., 2]) & below
        for least, spreads in (_LIGHT_OUTLIER, _LIGHT_UNSURE)
    )
    return ((smooth[..., 0] > _OUTLIER) & (_zones() > 0)) | dark, unsure


def _filled(score: Floats) -> Plane:
    """A mask extended off the skin: to the lips from around them, to the rest from the nearest skin."""
    weight = (_zones() > 0).astype(np.float32)
    found = np.asarray(score, np.float32)[_nearest()]
    around = cv2.GaussianBlur(found * weight, (0, 0), 2.5) / (cv2.GaussianBlur(weight, (0, 0), 2.5) + 1e-4)
    inner = smoothstep((np.asarray(around, np.float32) - 0.3) / 0.4)
    return np.asarray(np.where(_lips(), inner, found), np.float32)


def projected(occlusion: Plane, nodes: Floats, labels: NDArray[np.int32]) -> Plane:
    """Mask of a texture projected onto a face at `nodes` whose footprint is `labels`: (h, w) 0–1."""
    where = labels >= 0
    out = np.zeros(labels.shape, np.float32)
    table = warp.affine(np.asarray(nodes, np.float32), _layout()[0])
    values, _ = warp.pull(np.repeat(occlusion[..., None], 3, axis=2), table, labels, where, cv2.INTER_LINEAR)
    out[where] = values[:, 0]
    return out


def _log(textures: NDArray[np.uint8]) -> Plane:
    return np.asarray(np.log(np.asarray(textures, np.float32) / 255 + _LOG_FLOOR), np.float32)


@lru_cache(maxsize=1)
def _layout() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Nodes of the lattice on the texture, in texels, and the triangle at each texel."""
    nodes = warp.rest(regions.head())
    scale = np.array([COLUMNS / _WIDTH, ROWS / _HEIGHT], np.float32)
    placed = (nodes - np.array([_LEFT, _TOP], np.float32)) * scale
    return placed, warp.footprint(placed, (COLUMNS, ROWS))


@lru_cache(maxsize=1)
def _zones() -> NDArray[np.uint8]:
    """(ROWS, COLUMNS): 1 on skin above the mouth, seldom occluded, 2 on skin below, 0 off the skin."""
    placed, _ = _layout()
    zone = np.where(mask.polygon(placed[list(mask.EDGE)], (COLUMNS, ROWS)) > 0.5, 2, 0)
    above = slice(round(float(placed[regions.UPPER_LIP, 1])))
    zone[above] = np.minimum(zone[above], 1)
    zone[_lips()] = 0
    return zone.astype(np.uint8)


@lru_cache(maxsize=1)
def _lips() -> NDArray[np.bool_]:
    """(ROWS, COLUMNS): lips and a margin for the error of the mesh."""
    outline = _layout()[0][list(regions.LIPS_OUTER)]
    return mask.spread(mask.polygon(outline, (COLUMNS, ROWS)), 3.0) > 0.2


@lru_cache(maxsize=1)
def _rim() -> NDArray[np.bool_]:
    """(ROWS, COLUMNS): outermost texels of skin, where an occluder enters."""
    face = mask.polygon(_layout()[0][list(mask.EDGE)], (COLUMNS, ROWS)) > 0.5
    inner = cv2.erode(face.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=(0,)) > 0
    return np.asarray(face & ~inner & (_zones() > 0))


@lru_cache(maxsize=1)
def _nearest() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Row and column of the texel of skin nearest to each texel."""
    rows, columns = ndimage.distance_transform_edt(_zones() == 0, return_distances=False, return_indices=True)
    return rows, columns
