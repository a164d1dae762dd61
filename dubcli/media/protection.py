"""Whether a file's picture or sound is protected (DRM, pay TV, discs): what is read of it would be noise.

Sources: ISO/IEC 14496-12 8.12 (MP4, MOV); RFC 9559 5.1.4.1.31 (Matroska); Advanced Systems Format, content
encryption objects (WMV); ISO/IEC 13818-1 2.4.3.2 (transport streams) and 2.4.3.6 (packets of discs); Advanced
Access Content System, Blu-ray Disc Pre-recorded Book, aligned units (M2TS).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from dubcli.media.matroska import Track
from dubcli.media.mov import read as mov_read
from dubcli.media.mov.boxes import opened

_BLOCKS, _BLOCK_BYTES = 16, 1 << 18  # of a stream that are looked at, spread over the file; set by hand
_SHARE = 0.1  # of packets that are scrambled: fewer are damage, or before a card was read; set by hand
_TS_BYTES, _SYNC = (188, 192, 204), 0x47  # packets: plain, with times, with parity
_IN_A_ROW = 5  # packets that begin with the same byte and so are packets; set by hand
_SECTOR_BYTES, _PACK, _PES = 2048, b"\0\0\1\xba", b"\0\0\1"
_AACS_BYTES = 6144  # of a unit of which the first 16 bytes are clear
_ASF_HEAD = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_MOST = 1 << 20  # bytes of a head that are looked at; set by hand
_ASF_PROTECTED = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),  # Content Encryption
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),  # Extended Content Encryption
    bytes.fromhex("338505438169e6499b74ad12cb86d58c"),  # Advanced Content Encryption
)


def is_protected(path: Path, form: str, ids: Collection[int], tracks: Sequence[Track]) -> bool:
    """Whether a file is protected.

    Args:
        path: the file.
        form: FFmpeg's name of its format.
        ids: those of its streams of picture and sound.
        tracks: those of a Matroska.
    """
    if "mov" in form:
        with opened(path) as file:
            return mov_read.is_encrypted(file)
    if tracks:
        return any(track.encrypted for track in tracks)
    if form == "asf":
        return _asf(path)
    packets = {"mpegts": _transport, "mpeg": _program}.get(form)
    if packets is None:
        return False
    told = [scrambled for data in _blocks(path) for number, scrambled in packets(data) if number in ids]
    return sum(told) > _SHARE * len(told)


def is_disc(path: Path) -> bool:
    """Whether a file that FFmpeg cannot read is a stream of an encrypted Blu-ray disc (AACS)."""
    units = range(0, min(path.stat().st_size, _BLOCK_BYTES) - _AACS_BYTES, _AACS_BYTES)
    with path.open("rb") as file:
        head = file.read(_BLOCK_BYTES)
    stamped = [head[at] & 0xC0 and head[at + 4] == _SYNC for at in units]
    plain = [head[at + 4 + 192] == _SYNC for at in units]
    return len(stamped) >= _IN_A_ROW and all(stamped) and sum(plain) < len(plain) / 2


def _blocks(path: Path) -> Iterator[bytes]:
    """Parts of a file, from sectors of a disc on, spread over it."""
    size = path.stat().st_size
    step = max(_BLOCK_BYTES, size // _BLOCKS // _SECTOR_BYTES * _SECTOR_BYTES)
    with path.open("rb") as file:
        for at in range(0, size, step):
            file.seek(at, os.SEEK_SET)
            yield file.read(_BLOCK_BYTES)


def _transport(data: bytes) -> Iterator[tuple[int, bool]]:
    """Id of the stream of each packet that holds some of it, and whether that is scrambled."""
    for size in _TS_BYTES:
        for begin in range(size):
            if set(data[begin : begin + _IN_A_ROW * size : size]) == {_SYNC}:
                for at in range(begin, len(data) - size + 1, size):
                    if data[at] == _SYNC and data[at + 3] & 0x10:
                        yield int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF, bool(data[at + 3] & 0xC0)
                return


def _program(data: bytes) -> Iterator[tuple[int, bool]]:
    """Id of the stream of each sector of a disc, and whether it is scrambled (CSS)."""
    for at in range(0, len(data) - _SECTOR_BYTES + 1, _SECTOR_BYTES):
        if data[at : at + 4] == _PACK:
            begin = at + 14 + (data[at + 13] & 7)
            if data[begin : begin + 3] == _PES and data[begin + 6] & 0xC0 == 0x80:
                yield 0x100 | data[begin + 3], bool(data[begin + 6] & 0x30)


def _asf(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_ASF_MOST)
    at = 30  # behind the head's id, its size and number of objects, and two bytes
    while head.startswith(_ASF_HEAD) and at + 24 <= min(len(head), int.from_bytes(head[16:24], "little")):
        if head[at : at + 16] in _ASF_PROTECTED:
            return True
        at += max(24, int.from_bytes(head[at + 16 : at + 24], "little"))
    return False
