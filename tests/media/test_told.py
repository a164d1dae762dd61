"""What containers and programs say of a film beside its pictures and sound: it stays, or is named."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import pytest

from dubcli.media import marks, matroska
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import probe as probing
from tests.media import films
from tests.media.test_language import languages


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def inside(data: bytes, way: list[bytes], extra: bytes) -> bytes:
    """An MP4 whose `moov` is last, with a box more at the end of a box."""
    around, start, stop = [], 0, len(data)
    for kind in way:
        while data[start + 4 : start + 8] != kind:
            start += int.from_bytes(data[start : start + 4], "big")
        stop = start + int.from_bytes(data[start : start + 4], "big")
        around.append((start, stop))
        start += {b"stsd": 16, b"avc1": 86}.get(kind, 8)
    out = bytearray(data[:stop] + extra + data[stop:])
    for start, end in around:
        out[start : start + 4] = (end - start + len(extra)).to_bytes(4, "big")
    return bytes(out)


def spherical(path: Path) -> Path:
    """A film of 360°, the eyes' views one above the other (Spherical Video V2)."""
    whole = box(b"proj", box(b"prhd", bytes(16)) + box(b"equi", bytes(20)))
    said = box(b"st3d", bytes([0, 0, 0, 0, 1])) + box(b"sv3d", box(b"svhd", bytes(5)) + whole)
    films.make(path, *films.x264("-g", "8", "-bf", "2"))
    entry = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"]
    path.write_bytes(inside(path.read_bytes(), entry, said))
    return path


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
def test_a_projection_of_360_degrees_stays_or_is_named(touched: range, tmp_path: Path, dub: Path) -> None:
    film = spherical(tmp_path / "film.mp4")
    said = probe(film).film.told
    assert len(said) == 2
    for suffix in (".mp4", ".mov", ".mkv"):
        done = films.dubbed(tmp_path / suffix, film, dub, touched, suffix)
        kept = probe(done.path).film.told
        named = [one for one in said if any(one in line for line in done.note["left_out"])]
        assert sorted([*kept, *named]) == sorted(said)
        if suffix == ".mp4":
            assert kept == said


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_pictures_encoded_anew_say_how_two_eyes_views_are_packed(
    suffix: str, tmp_path: Path, dub: Path
) -> None:
    """A message of each group (frame packing), which broadcasts in 3D have."""
    packed = films.x264("-g", "8", "-bf", "2", "-x264-params", "frame-packing=3")
    film = films.make(tmp_path / f"film{suffix}", *packed)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), ".mp4")
    with av.open(str(done.path)) as after:
        keys: list[Any] = [frame for frame in after.decode(video=0) if frame.key_frame]
        assert len(keys) == 5  # one more than in the film
        assert all("STEREO3D" in [one.type.name for one in frame.side_data] for frame in keys)


def test_languages_of_regions_stay_in_matroska_and_are_named_elsewhere(tmp_path: Path, dub: Path) -> None:
    plain = films.make(tmp_path / "plain.mp4", *films.x264("-g", "8"))
    film = tmp_path / "film.mkv"
    tags = ("es-419", "pt-BR")
    told = [
        word
        for k, tag in enumerate(tags)
        for word in (f"-metadata:s:a:{k}", f"language={matroska.placeholder(tag)}")
    ]
    films.ffmpeg("-i", url(plain), "-map", "0", "-map", "0:a", "-c", "copy", *told, url(film))
    matroska.set_languages(film, ["", *tags])
    assert [stream.language for stream in probe(film).audio] == list(tags)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), remux={"language": "pt-BR"})
    assert languages(done.path) == [("und", ""), ("por", "pt-BR"), ("spa", "es-419"), ("por", "pt-BR")]
    for suffix in (".mp4", ".mov"):
        other = films.dubbed(tmp_path / suffix, film, dub, range(9, 12), suffix)
        with av.open(str(other.path)) as after:
            assert [stream.language for stream in after.streams.audio][1:] == ["spa", "por"]
        assert sum("language" in line for line in other.note["left_out"]) == 2


def test_figures_of_packets_that_are_others_now_do_not_stay(tmp_path: Path, dub: Path) -> None:
    """mkvmerge writes them, and programs believe them."""
    plain = films.make(tmp_path / "plain.mkv", *films.x264("-g", "8"), "-c:a", "flac")
    film = tmp_path / "film.mkv"
    figures = ("BPS=123", "NUMBER_OF_BYTES=9", "_STATISTICS_TAGS=BPS NUMBER_OF_BYTES")
    told = [word for kind in "va" for text in figures for word in (f"-metadata:s:{kind}", text)]
    films.ffmpeg("-i", url(plain), "-map", "0", "-c", "copy", *told, url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    with av.open(str(done.path)) as after:
        assert not [key for key in after.streams.video[0].metadata if "BPS" in key or "STAT" in key]
        assert after.streams.audio[1].metadata["BPS"] == "123"


def test_an_encoder_is_told_of_what_it_encoded_alone(tmp_path: Path, dub: Path) -> None:
    said = ("-metadata:s:v", "ENCODER=another", "-metadata:s:a", "ENCODER=another", "-fflags", "+bitexact")
    codecs = ("-c:v", "mpeg2video", "-c:a", "flac", "-flags", "+bitexact")
    film = films.make(tmp_path / "film.mkv", *codecs, *said)
    for suffix in (".mkv", ".mp4"):
        done = films.dubbed(tmp_path / suffix, film, dub, range(9, 12), suffix)
        with av.open(str(done.path)) as after:
            told = [s.metadata.get("ENCODER") for s in (after.streams.video[0], after.streams.audio[1])]
            assert told == [None, "another" if suffix == ".mkv" else None]


@pytest.mark.parametrize("touched", [range(9, 12), ()], ids=["touched", "copied"])
def test_what_an_editing_program_says_in_xmp_stays_beside_the_mark(
    touched: range, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    marks.write(film)
    said = marks.packet(film).replace("dubcli", "Premiere").replace(marks.COMPOSITE, "other")
    films.make(film, *films.x264("-g", "8"))
    marks.write(film, said, synthetic=False)
    assert marks.packet(film) == said
    for suffix in (".mp4", ".mov"):
        done = films.dubbed(tmp_path / suffix, film, dub, touched, suffix)
        kept = marks.packet(done.path)
        assert "Premiere" in kept
        assert (marks.COMPOSITE in kept) == bool(touched)
        assert not done.note["left_out"]
    other = films.dubbed(tmp_path / "mkv", film, dub, touched, ".mkv")
    assert other.note["left_out"] == ["the film's XMP packet"]


def test_subtitles_that_nobody_decodes_are_named_by_their_kind(tmp_path: Path, dub: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\nBonjour\n")
    plain = films.make(tmp_path / "plain.mp4", *films.x264("-g", "8"))
    film = tmp_path / "film.mp4"
    films.ffmpeg(
        "-i", url(plain), "-i", url(tmp_path / "a.srt"), "-map", "0", "-map", "1",
        "-c", "copy", "-c:s", "ttml", url(film),
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert done.note["left_out"] == ["subtitle 2: ttml cannot stand in mp4"]


def test_lossless_sound_that_becomes_aac_is_named(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), "-c:a", "pcm_s24le")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    (line,) = done.note["left_out"]
    assert "sound track 1 (pcm_s24le)" in line
    assert "-o film.mov" in line
    assert not films.dubbed(tmp_path / "mov", film, dub, range(9, 12), ".mov").note["left_out"]


def test_a_dub_of_several_tracks_is_told_of(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mov", *films.x264("-g", "8"))
    noise = films.wav(tmp_path / "a.wav", films.noise(1))
    for count in (1, 2):
        dub = tmp_path / f"{count}.mov"
        films.ffmpeg("-i", url(noise), *(count * ["-map", "0"]), "-c:a", "pcm_s24le", url(dub))
        stages = films.Stages(tmp_path / f"job{count}", film, dub)
        stages.run(probing)
        assert sum("2 sound tracks" in line for line in stages.warnings) == count - 1
