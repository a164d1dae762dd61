"""What FFmpeg does not read of a wave file: objects, samples narrower than their places, big-endian ones.

Sources: RIFF WAVE with WAVEFORMATEXTENSIBLE; EBU Tech 3306 (RF64); ITU-R BS.2076 (ADM) and BS.2088 (BW64).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dubcli.errors import MediaError

_HEAD, _CHUNK = struct.Struct("<4sI4s"), struct.Struct("<4sI")  # of RIFF
_FORMAT = struct.Struct("<HHIIHH")  # tag, channels, rate, bytes a second, bytes of all channels, bits
_MOST_CHUNKS = 1000  # that are looked at; set by hand
_FORMAT_BYTES = 40  # of a format with valid bits
_EXTENSIBLE, _INTEGERS = 0xFFFE, 1  # format tag, and kind of samples


def has_objects(path: Path) -> bool:
    """Whether a wave file describes its channels as a bed and objects (ADM)."""
    with open(path, "rb") as file:
        return any(name in (b"chna", b"axml") for name, _ in _chunks(file))


def check(path: Path) -> None:
    """Refuse a file whose samples FFmpeg takes for others.

    Of 24 valid bits in 32, say, it makes floats of another program, and of 16 in 32 twice as many samples.
    Big-endian samples it takes for little-endian ones, where it opens the file at all.

    Raises:
        MediaError: it is one.
    """
    with open(path, "rb") as file:
        if file.read(4) == b"RIFX":
            raise MediaError(
                f"{path} is a big-endian WAV (RIFX), of which FFmpeg makes noise; write it anew, as with "
                "sox DUB NEW.wav"
            )
        file.seek(0)
        bits = _misread(file)
    if bits:
        raise MediaError(
            f"{path} holds samples of fewer bits than their places of {bits}, which FFmpeg misreads; "
            f"write it anew, as with ffmpeg -c:a pcm_s{bits}le -i DUB -c:a pcm_s{min(bits, 24)}le NEW.wav"
        )


def _misread(file: BinaryIO) -> int:
    """Bits of the place of each sample where FFmpeg takes a wave file's samples for others; else 0."""
    form = next((data for name, data in _chunks(file) if name == b"fmt "), b"")
    if len(form) < _FORMAT_BYTES:
        return 0
    tag, channels, _, _, width, _ = _FORMAT.unpack_from(form)
    valid, kind = int.from_bytes(form[18:20], "little"), int.from_bytes(form[24:26], "little")
    whole = width // channels if channels else 0
    return 8 * whole if tag == _EXTENSIBLE and kind == _INTEGERS and 0 < valid <= 8 * (whole - 1) else 0


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Names of the chunks of a wave file that is read from its beginning, with the first bytes of each."""
    kind, _, form = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
    if kind not in (b"RIFF", b"RF64", b"BW64") or form != b"WAVE":
        return
    data_bytes = 0
    for _ in range(_MOST_CHUNKS):
        head = file.read(_CHUNK.size)
        if len(head) < _CHUNK.size:
            return
        name, size = _CHUNK.unpack(head)
        begin = file.tell()
        first = file.read(min(size, _FORMAT_BYTES))
        yield name, first
        if name == b"ds64":  # the size of the file, then that of its sound, in 64 bits
            data_bytes = int.from_bytes(first[8:16], "little")
        elif name == b"data" and size == 0xFFFFFFFF:
            size = data_bytes
        file.seek(begin + size + size % 2, os.SEEK_SET)
