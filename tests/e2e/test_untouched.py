"""Who does not say the dub is not touched, sample for sample, on made film and on real footage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import tracks
from dubcli.core.job import Job
from dubcli.media.ffmpeg import binary
from tests.conftest import Sample

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
QUICK = ["--set", "track.views=1", "--set", "report.measure=0", "--set", "compose.codec=ffv1"]


def dubbed(film: Path, dub: Path, folder: Path) -> tuple[Path, dict[str, list[dict[str, object]]]]:
    """Dub a film losslessly; the new film and its cues."""
    out = folder / "out.mkv"
    words = ["run", str(film), "-a", str(dub), "-o", str(out), "--job", str(folder / "job")]
    done = subprocess.run([*COMMAND, *words, *QUICK, "--progress", "none"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([*COMMAND, "cue", "show", str(folder / "job"), "--json"], capture_output=True)
    found: dict[str, list[dict[str, object]]] = json.loads(shown.stdout)
    return out, found


def eligible(folder: Path) -> int:
    """Face frames of a job whose mouths could have been changed."""
    job = Job.open(folder)
    found = {unit[6:]: job.store.get(key) for unit, key in job.refs() if unit.startswith("track/")}
    paths = {shot: artifact.path for shot, artifact in found.items() if artifact}
    return sum(int(track.eligible.sum()) for shot, path in paths.items() for track in tracks.load(path, shot))


def changed(before: Path, after: Path) -> NDArray[np.int64]:
    """In how many frames each luma sample differs, (H, W)."""
    with av.open(str(before)) as one, av.open(str(after)) as two:
        count: NDArray[np.int64] | None = None
        for a, b in zip(one.decode(video=0), two.decode(video=0), strict=True):
            luma = [
                np.frombuffer(bytes(f.planes[0]), np.uint8).reshape(-1, f.planes[0].line_size)[:, : f.width]
                for f in (a, b)
            ]
            differs = (luma[0] != luma[1]).astype(np.int64)
            count = differs if count is None else count + differs
    assert count is not None
    return count


def made(sample: Sample, picture: str, path: Path) -> Path:
    """Four seconds of the sample film, its sound and a picture made of its own by a filter graph."""
    frozen = "trim=end_frame=1,loop=loop=-1:size=1,setpts=N/FRAME_RATE/TB,hflip"
    graph = f"[0:v]scale=320:240,split[talks][other];[other]{frozen}[frozen];{picture}"
    words = [binary(), "-v", "error", "-i", str(sample.film), "-filter_complex", graph, "-map", "[out]"]
    words += ["-map", "0:a:0", "-t", "4", "-c:v", "libx264", "-crf", "12", "-c:a", "copy", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path


def test_of_two_made_faces_only_the_one_that_talks_is_changed(sample: Sample, tmp_path: Path) -> None:
    """A face beside one that never moves; both are seen, and both could be changed."""
    film = made(sample, "[frozen][talks]hstack=shortest=1[out]", tmp_path / "two.mp4")
    out, found = dubbed(film, sample.dub, tmp_path)
    count = changed(film, out)
    assert {cue["kind"] for cue in found["cues"]} >= {"speak"}
    assert count[:, 320:].sum() > 10_000
    assert count[:, :320].sum() == 0
    assert eligible(tmp_path / "job") > 150, "both faces were seen"


def test_a_voice_beside_a_made_face_that_keeps_still_changes_nothing(sample: Sample, tmp_path: Path) -> None:
    film = made(sample, "[talks]nullsink;[frozen]null[out]", tmp_path / "voice_over.mp4")
    out, found = dubbed(film, sample.dub, tmp_path)
    assert found["cues"] == []
    assert found["offscreen"]
    assert changed(film, out).sum() == 0
    assert eligible(tmp_path / "job") > 50, "the listener was seen"


def test_of_two_faces_only_the_speakers_is_changed(footage: Path, tmp_path: Path) -> None:
    film = footage / "scenes" / "podium_two_faces.mp4"
    out, found = dubbed(film, footage / "speech" / "fr_librivox_7s.wav", tmp_path)
    count = changed(film, out)
    assert {cue["kind"] for cue in found["cues"]} >= {"speak"}
    # The listener's head is about (85, 79), the speaker's mouth about (190, 75); see tests/truth.
    assert count[:, 150:].sum() > 10_000
    assert count[:, :140].sum() == 0


def test_the_report_names_the_frames_that_differ_and_no_others(footage: Path, tmp_path: Path) -> None:
    film = footage / "scenes" / "podium_two_faces.mp4"
    out, _ = dubbed(film, footage / "speech" / "fr_librivox_7s.wav", tmp_path)
    report = json.loads((tmp_path / "job" / "report.json").read_text())
    named = {frame for start, stop in report["changed"] for frame in range(start, stop)}
    with av.open(str(film)) as one, av.open(str(out)) as two:
        differ = {
            number
            for number, (a, b) in enumerate(zip(one.decode(video=0), two.decode(video=0), strict=True))
            if any(bytes(p) != bytes(q) for p, q in zip(a.planes, b.planes, strict=True))
        }
    assert differ
    assert named >= differ
    # Where a mouth fades in or fits very well, a frame that was composed may come out as it was.
    assert len(named - differ) <= 0.1 * len(named)
    for face in (face for shot in report["shots"] for face in shot["faces"]):
        ranges = [*face["changed"], *([skip["start"], skip["stop"]] for skip in face["skipped"])]
        frames = [frame for start, stop in sorted(ranges) for frame in range(start, stop)]
        assert frames == list(range(face["start"], face["stop"]))


@pytest.mark.parametrize("part", ["320:260:900:460", "320:260:0:460"], ids=["right", "left"])
def test_a_voice_from_outside_the_picture_changes_nothing(part: str, footage: Path, tmp_path: Path) -> None:
    """A listener alone in the picture, while the one who speaks is heard beside it, and the dub after him."""
    film = tmp_path / "voice_over.mp4"
    source, codec = footage / "scenes" / "mic_two_listeners.mp4", ["-c:v", "libx264", "-c:a", "copy"]
    words = [binary(), "-v", "error", "-i", str(source), "-t", "5", "-vf", f"crop={part}", *codec, str(film)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    out, found = dubbed(film, footage / "speech" / "de_thorsten_human_5s.wav", tmp_path)
    assert found["cues"] == []
    assert found["offscreen"]
    assert changed(film, out).sum() == 0
    assert eligible(tmp_path / "job") > 50, "the listener was seen"
