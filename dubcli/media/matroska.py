"""The BCP 47 tag of a Matroska track, which ffmpeg's muxer cannot write beside the ISO 639-2 code.

ffmpeg takes any text for a language, so it is given a placeholder as long as both elements, which
then replace it: nothing in the file moves.

Source: RFC 9559, 5.1.4.1.19 (Language), 5.1.4.1.20 (LanguageBCP47) and 12 (codes); RFC 8794, 11.3.1 (CRC-32).
"""

from __future__ import annotations

import zlib
from pathlib import Path

from dubcli.errors import CheckError
from dubcli.language import iso639_2

_LANGUAGE, _BCP47, _TRACKS, _CRC = b"\x22\xb5\x9c", b"\x22\xb5\x9d", b"\x16\x54\xae\x6b", b"\xbf\x84"
_HEAD = 4 << 20  # bytes at a file's head that hold the description of its tracks; set by hand


def placeholder(tag: str) -> str:
    """The text to give ffmpeg as a track's language: the ISO 639-2 code alone where that suffices."""
    code = iso639_2(tag, bibliographic=True) or "und"
    return f"{code}-{tag}---" if "-" in tag else code


def set_language(path: Path, tag: str) -> None:
    """Replace a track's placeholder by its code and tag.

    Raises:
        CheckError: it is not there.
    """
    text = placeholder(tag).encode()
    if "-" not in tag:
        return
    code = text.partition(b"-")[0]
    with path.open("r+b") as file:
        head = bytearray(file.read(_HEAD))
        at = head.find(_LANGUAGE + bytes([0x80 | len(text)]) + text)
        if at < 0:
            raise CheckError(f"{path.name} lacks the language of the dub; run it again")
        both = _element(_LANGUAGE, code) + _element(_BCP47, tag.encode())
        head[at : at + len(both)] = both
        _update_checksum(head, head.rfind(_TRACKS, 0, at))
        file.seek(0)
        file.write(head)


def _element(kind: bytes, content: bytes) -> bytes:
    return kind + bytes([0x80 | len(content)]) + content


def _update_checksum(head: bytearray, tracks: int) -> None:
    """Update the checksum of the tracks' description, where it has one."""
    first = head[tracks + 4]
    width = 9 - first.bit_length()  # of the element's size
    size = int.from_bytes(head[tracks + 4 : tracks + 4 + width], "big") & ((1 << 7 * width) - 1)
    start = tracks + 4 + width
    if head[start : start + 2] == _CRC:
        value = zlib.crc32(bytes(head[start + 6 : start + size]))
        head[start + 2 : start + 6] = value.to_bytes(4, "little")
