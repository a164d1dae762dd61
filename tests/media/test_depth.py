"""Depth, range, colour tags, HDR metadata, aspect, rotation and fields survive, or the film is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from dubcli.artifacts.media import VideoStream
from dubcli.errors import MediaError
from dubcli.media import nal
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import probe as stage_probe
from tests.media import films

X265 = "keyint=8:min-keyint=8:scenecut=0:log-level=none:pools=1:frame-threads=1"
HDR10 = (
    "hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):chromaloc=2"
)


def tagged(primaries: str, transfer: str, matrix: str) -> list[str]:
    """Options of a film that says these colours."""
    said = f"colorprim={primaries}:transfer={transfer}:colormatrix={matrix}"
    return films.x264("-g", "8", "-x264-params", said)


KINDS: dict[str, tuple[str, list[str]]] = {
    "8 bits": (".mp4", films.x264("-g", "8")),
    "bt709": (".mp4", tagged("bt709", "bt709", "bt709")),
    "bt601": (".mp4", tagged("smpte170m", "smpte170m", "smpte170m")),
    "gamma of pal": (".mp4", tagged("bt470bg", "bt470bg", "bt470bg")),
    "gamma of ntsc": (".mp4", tagged("bt470m", "bt470m", "fcc")),
    "log, constant luminance": (".mp4", tagged("film", "log316", "bt2020c")),
    "full range": (
        ".mp4",
        films.x264("-g", "8", "-pix_fmt", "yuvj420p", "-x264-params", "range=pc:chromaloc=1"),
    ),
    "4:4:4": (".mp4", films.x264("-g", "8", "-pix_fmt", "yuv444p")),
    "4:2:2 10 bits": (".mov", films.x264("-g", "8", "-pix_fmt", "yuv422p10le")),
    "rgb": (".mkv", ["-c:v", "libx264rgb", "-g", "8", "-qp", "0"]),
    "hdr10": (
        ".mp4",
        ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", "-x265-params", f"{X265}:{HDR10}"],
    ),
    "hdr10 in matroska": (
        ".mkv",
        ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", f"{X265}:{HDR10}"],
    ),
    "hlg": (
        ".mov",
        [
            "-c:v",
            "libx265",
            "-pix_fmt",
            "yuv420p10le",
            "-tag:v",
            "hvc1",
            "-x265-params",
            f"{X265}:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc:range=limited",
        ],
    ),
    "12 bits": (".mp4", ["-c:v", "libx265", "-pix_fmt", "yuv444p12le", "-x265-params", X265]),
    "anamorphic": (".mp4", films.x264("-g", "8", "-aspect", "2.39")),
    "interlaced": (".mov", films.x264("-g", "8", "-flags", "+ildct+ilme", "-x264-params", "tff=1")),
    "prores interlaced": (
        ".mov",
        ["-vf", "setfield=tff", "-c:v", "prores_ks", "-flags", "+ildct", "-field_order", "tt"],
    ),
    "ffv1 16 bits": (
        ".mkv",
        [
            "-c:v",
            "ffv1",
            "-level",
            "3",
            "-g",
            "1",
            "-slices",
            "4",
            "-slicecrc",
            "1",
            "-pix_fmt",
            "yuv444p16le",
        ],
    ),
    "ffv1 rgb 10 bits": (
        ".mkv",
        ["-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1", "-pix_fmt", "gbrp10le"],
    ),
    "dnxhr 444": (".mov", ["-c:v", "dnxhd", "-profile:v", "dnxhr_444", "-pix_fmt", "yuv444p10le"]),
}


def told(video: VideoStream) -> dict[str, object]:
    """What a dub must not change in a picture's description."""
    whole = video.model_dump(
        exclude={
            "digest",
            "delay",
            "packets",
            "first_bytes",
            "index",
            "tags",
            "time_base",
            "start_pts",
            "last_duration",
        }
    )
    if whole["field_order"] == "unknown":
        whole["field_order"] = "progressive"  # what an encoder writes where the source says nothing
    whole["disposition"] = sorted({*video.disposition, "default"})  # which every result is
    return whole


@pytest.mark.parametrize("way", ["copy-untouched", "encode"])
@pytest.mark.parametrize("name", KINDS)
def test_the_description_of_the_picture_survives(name: str, way: str, tmp_path: Path, dub: Path) -> None:
    suffix, options = KINDS[name]
    film = films.make(
        tmp_path / f"film{suffix}", *options, size="256x128" if "dnx" in name else "96x64", seconds=0.8
    )
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), compose={"video": way})
    before, after = probe(film).film, probe(done.path).film
    assert told(after) == told(before)
    if way == "copy-untouched":
        assert done.note["copied"] > 0, done.note
    if name == "hdr10":
        assert after.mastering is not None
        assert after.mastering.luminance == (50, 10_000_000)
        assert after.light == (1000, 400)
        assert after.chroma_location == "topleft"
    if "interlaced" in name:
        assert after.field_order[0] == "t"


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(
    ("picture", "result"),
    [(["dvvideo", "-pix_fmt", "yuv420p"], ".mp4"), (["ffv1", "-pix_fmt", "yuv422p"], ".mkv")],
    ids=["dv", "ffv1"],
)
def test_fields_that_only_the_pictures_tell_of_stay(
    picture: list[str], result: str, order: str, tmp_path: Path, dub: Path
) -> None:
    """AVI has no place for them."""
    fields = ["-vf", f"scale=720:576,setfield={order}", "-flags", "+ildct"]
    film = films.make(tmp_path / "film.avi", "-c:v", *picture, *fields, "-c:a", "pcm_s16le", seconds=0.3)
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result)
    assert probe(done.path).film.field_order[0] == order[0]
    with av.open(str(done.path)) as after:
        assert all(frame.interlaced_frame for frame in after.decode(video=0))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_shape_of_pixels_that_the_container_alone_says_is_said_by_it_alone(
    suffix: str, tmp_path: Path, dub: Path
) -> None:
    """Pictures encoded anew say of themselves what others beside them say: it does not change midway."""
    plain = films.make(tmp_path / "plain.mp4", "-vf", "setsar=1", *films.x264("-g", "8"))
    film = tmp_path / f"film{suffix}"
    films.ffmpeg("-i", url(plain), "-c", "copy", "-aspect", "3:1", url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert done.note["copied"] > 0
    with av.open(str(done.path)) as after:
        stream = after.streams.video[0]
        said = [stream.codec_context.sample_aspect_ratio for _ in after.decode(stream)]
        assert stream.sample_aspect_ratio == 2
    assert said == 25 * [1]


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("film.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]),
        ("film.mp4", films.x264("-g", "8")),
    ],
    ids=["vp9", "h264"],
)
def test_a_mastering_display_stays_with_h264(
    name: str, picture: list[str], tmp_path: Path, dub: Path
) -> None:
    films.make(tmp_path / "a.mkv", *KINDS["hdr10 in matroska"][1], sound="")
    film = tmp_path / name
    films.ffmpeg("-i", url(tmp_path / "a.mkv"), *picture, "-pix_fmt", "yuv420p10le", url(film))
    before = probe(film).film
    assert before.mastering
    assert before.light == (1000, 400)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), ".mp4")
    after = probe(done.path).film
    assert (after.codec, after.mastering, after.light) == ("h264", before.mastering, before.light)
    with av.open(str(done.path)) as box:
        keys: list[Any] = [frame for frame in box.decode(video=0) if frame.key_frame]
        assert all("MASTERING" in "".join(one.type.name for one in frame.side_data) for frame in keys)
    assert not done.note["left_out"]
    data = done.path.read_bytes()
    assert data.count(b"mdcv") == data.count(b"clli") == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_stays_a_flag(degrees: int, suffix: str, tmp_path: Path, dub: Path) -> None:
    films.make(tmp_path / "plain.mp4", *films.x264("-g", "8"))
    film = tmp_path / "film.mp4"
    films.ffmpeg(
        "-display_rotation", str(degrees), "-i", url(tmp_path / "plain.mp4"), "-c", "copy", url(film)
    )
    for way in ("copy-untouched", "encode"):
        done = films.dubbed(tmp_path / way, film, dub, range(9, 12), suffix, compose={"video": way})
        before, after = probe(film).film, probe(done.path).film
        assert before.rotation == degrees
        assert (after.rotation, after.width, after.height) == (degrees, 96, 64)


@pytest.mark.parametrize(
    ("suffix", "touched"), [(".mkv", range(9, 12)), (".mp4", range(9, 12)), (".mov", ())]
)
def test_the_colours_that_a_container_alone_says_stay(
    suffix: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    plain = films.make(tmp_path / "plain.mp4", *films.x264("-g", "8"))
    film = tmp_path / "film.mkv"
    films.ffmpeg("-i", url(plain), "-c", "copy", "-color_range", "pc", "-colorspace", "bt709", url(film))
    said = probe(film).film
    assert (said.range, said.matrix, said.primaries) == ("pc", "bt709", "unknown")
    done = films.dubbed(tmp_path / "job", film, dub, touched, suffix)
    after = probe(done.path).film
    assert (after.range, after.matrix, after.primaries) == ("pc", "bt709", "unknown")
    assert not done.note["left_out"]


@pytest.mark.parametrize(("suffix", "kept"), [(".mkv", True), (".mp4", False)])
def test_fields_that_a_container_alone_says_stay_or_are_named(
    suffix: str, kept: bool, tmp_path: Path, dub: Path
) -> None:
    """Fields of one moment each, in pictures that are progressive to their codec."""
    plain, film = films.make(tmp_path / "plain.mp4", *films.x264("-g", "8")), tmp_path / "film.mkv"
    films.ffmpeg("-i", url(plain), "-c", "copy", "-field_order", "tt", url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), suffix)
    assert (probe(done.path).film.field_order == "tt") == kept
    assert done.note["left_out"] == ([] if kept else ["what is said of the picture: its fields"])


def test_hdr_metadata_stands_in_the_container_too(tmp_path: Path, dub: Path) -> None:
    """Editors read the boxes `mdcv` and `clli`, not the stream."""
    suffix, options = KINDS["hdr10"]
    films.make(tmp_path / f"plain{suffix}", *options)
    film = tmp_path / f"film{suffix}"
    films.ffmpeg("-i", url(tmp_path / f"plain{suffix}"), "-c:a", "copy", *options, url(film))
    assert b"mdcv" in film.read_bytes()
    for way in ("copy-untouched", "encode"):
        data = films.dubbed(tmp_path / way, film, dub, range(9, 12), compose={"video": way}).path.read_bytes()
        assert b"mdcv" in data
        assert b"clli" in data
        assert data.count(b"colr") >= film.read_bytes().count(b"colr")


@pytest.mark.parametrize(
    ("options", "suffix", "result", "word"),
    [
        (["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"], ".mov", ".mov", "12"),
        (["-c:v", "prores_ks"], ".mov", ".mp4", "mp4 cannot hold"),
        (["-c:v", "libx265", "-vf", "setfield=tff", "-field_order", "tt"], ".mkv", ".mkv", "interlaced HEVC"),
        (["-c:v", "libx264", "-pix_fmt", "yuv420p"], ".mp4", ".mp4", ""),
    ],
)
def test_what_cannot_be_kept_is_refused(
    options: list[str], suffix: str, result: str, word: str, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / f"film{suffix}", *options)
    if not word:
        films.dubbed(tmp_path / "job", film, dub, range(9, 12), result)
        return
    with pytest.raises(MediaError, match=word):
        films.dubbed(tmp_path / "job", film, dub, range(9, 12), result)


def test_numbers_that_name_no_colours_are_no_obstacle(tmp_path: Path, dub: Path) -> None:
    reserved = "h264_metadata=colour_primaries=3:transfer_characteristics=3:matrix_coefficients=3"
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8", "-bsf:v", reserved))
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert done.note["copied"] > 0


def test_colour_without_equations_is_refused(tmp_path: Path, dub: Path) -> None:
    film = tmp_path / "film.mkv"
    films.ffmpeg(*films.moving(), "-vf", "setparams=colorspace=ictcp", "-c:v", "ffv1", url(film))
    with pytest.raises(MediaError, match="ictcp"):
        films.dubbed(tmp_path / "job", film, dub, range(3, 5))


@pytest.mark.parametrize("touched", [range(0), range(9, 12)], ids=["untouched", "touched"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("profile", "compatibility"), [(8, 1), (7, 6)])
def test_a_code_of_dolby_vision_stays_where_it_is_still_true(
    profile: int, compatibility: int, suffix: str, touched: range, tmp_path: Path, dub: Path
) -> None:
    """Each picture has metadata and, in profile 7, a second layer in the same track."""
    params = f"{X265}:bframes=0"
    hevc = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", params, "-tag:v", "hvc1"]
    coded, plain = films.make(tmp_path / "plain.hevc", *hevc, sound=""), tmp_path / "plain.mp4"
    layered = profile == 7
    out: list[bytes] = []
    for number, unit in enumerate(nal.split_annexb(coded.read_bytes())):
        out.append(unit)
        if nal.kind(unit, "hevc") < 32:
            out += [b"\x7e\x01" + bytes([number + 1]) * 40] * layered + [
                b"\x7c\x01\x19" + bytes([number + 1]) * 9
            ]
    coded.write_bytes(b"".join(b"\0\0\0\1" + unit for unit in out))
    films.ffmpeg(
        "-r", "25", "-i", url(coded), "-c", "copy", "-tag:v", "dvh1", "-strict", "unofficial", url(plain)
    )
    record = bytes([1, 0, profile << 1, 3 << 3 | 4 | 2 * layered | 1, compatibility << 4]) + bytes(19)
    entry = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"dvh1"]
    box = films.box(b"dvvC" if profile > 7 else b"dvcC", record)
    film = tmp_path / "film.mp4"
    film.write_bytes(films.inside(plain.read_bytes(), entry, box))
    done = films.dubbed(tmp_path / "job", film, dub, touched, suffix, compose={"preset": "ultrafast"})
    before, after = probe(film).film, probe(done.path).film
    kept = not (layered and touched)
    assert before.tag == "dvh1"
    assert after.dolby_vision == (before.dolby_vision if kept else None)
    assert after.tag == ("" if suffix == ".mkv" else "dvh1" if kept else "hvc1")
    said, wanted = beside_pictures(done.path), beside_pictures(film)
    encoded = [k for k in range(25) if said[k] != wanted[k]]
    assert done.note["copied"] >= 25 - 8 * bool(touched)
    assert len(encoded) == (0 if kept else done.note["encoded"])


def beside_pictures(path: Path) -> list[list[bytes]]:
    """Dolby Vision's units of each picture: metadata, and pictures of a second layer."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        head = stream.codec_context.extradata or b""
        packets = [(packet.pts or 0, bytes(packet)) for packet in container.demux(stream) if packet.size]
    return [
        [u for u in nal.units(data, head, "hevc") if nal.kind(u, "hevc") in (62, 63)]
        for _, data in sorted(packets)
    ]


@pytest.mark.parametrize(
    ("profile", "compatibility", "refused"),
    [(8, 4, ""), (8, 1, ""), (7, 6, ""), (5, 0, "Dolby Vision profile 5")],
)
def test_dolby_vision_is_dubbed_by_its_base_layer_or_refused(
    profile: int, compatibility: int, refused: str, tmp_path: Path, dub: Path
) -> None:
    """A configuration record of level 3; that of two layers goes where frames are encoded."""
    hevc = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", X265, "-tag:v", "hvc1"]
    plain, film = films.make(tmp_path / "plain.mov", *hevc, sound=""), tmp_path / "film.mov"
    record = bytes([1, 0, profile << 1, 3 << 3 | 4 | 2 * (profile == 7) | 1, compatibility << 4]) + bytes(19)
    entry = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"]
    box = films.box(b"dvvC" if profile > 7 else b"dvcC", record)
    film.write_bytes(films.inside(plain.read_bytes(), entry, box))
    info = probe(film)
    assert info.film.dolby_vision is not None
    assert (info.film.dolby_vision.profile, info.film.dolby_vision.compatibility) == (profile, compatibility)
    if refused:
        with pytest.raises(MediaError, match=refused):
            films.Stages(tmp_path / "refused", film, dub).run(stage_probe)
        films.Stages(tmp_path / "copy", film, dub, compose={"video": "copy"}).run(stage_probe)
        return
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert films.decoded(done.path).times == films.decoded(film).times
    assert (probe(done.path).film.dolby_vision is not None) == (profile == 8)
