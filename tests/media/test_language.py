"""The dub's language as each container can hold it, read back by PyAV and element by element."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from dubcli.errors import CheckError
from dubcli.media import matroska
from tests.media import films

TRACKS, ENTRY, CRC = 0x1654AE6B, 0xAE, 0xBF
CODE, TAG = 0x22B59C, 0x22B59D


def elements(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """(identifier, first byte, byte after the last one) of the elements of Matroska in a range."""
    while start < stop:
        wide = 9 - data[start].bit_length()
        kind, start = int.from_bytes(data[start : start + wide], "big"), start + wide
        wide = 9 - data[start].bit_length()
        size = int.from_bytes(data[start : start + wide], "big") & ((1 << 7 * wide) - 1)
        start += wide
        yield kind, start, min(start + size, stop)
        start += size


def tracks(data: bytes) -> tuple[int, int]:
    segment = [*elements(data, 0, len(data))][1]
    return next((a, b) for kind, a, b in elements(data, *segment[1:]) if kind == TRACKS)


def languages(path: Path) -> list[tuple[str, str]]:
    """(code, tag) of each track."""
    data = path.read_bytes()
    found = []
    for kind, a, b in elements(data, *tracks(data)):
        if kind == ENTRY:
            texts = {one: data[c:d].decode() for one, c, d in elements(data, a, b) if one in (CODE, TAG)}
            found.append((texts.get(CODE, ""), texts.get(TAG, "")))
    return found


@pytest.mark.parametrize(
    ("tag", "code", "mkv"),
    [
        ("fr-CA", "fra", ("fre", "fr-CA")), ("zh-Hant", "zho", ("chi", "zh-Hant")),
        ("de", "deu", ("ger", "")),
        ("x-foo", "und", ("und", "x-foo")),
    ],
)  # fmt: skip
def test_the_dub_has_its_language(
    tmp_path: Path, dub: Path, tag: str, code: str, mkv: tuple[str, str]
) -> None:
    film = tmp_path / "film.mp4"
    films.ffmpeg(*films.moving(), *films.x264("-g", "8"), str(film))
    for suffix in (".mp4", ".mov", ".mkv"):
        path = films.dubbed(tmp_path / suffix, film, dub, (), suffix, remux={"language": tag}).path
        with av.open(str(path)) as box:
            assert sum(1 for _ in box.decode(audio=0)) > 0
            assert (box.streams.audio[0].language or "und") == (mkv[0] if suffix == ".mkv" else code)
        if suffix == ".mkv":
            assert languages(path)[1] == mkv
            data = path.read_bytes()
            first, *_ = elements(data, *tracks(data))
            assert first[0] == CRC
            assert data[first[1] : first[2]] == zlib.crc32(data[first[2] : tracks(data)[1]]).to_bytes(
                4, "little"
            )


def test_a_missing_placeholder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"nothing")
    with pytest.raises(CheckError, match="lacks the language"):
        matroska.set_languages(tmp_path / "a.mkv", ["fr-CA"])
