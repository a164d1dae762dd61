"""What is told of subtitles: places, styles and marks that a container does not say."""

from __future__ import annotations

from pathlib import Path

import av

from dubcli.media.ffmpeg import url
from tests.media import films
from tests.media.told import element, subtitled


def test_subtitles_that_nobody_decodes_are_copied_or_named_by_their_kind(tmp_path: Path, dub: Path) -> None:
    """TTML, as streaming services have it."""
    film = subtitled(tmp_path / "film.mp4", "ttml")
    with av.open(str(film)) as before:
        said = [bytes(packet) for packet in before.demux(subtitles=0) if packet.size]
    for result in (".mp4", ".mov"):
        done = films.dubbed(tmp_path / result, film, dub, range(9, 12), result)
        assert done.note["left_out"] == []
        with av.open(str(done.path)) as after:
            assert [bytes(packet) for packet in after.demux(subtitles=0) if packet.size] == said
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), ".mkv")
    assert done.note["left_out"] == ["subtitle 2: ttml cannot stand in matroska"]


def test_captions_of_japan_and_brazil_stay_in_matroska(tmp_path: Path, dub: Path) -> None:
    """ARIB's, which FFmpeg does not encode: a track of ASS with their name and description."""
    film = subtitled(tmp_path / "film.mkv", "ass")
    data = film.read_bytes().replace(b"S_TEXT/ASS", b"S_ARIBSUB\0")
    at = data.find(b"\x63\xa2", data.find(b"S_ARIBSUB"))  # what describes the track: two bytes of size
    size = int.from_bytes(data[at + 2 : at + 4], "big") & 0x3FFF
    said = element(b"\x63\xa2", b"\x30\0\x08")  # component, and the kind of its data
    room = b"\xec\x01" + (size + 4 - len(said) - 9).to_bytes(7, "big")
    film.write_bytes(data[:at] + said + room + data[at + len(said + room) :])
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert done.note["left_out"] == []
    with av.open(str(film)) as before, av.open(str(done.path)) as after:
        shown = [[bytes(p) for p in one.demux(subtitles=0) if p.size] for one in (before, after)]
    assert len(shown[0]) == 1
    assert shown[0] == shown[1]
    (named,) = films.dubbed(tmp_path / "other", film, dub, (), ".mp4").note["left_out"]
    assert named == "subtitle 2: arib_caption cannot stand in mp4; add -o film.mkv to keep it"


def test_marks_and_styles_that_a_container_does_not_say_are_named(tmp_path: Path, dub: Path) -> None:
    marked = ["-disposition:a", "default+original", "-disposition:s", "forced+hearing_impaired"]
    film = subtitled(tmp_path / "film.mkv", "ass", *marked)
    sound, text = "marks of stream 1 (original)", "marks of stream 2 (forced, hearing_impaired)"
    styles = "places, fonts and movements of subtitle 2 (ass); add -o film.mkv to keep them"
    for result, lost in (
        (".mkv", []),
        (".mp4", [f"{sound}: mp4 has none", styles]),
        (".mov", [f"{sound}: mov has none", styles, f"{text}: mov has none"]),
    ):
        assert films.dubbed(tmp_path / result, film, dub, (), result).note["left_out"] == lost


def test_places_of_subtitles_that_a_container_does_not_say_are_named(tmp_path: Path, dub: Path) -> None:
    top, plain = tmp_path / "top", tmp_path / "plain"
    settings = "WEBVTT\n\n00:00:00.100 --> 00:00:00.500{}\nBonjour\n"
    codes = "1\n00:00:00,100 --> 00:00:00,500\n{}Bonjour\n"
    for kind, text, codec in ((".vtt", settings, "webvtt"), (".srt", codes, "subrip")):
        top.with_suffix(kind).write_text(text.format(" line:0" if kind == ".vtt" else "{\\an8}"))
        plain.with_suffix(kind).write_text(text.format(""))
        picture = films.make(tmp_path / "picture.mkv", *films.x264("-g", "8"))
        for where in (top, plain):
            film = tmp_path / f"{where.name}{kind}.mkv"
            films.ffmpeg("-i", url(picture), "-i", url(where.with_suffix(kind)), "-c", "copy", url(film))
            lost = [f"places of subtitle 2 ({codec}); add -o film.mkv to keep them"] if where is top else []
            done = films.dubbed(tmp_path / f"job {film.stem}", film, dub, (), ".mp4")
            assert done.note["left_out"] == lost


def test_colours_of_subtitles_that_mp4_does_not_say_are_named(tmp_path: Path, dub: Path) -> None:
    """As subtitles for the deaf tell speakers apart."""
    texts = {"subrip": '1\n00:00:00,100 --> 00:00:00,500\n<font color="#ffff00">Oui</font>\n'}
    texts["webvtt"] = "WEBVTT\n\n00:00:00.100 --> 00:00:00.500\n<c.yellow.bg_black>Oui</c>\n"
    plain, film = films.make(tmp_path / "plain.mkv", *films.x264("-g", "8")), tmp_path / "film.mkv"
    files = [tmp_path / "a.srt", tmp_path / "a.vtt"]
    for path, text in zip(files, texts.values(), strict=True):
        path.write_text(text)
    given = [part for path in (plain, *files) for part in ("-i", url(path))]
    films.ffmpeg(*given, "-map", "0", "-map", "1", "-map", "2", "-c", "copy", url(film))
    lost = [
        f"colours of subtitle {k} ({name}); add -o film.mkv to keep them" for k, name in enumerate(texts, 2)
    ]
    for suffix, named in ((".mp4", lost), (".mkv", [])):
        assert films.dubbed(tmp_path / suffix, film, dub, (), suffix).note["left_out"] == named


def test_lines_that_are_seen_together_are_cut_and_named(tmp_path: Path, dub: Path) -> None:
    """MP4 shows one at a time."""
    picture = films.make(tmp_path / "picture.mkv", *films.x264("-g", "8"))
    text = tmp_path / "a.srt"
    film = tmp_path / "film.mkv"
    for begin in ("500", "300"):
        text.write_text(
            f"1\n00:00:00,100 --> 00:00:00,500\nUn\n\n2\n00:00:00,{begin} --> 00:00:00,900\nDeux\n"
        )
        films.ffmpeg("-i", url(picture), "-i", url(text), "-c", "copy", url(film))
        done = films.dubbed(tmp_path / begin, film, dub, (), ".mp4")
        assert [line[:22] for line in done.note["left_out"]] == (
            ["the ends of subtitle 2"] if begin == "300" else []
        )


def test_webvtt_of_mkvmerge_stays_as_text(tmp_path: Path, dub: Path) -> None:
    """FFmpeg knows the kind that it writes itself alone."""
    film = subtitled(tmp_path / "film.mkv", "webvtt")
    own, other = b"D_WEBVTT/SUBTITLES", b"S_TEXT/WEBVTT"
    data = film.read_bytes().replace(own, other.ljust(len(own), b"\0"))
    film.write_bytes(data.replace(b"\n\nBonjour", b"- Bonjour"))
    for suffix in (".mkv", ".mp4"):
        done = films.dubbed(tmp_path / suffix, film, dub, (), suffix)
        assert not done.note["left_out"]
        with av.open(str(done.path)) as after:
            assert b"Bonjour" in b"".join(bytes(packet) for packet in after.demux(after.streams.subtitles))
