"""A finished job of any length that never was: real stages plan it, its artifacts hold next to nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dubcli import stages
from dubcli.core import keys
from dubcli.core.job import Job
from dubcli.core.model import JobView, Unit
from dubcli.core.plan import view
from dubcli.settings.config import Settings
from tests.unit.test_golden_keys import AUDIO, VIDEO

FRAMES = 70  # of a shot: 2,500 of them are two hours


def finished(folder: Path, shots: int, people: int) -> Job:
    """A job all of whose units the store holds: each shot shows one face, which speaks."""
    (folder / "film.mp4").write_bytes(b"film")
    (folder / "dub_fr.wav").write_bytes(b"dub")
    job = Job.create_or_open(folder / "film.mp4", folder / "dub_fr.wav", Settings())
    job.read_sources()
    seen = view(job)
    with mock.patch.object(os, "fsync", return_value=None):
        for name in stages.ORDER:
            units = list(stages.module(name).units(seen))
            seen.artifacts[name] = {}
            for unit in units:
                made = job.store.workspace()
                for file, data in _files(unit, seen, shots, people).items():
                    (made / file).write_bytes(data)
                artifact = job.store.put(keys.preimage(unit), made, {"unit": unit.id})
                seen.artifacts[name][unit.name] = artifact
                job.set_ref(unit.id, artifact.key)
    return job


def _files(unit: Unit, seen: JobView, shots: int, people: int) -> dict[str, bytes]:
    """What a unit would have left, as far as planning reads it."""
    names = [f"{number * FRAMES:08d}" for number in range(shots)]
    persons = [f"p{number + 1:02d}" for number in range(people)]
    make: dict[str, Callable[[], dict[str, Any]]] = {
        "probe": lambda: {"media.json": {"video": VIDEO, "audio": [AUDIO], "subtitles": [], "other": []}},
        "split": lambda: {
            "shots.json": [
                {"name": n, "start": int(n), "stop": int(n) + FRAMES, "picture": f"picture {n}"}
                for n in names
            ],
            "groups.json": {
                "starts": [int(n) for n in names],
                "keys": [int(n) for n in names],
                "fixed": [False] * shots,
                "reason": "",
            },
        },
        "cast": lambda: {
            "cast.json": {
                "persons": [
                    {"id": one, "faces": [[n, 0] for n in names[k::people]]} for k, one in enumerate(persons)
                ]
            }
        },
        "cue": lambda: {
            "cues.json": {
                "cues": [
                    {
                        "shot": n, "track": 0, "person": persons[k % people], "start": int(n) + 5,
                        "stop": int(n) + 60, "kind": "speak", "amplitude": 1.0,
                    }
                    for k, n in enumerate(names)
                    if k % 10  # where nobody speaks, the film is copied
                ],
                "offscreen": [],
                "skipped": [],
            }
        },
        "learn": lambda: {f"gallery-{one}.npz": one for one in persons},
    }  # fmt: skip
    if unit.stage.name == "lips":
        first = int(unit.name.split(".")[0])
        return {"patch.npz": _array(np.arange(first + 5, first + 60, dtype=np.int32)), "lips.json": b"{}"}
    if unit.stage.name == "remux":
        return {"film.mp4": b"dubbed"}
    if unit.stage.name == "report":
        return {"report.html": b"<html>", "report.json": b"{}"}
    made = make.get(unit.stage.name, lambda: {"result.json": unit.id, "more.json": unit.name})()
    return {name: json.dumps(value).encode() for name, value in made.items()}


def _array(frames: Any) -> bytes:
    import io

    file = io.BytesIO()
    np.savez_compressed(file, frames=frames, origin=np.zeros((len(frames), 2), np.int32))
    return file.getvalue()
