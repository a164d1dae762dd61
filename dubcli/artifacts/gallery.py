"""`gallery`'s artifact: footage of one person's lower face, the reference bank of an actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.arrays import mapped

if TYPE_CHECKING:
    from dubcli.artifacts.shots import Shot

_FILE = "gallery.npz"
_SHOT = 1 << 32  # frames from one shot to the next: more than any film has


class Crops(Sequence[NDArray[Any]]):
    """Pictures (h, w, 3) of various sizes, one behind the other in one array.

    Attributes:
        pixels: (sum of all h * w * 3,) uint8 or uint16; may be mapped, then pictures are read one by one.
        size: (N, 2) int32 width and height of each.
    """

    def __init__(self, pixels: NDArray[Any], size: NDArray[np.int32]) -> None:
        self.pixels, self.size = pixels, size
        self._edges = np.concatenate([[0], np.cumsum(3 * np.prod(size, axis=1, dtype=np.int64))])
        if len(pixels) != self._edges[-1]:
            raise ValueError(f"{len(pixels)} samples do not make {self._edges[-1]} of {len(size)} pictures")

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[k] for k in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        width, height = self.size[row]
        return self.pixels[self._edges[row] : self._edges[row + 1]].reshape(height, width, 3)


@dataclass
class Gallery:
    """Footage of one person's lower face, N frames in runs.

    Attributes:
        frames: (N,) int64; those of one shot lie beside one another as they do in it, those of two shots far
            apart. See `Gallery.numbers`.
        shots: picture digests of the shots that it is from. Nothing says where in the film these are, so that
            a recut that only moves them keeps a person's gallery.
        origin: (N, 2) int32 raster position (x, y) of the crop's first pixel.
        crop: N pictures (h, w, 3) uint8 or uint16 RGB, all of one size in a run; the raster's edge is
            replicated beyond it.
        mesh: (N, 478, 3) float32 raster pixels.
        shape: (N, P, 3) float32 canonical mouth.
        pose: (N, 3) float32 degrees.
        run: (N,) int32; equal numbers are consecutive footage.
        sharp: (N,) float32 sharpness relative to the track's median.
        texture: (N, 36, 48, 3) uint8 texture of the lower face (`face.occlusion`).
        occlusion: (N, 36, 48) uint8 its occlusion mask, 255 is occluded.
        head: (478, 3) float32 the canonical head that `shape` and `pose` refer to.
    """

    frames: NDArray[np.int64]
    shots: tuple[str, ...]
    origin: NDArray[np.int32]
    crop: Sequence[NDArray[Any]]
    mesh: NDArray[np.float32]
    shape: NDArray[np.float32]
    pose: NDArray[np.float32]
    run: NDArray[np.int32]
    sharp: NDArray[np.float32]
    texture: NDArray[np.uint8]
    occlusion: NDArray[np.uint8]
    head: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frames)

    def numbers(self, shot: Shot, frames: NDArray[np.int32]) -> NDArray[np.int64]:
        """Numbers in `frames` of film-wide frames (T,) of a shot, be there footage of it or not."""
        return numbers(self.shots, shot, frames)


def numbers(shots: Sequence[str], shot: Shot, frames: NDArray[np.int32]) -> NDArray[np.int64]:
    """Numbers in `Gallery.frames` of film-wide frames (T,) of a shot, in a gallery from these shots."""
    at = shots.index(shot.picture) if shot.picture in shots else len(shots)
    return np.asarray(at * _SHOT + (frames - shot.start), np.int64)


def save(folder: Path, gallery: Gallery) -> None:
    """Write a gallery, uncompressed, so that its pictures can be mapped and not read.

    They stand one behind the other in `pixels`; `size` (N, 2) says where each ends.
    """
    rest = {f.name: np.asarray(getattr(gallery, f.name)) for f in fields(Gallery) if f.name != "crop"}
    crop = gallery.crop
    assert isinstance(crop, Crops), "only what was built is saved"
    np.savez(folder / _FILE, pixels=crop.pixels, size=crop.size, **rest)


def load(folder: Path) -> Gallery:
    """Read what `save` wrote; pictures stay on disk until they are read."""
    box = mapped(folder / _FILE)
    rest: dict[str, Any] = {f.name: np.array(box[f.name]) for f in fields(Gallery) if f.name != "crop"}
    rest["shots"] = tuple(rest["shots"].tolist())
    return Gallery(crop=Crops(box["pixels"], np.array(box["size"])), **rest)


def count(folder: Path) -> int:
    """Number of frames of a gallery."""
    return len(mapped(folder / _FILE)["frames"])


def joined(first: Gallery, second: Gallery) -> Gallery:
    """Two galleries of one person under one head as one; the second is of a single shot."""
    (own,) = second.shots
    shots = first.shots if own in first.shots else (*first.shots, own)
    second = replace(second, frames=second.frames + shots.index(own) * _SHOT)
    run = np.concatenate([first.run, second.run + first.run.max(initial=-1) + 1])
    rest = {
        f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)])
        for f in fields(Gallery)
        if f.name not in ("crop", "run", "head", "shots")
    }
    crop = [*first.crop, *second.crop]
    return Gallery(crop=crop, run=run.astype(np.int32), head=first.head, shots=shots, **rest)
