"""`track`'s artifact: the face tracks of a shot.

On disk frames count from the shot's first one, so that a shot keeps its tracks where a recut moves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.arrays import mapped
from dubcli.artifacts.shots import first_frame

_FILE = "tracks.npz"
_PICTURES = ("thumbs", "descriptor")  # for identification only; other readers leave them on disk
THUMB = 96  # pixels, side of the thumbnails of a face; set by hand


class Reason(IntEnum):
    """Why a frame of a track is not eligible for dubbing."""

    OK = 0
    NO_MESH = 1
    PROFILE = 2
    SMALL = 3
    BLURRED = 4
    OCCLUDED = 5
    EDGE = 6
    FORBIDDEN = 7  # by cast.yaml; never in tracks.npz, which has no persons
    SKIPPED = 8  # by shots.yaml; never in tracks.npz either


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
        occlusion: (T,) float32 0–1, share of the lower face that is occluded.
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


def save(folder: Path, tracks: Iterable[FaceTrack], shot: str) -> int:
    """Write the tracks of a shot into a folder, members named `<track>/<field>`; returns their number.

    The file is not compressed, so that of a film's worth of tracks only the fields in use are read; meshes
    would shrink by a tenth.
    """
    arrays = {f"{k}/{f.name}": getattr(t, f.name) for k, t in enumerate(tracks) for f in fields(FaceTrack)}
    arrays |= {name: rows - first_frame(shot) for name, rows in arrays.items() if name.endswith("/frames")}
    np.savez(folder / _FILE, **arrays)
    return len(arrays) // len(fields(FaceTrack))


def load(folder: Path, shot: str, *, pictures: bool = True) -> list[FaceTrack]:
    """The tracks of a shot, in order; without `pictures`, `thumbs` and `descriptor` are empty."""
    box = mapped(folder / _FILE)
    return [_read(box, k, shot, pictures) for k in range(_count(box))]


def load_one(folder: Path, shot: str, number: int) -> FaceTrack:
    """One track of a shot, with empty `thumbs` and `descriptor`."""
    return _read(mapped(folder / _FILE), number, shot, pictures=False)


def _read(box: Mapping[str, NDArray[Any]], number: int, shot: str, pictures: bool) -> FaceTrack:
    names = [f.name for f in fields(FaceTrack) if pictures or f.name not in _PICTURES]
    read = {name: np.array(box[f"{number}/{name}"]) for name in names}
    read["frames"] += first_frame(shot)
    nothing: dict[str, Any] = {
        "thumbs": np.zeros((0, THUMB, THUMB, 3), np.uint8),
        "descriptor": np.zeros((0, 0), np.float32),
    }
    return FaceTrack(**(nothing | read))


def _count(box: Mapping[str, NDArray[Any]]) -> int:
    return len({name.split("/")[0] for name in box})


@dataclass(frozen=True)
class TrackSummary:
    """The part of a track that identifies its person; unlike whole tracks, those of a film fit into memory.

    Attributes:
        first, stop: half-open range of its frames.
        eligible: number of eligible frames.
        descriptor: (n, D) float32, as in `FaceTrack`.
    """

    first: int
    stop: int
    eligible: int
    descriptor: NDArray[np.float32]


def summaries(folder: Path, shot: str) -> list[TrackSummary]:
    """The summaries of the tracks of a shot, in order."""
    box, start = mapped(folder / _FILE), first_frame(shot)
    return [
        TrackSummary(
            start + int(box[f"{k}/frames"][0]),
            start + int(box[f"{k}/frames"][-1]) + 1,
            int((box[f"{k}/reason"] == Reason.OK).sum()),
            np.array(box[f"{k}/descriptor"]),
        )
        for k in range(_count(box))
    ]


def thumbs(folder: Path, number: int) -> NDArray[np.uint8]:
    """(n, 96, 96, 3) thumbnails of one track of a shot."""
    return np.array(mapped(folder / _FILE)[f"{number}/thumbs"])
