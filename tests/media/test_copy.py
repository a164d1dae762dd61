"""What no patch touches is copied: its frames decode to the same samples; only touched groups are encoded."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.media.ffmpeg import url
from tests.media import films

X265 = "keyint=8:min-keyint=8:scenecut=0:log-level=none:pools=1:frame-threads=1"

# name: (suffix of the film, encoder options, suffix of the result, frames of a group)
KINDS: dict[str, tuple[str, list[str], str, int]] = {
    "h264": (".mp4", films.x264("-g", "8", "-bf", "2"), ".mp4", 8),
    "h264 in mov": (".mov", films.x264("-g", "8", "-bf", "2"), ".mov", 8),
    "h264 in matroska": (".mkv", films.x264("-g", "8", "-bf", "2"), ".mkv", 8),
    "h264 in transport stream": (".ts", films.x264("-g", "8", "-bf", "2"), ".mp4", 8),
    "h264 all intra": (".mp4", films.x264("-g", "1"), ".mp4", 1),
    "h264 baseline": (".mp4", films.x264("-g", "8", "-profile:v", "baseline"), ".mp4", 8),
    "h264 10 bits 4:2:2": (".mp4", films.x264("-g", "8", "-bf", "2", "-pix_fmt", "yuv422p10le"), ".mp4", 8),
    "h264 4:4:4": (".mp4", films.x264("-g", "8", "-bf", "2", "-pix_fmt", "yuv444p"), ".mkv", 8),
    "hevc closed": (
        ".mp4",
        ["-c:v", "libx265", "-x265-params", f"{X265}:open-gop=0", "-tag:v", "hvc1"],
        ".mp4",
        8,
    ),
    "hevc open": (".mp4", ["-c:v", "libx265", "-x265-params", X265, "-tag:v", "hvc1"], ".mov", 8),
    "hevc open in matroska": (".mkv", ["-c:v", "libx265", "-x265-params", X265], ".mkv", 8),
    "hevc in temporal layers": (
        ".mp4",
        ["-c:v", "libx265", "-x265-params", f"{X265}:temporal-layers=3:bframes=3:b-adapt=0"],
        ".mp4",
        8,
    ),
    "hevc 10 bits": (".mp4", ["-c:v", "libx265", "-x265-params", X265, "-pix_fmt", "yuv420p10le"], ".mp4", 8),
    "hevc 12 bits 4:2:2": (
        ".mkv",
        ["-c:v", "libx265", "-x265-params", X265, "-pix_fmt", "yuv422p12le"],
        ".mkv",
        8,
    ),
    "hevc in transport stream": (".ts", ["-c:v", "libx265", "-x265-params", f"{X265}:open-gop=0"], ".mkv", 8),
    "prores": (".mov", ["-c:v", "prores_ks", "-profile:v", "hq"], ".mov", 1),
    "prores lt": (".mov", ["-c:v", "prores_ks", "-profile:v", "lt"], ".mov", 1),
    "dnxhr": (".mov", ["-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p"], ".mov", 1),
    "dnxhr 10 bits in mxf": (
        ".mxf",
        ["-c:v", "dnxhd", "-profile:v", "dnxhr_hqx", "-pix_fmt", "yuv422p10le"],
        ".mov",
        1,
    ),
    "mjpeg": (".mov", ["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"], ".mov", 1),
    "mjpeg in avi": (".avi", ["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj422p"], ".mkv", 1),
}
SIZE = {"dnxhr": "256x128", "dnxhr 10 bits in mxf": "256x128"}


@pytest.mark.parametrize("name", KINDS)
def test_only_touched_groups_are_encoded(name: str, tmp_path: Path, dub: Path) -> None:
    suffix, options, result, group = KINDS[name]
    pcm = ["-c:a", "pcm_s16le"] if suffix in (".mov", ".mxf", ".avi") else []
    film = films.make(tmp_path / f"film{suffix}", *options, *pcm, size=SIZE.get(name, "96x64"))
    touched = range(10, 14)
    done = films.dubbed(tmp_path / "job", film, dub, touched, result)
    before, after = films.decoded(film, keep=True), films.decoded(done.path, keep=True)
    assert len(after.times) == len(before.times) == 25
    assert np.diff([float(t) for t in after.times]) == pytest.approx(
        np.diff([float(t) for t in before.times]), abs=1.1e-3 if result == ".mkv" else 0
    )
    assert after.name == before.name
    same = [a == b for a, b in zip(before.hashes, after.hashes, strict=True)]
    assert not any(same[k] for k in touched)
    assert same.count(False) <= {1: 4, 8: 19}[group], done.note
    assert done.note["copied"] >= 25 - {1: 4, 8: 19}[group], done.note
    for k in range(25):
        was, now = before.frames[k][0].astype(int), after.frames[k][0].astype(int)
        if k in touched:
            assert np.abs(was - now).max() > 20
        elif before.name.endswith("p"):
            assert np.abs(was - now).mean() < 2, k


def test_a_film_in_4k_of_10_bits_is_what_it_was_but_for_its_patch(tmp_path: Path, dub: Path) -> None:
    deep = films.x264("-g", "4", "-pix_fmt", "yuv420p10le")
    film = films.make(tmp_path / "film.mov", *deep, size="3840x2160", seconds=0.32, sound="")
    stages = films.Stages(tmp_path / "job", film, dub, compose={"preset": "ultrafast"})
    stages.read()
    stages.touch([5], size=(1200, 900), at=(1300, 900))
    done = stages.finish()
    before, after = films.decoded(film), films.decoded(done.path)
    assert (after.times, after.name) == (before.times, "yuv420p10le")
    same = [a == b for a, b in zip(before.hashes, after.hashes, strict=True)]
    assert same[:4] == [True] * 4
    assert not same[5]


def test_open_groups_of_h264_are_encoded_to_the_next_idr(tmp_path: Path, dub: Path) -> None:
    film = films.make(
        tmp_path / "film.mp4", *films.x264("-x264-params", "open-gop=1:keyint=8:bframes=2:scenecut=0")
    )
    with av.open(str(film)) as container:
        assert [p.is_keyframe for p in container.demux(video=0) if p.size].count(True) > 1
    done = films.dubbed(tmp_path / "job", film, dub, range(10, 14))
    before, after = films.decoded(film, keep=True), films.decoded(done.path, keep=True)
    assert after.times == before.times
    assert 8 <= done.note["copied"] <= 10
    assert after.hashes[:8] == before.hashes[:8]
    for k, (was, now) in enumerate(zip(before.frames, after.frames, strict=True)):
        error = np.abs(was[0].astype(int) - now[0].astype(int))
        assert error.max() > 20 if k in range(10, 14) else error.mean() < 2, k


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", films.x264("-x264-params", "keyint=60:scenecut=0:bframes=3:b-pyramid=normal")),
        (".mov", films.x264("-g", "60", "-profile:v", "baseline")),
        (
            ".mkv",
            ["-c:v", "libx265", "-x265-params", X265.replace("keyint=8:min-keyint=8", "keyint=60:bframes=4")],
        ),
    ],
)
def test_a_long_group_is_copied_up_to_what_is_touched(
    suffix: str, options: list[str], tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / f"film{suffix}", *options, seconds=2)
    with av.open(str(film)) as container:
        assert [p.is_keyframe for p in container.demux(video=0) if p.size].count(True) == 1
    done = films.dubbed(tmp_path / "job", film, dub, range(30, 34), suffix)
    before, after = films.decoded(film), films.decoded(done.path)
    assert len(after.times) == len(before.times) == 50
    same = [a == b for a, b in zip(before.hashes, after.hashes, strict=True)]
    copied = 30 if "baseline" in options else 25  # pictures reach over five at most
    assert all(same[:copied])
    assert not any(same[30:34])
    assert done.note["copied"] >= copied


def test_every_group_is_where_a_seek_lands(tmp_path: Path, dub: Path) -> None:
    """Parameter sets of both encoders stand in the header, so decoding may start at any group."""
    for name in ("h264", "hevc closed", "hevc open"):
        suffix, options, result, _ = KINDS[name]
        film = films.make(tmp_path / f"{name}{suffix}", *options, seconds=2)
        done = films.dubbed(tmp_path / name, film, dub, range(18, 20), result)
        whole = films.decoded(done.path)
        with av.open(str(done.path)) as container:
            stream = container.streams.video[0]
            assert stream.time_base is not None
            for k in (46, 33, 25, 17, 9):
                container.seek(int(whole.times[k] / stream.time_base), stream=stream)
                first = next(container.decode(stream))
                assert first.pts is not None
                at = whole.times.index(first.pts * stream.time_base)
                assert films.hashed(first) == whole.hashes[at], (name, k)


def test_nothing_touched_is_nothing_encoded(tmp_path: Path, dub: Path) -> None:
    """Even in codecs for which there is no encoder here."""
    for name, options in {
        "mpeg2.ts": ["-c:v", "mpeg2video", "-bf", "2"],
        "mpeg4.mp4": ["-c:v", "mpeg4", "-bf", "2"],
        "vp9.webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime"],
        "h264.mp4": films.x264("-bf", "2"),
    }.items():
        film = films.make(tmp_path / name, *options)
        done = films.dubbed(tmp_path / f"job-{name}", film, dub, suffix=".mkv" if "webm" in name else ".mp4")
        assert done.note["encoded"] == 0
        assert done.ran["compose"] == []
        assert films.decoded(done.path).hashes == films.decoded(film).hashes


@pytest.mark.parametrize("name", ["mpeg2.ts", "mpeg4.mp4", "vp9.mkv"])
def test_other_codecs_are_encoded_as_h264_and_the_film_says_why(name: str, tmp_path: Path, dub: Path) -> None:
    codec = {"mpeg2.ts": "mpeg2video", "mpeg4.mp4": "mpeg4", "vp9.mkv": "libvpx-vp9"}[name]
    film = films.make(tmp_path / name, "-c:v", codec, "-b:v", "2M")
    done = films.dubbed(tmp_path / "job", film, dub, range(5, 9), ".mp4")
    assert done.note["copied"] == 0
    assert "not encoded here" in done.note["why"]
    with av.open(str(done.path)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "h264"


def test_a_lying_copy_is_found_out_and_everything_is_encoded(
    tmp_path: Path, dub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied packets are damaged on the way: the frame hashes say so."""
    from dubcli.media import join

    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    honest = join.Joiner.of.__func__  # type: ignore[attr-defined]

    def lying(cls: type[join.Joiner], codec: str, before: bytes, after: bytes) -> join.Joiner:
        joined = honest(cls, codec, before, after)
        return join.Joiner(joined.extradata, joined.encoded, lambda data: data[:-40] + bytes(40))

    monkeypatch.setattr(join.Joiner, "of", classmethod(lying))
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert done.note["copied"] == 0
    assert "copied but decodes to another picture" in done.note["why"]
    assert any("encoded anew" in line for line in done.warnings)
    assert films.decoded(done.path).times == films.decoded(film).times


def test_a_shot_that_failed_shows_the_source(tmp_path: Path, dub: Path) -> None:
    """As `--fallback original` asks: its unit is missing when the film is put together."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8", "-bf", "2"))
    for way in ("copy-untouched", "encode"):
        stages = films.Stages(tmp_path / way, film, dub, compose={"video": way})
        stages.read()
        stages.touch(range(9, 12))
        from dubcli.stages import compose, remux

        stages.run(compose)
        stages.view.artifacts["compose"].clear()
        folder = stages.run(remux)["film"].path
        before, after = films.decoded(film), films.decoded(folder / "film.mp4")
        assert after.times == before.times
        if way == "copy-untouched":
            assert after.hashes == before.hashes


def test_groups_of_one_shot_reach_into_the_next(tmp_path: Path, dub: Path) -> None:
    """A touched group that a cut runs through: both shots encode their part of it."""
    film = tmp_path / "film.mp4"
    films.ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1.2",
        "-f", "lavfi", "-i", "mandelbrot=size=96x64:rate=25", "-f", "lavfi", "-i", films.TONE,
        "-filter_complex", "[1]trim=end=1.2[b];[0][b]concat=n=2:v=1:a=0[v]", "-map", "[v]", "-map", "2:a",
        "-t", "2.4", *films.x264("-x264-params", "keyint=24:scenecut=0:bframes=2"), url(film),
    )  # fmt: skip
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    assert stages.shot_of(29) != stages.shot_of(30)
    stages.touch(range(26, 28))
    stages.touch(range(32, 34))
    done = stages.finish()
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    assert done.ran["compose"] == ["00000000", "00000030"]
    assert (
        22 <= done.note["encoded"] <= 24
    )  # to the end of the group, from the last picture that needs no later
    same = [a == b for a, b in zip(before.hashes, after.hashes, strict=True)]
    assert all(same[:24])
    assert all(same[48:])
    assert not any(same[26:48])


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
@pytest.mark.parametrize(("source", "result"), [(".ts", ".mp4"), (".mkv", ".mov")])
def test_hevc_of_other_containers_gets_the_code_that_quicktime_opens(
    source: str, result: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    hevc = ["-c:v", "libx265", "-x265-params", f"{X265}:repeat-headers=1"]
    film = films.make(tmp_path / f"film{source}", *hevc)
    done = films.dubbed(tmp_path / "job", film, dub, touched, result)
    with av.open(str(done.path)) as after:
        assert after.streams.video[0].codec_context.codec_tag == "hvc1"
    before = films.decoded(film)
    same = [a == b for a, b in zip(before.hashes, films.decoded(done.path).hashes, strict=True)]
    assert sum(same) >= 8 if touched else all(same)
