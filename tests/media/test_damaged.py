"""Damaged packets are passed over with a warning, and pictures that change midway are refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.artifacts.shots import Frames
from dubcli.errors import MediaError
from dubcli.media import sound
from tests.media import films


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_of_a_broadcast_whose_packets_lost_their_heads_stays_in_place(
    suffix: str, tmp_path: Path, dub: Path
) -> None:
    """FFmpeg refuses to copy such AAC."""
    film = films.make(tmp_path / "film.ts", *films.x264("-c:a", "aac", "-b:a", "32k"), seconds=3)
    data = bytearray(film.read_bytes())
    sound = [at for at in range(0, len(data), 188) if (data[at + 1] & 0x1F, data[at + 2]) == (1, 1)]
    for at in sound[len(sound) // 3 : len(sound) // 2]:
        while (head := data.find(b"\xff\xf1", at, at + 188)) > 0:
            data[head : head + 7] = bytes(7)
    film.write_bytes(data)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), suffix)
    assert done.note["copied"] > 0
    with av.open(str(done.path)) as container:
        track = container.streams.audio[1]
        times = [frame.time or 0.0 for frame in container.decode(track)]
    assert times[-1] - times[0] > 2.5
    assert max(np.diff(times)) > 0.1  # where nothing can be heard


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_damaged_packet_of_eac3_ends_no_job(suffix: str, tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mkv", *films.x264("-c:a", "eac3"))
    data = bytearray(film.read_bytes())
    head = data.index(b"\x0b\x77", len(data) // 2)
    data[head : head + 20] = bytes(20)
    film.write_bytes(data)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), suffix)
    assert len(films.sound(done.path, 1)[0][0]) > 0.9 * 48000


@pytest.mark.parametrize(("junk", "lost"), [(200_000, "end"), (200_000, "middle")])
def test_junk_in_a_transport_stream_ends_no_film(junk: int, lost: str, tmp_path: Path, dub: Path) -> None:
    whole = films.make(tmp_path / "whole.ts", *films.x264("-g", "8"), seconds=2)
    data, film = whole.read_bytes(), tmp_path / "film.ts"
    place = len(data) if lost == "end" else len(data) // 2 // 188 * 188
    film.write_bytes(data[:place] + bytes(junk) + data[place:])
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4), ".mp4")
    assert films.decoded(done.path).times == films.decoded(whole).times
    assert len(films.sound(done.path, 1)[0][0]) >= len(films.sound(whole)[0][0]) - 1024


def test_damaged_sound_of_any_codec_is_passed_over(tmp_path: Path) -> None:
    """Of AC-3 FFmpeg says so with numbers of its own."""
    path = films.make(tmp_path / "dub.ac3", "-vn")
    before = len(sound.audio(path)[0])
    path.write_bytes(path.read_bytes() + b"TAG".ljust(128, b"\0"))
    assert before - 512 <= len(sound.audio(path)[0]) <= before  # but for the last packet


def test_damaged_pictures_play_as_they_did(tmp_path: Path, dub: Path) -> None:
    """What a decoder makes of damaged slices it makes of the copy of them, frame for frame."""
    whole = films.make(tmp_path / "whole.mkv", *films.x264("-g", "8", "-bf", "0"), seconds=2)
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
    for packet in (packets[18], packets[21]):
        at = data.index(packet)
        for k in range(at + len(packet) // 2, at + len(packet)):
            data[k] ^= 0xFF
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(data))
    assert films.decoded(film).hashes != films.decoded(whole).hashes
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4))
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    assert after.hashes[8:] == before.hashes[8:]
    assert (done.note["encoded"], done.note["copied"]) == (6, 44)


def test_packets_that_do_not_decode_are_passed_over_with_a_warning(tmp_path: Path, dub: Path) -> None:
    whole = films.make(tmp_path / "whole.mkv", *films.x264("-g", "8", "-bf", "0"), seconds=1)
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packet = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size][12]
    at = data.index(packet)
    data[at : at + 4] = b"\x7f\xff\xff\xff"  # a NAL unit of two gigabytes
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(data))
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    assert any("of the film's picture are damaged" in line for line in stages.warnings)
    stages.touch(range(2, 4))
    done = stages.finish()
    assert "damaged" in done.note["why"]  # so nothing is copied
    assert done.note["copied"] == 0
    assert len(films.decoded(done.path).times) == len(Frames.load(stages.view.one("split").path).pts)


def test_a_picture_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    for name, size in (("a", "96x64"), ("b", "128x96")):
        films.make(tmp_path / f"{name}.ts", *films.x264("-bsf:v", "h264_mp4toannexb"), size=size, sound="")
    film = tmp_path / "film.ts"
    film.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    stages = films.Stages(tmp_path / "job", film)
    with pytest.raises(MediaError, match="changes from 96×64"):
        stages.read()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["-vf", "setsar=1"], ["-vf", "setsar=4/3"], "pixels of 1:1 to pixels of 4:3 at 2"),
        (["-colorspace", "bt709"], ["-colorspace", "smpte170m"], "matrix 1 to colour matrix 6"),
        (["-vf", "setsar=16/11"], ["-vf", "setsar=64/45"], ""),
        (["-colorspace", "bt470bg"], ["-colorspace", "smpte170m"], ""),
        ([], ["-vf", "setsar=1", "-colorspace", "bt709"], ""),
    ],
)
def test_a_broadcast_whose_pictures_are_shown_otherwise_midway_is_refused(
    first: list[str], second: list[str], said: str, tmp_path: Path
) -> None:
    for name, options in (("a", first), ("b", ["-output_ts_offset", "1", *second])):
        films.make(tmp_path / f"{name}.ts", *films.x264(*options, "-bsf:v", "h264_mp4toannexb"), sound="")
    film = tmp_path / "film.ts"
    film.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    stages = films.Stages(tmp_path / "job", film)
    if said:
        with pytest.raises(MediaError, match=said):
            stages.read()
    else:
        stages.read()
        assert len(Frames.load(stages.view.one("split").path).pts) == 50
