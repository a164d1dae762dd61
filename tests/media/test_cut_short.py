"""A film or dub that lacks its end plays to where it ends, and is told of."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pytest

from dubcli.artifacts.shots import Frames
from dubcli.errors import MediaError
from dubcli.media import decode, truncation
from dubcli.media.probe import probe
from dubcli.stages import probe as stage_probe
from tests.media import films


def test_a_truncated_film_plays_to_where_it_ends(tmp_path: Path, dub: Path) -> None:
    whole = films.make(tmp_path / "whole.mkv", *films.x264("-g", "8"))
    film = tmp_path / "film.mkv"
    film.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4))
    before = films.decoded(film).times
    assert 8 < len(before) < 25
    assert films.decoded(done.path).times == before
    lacking = whole.stat().st_size - film.stat().st_size
    assert [line for line in done.warnings if f" {lacking:,} of " in line and "film.mkv is cut short" in line]


@pytest.mark.parametrize(
    ("name", "options", "lacking"),
    [
        ("film.mp4", films.x264("-movflags", "+faststart"), "1,000 of"),
        ("film.mkv", films.x264(), "1,000 of"),
        ("streamed.mkv", films.x264("-live", "1"), ""),
        ("film.avi", ["-c:v", "mjpeg"], "1,000 of"),
        ("film.flv", films.x264("-c:a", "aac"), "1,000 of"),
        ("film.wmv", ["-c:v", "wmv2", "-c:a", "wmav2"], "1,000 of"),
        ("film.ts", films.x264("-c:a", "aac"), "within a packet"),
        ("film.m2ts", films.x264("-c:a", "ac3"), "within a packet"),
        ("film.ogv", ["-c:v", "libtheora", "-c:a", "libvorbis"], "within a page"),
        ("dub.wav", ["-vn"], "1,000 of"),
        ("rf64.wav", ["-vn", "-rf64", "always"], "1,000 of"),
        ("dub.w64", ["-vn"], "1,000 of"),
        ("dub.caf", ["-vn"], "1,000 of"),
        ("dub.au", ["-vn"], "1,000 of"),
        ("dub.aiff", ["-vn"], "1,000 of"),
        ("dub.mp3", ["-vn"], "1,000 of"),
        ("tagged.mp3", ["-vn", "-metadata", "title=A"], "1,000 of"),
        ("guessed.mp3", ["-vn", "-write_xing", "0"], ""),
        ("dub.opus", ["-vn", "-c:a", "libopus"], "within a page"),
    ],
)
def test_a_file_that_ends_before_its_head_says_is_cut_short(
    name: str, options: list[str], lacking: str, tmp_path: Path
) -> None:
    path = films.make(tmp_path / name, *options)
    form = probe(path, whole=False).format
    assert not truncation.lacking(path, form)
    path.write_bytes(path.read_bytes()[:-1000])
    told = truncation.lacking(path, form)
    assert lacking in told
    assert bool(told) == bool(lacking)


def test_mxf_without_its_footer_is_cut_short(tmp_path: Path) -> None:
    path = films.make(tmp_path / "film.mxf", "-c:v", "mpeg2video", "-c:a", "pcm_s16le")
    assert not truncation.lacking(path, "mxf")
    path.write_bytes(path.read_bytes()[:-10_000])
    assert " bytes are missing" in truncation.lacking(path, "mxf")


@pytest.mark.parametrize("name", ["film.mkv", "film.ts"])
def test_a_download_whose_end_was_never_filled_is_cut_short(name: str, tmp_path: Path) -> None:
    path = films.make(tmp_path / name, *films.x264("-crf", "1"), size="320x240")
    form, data = probe(path, whole=False).format, path.read_bytes()
    assert not truncation.lacking(path, form)
    path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\0"))
    assert "nothing but zeros" in truncation.lacking(path, form)


@pytest.mark.parametrize(
    ("name", "options", "ending"),
    [
        ("film.ts", films.x264("-c:a", "aac"), b""),
        ("dub.ts", ["-vn", "-c:a", "aac"], b""),
        ("film.mpg", ["-c:v", "mpeg2video", "-c:a", "mp2"], b"\0\0\1\xb9"),
        ("film.mkv", films.x264(), b""),
        ("film.flv", films.x264("-c:a", "aac"), b""),
        ("dub.flac", ["-vn"], b""),
    ],
)
def test_zeros_behind_a_whole_file_cut_nothing_short(
    name: str, options: list[str], ending: bytes, tmp_path: Path, dub: Path
) -> None:
    whole, path = films.make(tmp_path / f"whole-{name}", *options), tmp_path / name
    path.write_bytes(whole.read_bytes() + ending + bytes(70_000))
    film = path if "film" in name else films.make(tmp_path / "film.mkv", *films.x264())
    stages = films.Stages(tmp_path / "job", film, dub if film == path else path, ".mkv")
    stages.read()
    assert not [line for line in stages.warnings if "is cut short" in line]
    read = Frames.load(stages.view.one("split").path)
    assert len(read.pts) == 25


def test_flac_of_no_known_length_that_ends_in_zeros_is_cut_short(tmp_path: Path) -> None:
    whole = films.make(tmp_path / "whole.flac", "-vn").read_bytes()
    path = tmp_path / "dub.flac"
    # As from a pipe: the head counts no samples, in 36 bits.
    path.write_bytes(whole[:21] + bytes([whole[21] & 0xF0]) + bytes(4) + whole[26:] + bytes(70_000))
    assert "nothing but zeros" in truncation.lacking_sound(path, "flac", 1.0)


@pytest.mark.parametrize("name", ["dub.caf", "dub.w64"])
def test_what_is_no_part_of_a_file_lacks_nothing(name: str, tmp_path: Path) -> None:
    """Junk behind its chunks, or a tag of MP3 before its head, that FFmpeg skips."""
    path = films.make(tmp_path / name, "-vn")
    data, form = path.read_bytes(), probe(path).format
    path.write_bytes(data + b"\x9d" * 100 if form == "caf" else b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + data)
    assert not truncation.lacking(path, form)


def test_an_ogg_file_without_its_last_page_is_cut_short(tmp_path: Path) -> None:
    path = films.make(tmp_path / "dub.ogg", "-vn", "-c:a", "libvorbis", seconds=4)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert truncation.lacking(path, "ogg") == "its last page is not marked as the last"


def test_sound_of_fewer_samples_than_its_head_counts_is_cut_short(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = films.make(tmp_path / "dub.flac", "-vn")

    def told() -> list[str]:
        stages = films.Stages(tmp_path / "job", film, dub)
        stages.run(stage_probe)
        return [line for line in stages.warnings if "dub.flac is cut short" in line]

    assert not told()
    dub.write_bytes(dub.read_bytes()[: dub.stat().st_size // 2])
    (line,) = told()
    assert " of 1.0 s are missing" in line


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_a_film_cut_within_a_picture_has_its_last_ones_on_any_number_of_cores(
    cores: int, tmp_path: Path, dub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several cores decode several pictures at once; the error of the last must not lose those before it."""
    fragments = ["-movflags", "frag_keyframe+empty_moov", "-bf", "2"]
    whole = films.make(tmp_path / "whole.mp4", *films.x264("-g", "25", *fragments), seconds=2)
    with av.open(str(whole)) as container:
        packets = [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    place, size = packets[44]
    assert place is not None
    film = tmp_path / "film.mp4"
    film.write_bytes(whole.read_bytes()[: place + size // 2])
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(decode, "_THREADS", cores)
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    frames = Frames.load(stages.view.one("split").path)
    assert len(frames.pts) == 44
    assert [line for line in stages.warnings if "damaged" in line] == [
        "1 packets or frames of the film's picture are damaged; what is lacking was guessed"
    ]
    stages.touch(range(40, 44))
    assert len(films.decoded(stages.finish().path).times) == 44
    untouched = films.dubbed(tmp_path / "untouched", film, dub)
    assert untouched.note["encoded"] == 44  # a copy would hold the packet that shows nothing
    assert len(films.decoded(untouched.path).times) == 44


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    whole = films.make(tmp_path / "whole.mp4", *films.x264())
    film = tmp_path / "film.mp4"
    data = whole.read_bytes()
    film.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(MediaError, match="cannot be read"):
        probe(film)
