"""What pictures say of themselves stays with them: captions, HDR10+, Dolby Vision, a camera's words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from dubcli.media import nal
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import probe as probing
from tests.media import films

LIGHT = bytes(range(8))  # of the room that the film is meant for: it stands until the next group
CAMERA = b"a drone's clock."  # in the place of a UUID


def _told(frame: int) -> bytes:
    """An HEVC SEI unit with what a frame may say of itself, in Annex B."""
    messages = (
        (4, _hdr10_plus(frame)),
        (5, CAMERA + b"%d" % frame),
        (136, _timecode(frame)),
        (148, LIGHT),
    )
    body = b"".join(bytes([kind, len(payload)]) + payload for kind, payload in messages)
    unit = bytes([39 << 1, 1]) + body + b"\x80"
    return b"\x00\x00\x00\x01" + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", unit)


def _timecode(frame: int, wide: int = 9, before: str = "01") -> bytes:
    """10:00 and so many frames, after the number of timecodes; HEVC's has nine bits of frames."""
    bits = (
        before + "1" + "0" + "00000" + "1" + "00" + f"{frame % 25:0{wide}b}{frame // 25:06b}{0:06b}{10:05b}"
    )
    bits += "00000" if wide == 9 else 24 * "0"
    return bytes(int(bits[k : k + 8].ljust(8, "0"), 2) for k in range(0, len(bits), 8))


def _hdr10_plus(frame: int) -> bytes:
    """One window of SMPTE ST 2094-40 (HDR10+) metadata."""
    bits = "01" + f"{4000 + frame:027b}" + "0"  # windows, target luminance, no peaks of the target
    bits += 3 * f"{50000 + frame:017b}" + f"{20000:017b}" + "0000" + f"{700:010b}" + "000"
    body = bytes(int(bits[k : k + 8].ljust(8, "1"), 2) for k in range(0, len(bits), 8))
    return bytes([0xB5, 0x00, 0x3C, 0x00, 0x01, 4, 1]) + body  # ITU-T T.35: country, provider, application


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_second_layer_of_pictures_is_told_of(codec: str, tmp_path: Path, dub: Path) -> None:
    """The other eye's view of a 3D disc or a telephone, and alpha: decoders pass it over."""
    encoder = films.x264() if codec == "h264" else ["-c:v", "libx265", "-x265-params", "log-level=none"]
    plain = films.make(tmp_path / "plain.mp4", *encoder, sound="", seconds=0.2)
    layer = {"h264": b"\x74\x40\0\x0f\x88", "hevc": bytes([1 << 1, 1 << 3 | 1]) + b"\xd0\x88"}[codec]
    for number, more in enumerate((b"", layer)):
        film = tmp_path / f"{number}.mp4"
        with av.open(str(plain)) as before, av.open(str(film), "w") as after:
            stream = after.add_stream_from_template(before.streams.video[0])
            for packet in before.demux(video=0):
                unit = len(more).to_bytes(4, "big") + more if more else b""
                if packet.size:
                    both = av.Packet(bytes(packet) + unit)
                    both.pts, both.dts, both.time_base = packet.pts, packet.dts, packet.time_base
                    both.is_keyframe, both.stream = packet.is_keyframe, stream
                    after.mux(both)
        stages = films.Stages(tmp_path / f"job{number}", film, dub)
        stages.run(probing)
        told = [line for line in stages.warnings if "a second layer of pictures" in line]
        assert len(told) == bool(more)


def test_a_second_layer_that_is_copied_stays_where_it_can_be_decoded(tmp_path: Path, dub: Path) -> None:
    """Alpha of HEVC, described as Apple's programs do it (lhvC); ffmpeg alone left that out."""
    plain, film = tmp_path / "plain.mov", tmp_path / "film.mov"
    encoder = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuva420p", "-x265-params"]
    try:
        films.make(
            plain, *encoder, "log-level=none:pools=1:frame-threads=1", "-tag:v", "hvc1", sound="", seconds=0.2
        )
    except AssertionError:
        pytest.skip("this x265 makes no second layer")
    with av.open(str(plain)) as container:
        config = nal.Config.read(container.streams.video[0].codec_context.extradata or b"", "hevc")
    arrays = b""
    for kind in (nal.HEVC_SPS, nal.HEVC_PPS):
        units = [unit for unit in config.sets[kind] if unit[1] >> 3]
        arrays += bytes([0x80 | kind]) + len(units).to_bytes(2, "big") + nal.join_sized(units, 2)
    said = films.box(b"lhvC", bytes([1, 0xF0, 0, 0xFC, 0xCB, 2]) + arrays)
    entry = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"]
    film.write_bytes(films.inside(plain.read_bytes(), entry, said))
    for suffix, stays in ((".mov", True), (".mkv", False)):
        done = films.dubbed(tmp_path / suffix, film, dub, (), suffix)
        assert (b"lhvC" in done.path.read_bytes()) == stays
        assert any("no player shows it" in line for line in done.note["left_out"]) == (not stays)


@pytest.mark.parametrize("touched", [range(3, 6), ()], ids=["touched", "untouched"])
def test_messages_stay_with_copied_and_encoded_pictures(
    touched: Sequence[int], tmp_path: Path, dub: Path
) -> None:
    plain = films.make(
        tmp_path / "plain.hevc", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params",
        "log-level=none:keyint=10:no-open-gop=1:bframes=0:aud=1:repeat-headers=1", seconds=2.0, sound="",
    )  # fmt: skip
    units = re.split(rb"(?=\x00\x00\x01\x46\x01)", plain.read_bytes())  # access unit delimiters
    marked = b"".join(
        re.sub(rb"(\x00\x00\x01[\x00-\x2b]\x01)", lambda m, k=k: _told(k) + m[1], unit, count=1)
        for k, unit in enumerate(units[1:])
    )
    (tmp_path / "marked.hevc").write_bytes(units[0] + marked)
    film = tmp_path / "film.mkv"
    films.ffmpeg("-r", "25", "-i", url(tmp_path / "marked.hevc"), "-c", "copy", url(film))
    kinds = ("DYNAMIC_HDR_PLUS", "SEI_UNREGISTERED", "S12M_TIMECODE")
    before = [beside(film, name) for name in kinds]
    assert [len(set(told)) for told in before] == [50, 50, 50]
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mkv")
    assert [beside(done.path, name) for name in kinds] == before
    with av.open(str(done.path)) as after:
        assert all(LIGHT in bytes(packet) for packet in after.demux(video=0) if packet.is_keyframe)
    assert not any("lose it" in line for line in done.warnings)


def beside(path: Path, name: str) -> list[bytes]:
    """What each picture says of itself, but for an encoder's words."""
    found = []
    with av.open(str(path)) as box:
        for frame in box.decode(video=0):
            data: Any = frame.side_data
            told = [bytes(one) for one in data if one.type.name == name]
            if name == "S12M_TIMECODE":  # a number and so many timecodes; what follows is left unset
                told = [one[: 4 + 4 * one[0]] for one in told]
            found.append(b"".join(one for one in told if b"x26" not in one))
    return found


def captioned(frame: int) -> bytes:
    """User data of ATSC A/53 with three bytes of captions that differ from frame to frame."""
    return b"GA94\x03" + bytes([0xC1, 0xFF, 0xFC, 0x80 | frame % 100, 0x20, 0xFF])


def with_captions(plain: Path, film: Path, sized: bool) -> Path:
    """A film with captions of its own in each packet of its picture, here H.264 with lengths or MPEG-2."""
    count = itertools.count()

    def said(data: bytes) -> bytes:
        words = captioned(next(count))
        if not sized:
            return data.replace(b"\x00\x00\x01\x01", b"\x00\x00\x01\xb2" + words + b"\x00\x00\x01\x01", 1)
        payload = b"\xb5\x00\x31" + words
        unit = bytes([6, 4, len(payload)]) + payload + bytes([5, len(CAMERA)]) + CAMERA + b"\x80"
        return len(unit).to_bytes(4, "big") + unit + data

    with av.open(str(plain)) as source, av.open(str(film), "w") as out:
        streams = {one.index: out.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if not packet.size:
                continue
            data = bytes(packet)
            new: av.Packet[Any] = av.Packet(said(data) if packet.stream.type == "video" else data)
            new.pts, new.dts, new.duration = packet.pts, packet.dts, packet.duration
            new.time_base, new.is_keyframe, new.stream = (
                packet.time_base,
                packet.is_keyframe,
                streams[packet.stream_index],
            )
            out.mux(new)
    return film


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        (films.x264("-g", "10", "-bf", "2"), ".mp4"),
        (films.x264("-g", "10", "-bf", "2"), ".mkv"),
        (["-c:v", "mpeg2video", "-q:v", "3", "-g", "10", "-bf", "2", "-c:a", "mp2"], ".ts"),
    ],
    ids=["h264 mp4", "h264 mkv", "mpeg2 ts"],
)
@pytest.mark.parametrize("touched", [range(13, 16), ()], ids=["touched", "untouched"])
def test_captions_stay_with_their_pictures(
    options: list[str], suffix: str, touched: Sequence[int], tmp_path: Path, dub: Path
) -> None:
    plain = films.make(tmp_path / f"plain{suffix}", *options, seconds=2.0)
    film = with_captions(plain, tmp_path / f"film{suffix}", suffix != ".ts")
    before = beside(film, "A53_CC")
    assert len(set(before)) == 50
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mp4" if suffix == ".ts" else suffix)
    assert beside(done.path, "A53_CC") == before
    assert not any("lose it" in line for line in done.warnings)
    assert beside(done.path, "SEI_UNREGISTERED") == beside(film, "SEI_UNREGISTERED")


def test_what_another_codec_cannot_say_is_named_as_lost(tmp_path: Path, dub: Path) -> None:
    plain = films.make(tmp_path / "plain.mp4", *films.x264("-g", "10"), seconds=0.4)
    film = with_captions(plain, tmp_path / "film.mp4", sized=True)
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), ".mov", compose={"codec": "prores"})
    assert "the film carries captions (CEA-708); frames that are encoded anew lose it" in done.warnings
    assert not any(beside(done.path, "A53_CC"))


def test_timecode_in_the_pictures_of_h264_and_mpeg2_is_named_as_lost(tmp_path: Path, dub: Path) -> None:
    broadcast = tmp_path / "h264.mkv"
    silent = bytes([6, 1, 1, 0x04, 0x80])  # x264's message of a picture's timing, without a timecode
    plain = films.make(
        tmp_path / "plain.h264", *films.x264("-bf", "0", "-x264-params", "pic-struct=1"), sound=""
    )
    said = _timecode(7, 8, "0000")
    data = plain.read_bytes().replace(
        silent, bytes([6, 1, len(said)]) + said.replace(b"\0\0\0", b"\0\0\3\0") + b"\x80"
    )
    (tmp_path / "told.h264").write_bytes(data)
    films.ffmpeg("-r", "25", "-i", url(tmp_path / "told.h264"), "-c", "copy", url(broadcast))
    assert all(beside(broadcast, "S12M_TIMECODE"))
    disc = ["-c:v", "mpeg2video", "-gop_timecode"]
    for film, lost in (
        (broadcast, ["timecode in its pictures"]),
        (films.make(tmp_path / "disc.mpg", *disc, "10:00:00:00"), ["timecode in its groups"]),
        (films.make(tmp_path / "zero.mpg", *disc, "00:00:00:00"), []),
        (films.make(tmp_path / "camera.mov", *disc, "10:00:00:00", "-timecode", "10:00:00:00"), []),
    ):
        stages = films.Stages(tmp_path / film.stem, film, dub, ".mp4")
        stages.run(probing)
        assert [re.findall("carries (.*);", line) for line in stages.warnings] == ([lost] if lost else [])


@pytest.mark.parametrize(
    ("touched", "suffix"), [(range(5, 8), ".mov"), (range(5, 8), ".mp4"), (range(5, 8), ".mkv"), ((), ".mov")]
)
def test_dolby_vision_stays_where_its_base_layer_is_all_there_is(
    touched: Sequence[int], suffix: str, footage: Path, tmp_path: Path, dub: Path
) -> None:
    """A third of a second of a phone's film."""
    whole, film = footage / "media" / "phone_hlg_10bit.mov", tmp_path / "film.mp4"
    cut = ("-t", "0.34", "-map", "0:v:0", "-c", "copy", "-strict", "unofficial")
    films.ffmpeg("-i", url(whole), *cut, url(film))
    before = beside(film, "DOVI_RPU_BUFFER")
    assert all(before)
    done = films.dubbed(tmp_path / "job", film, dub, touched, suffix, compose={"preset": "ultrafast"})
    assert (done.note["encoded"] > 0) is bool(touched)
    assert beside(done.path, "DOVI_RPU_BUFFER") == before
    assert probe(done.path).film.dolby_vision == probe(film).film.dolby_vision is not None
    assert not any("Dolby Vision" in line for line in done.warnings)
