"""A finished job of any length that never was: real stages plan it, its artifacts hold next to nothing."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import numpy as np

from dubcli import stages
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.artifacts.measures import Measures
from dubcli.artifacts.patches import PatchFacts, Placement
from dubcli.artifacts.report import Verdicts
from dubcli.artifacts.shots import Groups, Shot, Shots
from dubcli.core import keys
from dubcli.core.job import Job
from dubcli.core.model import Unit
from dubcli.core.plan import view
from dubcli.settings.config import Settings
from tests.unit.test_golden_keys import MEDIA

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
                leave(unit, made, shots, people)
                artifact = job.store.put(keys.preimage(unit), made, {"unit": unit.id})
                seen.artifacts[name][unit.name] = artifact
                job.set_ref(unit.id, artifact.key)
    return job


def leave(unit: Unit, made: Path, shots: int, people: int) -> None:
    """Write what a unit would have left, as far as planning reads it."""
    names = [f"{number * FRAMES:08d}" for number in range(shots)]
    persons = [f"p{number + 1:02d}" for number in range(people)]
    match unit.stage.name:
        case "probe":
            MEDIA.save(made)
        case "split":
            rows = (Shot(name=n, start=int(n), stop=int(n) + FRAMES, picture=f"picture {n}") for n in names)
            Shots(shots=tuple(rows)).save(made)
            starts = tuple(int(n) for n in names)
            Groups(starts=starts, keys=starts, fixed=(False,) * shots).save(made)
        case "cast":
            faces = (tuple((n, 0) for n in names[k::people]) for k in range(people))
            rows_of = (Person(id=one, faces=own) for one, own in zip(persons, faces, strict=True))
            Cast(persons=tuple(rows_of)).save(made)
        case "cue":  # where nobody speaks, the film is copied
            spoken = [(n, persons[k % people]) for k, n in enumerate(names) if k % 10]
            cues = (
                Cue(
                    shot=n,
                    track=0,
                    person=one,
                    start=int(n) + 5,
                    stop=int(n) + 60,
                    kind="speak",
                    confidence=1.0,
                )
                for n, one in spoken
            )
            Cues(cues=tuple(cues)).save(made)
        case "lips":
            shot = unit.name.split(".")[0]
            frames = np.arange(int(shot) + 5, int(shot) + 60, dtype=np.int32)
            Placement(frames, np.zeros((55, 2), np.int32), np.ones(55, np.float32)).save(made, shot)
            PatchFacts(
                engine="made", frames=55, changed=55, in_shot=((5, 60),), given_back=0, confidence=1.0
            ).save(made)
        case "measure":
            Measures().save(made)
        case "remux":
            (made / "film.mp4").write_bytes(b"dubbed")
        case "report":
            (made / "report.html").write_text("<html>")
            (made / "report.json").write_text("{}")
            Verdicts(good=(), look=(), redo=()).save(made)
        case _:
            (made / "result").write_text(unit.id)
            (made / "more").write_text(unit.name)
