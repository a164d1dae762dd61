"""Corrects language codes in a finished MP4 or MOV, which ffmpeg's muxer cannot write.

Source: ISO/IEC 14496-12 (mdhd 8.4.2); QuickTime File Format, language code values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

Box = tuple[bytes, int, int]  # type, first byte of its content, byte after it


def set_languages(path: Path, languages: Sequence[str]) -> None:
    """Write the languages of the first tracks as packed ISO 639-2/T codes.

    ffmpeg writes the codes of Macintosh languages into MOV, a list from 1991 that lacks most.

    Args:
        path: an MP4 or MOV file.
        languages: of the tracks in order, "" where it stays as it is.
    """
    with path.open("r+b") as file:
        size = path.stat().st_size
        tracks = [box for top in _inside(file, 0, size, b"moov") for box in _inside(file, *top[1:], b"trak")]
        for track, language in zip(tracks, languages, strict=False):
            if len(language) != 3:
                continue
            code = 0
            for letter in language:
                code = code << 5 | (ord(letter) - 0x60) & 31
            for media in _inside(file, *track[1:], b"mdia"):
                for _, start, _ in _inside(file, *media[1:], b"mdhd"):
                    file.seek(start)
                    version = file.read(1)[0]
                    file.seek(start + (32 if version else 20))
                    file.write(code.to_bytes(2, "big"))


def _inside(file: BinaryIO, start: int, stop: int, wanted: bytes) -> Iterator[Box]:
    """Boxes of a type between two positions."""
    while start + 8 <= stop:
        file.seek(start)
        head = file.read(16)
        size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0:
            size = stop - start
        if size < body - start:
            return
        if kind == wanted:
            yield kind, body, start + size
        start += size
