"""A drawn face that opens and closes its mouth, as film, footage and work for the learnt lip engine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dubcli.artifacts import gallery as footage
from dubcli.artifacts.shots import Shot
from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines.lips import LipWork, TrainWork, meshes
from dubcli.engines.lips.produb import batches, checkpoint, engine, pairs, view
from dubcli.face import mesh as regions
from dubcli.face import pose

SHOT = Shot(name="00000000", start=0, stop=1000, picture="drawn")
SETTINGS = {"size": 64, "steps": 6, "device": "cpu"}
WIDTH, HEIGHT = 320, 240
VIDEO = cast(Any, SimpleNamespace(width=WIDTH, height=HEIGHT, bit_depth=8, rate=25, square=(WIDTH, HEIGHT)))
FRAMES = 40  # of the footage; the frames that follow are dubbed
MOUTH = list(regions.MOUTH)
ENGINE = engine.ProdubEngine(batches.Recipe(begun=False, rate=2e-4, thin=8))


@dataclass(frozen=True)
class Face:
    """A drawn film of one face, its footage, and frames of it that are none of it."""

    gallery: Path
    made: Path
    rest: FaceTrack
    pictures: dict[int, NDArray[np.uint8]]

    def train_work(self, scratch: Path, out: Path, **changes: Any) -> TrainWork:
        """Work whose pairs are made already."""
        out.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.made, scratch, dirs_exist_ok=True)
        return replace(TrainWork({"p01": self.gallery}, None, 8, SETTINGS, scratch, out), **changes)

    def lip_work(self, *weights: Path) -> LipWork:
        head = footage.load(self.gallery).head
        own = pose.to_canonical(self.rest.mesh, pose.canonical_transform(self.rest.mesh, head))[:, MOUTH]
        count = len(self.rest.frames)
        return LipWork(
            Path("film"), VIDEO, np.zeros(0, np.int64), None, self.rest, SHOT, self.rest.frames, own,
            np.ones(count, np.float32), self.gallery, weights=weights, person="p01", settings=SETTINGS,
        )  # fmt: skip


def drawn(mesh: NDArray[np.float32], seed: int) -> NDArray[np.uint8]:
    """Skin with a grain of its own, red lips, a dark mouth and the edge of teeth, which the skull carries."""
    picture = np.full((HEIGHT, WIDTH, 3), (200, 150, 120), np.float32)
    picture += np.linspace(-20, 20, WIDTH)[None, :, None]
    for ring, colour in ((regions.LIPS_OUTER, (150, 60, 60)), (regions.LIPS_INNER, (30, 10, 10))):
        cv2.fillPoly(picture, [np.round(mesh[list(ring), :2]).astype(np.int32)], colour)
    inside = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(inside, [np.round(mesh[list(regions.LIPS_INNER), :2]).astype(np.int32)], (1,))
    inside[int(mesh[regions.NOSE_BASE, 1]) + 22 :] = 0
    picture[inside > 0] = (230, 220, 210)
    picture += np.random.default_rng(seed).normal(0, 1, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def cut(whole: FaceTrack, start: int, stop: int) -> FaceTrack:
    names = ("frames", "mesh", "pose", "size", "sharp", "occlusion", "reason")
    return replace(whole, **{name: getattr(whole, name)[start:stop] for name in names})


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(folder / engine.WEIGHTS)[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def looks(face: Face, source: NDArray[np.uint8], mesh: NDArray[np.float32]) -> view.Seen:
    """What the network sees of a picture with that mesh, drawn from two rows of the footage."""
    rows = footage.load(face.gallery)
    references, still = pairs.faces(rows, *meshes.smoothed_runs(rows), [3, 9, 20], [20])
    fitted = pose.canonical_transform(mesh[None], rows.head)
    return view.seen(source, mesh[:, :2], mesh[:, 2], references, still, rows.head, fitted, 64)
