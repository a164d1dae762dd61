"""The tracker over an insightface model pack: SCRFD detects, 2d106det marks, ArcFace identifies.

The packs are licensed for non-commercial research only, so none is shipped or fetched: a setting names the
folder, and the user accepts the licence. ArcFace's distances are brought to the scale of `face.identity`, so
that `cast.suppressed` means the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import THUMB, FaceTrack
from dubcli.engines.trackers import Picture, tracked
from dubcli.engines.trackers.insightface_models import Detection, Detector, Identity, Landmarks, suppressed
from dubcli.face import follow
from dubcli.face import mesh as regions
from dubcli.face.crop import Image, colours, reduced, sharpness, tiled, to_raster
from dubcli.face.follow import Observation
from dubcli.face.landmarks106 import MESH, lifted
from dubcli.face.roi import MARGIN, Roi, apply, eye_distance, portrait, undo

PICTURE, FACE = (
    640,
    192,
)  # side of the detector's input in pixels, for a picture or a tile and for one face; set by hand
VIEWS = ((0.0, 0.0, 1.0), (0.03, 0.02, 1.05), (-0.03, -0.02, 0.95), (0.02, -0.03, 1.1))
"""Crops of one face: shift right and down in sides, scale; set by hand."""
_ARCFACE_APART = 0.6  # cosine distance of ArcFace that corresponds to the next; set by hand
_APART = 0.25  # default of `cast.suppressed`, cosine distance
_LIPS = slice(52, 72)  # of the 106 landmarks
_FIVE = tuple(MESH[k] for k in (36, 45, 30, 48, 54))  # about where eyes, nose and mouth corners are


class InsightfaceTracker:
    """Tracks faces with the networks of a model pack; `use` names them before `track`."""

    def use(self, weights: Mapping[str, Path], device: str = "cpu") -> None:
        """Take the networks `detector`, `landmarks` and `identity` from these files, on `cpu` or `cuda`."""
        self._detector = Detector(weights["detector"], device)
        self._landmarks = Landmarks(weights["landmarks"], device)
        self._identity = Identity(weights["identity"], device)

    def track(
        self,
        pictures: Iterable[Picture],
        *,
        turn: int = 0,
        views: int = 4,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[FaceTrack]:
        """Faces of one shot; see `Tracker.track`."""
        cv2.setNumThreads(1)  # the squares are small: dividing them costs more than it saves
        finder = Finder(self._detector, self._landmarks, turn, views)
        found = tracked(finder, pictures, turn, done)
        for track in found:
            track.descriptor = np.stack([self._descriptor(thumb) for thumb in track.thumbs])
        return found

    def _descriptor(self, thumb: Image) -> NDArray[np.float32]:
        """The descriptor of an upright picture of a face, unit length.

        A constant component brings cosine distances from ArcFace's scale to that of `cast.suppressed`.
        """
        detections = self._detector(thumb, FACE, follow.MIN_SCORE)
        points = detections[0].points if detections else _average_points(len(thumb))
        share = _APART / _ARCFACE_APART
        first = np.sqrt(share) * self._identity(thumb, points)
        return np.append(first, np.sqrt(1 - share)).astype(np.float32)


class Finder:
    """SCRFD and 2d106det as a `follow.Finder`."""

    def __init__(self, detector: Detector, landmarks: Landmarks, turn: int, views: int) -> None:
        self._detector, self._landmarks, self._turn = detector, landmarks, turn
        self._views = VIEWS[: max(views, 2)]  # an occlusion is detected by their disagreement

    def detect(self, rgb: Image, tiles: bool) -> list[Roi]:
        """Faces on the whole picture and, where `tiles`, on tiles that overlap by a third."""
        upright = np.rot90(rgb, -self._turn) if self._turn else rgb
        height, width = upright.shape[:2]
        found = self._detector(upright, PICTURE, follow.MIN_SCORE)
        side = min(PICTURE, height, width)
        for tile, left, top in tiled(upright, side) if tiles else ():
            shift = np.array((left, top), np.float64)
            for detection in self._detector(tile, PICTURE, follow.MIN_SCORE):
                inside = detection.box.min() > 0.02 * side and detection.box.max() < 0.98 * side
                if inside:  # faces cut by the border are in a neighbouring tile
                    found.append(
                        Detection(
                            detection.score, detection.box + np.tile(shift, 2), detection.points + shift
                        )
                    )
        return [to_raster(_roi(detection), self._turn, width, height) for detection in suppressed(found)]

    def observe(self, rgb: Image, roi: Roi) -> Observation | None:
        """Observation of the face in a region of interest, or None where there is none."""
        source = reduced(rgb, roi, self._landmarks.side)
        face_crop, _ = source.cut(roi, FACE)
        detections = self._detector(face_crop, FACE, follow.MIN_SCORE / 2)
        middle = np.full(2, FACE / 2)
        faces = [
            detection
            for detection in detections
            if np.abs(detection.points.mean(axis=0) - middle).max() < 0.25 * FACE
        ]
        if not faces or faces[0].score < follow.MIN_SCORE:
            return None
        stack: list[NDArray[np.float64]] = []
        crop, first = face_crop, np.zeros((106, 2))
        for right, down, scale in self._views:
            x, y = np.cos(roi.angle), np.sin(roi.angle)
            centre = roi.centre + roi.side * np.array((right * x - down * y, right * y + down * x))
            square = Roi(centre, roi.side * scale, roi.angle)
            cut, to_crop = source.cut(square, self._landmarks.side)
            marks = self._landmarks(cut)
            if not stack:
                crop, first = cut, marks
            stack.append(undo(to_crop, marks))
        mesh = lifted(np.mean(stack, axis=0))
        size = max(eye_distance(mesh), 1e-6)
        spread = float(np.std(stack, axis=0)[_LIPS].mean() / size)
        return Observation(
            mesh,
            faces[0].score,
            spread,
            colours(crop, lifted(first).astype(np.float64)),
            sharpness(rgb, mesh),
        )

    def thumb(self, rgb: Image, mesh: NDArray[np.float32]) -> Image:
        """Upright picture of a face, (96, 96, 3)."""
        roi = portrait(mesh)
        return reduced(rgb, roi, THUMB).cut(roi, THUMB)[0]


def _roi(face: Detection) -> Roi:
    """Region of interest around a detection, of the size that `face.follow` uses once there is a mesh."""
    left, top, right, bottom = face.box
    eyes = face.points[1] - face.points[0]
    centre = np.array(((left + right) / 2, (top + bottom) / 2))
    return Roi(centre, MARGIN * max(right - left, bottom - top), float(np.arctan2(eyes[1], eyes[0])))


def _average_points(side: int) -> NDArray[np.float64]:
    """Eyes, nose and mouth corners (5, 2) of the average head in a thumb of that many pixels."""
    head = 100 * regions.head()
    points = apply(portrait(head).into(side), head[:, :2])[list(_FIVE)]
    inner = apply(portrait(head).into(side), head[[133, 362], :2])
    points[:2] = (points[:2] + inner) / 2
    return points
