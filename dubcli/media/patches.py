"""Reading the mouth patches of one face: pictures with alpha, each for one frame of the film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media import layout, source

Patch = tuple[NDArray[Any], NDArray[Any], int, int]


class Patches:
    """The patches in a directory of the `lips` stage, taken in the order of frames.

    Args:
        folder: holds `patch.npz` and `patch.nut`, or neither where nothing was changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.frames: NDArray[np.int32] = np.zeros(0, np.int32)
        if (folder / "patch.npz").exists():
            with np.load(folder / "patch.npz", allow_pickle=False) as box:
                self.frames, self._origin = box["frames"], box["origin"]
        if (np.diff(self.frames) <= 0).any():
            raise MediaError(f"{folder / 'patch.npz'}: frames are not in order")
        self._pictures = self._read()
        self._next = 0

    def at(self, index: int) -> Patch | None:
        """The patch for a frame: RGB (h, w, 3), mask (h, w), x, y; None where there is none.

        Frames must be asked for in rising order.
        """
        while self._next < len(self.frames) and self.frames[self._next] < index:
            next(self._pictures)
            self._next += 1
        if self._next == len(self.frames) or self.frames[self._next] != index:
            return None
        x, y = self._origin[self._next]
        rgb, mask = next(self._pictures)
        self._next += 1
        return rgb, mask, int(x), int(y)

    def _read(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        path, count = self._folder / "patch.nut", 0
        with source.opened(path) as container:
            for frame in container.decode(source.picture(container, path)):
                count += 1
                yield layout.with_alpha(frame)
        raise MediaError(f"{path} holds {count} patches but {len(self.frames)} are listed")
