"""Measures on the pixels of one mouth, gathered frame by frame beside those of the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.measures import PIXELS_EVERY, Measure
from dubcli.face import mesh as regions
from dubcli.quality import likeness, pixels

Image = NDArray[np.uint8]
Mesh = NDArray[np.float32]

_STRETCH = 5  # such frames that are judged together: a second and a half; set by hand
_WORST = {"sharpness": -1, "seam": 1, "colour": 1}  # measures told of their worst stretch, and which way
MOST_LIKENESSES = 8  # about as many pictures of a face are compared with the person's footage; set by hand
# Points of the mesh around each cheek, where skin is seen and no lip moves.
_CHEEKS = ((117, 118, 101, 36, 205, 187, 123), (346, 347, 330, 266, 425, 411, 352))
_SKIN = 0.95  # of the mask, from which a pixel counts as patch alone; set by hand
_STEADY_SIZE = (72, 48)  # of the stabilised mouth, pixels; set by hand
_STEADY_BOX = (-0.45, 0.50, 0.45, 1.10)  # left, top, right, bottom in eye distances from between the eyes


@dataclass(frozen=True)
class Observation:
    """One frame of a face: source and result around it, and the patch between them.

    Attributes:
        frame: film-wide number.
        source, dubbed: (H, W, 3) RGB of the surroundings of the face.
        patch: the patch's own picture in place, (H, W, 3); the source where it has none.
        mask: (H, W) 0-1, the patch's mask.
        mesh, new_mesh: (478, 3) of the face in either, pixels of these pictures.
    """

    frame: int
    source: Image
    dubbed: Image
    patch: Image
    mask: NDArray[np.float32]
    mesh: Mesh
    new_mesh: Mesh


@dataclass
class Mouth:
    """Gathers the measures.

    Attributes:
        own: descriptors of the person's footage (`likeness.describe`).
        observations: frames so far.
        pixel_frames: those of them whose pixels were measured.
    """

    own: list[NDArray[np.float64]]
    observations: int = 0
    pixel_frames: list[int] = field(default_factory=list)
    _steady: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))
    _levels: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    _frames: list[int] = field(default_factory=list)
    _found: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    _likeness: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))

    def add(self, one: Observation, expected: int) -> None:
        """Take in a frame; in all there will be about `expected`."""
        steady = _stabilised(one.mesh)
        for pile, picture in zip(self._steady, (one.source, one.dubbed), strict=True):
            pile.append(pixels.luma(np.asarray(cv2.remap(picture, *steady, cv2.INTER_LINEAR))))
        self._frames.append(one.frame)
        skin = _skin(one)
        known = np.count_nonzero(skin) >= pixels.FEWEST_PIXELS
        for levels, picture in zip(self._levels, (one.source, one.dubbed), strict=True):
            mean = cv2.mean(picture, skin.astype(np.uint8))[:3] if known else (np.nan,) * 3
            levels.append(float(pixels.luma(np.array(mean) / 255)))
        if not self.pixel_frames or one.frame - self.pixel_frames[-1] >= PIXELS_EVERY:
            self.pixel_frames.append(one.frame)
            self._measure(one, skin)
        if self.own and self.observations % max(1, expected // MOST_LIKENESSES) == 0:
            self._likeness[0].append(likeness.describe(one.source, one.mesh))
            self._likeness[1].append(likeness.describe(one.dubbed, one.new_mesh))
        self.observations += 1

    def measures(self) -> dict[str, Measure]:
        """The measures of `Measures` that come from pixels."""
        found = {
            name: Measure(source=_rounded(was), dubbed=_rounded(now))
            for name in self._found
            for _, was, now in [self._stretch(name)]
        }
        pair = [pixels.flicker(self._consecutive(pile)) for pile in self._steady]
        found["flicker"] = Measure(source=_rounded(pair[0], 1000), dubbed=_rounded(pair[1], 1000))
        levels, gap = [np.array(one) for one in self._levels], np.flatnonzero(np.diff(self._frames) != 1) + 1
        source, change = np.insert(levels[0], gap, np.nan), np.insert(levels[1] - levels[0], gap, np.nan)
        found["brightness"] = Measure(
            source=_rounded(pixels.brightness(source), 1000), dubbed=_rounded(pixels.brightness(change), 1000)
        )
        was, now = (likeness.likeness(some, self.own) for some in self._likeness)
        found["identity"] = Measure(source=_rounded(was), dubbed=_rounded(now))
        return found

    def places(self) -> dict[str, int]:
        """Measure → the frame in the middle of the stretch that it is told of."""
        return {name: self._stretch(name)[0] for name in _WORST if name in self._found}

    def _stretch(self, name: str) -> tuple[int, float, float]:
        """A frame, and medians of the source's and the dubbed values around it.

        Of the worst few frames in a row, so that a part of a shot is not hidden by the rest and one frame
        alone decides nothing; of all frames where that is not asked for.
        """
        rows = np.array(self._found[name])
        count = min(_STRETCH, len(rows)) if name in _WORST else len(rows)
        parts = [rows[k : k + count] for k in range(len(rows) - count + 1)]
        middles = [np.median(part[:, 1:], axis=0) for part in parts]
        sign = _WORST.get(name, 1)
        worth = [sign * (now / was if was else now) for was, now in middles]
        at = int(np.argmax(worth))
        was, now = middles[at]
        return int(parts[at][count // 2, 0]), float(was), float(now)

    def _consecutive(self, pile: list[Any]) -> NDArray[np.float32]:
        """The longest run of consecutive frames."""
        edges = [0, *(np.flatnonzero(np.diff(self._frames) != 1) + 1).tolist(), len(pile)]
        start, stop = max(pairwise(edges), key=lambda run: run[1] - run[0])
        return np.array(pile[start:stop])

    def _measure(self, one: Observation, skin: NDArray[np.bool_]) -> None:
        was, now, shape = pixels.luma(one.source), pixels.luma(one.dubbed), one.mask.shape
        cheek = np.zeros(shape, bool)
        for ring in _CHEEKS:
            cheek |= _hull(one.mesh[list(ring), :2], shape)
        cheek &= one.mask <= 0
        lips, new_lips = (
            _hull(mesh[list(regions.LIPS_OUTER), :2], shape) for mesh in (one.mesh, one.new_mesh)
        )
        views = ((was, lips), (now, new_lips))
        self._append(
            "sharpness", *(_ratio(pixels.sharpness(p, r), pixels.sharpness(p, cheek)) for p, r in views)
        )
        self._append("grain", *(_ratio(pixels.grain(p, skin), pixels.grain(p, cheek)) for p in (was, now)))
        self._append("seam", 0.0, pixels.seam(was, now, one.mask))
        self._append("colour", 0.0, pixels.ring_colour(one.source, one.patch, one.mask))

    def _append(self, name: str, was: float | None, now: float | None) -> None:
        if was is not None and now is not None:
            self._found.setdefault(name, []).append((self.pixel_frames[-1], was, now))


def _skin(one: Observation) -> NDArray[np.bool_]:
    """Skin around the lips that is the patch's alone."""
    shape = one.mask.shape
    lips, new_lips = (_hull(mesh[list(regions.LIPS_OUTER), :2], shape) for mesh in (one.mesh, one.new_mesh))
    eyes = float(np.linalg.norm(one.mesh[regions.EYE_LEFT] - one.mesh[regions.EYE_RIGHT]))
    wide = max(3, round(0.15 * eyes))
    around = cv2.dilate((lips | new_lips).astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
    return np.asarray((one.mask >= _SKIN) & ~around)


def _hull(points: NDArray[np.floating[Any]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels inside the convex hull of points given in continuous coordinates."""
    canvas = np.zeros(shape, np.uint8)
    corners = cv2.convexHull(np.round(points - 0.5).astype(np.int32))
    cv2.fillConvexPoly(canvas, corners, (1,))
    return canvas > 0


def _ratio(value: float | None, over: float | None) -> float | None:
    return value / over if value is not None and over else None


def _rounded(value: float | None, scale: float = 1) -> float | None:
    return None if value is None else round(scale * value, 3)


def _stabilised(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps (x, y) to the mouth of a picture, with the head's motion removed by means of rigid landmarks."""
    rigid = list(regions.RIGID)
    model, place = _flat_head()[rigid], mesh[rigid, 0] + 1j * mesh[rigid, 1]
    centre, middle = model.mean(), place.mean()
    turn = np.vdot(model - centre, place - middle) / np.vdot(model - centre, model - centre)
    shift = middle - turn * centre
    left, top, right, bottom = _STEADY_BOX
    width, height = _STEADY_SIZE
    x = left + (np.arange(width) + 0.5) / width * (right - left)
    y = top + (np.arange(height) + 0.5) / height * (bottom - top)
    points = turn * (x[None, :] + 1j * y[:, None]) + shift - (0.5 + 0.5j)
    return points.real.astype(np.float32), points.imag.astype(np.float32)


@lru_cache(maxsize=1)
def _flat_head() -> NDArray[np.complex128]:
    head = regions.head().astype(np.float64)
    return np.asarray(head[:, 0] + 1j * head[:, 1])
