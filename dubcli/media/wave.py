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

_HEAD = struct.Struct("4s4x4s")
_FORMAT = "HHIIHH"  # tag, channels, rate, bytes a second, bytes of all channels, bits
_MOST_CHUNKS = 1000  # that are looked at; set by hand
_FORMAT_BYTES = 40  # of a format with valid bits
_EXTENSIBLE, _INTEGERS = 0xFFFE, 1  # format tag, and kind of samples
_ORDERS = {
    b"RIFF": "<",
    b"RF64": "<",
    b"BW64": "<",
    b"RIFX": ">",
}  # of bytes in numbers
_RAW = {
    (1, 2): "s16",
    (1, 3): "s24",
    (1, 4): "s32",
    (3, 4): "f32",
    (3, 8): "f64",
}  # by kind and bytes: FFmpeg's names


def has_objects(path: Path) -> bool:
    """Whether a wave file describes its channels as a bed and objects (ADM)."""
    with open(path, "rb") as file:
        return any(name in (b"chna", b"axml") for name, _, _ in _chunks(file))


def check(path: Path) -> None:
    """Refuse a file whose samples FFmpeg takes for others.

    Of 24 valid bits in 32, say, it makes floats of another program, and of 16 in 32 twice as many samples.
    Big-endian samples it takes for little-endian ones, where it opens the file at all.

    Raises:
        MediaError: it is one.
    """
    with open(path, "rb") as file:
        if file.read(4) == b"RIFX":
            file.seek(0)
            raise MediaError(f"{path} is a big-endian WAV (RIFX), of which FFmpeg makes noise; {_anew(file)}")
        file.seek(0)
        bits = _misread(file)
    if bits:
        raise MediaError(
            f"{path} holds samples of fewer bits than their places of {bits}, which FFmpeg misreads; "
            f"write it anew, as with ffmpeg -c:a pcm_s{bits}le -i DUB -c:a pcm_s{min(bits, 24)}le NEW.wav"
        )


def _anew(file: BinaryIO) -> str:
    """What to type to write a big-endian file anew, which is read from its beginning."""
    chunks = {name: (first, begin) for name, first, begin in _chunks(file, ">")}
    form, at = chunks.get(b"fmt ", (b"", 0))[0].ljust(_FORMAT_BYTES, b"\0"), chunks.get(b"data", (b"", 0))[1]
    tag, channels, rate, _, width, _ = struct.unpack_from(f">{_FORMAT}", form)
    kind = int.from_bytes(form[24:28], "big") if tag == _EXTENSIBLE else tag
    raw = _RAW.get((kind, width // (channels or 1)))
    if not raw or not at:
        return "write it anew with the program that made it"
    return (
        f"write it anew, as with ffmpeg -skip_initial_bytes {at} -f {raw}be -ar {rate} -ac {channels} -i DUB "
        f"-c:a pcm_{raw}le NEW.wav"
    )


def _misread(file: BinaryIO) -> int:
    """Bits of the place of each sample where FFmpeg takes a wave file's samples for others; else 0."""
    form = next((data for name, data, _ in _chunks(file) if name == b"fmt "), b"")
    if len(form) < _FORMAT_BYTES:
        return 0
    tag, channels, _, _, width, _ = struct.unpack_from(f"<{_FORMAT}", form)
    valid, kind = int.from_bytes(form[18:20], "little"), int.from_bytes(form[24:26], "little")
    whole = width // channels if channels else 0
    return 8 * whole if tag == _EXTENSIBLE and kind == _INTEGERS and 0 < valid <= 8 * (whole - 1) else 0


def _chunks(file: BinaryIO, order: str = "<") -> Iterator[tuple[bytes, bytes, int]]:
    """Names of a wave file's chunks, with their first bytes and where they begin.

    Args:
        file: from its beginning.
        order: of bytes in numbers, as `struct` names it.
    """
    kind, form = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
    if _ORDERS.get(kind) != order or form != b"WAVE":
        return
    chunk = struct.Struct(f"{order}4sI")
    data_bytes = 0
    for _ in range(_MOST_CHUNKS):
        head = file.read(chunk.size)
        if len(head) < chunk.size:
            return
        name, size = chunk.unpack(head)
        begin = file.tell()
        first = file.read(min(size, _FORMAT_BYTES))
        yield name, first, begin
        if name == b"ds64":  # the size of the file, then that of its sound, in 64 bits
            data_bytes = int.from_bytes(first[8:16], "little")
        elif name == b"data" and size == 0xFFFFFFFF:
            size = data_bytes
        file.seek(begin + size + size % 2, os.SEEK_SET)
