"""OpenEXR files: a window of a picture, with its place in the raster (the extra `exr`)."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import ConfigError, DependencyError

_NUMBER = re.compile(r"(\d+)\.exr$", re.IGNORECASE)
_LARGEST_SIDE = 32768  # pixels of a file that is read; set by hand, above any film


@dataclass(frozen=True)
class Window:
    """Channels of a rectangle of a picture.

    Attributes:
        x, y: raster position of its first pixel.
        channels: name → (h, w) float32.
    """

    x: int
    y: int
    channels: Mapping[str, NDArray[np.float32]]


def library() -> Any:
    """The OpenEXR package.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import OpenEXR
    except ImportError:
        raise DependencyError("OpenEXR is not installed; type: pip install 'dubcli[exr]'") from None
    return OpenEXR


def write(path: Path, window: Window, size: tuple[int, int], tags: Mapping[str, str]) -> None:
    """Write a window of a picture of `size` (width, height) pixels as 32-bit floats, without loss."""
    package = library()
    height, width = next(iter(window.channels.values())).shape
    header = {
        "compression": package.ZIP_COMPRESSION,
        "type": package.scanlineimage,
        "dataWindow": _box(window.x, window.y, width, height),
        "displayWindow": _box(0, 0, *size),
        **tags,
    }
    channels = {name: np.ascontiguousarray(values, np.float32) for name, values in window.channels.items()}
    with package.File(header, channels) as file:
        file.write(str(path))


def _box(x: int, y: int, width: int, height: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([x, y], np.int32), np.array([x + width - 1, y + height - 1], np.int32)


def read(path: Path, size: tuple[int, int]) -> Window:
    """The channels of a file whose picture has `size` (width, height) pixels.

    Raises:
        ConfigError: it cannot be read, has another size, or values that are no numbers.
    """
    package = library()
    try:
        # It prints what it finds wrong with a file, to standard output.
        quiet = contextlib.redirect_stdout(io.StringIO())
        with quiet, package.File(str(path), separate_channels=True) as file:
            header = file.header()
            (left, top), (right, bottom) = (tuple(map(int, corner)) for corner in header["displayWindow"])
            if (right - left + 1, bottom - top + 1) != size:
                raise ConfigError(
                    f"{path} is {right - left + 1}×{bottom - top + 1} pixels, the film {size[0]}×{size[1]}"
                )
            (x, y), (end, low) = (tuple(map(int, corner)) for corner in header["dataWindow"])
            if not (0 <= end - x < _LARGEST_SIDE and 0 <= low - y < _LARGEST_SIDE):
                raise ConfigError(f"{path} has a window of {end - x + 1}×{low - y + 1} pixels")
            channels = {
                name: np.asarray(channel.pixels, np.float32) for name, channel in file.channels().items()
            }
    except (RuntimeError, ValueError) as error:
        line = str(error).partition("\n")[0]
        raise ConfigError(f"{path} cannot be read ({line}); check that it is whole") from None
    if any(not np.isfinite(values).all() for values in channels.values()):
        raise ConfigError(f"{path} holds values that are no numbers; write it again")
    return Window(x - left, y - top, channels)


def sequence(folder: Path) -> dict[int, Path]:
    """Frame number → file of the sequence in a folder; the number is the last one of the name.

    Raises:
        ConfigError: two files have one number, or there are none.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        number = _NUMBER.search(path.name)
        if number and path.is_file() and not path.name.startswith("."):  # macOS hides files beside files
            other = found.setdefault(int(number[1]), path)
            if other != path:
                raise ConfigError(f"{other.name} and {path.name} in {folder} are the same frame; delete one")
    if not found:
        inner = next((one for one in ("rgba", "matte") if (folder / one).is_dir()), "")
        files = any(path.suffix.lower() == ".exr" for path in folder.iterdir())
        raise ConfigError(
            f"{folder} holds layers, each in a folder of its own; name one, such as {folder / inner}"
            if inner
            else f"{folder}: the number of the frame comes last in a file's name, as in fix.00000104.exr"
            if files
            else f"{folder} holds no EXR sequence; name a folder of files such as 00000104.exr"
        )
    return found
