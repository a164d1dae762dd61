"""Frames are found by number, cuts where they are, and sound by the sample, dialogue first."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.artifacts.shots import Frames, Shots
from dubcli.media import decode, sound, source
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import split
from tests.media import films

X265 = "keyint=12:log-level=none:pools=1:frame-threads=1"


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", films.x264("-g", "12", "-bf", "3")),
        (".ts", films.x264("-g", "12", "-bf", "2")),
        (".mpg", ["-c:v", "mpeg2video", "-g", "12", "-bf", "2"]),
        (".mkv", ["-c:v", "libx265", "-x265-params", X265]),
        (".mov", ["-c:v", "prores_ks"]),
    ],
)
def test_a_frame_is_the_same_however_it_is_reached(suffix: str, options: list[str], tmp_path: Path) -> None:
    film = films.make(tmp_path / f"film{suffix}", *options, seconds=2)
    whole = films.decoded(film)
    video = probe(film).film
    pts = np.array([round(t / video.tick) for t in whole.times], np.int64)
    for start, stop in [(0, 3), (47, 50), (13, 14), (11, 26), (30, 30)]:
        found = list(decode.frames(film, video, pts, start, stop))
        assert [frame.index for frame in found] == list(range(start, stop))
        assert [films.hashed(frame.frame) for frame in found] == whole.hashes[start:stop]


def test_a_decoder_takes_no_more_memory_on_a_machine_of_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    film = films.make(tmp_path / "film.mp4", *films.x264())
    with source.opened(film) as container:
        assert decode.open_stream(container, film).codec_context.thread_count == 4


def test_fields_of_mpeg4_are_the_same_however_they_are_reached(tmp_path: Path) -> None:
    """FFmpeg decodes them in another way on several threads."""
    fields = ["-vf", "scale=720:576,setfield=tff", "-flags", "+ildct+ilme"]
    film = films.make(tmp_path / "film.avi", "-c:v", "mpeg4", "-q:v", "2", "-bf", "1", *fields, seconds=2)
    stages = films.Stages(tmp_path / "job", film)
    stages.read()
    frames = Frames.load(stages.view.one("split").path)
    with av.open(str(film)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        alone = [decode.digest(frame) for frame in container.decode(video=0)]
    assert [row.tobytes() for row in frames.digest] == alone
    for start in (0, 13, 30):
        video = probe(film).film
        found = decode.frames(film, video, frames.pts, start, start + 10, frames.digest)
        assert [decode.digest(frame.frame) for frame in found] == alone[start : start + 10]


def test_cuts_are_found_and_digests_do_not_know_the_container(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    films.ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1.2",
        "-f", "lavfi", "-i", "mandelbrot=size=96x64:rate=25",
        "-filter_complex", "[1]trim=end=1[b];[0][b]concat=n=2:v=1:a=0", *films.x264("-bf", "2"), url(film),
    )  # fmt: skip
    films.ffmpeg("-i", url(film), "-c", "copy", url(tmp_path / "film.mkv"))
    found = []
    for path in (film, tmp_path / "film.mkv"):
        stages = films.Stages(tmp_path / path.suffix, path)
        stages.read()
        found.append(Shots.load(stages.view.one("split").path).shots)
    assert [(shot.start, shot.stop) for shot in found[0]] == [(0, 30), (30, 55)]
    assert found[0] == found[1]
    assert probe(film).film.digest == probe(tmp_path / "film.mkv").film.digest
    assert split.STAGE.name == "split"


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a", ".mp3"])
def test_sound_is_read_at_the_rate_asked_for(suffix: str, tmp_path: Path) -> None:
    samples = films.noise(1.0)
    path = tmp_path / f"dub{suffix}"
    films.ffmpeg("-i", url(films.wav(tmp_path / "noise.wav", samples)), url(path))
    found, start = sound.audio(path, rate=48000)
    assert start == 0
    assert found.dtype == np.float32
    assert abs(len(found) - 48000) <= 1200
    assert np.argmax(np.correlate(found[:30000], samples[2000:22000], "valid")) == 2000


def test_dialogue_is_taken_from_the_centre_unless_it_is_silent(tmp_path: Path) -> None:
    time = np.arange(48000) / 48000
    centre, side = 0.3 * np.sin(2 * np.pi * 440 * time), 0.3 * np.sin(2 * np.pi * 1000 * time)
    quiet = np.zeros_like(time)
    for name, middle, wanted in (("centre", centre, 440), ("sides", quiet, 1000)):
        films.wav(tmp_path / "six.wav", np.stack([side, side, middle, quiet, quiet, quiet], axis=1))
        path = tmp_path / f"{name}.mkv"
        films.ffmpeg(
            "-i", url(tmp_path / "six.wav"), "-af", "aformat=channel_layouts=5.1", "-c:a", "flac", url(path)
        )
        found, _ = sound.audio(path, rate=16000)
        strongest = np.argmax(np.abs(np.fft.rfft(found[:16000])))
        assert strongest == wanted


@pytest.mark.parametrize("right", [-1.0, 1.0, 0.0])
def test_a_channel_that_is_inverted_does_not_silence_the_dub(right: float, tmp_path: Path) -> None:
    left = 0.3 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    path = films.wav(tmp_path / "two.wav", np.stack([left, right * left], axis=1))
    told: list[str] = []
    found, _ = sound.audio(path, warn=told.append)
    assert np.std(found) > 0.4 * np.std(left)
    assert [" cancel each other out" in line for line in told] == [True] * (right == -1.0)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_f32le", "flac", "libmp3lame"])
@pytest.mark.parametrize("level", [0.99, 1.5])
def test_a_dub_that_is_clipped_is_told_of(level: float, codec: str, tmp_path: Path) -> None:
    tone = level * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    path = tmp_path / "dub.mka"
    quiet = np.concatenate([np.zeros(8000), np.clip(tone, -1, 1)])
    films.ffmpeg("-i", url(films.wav(tmp_path / "tone.wav", quiet)), "-c:a", codec, url(path))
    told: list[str] = []
    sound.audio(path, warn=told.append)
    expected = level > 1 and codec != "libmp3lame"
    assert len(told) == expected
    assert all("dub.mka is clipped: " in line for line in told)


@pytest.mark.parametrize(
    ("codec", "told"), [("pcm_f32le", "14.0 dB"), ("pcm_f64le", "14.0 dB"), ("flac", "")]
)
def test_a_dub_that_goes_beyond_full_scale_is_told_of(codec: str, told: str, tmp_path: Path) -> None:
    """Floats do, and are not clipped before an encoder or a player does it."""
    tone = films.wav(tmp_path / "tone.wav", np.sin(2 * np.pi * 440 * np.arange(8000) / 16000))
    path = tmp_path / "dub.mka"
    loud = "aformat=dbl,volume=5" if told else "volume=0.5"
    films.ffmpeg("-i", url(tone), "-af", loud, "-c:a", codec, url(path))
    lines: list[str] = []
    sound.audio(path, warn=lines.append)
    assert len(lines) == bool(told)
    assert all(f"dub.mka goes beyond full scale, by {told}" in line for line in lines)


@pytest.mark.parametrize(("direct", "rest"), [(0.5, 0.0), (0.05, 0.0), (0.001, 0.001)])
def test_a_direct_current_is_no_sound(direct: float, rest: float, tmp_path: Path) -> None:
    """As of a faulty interface; of an ordinary one every sample stays."""
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    found, _ = sound.audio(films.wav(tmp_path / "tone.wav", tone + direct))
    assert float(found.mean()) == pytest.approx(rest, abs=1e-4)
    assert np.std(found) == pytest.approx(np.std(tone), rel=0.02)


def test_sound_starts_relative_to_the_first_picture_and_gaps_are_silent(tmp_path: Path) -> None:
    burst = films.wav(tmp_path / "burst.wav", films.noise(0.5))
    film = tmp_path / "film.mkv"
    films.ffmpeg(
        *films.moving(seconds=2),
        "-itsoffset",
        "0.4",
        "-i",
        url(burst),
        *films.x264(),
        "-c:a",
        "pcm_s16le",
        url(film),
    )
    found, start = sound.audio(film)
    assert start == pytest.approx(0.4, abs=1e-3)
    assert len(found) == pytest.approx(8000, abs=2)


def test_small_frames_are_joined_but_not_over_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opus of 2.5 ms, of which 0.4 s are lost: one sound frame by frame and joined, with silence in place."""
    burst, path = films.wav(tmp_path / "burst.wav", films.noise(1.0)), tmp_path / "sound.mka"
    lost = ["-bsf:a", "noise=drop='between(pts*tb,0.3,0.7)'"]
    films.ffmpeg("-i", url(burst), "-c:a", "libopus", "-frame_duration", "2.5", *lost, url(path))
    joined, start = sound.audio(path)
    monkeypatch.setattr(sound, "_JOINED", 1)
    single, again = sound.audio(path)
    assert np.array_equal(joined, single)
    assert start == again
    assert len(joined) == pytest.approx(16000, abs=160)
    assert not joined[4960:11000].any()
    assert min(joined[:4700].std(), joined[11400:].std()) > 0.01


@pytest.mark.parametrize(
    ("clip", "cuts"), [("scenes/stage_4shots.mp4", [20, 82, 211]), ("talk/man_moustache.mp4", [])]
)
def test_a_hand_in_a_dark_picture_is_no_cut(
    clip: str, cuts: list[int], footage: Path, tmp_path: Path
) -> None:
    stages = films.Stages(tmp_path / "job", footage / clip)
    stages.read()
    shots = Shots.load(stages.view.one("split").path).shots
    assert [shot.start for shot in shots] == [0, *cuts]


def test_a_long_sound_is_read_in_blocks_that_leave_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = np.stack([0.1 * films.noise(60.0)] * 6, axis=1)
    films.wav(tmp_path / "six.wav", sides)
    path = tmp_path / "six.flac"
    films.ffmpeg(
        "-i", url(tmp_path / "six.wav"), "-af", "aformat=channel_layouts=5.1", "-c:a", "flac", url(path)
    )
    whole, _ = sound.audio(path)
    assert len(whole) == 60 * 16000
    for block in (16000, 12345):
        monkeypatch.setattr(sound, "_BLOCK", block)
        tracemalloc.start()
        again, _ = sound.audio(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert again.tobytes() == whole.tobytes()
        # Memory that is asked for: blocks, and the whole, which is touched only as blocks are given back.
        assert peak < 2.3 * whole.nbytes, "not once for each channel"
