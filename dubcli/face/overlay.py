"""Words and logos over a lower face and its neck: sharp edges that stay in place while the face moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import mask, warp
from dubcli.face import mesh as regions
from dubcli.face.crop import Image
from dubcli.face.roi import eye_distance
from dubcli.media.samples import eight_bit

Region = NDArray[np.bool_]

LAG = 6  # frames between two pictures that are compared
# All set by hand on one clip with burnt-in words over a chin (median 0.06) and three without (0, one grainy).
SMALLEST = 0.01  # area, squares of the outer-eye distance, from which something is written there
_MOVED = 2.0  # pixels by which the face must have moved: what is sharp on it then changes
_SAME = 12  # of 255, by which what is written may change: codecs do that
_SHARP = 100  # of 255, contrast of what is written within 5 pixels; folds and beards have less
_LIPS_GROWN = 1.15  # the lips are left out: teeth are sharp, and a mouth may stay open
_KERNEL = np.ones((5, 5), np.uint8)

_FARTHEST = 4 * LAG  # frames within which words are looked for in other pictures: they stay for a second
# Over a neck, lines of six kinds in six clips have 17 strokes in a row and more; 50 clips without, 2 at most.
_LETTERS = 5  # strokes in a row from which it is one of letters
_STROKE = 0.12  # outer-eye distances; width of a stroke at most
_ROW_MARGIN = 0.08  # outer-eye distances by which words are higher and lower than the rows of many strokes
_CORNERS = [regions.CORNER_RIGHT, regions.CORNER_LEFT]
_RING = regions.POINTS + (len(warp.RINGS) - 1) * len(regions.JAW)  # first node of the lattice's outer ring
_NECK = slice(_RING + 6, _RING + 15)  # its nodes below the chin, where neither hair nor background is


def area(earlier: Image, later: Image, before: NDArray[np.float32], now: NDArray[np.float32]) -> float | None:
    """Area of what is written over a lower face, squares of the outer-eye distance; None if it did not move.

    Args:
        earlier: picture, (H, W, 3).
        later: picture `LAG` frames later.
        before: (478, 3) mesh of the face in the earlier one.
        now: (478, 3) in the later one.
    """
    edge = list(mask.EDGE)
    height, width = later.shape[:2]
    left, top = np.maximum(now[edge, :2].min(axis=0).astype(int), 0).tolist()
    right, bottom = np.minimum(now[edge, :2].max(axis=0).astype(int) + 1, (width, height)).tolist()
    if _movement(before, now) < _MOVED or right - left < 1 or bottom - top < 1:
        return None
    box, corner, size = (slice(top, bottom), slice(left, right)), (left, top), (right - left, bottom - top)
    face = np.ones((size[1], size[0]), np.bool_)
    for points in (before[:, :2] - corner, now[:, :2] - corner):
        face &= (mask.polygon(points[edge], size) > 0.5) & ~_lips(points, size)
    same = cv2.dilate(_change(earlier[box], later[box]), _KERNEL) <= _SAME
    return float((face & same & _sharp(later[box])).sum()) / eye_distance(now) ** 2


def lines(
    pictures: Sequence[NDArray[Any]], corners: NDArray[np.int32], meshes: Sequence[NDArray[np.float32]]
) -> list[Region | None]:
    """Words over chin and neck in consecutive pictures of a face, (h, w) each; None where there are none.

    Args:
        pictures: (h, w, 3) uint8 or uint16, all of one size.
        corners: (T, 2) raster position of the first pixel of each.
        meshes: of the face in each, (478, 3) in its pixels.
    """
    seen = [eight_bit(picture) for picture in pictures]
    count = len(seen)
    placed = [mesh[:, :2] + corner for mesh, corner in zip(meshes, corners, strict=True)]
    written: dict[int, Region] = {}
    for t in range(count):
        near = (t + sign * lag for lag in range(LAG, _FARTHEST + 1, LAG) for sign in (-1, 1))
        moved = (s for s in near if 0 <= s < count and _movement(placed[s], placed[t]) >= _MOVED)
        if (s := next(moved, None)) is None:
            continue
        by = corners[s] - corners[t]
        found = _line(seen[t], _aligned(seen[s], by), meshes[t][:, :2], meshes[s][:, :2] + by)
        if found is not None:
            written[t] = found
    return [_shown(t, seen, corners, written) for t in range(count)]


def lifted(picture: NDArray[Any], words: Region) -> NDArray[Any]:
    """Picture (h, w, 3) whose words are replaced by what is around them."""
    reach = 3
    hole = words.astype(np.uint8)
    return np.dstack([cv2.inpaint(picture[..., k].copy(), hole, reach, cv2.INPAINT_TELEA) for k in range(3)])


def _line(
    later: Image, earlier: tuple[Image, Region], now: NDArray[np.float32], before: NDArray[np.float32]
) -> Region | None:
    """Words in a picture whose rows hold letters over the neck, (h, w); None where none do."""
    around = [np.concatenate([warp.rest(each)[_NECK], each[_CORNERS]]) for each in (before, now)]
    shape = later.shape[1::-1]
    left, top = np.clip(around[1].min(axis=0).astype(int), 0, shape).tolist()
    right, bottom = np.clip(around[1].max(axis=0).astype(int) + 1, 0, shape).tolist()
    if right - left < 1 or bottom - top < 1:
        return None
    (other, known), eyes = earlier, eye_distance(now)
    box, corner, size = (slice(top, bottom), slice(left, right)), (left, top), (right - left, bottom - top)
    # With what is next to them: the skin between the hairs of a beard is the same anywhere.
    change = cv2.dilate(_change(other[box], later[box]), np.ones((3, 3), np.uint8))
    strokes = _strokes(later[box], eyes) & (change <= _SAME) & known[box]
    for points, outline in zip((before, now), around, strict=True):
        strokes &= (mask.polygon(outline - corner, size) > 0.5) & ~_lips(points - corner, size)
    starts = np.diff(strokes.astype(np.int8), axis=1, prepend=0) > 0
    strokes &= (starts.sum(axis=1) >= _LETTERS)[:, None]
    if strokes.sum() < SMALLEST * eyes**2:
        return None
    rows = np.flatnonzero(strokes.any(axis=1)) + top
    beyond = round(_ROW_MARGIN * eyes)
    found = np.zeros(later.shape[:2], np.bool_)
    line = slice(max(rows[0] - beyond, 0), rows[-1] + beyond + 1)
    found[line] = _sharp(later[line]) & (_change(other[line], later[line]) <= _SAME) & known[line]
    return found


def _strokes(picture: Image, eyes: float) -> Region:
    """Where a picture (h, w, 3) has bright strokes, as letters have and edges of collars have not, (h, w)."""
    widest = max(3, round(_STROKE * eyes))
    hat = cv2.morphologyEx(_grey(picture), cv2.MORPH_TOPHAT, np.ones((1, widest), np.uint8))
    return np.asarray(hat >= _SHARP)


def _shown(
    t: int, seen: Sequence[Image], corners: NDArray[np.int32], written: dict[int, Region]
) -> Region | None:
    """What is written in picture t, also where only its neighbours tell; (h, w)."""
    near = [s for s in written if abs(s - t) <= _FARTHEST]
    times = {*sorted(s for s in near if s <= t)[-1:], *sorted(s for s in near if s >= t)[:1]}
    if not times:
        return None
    found = np.zeros(seen[t].shape[:2], np.bool_)
    for s in times:
        by = corners[s] - corners[t]
        (other, known), (there, _) = _aligned(seen[s], by), _aligned(written[s].astype(np.uint8), by)
        found |= (there > 0) & known & (_change(other, seen[t]) <= _SAME)
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, _KERNEL)
    return np.asarray(cv2.dilate(closed, np.ones((3, 3), np.uint8)) > 0) if found.any() else None


def _aligned(picture: NDArray[np.uint8], by: NDArray[np.int32]) -> tuple[NDArray[np.uint8], Region]:
    """A picture moved by whole pixels (x, y), and where it is known then, (h, w)."""
    height, width = picture.shape[:2]
    x, y = (int(v) for v in by)
    moved, known = np.zeros_like(picture), np.zeros((height, width), np.bool_)
    there = np.s_[max(y, 0) : max(height + min(y, 0), 0), max(x, 0) : max(width + min(x, 0), 0)]
    here = np.s_[max(-y, 0) : max(height - max(y, 0), 0), max(-x, 0) : max(width - max(x, 0), 0)]
    moved[there], known[there] = picture[here], True
    return moved, known


def _movement(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Pixels by which a lower face has moved, between meshes (478, 2 or 3) on one raster."""
    edge = list(mask.EDGE)
    return float(np.median(np.linalg.norm(now[edge, :2] - before[edge, :2], axis=1)))


def _lips(points: NDArray[np.float32], size: tuple[int, int]) -> Region:
    """Lips and what is next to them, (h, w), of points (478, 2) in pixels of a picture of that size."""
    lips = points[list(regions.LIPS_OUTER)]
    grown = lips.mean(axis=0) + _LIPS_GROWN * (lips - lips.mean(axis=0))
    return np.asarray(mask.polygon(grown, size) >= 0.5)


def _sharp(picture: Image) -> Region:
    """Where a picture (h, w, 3) has contrast that only writing has, (h, w)."""
    return np.asarray(cv2.morphologyEx(_grey(picture), cv2.MORPH_GRADIENT, _KERNEL) >= _SHARP)


def _grey(picture: Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(picture[..., 1])


def _change(one: Image, other: Image) -> NDArray[np.uint8]:
    """Largest difference of a channel between two pictures (h, w, 3), (h, w)."""
    red, green, blue = cv2.split(cv2.absdiff(one, other))  # several times faster than the maximum of an axis
    return np.asarray(cv2.max(cv2.max(red, green), blue))
