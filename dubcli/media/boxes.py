"""Reads of an MP4 or MOV what PyAV does not tell (edits), and writes what ffmpeg's muxer does not: languages,
Dolby Vision in MOV, HDR10 of pictures that were of another codec.

Sources: ISO/IEC 14496-12 (mdhd 8.4.2, stsd 8.5.2, tkhd 8.3.2, elst 8.6.6, mdcv and clli 12.1.5); QuickTime
File Format, language code values; Dolby Vision Streams Within the ISO Base Media File Format, 2.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from dubcli.artifacts.media import DolbyVision, VideoStream

Box = tuple[bytes, int, int]  # type, first byte of its content, byte after it
_MOST_EDITS = 1000  # that are looked at; set by hand


def set_languages(path: Path, languages: Sequence[str]) -> None:
    """Write the languages of the first tracks as packed ISO 639-2/T codes.

    ffmpeg writes the codes of Macintosh languages into MOV, a list from 1991 that lacks most.

    Args:
        path: an MP4 or MOV file.
        languages: of the tracks in order, "" where it stays as it is.
    """
    with path.open("r+b") as file:
        for track, language in zip(_tracks(file, path.stat().st_size), languages, strict=False):
            if len(language) != 3:
                continue
            code = 0
            for letter in language:
                code = code << 5 | (ord(letter) - 0x60) & 31
            for media in _inside(file, *track[1:], b"mdia"):
                for _, start, _ in _inside(file, *media[1:], b"mdhd"):
                    file.seek(start + (32 if _number(file, start, 1) else 20))
                    file.write(code.to_bytes(2, "big"))


def edited(path: Path) -> set[int]:
    """Ids of the tracks that an edit list plays in several parts, such as those left by cutting."""
    found: set[int] = set()
    with path.open("rb") as file:
        for track in _tracks(file, path.stat().st_size):
            lists = (
                box
                for edits in _inside(file, *track[1:], b"edts")
                for box in _inside(file, *edits[1:], b"elst")
            )
            if sum(_parts(file, edits) for edits in lists) > 1:
                for _, start, _ in _inside(file, *track[1:], b"tkhd"):
                    found.add(_number(file, start + (20 if _number(file, start, 1) else 12), 4))
    return found


def _parts(file: BinaryIO, edits: Box) -> int:
    """The edits of a list that play something; the others only wait."""
    _, start, stop = edits
    wide = 8 if _number(file, start, 1) else 4
    size = 2 * wide + 4
    last = min(stop, start + 8 + size * _number(file, start + 4, 4))
    begins = (_number(file, at + wide, wide, signed=True) for at in range(start + 8, last, size))
    return sum(begin >= 0 for begin in itertools.islice(begins, _MOST_EDITS))


def _number(file: BinaryIO, at: int, size: int, *, signed: bool = False) -> int:
    file.seek(at)
    return int.from_bytes(file.read(size), "big", signed=signed)


def _tracks(file: BinaryIO, size: int) -> list[Box]:
    return [box for top in _inside(file, 0, size, b"moov") for box in _inside(file, *top[1:], b"trak")]


def add_dolby_vision(path: Path, record: DolbyVision) -> None:
    """Add Dolby Vision's record to the first HEVC track of a file whose `moov` comes after its pictures."""
    bits = record.profile << 9 | record.level << 3 | 1 << 2 | record.layered << 1 | 1  # metadata, layer, base
    content = bytes([1, 0]) + bits.to_bytes(2, "big") + bytes([record.compatibility << 4]) + bytes(19)
    _add(path, (b"hvc1", b"hev1"), b"dvvC" if record.profile > 7 else b"dvcC", content)


def add_hdr10(path: Path, video: VideoStream) -> None:
    """Add the mastering display and brightness to the first H.264 track of such a file."""
    if video.mastering:
        m = video.mastering
        places = (*m.green, *m.blue, *m.red, *m.white)
        content = b"".join(value.to_bytes(2, "big") for value in places)
        content += b"".join(value.to_bytes(4, "big") for value in reversed(m.luminance))
        _add(path, (b"avc1", b"avc3"), b"mdcv", content)
    if video.light:
        content = b"".join(value.to_bytes(2, "big") for value in video.light)
        _add(path, (b"avc1", b"avc3"), b"clli", content)


def _add(path: Path, kinds: Sequence[bytes], name: bytes, content: bytes) -> None:
    """Add a box to the first sample entry of given kinds, unless it has one or pictures come after it."""
    box = (8 + len(content)).to_bytes(4, "big") + name + content
    with path.open("r+b") as file:
        size = path.stat().st_size
        for entry, outer in _entries(file, size, kinds):
            inside = _inside(file, entry[1] + 78, entry[2], name)
            if any(inside) or any(pictures[1] > entry[2] for pictures in _inside(file, 0, size, b"mdat")):
                return
            file.seek(entry[2])
            rest = file.read()
            file.seek(entry[2])
            file.write(box + rest)
            for _, body, end in (*outer, entry):
                file.seek(body - 8)
                file.write((end - body + 8 + len(box)).to_bytes(4, "big"))
            return


def _entries(file: BinaryIO, size: int, kinds: Sequence[bytes]) -> Iterator[tuple[Box, tuple[Box, ...]]]:
    """Sample entries of given kinds, each with the boxes around it, the outermost first."""
    around: list[tuple[Box, ...]] = [(box,) for box in _inside(file, 0, size, b"moov")]
    for kind in (b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        around = [(*outer, box) for outer in around for box in _inside(file, *outer[-1][1:], kind)]
    for outer in around:
        for kind in kinds:
            for entry in _inside(file, outer[-1][1] + 8, outer[-1][2], kind):
                yield entry, outer


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
