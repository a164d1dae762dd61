"""What tests of the report share, and those of lips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines.trackers.mediapipe import MediapipeTracker
from dubcli.media import decode
from dubcli.media.probe import probe
from tests.conftest import Sample
from tests.unit.lipwork import Shot, prepared
from tests.unit.reports import CUT, InputsOf, job_of, pts_of


@pytest.fixture(scope="module")
def report_face(tiny: Sample) -> FaceTrack:
    """The face of the tiny film's first shot, as the default tracker sees it."""
    info, pts = probe(tiny.film), pts_of(tiny.film)
    pictures: Any = decode.frames(tiny.film, info.film, pts, 0, CUT)
    (found,) = MediapipeTracker().track(pictures, views=2)
    return found


@pytest.fixture
def inputs_of(tiny: Sample, report_face: FaceTrack, tmp_path: Path) -> InputsOf:
    """Folders as the stages leave them: the tiny film dubbed with its own speech, finished as it was."""

    def made(result: Path = tiny.film, track: FaceTrack = report_face, **cues: Any) -> dict[str, Path]:
        return job_of(tmp_path / "job", tiny.film, result, track, cues)

    return made


@pytest.fixture(scope="session")
def shot(tiny: Sample, tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """The longer shot of the tiny film, as the lips stage reads it; nothing of it is changed."""
    return prepared(tiny, tmp_path_factory.mktemp("lips"))
