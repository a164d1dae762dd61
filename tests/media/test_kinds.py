"""Films as they come: other films in their place, two encoders, AVC-Intra, OP-Atom, HDR10+."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Frames
from dubcli.errors import CheckError, MediaError
from dubcli.media import compose as mixing
from dubcli.media import decode, picture, remux, soundtrack, streams
from dubcli.media.ffmpeg import Process, url
from dubcli.media.probe import probe as probed
from dubcli.settings.config import ComposeSettings
from tests.media import films


def test_frames_of_another_film_are_noticed_by_whoever_reads_them(tmp_path: Path) -> None:
    """Replaced by one of the same times, and put back later: its pictures must not pass."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8", "-bf", "2"))
    stages = films.Stages(tmp_path / "job", film)
    stages.read()
    seen = Frames.load(stages.view.one("split").path)
    pts, digests = seen.pts, seen.digest
    video = probed(film).film
    assert [f.index for f in decode.frames(film, video, pts, 10, 14, digests)] == [10, 11, 12, 13]
    films.ffmpeg(*films.moving(), "-vf", "negate", *films.x264("-g", "8", "-bf", "2"), url(film))
    with pytest.raises(MediaError, match="changed since it was read"):
        list(decode.frames(film, video, pts, 10, 14, digests))
    with pytest.raises(MediaError, match="changed since it was read"):
        list(mixing.composite_frames(film, video, pts, digests, [(10, 14)], []))


def test_two_encoders_are_never_joined(tmp_path: Path, dub: Path) -> None:
    """As where ffmpeg was exchanged between two runs: the parameter sets of the first would decode all."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), seconds=2)
    stages = films.Stages(tmp_path / "job", film, dub, compose={"video": "encode"})
    stages.read()
    info = MediaInfo.load(stages.view.one("probe").path)
    seen = Frames.load(stages.view.one("split").path)
    pts, digests = seen.pts, seen.digest
    segments = []
    for span, preset in (((0, 25), "ultrafast"), ((25, 50), "slow")):
        path = tmp_path / f"{preset}.nut"
        settings = ComposeSettings(preset=preset)  # type: ignore[arg-type]
        delay = mixing.encode_spans(film, info.film, pts, digests, [span], [], path, settings)
        segments.append(picture.Segment(path, (span,), delay))
    whole = picture.Film(film, info.film, pts)
    with (
        open(tmp_path / "joined.mp4", "wb") as out,
        pytest.raises(CheckError, match=r"frames 25 to 50 .* --redo compose"),
    ):
        picture.write(out, whole, segments, [], "mp4")
    with open(tmp_path / "joined.mp4", "wb") as out:
        picture.write(
            out,
            whole,
            segments[:1] * 1 + [picture.Segment(segments[0].path, ((25, 50),), segments[0].delay)],
            [],
            "mp4",
        )


def test_the_finished_film_is_decoded_whole(
    tmp_path: Path, dub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what was encoded here: a packet that does not decode is found before anybody gets the film."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    stages = films.Stages(tmp_path / "job", film, dub, compose={"video": "encode"})
    stages.read()
    stages.touch(range(9, 12))
    whole = picture.packets

    def damaged(*arguments: Any) -> Any:
        for number, packet in enumerate(whole(*arguments)):
            if number == 12:
                broken = av.Packet(bytes(packet)[:5] + bytes(len(bytes(packet)) - 5))
                for name in ("pts", "dts", "duration", "time_base"):
                    setattr(broken, name, getattr(packet, name))
                yield broken
            else:
                yield packet

    monkeypatch.setattr(picture, "packets", damaged)
    with pytest.raises(CheckError, match="decode"):
        stages.finish()


def test_no_child_outlives_its_parent(tmp_path: Path) -> None:
    """Killed with no chance to clean up, while an ffmpeg that reads nothing from us is at work."""
    code = (
        "import sys, time; from dubcli.media.ffmpeg import Process\n"
        "p = Process(['-re', '-f', 'lavfi', '-i', 'testsrc2=d=60', '-f', 'null', '-'])\n"
        "print(p._child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("ffmpeg was left behind")


def test_a_film_after_its_last_subtitle_is_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line at the start, then a minute of film of many bits: the muxer takes far less than the film."""
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\nBonjour\n")
    film = tmp_path / "film.mkv"
    films.ffmpeg(
        "-f", "lavfi", "-i", "color=s=320x240:r=25:d=60", "-i", url(tmp_path / "a.srt"),
        "-f", "lavfi", "-t", "60", "-i", "sine=300", "-map", "0", "-map", "2", "-map", "1",
        "-c:v", "rawvideo",
        "-pix_fmt", "yuv420p", "-c:a", "aac", "-c:s", "srt", url(film),
    )  # fmt: skip
    dub = films.wav(tmp_path / "dub.wav", films.noise(60.0))
    peaks = []
    whole = Process.finish

    def watched(self: Process) -> None:
        while self._child.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self._child.pid}/status").read_text())
            peaks.append(1024 * int(found[1]) if found else 0)
            time.sleep(0.01)
        whole(self)

    info, pts = probed(film), np.arange(1500) * 40
    track = soundtrack.with_decoded_start(dub, soundtrack.main_track(probed(dub)))
    source = picture.Film(film, info.film, pts)
    monkeypatch.setattr(Process, "finish", watched)
    voice = streams.Dub(dub, track, 60.0, "")
    remux.mux(source, info, [], [(0, 1500)], "rawvideo", voice, tmp_path / "out.mkv", tmp_path)
    assert max(peaks) < 0.6 * film.stat().st_size  # all of it was held


CAMERAS = {  # broadcast cameras' kinds of H.264 in MXF; XAVC Long is in test_times.py
    "AVC-Intra": ["-avcintra-class", "100"],
    "XAVC Intra": ["-avcintra-class", "100", "-x264-params", "avcintra-flavor=sony"],
}


@pytest.mark.parametrize("touched", [range(3, 6), ()], ids=["touched", "untouched"])
@pytest.mark.parametrize("kind", list(CAMERAS))
def test_avc_of_cameras_keeps_its_profile_and_every_other_frame(
    kind: str, touched: Sequence[int], tmp_path: Path, dub: Path
) -> None:
    film = films.make(
        tmp_path / "film.mxf", "-c:v", "libx264", *CAMERAS[kind], "-pix_fmt", "yuv422p10le",
        "-c:a", "pcm_s24le", size="1920x1080", seconds=0.4,
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mov")
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    same = [k for k, (a, b) in enumerate(zip(before.hashes, after.hashes, strict=True)) if a == b]
    assert same == [k for k in range(10) if k not in touched]
    with av.open(str(done.path)) as box:
        assert box.streams.video[0].codec_context.profile in ("High 4:2:2", "High 4:2:2 Intra")
        assert box.streams.video[0].codec_context.pix_fmt == "yuv422p10le"


def test_op_atom_is_read_as_a_film_without_sound(tmp_path: Path, dub: Path) -> None:
    film = tmp_path / "film.mxf"
    films.ffmpeg(
        *films.moving(size="1280x720", seconds=0.4), "-c:v", "dnxhd", "-b:v", "60M", "-pix_fmt", "yuv422p",
        "-f", "mxf_opatom", url(film),
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), ".mov")
    assert films.decoded(done.path).times == films.decoded(film).times
    with av.open(str(done.path)) as box:
        assert len(box.streams.audio) == 1
