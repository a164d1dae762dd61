"""The whole job on the sample film, judged by what a perfect dub of it would show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import report as model
from dubcli.demo import film as demo
from tests.conftest import Sample
from tests.mouths import aperture

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
SPOKEN = (slice(0, demo.CUTS[0]), slice(demo.CUTS[1], demo.FRAMES))


@pytest.fixture(scope="module")
def dubbed(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the sample film was dubbed."""
    folder = tmp_path_factory.mktemp("dubbed")
    film, dub = (Path(shutil.copy(path, folder)) for path in (sample.film, sample.dub))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DUBCLI_", "XDG_"))}
    done = subprocess.run(
        [*COMMAND, "run", str(film), "--audio", str(dub), "--progress", "none"],
        env={**clean, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_frame_keeps_its_time(dubbed: Path) -> None:
    assert _times(dubbed / "film.dub_fr.mp4") == _times(dubbed / "film.mp4")


def test_the_dub_is_heard_first_and_nothing_is_lost(dubbed: Path) -> None:
    with av.open(str(dubbed / "film.dub_fr.mp4"), "r") as box:
        sounds = box.streams.audio
        assert sorted(str(sound.language) for sound in sounds) == ["eng", "fra", "zxx"]
        first = [sound.language for sound in sounds if sound.disposition & av.stream.Disposition.default]
        assert first == ["fra"]
        assert [subtitle.language for subtitle in box.streams.subtitles] == ["eng"]
        assert len(box.chapters()) == 3


def test_a_shot_without_a_face_is_what_it_was(dubbed: Path) -> None:
    before, after = (_frames(dubbed / name, *demo.CUTS) for name in ("film.mp4", "film.dub_fr.mp4"))
    for was, now in zip(before, after, strict=True):
        assert np.abs(was.astype(np.int16) - now).mean() < 1.5  # of 255: at most one encoding apart


def test_the_mouth_says_the_dub(dubbed: Path) -> None:
    """Against the aperture that the portrait itself has when it speaks the dub."""
    perfect = aperture(demo.pictures(language="fr"))
    got = aperture(_frames(dubbed / "film.dub_fr.mp4", 0, demo.FRAMES))
    for shot in SPOKEN:
        assert _alike(got[shot], perfect[shot]) > 0.5
        assert 0.5 < got[shot].std() / perfect[shot].std() < 1.6


def test_the_report_says_so(dubbed: Path) -> None:
    report = model.Report.load(dubbed / "film.dub_fr.dub")
    assert [shot.state for shot in report.shots] == ["changed", "untouched", "changed"]
    assert report.totals.offscreen_seconds == pytest.approx(2.3, abs=0.4)
    for shot in (report.shots[0], report.shots[2]):
        (face,) = shot.faces
        assert face.measures is not None
        assert face.measures.changed_outside == 0
    events = [
        json.loads(line) for line in (dubbed / "film.dub_fr.dub" / "events.jsonl").read_text().splitlines()
    ]
    assert not [event for event in events if event["type"] in ("unit.failed", "unit.retry")]


def _times(path: Path) -> list[float]:
    with av.open(str(path), "r") as box:
        return [round(float(frame.time), 6) for frame in box.decode(video=0) if frame.time is not None]


def _frames(path: Path, start: int, stop: int) -> Iterable[NDArray[np.uint8]]:
    with av.open(str(path), "r") as box:
        for number, frame in enumerate(box.decode(video=0)):
            if start <= number < stop:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _alike(got: NDArray[np.float64], want: NDArray[np.float64]) -> float:
    return float(np.corrcoef(got, want)[0, 1])
