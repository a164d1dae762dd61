"""A store and a job up to the galleries, whose units tests of learning engines run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from dubcli import stages
from dubcli.artifacts import gallery
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.core import keys, scratch
from dubcli.core.inputs import Inputs
from dubcli.core.model import Artifact, JobView, Source, Unit
from dubcli.core.store import Store
from dubcli.core.worker import serve
from dubcli.face import mesh
from dubcli.settings.config import Settings
from tests.unit.test_golden_keys import MEDIA, SHOTS

PEOPLE = {"p01": 60, "p02": 40, "p03": 4}
"""Person → frames of footage; a second has 24."""


def footage(frames: int, seed: int) -> gallery.Gallery:
    lot = np.random.default_rng(seed)
    sizes = np.full((frames, 2), 4, np.int32)
    return gallery.Gallery(
        frames=np.arange(frames, dtype=np.int64),
        shots=("picture",),
        origin=np.zeros((frames, 2), np.int32),
        crop=gallery.Crops(lot.integers(0, 255, frames * 48).astype(np.uint8), sizes),
        mesh=np.zeros((frames, 478, 3), np.float32),
        shape=np.zeros((frames, len(mesh.MOUTH), 3), np.float32),
        pose=np.zeros((frames, 3), np.float32),
        run=np.zeros(frames, np.int32),
        sharp=np.ones(frames, np.float32),
        texture=lot.integers(0, 255, (frames, 36, 48, 3)).astype(np.uint8),
        occlusion=np.zeros((frames, 36, 48), np.uint8),
        head=np.zeros((478, 3), np.float32),
    )


@dataclasses.dataclass
class Place:
    """A store, and a job's view of it up to the galleries."""

    root: Path
    store: Store
    view: JobView

    def put(self, stage: str, name: str, save: Any) -> Artifact:
        made = self.store.workspace()
        save(made)
        artifact = self.store.put({"stage": stage, "name": name, "root": str(self.root)}, made, {})
        self.view.artifacts.setdefault(stage, {})[name] = artifact
        return artifact

    def unit(self, stage: str, name: str) -> Unit:
        return next(unit for unit in stages.module(stage).units(self.view) if unit.name == name)

    def request(self, unit: Unit, kept: Path, batch: float = 1.0) -> dict[str, Any]:
        return {
            "stage": unit.stage.name, "unit": unit.name, "params": dict(unit.params), "batch": batch,
            "inputs": {role: str(path) for role, path in unit.paths.items()}, "facts": dict(unit.facts),
            "engine": [unit.engine.kind, unit.engine.name] if unit.engine else None, "device": "cpu",
            "store": str(self.store.root), "out": str(self.store.workspace()), "scratch": str(kept),
        }  # fmt: skip

    def do(self, stage: str, name: str, told: list[dict[str, Any]] | None = None) -> Artifact:
        """Run a unit as a worker does, and commit it."""
        unit = self.unit(stage, name)
        key = keys.digest(keys.preimage(unit))
        request = self.request(unit, scratch.make(self.root, key))
        answer = serve(request, (told if told is not None else []).append, Inputs())
        assert answer["type"] == "done", answer
        artifact = self.store.put(keys.preimage(unit), Path(request["out"]), {}, answer["files"])
        self.view.artifacts.setdefault(stage, {})[name] = artifact
        return artifact


def place(folder: Path, people: dict[str, int] | None = None, **settings: Any) -> Place:
    base = {"lips": {"engine": "mean"}, "train": {"steps": 300, "person_steps": 40, "least_footage": 1.0}}
    values = {name: base.get(name, {}) | settings.get(name, {}) for name in {*base, *settings}}
    sources = {role: Source(folder / role, role) for role in ("film", "dub")}
    folder.mkdir(exist_ok=True)
    made = Place(folder, Store(folder / "store"), JobView(sources, Settings.model_validate(values)))
    people = people or PEOPLE
    made.put("probe", "film", MEDIA.save)
    made.put("split", "film", SHOTS.save)
    faces = {person: (("00000048", number),) for number, person in enumerate(people)}
    made.put("cast", "film", Cast(persons=tuple(Person(id=p, faces=own) for p, own in faces.items())).save)
    cues = (
        Cue(shot="00000048", track=k, person=p, start=50, stop=90, kind="speak", confidence=1.0)
        for k, p in enumerate(people)
    )
    made.put("cue", "film", Cues(cues=tuple(cues)).save)
    for seed, (person, frames) in enumerate(people.items()):
        made.put("gallery", person, lambda out, n=frames, s=seed: gallery.save(out, footage(n, s)))
    return made
