"""Films and dubs as they come: other times, containers, channels, shapes of pixels, orientations."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Frames
from dubcli.core.job import Job, default_out
from dubcli.errors import CheckError, DubError, MediaError, UsageError
from dubcli.media import compose as mixing
from dubcli.media import decode, encode, picture, remux, sound, square
from dubcli.media.ffmpeg import Process, url
from dubcli.media.probe import probe as probed
from dubcli.settings.config import ComposeSettings, Settings
from dubcli.stages import probe, scan, track
from tests.media import films


def heard(path: Path, like: NDArray[np.float64]) -> float:
    """Seconds after the first picture at which a film's first sound track begins to be `like`."""
    samples, start, rate = films.sound(path)
    piece = like[int(0.3 * rate) : int(0.6 * rate)]
    found = int(np.argmax(np.correlate(samples[0], piece, "valid")))
    return float(start - films.decoded(path).times[0]) + found / rate - 0.3


def rate_of(path: Path) -> Fraction:
    """The average rate that the container says, in frames per second."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return rate


STARTS = [
    ("film.ts", "30000/1001", ["-c:v", "libx264", "-bf", "2", "-c:a", "aac"], ".mp4"),
    ("film.vob", "24000/1001", ["-c:v", "mpeg2video", "-bf", "2", "-c:a", "ac3"], ".mp4"),
    ("film.m2ts", "25", ["-c:v", "libx264", "-g", "8", "-c:a", "ac3"], ".mov"),
    ("film.flv", "25", ["-c:v", "libx264", "-bf", "2", "-c:a", "aac"], ".mp4"),
    ("film.wmv", "25", ["-c:v", "wmv2", "-c:a", "wmav2"], ".mkv"),
    (
        "film.mp4",
        "24000/1001",
        ["-c:v", "libx264", "-g", "8", "-bf", "2", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
        ".mp4",
    ),
]


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
@pytest.mark.parametrize(("name", "rate", "options", "suffix"), STARTS, ids=[row[0] for row in STARTS])
def test_a_first_time_off_a_whole_millisecond_is_kept(
    name: str, rate: str, options: list[str], suffix: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / name, *options, rate=rate)
    done = films.dubbed(tmp_path / "job", film, dub, touched, suffix)
    before, after = films.decoded(film).times, films.decoded(done.path).times
    assert len(after) == len(before) > 20
    slack = Fraction(1, 2000) if suffix == ".mkv" else 0
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= slack
    assert heard(done.path, films.noise(1.0)) == pytest.approx(0, abs=6e-4 if slack else 1 / 48000)


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
def test_times_around_the_wrap_of_a_transport_stream(touched: range, tmp_path: Path, dub: Path) -> None:
    """They are negative before it, which no other container can say: all is raised together, and said."""
    films.make(tmp_path / "plain.ts", *films.x264("-g", "8", "-bf", "2"), "-c:a", "aac", seconds=2)
    film = tmp_path / "film.ts"
    moved = ["-output_ts_offset", "95442.7", "-muxdelay", "0"]
    films.ffmpeg("-i", url(tmp_path / "plain.ts"), "-c", "copy", *moved, url(film))
    before = films.decoded(film).times
    assert before[0] < 0 < before[-1]
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mp4")
    after = films.decoded(done.path).times
    assert [t - after[0] for t in after] == [t - before[0] for t in before]
    assert 0 <= after[0] < 0.1
    assert heard(done.path, films.noise(1.0)) == pytest.approx(0, abs=1 / 48000)
    (was, start, rate), (now, again, _) = films.sound(film), films.sound(done.path, 1)
    assert float(again - after[0]) == pytest.approx(float(start - before[0]), abs=1 / rate)
    assert any("begin before zero" in line for line in done.warnings)
    assert abs(now.shape[1] - was.shape[1]) <= 2048


def test_times_that_jump_back_are_refused(tmp_path: Path) -> None:
    for k in range(2):
        films.make(tmp_path / f"{k}.ts", *films.x264(), sound="", seconds=2)
    film = tmp_path / "film.ts"
    film.write_bytes(b"".join((tmp_path / f"{k}.ts").read_bytes() for k in range(2)))
    stages = films.Stages(tmp_path / "job", film)
    stages.run(probe)
    with pytest.raises(MediaError, match="jump back after frame 49"):
        stages.run(scan)


@pytest.mark.parametrize("touched", [range(20, 23), ()], ids=["touched", "copied"])
def test_avi_with_reordered_pictures(touched: range, tmp_path: Path, dub: Path) -> None:
    """AVI knows no presentation times: its pictures follow each other evenly."""
    film = films.make(tmp_path / "film.avi", *films.x264("-g", "12", "-bf", "3"), "-c:a", "mp3", seconds=2)
    with av.open(str(film)) as container:
        source = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mp4")
    with av.open(str(done.path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(source) >= 50
    times = [frame.time for frame in frames]
    assert np.allclose(np.diff(times), 1 / 25, atol=1e-6)
    for k, frame in enumerate(frames):
        shown = frame.to_ndarray(format="gray").astype(int)
        near = range(max(0, k - 3), min(len(source), k + 4))
        assert min(near, key=lambda other: np.abs(shown - source[other]).mean()) == k
    assert any(np.abs(a - b).max() > 60 for a, b in zip(source, map(gray, frames), strict=True)) == bool(
        touched
    )


def gray(frame: av.VideoFrame) -> NDArray[np.int64]:
    """Its luma."""
    return frame.to_ndarray(format="gray").astype(int)


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60000/1001"])
@pytest.mark.parametrize(
    ("source", "result"), [(".mp4", ".mkv"), (".mkv", ".mp4"), (".mp4", ".mp4"), (".ts", ".mov")]
)
def test_the_average_rate_is_the_films(
    source: str, result: str, rate: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / f"film{source}", *films.x264("-g", "8", "-bf", "2"), rate=rate, sound="")
    done = films.dubbed(tmp_path / "job", film, dub, touched, result)
    # Matroska keeps nanoseconds of a picture, which is not quite a rate.
    exact = 1e-6 if ".mkv" in (source, result) else 0
    assert float(rate_of(film)) == pytest.approx(float(Fraction(rate)), rel=exact)
    assert float(rate_of(done.path)) == pytest.approx(float(Fraction(rate)), rel=exact)


DELAYS = [
    ("dub.mp3", []), ("dub.m4a", []), ("dub.opus", []), ("dub.ogg", ["-c:a", "libvorbis", "-ac", "2"]),
    ("dub.ac3", []), ("dub.flac", []), ("dub.mka", ["-c:a", "libmp3lame"]),
]  # fmt: skip


@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("name", "options"), DELAYS, ids=[row[0] for row in DELAYS])
def test_an_encoders_run_up_moves_nothing(name: str, options: list[str], result: str, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-bf", "2"))
    wave = films.wav(tmp_path / "noise.wav", films.noise(0.9))
    dub = tmp_path / name
    films.ffmpeg("-i", url(wave), *options, url(dub))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), result)
    assert films.decoded(done.path).times == films.decoded(film).times
    was, start, rate = films.sound(dub)
    now, again, _ = films.sound(done.path)
    piece = was[0, int(0.3 * rate) : int(0.6 * rate)]
    at = [int(np.argmax(np.correlate(samples[0], piece, "valid"))) / rate for samples in (was, now)]
    # A file's first sample stands at zero, however late its container says that it is.
    assert at[1] + float(again) == pytest.approx(at[0], abs=1e-3), float(start)


LAYOUTS = [
    "mono",
    "2.1",
    "3.0",
    "4.0",
    "5.0",
    "5.1",
    "6.1",
    "7.1",
    "7.1(wide)",
    "5.1.4",
    "7.1.4",
    "9.1.6",
    "22.2",
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_keep_their_places_or_are_refused_at_once(layout: str, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = tmp_path / "dub.wav"
    count = av.AudioLayout(layout).nb_channels
    tones = "|".join(f"0.3*sin({200 + 90 * k}*2*PI*t)" for k in range(count))
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", f"aevalsrc={tones}:c={layout}:s=48000", url(dub))
    assert len(sound.audio(dub)[0]) == 16000
    for result in (".mp4", ".mov", ".mkv"):
        if result == ".mp4" and (count > 8 or layout == "6.1"):
            stages = films.Stages(tmp_path / "refused", film, dub, result)
            with pytest.raises(MediaError, match=r"add -o film\.mov"):
                stages.run(probe)
            continue
        done = films.dubbed(tmp_path / f"job{result}", film, dub, range(3, 6), result)
        samples, _, rate = films.sound(done.path)
        assert len(samples) == count
        power = np.abs(np.fft.rfft(samples[:, : rate // 2] * np.hanning(rate // 2)))
        loudest = 2 * power[:, :5000].argmax(axis=1)
        lfe = {
            k for k, c in enumerate(av.AudioLayout(layout).channels) if "LFE" in c.name and result == ".mp4"
        }
        assert [f for k, f in enumerate(loudest) if k not in lfe] == [
            200 + 90 * k for k in range(count) if k not in lfe
        ]


def test_the_films_own_many_channels_are_refused_at_once(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mov", *films.x264(), "-af", "pan=16c|c0=c0", "-c:a", "pcm_s24le")
    stages = films.Stages(tmp_path / "job", film, dub, ".mp4")
    with pytest.raises(MediaError, match=r"sound track 1 .* cannot be written into mp4"):
        stages.run(probe)
    alone = films.Stages(tmp_path / "alone", film, dub, ".mp4", remux={"original": "drop"})
    alone.run(probe)
    assert len(films.sound(films.dubbed(tmp_path / "kept", film, dub, range(3, 6)).path, 1)[0]) == 16


def test_sixteen_mono_tracks_and_high_rates_stay(tmp_path: Path) -> None:
    film = tmp_path / "film.mov"
    tracks = [option for _ in range(16) for option in ("-map", "1")]
    films.ffmpeg(
        *films.moving(), "-f", "lavfi", "-t", "1", "-i", "sine=300:r=48000", "-map", "0", *tracks,
        *films.x264(), "-c:a", "pcm_s24le", "-ac", "1", url(film),
    )  # fmt: skip
    dub = tmp_path / "dub.wav"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", "anoisesrc=r=96000:seed=1", "-c:a", "pcm_s24le", url(dub))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6))
    with av.open(str(done.path)) as after:
        kinds = [(s.codec_context.name, s.codec_context.sample_rate) for s in after.streams.audio]
    assert kinds == [("pcm_s24le", 96000)] + 16 * [("pcm_s24le", 48000)]


REFUSED = [
    (
        "film.webm",
        [
            "-c:v",
            "libvpx-vp9",
            "-pix_fmt",
            "yuv420p",
            "-vf",
            "scale=97:65",
            "-deadline",
            "realtime",
            "-c:a",
            "libopus",
        ],
        "97x65",
        ".mkv",
        "ffv1",
    ),
    (
        "film.dv",
        ["-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-r", "30000/1001", "-ac", "2"],
        "720x480",
        ".mov",
        "ffv1",
    ),
    (
        "film.mov",
        ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"],
        "96x64",
        ".mov",
        "ffv1",
    ),
    ("film.mkv", ["-c:v", "libx264", "-pix_fmt", "yuv420p"], "96x64", ".mkv", ""),
]


@pytest.mark.parametrize(
    ("name", "options", "size", "result", "way"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_what_no_encoder_takes_is_refused_by_probe_with_what_to_type(
    name: str, options: list[str], size: str, result: str, way: str, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / name, *options, size=size)
    asked: dict[str, Any] = {} if way else {"compose": {"codec": "prores", "profile": "nonsense"}}
    stages = films.Stages(tmp_path / "job", film, dub, result, **asked)
    with pytest.raises(MediaError, match=r"ffv1 -o film\.mkv") as caught:
        stages.run(probe)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "job" / "split").exists()
    # What it says to type does it, and loses nothing.
    done = films.dubbed(tmp_path / "lossless", film, dub, range(3, 6), ".mkv", compose={"codec": "ffv1"})
    with av.open(str(done.path)) as after:
        assert after.streams.video[0].codec_context.name == "ffv1"
    before, after_ = films.decoded(film, keep=True), films.decoded(done.path, keep=True)
    assert (
        all(np.array_equal(a, b) for a, b in zip(before.frames[0], after_.frames[0], strict=False))
        or before.name != after_.name
    )


def test_a_picture_that_no_encoder_takes_is_copied_where_that_is_asked_for(tmp_path: Path, dub: Path) -> None:
    """ProRes 4444 decodes to 12 bits. Where a frame is changed no film is written; layers can be taken."""
    film = films.make(
        tmp_path / "film.mov", "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"
    )
    done = films.dubbed(tmp_path / "job", film, dub, compose={"video": "copy"})
    assert (done.note["copied"], done.note["encoded"]) == (25, 0)
    assert films.decoded(done.path).hashes == films.decoded(film).hashes
    assert films.decoded(done.path).name == "yuva444p12le"
    with pytest.raises(MediaError, match=r"3 frames are changed.*dubcli layers export") as caught:
        films.dubbed(tmp_path / "touched", film, dub, range(3, 6), compose={"video": "copy"})
    assert caught.value.exit_code == 3
    with pytest.raises(ValidationError, match=r"leave .* out"):
        ComposeSettings(video="copy", codec="ffv1")


def test_a_container_that_cannot_hold_the_picture_is_refused_by_probe(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mov", "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le")
    stages = films.Stages(tmp_path / "job", film, dub, ".mp4")
    with pytest.raises(MediaError, match=r"add -o film\.mov"):
        stages.run(probe)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("film.mxf", ["-c:v", "mpeg2video", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le"], "96x64"),
        (
            "film.mxf",
            ["-c:v", "dnxhd", "-b:v", "60M", "-pix_fmt", "yuv422p", "-c:a", "pcm_s24le"],
            "1280x720",
        ),
    ],
    ids=["mpeg2", "dnxhd"],
)
def test_mxf_comes_out_as_mov(name: str, options: list[str], size: str, tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / name, *options, size=size, seconds=0.5)
    out = default_out(film, dub)
    assert out.suffix == ".mov"
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), out.suffix)
    assert len(films.decoded(done.path).times) == len(films.decoded(film).times)


def test_a_picture_that_stays_whole_but_cannot_stand_there_is_encoded(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.avi", "-c:v", "huffyuv", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le")
    done = films.dubbed(tmp_path / "job", film, dub, (), ".mp4")
    with av.open(str(done.path)) as after:
        assert after.streams.video[0].codec_context.name == "h264"
    assert len(films.decoded(done.path).times) == 25


def test_raw_dv_has_a_rate(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.dv", "-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-ac", "2",
                      rate="30000/1001", size="720x480", seconds=0.5)  # fmt: skip
    for whole in (True, False):
        assert float(probed(film, whole=whole).film.rate) == pytest.approx(30000 / 1001, rel=0.01)


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_a_dub_that_starts_after_its_own_picture_is_told_of(late: float, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = tmp_path / "dub.mov"
    films.ffmpeg(
        *films.moving(), "-itsoffset", str(late), "-f", "lavfi", "-t", "1", "-i", films.TONE,
        *films.x264(), "-c:a", "pcm_s16le", url(dub),
    )  # fmt: skip
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.run(probe)
    told = [line for line in stages.warnings if "after its picture" in line]
    assert len(told) == (late > 0)
    assert all(f"align.offset={late:.3f}" in line for line in told)


TURNS = {  # how the raster's own axes (right, down) are shown: clockwise turns that bring it upright
    (1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3,
    (-1, 0, 0, 1): 0, (1, 0, 0, -1): 2, (0, 1, 1, 0): 1, (0, -1, -1, 0): 3,
}  # fmt: skip


@pytest.mark.parametrize("matrix", list(TURNS))
def test_all_eight_orientations_are_turned_upright(
    matrix: tuple[int, int, int, int], tmp_path: Path, dub: Path
) -> None:
    """What is shown below must be below in the turned raster, and in thumbnails; the flag stays."""
    films.make(tmp_path / "plain.mov", *films.x264("-g", "8"), sound="")
    film = tmp_path / "film.mov"
    a, b, c, d = (65536 * value for value in matrix)
    with av.open(str(tmp_path / "plain.mov")) as before, av.open(str(film), "w") as out:
        stream = out.add_stream_from_template(before.streams.video[0], opaque=True)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for packet in before.demux(before.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    video = probed(film).film
    assert video.quarter_turns == TURNS[matrix]
    # A raster whose sample at (x, y) is (x, y), shown: going right on the screen is x' = ax + cy.
    y, x = np.mgrid[0:4, 0:6]
    shown = video.displayed(np.stack([x, y], axis=-1))
    at = shown.reshape(-1, 2) - (2.5, 1.5)
    screen = at @ np.array(matrix, float).reshape(2, 2)
    height, width = shown.shape[:2]
    v, u = np.mgrid[0:height, 0:width]
    want = np.stack([u - (width - 1) / 2, v - (height - 1) / 2], axis=-1).reshape(-1, 2)
    assert np.allclose(screen, want)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert probed(done.path).film.display == video.display


@pytest.mark.parametrize("sar", [(2, 1), (64, 45), (16, 15), (8, 9), (1, 2)])
def test_pictures_in_square_pixels_and_back(sar: tuple[int, int], tmp_path: Path) -> None:
    """A circle on the screen is one in the picture; a patch goes back to its place alone."""
    wide, high = 192, 128
    film = tmp_path / "film.mp4"
    ring = f"geq=lum='if(lt(hypot((X-80)*{sar[0]}/{sar[1]},Y-60),30),200,50)':cb=128:cr=128"
    films.ffmpeg(
        "-f", "lavfi", "-i", f"color=s={wide}x{high}:r=25:d=0.2,{ring},setsar={sar[0]}/{sar[1]}",
        *films.x264("-qp", "0"), url(film),
    )  # fmt: skip
    video = probed(film).film
    assert min(a / b for a, b in zip(video.square, (wide, high), strict=True)) >= 1
    pts = np.arange(5, dtype=np.int64) * 512
    frame = next(decode.frames(film, video, pts, 0, 1))
    rgb = frame.rgb()
    assert rgb.shape == (video.square[1], video.square[0], 3)
    ys, xs = np.nonzero(rgb[..., 1] > 125)
    assert np.ptp(xs) == pytest.approx(np.ptp(ys), abs=3)
    x, y, w, h = 20, 16, 60, 50
    assert np.abs(frame.rgb((x, y, w, h)).astype(int) - rgb[y : y + h, x : x + w]).mean() < 3
    mask = np.zeros((h, w), np.uint8)
    mask[10:40, 15:45] = 255
    back, there, left, top = frame.square.to_raster((frame.rgb((x, y, w, h)), mask, x, y))
    own = frame.colour.rgb(frame.planes, (0, 0, wide, high))
    part = own[top : top + there.shape[0], left : left + there.shape[1]]
    solid = there == 255
    assert solid.sum() * np.prod(frame.square.factor) == pytest.approx(900, rel=0.2)
    assert np.abs(back[solid].astype(int) - part[solid]).mean() < 4  # only as soft as one resampling
    rows, columns = np.nonzero(there)
    fx, fy = frame.square.factor
    assert (left + columns.min()) * fx >= x + 15 - fx
    assert (left + columns.max() + 1) * fx <= x + 45 + fx
    assert (top + rows.min()) * fy >= y + 10 - fy


def test_square_films_are_left_alone() -> None:
    plain = square.Square((64, 48), (64, 48))
    patch = (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.uint8), -2, 7)
    assert plain.is_square
    assert plain.to_raster(patch) is patch


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
    track = sound.with_decoded_start(dub, sound.main_track(probed(dub)))
    source = picture.Film(film, info.film, pts)
    monkeypatch.setattr(Process, "finish", watched)
    voice = remux.Dub(dub, track, 60.0, "")
    remux.mux(source, info, [], [(0, 1500)], "rawvideo", voice, tmp_path / "out.mkv", tmp_path)
    assert max(peaks) < 0.6 * film.stat().st_size  # all of it was held


@pytest.mark.parametrize("out", [".", "/", "folder"])
def test_a_folder_is_no_output(out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    film, dub = (
        films.make(tmp_path / "film.mp4", *films.x264()),
        films.wav(tmp_path / "d.wav", films.noise(0.1)),
    )
    with pytest.raises(UsageError, match="is a folder; name the film"):
        Job.create_or_open(film, dub, Settings(), out=Path(out))


def test_the_outputs_folder_is_made(tmp_path: Path) -> None:
    film, dub = (
        films.make(tmp_path / "film.mp4", *films.x264()),
        films.wav(tmp_path / "d.wav", films.noise(0.1)),
    )
    out = tmp_path / "delivery" / "fr" / "film.mov"
    Job.create_or_open(film, dub, Settings(), out=out, save=False)
    assert not out.parent.exists()
    Job.create_or_open(film, dub, Settings(), out=out)
    assert out.parent.is_dir()
    with pytest.raises(UsageError, match="no folder"):
        Job.create_or_open(film, dub, Settings(), out=film / "x" / "film.mov")


def test_a_film_that_grows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = films.make(tmp_path / "film.ts", *films.x264())
    stages = films.Stages(tmp_path / "job", film)
    from dubcli.media import probe as looking

    real = looking.probe

    def meanwhile(path: Path, **options: Any) -> MediaInfo:
        info = real(path, **options)
        with path.open("ab") as file:
            file.write(bytes(188))
        return info

    monkeypatch.setattr(looking, "probe", meanwhile)
    with pytest.raises(MediaError, match="still being written"):
        stages.run(probe)


def test_a_trial_encode_says_what_an_encoder_takes(tmp_path: Path) -> None:
    video = probed(films.make(tmp_path / "film.mp4", *films.x264())).film
    settings = ComposeSettings()
    encode.try_encoder(video, encode.encoding(video, settings), tmp_path)
    assert not (tmp_path / "tried.nut").exists()
    odd = video.model_copy(update={"width": 97})
    with pytest.raises(DubError):
        encode.try_encoder(odd, encode.encoding(odd, settings), tmp_path)
    with Process(["-f", "lavfi", "-i", "color=d=0.1", "-f", "null", "-"]):
        pass  # leaving waits for it


def test_a_tracker_sees_square_pixels_upright_and_then_the_raster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody is found as the film is shown, its flag may be wrong: the raster is searched as it is."""
    films.make(tmp_path / "plain.mov", *films.x264("-vf", "setsar=2/1"), sound="", seconds=0.5)
    film = tmp_path / "film.mov"
    films.ffmpeg("-display_rotation", "180", "-i", url(tmp_path / "plain.mov"), "-c", "copy", url(film))
    stages = films.Stages(tmp_path / "job", film)
    stages.read()
    seen: list[tuple[int, int, tuple[int, ...]]] = []

    class Blind:
        def track(self, pictures: Any, *, turn: int, **_: Any) -> list[Any]:
            shapes = [picture.rgb().shape for picture in pictures]
            seen.append((turn, len(shapes), shapes[0]))
            return []

    monkeypatch.setattr(track, "engine", lambda *_: SimpleNamespace(load=Blind))
    stages.run(track)
    assert seen == [(2, 13, (64, 192, 3)), (0, 13, (64, 192, 3))]


@pytest.mark.parametrize("touched", [range(3, 6), ()], ids=["touched", "untouched"])
def test_avc_intra_in_mxf_keeps_its_profile_and_every_other_frame(
    touched: Sequence[int], tmp_path: Path, dub: Path
) -> None:
    film = films.make(
        tmp_path / "film.mxf", "-c:v", "libx264", "-avcintra-class", "100", "-pix_fmt", "yuv422p10le",
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


def test_hard_telecine_keeps_every_frame_and_its_fields(tmp_path: Path, dub: Path) -> None:
    film = tmp_path / "film.mov"
    films.ffmpeg(
        *films.moving("24000/1001"), "-f", "lavfi", "-t", "1", "-i", films.TONE,
        "-vf", "telecine=pattern=23,setfield=tff", "-c:v", "prores_ks", "-flags", "+ildct",
        "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le", url(film),
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, range(10, 13), ".mov")
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    assert [k for k, (a, b) in enumerate(zip(before.hashes, after.hashes, strict=True)) if a != b] == [
        10, 11, 12,
    ]  # fmt: skip
    with av.open(str(film)) as one, av.open(str(done.path)) as two:
        fields = [[f.interlaced_frame for f in box.decode(video=0)] for box in (one, two)]
    assert fields[0] == fields[1]


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


def _hdr10_plus(frame: int) -> bytes:
    """An HEVC SEI unit with one window of SMPTE ST 2094-40 (HDR10+) metadata, in Annex B."""
    bits = "01" + f"{4000 + frame:027b}" + "0"  # windows, target luminance, no peaks of the target
    bits += 3 * f"{50000 + frame:017b}" + f"{20000:017b}" + "0000" + f"{700:010b}" + "000"
    body = bytes(int(bits[k : k + 8].ljust(8, "1"), 2) for k in range(0, len(bits), 8))
    payload = bytes([0xB5, 0x00, 0x3C, 0x00, 0x01, 4, 1]) + body  # ITU-T T.35: country, provider, application
    message = bytes([39 << 1, 1, 4, len(payload)]) + payload + b"\x80"
    return b"\x00\x00\x00\x01" + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", message)


@pytest.mark.parametrize("touched", [range(3, 6), ()], ids=["touched", "untouched"])
def test_hdr10_plus_stays_where_frames_are_copied_and_is_named_as_lost_elsewhere(
    touched: Sequence[int], tmp_path: Path, dub: Path
) -> None:
    plain = films.make(
        tmp_path / "plain.hevc", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params",
        "log-level=none:keyint=10:no-open-gop=1:bframes=0:aud=1:repeat-headers=1", seconds=2.0, sound="",
    )  # fmt: skip
    units = re.split(rb"(?=\x00\x00\x01\x46\x01)", plain.read_bytes())  # access unit delimiters
    marked = b"".join(
        re.sub(rb"(\x00\x00\x01[\x00-\x2b]\x01)", lambda m, k=k: _hdr10_plus(k) + m[1], unit, count=1)
        for k, unit in enumerate(units[1:])
    )
    (tmp_path / "marked.hevc").write_bytes(units[0] + marked)
    film = tmp_path / "film.mkv"
    films.ffmpeg("-r", "25", "-i", url(tmp_path / "marked.hevc"), "-c", "copy", url(film))
    assert all(_dynamic(film))

    stages = films.Stages(tmp_path / "job", film, dub, ".mkv")
    stages.read()
    assert any("HDR10+" in line for line in stages.warnings)
    if touched:
        stages.touch(list(touched))
    kept = _dynamic(stages.finish().path)
    encoded = set(range(10)) if touched else set()
    assert [k for k, there in enumerate(kept) if not there] == sorted(encoded)


def _dynamic(path: Path) -> list[bool]:
    """Whether each picture carries HDR10+ metadata."""
    found = []
    with av.open(str(path)) as box:
        for frame in box.decode(video=0):
            beside: Any = frame.side_data
            found.append(any(data.type.name == "DYNAMIC_HDR_PLUS" for data in beside))
    return found


@pytest.mark.parametrize("touched", [range(20, 23), ()], ids=["touched", "untouched"])
def test_mxf_that_counts_packets_keeps_its_pictures_in_time(
    touched: Sequence[int], tmp_path: Path, dub: Path
) -> None:
    """FFmpeg's own muxer writes no index that says in which order B-frames are shown."""
    film = films.make(
        tmp_path / "film.mxf", *films.x264("-pix_fmt", "yuv422p10le", "-g", "12", "-bf", "2"),
        "-c:a", "pcm_s24le", seconds=2.0,
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mov")
    assert films.decoded(done.path).times == [Fraction(k, 25) for k in range(50)]
