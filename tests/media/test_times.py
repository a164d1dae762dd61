"""Times that films come with: odd starts, wraps, reordered pictures, rates, run-ups of encoders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media import soundtrack
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe as probed
from dubcli.stages import probe, scan
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


def test_matroska_whose_pictures_lie_before_zero_is_refused_by_probe(tmp_path: Path) -> None:
    """It has no times for them: counted on from the first one that has, all came out late, if at all."""
    films.make(tmp_path / "plain.mp4", *films.x264(), seconds=2)
    moved = ["-avoid_negative_ts", "disabled", "-output_ts_offset", "-1"]
    film = tmp_path / "film.mkv"
    films.ffmpeg("-i", url(tmp_path / "plain.mp4"), "-c", "copy", *moved, url(film))
    with pytest.raises(MediaError, match="pictures have no time"):
        probed(film)


def test_times_that_jump_back_are_refused(tmp_path: Path) -> None:
    for k in range(2):
        films.make(tmp_path / f"{k}.ts", *films.x264(), sound="", seconds=2)
    film = tmp_path / "film.ts"
    film.write_bytes(b"".join((tmp_path / f"{k}.ts").read_bytes() for k in range(2)))
    stages = films.Stages(tmp_path / "job", film)
    stages.run(probe)
    with pytest.raises(MediaError, match="jump back after frame 49") as refused:
        stages.run(scan)
    stages = films.Stages(tmp_path / "other", films.advised(str(refused.value), film))
    stages.run(probe)
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


def test_pictures_whose_times_lie_before_others_are_told_of(tmp_path: Path) -> None:
    """As ffmpeg leaves it that joins parts which do not begin with a group, without encoding them."""
    part = films.make(tmp_path / "part.mp4", *films.x264("-g", "25", "-bf", "2"), seconds=3, sound="")
    (tmp_path / "list").write_text(f"file '{part}'\noutpoint 1.5\nfile '{part}'\ninpoint 1.7\noutpoint 2.6\n")
    film = tmp_path / "film.mp4"
    joined = ["-f", "concat", "-safe", "0", "-i", url(tmp_path / "list"), "-c", "copy"]
    for path, told in ((part, 0), (film, 1)):
        films.ffmpeg(*joined, url(film))
        stages = films.Stages(tmp_path / f"job{told}", path)
        stages.run(probe)
        stages.run(scan)
        assert sum("lie before those that they follow" in line for line in stages.warnings) == told


def test_avi_that_counts_finer_ticks_than_pictures(tmp_path: Path, dub: Path) -> None:
    """As ffmpeg leaves it that copies into it: 600 ticks a second, most of them without a picture."""
    films.make(tmp_path / "film.mp4", *films.x264("-bf", "2"))
    film = tmp_path / "film.avi"
    films.ffmpeg("-i", url(tmp_path / "film.mp4"), "-c", "copy", url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), ".mp4")
    with av.open(str(done.path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert np.allclose(np.diff(times), 1 / 25, atol=1e-6)


def gray(frame: av.VideoFrame) -> NDArray[np.int64]:
    """Its luma."""
    return frame.to_ndarray(format="gray").astype(int)


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60000/1001"])
@pytest.mark.parametrize(
    ("source", "result"),
    [(".mp4", ".mkv"), (".mkv", ".mp4"), (".mp4", ".mp4"), (".ts", ".mov"), ("fragments.mp4", ".mp4")],
)
def test_the_average_rate_is_the_films(
    source: str, result: str, rate: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    fragments = ["-movflags", "frag_keyframe+empty_moov"] if source == "fragments.mp4" else []
    options = films.x264("-g", "8", "-bf", "2", *fragments)
    film = films.make(tmp_path / f"film{source}", *options, rate=rate, sound="")
    done = films.dubbed(tmp_path / "job", film, dub, touched, result)
    # Matroska keeps nanoseconds of a picture, which is not quite a rate.
    exact = 1e-6 if ".mkv" in (source, result) else 0
    assert float(rate_of(film)) == pytest.approx(float(Fraction(rate)), rel=exact)
    assert float(rate_of(done.path)) == pytest.approx(float(Fraction(rate)), rel=exact)


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
@pytest.mark.parametrize(
    ("source", "picture", "rate", "size"),
    [
        ("film.mxf", ["-c:v", "dnxhd", "-profile:v", "dnxhr_hq"], "24000/1001", "256x128"),
        ("film.avi", ["-c:v", "mjpeg", "-q:v", "2"], "30000/1001", "96x64"),
    ],
    ids=["mxf", "avi"],
)
def test_times_counted_in_pictures_stay(
    source: str, picture: list[str], rate: str, size: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    options = [*picture, "-pix_fmt", "yuv422p", "-strict", "unofficial"]
    film = films.make(tmp_path / source, *options, rate=rate, size=size, sound="")
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mov")
    assert rate_of(done.path) == Fraction(rate)
    times = films.decoded(done.path).times
    assert times == [times[0] + k / Fraction(rate) for k in range(len(times))]


def test_a_gap_after_the_first_picture_changes_no_rate(tmp_path: Path, dub: Path) -> None:
    gap = ["-c:v", "huffyuv", "-pix_fmt", "yuv422p", "-vf", "select='not(eq(n,1))'", "-fps_mode", "vfr"]
    film = films.make(tmp_path / "film.avi", *gap, sound="")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), ".mp4")
    assert len(films.decoded(done.path).times) == 24
    assert rate_of(done.path) == 24  # pictures in a second, the first of which lasts two frames


DELAYS = [
    ("dub.mp3", []), ("dub.m4a", []), ("dub.opus", []), ("dub.ogg", ["-c:a", "libvorbis", "-ac", "2"]),
    ("dub.ac3", []), ("dub.flac", []), ("dub.mka", ["-c:a", "libmp3lame"]), ("dub.wma", []),
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


def test_raw_dv_has_a_rate(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.dv", "-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-ac", "2",
                      rate="30000/1001", size="720x480", seconds=0.5)  # fmt: skip
    for whole in (True, False):
        assert float(probed(film, whole=whole).film.rate) == pytest.approx(30000 / 1001, rel=0.01)


def test_a_container_that_counts_fields_has_the_rate_of_its_pictures(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.gxf", "-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ac", "1",
                      size="720x576", seconds=0.4)  # fmt: skip
    assert rate_of(film) == 50
    assert probed(film).film.rate == 25
    assert rate_of(films.dubbed(tmp_path / "job", film, dub, range(3, 5), ".mov").path) == 25


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


def test_the_run_up_of_a_dub_of_itunes_makes_it_no_later(tmp_path: Path, dub: Path) -> None:
    """Its files say in a tag of their own (iTunSMPB) how much is skipped, and have no edit list."""
    plain, voice = tmp_path / "plain.m4a", tmp_path / "dub_fr.m4a"
    films.ffmpeg("-i", url(dub), "-use_editlist", "0", "-movflags", "use_metadata_tags", url(plain))
    said = b" 00000000 00000400 00000000 000000000000BB80" + 8 * b" 00000000"
    own = [
        (b"mean", bytes(4) + b"com.apple.iTunes"),
        (b"name", bytes(4) + b"iTunSMPB"),
        (b"data", b"\0\0\0\1" + bytes(4) + said),
    ]
    tag = films.box(b"----", b"".join(films.box(*one) for one in own))
    handler = films.box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    meta = films.box(b"meta", bytes(4) + handler + films.box(b"ilst", tag))
    voice.write_bytes(films.inside(plain.read_bytes(), [b"moov"], films.box(b"udta", meta)))
    assert soundtrack.with_decoded_start(voice, probed(voice).audio[0]).start == 1024
    stages = films.Stages(tmp_path / "job", films.make(tmp_path / "film.mp4", *films.x264()), voice)
    stages.run(probe)
    assert not stages.warnings


@pytest.mark.parametrize("late", [0.0, 0.5])
@pytest.mark.parametrize("name", ["dub.m4a", "dub.mka", "dub.ts"])
def test_a_dub_that_starts_after_its_file_begins_is_told_of(name: str, late: float, tmp_path: Path) -> None:
    """As editing programs and recorders write it; times of a transport stream are those of some clock."""
    film = films.make(tmp_path / "film.mp4", *films.x264())
    tone = ["-itsoffset", str(late), "-f", "lavfi", "-t", "1", "-i", films.TONE]
    films.ffmpeg(*tone, "-c:a", "aac", url(tmp_path / name))
    stages = films.Stages(tmp_path / "job", film, tmp_path / name)
    stages.run(probe)
    told = [line for line in stages.warnings if "after its file begins" in line]
    assert len(told) == (late > 0 and name != "dub.ts")
    offsets = [float(re.findall(r"--set align.offset=([\d.]+)", line)[0]) for line in told]
    assert all(abs(offset - late) < 0.03 for offset in offsets)  # a run-up may be part of the sound


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
