"""A film that is cut anew: shots whose pictures stay are not tracked again, wherever they go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dubcli.artifacts.shots import Shots
from dubcli.core import runner
from dubcli.core.events import Event, Events
from dubcli.core.job import Job
from dubcli.core.model import Source
from dubcli.core.plan import Selection
from dubcli.edits import shotfile
from dubcli.settings.config import Settings
from dubcli.stages import split
from tests.media import films

SOURCES = {
    "a": "testsrc2", "b": "smptehdbars", "c": "rgbtestsrc", "d": "mandelbrot", "e": "pal75bars",
}  # fmt: skip
COUNT = 14  # frames of each


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shots of 14 frames, as unlike each other as they come."""
    folder = tmp_path_factory.mktemp("clips")
    for name, source in SOURCES.items():
        picture = f"{source}=size=96x64:rate=25"
        films.ffmpeg(
            "-f", "lavfi", "-i", picture, "-frames:v", str(COUNT), "-pix_fmt", "yuv444p", "-c:v", "ffv1",
            str(folder / f"{name}.mkv"),
        )  # fmt: skip
    return folder


def cut(clips: Path, order: str, path: Path) -> Path:
    """A film of these shots, without loss."""
    inputs = [word for name in order for word in ("-i", str(clips / f"{name}.mkv"))]
    films.ffmpeg(
        *inputs, "-filter_complex", f"concat=n={len(order)}:v=1:a=0", "-c:v", "ffv1", "-r", "25", str(path)
    )
    return path


def ran(job: Job, stage: str) -> list[str]:
    """Shots for which a stage ran, in a run up to it."""
    started: list[str] = []

    def listen(event: Event) -> None:
        if event["type"] == "unit.start" and event["stage"] == stage:
            started.append(event["unit"])

    runner.run(job, Events(None, listen), Selection(until=stage))
    return sorted(started)


def job(film: Path, root: Path) -> Job:
    """A job of a film over the store that all cuts share."""
    dub = films.wav(root / "dub.wav", films.noise(1.0))
    settings = Settings.model_validate_json(
        json.dumps({"track": {"engine": "passthrough"}, "run": {"workers": 1}})
    )
    return Job.create_or_open(film, dub, settings, root=root / f"{film.stem}.dub", store=root / "store")


def test_a_recut_film_reuses_every_shot_whose_pictures_stay(clips: Path, tmp_path: Path) -> None:
    """E goes in, C goes out, D and B change places: one shot is new, all others are known."""
    assert ran(job(cut(clips, "abcd", tmp_path / "one.mkv"), tmp_path), "track") == [
        f"{k * COUNT:08d}" for k in range(4)
    ]
    recut = job(cut(clips, "aedb", tmp_path / "two.mkv"), tmp_path)
    assert ran(recut, "track") == [f"{COUNT:08d}"]


def test_an_imported_list_takes_the_place_of_the_detection(clips: Path, tmp_path: Path) -> None:
    """Cuts at frames 5 and 30, a split, a merge; the shot from 30 on is never touched."""
    made = films.Stages(tmp_path / "job", cut(clips, "abcd", tmp_path / "film.mkv"))
    made.read()
    assert starts(made) == [0, 14, 28, 42]
    listed = tmp_path / shotfile.NAME
    listed.write_text(
        shotfile.text(shotfile.ShotFile(start="10:00:00:00", cuts=(5, "10:00:01:05"), skip=(30,)))
    )
    made.view.sources = {**made.view.sources, "shots": Source(listed, "")}
    made.run(split)
    assert starts(made) == [0, 5, 30]
    assert Shots.load(made.view.one("split").path).skipped == ("00000030",)
    assert np.unique([shot.picture for shot in Shots.load(made.view.one("split").path).shots]).size == 3
    listed.write_text("merge: [14, 42]\nsplit: [20]\n")
    made.run(split)
    assert starts(made) == [0, 20, 28]


def starts(made: films.Stages) -> list[int]:
    """First frames of the shots."""
    return [shot.start for shot in Shots.load(made.view.one("split").path).shots]
