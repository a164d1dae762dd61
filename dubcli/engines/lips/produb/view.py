"""What the network sees of a frame: one function for training and for rendering.

A view is a square around the lower face, upright and steady: it follows the skull and never the jaw. In it
the source is masked from the base of the nose down, so nothing of the mouth that the film shows can be seen;
the wanted mouth is drawn as maps, and reference frames are warped to it. Constants are set by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.engines.lips.render import Face
from dubcli.face import blend, mask, pose, warp
from dubcli.face import mesh as regions
from dubcli.face.crop import halved, halvings
from dubcli.face.inverse import InverseWarp

Floats = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]

SIDE = 0.9  # of a view, outer-eye distances: nearly all that `exemplar` gets wrong is on the lips and between
CENTRE = (0.0, 0.84, -0.1)  # of a view on the canonical head: the lips
MAPS = 6  # planes that draw the wanted mouth; `maps` lists them
_LIGHT_REACH = 0.25  # outer-eye distances (standard deviation) over which light varies, as in `render`
_NEAR = 0.12  # outer-eye distances from a line at which its map is 0 or 255
_FEATHER = 0.10  # outer-eye distances over which corrections fade at the edge of the drawn region
_CROWN = (97, 2, 326, 423, 427)  # from the base of the nose along its fold to the cheek, on the right
_LIP_LINE = (78, 82, 13, 312, 308)  # lower edge of the upper lip: the teeth's place on the skull
_MOST_DETAIL = 1.6  # largest gain of detail; more would be noise
_STEADY = 0.01  # outer-eye distances (standard deviation): finer than that each frame has its own
_BESIDE = 1 / 3  # weight of each frame beside another in its mean
_ROOM = 4  # pixels of a picture around a view, for interpolation
_DEPTH_RANGE = 0.6  # outer-eye distances of depth that a map spans


@dataclass(frozen=True)
class Seen:
    """What the network sees of one frame, S pixels square; 8 bits.

    Attributes:
        context: (S, S, 3) the source, 0 where it is masked.
        visible: (S, S) 255 where it is not masked.
        maps: (S, S, MAPS) the wanted mouth.
        references: (K, S, S, 3) reference frames: the one that `exemplar` chose, warped to the wanted mouth;
            others, warped too; and some that are not warped but laid skull on skull, where the upper teeth
            stand as they do in this frame.
        window: (S, S) 255 where a correction may be made.
        wanted: (478, 2) the wanted mesh in pixels of the view.
        into: the warp of other frames to it.
    """

    context: Bytes
    visible: Bytes
    maps: Bytes
    references: Bytes
    window: Bytes
    wanted: NDArray[np.float32]
    into: InverseWarp


def placement(head_pose: pose.Transform, size: int) -> NDArray[np.float64]:
    """Map (2, 3) from a picture to the view of `size` pixels; `head_pose` is of that one picture (1).

    It turns with the head's roll alone: yaw and pitch would foreshorten the view.
    """
    axes, scale, shift = head_pose.rotation[0], float(head_pose.scale[0]), head_pose.shift[0, :2]
    roll = np.arctan2(-axes[1, 0], axes[1, 1])
    by = size / (SIDE * scale)
    turn = by * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    centre = scale * (np.array(CENTRE) @ axes)[:2] + shift
    return np.concatenate([turn, (size / 2 - turn @ centre)[:, None]], axis=1)


def crop(picture: NDArray[Any], to_view: NDArray[np.float64], size: int) -> Bytes:
    """The view (size, size, 3) of a picture (h, w, 3); its edge is replicated beyond it.

    Pictures are of 8 or 16 bits, or float32 0–1.
    """
    small, times = _reduced(picture, to_view)
    move = _pixel_centres(to_view, float(1 << times))
    kernel = cv2.INTER_LINEAR if _growth(to_view) * (1 << times) < 1 else cv2.INTER_CUBIC
    found = cv2.warpAffine(small, move, (size, size), flags=kernel, borderMode=cv2.BORDER_REPLICATE)
    return _eight_bits(found)


def applied(
    picture: NDArray[np.float32],
    flow: NDArray[np.float32],
    residual: NDArray[np.float32],
    window: Bytes,
    to_view: NDArray[np.float64],
) -> NDArray[np.float32]:
    """A picture (h, w, 3), 0–1, corrected, with detail as strong as it had.

    It is moved by a flow (S, S, 2) in view pixels, and a residual (S, S, 3) is added. A network that is
    unsure of a tooth's edge draws it softly, so the finest detail is brought back within the window (S, S).
    Where flow and residual are 0 every bit stays, as it does outside the view.
    """
    covered = _covered(to_view, len(window), (picture.shape[0], picture.shape[1]))
    if not (flow.any() or residual.any()) or covered is None:
        return picture
    box, own = covered
    rows, columns = box
    was = picture[box]
    back = np.linalg.inv(own[:, :2]).T.astype(np.float32)
    shape = was.shape[0], was.shape[1]
    shift = _uncropped(np.ascontiguousarray(flow @ back), own, shape)
    x, y = np.meshgrid(*(np.arange(s.start, s.stop, dtype=np.float32) for s in (columns, rows)))
    kernel, edge = cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE
    taken = cv2.remap(picture, x + shift[..., 0], y + shift[..., 1], kernel, borderMode=edge)
    moved = np.where(shift.any(axis=2, keepdims=True), taken, was)
    now = np.asarray(np.clip(moved + _uncropped(residual, own, shape), 0, 1), np.float32)
    where = np.clip(_uncropped(window.astype(np.float32) / 255, own, shape), 0, 1)
    out = picture.copy()
    out[box] = _detailed(now, was, where)
    return out


def steadied(
    picture: NDArray[np.float32],
    now: Bytes,
    beside: Sequence[tuple[Bytes, Seen]],
    seen: Seen,
    to_view: NDArray[np.float64],
) -> NDArray[np.float32]:
    """A corrected picture (h, w, 3), 0–1, its shades a mean with those of the frames beside it.

    Their mouths are warped to its own and put into its light first, so that only what jumps is evened out.
    Detail finer than `_STEADY` stays that of the frame.

    Args:
        picture: the picture; it stays as it is.
        now: (S, S, 3) its view.
        beside: views of the corrected frames beside it, and what was seen of these.
        seen: of the frame.
        to_view: its placement.
    """
    size = len(now)
    covered = _covered(to_view, size, (picture.shape[0], picture.shape[1]))
    if covered is None or not beside:
        return picture
    box, own = covered
    skin = _skin(seen.visible, seen.into.where)[..., None]
    light = (seen.context * skin).sum(axis=(0, 1)) + 1
    change = np.zeros((size, size, 3), np.float32)
    for view, other in beside:
        moved = now.copy()
        warp.put(moved, seen.into.where, seen.into.colours(view, other.wanted, 1.0))
        # One gain for all of it: a field of them, as `_lit` has, would add the noise of its own estimate.
        gain = light / ((moved * skin).sum(axis=(0, 1)) + 1)
        change += np.float32(_BESIDE / 255) * (moved * gain - now)
    broad = np.asarray(cv2.GaussianBlur(change, (0, 0), _STEADY / SIDE * size), np.float32)
    broad *= (seen.window.astype(np.float32) / 255)[..., None]
    out = picture.copy()
    was = out[box]
    out[box] = np.clip(was + _uncropped(broad, own, (was.shape[0], was.shape[1])), 0, 1)
    return out


def _covered(
    to_view: NDArray[np.float64], size: int, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.float64]] | None:
    """Rows and columns of a picture (h, w) that a view of `size` pixels reaches, and the map (2, 3) from them
    to the view; None for none.
    """
    corners = np.array([[0, 0], [0, size], [size, 0], [size, size]], np.float64)
    reached = (corners - to_view[:, 2]) @ np.linalg.inv(to_view[:, :2]).T
    low = np.maximum(np.floor(reached.min(axis=0)).astype(int) - _ROOM, 0)
    high = np.minimum(np.ceil(reached.max(axis=0)).astype(int) + _ROOM, shape[::-1])
    if (high <= low).any():
        return None
    own = to_view.copy()
    own[:, 2] += own[:, :2] @ low
    return (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))), own


def _detailed(
    now: NDArray[np.float32], was: NDArray[np.float32], where: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A corrected picture (h, w, 3) with detail as strong as it was, as far as `where` (h, w) is 1."""
    gain = blend.detail(was, where) / max(blend.detail(now, where), 1e-4)
    if gain <= 1:
        return now
    return np.clip(blend.sharpened(now, min(gain, _MOST_DETAIL), where), 0, 1)


def _uncropped(
    values: NDArray[np.float32], to_view: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Values (S, S) or (S, S, C) of the view at the pixels of a picture (h, w), 0 outside it."""
    move = _pixel_centres(to_view, 1.0)
    kernel = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if _growth(to_view) < 1 else cv2.INTER_LINEAR)
    size = shape[1], shape[0]
    return np.asarray(cv2.warpAffine(values, move, size, flags=kernel, borderValue=(0, 0, 0)), np.float32)


def seen(
    source: NDArray[Any],
    target: Floats,
    depth: Floats,
    references: Sequence[Face],
    still: Sequence[tuple[Face, pose.Transform]],
    head: Floats,
    head_pose: pose.Transform,
    size: int,
) -> Seen:
    """What the network sees of a frame.

    Args:
        source: (h, w, 3) the picture.
        target: (478, 2) the wanted mesh in its pixels.
        depth: (478,) the mesh's depth.
        references: faces to warp, the one that `exemplar` chose first.
        still: faces to lay skull on skull, and their head poses (1).
        head: (478, 3) the person's canonical head.
        head_pose: of the picture (1), from points of the skull.
        size: pixels of a side of the view.
    """
    to_view = placement(head_pose, size)
    skull = _into(to_view, pose.from_canonical(np.asarray(head, np.float64), head_pose)[0, :, :2])
    wanted = _into(to_view, target)
    hidden = _hidden(skull, size)
    context = crop(_without_jaw(source, to_view, hidden), to_view, size)
    # Resampling mixes the black of hidden pixels into those beside them, so these are masked as well.
    reach = 2 * math.ceil(2 * max(_growth(to_view), 1)) + 1
    shown = np.where(cv2.dilate(hidden, np.ones((reach, reach), np.uint8)) > 0, 0, 255).astype(np.uint8)
    context[shown == 0] = 0
    nodes = warp.rest(wanted)
    labels = warp.footprint(nodes, (size, size), depth)
    scale = float(head_pose.scale[0])
    into = InverseWarp.of(nodes, labels, labels >= 0, wanted)
    drawn = [_warped(face, into) for face in references]
    skin = _skin(shown, into.where)
    drawn += [crop(face.picture, placement(own, size), size) for face, own in still]
    lit = [_lit(picture, context, skin) for picture in drawn]
    maps = _maps(wanted, skull, depth, scale, labels, size)
    return Seen(context, shown, maps, np.stack(lit), _window(wanted, size), wanted, into)


def truth(source: NDArray[Any], head_pose: pose.Transform, size: int) -> Bytes:
    """The view (size, size, 3) of an unmasked picture: what the network learns from, and never sees."""
    return crop(source, placement(head_pose, size), size)


def _without_jaw(source: NDArray[Any], to_view: NDArray[np.float64], hidden: Bytes) -> NDArray[Any]:
    """The picture, black where the view's mask (S, S) hides it."""
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    move = _pixel_centres(to_view, 1.0)
    shown = cv2.warpAffine(1 - hidden, move, source.shape[1::-1], flags=flags, borderValue=(0,))
    return np.asarray(source * shown[..., None])


def _hidden(skull: Floats, size: int) -> Bytes:
    """(size, size) 1 below a line from cheek to cheek under the nose, which only the skull moves; else 0."""
    right = skull[list(_CROWN)]
    left = skull[regions.mirror()[list(_CROWN)]]
    line = np.concatenate([left, right])
    line = line[np.argsort(line[:, 0], kind="stable")]
    below = [[-size, line[0, 1]], *line, [2 * size, line[-1, 1]], [2 * size, 3 * size], [-size, 3 * size]]
    return (mask.polygon(np.array(below), (size, size)) > 0).astype(np.uint8)


def _warped(face: Face, into: InverseWarp) -> Bytes:
    """A reference frame warped to the wanted mesh, (S, S, 3); 0 off the lattice."""
    mesh, eyes = np.asarray(face.mesh[:, :2], np.float32), len(into.where) / SIDE
    own = float(np.linalg.norm(face.mesh[regions.EYE_LEFT] - face.mesh[regions.EYE_RIGHT]))
    times = _halvings(own / max(eyes, 1e-3), face.picture)
    small, factor = halved(face.picture, times), np.float32(0.5**times)
    out = np.zeros((*into.where.shape, 3), np.uint8)
    colours = into.colours(small, mesh * factor, eyes / max(own * float(factor), 1e-3))
    warp.put(out, into.where, _eight_bits(colours))
    return out


def _skin(visible: Bytes, where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(S, S) 1 on the face outside the mask, else 0."""
    return np.asarray((visible == 255) & where, np.float32)


def _lit(picture: Bytes, context: Bytes, skin: NDArray[np.float32]) -> Bytes:
    """A warped reference frame in the light of the skin that both show outside the mask."""
    ours, theirs = (np.asarray(p, np.float32) / 255 for p in (context, picture))
    gain = blend.light_field(ours, theirs, skin, _LIGHT_REACH / SIDE * len(skin))
    lit = np.clip(blend.relight(theirs, gain), 0, 1)
    return np.asarray(np.rint(lit * 255), np.uint8)


def _maps(
    wanted: Floats, skull: Floats, depth: Floats, scale: float, labels: NDArray[np.int32], size: int
) -> Bytes:
    """The wanted mouth, (size, size, MAPS), each plane 0–255.

    Area of the lips; of the inner mouth; distance from the outer and from the inner contour, positive inside;
    distance from the line of the upper teeth, which the skull carries; depth.
    """
    unit = _NEAR / SIDE * size
    outer, inner = (wanted[list(ring)] for ring in (regions.LIPS_OUTER, regions.LIPS_INNER))
    areas = [mask.polygon(ring, (size, size)) for ring in (outer, inner)]
    planes = [*areas, *(_distance(area, unit) for area in areas)]
    line = skull[list(_LIP_LINE)]
    above = np.concatenate(
        [line, [[2 * size, line[-1, 1]], [2 * size, -size], [-size, -size], [-size, line[0, 1]]]]
    )
    planes.append(_distance(mask.polygon(above, (size, size)), unit))
    corners = warp.lattice().triangles
    far = np.append(depth, np.zeros(warp.lattice().nodes - len(depth)))[corners].mean(axis=1)
    nose = float(depth[regions.NOSE_TIP])
    plane = np.append((far - nose) / (_DEPTH_RANGE * max(scale, 1e-3)), 1.0)[labels]
    planes.append(np.where(labels >= 0, plane, 1.0))
    return np.asarray(np.rint(255 * np.clip(np.stack(planes, axis=2), 0, 1)), np.uint8)


def _distance(area: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
    """Distance from the edge of an area (S, S), 0.5 on it and rising inwards, 0 or 1 at `unit` pixels."""
    within = (area > 0.5).astype(np.uint8)
    inwards, outwards = (
        cv2.distanceTransform(part, cv2.DIST_L2, 3)
        if part.any() and not part.all()
        else part * np.float32(1e6)
        for part in (within, 1 - within)
    )
    return np.asarray(0.5 + 0.5 * np.clip((inwards - outwards) / unit, -1, 1), np.float32)


def _window(wanted: Floats, size: int) -> Bytes:
    """(size, size) 255 where reference pixels are drawn, fading out at their edge, as `render` does."""
    region = mask.polygon(wanted[list(mask.EDGE)], (size, size))
    region[[0, -1]], region[:, [0, -1]] = 0, 0
    return np.asarray(np.rint(255 * mask.soften(region, _FEATHER / SIDE * size)), np.uint8)


def _into(to_view: NDArray[np.float64], points: Floats) -> NDArray[np.float32]:
    """Points (N, 2) of the picture in pixels of the view."""
    return np.asarray(np.asarray(points, np.float64) @ to_view[:, :2].T + to_view[:, 2], np.float32)


def _growth(to_view: NDArray[np.float64]) -> float:
    """Pixels of the view for each of the picture."""
    return float(np.hypot(*to_view[:, 0]))


def _reduced(picture: NDArray[Any], to_view: NDArray[np.float64]) -> tuple[NDArray[Any], int]:
    """The picture halved until its view does not alias, and how often."""
    times = _halvings(1 / _growth(to_view), picture)
    return halved(picture, times), times


def _halvings(by: float, picture: NDArray[Any]) -> int:
    return min(halvings(by), int(np.log2(min(picture.shape[:2]))))


def _pixel_centres(to_view: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """The same map for OpenCV, which counts from pixel centres, of a picture smaller by `factor`."""
    move = to_view.copy()
    move[:, :2] *= factor
    move[:, 2] = to_view[:, 2] + move[:, :2] @ (0.5, 0.5) - 0.5
    return move


def _eight_bits(values: NDArray[Any]) -> Bytes:
    if values.dtype == np.uint8:
        return np.asarray(values)
    if values.dtype == np.float32:
        return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)
    return np.asarray(np.rint(values.astype(np.float32) / 257), np.uint8)
