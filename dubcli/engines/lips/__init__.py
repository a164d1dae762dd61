"""Lip engines: from target mouth shapes to pictures.

An engine is any object with `patches(work)`. It yields one `Patch` for every frame whose weight is above 0,
in frame order, all of one size and with even origins, or none at all to leave the face alone. A frame that
stays as in the source has a mask of zeros. It is called only where some weight is above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.shots import Shot
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
        shot: its shot.
        frames: (T,) int32 film-wide numbers of consecutive frames, all within the track.
        shape: (T, P, 3) float32 target canonical mouth at each of them.
        weight: (T,) float32 how much to change, 0–1.
        keys: frames of the film from which decoding can start, rising from 0; () for the first alone.
        found: shape and weight before a person edited them; None where nobody did. An engine whose choice for
            one frame depends on others keeps the earlier choice away from the edit.
        gallery: the folder with the actor's footage.
        weights: folders of what was trained for this film and for this person, in that order; the latter is
            missing where `train.person_steps` is 0, both of an engine that learns nothing.
        person: id of the person, by which the film's weights know them; "" of an engine that learns nothing.
        settings: the stage's settings, and `device`: `cpu` or `cuda`.
        batch: 1.0, or less when memory was short: scale batches by it.
        report: called with the number of frames done and their total.
        drawn_by: called before the first patch with the engine that draws this face and the reason, by an
            engine that leaves it to another.
    """

    film: Path
    video: VideoStream
    pts: NDArray[np.int64]
    digests: NDArray[np.uint8] | None
    track: FaceTrack
    shot: Shot
    frames: NDArray[np.int32]
    shape: NDArray[np.float32]
    weight: NDArray[np.float32]
    gallery: Path
    keys: Sequence[int] = ()
    found: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    weights: tuple[Path, ...] = ()
    person: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: float = 1.0
    report: Callable[[int, int], None] = lambda done, total: None
    drawn_by: Callable[[str, str], None] = lambda engine, why: None


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
        settings: `size` in pixels; `steps` of this training, be it the film's or a person's; `device`, `cpu`
            or `cuda`, which is no part of a key.
        scratch: a folder that outlives the process, for checkpoints. It is named by the training's key, so
            that no other's are found in it; but it may be gone at any time, and damage is not excluded.
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


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        steps: number of steps it took.
        loss: the loss at its end, in the engine's own unit.
        gain: person → the error of `exemplar` on footage that was held out of the training, minus this
            engine's on the same frames, in the engine's own unit: above 0 where this engine is better. People
            without held-out footage are left out; `lips=auto` leaves them to `exemplar`.
    """

    steps: int
    loss: float
    gain: Mapping[str, float] = field(default_factory=dict)


class LearningEngine(LipEngine, Protocol):
    """A lip engine that learns from the film first; `EngineInfo.training` says which do, and how long."""

    def train(self, work: TrainWork) -> Trained:
        """Write weights that depend on nothing but footage, settings and the kind of device.

        Raises:
            MemoryFullError: no batch was small enough for the device.
            CheckError: the loss stayed without a number after going back to a checkpoint.
        """
        ...
