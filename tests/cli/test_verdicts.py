"""Verdicts, gates, forecasts and exports of one finished job."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dubcli.artifacts.report import Report
from tests.cli.conftest import SECONDS, Result, own_environment
from tests.conftest import Sample
from tests.forked import Forked

STRICT = ("--set", "quality.seam=[-1, -1]")  # nothing is good enough


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def dubcli_in(forked: Forked) -> Run:
    """Run `dubcli WORDS...` in a folder."""

    def run(folder: Path, *words: str) -> Result:
        return forked.run(words, folder, own_environment(folder / "home"), SECONDS)

    return run


@pytest.fixture(scope="module")
def root(tiny: Sample, tmp_path_factory: pytest.TempPathFactory, dubcli_in: Run) -> Path:
    """A folder with the tiny film, dubbed."""
    folder = tmp_path_factory.mktemp("verdicts")
    shutil.copy(tiny.film, folder / "film.mp4")
    shutil.copy(tiny.dub, folder / "dub_fr.wav")
    done = dubcli_in(
        folder, "run", "film.mp4", "--audio", "dub_fr.wav", "--job", "job", "-o", "out.mp4", *_QUICK
    )
    assert done.returncode == 0, done.stderr
    return folder


_QUICK = ("--set", "track.views=1", "--set", "compose.codec=ffv1", "-q", "--workers", "1")


def _report(folder: Path) -> Any:
    return json.loads((folder / "job" / "report.json").read_text())


def test_the_report_names_output_day_version_and_what_was_judged(root: Path) -> None:
    found = Report.load(root / "job")
    assert found.made.output == "out.mp4"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", found.made.date)
    assert "lips" in found.made.timings
    assert found.made.settings == {"track.views": 1, "compose.codec": "ffv1"}
    faces = [face for shot in found.shots for face in shot.faces if face.frames_changed]
    assert faces
    assert all(face.verdict and face.measures and face.measures.frames > 20 for face in faces)
    assert "{{" not in (root / "job" / "report.html").read_text().split("<script")[0]


def test_exports(root: Path, dubcli_in: Run) -> None:
    found = Report.load(root / "job")
    text = dubcli_in(root, "report", "job", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[-1]  # and no line of nothing
    faces = [face for shot in found.shots for face in shot.faces]
    assert [row["face"] for row in rows if row["face"]] == [face.name for face in faces]
    assert [row["verdict"] for row in rows if row["face"]] == [face.verdict or "" for face in faces]
    assert dubcli_in(root, "report", "job").stdout.strip() == "job/report.html"
    assert json.loads(dubcli_in(root, "report", "job", "--json").stdout) == _report(root)
    edl = dubcli_in(root, "report", "job", "--format", "edl").stdout
    spans = [span for shot in found.shots for span in shot.changed]
    assert len(re.findall(r"^\d{3}  ", edl, re.MULTILINE)) == len(spans)
    assert len(re.findall(r"^\* LOC: \S+ GREEN ", edl, re.MULTILINE)) == found.totals.good


def test_a_review_lists_verdicts(root: Path, dubcli_in: Run) -> None:
    shots = json.loads(dubcli_in(root, "review", "job", "list", "--json").stdout)["shots"]
    verdicts = {shot.name: shot.verdict for shot in Report.load(root / "job").shots}
    assert shots
    assert {row["shot"]: row["verdict"] for row in shots} == {
        row["shot"]: verdicts[row["shot"]] for row in shots
    }


def test_plan_foretells_how_well_people_can_be_dubbed(root: Path, dubcli_in: Run) -> None:
    (person,) = json.loads(dubcli_in(root, "plan", "job", "--json").stdout)["people"]
    assert person["person"] == "p01"
    assert person["seconds to dub"] > 0.5
    assert person["forecast"] in ("good", "fair", "poor")
    assert person["because"]
    assert person["because"] in dubcli_in(root, "plan", "job").stdout


def test_a_gate_fails_the_run_or_gives_faces_back_to_the_source(root: Path, dubcli_in: Run) -> None:
    failing = ("run", "job", "--set", "quality.gate=fail", *STRICT)
    for _ in range(2):  # also when nothing is left to do
        done = dubcli_in(root, *failing)
        assert done.returncode == 8
        assert "to be redone" in done.stderr
        assert "report.html" in done.stderr
    report = Report.load(root / "job")
    assert report.totals.redo >= 1
    assert (root / "out.mp4").is_file()
    assert _pictures(root / "out.mp4") != _pictures(root / "film.mp4")

    given_back = ("run", "job", "--set", "quality.gate=source", *STRICT)
    done = dubcli_in(root, *given_back, "--changed-only", "changed", "--mezzanine", "ffv1")
    assert done.returncode == 0, done.stderr
    report = Report.load(root / "job")
    assert (report.changed, report.totals.faces_changed) == ((), 0)
    assert {face.verdict for shot in report.shots for face in shot.faces if face.cues} == {"redo"}
    assert _pictures(root / "out.mp4") == _pictures(root / "film.mp4")
    assert not list((root / "changed").glob("*.mkv"))  # an editor gets what the film shows

    (root / "job" / "shots.yaml").write_text('start: "10:00:00:00"\n')
    assert dubcli_in(root, *given_back).returncode == 0
    assert [shot.timecode for shot in Report.load(root / "job").shots][:1] == ["10:00:00:00"]


def _pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as box:
        return [np.ascontiguousarray(frame.to_ndarray()).tobytes() for frame in box.decode(video=0)]
