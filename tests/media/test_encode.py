"""Encoding is the same bytes every time, is counted before it is believed, and leaves nothing behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dubcli.artifacts.compose import Segment
from dubcli.artifacts.media import VideoStream
from dubcli.errors import CheckError, EngineError, TemporaryError
from dubcli.media import encode, ffmpeg, layout
from dubcli.media.probe import probe
from dubcli.settings.config import ComposeSettings
from tests.media import films

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoStream:
    """The picture of a small film."""
    return probe(films.make(tmp_path_factory.mktemp("encode") / "film.mp4", *films.x264(), sound="")).film


def grey(video: VideoStream, level: int) -> layout.Planes:
    """One frame."""
    size = (video.height, video.width)
    return [
        np.full(s, level, np.uint8)
        for s in (size, (size[0] // 2, size[1] // 2), (size[0] // 2, size[1] // 2))
    ]


@pytest.mark.parametrize(
    "options",
    [
        films.x264("-g", "8", "-bf", "2"),
        ["-c:v", "libx265", "-x265-params", "log-level=none:keyint=8"],
        ["-c:v", "prores_ks"],
        ["-c:v", "ffv1", "-pix_fmt", "yuv420p"],
    ],
)
def test_the_same_frames_are_the_same_bytes(options: list[str], tmp_path: Path, dub: Path) -> None:
    suffix = ".mkv" if "ffv1" in options else ".mov"
    film = films.make(tmp_path / f"film{suffix}", *options)
    digests = []
    for name in ("one", "two"):
        stages = films.Stages(tmp_path / name, film, dub)
        stages.read()
        stages.touch(range(9, 12))
        stages.finish()
        made = {k: v for k, v in stages.view.artifacts.items() if k != "lips"}
        digests.append([(kind, a.content) for kind, units in made.items() for a in units.values()])
    assert digests[0] == digests[1]


def test_a_missing_frame_is_noticed(video: VideoStream, tmp_path: Path) -> None:
    out = tmp_path / "video.nut"
    with encode.Encoder(out, video, encode.encoding(video, ComposeSettings())) as encoder:
        for k in range(9):
            encoder.write(grey(video, k))
    assert encode.verify_encoded(out, 9, "frames") >= 0
    with pytest.raises(CheckError, match="9 pictures were encoded instead of 10"):
        encode.verify_encoded(out, 10, "frames")


def test_spans_begin_with_pictures_that_stand_alone(video: VideoStream, tmp_path: Path) -> None:
    import av

    out = tmp_path / "video.nut"
    starts = [0, 7, 8, 20]
    with encode.Encoder(out, video, encode.encoding(video, ComposeSettings()), starts) as encoder:
        for k in range(30):
            encoder.write(grey(video, 3 * k))
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        assert stream.average_rate == 25
        first = packets[0].pts
        assert first is not None
        keys = [
            round((p.pts - first) * p.time_base * 25) for p in packets if p.is_keyframe and p.pts is not None
        ]
    assert set(starts) <= set(keys)


def test_a_failing_ffmpeg_says_why_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match=r"ffmpeg failed: .*No such file") as caught,
        ffmpeg.Process(["-i", "file:/nowhere", "-f", "null", "-"]),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert isinstance(ffmpeg.failure(b"x\nav_interleaved: No space left on device\n", 1), TemporaryError)


def test_a_full_disk_is_temporary(video: VideoStream) -> None:
    """`/dev/full` takes no byte."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")

    def fill() -> None:
        with encode.Encoder(Path("/dev/full"), video, encode.encoding(video, ComposeSettings())) as encoder:
            for k in range(400):
                encoder.write(grey(video, k % 256))

    with pytest.raises(TemporaryError, match="disk is full"):
        fill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_leaves_no_ffmpeg(how: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.media import test_encode as t, films; "
        "from dubcli.settings.config import ComposeSettings; from dubcli.media import encode; "
        "from dubcli.media.probe import probe; "
        "f = Path(sys.argv[1]); v = probe(films.make(f / 'film.mp4', *films.x264(), sound='')).film; "
        "e = encode.Encoder(f / 'video.nut', v, encode.encoding(v, ComposeSettings())).__enter__(); "
        "[e.write(t.grey(v, 1)) for _ in range(20)]; print(e._process._child.pid, flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    os.kill(worker.pid, how)
    worker.wait()
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.1)
    pytest.fail("ffmpeg outlived its worker by ten seconds")


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def test_hundreds_of_shots_do_not_exhaust_open_files(tmp_path: Path, dub: Path) -> None:
    from dubcli.core.model import Artifact
    from dubcli.media.probe import probe as look
    from dubcli.stages import compose, remux

    film = films.make(
        tmp_path / "film.mp4", *films.x264("-g", "2", "-preset", "ultrafast"), seconds=12, size="32x32"
    )
    stages = films.Stages(tmp_path / "job", film, dub, compose={"preset": "ultrafast"})
    stages.read()
    stages.touch([0])
    stages.run(compose)
    made = stages.view.artifacts["compose"]["00000000"].path
    video = look(film).film
    for start in range(2, 300, 2):
        folder = tmp_path / "parts" / f"{start:08d}"
        folder.mkdir(parents=True)
        (folder / "video.nut").write_bytes((made / "video.nut").read_bytes())
        Segment(spans=((start, start + 2),), delay=0, changed=0, codec="h264").save(folder)
        stages.view.artifacts["compose"][folder.name] = Artifact("", folder, "")
    assert video.delay == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, hard))
    try:
        folder = stages.run(remux)["film"].path
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(films.decoded(folder / "film.mp4").times) == 300
