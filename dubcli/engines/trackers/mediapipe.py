"""The default tracker: full-range BlazeFace on picture and tiles, FaceMesh with attention on each face.

FaceMesh runs in a graph of our own, on a crop of the region of interest, with the face score. It keeps
no state, so a mesh depends on nothing but the frame and the region. The crop is brought to the network's
192 pixels by area averaging (a plain bilinear warp aliases on large faces), and the mesh is the mean over
two views of it, slightly shifted, turned, scaled and mirrored, or over four where those disagree on the lips.

BlazeFace: Bazarevsky et al. 2019; attention mesh: Grishchenko et al. 2020; both Apache-2.0 inside mediapipe.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import THUMB, FaceTrack
from dubcli.core import devices
from dubcli.engines.trackers import Picture, tracked
from dubcli.face import follow
from dubcli.face import mesh as regions
from dubcli.face.crop import (
    Image,
    Reduced,
    colours,
    halved,
    reduced,
    sharpness,
    tiled,
    to_raster,
    without_overlap,
)
from dubcli.face.follow import Observation
from dubcli.face.roi import MARGIN, Roi, eye_distance, portrait


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
# Graphs find the networks by paths from here. MediaPipe's own solutions say so when they are built; a process
# that only measures builds none.
importlib.import_module("mediapipe.python._framework_bindings").resource_util.set_resource_dir(
    str(Path(mp.__file__).parents[1])
)

SIDE = 192  # pixels of a side of both networks' input
MIN_DETECTION = 0.5  # detector score; that of MediaPipe's own solutions
# Pixels, and share of the shorter side. Faces from about a tenth of the detector's input are detected: from
# 50 pixels on, or a fifteenth of the picture's height where that is more. Set by hand.
TILE, TILE_SHARE = 480, 2 / 3
# Blocks of a tile's side, and levels of eight bits by which the mean of one must change for another search.
# Set by hand: grain changes it by less than one, the smallest face that is detected by tens.
BLOCKS, CHANGED = 12, 4.0

# A landmark as Protocol Buffers write it: a tag and a length, then each coordinate after a tag of its own.
# Attributes of Python objects would take twenty times as long for 478 of them.
_MARK = np.dtype({"names": list("xyz"), "formats": ["<f4"] * 3, "offsets": [3, 8, 13], "itemsize": 17})

PARALLEL = 2  # views at a time, each on its own network and thread
AGREED = 0.007  # spread in outer-eye distances up to which two views suffice (docs/tracking.md)

View = tuple[float, float, float, float, bool]
"""Crop of one face: shift right and down in sides, scale, turn in radians, mirrored; set by hand."""
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
            return tracked(finder, pictures, turn, done)


class Finder:
    """BlazeFace and FaceMesh as a `follow.Finder`; a context manager, since both hold native memory."""

    def __init__(self, turn: int = 0, views: tuple[View, ...] = VIEWS) -> None:
        self._turn = turn
        self._views = views
        self.networks = [FaceMesh() for _ in views[:PARALLEL]]
        self._pool = ThreadPoolExecutor(min(len(self.networks), devices.cores()))
        self._tiles: dict[tuple[int, int], tuple[Image, list[tuple[float, Roi]]]] = {}

    def __enter__(self) -> Finder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        if "_detector" in self.__dict__:
            self._detector.close()
        for network in self.networks:
            network.close()

    @cached_property
    def _detector(self) -> Any:
        """BlazeFace, loaded where it is used: measures look at faces whose place is known."""
        return mp.solutions.face_detection.FaceDetection(
            min_detection_confidence=MIN_DETECTION, model_selection=1
        )

    def detect(self, rgb: Image, tiles: bool) -> list[Roi]:
        """Faces on the whole picture and, where `tiles`, on tiles that overlap by a third.

        Where there is none, a face may fill the picture: the network knows faces with something around them.
        """
        upright = np.rot90(rgb, -self._turn) if self._turn else rgb
        height, width = upright.shape[:2]
        found = self._detections(_to_detect(upright), upright.shape, 0, 0)
        side = min(max(TILE, round(TILE_SHARE * min(height, width))), height, width)
        for tile, left, top in tiled(upright, side) if tiles else ():
            found += self._on_tile(_to_detect(tile), left, top, side)
        if not found:
            small = _to_detect(upright)
            room = (small.shape[0] // 2,) * 2 + (small.shape[1] // 2,) * 2
            wide = np.asarray(
                cv2.copyMakeBorder(small, *room, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8
            )
            found = self._detections(wide, (2 * height, 2 * width), -width // 2, -height // 2)
        return [to_raster(roi, self._turn, width, height) for _, roi in without_overlap(found)]

    def observe(self, rgb: Image, roi: Roi) -> Observation | None:
        """Observation of the face in a region of interest, or None where there is none."""
        seen = self._seen(rgb, roi)
        if seen is None:
            return None
        first = seen.views[0]
        return Observation(
            seen.mesh, seen.score, seen.spread, colours(first.crop, first.within), sharpness(rgb, seen.mesh)
        )

    def mesh(self, rgb: Image, roi: Roi) -> NDArray[np.float32] | None:
        """Mesh (478, 3) of the face in a region of interest, or None where there is none."""
        seen = self._seen(rgb, roi)
        return None if seen is None else seen.mesh

    def _seen(self, rgb: Image, roi: Roi) -> _Seen | None:
        through = partial(_viewed, reduced(rgb, roi, SIDE), roi)
        viewed: list[_View] = []
        spread = np.inf
        while len(viewed) < len(self._views) and spread > AGREED:
            views = self._views[len(viewed) : len(viewed) + PARALLEL]
            viewed += (self._pool.map if len(views) > 1 else map)(through, views, self.networks)
            if min(each.score for each in viewed) < follow.MIN_SCORE / 2:
                return None
            mesh = np.mean([each.points for each in viewed], axis=0).astype(np.float32)
            spread = _spread([each.points for each in viewed]) / max(eye_distance(mesh), 1e-6)
        score = float(np.mean([each.score for each in viewed]))
        return _Seen(viewed, mesh, score, spread) if score >= follow.MIN_SCORE else None

    def thumb(self, rgb: Image, mesh: NDArray[np.float32]) -> Image:
        """Upright picture of a face, (96, 96, 3)."""
        roi = portrait(mesh)
        return reduced(rgb, roi, THUMB).cut(roi, THUMB)[0]

    def _on_tile(self, small: Image, left: int, top: int, side: int) -> list[tuple[float, Roi]]:
        """Detections on a tile; those of the last time while nothing has changed in it since."""
        before = self._tiles.get((left, top))
        if before is not None:
            blocks = cv2.resize(cv2.absdiff(small, before[0]), (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
            if blocks.max() < CHANGED:
                return before[1]
        found = self._detections(small, (side, side), left, top, side)
        self._tiles[left, top] = small, found
        return found

    def _detections(
        self, small: Image, shape: tuple[int, ...], left: int, top: int, side: int = 0
    ) -> list[tuple[float, Roi]]:
        """Scores and regions on one picture; faces cut by a tile's border are left to its neighbours."""
        height, width = shape[:2]
        found = []
        for detection in self._detector.process(small).detections or []:
            box = detection.location_data.relative_bounding_box
            eyes = [(p.x * width, p.y * height) for p in detection.location_data.relative_keypoints[:2]]
            x, y = box.xmin * width, box.ymin * height
            w, h = box.width * width, box.height * height
            if side and (min(x, y) < 0.02 * side or max(x + w, y + h) > 0.98 * side):
                continue
            angle = float(np.arctan2(eyes[1][1] - eyes[0][1], eyes[1][0] - eyes[0][0]))
            # The box spans brows to chin; the mesh network was trained on half as much again around the face.
            centre = np.array((left + x + w / 2, top + y + h / 2 - 0.1 * h))
            found.append((float(detection.score[0]), Roi(centre, 1.3 * MARGIN * max(w, h), angle)))
        return found


def _to_detect(rgb: Image) -> Image:
    """A picture at the size of the detector's input."""
    scale = SIDE / max(rgb.shape[:2])
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    if scale >= 1:
        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    part = halved(rgb, int(math.log2(1 / scale)))
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


class FaceMesh:
    """FaceMesh in a graph of its own; it holds native memory until `close`."""

    def __init__(self) -> None:
        self._output: dict[str, Any] = {}
        self._graph = mp.CalculatorGraph(graph_config=_GRAPH)
        self._graph.observe_output_stream("landmarks", self._take)
        self._graph.observe_output_stream("score", self._take)
        self._graph.start_run()
        self._clock = 0

    def close(self) -> None:
        """Release the native memory."""
        self._graph.close()
        # The graph references this object as its listener, out of sight of the garbage collector.
        del self._graph

    def mesh(self, crop: Image) -> tuple[NDArray[np.float64], float]:
        """Points (478, 3) in pixels of a 192-pixel crop, and the face score."""
        self._clock += 1
        self._output.clear()
        packet = mp.packet_creator.create_image_frame(crop, image_format=mp.ImageFormat.SRGB)
        self._graph.add_packet_to_input_stream("image", packet.at(self._clock))
        self._graph.wait_until_idle()
        marks = mp.packet_getter.get_proto(self._output["landmarks"]).SerializeToString()
        points = np.stack([np.frombuffer(marks, _MARK)[axis] for axis in "xyz"], axis=1)
        return points.astype(np.float64) * SIDE, float(mp.packet_getter.get_float(self._output["score"]))

    def _take(self, stream: str, packet: Any) -> None:
        self._output[stream] = packet


@dataclass(frozen=True)
class _View:
    """Mesh of one view: points (478, 3) in the raster and within the crop, the face score."""

    points: NDArray[np.float64]
    score: float
    crop: Image
    within: NDArray[np.float64]


@dataclass(frozen=True)
class _Seen:
    """A face in several views: mean mesh (478, 3), mean score, spread of the lips in eye distances."""

    views: list[_View]
    mesh: NDArray[np.float32]
    score: float
    spread: float


def _viewed(source: Reduced, roi: Roi, view: View, network: FaceMesh) -> _View:
    right, down, scale, turned, mirrored = view
    x, y = np.cos(roi.angle), np.sin(roi.angle)
    centre = roi.centre + roi.side * np.array((right * x - down * y, right * y + down * x))
    square = Roi(centre, roi.side * scale, roi.angle + turned)
    crop, to_crop = source.cut(square, SIDE)
    points, score = network.mesh(np.asarray(cv2.flip(crop, 1), np.uint8) if mirrored else crop)
    if mirrored:
        points = points[regions.mirror()]
        points[:, 0] = SIDE - points[:, 0]
    placed, shrink = points.copy(), SIDE / square.side
    placed[:, :2] = (points[:, :2] - to_crop[:, 2]) @ to_crop[:, :2] / shrink**2  # a similarity's inverse
    placed[:, 2] /= shrink
    return _View(placed, score, crop, points)


def _spread(views: list[NDArray[np.float64]]) -> float:
    """Standard deviation of the lips over views (478, 3), in pixels, scaled to that of four."""
    count = max(len(views), 2)
    apart = np.std([points[list(regions.LIPS_INNER), :2] for points in views], axis=0).mean()
    return float(apart * np.sqrt(0.75 * count / (count - 1)))
