"""What pictures say of themselves stays with them: captions, HDR10+, Dolby Vision."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from tests.media import films


def _hdr10_plus(frame: int) -> bytes:
    """An HEVC SEI unit with one window of SMPTE ST 2094-40 (HDR10+) metadata, in Annex B."""
    bits = "01" + f"{4000 + frame:027b}" + "0"  # windows, target luminance, no peaks of the target
    bits += 3 * f"{50000 + frame:017b}" + f"{20000:017b}" + "0000" + f"{700:010b}" + "000"
    body = bytes(int(bits[k : k + 8].ljust(8, "1"), 2) for k in range(0, len(bits), 8))
    payload = bytes([0xB5, 0x00, 0x3C, 0x00, 0x01, 4, 1]) + body  # ITU-T T.35: country, provider, application
    message = bytes([39 << 1, 1, 4, len(payload)]) + payload + b"\x80"
    return b"\x00\x00\x00\x01" + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", message)


@pytest.mark.parametrize("touched", [range(3, 6), ()], ids=["touched", "untouched"])
def test_hdr10_plus_stays_with_copied_and_encoded_pictures(
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
    before = beside(film, "DYNAMIC_HDR_PLUS")
    assert len(set(before)) == 50
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mkv")
    assert beside(done.path, "DYNAMIC_HDR_PLUS") == before


def beside(path: Path, name: str) -> list[bytes]:
    """What each picture says of itself."""
    found = []
    with av.open(str(path)) as box:
        for frame in box.decode(video=0):
            data: Any = frame.side_data
            found.append(b"".join(bytes(one) for one in data if one.type.name == name))
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
        unit = bytes([6, 4, len(payload)]) + payload + b"\x80"
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
    assert not any("captions" in line for line in done.warnings)


def test_what_another_codec_cannot_say_is_named_as_lost(tmp_path: Path, dub: Path) -> None:
    plain = films.make(tmp_path / "plain.mp4", *films.x264("-g", "10"), seconds=0.4)
    film = with_captions(plain, tmp_path / "film.mp4", sized=True)
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), ".mov", compose={"codec": "prores"})
    assert "the film carries captions (CEA-708); frames that are encoded anew lose it" in done.warnings
    assert not any(beside(done.path, "A53_CC"))


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
