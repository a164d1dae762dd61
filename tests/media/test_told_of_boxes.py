"""What cameras, telephones and programs say in boxes of their own: it stays, or is named."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import pytest

from dubcli.media.ffmpeg import url
from dubcli.media.mov import read as mov_read
from dubcli.media.mov import write as mov_write
from tests.media import films
from tests.media.told import of_boxes, subtitled


def test_what_a_telephone_says_of_a_track_stays_or_is_named(tmp_path: Path, dub: Path) -> None:
    """The lens in a `meta` of the picture, words of a program in `udta` of the sound."""
    film = films.make(tmp_path / "film.mov", *films.x264("-g", "8"), "-c:a", "pcm_s16le")
    lens, words = b"com.apple.quicktime.camera.lens_model", films.box(b"WORD", b"said of the sound")
    data = films.inside(film.read_bytes(), [b"moov", b"trak"], films.box(b"meta", lens))
    film.write_bytes(data)
    mov_write.add_own(film, [(1, "WORD", b"said of the sound")])
    assert of_boxes(mov_read.own, film) == [(0, "meta", lens), (1, "WORD", b"said of the sound")]
    for suffix in (".mov", ".mp4", ".mkv"):
        done = films.dubbed(tmp_path / suffix, film, dub, range(9, 12), suffix)
        kept, named = (
            of_boxes(mov_read.own, done.path) if suffix != ".mkv" else [],
            " ".join(done.note["left_out"]),
        )
        assert kept == ([] if suffix == ".mkv" else [(0, "meta", lens), (2, "WORD", words[8:])])
        assert ("boxes of its own (meta, WORD)" in named) == (suffix == ".mkv")


def test_a_volume_and_an_aperture_stay_or_are_named(tmp_path: Path, dub: Path) -> None:
    """As QuickTime says them of a track: half as loud, and 88 of 96 columns shown."""
    plain = films.make(tmp_path / "plain.mov", *films.x264("-g", "8", "-bf", "0"), "-c:a", "pcm_s16le")
    sizes = [(b"clef", 88), (b"prof", 96), (b"enof", 96)]
    shown = b"".join(
        films.box(kind, bytes(4) + struct.pack(">II", wide << 16, 64 << 16)) for kind, wide in sizes
    )
    data = films.inside(plain.read_bytes(), [b"moov", b"trak"], films.box(b"tapt", shown))
    film = tmp_path / "film.mov"
    film.write_bytes(data)
    mov_write.set_volumes(film, {1: 128})
    voice = tmp_path / "dub_fr.m4a"
    films.ffmpeg("-i", url(dub), url(voice))
    mov_write.set_volumes(voice, {0: 64})
    for suffix in (".mov", ".mp4", ".mkv"):
        done = films.dubbed(tmp_path / suffix, film, voice, (), suffix)
        kept = suffix != ".mkv"
        assert (of_boxes(mov_read.own, done.path) == [(0, "tapt", shown)]) == kept
        assert of_boxes(mov_read.volumes, done.path) == ({1: 64, 2: 128} if kept else {})
        named = " ".join(done.note["left_out"])
        lost = "boxes of its own (tapt)", "volume of sound track 1 (50%)", "volume of the dub's sound (25%)"
        assert [line in named for line in lost] == [not kept] * 3


def test_a_compressed_head_is_read_like_another(tmp_path: Path, dub: Path) -> None:
    """As QuickTime of before 2000 wrote it (cmov)."""
    film = films.make(tmp_path / "film.mov", *films.x264("-g", "8"), "-c:a", "pcm_s16le")
    mov_write.add_own(film, [(1, "WORD", b"said of the sound")])
    data = film.read_bytes()
    at = data.rindex(b"moov") - 4
    packed = len(data[at:]).to_bytes(4, "big") + zlib.compress(data[at:])
    inside = films.box(b"dcom", b"zlib") + films.box(b"cmvd", packed)
    film.write_bytes(data[:at] + films.box(b"moov", films.box(b"cmov", inside)))
    assert of_boxes(mov_read.own, film) == [(1, "WORD", b"said of the sound")]
    assert not of_boxes(mov_read.unread, film)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert of_boxes(mov_read.own, done.path) == [(2, "WORD", b"said of the sound")]


@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("options", [[], ["-metadata", "title=T"]], ids=["bare", "tagged"])
def test_what_a_camera_says_in_boxes_of_its_own_stays_or_is_named(
    options: list[str], result: str, tmp_path: Path, dub: Path
) -> None:
    """As those of GoPro and Nikon in `udta`, of Canon in `moov`, and of Sony and Samsung beside it."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8", *options))
    kept = films.box(b"CAME", bytes(range(16))) + films.box(b"NCDT", films.box(b"NCTG", b"lens"))
    tags = films.box(b"manu", b"\0\0\0\0\x55\xc4A Maker\0")  # FFmpeg reads this one
    data = films.inside(film.read_bytes(), [b"moov"], films.box(b"uuid", b"canon" * 8))
    there = [b"moov", b"udta"] if options else [b"moov"]
    data = films.inside(data, there, kept + tags if options else films.box(b"udta", kept + tags))
    data += films.box(b"meta", bytes(4) + films.box(b"xml ", b"\0\0\0\0<NonRealTimeMeta/>"))
    film.write_bytes(data + films.box(b"sefd", b"SEFH" + bytes(8) + b"SEFT") + b"a trailer that is no box")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), result)
    after, named = done.path.read_bytes(), " ".join(done.note["left_out"])
    assert "boxes of its own (meta, sefd, uuid)" in named
    assert ("boxes of its own (CAME, NCDT)" in named) == (result == ".mkv")
    assert (kept in after) == (result != ".mkv")
    with av.open(str(done.path)) as container:
        assert container.metadata.get("title", "") == ("T" if options else "")
        assert len(container.streams.audio) == 2


def test_streams_that_belong_to_others_still_do_or_are_named(tmp_path: Path, dub: Path) -> None:
    """As iTunes has it: subtitles follow sounds, one of which stands in for the other."""
    plain = subtitled(tmp_path / "one.mp4", "mov_text")
    film = tmp_path / "film.mp4"
    films.ffmpeg(
        "-i", url(plain), "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "0:s", "-c", "copy", url(film)
    )
    said = [(2, "fall", (1,)), (3, "folw", (1, 2))]
    mov_write.add_references(film, said)
    assert of_boxes(mov_read.references, film) == said
    for suffix in (".mp4", ".mov"):
        done = films.dubbed(tmp_path / suffix, film, dub, range(9, 12), suffix)
        assert of_boxes(mov_read.references, done.path) == [(3, "fall", (2,)), (4, "folw", (2, 3))]
        assert not done.note["left_out"]
    other = films.dubbed(tmp_path / "mkv", film, dub, (), ".mkv")
    assert [line for line in other.note["left_out"] if "belongs" in line] == [
        "that stream 2 belongs to stream 1 (fall)",
        "that stream 3 belongs to stream 1 and 2 (folw)",
    ]


def test_no_number_of_boxes_fills_the_memory(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    many = b"".join(films.box(b"C%03d" % k, b"word") for k in range(100))
    film.write_bytes(films.inside(film.read_bytes(), [b"moov"], films.box(b"udta", many)))
    kinds = [kind for _, kind, _ in of_boxes(mov_read.own, film)]
    assert kinds == [f"C{k:03}" for k in range(64)]
    assert of_boxes(mov_read.unread, film) == [f"C{k:03}" for k in range(64, 100)]
