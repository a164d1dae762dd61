"""What a container does not say of chapters is named."""

from __future__ import annotations

from pathlib import Path

from dubcli.media.ffmpeg import url
from dubcli.media.mov import write as mov_write
from dubcli.media.probe import probe
from tests.media import films
from tests.media.told import element, grown, left_out


def test_a_chapter_that_begins_within_the_film_is_named(tmp_path: Path, dub: Path) -> None:
    """MP4 and MOV, as ffmpeg writes them, begin the first with the film."""
    plain = films.make(tmp_path / "plain.mkv", *films.x264("-g", "8"))
    said = tmp_path / "said"
    said.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=900\ntitle=A\n")
    film = tmp_path / "film.mkv"
    films.ffmpeg(
        "-i", url(plain), "-f", "ffmetadata", "-i", url(said), "-map_chapters", "1", "-c", "copy", url(film)
    )
    for suffix, begin in ((".mkv", 0.5), (".mov", 0.0)):
        done = films.dubbed(tmp_path / suffix, film, dub, (), suffix)
        assert probe(done.path).first_chapter == begin
        assert [line[:30] for line in done.note["left_out"]] == (
            [] if begin else ["when the first chapter begins "]
        )


def test_ends_of_chapters_that_a_container_does_not_say_are_named(tmp_path: Path, dub: Path) -> None:
    plain = films.make(tmp_path / "plain.mkv", *films.x264("-g", "8"))
    said, film = tmp_path / "said", tmp_path / "film.mkv"
    for first, gap in ((500, True), (700, False)):
        chapters = "".join(
            f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle=A\n"
            for start, end in ((0, first), (700, 900))
        )
        said.write_text(f";FFMETADATA1\n{chapters}")
        both = ["-i", url(plain), "-f", "ffmetadata", "-i", url(said)]
        films.ffmpeg(*both, "-map_chapters", "1", "-c", "copy", url(film))
        lost = ["when chapters end: in mp4 each ends where the next begins"] if gap else []
        assert left_out(tmp_path / "mp4", film, dub, ".mp4") == lost
        assert left_out(tmp_path / "mkv", film, dub, ".mkv") == []


def test_pictures_of_chapters_are_named(tmp_path: Path, dub: Path) -> None:
    """A track of photographs, as films of iTunes have it: no cover, and no second film."""
    plain, film = films.make(tmp_path / "plain.mov", *films.x264("-g", "8")), tmp_path / "film.mov"
    more = ["-map", "0", "-map", "0:v", "-c", "copy", "-c:v:1", "mjpeg", "-q:v:1", "3"]
    films.ffmpeg("-i", url(plain), *more, url(film))
    data = films.inside(
        film.read_bytes(), [b"moov", b"trak"], films.box(b"tref", films.box(b"chap", b"\0\0\0\3"))
    )
    film.write_bytes(data)
    mov_write.turn_off(film, [2])
    for suffix in (".mov", ".mp4", ".mkv"):
        named = "video stream 2 (mjpeg): pictures of chapters are kept nowhere"
        assert left_out(tmp_path / suffix, film, dub, suffix) == [named]
    assert not probe(films.dubbed(tmp_path / "job", film, dub, (), ".mp4").path).other


def test_chapters_that_lose_something_are_named(tmp_path: Path, dub: Path) -> None:
    """Those within chapters, names in a second language, and an order: FFmpeg reads none of them."""
    plain = films.make(tmp_path / "plain.mkv", *films.x264())
    name = element(b"\x80", element(b"\x85", b"One"))
    start, inner = element(b"\x91", b"\0"), element(b"\xb6", element(b"\x91", b"\0") + name)
    data = plain.read_bytes()
    tracks = b"\x16\x54\xae\x6b"
    at = data.find(tracks, data.find(tracks) + 4)  # the first is where it is looked up
    order = ["the order in which players show chapters, of this file or of others"]
    unseen = element(b"\x98", b"\1")
    for ordered, extra, lost in (
        (b"\0", start + name, []),
        (b"\0", start + unseen + name, ["that some chapters are not to be shown"]),
        (b"\1", start + name, order),
        (b"\0", start + name + name, ["names of chapters in further languages"]),
        (b"\0", start + name + inner, ["chapters within chapters"]),
    ):
        film = tmp_path / f"{len(extra)}.mkv"
        edition = element(b"\x45\xb9", element(b"\x45\xdd", ordered) + element(b"\xb6", extra))
        film.write_bytes(grown(data[:at] + element(b"\x10\x43\xa7\x70", edition) + data[at:], len(data)))
        assert list(probe(film).untold) == lost
    assert "chapters within chapters" in films.dubbed(tmp_path / "job", film, dub).note["left_out"]
