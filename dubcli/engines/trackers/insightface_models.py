"""The networks of an insightface model pack, run by onnxruntime: SCRFD, 2d106det and ArcFace.

Inputs and decoding of outputs are those of the insightface package, which is not needed.
SCRFD: Guo et al. 2021 (arXiv:2105.04714); ArcFace: Deng et al. 2019 (arXiv:1801.07698).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import DependencyError
from dubcli.face.crop import Image
from dubcli.models.onnx import session

STRIDES, ANCHORS = (8, 16, 32), 2  # pixels; anchors at each position (SCRFD)
MAX_OVERLAP = 0.4  # intersection over union of boxes over which they are one face; that of insightface
TEMPLATE = np.array(
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)),
)  # eyes, nose and mouth corners in ArcFace's 112 pixels; that of insightface

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """Detection of a face: score 0–1; in pixels box (left, top, right, bottom), eyes, nose, mouth corners."""

    score: float
    box: NDArray[np.float64]
    points: NDArray[np.float64]


class Detector:
    """SCRFD with key points: nine outputs, scores, boxes and points for each of three strides."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._session = session(path, device=device)
        if len(self._session.get_outputs()) != 3 * len(STRIDES):
            raise DependencyError(f"{path} is no SCRFD detector with key points; take one of a model pack")
        shape = self._session.get_inputs()[0].shape
        self._fixed = int(shape[2]) if isinstance(shape[2], int) else 0

    def __call__(self, rgb: Image, side: int, threshold: float) -> list[Detection]:
        """Detections of at least that score, highest first; the picture is fitted into `side` pixels."""
        side = self._fixed or side
        height, width = rgb.shape[:2]
        scale = side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        square = np.zeros((side, side, 3), np.uint8)
        square[: size[1], : size[0]] = cv2.resize(
            rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        outputs = _run(self._session, _blob(square, 127.5, 128.0))
        found: list[Detection] = []
        for k, stride in enumerate(STRIDES):
            scores, boxes, points = (
                np.asarray(outputs[k + part * len(STRIDES)], np.float64).reshape(-1, columns)
                for part, columns in ((0, 1), (1, 4), (2, 10))
            )
            down, right = np.divmod(np.arange((side // stride) ** 2), side // stride)
            centres = np.repeat(np.column_stack([right, down]) * stride, ANCHORS, axis=0)
            for n in np.flatnonzero(scores[:, 0] >= threshold):
                reach = boxes[n] * stride
                box = np.concatenate([centres[n] - reach[:2], centres[n] + reach[2:]])
                corners = centres[n] + points[n].reshape(5, 2) * stride
                found.append(Detection(float(scores[n, 0]), box / scale, corners / scale))
        return suppressed(found)


class Landmarks:
    """2d106det: 106 points of a face in a square crop."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._session = session(path, device=device)
        shape = self._session.get_inputs()[0].shape
        if self._session.get_outputs()[0].shape[-1] != 212 or not isinstance(shape[2], int):
            raise DependencyError(f"{path} is no 2d106det network; take the one of a model pack")
        self.side = int(shape[2])
        # Networks converted from MXNet normalise their input themselves.
        self._norm = (0.0, 1.0) if _normalises(path) else (127.5, 128.0)

    def __call__(self, crop: Image) -> NDArray[np.float64]:
        """Points (106, 2) in pixels of the crop, which is `side` pixels wide and high."""
        output = _run(self._session, _blob(crop, *self._norm))[0].reshape(106, 2)
        return np.asarray((output + 1.0) * (self.side / 2), np.float64)


class Identity:
    """ArcFace: identity of a face as a unit vector."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._session = session(path, device=device)
        self._side = int(self._session.get_inputs()[0].shape[2])
        self._norm = (0.0, 1.0) if _normalises(path) else (127.5, 127.5)

    def __call__(self, rgb: Image, points: NDArray[np.float64]) -> Floats:
        """The descriptor (D,) of the face with these eyes, nose and mouth corners (5, 2)."""
        goal = TEMPLATE * (self._side / 112)
        crop = cv2.warpAffine(rgb, _similarity(points, goal), (self._side, self._side))
        output = _run(self._session, _blob(np.asarray(crop, np.uint8), *self._norm))[0].reshape(-1)
        return np.asarray(output / max(float(np.linalg.norm(output)), 1e-9), np.float32)


def suppressed(found: list[Detection]) -> list[Detection]:
    """Non-maximum suppression: of detections of one face that of the highest score stays."""
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda d: (-d.score, *d.box.tolist())):
        if all(_overlap(detection.box, other.box) <= MAX_OVERLAP for other in kept):
            kept.append(detection)
    return kept


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    both = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return float(shared / max(both, 1e-9))


def _similarity(points: NDArray[np.float64], goal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least-squares similarity (2, 3) from points (N, 2) to their goal, without mirroring."""
    a, b = points - points.mean(axis=0), goal - goal.mean(axis=0)
    cos, sin = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turn = np.array(((cos, -sin), (sin, cos))) / max(float((a**2).sum()), 1e-9)
    return np.column_stack([turn, goal.mean(axis=0) - turn @ points.mean(axis=0)])


def _blob(rgb: Image, mean: float, spread: float) -> Floats:
    return np.ascontiguousarray(((rgb.astype(np.float32) - mean) / spread).transpose(2, 0, 1)[None])


def _run(session: Any, blob: Floats) -> list[NDArray[Any]]:
    outputs: list[NDArray[Any]] = session.run(None, {session.get_inputs()[0].name: blob})
    return outputs


def _normalises(path: Path) -> bool:
    """Whether one of the first nodes of an ONNX file subtracts and another multiplies, or is `bn_data`."""
    names: list[str] = []
    data = memoryview(path.read_bytes())
    for number, value in _fields(data):
        if number == 7:  # ModelProto.graph
            for part, node in _fields(value):
                if part == 1 and len(names) < 8:  # GraphProto.node, NodeProto.name
                    names.append(next((bytes(text).decode() for k, text in _fields(node) if k == 3), ""))
    subtracts = any(name.startswith(("Sub", "_minus")) for name in names)
    multiplies = any(name.startswith(("Mul", "_mul")) for name in names)
    return "bn_data" in names[:3] or (subtracts and multiplies)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Length-delimited fields of a protocol-buffer message: (number, bytes)."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 == 0:
            varint()
        else:
            at += {1: 8, 5: 4}[tag & 7]
