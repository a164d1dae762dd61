"""The default tracker: full-range BlazeFace on picture and tiles, FaceMesh with attention on each face.

FaceMesh runs in a graph of our own, on a square that we cut out, and tells its score with the mesh. It keeps
no state, so a mesh depends on nothing but the frame and the square. The square is brought to the network's
192 pixels by area averaging (a plain bilinear warp aliases on large faces), and the mesh is the mean over
two views of it, slightly moved, turned, scaled and mirrored, and over more where those disagree on the lips.

BlazeFace: Bazarevsky et al. 2019; attention mesh: Grishchenko et al. 2020; both Apache-2.0 inside mediapipe.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import THUMB, FaceTrack
from dubcli.core import devices
from dubcli.engines.trackers import Picture, watched
from dubcli.face import follow
from dubcli.face import mesh as regions
from dubcli.face.crop import (
    Reduced,
    colours,
    reduced,
    sharpness,
    tiled,
    to_raster,
    without_overlap,
)
from dubcli.face.follow import Image, Sight
from dubcli.face.roi import ROOM, Roi, eye_distance, portrait


def _mediapipe() -> Any:
    """The package without matplotlib, which takes longer to load than the rest and only draws plots."""
    plots = {
        name: ModuleType(name) for name in ("matplotlib", "matplotlib.pyplot") if name not in sys.modules
    }
    sys.modules.update(plots)
    try:
        return importlib.import_module("mediapipe")
    finally:
        for name in plots:
            del sys.modules[name]


mp = _mediapipe()

SIDE = 192  # pixels that both networks see
DETECTED = 0.5  # detector score
TILE = 480  # pixels; the detector finds faces from about a tenth of what it is shown, and 50 pixels is enough

TOGETHER = 2  # views taken at once, each by a network of its own on a thread of its own
AGREED = 0.007  # spread in outer-eye distances up to which two views do: bare lips have less, moustaches more

View = tuple[float, float, float, float, bool]
"""Of one face: moved right, moved down (in sides), scaled, turned (radians), mirrored."""
VIEWS: tuple[View, ...] = (
    (0.03, 0.02, 1.05, 0.05, False),
    (-0.03, -0.02, 0.95, -0.05, True),
    (0.02, -0.03, 1.10, -0.05, False),
    (-0.02, 0.03, 0.90, 0.05, True),
)

_GRAPH = """
input_stream: "image"
output_stream: "landmarks"
output_stream: "score"
executor { type: "ApplicationThreadExecutor" }
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:ops" }
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:attention"
  options { [mediapipe.ConstantSidePacketCalculatorOptions.ext] { packet { bool_value: true } } }
}
node {
  calculator: "FaceLandmarksModelLoader"
  input_side_packet: "WITH_ATTENTION:attention"
  output_side_packet: "MODEL:model"
}
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image"
  output_stream: "TENSORS:input"
  options {
    [mediapipe.ImageToTensorCalculatorOptions.ext] {
      output_tensor_width: 192
      output_tensor_height: 192
      output_tensor_float_range { min: 0.0 max: 1.0 }
    }
  }
}
node {
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:input"
  input_side_packet: "MODEL:model"
  input_side_packet: "OP_RESOLVER:ops"
  output_stream: "TENSORS:output"
  options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack { num_threads: 1 } } } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "output"
  output_stream: "points"
  output_stream: "flag"
  options {
    [mediapipe.SplitVectorCalculatorOptions.ext] { ranges { begin: 0 end: 6 } ranges { begin: 6 end: 7 } }
  }
}
node {
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:flag"
  output_stream: "FLOAT:score"
  options { [mediapipe.TensorsToFloatsCalculatorOptions.ext] { activation: SIGMOID } }
}
node {
  calculator: "TensorsToFaceLandmarksWithAttention"
  input_stream: "TENSORS:points"
  output_stream: "LANDMARKS:landmarks"
}
"""


class MediapipeTracker:
    """Tracks faces with the models inside the mediapipe package."""

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
        with Finder(turn, VIEWS[:views]) as finder:
            return watched(finder, pictures, turn, done)


class Finder:
    """BlazeFace and FaceMesh as a `follow.Finder`; a context manager, since both hold native memory."""

    def __init__(self, turn: int = 0, views: tuple[View, ...] = VIEWS) -> None:
        self._turn = turn
        self._views = views
        self._detector = mp.solutions.face_detection.FaceDetection(
            min_detection_confidence=DETECTED, model_selection=1
        )
        self.networks = [FaceMesh() for _ in views[:TOGETHER]]
        self._pool = ThreadPoolExecutor(min(len(self.networks), devices.cores()))

    def __enter__(self) -> Finder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._detector.close()
        for network in self.networks:
            network.close()

    def detect(self, rgb: Image, tiles: bool) -> list[Roi]:
        """Faces on the whole picture and, where `tiles`, on tiles that overlap by a third."""
        upright = np.rot90(rgb, -self._turn) if self._turn else rgb
        height, width = upright.shape[:2]
        found = self._detections(upright, 0, 0)
        side = min(TILE, height, width)
        for tile, left, top in tiled(upright, side) if tiles else ():
            found += self._detections(tile, left, top, side)
        return [to_raster(roi, self._turn, width, height) for _, roi in without_overlap(found)]

    def sight(self, rgb: Image, roi: Roi) -> Sight | None:
        """The mesh of the face in that square, or None where there is none."""
        seen_through = partial(_seen, reduced(rgb, roi, SIDE), roi)
        seen: list[_Seen] = []
        spread = np.inf
        while len(seen) < len(self._views) and spread > AGREED:
            now = slice(len(seen), len(seen) + TOGETHER)
            seen += self._pool.map(seen_through, self._views[now], self.networks)
            if min(one.score for one in seen) < follow.PRESENT / 2:
                return None
            mesh = np.mean([one.points for one in seen], axis=0).astype(np.float32)
            spread = _spread([one.points for one in seen]) / max(eye_distance(mesh), 1e-6)
        score = float(np.mean([one.score for one in seen]))
        if score < follow.PRESENT:
            return None
        return Sight(mesh, score, spread, seen[0].colour, sharpness(rgb, mesh))

    def thumb(self, rgb: Image, mesh: NDArray[np.float32]) -> Image:
        """Upright picture of a face, (96, 96, 3)."""
        roi = portrait(mesh)
        return reduced(rgb, roi, THUMB).cut(roi, THUMB)[0]

    def _detections(self, rgb: Image, left: int, top: int, side: int = 0) -> list[tuple[float, Roi]]:
        """Detector on one picture; faces cut by a tile's border are left to its neighbours."""
        height, width = rgb.shape[:2]
        scale = SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        found = []
        for detection in self._detector.process(small).detections or []:
            box = detection.location_data.relative_bounding_box
            eyes = [(p.x * width, p.y * height) for p in detection.location_data.relative_keypoints[:2]]
            x, y = box.xmin * width, box.ymin * height
            w, h = box.width * width, box.height * height
            if side and (min(x, y) < 0.02 * side or max(x + w, y + h) > 0.98 * side):
                continue
            angle = float(np.arctan2(eyes[1][1] - eyes[0][1], eyes[1][0] - eyes[0][0]))
            # The box spans brows to chin; the mesh wants half as much again around the whole face.
            centre = np.array((left + x + w / 2, top + y + h / 2 - 0.1 * h))
            found.append((float(detection.score[0]), Roi(centre, 1.3 * ROOM * max(w, h), angle)))
        return found


class FaceMesh:
    """FaceMesh in a graph of its own; it holds native memory until `close`."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] = {}
        self._graph = mp.CalculatorGraph(graph_config=_GRAPH)
        self._graph.observe_output_stream("landmarks", self._take)
        self._graph.observe_output_stream("score", self._take)
        self._graph.start_run()
        self._clock = 0

    def close(self) -> None:
        """Give the memory back."""
        self._graph.close()
        # The graph holds us as its listener, where the garbage collector cannot see it.
        del self._graph

    def mesh(self, crop: Image) -> tuple[NDArray[np.float64], float]:
        """Points (478, 3) in pixels of a 192-pixel crop, and the face score."""
        self._clock += 1
        self._answer.clear()
        packet = mp.packet_creator.create_image_frame(crop, image_format=mp.ImageFormat.SRGB)
        self._graph.add_packet_to_input_stream("image", packet.at(self._clock))
        self._graph.wait_until_idle()
        marks = mp.packet_getter.get_proto(self._answer["landmarks"]).landmark
        points = np.array([(mark.x, mark.y, mark.z) for mark in marks], np.float64) * SIDE
        return points, float(mp.packet_getter.get_float(self._answer["score"]))

    def _take(self, stream: str, packet: Any) -> None:
        self._answer[stream] = packet


@dataclass(frozen=True)
class _Seen:
    """What one view shows: points (478, 3) in the raster, the face score, skin colours."""

    points: NDArray[np.float64]
    score: float
    colour: NDArray[np.uint8]


def _seen(source: Reduced, roi: Roi, view: View, network: FaceMesh) -> _Seen:
    right, down, scale, turned, mirrored = view
    x, y = np.cos(roi.angle), np.sin(roi.angle)
    moved = roi.centre + roi.side * np.array((right * x - down * y, right * y + down * x))
    square = Roi(moved, roi.side * scale, roi.angle + turned)
    crop, to_crop = source.cut(square, SIDE)
    points, score = network.mesh(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop)
    if mirrored:
        points = points[regions.mirror()]
        points[:, 0] = SIDE - points[:, 0]
    colour = colours(crop, points)
    shrink = SIDE / square.side
    points[:, :2] = (points[:, :2] - to_crop[:, 2]) @ to_crop[:, :2] / shrink**2  # a similarity's inverse
    points[:, 2] /= shrink
    return _Seen(points, score, colour)


def _spread(views: list[NDArray[np.float64]]) -> float:
    """How far views (478, 3) disagree on the lips, in pixels, of few views as of four."""
    count = max(len(views), 2)
    apart = np.std([points[list(regions.LIPS_INNER), :2] for points in views], axis=0).mean()
    return float(apart * np.sqrt(0.75 * count / (count - 1)))
