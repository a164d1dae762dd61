"""Layers for compositing: EXR sequences of generated pixels, matte and motion of each changed face.

`rgba/` holds red, green and blue in the film's own transfer function, 0–1, multiplied by alpha, and alpha,
which is the blend mask: `rgba + (1 − alpha) × source` is the dubbed picture. `matte/` holds the same alpha
alone (`Y`). `motion/` holds for each pixel how far away, in pixels, the source has what the warp puts there
(`motion.u` to the right, `motion.v` down). Files are numbered by the film's frames, from 0.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import tracks
from dubcli.artifacts.gallery import load as load_gallery
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts
from dubcli.delivery import exr
from dubcli.edits import curvefile
from dubcli.edits.timecode import Clock
from dubcli.errors import UsageError
from dubcli.face import warp
from dubcli.media.patches import Patches
from dubcli.media.samples import unit
from dubcli.media.square import Square

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.core.model import Artifact

RGBA, MATTE, MOTION, CURVE = "rgba", "matte", "motion", "curve.csv"


@dataclass(frozen=True)
class Face:
    """A changed face of a shot, and the artifacts that its layers are made of.

    Attributes:
        name: `shot.track`.
        lips: its patches.
        motion: its motion.
        track: the tracks of its shot.
        gallery: its person's reference bank.
    """

    name: str
    lips: Artifact
    motion: Artifact
    track: Artifact
    gallery: Artifact

    @property
    def is_changed(self) -> bool:
        """Whether any of its frames was changed."""
        return bool(PatchFacts.load(self.lips.path).changed)

    @property
    def shot(self) -> str:
        """The name of its shot."""
        return self.name.split(".")[0]


def write(
    face: Face,
    folder: Path,
    video: VideoStream,
    seconds: NDArray[np.float64],
    clock: Clock,
    first: int = 0,
    report: Callable[[int], None] = lambda done: None,
) -> int:
    """Write the layers of a face into a folder of its name; returns the number of frames.

    Args:
        face: the face.
        folder: where to; what it holds of this face is replaced.
        video: the film's picture.
        seconds: times of the film's frames.
        clock: the film's timecode.
        first: number of the film's first frame in names of files.
        report: called with the number of frames done.

    Raises:
        DependencyError: OpenEXR is not installed.
        UsageError: the folder cannot be written.
    """
    exr.library()
    root, size, square = folder / face.name, (video.width, video.height), Square.of(video)
    patches = Patches(face.lips.path, face.shot)
    motion = Motion.load(face.motion.path, face.shot)
    moved = _movements(face, motion, square)
    try:
        for name in (RGBA, MATTE, MOTION):
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)
        (root / CURVE).write_text(curvefile.to_csv(curvefile.rows(motion, seconds)), "ascii")
        for done, frame in enumerate(map(int, patches.frames)):
            placed = patches.at(frame)
            assert placed is not None
            rgb, mask, x, y = _tight(*square.to_raster(placed))
            alpha, colour = unit(mask), unit(rgb)
            tags = {"dubcli/face": face.name, "dubcli/frame": str(first + frame)}
            if clock.counts:
                tags["dubcli/timecode"] = clock.at(frame)
            layers = {
                RGBA: {name: colour[..., k] * alpha for k, name in enumerate("RGB")} | {"A": alpha},
                MATTE: {"Y": alpha},
            }
            shift = moved(frame, (x, y, mask.shape[1], mask.shape[0]))
            if shift is not None:
                layers[MOTION] = dict(zip(("motion.u", "motion.v"), shift, strict=True))
            for name, channels in layers.items():
                path = root / name / f"{face.name}.{first + frame:08d}.exr"
                exr.write(path, exr.Window(x, y, channels), size, tags)
            report(done + 1)
    except OSError as error:
        raise UsageError(
            f"cannot write {root} ({error.strerror}); choose another folder with -o DIR"
        ) from None
    return len(patches.frames)


def _tight(
    rgb: NDArray[Any], mask: NDArray[Any], x: int, y: int
) -> tuple[NDArray[Any], NDArray[Any], int, int]:
    """A patch cut to where its mask is not 0."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return rgb[:1, :1], mask[:1, :1], x, y
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return rgb[inside], mask[inside], x + int(columns[0]), y + int(rows[0])


def _movements(
    face: Face, rows: Motion, square: Square
) -> Callable[[int, tuple[int, int, int, int]], tuple[NDArray[np.float32], NDArray[np.float32]] | None]:
    """A function from a frame and a rectangle of the raster to how far away the source is of each pixel.

    It gives None for frames without a motion: those that a compositor has added.
    """
    from dubcli.engines.lips import meshes
    from dubcli.face import pose

    if not len(rows.frames):
        return lambda frame, rect: None
    track = tracks.load_one(face.track.path, face.shot, int(face.name.split(".")[1]))
    head = load_gallery(face.gallery.path).head
    head_pose, own, asked = meshes.canonical(track, rows.frames, rows.shape, head)
    source, target = (pose.from_canonical(each, head_pose) for each in (own, asked))
    first, (fx, fy) = int(rows.frames[0]), square.factor

    def at(
        frame: int, rect: tuple[int, int, int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        if not first <= frame < first + len(source):
            return None
        x, y, w, h = rect
        left, top = int(x * fx), int(y * fy)
        mesh, to = source[frame - first].copy(), target[frame - first, :, :2]
        mesh[:, :2] -= (left, top)
        nodes, rest = warp.moved(mesh, to - (left, top)), warp.rest(mesh)
        labels = warp.footprint(nodes, (round(w * fx), round(h * fy)), mesh[:, 2])
        where = labels >= 0
        pixels = warp.pixels(where)
        flow = np.zeros((*labels.shape, 2), np.float32)
        flow[where] = warp.origins(warp.affine(nodes, rest), labels[where], pixels) - pixels
        if not square.is_square:  # the nearest square pixel of each sample of the raster
            down = np.minimum(((np.arange(h) + 0.5) * fy).astype(int), labels.shape[0] - 1)
            across = np.minimum(((np.arange(w) + 0.5) * fx).astype(int), labels.shape[1] - 1)
            flow = flow[down][:, across] / np.array([fx, fy], np.float32)
        return flow[..., 0], flow[..., 1]

    return at
