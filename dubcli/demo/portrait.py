"""The talking portrait of the sample film: NASA's public-domain photograph, animated by warping.

The photograph smiles with its teeth visible. Two thin-plate warps, one above the mouth and one below, move
its lips to any target shape; between parted lips the inside of the mouth is drawn: the upper teeth of the
photograph, fixed to the skull, a dark cavity and a tongue. The lids close by stretching the skin above them.
The head turns by a parallax that follows the depth of a face.

Positions are in pixels of the photograph turned upright (eyes level), with the origin midway between the
mouth's corners: u to the right, v down. The plate has `_DETAIL` pixels for each of them. All constants were
measured on the photograph, or set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.demo.speech import MouthCurves
from dubcli.face.smooth import smoothstep

Floats = NDArray[np.float32]

_DETAIL = 3  # pixels of the plate for one of the photograph
_CENTRE = (224.2, 140.6)  # pixels (x, y) midway between the mouth's corners in the photograph
_TILT_DEGREES = 3.4  # of the line between the eyes
_LEFT, _TOP, _RIGHT, _BOTTOM = -160, -140, 160, 112  # crop of the photograph that is the plate
_MOUTH = (-48, -24, 48, 66)  # left, top, right, bottom of the region that the mouth moves
_EYE_DISTANCE = 60.6  # between the outer eye corners
_CAVITY, _TONGUE = np.array([[0.20, 0.08, 0.07], [0.46, 0.21, 0.20]], np.float32)
_WIDEST = 15.0  # pixels between the lips at aperture 1

# Lips of the photograph, measured on it once: from the left corner to the right one, (u, v).
_ALONG = np.linspace(-1, 1, 11)
_SMILE_HALF_WIDTH = 20.6  # pixels
_SMILE_OUTER_TOP = np.array([-0.4, -0.7, -1.0, -1.3, -1.7, -0.9, -1.8, -1.9, -1.9, -1.7, -0.4])
_SMILE_INNER_TOP = np.array([-0.2, 0.2, 0.8, 1.6, 2.3, 2.7, 2.2, 1.2, 0.4, -0.1, -0.3])
_SMILE_INNER_BOTTOM = np.array([1.2, 5.8, 7.6, 8.8, 9.8, 10.3, 9.5, 8.0, 5.9, 3.2, 0.2])
_SMILE_OUTER_BOTTOM = np.array([1.8, 7.6, 10.4, 12.6, 14.3, 15.0, 14.2, 12.2, 8.8, 4.9, 0.6])

_HALF_WIDTH = 17.6  # of the closed mouth
_LINE = 5.2 - 1.2 * np.abs(_ALONG) ** 2  # v of the closed lips
_TOP_LIP = np.array([0.8, 2.2, 3.2, 4.0, 4.5, 3.9, 4.5, 4.0, 3.2, 2.2, 0.8])  # heights of the lips
_BOTTOM_LIP = np.array([0.7, 2.2, 3.6, 4.8, 5.4, 5.6, 5.4, 4.8, 3.6, 2.2, 0.7])

# Points on still skin, and points of chin and jaw with their share of the jaw's displacement, (u, v, share).
_STILL = np.array(
    [(-14, -11), (-7, -8), (0, -7), (7, -8), (14, -11), (-30, -8), (30, -8), (-26, -20), (26, -20), (0, -22)]
    + [(u, v) for u in (-47, 47) for v in (-22, 0, 22, 44, 64)] + [(u, 65) for u in (-30, -10, 10, 30)],
    float,
)  # fmt: skip
_JAW = np.array(
    [(-38, 10, 0.1), (-33, 17, 0.3), (-27, 24, 0.55), (-19, 31, 0.85), (-10, 35.5, 1), (0, 37, 1),
     (10, 35.5, 1), (19, 32, 0.85), (27, 26, 0.55), (33, 19, 0.3), (38, 12, 0.1), (0, 24, 1), (-12, 23, 0.9),
     (12, 23, 0.9)]
)  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """Head pose and lids: turn and nod -1 to 1 of their range, roll in degrees, lids 0 open to 1 closed."""

    turn: float = 0.0
    nod: float = 0.0
    roll: float = 0.0
    lids: float = 0.0


@dataclass(frozen=True)
class Camera:
    """Framing: the point at the frame's centre (u, v), and pixels of the frame for one of the photograph."""

    u: float
    v: float
    zoom: float


class Portrait:
    """The animated photograph."""

    def __init__(self) -> None:
        import skimage.data

        turn = cv2.getRotationMatrix2D(_CENTRE, _TILT_DEGREES, _DETAIL)
        turn = turn + np.array([[0, 0, -_LEFT * _DETAIL - _CENTRE[0]], [0, 0, -_TOP * _DETAIL - _CENTRE[1]]])
        size = ((_RIGHT - _LEFT) * _DETAIL, (_BOTTOM - _TOP) * _DETAIL)
        photo = skimage.data.astronaut().astype(np.float32) / 255  # type: ignore[no-untyped-call]
        self._plate: Floats = cv2.warpAffine(
            photo, turn, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
        )
        self._plate = np.clip(
            self._plate + 0.5 * (self._plate - cv2.GaussianBlur(self._plate, (0, 0), 1.2 * _DETAIL)), 0, 1
        )

    def frame(self, mouth: MouthCurves, at: int, pose: Pose, camera: Camera, size: tuple[int, int]) -> Floats:
        """One frame (height, width, 3) float32 RGB 0-1; `size` is (width, height)."""
        plate = self._plate.copy()
        self._blink(plate, pose.lids)
        self._speak(plate, *(float(c[at]) for c in (mouth.open, mouth.spread, mouth.press, mouth.bite)))
        return self._shoot(plate, pose, camera, size)

    def _speak(self, plate: Floats, aperture: float, spread: float, press: float, bite: float) -> None:
        """Draw the mouth onto the plate."""
        gap = _WIDEST * aperture
        arch = 1 - np.abs(_ALONG) ** 2.4
        half = _HALF_WIDTH * (1 + 0.10 * spread * (1.8 if spread < 0 else 1)) - 0.08 * gap
        purse = 1 + 0.25 * max(0.0, -spread)
        u = _ALONG * half
        line = _LINE + 0.12 * gap + 0.25 * gap * np.abs(_ALONG) ** 2
        inner_top = line - (0.22 * gap + 1.6 * bite) * arch
        inner_bottom = line + (0.78 * gap - 0.4 * bite) * arch
        outer_top = inner_top - _TOP_LIP * (1 - 0.25 * press) * purse
        outer_bottom = inner_bottom + _BOTTOM_LIP * (1 - 0.25 * press - 0.3 * bite) * purse
        smile = _ALONG * _SMILE_HALF_WIDTH

        drop = 0.75 * gap
        jaw_from, jaw_to = _JAW[:, :2], _JAW[:, :2] + _JAW[:, 2:] * [0, drop]
        top = self._warped(
            plate,
            [np.c_[u, outer_top], np.c_[u, inner_top], jaw_to, _STILL],
            [np.c_[smile, _SMILE_OUTER_TOP], np.c_[smile, _SMILE_INNER_TOP - 0.4], jaw_from, _STILL],
        )
        bottom = self._warped(
            plate,
            [np.c_[u, inner_bottom], np.c_[u, outer_bottom], jaw_to, _STILL],
            [np.c_[smile, _SMILE_INNER_BOTTOM + 0.5], np.c_[smile, _SMILE_OUTER_BOTTOM], jaw_from, _STILL],
        )
        across, down = self._grid
        edge_top = np.interp(across[0], u, inner_top)
        edge_bottom = np.interp(across[0], u, inner_bottom)
        middle = (edge_top + edge_bottom) / 2
        soft = 0.6 + 0.5 * np.maximum(0, np.abs(across[0]) - half)
        below = _step((down - middle) / soft)[..., None]
        picture = top * (1 - below) + bottom * below

        inside = (_step((down - edge_top) / 0.9) * _step((edge_bottom - down) / 0.9))[..., None]
        inside *= _step((half - np.abs(across)) / 1.5)[..., None] * min(1.0, (gap + 2 * bite) / 1.2)
        picture += inside * (self._behind(edge_top, edge_bottom, gap) - picture)
        crease = 0.55 * np.exp(-(((down - middle) / 0.55) ** 2)) * _step((half - np.abs(across)) / 3 - 0.3)
        picture *= 1 - (crease * np.exp(-gap / 2))[..., None] * [0.75, 0.95, 0.95]
        self._cut(plate)[:] = picture

    def _behind(self, edge_top: Floats, edge_bottom: Floats, gap: float) -> Floats:
        """(h, w, 3) the inside of the mouth, over the mouth's grid."""
        across, down = self._grid
        depth = np.clip((down - edge_top) / np.maximum(edge_bottom - edge_top, 1e-3), 0, 1)[..., None]
        dark = _CAVITY * (1 - 0.5 * depth)
        rise = (edge_bottom - down - 1.0)[..., None]
        tongue = _step((0.30 * gap - (across[..., None] / 8) ** 2 - rise) / 4)
        dark = dark + tongue * min(1.0, gap / 6) * (_TONGUE - dark)
        # The upper teeth are fixed to the skull; the photograph shows them down to its lower lip.
        smile = _ALONG * _SMILE_HALF_WIDTH
        above = np.interp(across[0], smile, _SMILE_INNER_TOP) + 1.2
        ends = np.interp(across[0], smile, _SMILE_INNER_BOTTOM) - 1.4
        teeth = self._sample(self._plate, across, np.clip(down, above, np.maximum(above, ends)))
        shade = 0.45 + 0.5 * _step((down - edge_top - 1.4) / 2.5)
        visible = _step((ends - down) / 0.9) * _step((14.5 - np.abs(across)) / 3)
        return np.asarray(dark + visible[..., None] * (teeth * shade[..., None] - dark), np.float32)

    @cached_property
    def _grid(self) -> tuple[Floats, Floats]:
        """u and v of every pixel the mouth moves, each (h, w)."""
        left, top, right, bottom = _MOUTH
        u = left + (np.arange((right - left) * _DETAIL) + 0.5) / _DETAIL
        v = top + (np.arange((bottom - top) * _DETAIL) + 0.5) / _DETAIL
        across, down = np.meshgrid(u.astype(np.float32), v.astype(np.float32))
        return across, down

    @cached_property
    def _fade(self) -> Floats:
        """1 in the middle of the mouth's grid, 0 at its border, (h, w)."""
        across, down = self._grid
        left, top, right, bottom = _MOUTH
        edge = np.minimum(np.minimum(across - left, right - across), np.minimum(down - top, bottom - down))
        return np.clip(edge / 6, 0, 1).astype(np.float32)

    def _cut(self, plate: Floats) -> Floats:
        left, top, right, bottom = ((p - o) * _DETAIL for p, o in zip(_MOUTH, (_LEFT, _TOP) * 2, strict=True))
        return plate[top:bottom, left:right]

    def _sample(self, plate: Floats, u: Floats, v: Floats) -> Floats:
        x, y = (u - _LEFT) * _DETAIL - 0.5, (v - _TOP) * _DETAIL - 0.5
        return np.asarray(cv2.remap(plate, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR))

    def _warped(
        self, plate: Floats, to: list[NDArray[np.float64]], source: list[NDArray[np.float64]]
    ) -> Floats:
        """The mouth's region of the plate, warped so that the points `source` move to the points `to`."""
        left, top, right, bottom = _MOUTH
        step = 2
        across, down = np.meshgrid(
            np.arange(left, right, step) + step / 2, np.arange(top, bottom, step) + step / 2
        )
        points, origins = np.concatenate(to), np.concatenate(source)
        shift = _thin_plate(points, origins - points, np.c_[across.ravel(), down.ravel()])
        field = shift.reshape(*across.shape, 2).astype(np.float32)
        field = (
            cv2.resize(field, self._grid[0].shape[::-1], interpolation=cv2.INTER_CUBIC)
            * self._fade[..., None]
        )
        return self._sample(plate, self._grid[0] + field[..., 0], self._grid[1] + field[..., 1])

    def _blink(self, plate: Floats, lids: float) -> None:
        """Close the lids by stretching the skin above the eyes down over them."""
        if lids <= 0:
            return
        for lid, low in zip(_LIDS, _LOW_LIDS, strict=True):
            left, right = int(lid[0, 0]) - 1, int(lid[-1, 0]) + 2
            top, bottom = int(lid[:, 1].min()) - 9, int(low[:, 1].max()) + 4
            u = left + (np.arange((right - left) * _DETAIL) + 0.5) / _DETAIL
            v = top + (np.arange((bottom - top) * _DETAIL) + 0.5) / _DETAIL
            across, down = np.meshgrid(u, v)
            was = np.interp(u, lid[:, 0], lid[:, 1]) + 0.6
            now = was + lids * np.maximum(0, np.interp(u, low[:, 0], low[:, 1]) + 0.8 - was)
            ceiling, lashes = (
                was - 7,
                1.4,
            )  # the skin stretches between ceiling and lashes, which keep their height
            stretched = ceiling + (down - ceiling) * (was - lashes - ceiling) / (now - lashes - ceiling)
            skin_or_lashes = np.where(down < now - lashes, stretched, down - now + was)
            moved = np.where((down > ceiling) & (down < now), skin_or_lashes, down)
            x, y = (left - _LEFT) * _DETAIL, (top - _TOP) * _DETAIL
            plate[y : y + len(v), x : x + len(u)] = self._sample(plate, across, moved)

    def _shoot(self, plate: Floats, pose: Pose, camera: Camera, size: tuple[int, int]) -> Floats:
        """The plate with the head posed, as the camera frames it."""
        coarse = 8
        width, height = size
        x, y = np.meshgrid(
            (np.arange(width // coarse + 1) * coarse - width / 2) / camera.zoom,
            (np.arange(height // coarse + 1) * coarse - height / 2) / camera.zoom,
        )
        tilt = np.deg2rad(-_TILT_DEGREES)
        u = camera.u + x * np.cos(tilt) - y * np.sin(tilt)
        v = camera.v + x * np.sin(tilt) + y * np.cos(tilt)
        head = np.exp(-(((u / 62) ** 2 + ((v + 38) / 84) ** 2) ** 2))
        face = np.sqrt(np.maximum(0, 1 - (u / 46) ** 2 - ((v + 22) / 72) ** 2)) ** 1.5
        face += 0.35 * np.exp(-((u / 8) ** 2) - ((v + 16) / 12) ** 2)
        roll = np.deg2rad(pose.roll) * head
        neck_u, neck_v = u - 0, v - 46
        du = -(4.5 * face + 1.5 * head) * pose.turn - neck_v * roll
        dv = -(3.0 * face + 1.5 * head) * pose.nod + neck_u * roll
        shape = (u.shape[1] * coarse, u.shape[0] * coarse)
        x_map, y_map = (
            _enlarged((p - o) * _DETAIL - 0.5, shape, coarse)[:height, :width]
            for p, o in ((u + du, _LEFT), (v + dv, _TOP))
        )
        return np.asarray(cv2.remap(plate, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _point(x: float, y: float) -> tuple[float, float]:
    """Position (u, v) of a point of the photograph."""
    tilt = np.deg2rad(_TILT_DEGREES)
    dx, dy = x - _CENTRE[0], y - _CENTRE[1]
    return dx * np.cos(tilt) + dy * np.sin(tilt), dy * np.cos(tilt) - dx * np.sin(tilt)


def _points(row: str) -> NDArray[np.float64]:
    return np.array([_point(*(float(x) for x in pair.split(","))) for pair in row.split()])


_LIDS = (
    _points("195.8,101.0 197.8,99.5 199.9,98.6 203.3,98.2 206.8,98.8 210.2,100.4 213.7,104.0"),
    _points("237.0,105.5 241.2,102.2 245.0,100.6 248.7,100.4 252.4,101.2 254.5,102.5 256.3,104.5"),
)
_LOW_LIDS = (
    _points("195.8,101.0 200.4,104.0 203.7,104.7 207.1,104.7 210.4,104.4 213.7,104.0"),
    _points("237.0,105.5 240.2,106.1 243.5,106.7 247.0,107.2 250.5,107.2 253.0,106.6 256.3,104.5"),
)


def _step(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Smooth step from 0 at -0.5 to 1 at 0.5."""
    return smoothstep(x + 0.5)


def _thin_plate(
    points: NDArray[np.float64], values: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(M, D) thin-plate spline through values (N, D) at points (N, 2), at points (M, 2); Bookstein 1989."""

    def bend(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        square = ((a[:, None] - b[None]) ** 2).sum(-1)
        return np.asarray(square * np.log(square + 1e-9))

    ones = np.c_[np.ones(len(points)), points]
    count = len(points)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = bend(points, points) + 1.0 * np.eye(count)
    system[:count, count:], system[count:, :count] = ones, ones.T
    weights = np.linalg.solve(system, np.r_[values, np.zeros((3, values.shape[1]))])
    return np.asarray(bend(at, points) @ weights[:count] + np.c_[np.ones(len(at)), at] @ weights[count:])


def _enlarged(nodes: NDArray[np.float64], shape: tuple[int, int], step: int) -> Floats:
    """A map given at every `step`-th pixel, interpolated at every pixel of `shape` (width, height)."""
    matrix = np.array([[step, 0, 0], [0, step, 0]], float)
    return np.asarray(cv2.warpAffine(nodes.astype(np.float32), matrix, shape, flags=cv2.INTER_LINEAR))
