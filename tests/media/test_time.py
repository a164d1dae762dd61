"""Every frame of a dubbed film is shown when it was in the source, and the dub sounds where it belongs."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.media import sound
from dubcli.media.ffmpeg import url
from tests.media import films

RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001"]


@pytest.mark.parametrize("way", ["copy-untouched", "encode"])
@pytest.mark.parametrize("rate", RATES)
def test_times_survive_at_every_rate(rate: str, way: str, tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8", "-bf", "2"), rate=rate)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), compose={"video": way})
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    assert len(before.times) > 20
    rest = len(before.times) - 7  # 9 to the end of the group, 15, are encoded
    assert done.note["copied"] == (0 if way == "encode" else rest)


def test_times_of_a_high_speed_camera_survive(tmp_path: Path, dub: Path) -> None:
    """FFmpeg takes a thousand pictures a second of an encoded part for two thousand."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-bf", "2"), rate="1000", seconds=0.05)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert films.decoded(done.path).times == films.decoded(film).times


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_the_last_picture_is_shown_as_long_as_the_container_says(suffix: str, tmp_path: Path) -> None:
    """Also where that is no usual duration: the dub goes on over it."""
    held = f"setts=duration=if(eq(N\\,{24})\\,0.6/TB\\,DURATION)"
    film = films.make(
        tmp_path / f"film{suffix}", *films.x264("-g", "8", "-bf", "0", "-bsf:v", held), sound=""
    )
    dub = films.wav(tmp_path / "dub_fr.wav", films.noise(2))
    done = films.dubbed(tmp_path / "job", film, dub, range(4, 8))
    samples, start, rate = films.sound(done.path)
    assert float(start) + len(samples[0]) / rate == pytest.approx(0.96 + 0.6, abs=0.03)
    if suffix == ".mp4":
        with av.open(str(done.path)) as container:
            stream = container.streams.video[0]
            assert stream.duration is not None
            assert stream.time_base is not None
            assert stream.duration * stream.time_base == Fraction(24, 25) + Fraction(3, 5)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_last_picture_of_irregular_ones_is_shown_as_long_as_it_was(
    suffix: str, tmp_path: Path, dub: Path
) -> None:
    """As of a phone: encoded pictures are stored in another order."""
    irregularly = "setpts='(N*3021+mod(N*37,11)*60)/90000/TB'"
    options = ("-fps_mode", "vfr", "-enc_time_base", "1/90000", "-video_track_timescale", "90000", "-bf", "0")
    film = films.make(
        tmp_path / "film.mp4", "-vf", f"settb=1/90000,{irregularly}", *options, *films.x264("-g", "8")
    )
    for late in (0, 0.4):
        films.ffmpeg("-itsoffset", str(late), "-i", url(film), "-c", "copy", url(tmp_path / f"{late}.mp4"))
        done = films.dubbed(tmp_path / f"job{late}", tmp_path / f"{late}.mp4", dub, range(16, 25), suffix)
        lengths = []
        for path in (tmp_path / f"{late}.mp4", done.path):
            with av.open(str(path)) as box:
                stream = box.streams.video[0]
                assert stream.duration is not None
                assert stream.time_base is not None
                lengths.append(stream.duration * stream.time_base)
        assert lengths[0] == lengths[1]
        assert films.decoded(done.path).times == films.decoded(tmp_path / f"{late}.mp4").times


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_last_of_pictures_that_come_early_is_shown_no_longer(suffix: str, tmp_path: Path) -> None:
    """What variable rate leaves over of the average one is not its."""
    early = "setpts=if(gt(N\\,9)\\,PTS-0.038/TB\\,PTS)"
    options = ("-fps_mode", "vfr", "-enc_time_base", "1/1000", "-bf", "0")
    film = films.make(tmp_path / "film.mkv", "-vf", early, *options, *films.x264("-g", "8"), sound="")
    dub = films.wav(tmp_path / "dub.wav", films.noise(2))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), suffix)
    with av.open(str(done.path)) as box:
        *_, last = (packet for packet in box.demux(video=0) if packet.size)
        assert last.time_base is not None
        assert last.duration is not None
        assert last.duration * last.time_base == Fraction(40, 1000)


def test_the_last_picture_after_slides_is_shown_as_long_as_most(tmp_path: Path, dub: Path) -> None:
    slides = "setpts=if(lt(N\\,2)\\,N/TB\\,2/TB+(N-2)*0.04/TB)"
    options = ("-fps_mode", "vfr", "-enc_time_base", "1/1000", "-bf", "2")
    film = films.make(tmp_path / "film.mp4", "-vf", slides, *options, *films.x264("-g", "8"), sound="")
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6))
    with av.open(str(film)) as before, av.open(str(done.path)) as after:
        assert before.duration == after.duration


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_irregular_times_survive_exactly(suffix: str, tmp_path: Path, dub: Path) -> None:
    film = irregular(tmp_path / "film.mp4")
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), suffix)
    assert films.decoded(done.path).times == films.decoded(film).times


def test_irregular_times_survive_in_matroska_to_the_millisecond(tmp_path: Path, dub: Path) -> None:
    film = irregular(tmp_path / "film.mp4")
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), ".mkv")
    before, after = films.decoded(film).times, films.decoded(done.path).times
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= Fraction(1, 2000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_film_that_starts_late_stays_late(suffix: str, tmp_path: Path, dub: Path) -> None:
    film = tmp_path / f"film{suffix}"
    films.make(tmp_path / "plain.mp4", *films.x264("-bf", "2"))
    films.ffmpeg("-itsoffset", "1.48", "-i", url(tmp_path / "plain.mp4"), "-c", "copy", "-copyts", url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(4, 8))
    before = films.decoded(film).times
    assert before[0] > 1
    assert films.decoded(done.path).times == before


def test_a_film_that_starts_hours_late_is_told_of(tmp_path: Path, dub: Path) -> None:
    """As recordings of broadcasts do: in MP4 and MOV that is an hour of nothing."""
    for hours, told in ((0, False), (1, True)):
        late = ["-output_ts_offset", str(3600 * hours)]
        film = films.make(tmp_path / f"{hours}.ts", *films.x264("-g", "8"), *late, "-c:a", "aac")
        done = films.dubbed(tmp_path / f"job{hours}", film, dub, range(9, 12), ".mp4")
        assert any("times begin at 3601.4" in line for line in done.warnings) == told


def test_an_edit_list_hides_the_same_pictures(tmp_path: Path, dub: Path) -> None:
    """Cut without encoding: pictures before the cut are stored, but not shown."""
    film = tmp_path / "film.mp4"
    films.make(tmp_path / "plain.mp4", *films.x264("-g", "12", "-bf", "2"), seconds=2)
    films.ffmpeg("-ss", "0.72", "-i", url(tmp_path / "plain.mp4"), "-t", "1", "-c", "copy", url(film))
    before = films.decoded(film)
    for k, touched in enumerate([range(14, 16), ()]):
        done = films.dubbed(tmp_path / f"job{k}", film, dub, touched)
        after = films.decoded(done.path)
        assert after.times == before.times
        assert done.note["copied"] > 0
        assert sum(a == b for a, b in zip(before.hashes, after.hashes, strict=True)) >= done.note["copied"]


def play_in_parts(path: Path, *parts: tuple[float, float]) -> None:
    """Give every track of an MP4 of ffmpeg's an edit list of (start, seconds); -1 for a pause."""
    data = bytearray(path.read_bytes())
    top = data.rindex(b"moov")
    (scale,) = struct.unpack_from(">I", data, data.index(b"mvhd", top) + 16)
    at = len(data)
    while (at := data.rfind(b"edts", top, at)) >= 0:
        (ticks,) = struct.unpack_from(">I", data, data.index(b"mdhd", at) + 16)
        (first,) = struct.unpack_from(">i", data, at + 24)
        edits = b"".join(
            struct.pack(
                ">IiI", round(length * scale), -1 if start < 0 else first + round(start * ticks), 1 << 16
            )
            for start, length in parts
        )
        new = (
            struct.pack(">I4sI4sII", 24 + len(edits), b"edts", 16 + len(edits), b"elst", 0, len(parts))
            + edits
        )
        (size,) = struct.unpack_from(">I", data, at - 4)
        data[at - 4 : at - 4 + size] = new
        for around in (data.rindex(b"trak", top, at), top):
            (before,) = struct.unpack_from(">I", data, around - 4)
            struct.pack_into(">I", data, around - 4, before + len(new) - size)
    path.write_bytes(data)


@pytest.mark.parametrize("result", [".mp4", ".mkv"])
def test_a_film_played_in_parts_keeps_its_sound(result: str, tmp_path: Path, dub: Path) -> None:
    """As programs leave it that cut without encoding: what lies between the parts is not heard."""
    noise = films.wav(tmp_path / "noise.wav", films.noise(3))
    film = tmp_path / "film.mp4"
    films.ffmpeg(
        *films.moving(seconds=3),
        "-i",
        url(noise),
        *films.x264("-g", "5"),
        "-c:a",
        "aac",
        "-b:a",
        "256k",
        url(film),
    )
    play_in_parts(film, (0, 0.8), (2, 0.8))
    before, after = films.decoded(film), films.dubbed(tmp_path / "job", film, dub, range(4, 8), result)
    shown = films.decoded(after.path)
    assert shown.times == before.times
    assert len(shown.times) == 40
    heard, kept = films.sound(film)[0][0], films.sound(after.path, 1)[0][0]
    length = min(len(heard), len(kept))
    assert abs(len(heard) - len(kept)) < 2048
    assert np.corrcoef(heard[:length], kept[:length])[0, 1] > 0.95


def test_sound_that_begins_late_and_from_within_does_so(tmp_path: Path, dub: Path) -> None:
    """As editing programs leave it: packets hold what comes before, and it is not heard."""
    noise, film = films.wav(tmp_path / "noise.wav", films.noise(2)), tmp_path / "film.mp4"
    picture = [*films.moving(seconds=2), "-i", url(noise), *films.x264("-g", "5")]
    films.ffmpeg(*picture, "-c:a", "aac", "-b:a", "256k", url(film))
    play_in_parts(film, (-1, 0.4), (0.6, 0.8))
    (heard, *_), begin, rate = films.sound(film)
    (kept, *_), start, _ = films.sound(films.dubbed(tmp_path / "job", film, dub, range(4, 8)).path, 1)
    first, count = round((begin - start) * rate), len(heard) - 2048
    assert np.abs(kept[: max(0, first - 2048)]).max(initial=0) < 0.01
    near = (kept[first + apart : first + apart + count] for apart in (-1, 0, 1))  # ticks are rounded
    assert max(np.corrcoef(heard[:count], one)[0, 1] for one in near) > 0.95


def test_a_pause_within_sound_is_silent(tmp_path: Path, dub: Path) -> None:
    """FFmpeg plays the beginning of the sound in it."""
    noise = films.wav(tmp_path / "noise.wav", films.noise(3))
    film = tmp_path / "film.mov"
    picture = [*films.moving(seconds=3), "-i", url(noise), *films.x264("-g", "5")]
    films.ffmpeg(*picture, "-c:a", "pcm_s16le", url(film))
    play_in_parts(film, (0, 0.8), (-1, 0.5), (1, 0.9))
    done = films.dubbed(tmp_path / "job", film, dub, range(4, 8))
    after, (line,) = done.path, done.note["left_out"]
    assert "pauses of the picture" in line
    (heard, *_), start, rate = films.sound(after, 1)
    assert start == 0
    assert rate == 48000
    assert np.abs(heard[:38400] - films.noise(3)[:38400]).max() < 1e-3
    assert not heard[39424:62300].any()  # parts end with a packet
    assert heard[64000:].any()
    mouths, _ = sound.audio(film, rate=48000)
    assert not mouths[39000:62000].any()
    assert mouths[:38000].any()
    assert mouths[64000:].any()


def test_sound_that_starts_after_the_picture_stays_there(tmp_path: Path, dub: Path) -> None:
    burst = films.wav(tmp_path / "burst.wav", films.noise(0.5))
    film = tmp_path / "film.mov"
    films.ffmpeg(
        *films.moving(), "-itsoffset", "0.25", "-i", url(burst), *films.x264(), "-c:a", "pcm_s16le", url(film)
    )
    done = films.dubbed(tmp_path / "job", film, dub, range(4, 8))
    before, start, _ = films.sound(film)
    after, again, _ = films.sound(done.path, 1)
    assert again == start == Fraction(1, 4)
    assert np.array_equal(before, after)


@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_sound_after_a_gap_stays_in_its_place(codec: str, tmp_path: Path, dub: Path) -> None:
    """MOV says no times of PCM, which sound of recordings with dropouts is copied or decoded to."""
    burst, film = films.wav(tmp_path / "burst.wav", films.noise(1.0)), tmp_path / "film.mkv"
    lost = ["-bsf:a", "noise=drop='between(pts*tb,0.3,0.7)'"]
    films.ffmpeg(*films.moving(), "-i", url(burst), *films.x264(), "-c:a", codec, *lost, url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(4, 8), ".mov")
    (before,), _, rate = films.sound(burst)
    (after,), start, _ = films.sound(done.path, 1)
    assert start == 0
    assert abs(len(after) - len(before)) < 0.002 * rate  # Matroska counts milliseconds
    assert not after[round(0.4 * rate) : round(0.65 * rate)].any()
    piece = before[round(0.8 * rate) : round(0.9 * rate)]
    assert abs(int(np.argmax(np.correlate(after, piece, "valid"))) - 0.8 * rate) < 0.001 * rate


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "pcm"), (".mkv", "pcm"), (".mp4", "aac")])
@pytest.mark.parametrize("late", [0, 1])
def test_the_dub_begins_with_the_first_picture(suffix: str, codec: str, late: int, tmp_path: Path) -> None:
    """To the sample; in Matroska, which counts milliseconds, to half of one."""
    samples = films.noise(0.9)
    dub = films.wav(tmp_path / "dub.wav", samples)
    film = tmp_path / f"film{suffix}"
    films.make(tmp_path / "plain.mp4", *films.x264("-bf", "2"))
    films.ffmpeg(
        "-itsoffset", str(late), "-i", url(tmp_path / "plain.mp4"), "-c", "copy", "-copyts", url(film)
    )
    done = films.dubbed(tmp_path / "job", film, dub, range(4, 8))
    found, start, rate = films.sound(done.path)
    assert rate == 48000
    lag = int(np.argmax(np.correlate(found[0], samples[:20000], "valid")))
    at = start + Fraction(lag, rate) - films.decoded(done.path).times[0]
    assert abs(at) <= (Fraction(1, 2000) if suffix == ".mkv" else Fraction(1, rate)), codec


def test_ten_minutes_do_not_drift(tmp_path: Path) -> None:
    """A burst of noise at 9:58 sounds there, and the last frame is shown when it was."""
    seconds = 600
    samples = np.zeros(seconds * 16000)
    samples[598 * 16000 : 598 * 16000 + 8000] = films.noise(0.5, 16000)
    dub = films.wav(tmp_path / "dub.wav", samples, 16000)
    film = films.make(
        tmp_path / "film.mov",
        *films.x264("-g", "48", "-preset", "ultrafast", "-crf", "40", "-c:a", "pcm_s16le"),
        rate="1500/1001",
        seconds=seconds,
        size="32x32",
        sound="",
    )
    done = films.dubbed(tmp_path / "job", film, dub, range(20, 24))
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    assert len(after.times) == 900
    found, start, _ = films.sound(done.path)
    tail = found[0, 597 * 16000 :]
    lag = int(np.argmax(np.correlate(tail, samples[598 * 16000 :][:8000], "valid")))
    assert start + Fraction(597 * 16000 + lag, 16000) == 598


def irregular(path: Path) -> Path:
    """A film whose frames are shown for 1 to 4 ticks of 1/90 s, with B-frames."""
    films.make(path.with_name("even.mp4"), *films.x264("-g", "8", "-bf", "2"), sound="")
    times = "'(N+floor(N/3)+2*floor(N/7))/90/TB'"
    films.ffmpeg(
        "-i", url(path.with_name("even.mp4")), "-vf", f"setpts={times}", "-fps_mode", "passthrough",
        *films.x264("-g", "8", "-bf", "2"), "-video_track_timescale", "90000",
        "-enc_time_base", "1:90000", url(path),
    )  # fmt: skip
    assert len(set(np.diff([float(t) for t in films.decoded(path).times]).round(6))) > 2
    return path
