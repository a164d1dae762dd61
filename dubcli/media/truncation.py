"""Whether a file ends before its own head says, or in the middle of something, as where a copy broke off.

Sources: ISO/IEC 14496-12 4.2 (boxes); RFC 8794 4.4 (sizes of Matroska); RIFF, OpenDML (AVI of several parts),
EBU Tech 3306 (RF64); AIFF; Sony Wave64; Apple's CAF; Sun's AU; Microsoft's ASF 3.2; Adobe's FLV E.5;
SMPTE ST 377-1 7.1 (partitions of MXF); RFC 3533 6 (pages of Ogg); ISO/IEC 13818-1 2.4.3 (packets of transport
streams); the Xing header of MP3 as LAME writes it.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from dubcli.media import matroska, source
from dubcli.media.mov.boxes import opened

_MEDIA = (b"moov", b"mdat", b"moof")  # boxes without which no program leaves a file; others may be junk
_HEAD, _LONG = struct.Struct("4s4s4s"), struct.Struct("<Q")
_ODD_BYTES = 8  # that programs miscount; set by hand
_UNKNOWN = 0x7FFFF000  # from here on sizes are those of programs that write into a pipe
_HEAD_BYTES = 1 << 17  # in which a head is looked for: MXF may begin 64 KiB late; set by hand
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # the object that says the file's size
_ASF_FILE_BYTES = 104  # of that object, by the ASF specification
_FLV_SIZE = re.compile(rb"\0\x08filesize\0(.{8})", re.IGNORECASE | re.DOTALL)
_PARTITION = re.compile(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02.\0", re.DOTALL)
_FOOTER, _PACK_BYTES = 24, 88  # where a partition pack says the footer's place, and its least length
_KEY_BYTES = 17  # of a pack's name, and of the shortest length
# Its flags say that the number of frames stands there (1), and that of bytes (2).
_XING, _XING_BYTES = re.compile(rb"(?:Xing|Info)\0\0\0[\3\7\x0b\x0f].{4}(.{4})", re.DOTALL), 200
_PAGE, _PAGE_BYTES, _LAST_PAGE = b"OggS", 27 + 255 + 255 * 255, 4
_PACKETS = {188: 0, 192: 4, 204: 0}  # bytes of a transport stream's, and which of them is the first plain one
_SYNC, _SYNCS = b"\x47", 5  # with which packets begin, and how many are held to be no chance; set by hand
_SLACK_SECONDS = 0.25  # two frames, as where a tag stands behind the last; set by hand
# What is packed never ends in so many zeros; silence and black of other kinds may. Set by hand.
_PACKED, _ZEROS = {"matroska", "mpegts", "mpeg", "flv", "asf", "ogg", "mp3"}, 1 << 16
_UNFILLED = "its end holds nothing but zeros, which a download would have filled"
# Where whole blocks of a download end, packets of 192 bytes often do too: those prove nothing.
_PROVING, _PROGRAM_END = (188, 204), b"\0\0\1\xb9"


def lacking(path: Path, form: str) -> str:
    """What a file lacks at its end, in words; "" where it is whole, or its kind does not say.

    Args:
        path: the file.
        form: FFmpeg's name of its format.
    """
    size, kinds = path.stat().st_size, form.split(",")
    end = next((_ENDS[kind](path) for kind in kinds if kind in _ENDS), 0)
    if end - size > _ODD_BYTES:
        return f"{end - size:,} of {end:,} bytes are missing at its end"
    if _PACKED.intersection(kinds) and _ends_in_zeros(path, end or size):
        return "" if _is_whole_before_zeros(path, form) else _UNFILLED
    if form == "ogg":
        return _lacking_page(path)
    return "it ends within a packet" if form == "mpegts" and _ends_within_packet(path) else ""


def lacking_sound(path: Path, form: str, seconds: float) -> str:
    """What a FLAC file lacks at its end by the samples that its head counts; "" for nothing, or another kind.

    Args:
        path: the file.
        form: FFmpeg's name of its format.
        seconds: how long its packets last.
    """
    if form != "flac":
        return ""
    with source.opened(path) as container:
        stream = container.streams.audio[0]
        whole = float((stream.duration or 0) * (stream.time_base or Fraction(0)))
    missing = whole - seconds
    if not whole and _ends_in_zeros(path, path.stat().st_size):
        return _UNFILLED
    return f"{missing:.1f} of {whole:.1f} s are missing at its end" if missing > _SLACK_SECONDS else ""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _boxes(path: Path) -> int:
    with opened(path) as file:
        return max((stop for kind, _, stop in file.inside(file.whole) if kind in _MEDIA), default=0)


def _chunks(path: Path) -> int:
    """The byte after the last of a file's chunks: an AVI of more than a gigabyte has several."""
    end, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while end < size:
            file.seek(end)
            name, said, _ = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
            if name not in (b"RIFF", b"RF64", b"BW64", b"FORM"):
                break
            length = int.from_bytes(said, "big" if name == b"FORM" else "little")
            if name in (b"RF64", b"BW64"):
                file.seek(8, os.SEEK_CUR)  # name and size of `ds64`, which holds the file's
                (length,) = _LONG.unpack(file.read(_LONG.size).ljust(_LONG.size, b"\0"))
            elif length >= _UNKNOWN:
                break
            end += 8 + length + length % 2
    return end


def _wave64(path: Path) -> int:
    head = _head(path)
    return int.from_bytes(head[16:24], "little") if head.startswith(b"riff") else 0  # not behind a tag


def _caf(path: Path) -> int:
    """The byte after the last chunk; that of samples may be open, of −1 bytes, and junk may stand behind."""
    end, size = 8, path.stat().st_size
    with path.open("rb") as file:
        while end < size:
            file.seek(end)
            name, length = file.read(4), int.from_bytes(file.read(8), "big", signed=True)
            if length < 0 or not name.isalnum():
                break
            end += 12 + length
    return end


def _au(path: Path) -> int:
    begin, length = struct.unpack(">II", _head(path)[4:12].ljust(8, b"\0"))
    return 0 if length >= _UNKNOWN else int(begin + length)


def _asf(path: Path) -> int:
    head = _head(path)
    at = head.find(_ASF_FILE)
    if (
        at < 0 or len(head) < at + _ASF_FILE_BYTES or head[at + 88] & 1
    ):  # a broadcast, whose size is not known
        return 0
    return int.from_bytes(head[at + 40 : at + 48], "little")


def _flv(path: Path) -> int:
    found = _FLV_SIZE.search(_head(path))
    size = struct.unpack(">d", found[1])[0] if found else 0.0
    return int(size) if 0 < size < 1 << 62 else 0


def _mxf(path: Path) -> int:
    """The byte after the first words of the footer: it is the last part, but for an index of parts."""
    head = _head(path)
    found = _PARTITION.search(head)
    if not found or len(head) < found.end() + 9 + _PACK_BYTES:
        return 0
    wide = head[found.end()]
    at = found.end() + 1 + (wide & 0x7F if wide & 0x80 else 0) + _FOOTER
    footer = int.from_bytes(head[at : at + 8], "big")
    return found.start() + footer + _KEY_BYTES + _PACK_BYTES if footer else 0


def _mp3(path: Path) -> int:
    """The byte after the last frame, by the Xing header in the first."""
    head = _head(path)
    begin = (
        10 + sum((byte & 0x7F) << 7 * k for k, byte in enumerate(head[9:5:-1])) if head[:3] == b"ID3" else 0
    )
    with path.open("rb") as file:
        file.seek(begin)
        found = _XING.search(file.read(_XING_BYTES))
    return begin + int.from_bytes(found[1], "big") if found else 0


def _lacking_page(path: Path) -> str:
    """That the last page of an Ogg file is not whole, or not marked as the last of a stream."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _PAGE_BYTES))
        tail = file.read()
    at = tail.rfind(_PAGE)
    if at < 0:
        return ""  # something else stands behind the last page
    page = tail[at:]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 or len(segments) < page[26] or len(page) < 27 + len(segments) + sum(segments):
        return "it ends within a page"
    return "" if page[5] & _LAST_PAGE else "its last page is not marked as the last"


def _ends_in_zeros(path: Path, end: int) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, end - _ZEROS))
        return file.read(_ZEROS) == bytes(_ZEROS)


def _is_whole_before_zeros(path: Path, form: str) -> bool:
    """Whether zeros at a file's end stand behind a whole packet of a transport stream, or a program's end."""
    end = _zeros_begin(path)
    if form == "mpegts":
        length = _packet(path)
        return length in _PROVING and not end % length
    with path.open("rb") as file:
        file.seek(max(0, end - len(_PROGRAM_END)))
        return form == "mpeg" and file.read(len(_PROGRAM_END)) == _PROGRAM_END


def _zeros_begin(path: Path) -> int:
    """The byte after the last that is not zero."""
    at = path.stat().st_size
    with path.open("rb") as file:
        while at:
            begin = max(0, at - _ZEROS)
            file.seek(begin)
            rest = file.read(at - begin).rstrip(b"\0")
            if rest:
                return begin + len(rest)
            at = begin
    return 0


def _packet(path: Path) -> int:
    """Bytes of a transport stream's packets, 0 where it begins with something else."""
    head = _head(path)
    starts = (n for n, place in _PACKETS.items() if head[place : n * _SYNCS : n] == _SYNC * _SYNCS)
    return next(starts, 0)


def _ends_within_packet(path: Path) -> bool:
    """Whether a transport stream ends within a packet."""
    length, size = _packet(path), path.stat().st_size
    if not length:
        return False
    with path.open("rb") as file:
        file.seek(size - size % length + _PACKETS[length])
        return file.read(1) == _SYNC


_ENDS: dict[str, Callable[[Path], int]] = {
    "mov": _boxes,
    "matroska": matroska.end,
    **dict.fromkeys(("avi", "wav", "aiff"), _chunks),
    "w64": _wave64,
    "caf": _caf,
    "au": _au,
    "asf": _asf,
    "flv": _flv,
    "mxf": _mxf,
    "mp3": _mp3,
}
"""By FFmpeg's names of formats: the byte after a file's end as its head says, 0 where it does not."""
