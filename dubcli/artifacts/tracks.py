"""`track`'s artifact: the faces of a shot, each followed through its frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FILE = "tracks.npz"
THUMB = 96  # pixels of a side of the pictures kept of a face


class Reason(IntEnum):
    """Why a frame of a track is not eligible for dubbing."""

    OK = 0
    NO_MESH = 1
    PROFILE = 2
    SMALL = 3
    BLURRED = 4
    OCCLUDED = 5
    EDGE = 6
    FORBIDDEN = 7  # cast.yaml says so; never in tracks.npz, which knows no persons


@dataclass
class FaceTrack:
    """One face in one shot over T consecutive frames (short gaps are bridged).

    Positions are pixels of the decoded raster, made square (`VideoStream.square`), in continuous
    coordinates: the centre of the first pixel is (0.5, 0.5); OpenCV's pixel-centre coordinates are these
    minus 0.5.

    Attributes:
        frames: (T,) int32 film-wide frame numbers, consecutive.
        mesh: (T, 478, 3) float32 pixels; x right, y down, z towards the scene in the scale of x.
        pose: (T, 3) float32 degrees: yaw, pitch, roll.
        size: (T,) float32 pixels between the outer eye corners.
        sharp: (T,) float32 sharpness of the mouth region, relative to the track's own median.
        occlusion: (T,) float32 0–1, how much of the lower face something covers.
        reason: (T,) uint8, a `Reason`; 0 means eligible.
        thumbs: (n, 96, 96, 3) uint8 RGB, upright aligned pictures of the face for sheets and identity.
        descriptor: (n, D) float32 identity descriptors, one per thumb, unit length.
    """

    frames: NDArray[np.int32]
    mesh: NDArray[np.float32]
    pose: NDArray[np.float32]
    size: NDArray[np.float32]
    sharp: NDArray[np.float32]
    occlusion: NDArray[np.float32]
    reason: NDArray[np.uint8]
    thumbs: NDArray[np.uint8]
    descriptor: NDArray[np.float32]

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """(T,) bool: frames whose mouth may be changed."""
        return np.asarray(self.reason == Reason.OK)


def save(folder: Path, tracks: Iterable[FaceTrack]) -> int:
    """Write tracks into an artifact's folder, members named `<track>/<field>`; returns their number."""
    arrays = {f"{k}/{f.name}": getattr(t, f.name) for k, t in enumerate(tracks) for f in fields(FaceTrack)}
    np.savez_compressed(folder / _FILE, **arrays)
    return len(arrays) // len(fields(FaceTrack))


def load(folder: Path) -> list[FaceTrack]:
    """Read what `save` wrote."""
    with np.load(folder / _FILE, allow_pickle=False) as box:
        count = len({name.split("/")[0] for name in box.files})
        return [FaceTrack(**{f.name: box[f"{k}/{f.name}"] for f in fields(FaceTrack)}) for k in range(count)]


@dataclass(frozen=True)
class Glance:
    """What of a track tells who it is; a film's worth of these fits into memory, whole tracks do not.

    Attributes:
        first, stop: its frames, half-open.
        eligible: number of eligible frames.
        descriptor: (n, D) float32, as in `FaceTrack`.
    """

    first: int
    stop: int
    eligible: int
    descriptor: NDArray[np.float32]


def glances(folder: Path) -> list[Glance]:
    """The tracks of a shot at a glance."""
    with np.load(folder / _FILE, allow_pickle=False) as box:
        count = len({name.split("/")[0] for name in box.files})
        return [
            Glance(
                int(box[f"{k}/frames"][0]),
                int(box[f"{k}/frames"][-1]) + 1,
                int((box[f"{k}/reason"] == Reason.OK).sum()),
                box[f"{k}/descriptor"],
            )
            for k in range(count)
        ]


def thumbs(folder: Path, number: int) -> NDArray[np.uint8]:
    """The pictures of one track of a shot, (n, 96, 96, 3)."""
    with np.load(folder / _FILE, allow_pickle=False) as box:
        return np.asarray(box[f"{number}/thumbs"])
