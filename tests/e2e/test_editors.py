"""What goes to an editor and to a compositor, and what comes back: one small job, decoded by PyAV alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

import av
import cv2
import numpy as np
import OpenEXR
import opentimelineio as otio
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.report import Report, Shot
from dubcli.cli import delivered, layers, shots
from dubcli.core.job import Job
from dubcli.delivery import changed, exr, remarks
from dubcli.edits import shotfile
from dubcli.errors import ConfigError, UsageError
from dubcli.media import layout
from dubcli.media.colour import Colour
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
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


@pytest.fixture(scope="module")
def face(done: Done, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layers of the only face."""
    folder = tmp_path_factory.mktemp("layers")
    layers.export(folder, done.job)
    (found,) = folder.iterdir()
    return found


def film_of(done: Done) -> changed.Film:
    """The film before it was encoded."""
    job = Job.open(done.job)
    return delivered.film(job, delivered.finished(job))


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
    film, form = film_of(done), changed.Form(codec, 0)
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
    changed.check(film.info, tmp_path, form, force=False)
    changed.write(film, tmp_path, changed.Form("ffv1", 4), {})
    assert [path.suffix for path in tmp_path.glob("film.0*")] == [".mkv"]


def test_a_folder_of_other_files_is_refused_before_work(done: Done, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    shown = dubcli("run", done.job, "--changed-only", tmp_path, code=2)
    assert "holds other files" in shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_marker_has_the_verdict_and_the_reviewers_note() -> None:
    shot = Shot(
        name="00000000", start=0, stop=58, seconds=0, state="changed", changed=(), what="one", faces=()
    )
    judged = shot.model_copy(update={"name": "00000058", "verdict": "redo"})
    found = remarks.markers(Report.model_construct(shots=(shot, judged)), {"00000058": "lips late"})
    assert [(one.name, one.note, one.colour) for (one,) in found.values()] == [
        ("changed", "one", "CYAN"),
        ("redo", "one; lips late", "RED"),
    ]


def test_layers_over_the_source_are_the_dubbed_film(done: Done, face: Path) -> None:
    """In the film's own samples: YCbCr of 8 bits whose chroma is blended by the film's equations."""
    colour = Colour.of(probe(done.film).film)
    with av.open(str(done.film)) as one, av.open(str(done.out)) as two:
        pairs = enumerate(zip(one.decode(video=0), two.decode(video=0), strict=True))
        for number, (before, after) in pairs:
            planes = layout.copy_planes(layout.planes(before))
            path = face / "rgba" / f"{face.name}.{number:08d}.exr"
            assert path.is_file() == (number in frames_changed(done))
            if path.is_file():
                rgba, x, y = exr_pixels(path)
                rgb = rgba[..., :3] / np.where(rgba[..., 3:] > 0, rgba[..., 3:], 1)
                patch, mask = (np.rint(values * 255).astype(np.uint8) for values in (rgb, rgba[..., 3]))
                colour.blend(planes, patch, mask, x, y)
            for got, wanted in zip(planes, layout.planes(after), strict=True):
                np.testing.assert_array_equal(got, wanted)
    assert (face / "curve.csv").read_text().startswith("frame,seconds,aperture,width,weight\n")


def test_the_motion_takes_the_source_to_the_asked_mouth(done: Done, face: Path) -> None:
    """Where the warp alone makes the picture, on the chin, the source moved by it is the dubbed frame."""
    with av.open(str(done.film)) as one, av.open(str(done.out)) as two:
        pairs = list(zip(one.decode(video=0), two.decode(video=0), strict=True))
    still, moved = [], []
    for number in frames_changed(done)[5:50:5]:
        with OpenEXR.File(str(face / "motion" / f"{face.name}.{number:08d}.exr")) as file:
            (x, y), _ = file.header()["dataWindow"]
            u, v = (file.channels()[f"motion.{name}"].pixels.copy() for name in "uv")
        source, dubbed = (f.to_ndarray(format="gray").astype(np.float32) for f in pairs[number])
        rows, columns = np.mgrid[0 : u.shape[0], 0 : u.shape[1]].astype(np.float32)
        pulled = cv2.remap(source, columns + u + x, rows + v + y, cv2.INTER_LINEAR)
        part = slice(y, y + u.shape[0]), slice(x, x + u.shape[1])
        where = np.hypot(u, v) > 1
        if where.sum() > 50:
            still.append(np.abs(source[part] - dubbed[part])[where].mean())
            moved.append(np.abs(pulled - dubbed[part])[where].mean())
    assert len(moved) >= 3
    assert np.mean(moved) < 0.8 * np.mean(still)


def exr_pixels(path: Path) -> tuple[NDArray[np.float32], int, int]:
    """RGBA (h, w, 4) of a file's window, and its place."""
    with OpenEXR.File(str(path)) as file:
        (x, y), _ = file.header()["dataWindow"]
        return file.channels()["RGBA"].pixels.copy(), int(x), int(y)


def test_a_retouched_matte_comes_back_into_the_film(done: Done, face: Path, tmp_path: Path) -> None:
    """One frame's matte is emptied: that frame is the source's again, and no other changes."""
    job, out = tmp_path / "job", tmp_path / "film.mkv"
    shutil.copytree(done.job, job)
    data = json.loads((job / "job.json").read_text())
    (job / "job.json").write_text(json.dumps(data | {"out": str(out), "film": str(done.film)}))
    face = Path(shutil.copytree(face, tmp_path / face.name))
    number = frames_changed(done)[10]
    for path in (face / "matte").iterdir():
        if f".{number:08d}." not in path.name:
            path.unlink()
        else:
            window = exr.read(path, (320, 240))
            empty = {name: 0 * values for name, values in window.channels.items()}
            exr.write(path, exr.Window(window.x, window.y, empty), (320, 240), {})
    layers.import_(face / "matte", None, job)
    for path in (face / "rgba").iterdir():
        if f".{number:08d}." not in path.name:
            path.unlink()
    layers.import_(face / "rgba", None, job)  # that was wrong: as it was generated
    layers.import_(face / "matte", None, job)  # and right after all
    dubcli("run", job, "--progress", "none")
    before, whole, after = (films.decoded(path).hashes for path in (done.film, done.out, out))
    assert [k for k, (a, b) in enumerate(zip(whole, after, strict=True)) if a != b] == [number]
    assert after[number] == before[number]
    with pytest.raises(UsageError, match=r"--face SHOT\.TRACK, one of: 00000000\.0"):
        layers.import_(face / "matte", "00000000.9", job)


def test_shots_go_out_and_come_back_as_lists(
    done: Done, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is refused changes nothing; what is taken keeps the skipped shots that are still there."""
    path = done.job / "shots.yaml"
    shots.show(done.job)
    assert capsys.readouterr().out.splitlines()[2].split() == [
        "00000058", "58", "76", "01:00:02:10", "01:00:03:04", "0.751", "yes",
    ]  # fmt: skip
    try:
        path.write_text("skip: [58, 3]\n")
        for suffix in (".edl", ".otio", ".xml", ".csv"):
            shots.export(tmp_path / f"list{suffix}", done.job)
            shots.import_(tmp_path / f"list{suffix}", done.job)
            assert shotfile.load(path)[1] == shotfile.ShotFile(cuts=(58,), skip=(58,))
        assert "1 skipped shots" in capsys.readouterr().err
        with pytest.raises(ConfigError, match="before the film"):
            shots.import_(tmp_path / "list.edl", done.job, start="02:00:00:00")
        assert shotfile.load(path)[1].start == ""
        with pytest.raises(ConfigError, match="there is no file"):
            shots.import_(tmp_path / "none.otio", done.job)
    finally:
        path.unlink()
    path = tmp_path / "scan"
    path.mkdir()
    (path / "a.0001.dpx").touch()
    assert "dubcli conform" in dubcli("run", path, "-a", "x.wav", code=2).stderr
