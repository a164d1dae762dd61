"""Everything else in the film survives: sound, subtitles, chapters, attachments, timecode, tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer

from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe as probed
from tests.media import films

SRT = "1\n00:00:00,100 --> 00:00:00,500\nBonjour\n\n2\n00:00:00,600 --> 00:00:00,900\nle <i>monde</i>\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=A Film\nartist=Somebody\ncomment=kept\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Two\n"
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of subtitles, chapters, a font and a cover."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "a.srt").write_text(SRT)
    (folder / "meta.txt").write_text(CHAPTERS)
    (folder / "font.ttf").write_bytes(bytes(range(256)) * 4)
    films.ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", url(folder / "cover.png"))
    return folder


def rich(parts: Path, path: Path, *options: str) -> Path:
    """A film with two more sound tracks, two subtitles, chapters and tags, as its container allows."""
    films.ffmpeg(
        *films.moving(), "-f", "lavfi", "-t", "1", "-i", films.TONE,
        "-f", "lavfi", "-t", "1", "-i", "sine=300:r=44100", "-i", url(parts / "a.srt"),
        "-i", url(parts / "meta.txt"), "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "3",
        "-map_metadata", "4", "-map_chapters", "4", *films.x264("-g", "8", "-bf", "2"),
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
        "-metadata:s:a:1", "title=Kommentar",
        "-disposition:a:0", "default", "-disposition:a:1", "comment",
        "-metadata:s:s:0", "language=fra", "-metadata:s:s:1", "language=spa",
        "-disposition:s:0", "default", "-disposition:s:1", "forced",
        *options, url(path),
    )  # fmt: skip
    return path


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_the_picture_that_players_show_is_the_film(suffix: str, tmp_path: Path, dub: Path) -> None:
    film = tmp_path / f"film{suffix}"
    films.ffmpeg(
        *films.moving(), "-map", "0:v", "-map", "0:v", "-filter:v:0", "scale=64:48",
        "-disposition:v:0", "0", "-disposition:v:1", "default", *films.x264("-g", "8"), url(film),
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), suffix)
    with av.open(str(film)) as before, av.open(str(done.path)) as after:
        small, large = before.streams.video
        first, second = after.streams.video
        assert (first.width, second.width) == (large.width, small.width)
        assert (first.disposition, second.disposition) == (large.disposition, small.disposition)
    told = [line for line in done.warnings if "has 2 pictures; stream 1 is dubbed and stream 0 stays" in line]
    assert len(told) == 1


@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_subtitles_chapters_and_tags_survive(
    suffix: str, result: str, parts: Path, tmp_path: Path, dub: Path
) -> None:
    subtitle = ["-c:s", "srt" if suffix == ".mkv" else "mov_text"]
    film = rich(parts, tmp_path / f"film{suffix}", *subtitle, "-c:a", "aac")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), result)
    with av.open(str(film)) as before, av.open(str(done.path)) as after:
        kinds = [s.type for s in after.streams if s.type != "data"]
        assert kinds == ["video", "audio", "audio", "audio", "subtitle", "subtitle"]
        new, *old = after.streams.audio
        assert new.language == ("fre" if result == ".mkv" else "fra")  # Matroska has the bibliographic codes
        assert new.disposition & 1
        # ffmpeg cannot write the fixture's "deu" into MOV; dubcli can.
        assert [s.language for s in old] == ["eng", before.streams.audio[1].language or old[1].language]
        assert old[1].language == "deu" or suffix == ".mov"
        assert (old[1].metadata.get("title") or old[1].metadata["name"]) == "Kommentar"
        assert [bool(s.disposition & 1) for s in old] == [False, False]
        if ".mov" not in (suffix, result):  # MOV keeps no such mark
            assert old[1].disposition.name == "comment"
        assert [s.language for s in after.streams.subtitles] == ["fra", "spa"]
        forced = after.streams.subtitles[1].disposition
        assert forced.name == "forced" or ".mov" in (suffix, result)
        times = [[float(c[end] * (c["time_base"] or 1)) for end in ("start", "end")] for c in chapters(after)]
        assert np.allclose(times, [(0, 0.4), (0.4, 1.0)], atol=0.002)
        assert [c["metadata"]["title"] for c in after.chapters()] == ["One", "Two"]
        for key in ("title", "artist", "comment"):
            assert upper(after.metadata)[key.upper()] == upper(before.metadata)[key.upper()]
        texts = [shown(after, k) for k in range(2)]
        assert texts == [[("Bonjour", 0.1), ("le monde", 0.6)]] * 2
    for k in range(2):
        was, start, _ = films.sound(film, k)
        now, again, _ = films.sound(done.path, k + 1)
        assert abs(float(again - start)) <= (0.0006 if ".mkv" in (suffix, result) else 0)
        count = min(was.shape[1], now.shape[1]) - 2048
        assert np.allclose(was[:, 1024:count], now[:, 1024:count], atol=2e-3) or ".mkv" in (suffix, result)
    unmarked = result == ".mov" != suffix
    assert [line[:5] for line in done.note["left_out"]] == ["marks", "marks"] * unmarked


@pytest.mark.parametrize(
    ("marks", "spoken"),
    [
        (("0", "default+dub", "comment"), 1),
        (("dub", "default", "original"), 3),
        (("default+comment", "0", "0"), 2),
        (("0", "default", "0"), 2),
        (("dub", "comment", "visual_impaired"), 1),
    ],
)
def test_mouths_are_held_to_the_sound_that_was_spoken(
    marks: tuple[str, ...], spoken: int, tmp_path: Path
) -> None:
    """Not to the track that players choose, where that is marked as a dub or as a commentary."""
    tracks = [word for k in range(3) for word in ("-map", "1", f"-disposition:a:{k}", marks[k])]
    film = films.make(tmp_path / "film.mkv", "-map", "0", *tracks, *films.x264(), seconds=0.2)
    found = probed(film).spoken
    assert found is not None
    assert found.index == spoken


def chapters(container: InputContainer) -> list[Any]:
    """Chapters; their type is not what they are."""
    return list(container.chapters())


def upper(tags: dict[str, str]) -> dict[str, str]:
    """Matroska shouts."""
    return {key.upper(): value for key, value in tags.items()}


def shown(container: InputContainer, index: int) -> list[tuple[str, float]]:
    """Texts and times of a subtitle."""
    container.seek(0)
    stream = container.streams.subtitles[index]
    out = []
    for packet in container.demux(stream):
        data = bytes(packet)
        text = (
            data[2 : 2 + int.from_bytes(data[:2], "big")] if stream.codec_context.name == "mov_text" else data
        )
        plain = text.decode().replace("<i>", "").replace("</i>", "")
        if plain.strip() and packet.pts is not None:
            assert stream.time_base is not None
            out.append((plain, round(float(packet.pts * stream.time_base), 3)))
    return out


def test_attachments_and_styled_subtitles_stay_in_matroska(parts: Path, tmp_path: Path, dub: Path) -> None:
    film = rich(
        parts, tmp_path / "film.mkv", "-c:s", "ass", "-c:a", "flac",
        "-attach", str(parts / "font.ttf"), "-metadata:s:t:0", "mimetype=font/ttf",
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    with av.open(str(film)) as before, av.open(str(done.path)) as after:
        assert after.streams.attachments[0].data == before.streams.attachments[0].data
        assert after.streams.attachments[0].mimetype == "font/ttf"
        assert [s.codec_context.name for s in after.streams.audio[1:]] == ["flac", "flac"]
        assert [s.codec_context.name for s in after.streams.subtitles] == ["ssa", "ssa"]  # as PyAV calls it


def test_what_a_container_cannot_hold_is_named(parts: Path, tmp_path: Path, dub: Path) -> None:
    film = rich(
        parts, tmp_path / "film.mkv", "-c:s", "srt", "-c:a", "libvorbis",
        "-attach", str(parts / "font.ttf"), "-metadata:s:t:0", "mimetype=font/ttf",
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), ".mp4")
    assert done.note["left_out"] == ["attachment stream 5 (font.ttf): mp4 has no attachments"]
    assert "left out: attachment stream 5 (font.ttf): mp4 has no attachments" in done.warnings
    with av.open(str(done.path)) as after:
        assert [s.codec_context.codec.canonical_name for s in after.streams.audio] == ["aac", "aac", "aac"]


def with_cover(plain: Path, cover: Path, film: Path, *options: str) -> Path:
    """A film with a cover: in MP4 the stream before its picture, in Matroska an attachment."""
    if film.suffix == ".mkv":
        added = ["-attach", url(cover), "-metadata:s:t", f"mimetype=image/{cover.suffix[1:]}"]
    else:
        added = ["-i", url(cover), "-map", "1", "-map", "0", "-disposition:v:0", "attached_pic"]
    films.ffmpeg("-i", url(plain), *added, "-c", "copy", *options, url(film))
    return film


def test_a_cover_stays_a_cover(parts: Path, tmp_path: Path, dub: Path) -> None:
    plain = films.make(tmp_path / "plain.mp4", *films.x264())
    for suffix in (".mp4", ".mkv"):
        with_cover(plain, parts / "cover.png", tmp_path / f"film{suffix}")
        for result in (".mp4", ".mkv"):
            done = films.dubbed(
                tmp_path / f"job{suffix}{result}", tmp_path / f"film{suffix}", dub, range(3, 5), result
            )
            with av.open(str(done.path)) as after:
                film_stream, cover = after.streams.video
                assert cover.disposition.name == "attached_pic"
                assert film_stream.codec_context.name == "h264"
                packet = next(p for p in after.demux(cover) if p.size)
                assert bytes(packet) == (parts / "cover.png").read_bytes()
            assert len(films.decoded(done.path).times) == 25


def test_a_cover_that_cannot_stay_is_named_and_tags_stay_beside_one(
    parts: Path, tmp_path: Path, dub: Path
) -> None:
    plain = films.make(tmp_path / "plain.mp4", *films.x264())
    with_cover(plain, parts / "cover.png", tmp_path / "film.mkv", "-metadata", "maker=me")
    for result, covers, left in ((".mov", 0, ["video stream 2 (png): mov has no covers"]), (".mp4", 1, [])):
        done = films.dubbed(tmp_path / result, tmp_path / "film.mkv", dub, (), result)
        with av.open(str(done.path)) as after:
            assert len(after.streams.video) == 1 + covers
            assert after.metadata["MAKER"] == "me"
            assert ";" not in after.metadata["major_brand"]
        assert done.note["left_out"] == left


def test_a_covers_name_stays(parts: Path, tmp_path: Path, dub: Path) -> None:
    """Matroska's players look for cover.jpg."""
    plain, cover = films.make(tmp_path / "plain.mp4", *films.x264()), tmp_path / "a.jpeg"
    films.ffmpeg("-i", url(parts / "cover.png"), url(cover))
    with_cover(plain, cover, tmp_path / "film.mp4")
    with_cover(plain, cover, tmp_path / "film.mkv", "-metadata:s:t", "filename=small_cover.jpg")
    for suffix, name in ((".mp4", "cover.jpg"), (".mkv", "small_cover.jpg")):
        done = films.dubbed(tmp_path / f"job{suffix}", tmp_path / f"film{suffix}", dub, range(3, 5), ".mkv")
        with av.open(str(done.path)) as after:
            assert after.streams.video[1].metadata["filename"] == name


@pytest.mark.parametrize("result", [".mp4", ".mov"])
def test_subtitles_that_are_off_stay_off(result: str, parts: Path, tmp_path: Path, dub: Path) -> None:
    """FFmpeg's muxer turns the first one on."""
    film = rich(parts, tmp_path / "film.mkv", "-c:s", "srt", "-c:a", "aac", "-disposition:s:0", "0")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), result)
    with av.open(str(done.path)) as after:
        assert [bool(s.disposition & 1) for s in after.streams.subtitles] == [False, False]
        assert after.streams.audio[0].disposition & 1


@pytest.mark.parametrize("result", [".mp4", ".mov"])
def test_tags_stay_and_those_with_boxes_stay_in_them(result: str, tmp_path: Path, dub: Path) -> None:
    """A tag of any name put all others where no player looks; MOV lost those that MP4 alone has boxes for."""
    tags = {"title": "T", "artist": "A", "description": "D", "composer": "C", "PURL": "https://example.org"}
    given = [part for key, value in tags.items() for part in ("-metadata", f"{key}={value}")]
    film = films.make(
        tmp_path / "film.mkv", *films.x264(*given, "-metadata", "creation_time=2024-05-01T10:00:00Z")
    )
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result)
    with av.open(str(done.path)) as after:
        assert {key: upper(after.metadata).get(key.upper()) for key in tags} == tags
        assert after.metadata["creation_time"] == "2024-05-01T10:00:00.000000Z"
        assert after.streams.video[0].metadata["creation_time"] == "2024-05-01T10:00:00.000000Z"
    data = done.path.read_bytes()
    assert b"\xa9nam" in data
    assert data.count(b"mdtaPURL") == 1
    assert b"mdtatitle" not in data
    again = films.dubbed(tmp_path / "again", done.path, dub, range(3, 5), result)
    with av.open(str(done.path)) as before, av.open(str(again.path)) as after:
        assert after.metadata == before.metadata


def test_a_day_that_stands_twice_stays(tmp_path: Path, dub: Path) -> None:
    """As FFmpeg leaves it in films of cameras that it copies with all their tags."""
    options = ("-movflags", "use_metadata_tags", "-metadata", "creation_time=2024-05-01T10:00:00Z")
    film = films.make(tmp_path / "film.mp4", *films.x264(*options, "-metadata", "maker=me"))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5))
    assert film.read_bytes().count(b"mdtacreation_time") == 1
    with av.open(str(done.path)) as after:
        assert after.metadata["creation_time"] == "2024-05-01T10:00:00.000000Z"
        assert after.streams.video[0].metadata["creation_time"] == "2024-05-01T10:00:00.000000Z"


@pytest.mark.parametrize(("code", "rate"), [("01:02:03:04", "25"), ("00:59:58;28", "30000/1001")])
@pytest.mark.parametrize("result", [".mov", ".mp4"])
def test_timecode_stays(result: str, code: str, rate: str, tmp_path: Path, dub: Path) -> None:
    """A semicolon says that it drops frames."""
    said = ["-timecode", code, "-metadata:s:v", "reel_name=A001"]
    film = films.make(tmp_path / "film.mov", *films.x264(*said), rate=rate)
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result)
    with av.open(str(done.path)) as after:
        codes = {s.metadata.get("timecode") for s in after.streams} | {after.metadata.get("timecode")}
        assert code in codes
        reels = [s.metadata.get("reel_name") for s in after.streams if s.type == "data"]
    lost = ["reel name A001: mp4 has no place for it"]
    assert reels == [None if result == ".mp4" else "A001"]
    assert done.note["left_out"] == (lost if result == ".mp4" else [])


def test_each_picture_keeps_its_timecode_and_reel(tmp_path: Path, dub: Path) -> None:
    film = tmp_path / "film.mov"
    codes = {"01:00:00:00": "A001", "14:22:01:10": "B001"}
    said = [
        word
        for k, (code, reel) in enumerate(codes.items())
        for word in (f"-metadata:s:v:{k}", f"timecode={code}", f"-metadata:s:v:{k}", f"reel_name={reel}")
    ]
    films.ffmpeg(*films.moving(), "-map", "0", "-map", "0", *films.x264(*said), str(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5))
    with av.open(str(done.path)) as after:
        found = {
            s.metadata["timecode"]: s.metadata.get("reel_name") for s in after.streams if s.type == "data"
        }
    assert found == codes


def test_mouths_are_held_to_the_channel_in_the_middle(tmp_path: Path) -> None:
    """Editing programs hand over 5.1 as a track a channel; dialogue is in the third one."""
    places = ["FL", "FR", "FC", "LFE"]
    tracks = [word for _ in places for word in ("-map", "1")]
    filters = [
        word for k, place in enumerate(places) for word in (f"-filter:a:{k}", f"pan={place}|{place}=c0")
    ]
    film = films.make(
        tmp_path / "film.mov", "-map", "0", *tracks, *films.x264(), *filters, "-c:a", "pcm_s16le", seconds=0.2
    )
    found = probed(film).spoken
    assert found is not None
    assert found.index == 3


def test_tags_of_cameras_stay(tmp_path: Path, dub: Path) -> None:
    tags = [
        "-movflags",
        "use_metadata_tags",
        "-metadata",
        "com.apple.quicktime.make=A Maker",
        "-metadata",
        "title=T",
    ]
    film = films.make(tmp_path / "film.mov", *films.x264(*tags))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5))
    with av.open(str(done.path)) as after:
        assert after.metadata["com.apple.quicktime.make"] == "A Maker"
        assert after.metadata["title"] == "T"


def test_picture_subtitles_stay_in_matroska_and_are_named_elsewhere(tmp_path: Path, dub: Path) -> None:
    times = (9000, 45000)  # of 90 kHz
    sets = [b"PG" + t.to_bytes(4, "big") + bytes(4) + b"\x80\x00\x00" for t in times]  # ends of display sets
    (tmp_path / "a.sup").write_bytes(b"".join(sets))
    films.make(tmp_path / "plain.mp4", *films.x264())
    films.ffmpeg(
        "-i", url(tmp_path / "plain.mp4"), "-i", url(tmp_path / "a.sup"), "-map", "0", "-map", "1",
        "-c", "copy", "-metadata:s:s", "language=fra", url(tmp_path / "film.mkv"),
    )  # fmt: skip
    done = films.dubbed(tmp_path / "job", tmp_path / "film.mkv", dub, range(3, 5))
    with av.open(str(tmp_path / "film.mkv")) as before, av.open(str(done.path)) as after:
        rows = [[(p.pts, bytes(p)) for p in box.demux(subtitles=0) if p.size] for box in (before, after)]
        assert rows[0] == rows[1]
        assert len(rows[0]) == len(times)
        assert after.streams.subtitles[0].language == "fra"
    done = films.dubbed(tmp_path / "other", tmp_path / "film.mkv", dub, range(3, 5), ".mp4")
    assert len(done.note["left_out"]) == 1
    assert "hdmv_pgs_subtitle" in done.note["left_out"][0]
    with av.open(str(done.path)) as after:
        assert not after.streams.subtitles


@pytest.mark.parametrize("result", [".mov", ".mkv"])
def test_measurements_of_a_phone_are_left_out_and_named(result: str, tmp_path: Path, dub: Path) -> None:
    film = films.make(
        tmp_path / "film.mov", *films.x264("-timecode", "01:02:03:04", "-metadata:s:v", "reel_name=A001")
    )
    data = film.read_bytes()
    # Apple's timed metadata, as far as a reader sees: a track of handler `meta` and samples of kind `mebx`.
    name, kind = b"mhlrtmcd", data.rindex(b"tmcd", 0, data.rindex(b"stts"))
    changed = data[:kind] + b"mebx" + data[kind + 4 :]
    film.write_bytes(
        changed.replace(name, b"mhlrmeta").replace(b"tref\x00\x00\x00\x0ctmcd", b"tref\x00\x00\x00\x0ccdsc")
    )
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result)
    assert len(done.note["left_out"]) == 1
    assert done.note["left_out"][0].startswith("data stream 2")
    assert [text for text in done.warnings if "data stream 2" in text]
    assert len(films.decoded(done.path).times) == 25
