"""Small ONNX networks with the inputs and outputs of an insightface model pack, written byte by byte.

Only what these need of the format (https://onnx.ai/onnx/repo-docs/IR.html) is written here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = Sequence[int | str]
FLOAT, INT64 = 1, 7


def pack(folder: Path, landmarks: NDArray[np.float64]) -> Path:
    """A model pack whose detector finds what is bright; the landmarks (106, 2), 0–1, are always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "det_10g.onnx").write_bytes(detector())
    (folder / "2d106det.onnx").write_bytes(constant(landmarks * 2 - 1))
    (folder / "w600k_r50.onnx").write_bytes(recogniser())
    return folder


def detector() -> bytes:
    """SCRFD's nine outputs; a cell's score grows with its brightness, for the coarsest stride only.

    Each bright cell says the same: a box from 2 cells left and 3 above to 2 right and 1 below its corner.
    """
    nodes, outputs, values = [], [], []
    for stride in (8, 16, 32):
        nodes.append(node("AveragePool", ["input.1"], [f"cell{stride}"], kernel=stride))
        bright = np.full((2, 3, 1, 1), 4.0) if stride == 32 else np.zeros((2, 3, 1, 1))
        for name, columns, weight, bias in (
            ("score", 1, bright, [-2.0, -9.0]),
            ("box", 4, np.zeros((8, 3, 1, 1)), [2.0, 3.0, 2.0, 1.0] * 2),
            ("point", 10, np.zeros((20, 3, 1, 1)), [-1, -1, 1, -1, 0, 0, -0.7, 0.8, 0.7, 0.8] * 2),
        ):
            own = f"{name}{stride}"
            values += [tensor(f"{own}.w", np.asarray(weight, np.float32))]
            values += [tensor(f"{own}.b", np.asarray(bias, np.float32))]
            values += [tensor(f"{own}.s", np.array([-1, columns], np.int64))]
            nodes.append(node("Conv", [f"cell{stride}", f"{own}.w", f"{own}.b"], [f"{own}.c"]))
            last = f"{own}.c"
            if name == "score":
                nodes.append(node("Sigmoid", [last], [f"{own}.g"]))
                last = f"{own}.g"
            nodes.append(node("Transpose", [last], [f"{own}.t"], perm=(0, 2, 3, 1)))
            nodes.append(node("Reshape", [f"{own}.t", f"{own}.s"], [own]))
    for name, columns in (("score", 1), ("box", 4), ("point", 10)):
        outputs += [info(f"{name}{stride}", ("n", columns)) for stride in (8, 16, 32)]
    return model(nodes, [info("input.1", (1, 3, "h", "w"))], outputs, values)


def constant(answer: NDArray[np.float64]) -> bytes:
    """2d106det: whatever it is shown, the same 212 numbers; as from MXNet it normalises by itself."""
    values = [
        tensor("zero", np.zeros(1, np.float32)),
        tensor("weight", np.zeros((3, 212), np.float32)),
        tensor("bias", answer.reshape(-1).astype(np.float32)),
    ]
    nodes = [
        node("Sub", ["data", "zero"], ["less"], name="_minusscalar0"),
        node("Mul", ["less", "zero"], ["scaled"], name="_mulscalar0"),
        node("GlobalAveragePool", ["scaled"], ["mean"]),
        node("Flatten", ["mean"], ["flat"]),
        node("Gemm", ["flat", "weight", "bias"], ["fc1"]),
    ]
    return model(nodes, [info("data", (1, 3, 192, 192))], [info("fc1", (1, 212))], values)


def recogniser() -> bytes:
    """ArcFace: a fixed random projection of the coarse picture to 512 numbers."""
    weight = np.random.default_rng(0).normal(size=(147, 512)).astype(np.float32)
    nodes = [
        node("AveragePool", ["input.1"], ["coarse"], kernel=16),
        node("Flatten", ["coarse"], ["flat"]),
        node("MatMul", ["flat", "weight"], ["683"]),
    ]
    shape = (1, 3, 112, 112)
    return model(nodes, [info("input.1", shape)], [info("683", (1, 512))], [tensor("weight", weight)])


def model(nodes: list[bytes], inputs: list[bytes], outputs: list[bytes], values: list[bytes]) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + field(2, b"graph")
    for number, rows in ((5, values), (11, inputs), (12, outputs)):
        graph += b"".join(field(number, one) for one in rows)
    return number_field(1, 8) + field(7, graph) + field(8, number_field(2, 13))


def node(kind: str, inputs: list[str], outputs: list[str], name: str = "", **more: Any) -> bytes:
    body = b"".join(field(1, one.encode()) for one in inputs)
    body += b"".join(field(2, one.encode()) for one in outputs)
    body += (field(3, name.encode()) if name else b"") + field(4, kind.encode())
    if "kernel" in more:
        side = [more["kernel"]] * 2
        body += field(5, integers("kernel_shape", side)) + field(5, integers("strides", side))
    if "perm" in more:
        body += field(5, integers("perm", more["perm"]))
    return body


def integers(name: str, values: Sequence[int]) -> bytes:
    rows = b"".join(number_field(8, value) for value in values)
    return field(1, name.encode()) + rows + number_field(20, 7)


def tensor(name: str, array: NDArray[Any]) -> bytes:
    kind = INT64 if array.dtype == np.int64 else FLOAT
    sizes = b"".join(number_field(1, size) for size in array.shape)
    return sizes + number_field(2, kind) + field(8, name.encode()) + field(9, array.tobytes())


def info(name: str, shape: Shape) -> bytes:
    sizes = b"".join(
        field(1, field(2, size.encode()) if isinstance(size, str) else number_field(1, size))
        for size in shape
    )
    return field(1, name.encode()) + field(2, field(1, number_field(1, FLOAT) + field(2, sizes)))


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += struct.pack("B", value & 127 | 128)
        value >>= 7
    return out + struct.pack("B", value)
