"""Lip engines: from target mouth shapes to pictures.

An engine is any object with `patches(work)`. It yields one `Patch` for every frame whose weight is above 0,
in frame order, all of one size and with even origins, or none at all to leave the face alone. A frame that
stays as in the source has a mask of zeros. It is called only where some weight is above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.tracks import FaceTrack
    from dubcli.media.patches import Patch


@dataclass(frozen=True)
class LipWork:
    """Input of a lip engine: one face in one shot.

    Attributes:
        film: the film.
        video: its picture stream.
        pts: (frames of the film,) int64 presentation times.
        digests: (frames of the film, 16) digests of its pictures, against which what is decoded is
            checked; None to rely on its times.
        track: the face.
        frames: (T,) int32 film-wide numbers of consecutive frames, all within the track.
        shape: (T, P, 3) float32 target canonical mouth at each of them.
        weight: (T,) float32 how much to change, 0–1.
        found: shape and weight before a person edited them; None where nobody did. An engine whose choice for
            one frame depends on others keeps the earlier choice away from the edit.
        gallery: the folder with the actor's footage.
        weights: folders of what was trained for this film and for this person, in that order; none of an
            engine that learns nothing, or of a person with too little footage.
        settings: the stage's settings.
        batch: 1.0, or less when memory was short: scale batches by it.
        report: called with the number of frames done and their total.
    """

    film: Path
    video: VideoStream
    pts: NDArray[np.int64]
    digests: NDArray[np.uint8] | None
    track: FaceTrack
    frames: NDArray[np.int32]
    shape: NDArray[np.float32]
    weight: NDArray[np.float32]
    gallery: Path
    found: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    weights: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: float = 1.0
    report: Callable[[int, int], None] = lambda done, total: None


class LipEngine(Protocol):
    """Makes mouth patches."""

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """Patches of the frames it changes, in frame order."""
        ...


@dataclass(frozen=True)
class TrainWork:
    """Input of the training of a lip engine: a film's actors, or one of them.

    Attributes:
        galleries: person → folder with the actor's footage. All whom the film's weights are for, or the one
            person whom `base` is adapted to.
        base: the folder with the film's weights; None to train these.
        depth: bits of a sample of the film.
        settings: the stage's settings.
        scratch: a folder that outlives the process, for checkpoints; what is in it is only ever this
            training's, and may be gone at any time.
        out: an empty folder for the finished weights, as safetensors.
        batch: 1.0, or less when memory was short: scale what is held at once by it. The result does not
            depend on it.
        report: called with the number of steps done and their total.
    """

    galleries: Mapping[str, Path]
    base: Path | None
    depth: int
    settings: Mapping[str, Any]
    scratch: Path
    out: Path
    batch: float = 1.0
    report: Callable[[int, int], None] = lambda done, total: None


class LearningEngine(LipEngine, Protocol):
    """A lip engine that learns from the film first; `EngineInfo.learns` says which are."""

    def train(self, work: TrainWork) -> None:
        """Write weights that depend on nothing but footage, settings and the kind of device.

        Raises:
            MemoryFullError: no batch was small enough for the device.
            CheckError: the loss stayed without a number after going back to a checkpoint.
        """
        ...

    def seconds(self, frames: int, settings: Mapping[str, Any]) -> float:
        """Forecast of the time that training takes with so many frames of footage."""
        ...
