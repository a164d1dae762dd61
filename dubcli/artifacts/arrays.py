"""Arrays in `.npz` files: read whole, or memory-mapped, so that only the used part of a long film is read."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

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


def read(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Arrays of a file by name, all of them where none is named; pickles are refused."""
    with np.load(path, allow_pickle=False) as box:
        return {name: box[name] for name in names or box.files}


class Mapped(Mapping[str, NDArray[Any]]):
    """Arrays of a file by name, each read where it is looked at; those that are compressed are read whole.

    All arrays share one mapping, because many tracks have more arrays than a process may open files.
    """

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as box:
            self._members = {info.filename.removesuffix(".npy"): info for info in box.infolist()}
        self._path = path
        self._whole = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)

    def __getitem__(self, name: str) -> NDArray[Any]:
        info = self._members[name]
        if info.compress_type != zipfile.ZIP_STORED:
            with zipfile.ZipFile(self._path) as box, box.open(info) as file:
                return np.lib.format.read_array(file, allow_pickle=False)  # type: ignore[no-untyped-call,no-any-return]
        at = info.header_offset + 26  # lengths of name and extra field (APPNOTE 4.3.7)
        lengths = bytes(self._whole[at : at + 4])
        start = at + 4 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        size = 10 + int.from_bytes(bytes(self._whole[start + 8 : start + 10]), "little")
        shape, fortran, dtype = _header(bytes(self._whole[start : start + size]))
        start += size
        part: NDArray[Any] = self._whole[start : start + dtype.itemsize * math.prod(shape)].view(dtype)
        return part.reshape(shape, order="F" if fortran else "C")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def mapped(path: Path) -> Mapped:
    """The arrays of a file, read-only, by name."""
    return Mapped(path)


@lru_cache(maxsize=4096)
def _header(raw: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type that a header of version 1 says; a film's tracks have few different ones."""
    file = io.BytesIO(raw)
    if np.lib.format.read_magic(file) != (1, 0):  # type: ignore[no-untyped-call]
        raise ValueError("arrays of another version than 1 are not read")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
    if dtype.hasobject:
        raise ValueError("arrays that hold objects are not read")
    return shape, fortran, dtype
