"""What containers and programs say of a film beside its pictures and sound: it stays, or is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from dubcli.media import marks, matroska
from dubcli.media.ffmpeg import url
from dubcli.media.mov import read as mov_read
from dubcli.media.probe import probe
from tests.media import films
from tests.media.test_language import languages
from tests.media.told import element, grown, left_out, of_boxes


def spherical(path: Path) -> Path:
    """A film of 360°, the eyes' views one above the other (Spherical Video V2)."""
    whole = films.box(b"proj", films.box(b"prhd", bytes(16)) + films.box(b"equi", bytes(20)))
    said = films.box(b"st3d", bytes([0, 0, 0, 0, 1])) + films.box(
        b"sv3d", films.box(b"svhd", bytes(5)) + whole
    )
    films.make(path, *films.x264("-g", "8", "-bf", "2"))
    entry = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"]
    path.write_bytes(films.inside(path.read_bytes(), entry, said))
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


def test_languages_of_regions_stay(tmp_path: Path, dub: Path) -> None:
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
        assert of_boxes(mov_read.languages, other.path) == ["", "", *tags]
        assert not other.note["left_out"]
    again = films.dubbed(tmp_path / "again", other.path, dub, (), ".mkv")
    assert languages(again.path)[3:] == [("spa", "es-419"), ("por", "pt-BR")]


def test_a_language_of_each_of_two_channels_is_named(tmp_path: Path, dub: Path) -> None:
    """As broadcasts say it of sound that is bilingual."""
    film = films.make(
        tmp_path / "film.ts", *films.x264("-g", "8"), "-c:a", "mp2", "-metadata:s:a", "language=jpn,eng"
    )
    for suffix in (".mp4", ".mkv"):
        done = films.dubbed(tmp_path / suffix, film, dub, (), suffix)
        assert done.note["left_out"] == ["that stream 1 is in eng too, as in its second channel"]
        assert probe(done.path).audio[1].language == "jpn"


def test_what_a_picture_is_called_and_marked_as_stays_or_is_named(tmp_path: Path, dub: Path) -> None:
    said = ["-metadata:s:v", "title=Regie", "-disposition:v", "default+comment+forced"]
    film = films.make(tmp_path / "film.mkv", *films.x264("-g", "8"), *said, "-metadata:s:v", "DIRECTOR=Jane")
    tags = "tags of stream 0 (DIRECTOR); add -o film.mkv to keep them"
    marks = "marks of stream 0 (comment, forced): mov has none"
    for suffix, lost in ((".mkv", []), (".mp4", [tags]), (".mov", [marks, tags])):
        done = films.dubbed(tmp_path / suffix, film, dub, range(9, 12), suffix)
        assert done.note["left_out"] == lost
        after = probe(done.path).film
        assert ("comment" in after.disposition) == (suffix != ".mov")
        assert after.tags.get("title", after.tags.get("name")) == "Regie"
    again = films.dubbed(tmp_path / "again", done.path, dub, (), ".mp4")
    assert probe(again.path).film.tags["name"] == "Regie"


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


def test_a_speed_that_an_edit_list_says_is_named(tmp_path: Path, dub: Path) -> None:
    """Slow motion, and pictures that stand still (a dwell): FFmpeg plays them as they were made."""
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    data = film.read_bytes()
    at = data.find(b"elst") + 20
    assert data[at : at + 4] == b"\0\1\0\0"
    film.write_bytes(data[:at] + b"\0\0\x80\0" + data[at + 4 :])
    named = "the speed at which an edit list plays stream 0, or lets it stand still"
    assert left_out(tmp_path / "job", film, dub, ".mp4") == [named]


def test_a_track_that_is_switched_off_is_named(tmp_path: Path, dub: Path) -> None:
    film = films.make(
        tmp_path / "film.mkv", *films.x264("-g", "8"), "-disposition:v", "default", "-disposition:a", "0"
    )
    data = film.read_bytes()
    default, enabled = b"\x88\x81\0", b"\xb9\x81\0"
    assert data.count(default) == 1
    film.write_bytes(data.replace(default, enabled))
    assert films.dubbed(tmp_path / "job", film, dub).note["left_out"] == ["that stream 1 is switched off"]


def test_lossless_sound_that_becomes_aac_is_named(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), "-c:a", "pcm_s24le")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    (line,) = done.note["left_out"]
    assert "sound track 1 (pcm_s24le)" in line
    assert "-o film.mov" in line
    assert not films.dubbed(tmp_path / "mov", film, dub, range(9, 12), ".mov").note["left_out"]


@pytest.mark.parametrize("result", [".mp4", ".mkv"])
def test_the_name_of_a_broadcast_stays(result: str, tmp_path: Path, dub: Path) -> None:
    """Of the programme that the film is part of; the second here."""
    programs = ["-program", "title=Radio:st=1:st=2", "-program", "title=Das Erste HD:st=0:st=3"]
    sounds = ["-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "1:a"]
    film = films.make(tmp_path / "film.ts", *sounds, *films.x264("-g", "8"), *programs)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), result)
    with av.open(str(done.path)) as after:
        tags = {key.lower(): value for key, value in after.metadata.items()}
        assert tags["service_name"] == "Das Erste HD"
        assert "service_provider" not in tags  # FFmpeg's own


def test_a_colour_profile_that_is_lost_is_named(tmp_path: Path, dub: Path) -> None:
    """As those of a computer's screen, which QuickTime kept beside what it recorded."""
    colours = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    plain = films.make(tmp_path / "plain.mov", "-vf", colours, *films.x264())
    film = tmp_path / "film.mov"
    way = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"]
    film.write_bytes(films.inside(plain.read_bytes(), way, films.box(b"colr", b"prof" + bytes(128))))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5))
    assert "what is said of the picture: its ICC profile" in done.note["left_out"]


def test_a_film_that_goes_on_in_another_file_is_told_of(tmp_path: Path) -> None:
    """Linked segments, as mkvmerge splits films with `--link`."""
    data = films.make(tmp_path / "plain.mkv", *films.x264()).read_bytes()
    kind = b"\x15\x49\xa9\x66"
    at = data.find(kind, data.find(kind) + 4)  # the first is where it is looked up
    size, following = data[at + 4] & 0x7F, element(b"\x3e\xb9\x23", bytes(range(16)))
    assert data[at + 4] & 0x80
    changed = data[: at + 4] + bytes([0x80 | size + len(following)])
    changed += data[at + 5 : at + 5 + size] + following + data[at + 5 + size :]
    film = tmp_path / "film.mkv"
    film.write_bytes(grown(changed, len(data)))
    assert probe(film).untold == ("that it is played together with other files (linked segments)",)


@pytest.mark.parametrize("late", [False, True])
def test_tags_that_stand_more_than_once_are_named(late: bool, tmp_path: Path, dub: Path) -> None:
    """As actors, and the titles of a series and its part; mkvmerge has tags behind the pictures."""

    def said(name: bytes, value: bytes, inside: bytes = b"") -> bytes:
        return element(b"\x67\xc8", element(b"\x45\xa3", name) + element(b"\x44\x87", value) + inside)

    def tag(target: bytes, *tags: bytes) -> bytes:
        return element(b"\x73\x73", element(b"\x63\xc0", target) + b"".join(tags))

    def lookup(place: int) -> bytes:
        sought = element(b"\x53\xab", kind) + element(b"\x53\xac", place.to_bytes(4, "big"))
        return element(b"\x11\x4d\x9b\x74", element(b"\x4d\xbb", sought))

    role, kind, tracks = said(b"CHARACTER", b"Q"), b"\x12\x54\xc3\x67", b"\x16\x54\xae\x6b"
    tags = tag(b"", said(b"TITLE", b"E"), said(b"ACTOR", b"Anna", role), said(b"ACTOR", b"Bob"))
    tags += tag(element(b"\x68\xca", b"\x46"), said(b"TITLE", b"S"))  # of the series
    tags += tag(element(b"\x63\xc5", b"\1"), said(b"ROLE", b"T")) * 2  # of a track
    tags = kind + b"\x01" + len(tags).to_bytes(7, "big") + tags
    data = films.make(tmp_path / "plain.mkv", *films.x264()).read_bytes()
    at = data.find(tracks, data.find(tracks) + 4)  # the first is where it is looked up
    behind = len(data) + len(lookup(0)) - data.find(b"\x18\x53\x80\x67") - 12
    changed = data[:at] + (lookup(behind) + data[at:] + tags if late else tags + data[at:])
    film = tmp_path / "film.mkv"
    film.write_bytes(grown(changed, len(data)))
    named = "tags that stand more than once, but for the last (ACTOR, TITLE)"
    assert probe(film).untold == (named,)
    assert named in films.dubbed(tmp_path / "job", film, dub).note["left_out"]
