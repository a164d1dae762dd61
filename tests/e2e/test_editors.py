"""What goes to an editor and to a compositor, and what comes back: one small job, decoded by PyAV alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

import av
import opentimelineio as otio
import pytest

from dubcli.artifacts.report import Report
from dubcli.cli import delivered
from dubcli.core.job import Job
from dubcli.delivery import changed, remarks
from dubcli.media.ffmpeg import url
from tests.conftest import Sample
from tests.media import films

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
START, REEL, HANDLES = "01:00:00:00", "A001C003", 8


@dataclass(frozen=True)
class Done:
    """A film, its job, the dubbed film without loss, and the folder of its changed shots."""

    film: Path
    job: Path
    out: Path
    changed: Path


def dubcli(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def done(tiny: Sample, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The tiny film with timecode and reel, dubbed into FFV1."""
    root = tmp_path_factory.mktemp("editors")
    film = root / "film.mov"
    films.ffmpeg(
        "-i", url(tiny.film), "-map", "0:v", "-map", "0:a:0", "-c", "copy", "-timecode", START,
        "-metadata:s:v", f"reel_name={REEL}", url(film),
    )  # fmt: skip
    made = Done(film, root / "job", root / "out.mkv", root / "changed")
    quick = ["--set", "track.views=1", "--set", "report.measure=0", "--set", "compose.codec=ffv1"]
    words = ["-a", tiny.dub, "-o", made.out, "--job", made.job, "--progress", "none"]
    dubcli(
        "run",
        film,
        *words,
        *quick,
        "--changed-only",
        made.changed,
        "--mezzanine",
        "ffv1",
        "--handles",
        HANDLES,
    )
    return made


def frames_changed(done: Done) -> list[int]:
    """Frames of the film that its report calls changed."""
    report = Report.load(done.job)
    return [frame for a, b in report.changed for frame in range(a, b)]


def seen(timeline: otio.schema.Timeline) -> list[str]:
    """Hashes of the frames that a player of a timeline shows: the highest track that has a clip there."""
    decoded: dict[str, list[str]] = {}
    picture: dict[int, str] = {}
    for track in timeline.video_tracks():
        for clip in track.find_clips():
            file = unquote(urlparse(clip.media_reference.target_url).path)
            if file not in decoded:
                decoded[file] = films.decoded(Path(file)).hashes
                assert len(decoded[file]) == clip.media_reference.available_range.duration.value
            first = clip.source_range.start_time - clip.media_reference.available_range.start_time
            at = clip.range_in_parent()
            for k in range(int(at.duration.value)):
                picture[int(at.start_time.value) + k] = decoded[file][int(first.value) + k]
    return [picture[k] for k in range(len(picture))]


def test_changed_shots_cut_over_the_source_are_the_dubbed_film(done: Done) -> None:
    whole = films.decoded(done.out).hashes
    before = films.decoded(done.film).hashes
    differ = [k for k, (a, b) in enumerate(zip(before, whole, strict=True)) if a != b]
    assert differ == frames_changed(done)
    assert 0 < len(differ) < len(whole)
    for suffix, adapter in ((".otio", "otio_json"), (".xml", "fcp_xml")):
        cut = otio.adapters.read_from_file(str(done.changed / f"film.changed{suffix}"), adapter)
        assert seen(cut) == whole


def test_changed_shots_have_handles_of_the_film_around_them(done: Done) -> None:
    """The shot 0-58 of 76 frames: none before it, eight after it, which are the film's own."""
    (file,) = done.changed.glob("*.mkv")
    found = films.decoded(file).hashes
    assert len(found) == 58 + HANDLES
    assert found[58:] == films.decoded(done.film).hashes[58 : 58 + HANDLES]


def test_an_edl_and_an_aaf_name_the_same_cut(done: Done) -> None:
    events = (done.changed / "film.changed.edl").read_text().splitlines()
    assert events[3].split() == ["001", REEL, "V", "C", *[START, "01:00:02:10"] * 2]
    assert events[4] == "* FROM CLIP NAME: film.00000000.mkv"
    assert events[5].startswith(f"* LOC: {START} ")
    cut = otio.adapters.read_from_file(str(done.changed / "film.changed.aaf"), "AAF")
    highest = cut.video_tracks()[-1]
    (clip,) = highest.find_clips()
    assert clip.range_in_parent().start_time.value == 0
    assert clip.range_in_parent().duration.value == 58


@pytest.mark.parametrize(("codec", "kind"), [("prores", "prores"), ("dnxhr", "dnxhd")])
def test_mezzanine_files_carry_timecode_and_reel(
    done: Done, codec: Literal["prores", "dnxhr"], kind: str, tmp_path: Path
) -> None:
    film, form = delivered.film(Job.open(done.job)), changed.Form(codec, 0)
    changed.write(film, tmp_path, form, {})
    (file,) = tmp_path.glob("*.mov")
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.frames, video.average_rate) == (kind, 58, film.clock.rate)
        assert video.metadata["timecode"] == START
        assert container.streams.data[0].metadata["reel_name"] == REEL
    # What is there already is not written twice; what was written of other handles goes.
    before = file.stat().st_mtime_ns
    changed.write(film, tmp_path, form, {})
    assert file.stat().st_mtime_ns == before
    changed.write(film, tmp_path, changed.Form("ffv1", 4), {})
    assert [path.suffix for path in tmp_path.glob("film.0*")] == [".mkv"]


def test_a_folder_of_other_files_is_refused_before_work(done: Done, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    shown = dubcli("run", done.job, "--changed-only", tmp_path, code=2)
    assert "holds other files" in shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_marker_has_the_verdict_where_a_report_gives_one() -> None:
    shot = {"name": "00000000", "state": "changed", "what": "one face", "faces": [{"warnings": ["blurred"]}]}
    judged = shot | {"name": "00000058", "verdict": "redo"}
    found = remarks.markers({"shots": [shot, judged]}, {"00000058": "lips late"})
    assert [(one.name, one.note, one.colour) for (one,) in found.values()] == [
        ("changed", "one face; blurred", "CYAN"),
        ("redo", "one face; blurred; lips late", "RED"),
    ]
