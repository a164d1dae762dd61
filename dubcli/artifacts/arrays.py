"""Arrays in `.npz` files: read whole, or mapped, so that of a long film only what is used is read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file, by name; no pickles."""
    with np.load(path, allow_pickle=False) as box:
        return {name: box[name] for name in box.files}


def mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The same, read-only and each read where it is looked at, if the file is not compressed."""
    with zipfile.ZipFile(path) as box:
        return {
            info.filename.removesuffix(".npy"): _mapped(path, info)
            if info.compress_type == zipfile.ZIP_STORED
            else np.lib.format.read_array(box.open(info), allow_pickle=False)  # type: ignore[no-untyped-call]
            for info in box.infolist()
        }


def _mapped(path: Path, info: zipfile.ZipInfo) -> NDArray[Any]:
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)  # lengths of name and extra field (APPNOTE 4.3.7)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        file.seek(info.header_offset + 30 + name + extra)
        np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
        start = file.tell()
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, order="F" if fortran else "C")
