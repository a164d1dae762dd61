"""Arrays in `.npz` files: read whole, or memory-mapped, so that only the used part of a long film is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Blocks:
    """An array that is made block by block along its first axis, so that it is never whole in memory.

    Attributes:
        shape: of the whole.
        dtype: of all blocks.
        blocks: in order; together they have that shape.
    """

    shape: tuple[int, ...]
    dtype: DTypeLike
    blocks: Iterable[NDArray[Any]]

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Blocks:
        """An array that is there already."""
        return cls(rows.shape, rows.dtype, [rows])

    def whole(self) -> NDArray[Any]:
        """All blocks as one array."""
        return np.concatenate([np.zeros((0, *self.shape[1:]), self.dtype), *self.blocks])


def write(path: Path, arrays: Iterable[tuple[str, Blocks | NDArray[Any]]]) -> None:
    """Write named arrays as `np.savez` does, block by block.

    Raises:
        ValueError: blocks do not have the shape that was said.
    """
    with zipfile.ZipFile(path, "w") as box:
        for name, array in arrays:
            rows = array if isinstance(array, Blocks) else Blocks.of(array)
            with box.open(f"{name}.npy", "w", force_zip64=True) as file:
                kind = np.dtype(rows.dtype)
                header = {"descr": kind.str, "fortran_order": False, "shape": rows.shape}
                np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
                size = 0
                for block in rows.blocks:
                    size += file.write(np.ascontiguousarray(block, kind).data.cast("B")) if block.size else 0
            if size != kind.itemsize * math.prod(rows.shape):
                raise ValueError(f"{name}: {size} bytes do not make {rows.shape} of {kind}")


def read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file by name; pickles are refused."""
    with np.load(path, allow_pickle=False) as box:
        return {name: box[name] for name in box.files}


def mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The same, read-only, and memory-mapped where the file is not compressed.

    All arrays share one mapping, because many tracks have more arrays than a process may open files.
    """
    with zipfile.ZipFile(path) as box, path.open("rb") as file:
        members = box.infolist()
        stored = any(info.compress_type == zipfile.ZIP_STORED for info in members)
        whole = np.memmap(path, np.uint8, "r") if stored else np.zeros(0, np.uint8)
        return {
            info.filename.removesuffix(".npy"): _mapped(whole, file, info)
            if info.compress_type == zipfile.ZIP_STORED
            else np.lib.format.read_array(box.open(info), allow_pickle=False)  # type: ignore[no-untyped-call]
            for info in members
        }


def _mapped(whole: NDArray[np.uint8], file: BinaryIO, info: zipfile.ZipInfo) -> NDArray[Any]:
    file.seek(info.header_offset + 26)  # lengths of name and extra field (APPNOTE 4.3.7)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    file.seek(info.header_offset + 30 + name + extra)
    np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds objects")
    start = file.tell()
    part = whole[start : start + dtype.itemsize * math.prod(shape)]
    found: NDArray[Any] = part.view(dtype)
    return found.reshape(shape, order="F" if fortran else "C")
