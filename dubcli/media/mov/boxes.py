"""The boxes of an MP4 or MOV: found, read as numbers, and put in.

Sources: ISO/IEC 14496-12 4.2; QuickTime File Format, compressed movie resources (cmov).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

Box = tuple[bytes, int, int]  # type, first byte of its content, byte after it
_MOST_MOVIE = 1 << 26  # bytes of a compressed `moov` that are looked at; set by hand


class Boxes:
    """The boxes of an open file.

    A `moov` that is compressed is seen as if it stood, as it was, at the end of the file.

    Attributes:
        whole: the file itself, as the box around all.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._unpacked, self._packed = b"", -1
        self.whole: Box = (b"", 0, self._size)
        for movie, _, (_, start, stop) in self.chains(self.whole, b"moov", b"cmov", b"cmvd")[:1]:
            packed = self.read(start + 4, min(stop - start - 4, _MOST_MOVIE))
            with suppress(zlib.error):
                self._unpacked = zlib.decompressobj().decompress(packed, _MOST_MOVIE)
                self._packed = movie[1]
        self.whole = (b"", 0, self._size + len(self._unpacked))

    def inside(self, outer: Box, wanted: bytes = b"") -> Iterator[Box]:
        """Boxes of a type, or of all, directly in another."""
        _, start, stop = outer
        while start + 8 <= stop:
            head = self.read(start, 16)
            size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], start + 8
            if size == 1:
                size, body = int.from_bytes(head[8:16], "big"), start + 16
            elif size == 0:
                size = stop - start
            if size < body - start:
                return
            if body != self._packed and (kind == wanted or not wanted):
                yield kind, body, start + size
            start += size

    def chains(self, outer: Box, *path: bytes) -> list[tuple[Box, ...]]:
        """The boxes at a path of types below another, each with those around it, the outermost first."""
        found: list[tuple[Box, ...]] = [()]
        for kind in path:
            found = [(*one, box) for one in found for box in self.inside(one[-1] if one else outer, kind)]
        return found

    def below(self, outer: Box, *path: bytes) -> list[Box]:
        """The boxes at a path of types below another."""
        return [chain[-1] for chain in self.chains(outer, *path)]

    @property
    def movie(self) -> Box:
        """The `moov` of a file that has one."""
        return next(self.inside(self.whole, b"moov"))

    @property
    def tracks(self) -> list[Box]:
        """The `trak` of the file, in order: FFmpeg's streams."""
        return self.below(self.whole, b"moov", b"trak")

    def ids(self, track: Box) -> set[int]:
        """The number by which a track is named."""
        heads = self.inside(track, b"tkhd")
        return {self.number(start + (20 if self.number(start, 1) else 12), 4) for _, start, _ in heads}

    def scale(self, head: Box) -> int:
        """Units of time a second, by a `mvhd` or `mdhd`."""
        return self.number(head[1] + (20 if self.number(head[1], 1) else 12), 4)

    def edit_lists(self, track: Box) -> list[Box]:
        """The `elst` of a track."""
        return self.below(track, b"edts", b"elst")

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a position, fewer where the file ends before."""
        if self._unpacked and at >= self._size:
            return self._unpacked[at - self._size :][: max(0, size)]
        self._file.seek(at)
        return self._file.read(max(0, size))

    def number(self, at: int, size: int, *, signed: bool = False) -> int:
        """A number of so many bytes at a position."""
        return int.from_bytes(self.read(at, size), "big", signed=signed)

    def write(self, at: int, size: int, number: int) -> None:
        """Write a number of so many bytes to a position."""
        self._file.seek(at)
        self._file.write(number.to_bytes(size, "big"))

    def insert(self, new: bytes, around: Sequence[Box]) -> None:
        """Put a box at the end of the innermost of those around it, unless pictures come after it.

        Positions of boxes that were found before do not hold any more.
        """
        end = around[-1][2]
        if any(pictures[1] > end for pictures in self.inside(self.whole, b"mdat")):
            return
        rest = self.read(end, self.whole[2] - end)
        self._file.seek(end)
        self._file.write(new + rest)
        self.whole = (b"", 0, self.whole[2] + len(new))
        for _, body, stop in around:
            self.write(body - 8, 4, stop - body + 8 + len(new))


@contextmanager
def opened(path: Path, mode: str = "rb") -> Iterator[Boxes]:
    """The boxes of a file; `mode` as for `open`."""
    with open(path, mode) as file:
        yield Boxes(file)


def made(kind: bytes, content: bytes) -> bytes:
    """A box in bytes."""
    return (8 + len(content)).to_bytes(4, "big") + kind + content
