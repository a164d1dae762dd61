"""The longer shot of the tiny film with its one face, as the lips stage reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import gallery, tracks
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Frames, Shots
from dubcli.core.model import Task
from dubcli.engines.lips import LipWork
from dubcli.face import mesh as regions
from dubcli.face import pose
from dubcli.face.gallery import build
from dubcli.settings.config import Settings
from dubcli.stages import probe, scan, split, track
from tests.conftest import Sample

MOUTH = list(regions.MOUTH)


@dataclass(frozen=True)
class Shot:
    """The longer shot of the tiny film with its one face, and what the lips stage reads."""

    film: Path
    folder: Path
    work: LipWork

    @property
    def own(self) -> NDArray[np.float32]:
        """The mouth as it is, (T, P, 3)."""
        head = gallery.load(self.work.gallery).head
        place = pose.canonical_transform(self.work.track.mesh, head, 0.8)
        return pose.to_canonical(self.work.track.mesh, place)[:, MOUTH]

    def wanted_aperture(
        self, shape: NDArray[np.float32], weight: float | NDArray[np.float32] = 1.0
    ) -> LipWork:
        weights = np.broadcast_to(np.asarray(weight, np.float32), (len(shape),)).copy()
        return replace(self.work, shape=shape.astype(np.float32), weight=weights)


def prepared(tiny: Sample, folder: Path) -> Shot:
    """The shot, read, cut, tracked and with its footage in folders."""

    def done(stage: Any, unit: str, inputs: dict[str, Path], params: Any, facts: Any, engine: str) -> Path:
        out: Path = folder / stage.STAGE.name
        out.mkdir()
        task = Task(unit, inputs, params, facts, engine, out)
        stage.run(task)
        stage.check(task)
        return out

    settings = Settings()
    film = {"film": tiny.film}
    film["probe"] = done(probe, "film", film, {}, {}, "")
    film["scan"] = done(scan, "film", film, {}, {}, "")
    film["split"] = done(split, "film", film, settings.split.model_dump(), {}, "")
    one = max(Shots.load(film["split"]).shots, key=lambda shot: shot.stop - shot.start)
    facts = {"count": one.stop - one.start, "quarter_turns": 0}
    params = settings.track.model_dump(exclude={"engine"})
    done(track, one.name, film, params, facts, "mediapipe")
    face = tracks.load(folder / "track", one.name)[0]
    video = MediaInfo.load(film["probe"]).film
    pts = Frames.load(film["split"]).pts
    path = folder / "gallery"
    path.mkdir()
    gallery.save(path, build(tiny.film, video, pts, None, [lambda: face], [one], 10**9))
    empty = np.zeros((len(face.frames), len(MOUTH), 3), np.float32)
    weight = np.zeros(len(empty), np.float32)
    work = LipWork(tiny.film, video, pts, None, face, one, face.frames, empty, weight, path)
    return Shot(tiny.film, folder, work)
