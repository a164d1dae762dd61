"""Whether a file ends before its own head says, as where a download or a copy broke off.

Sources: ISO/IEC 14496-12 4.2 (boxes); RFC 8794 4.4 (sizes of Matroska); RIFF, OpenDML (AVI of several parts),
EBU Tech 3306 (RF64); AIFF.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from dubcli.media import matroska
from dubcli.media.mov.boxes import opened

_MEDIA = (b"moov", b"mdat", b"moof")  # boxes without which no program leaves a file; others may be junk
_HEAD, _LONG = struct.Struct("4s4s4s"), struct.Struct("<Q")
_ODD_BYTES = 8  # that programs miscount; set by hand
_UNKNOWN = 0x7FFFF000  # from here on sizes are those of programs that write into a pipe


def missing(path: Path, form: str) -> int:
    """Bytes that a file lacks at its end; 0 where it is whole, or its kind does not say.

    Args:
        path: the file.
        form: FFmpeg's name of its format.
    """
    end = 0
    if "mov" in form:
        with opened(path) as file:
            end = max((stop for kind, _, stop in file.inside(file.whole) if kind in _MEDIA), default=0)
    elif "matroska" in form:
        end = matroska.end(path)
    elif form in ("avi", "wav", "aiff"):
        end = _chunks(path)
    lacking = end - path.stat().st_size
    return lacking if lacking > _ODD_BYTES else 0


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
