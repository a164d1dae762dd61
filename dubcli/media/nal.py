"""NAL units of H.264 and HEVC: just enough to join streams of two encoders into one.

A container keeps parameter sets once, so two encoders' streams can share one track only if their sets
carry different numbers. x264 takes a number; x265 does not, so its streams are renumbered here.

Sources: ITU-T H.264 7.3, H.265 7.3; ISO/IEC 14496-15 5.3.3 (avcC), 8.3.3 (hvcC).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# NAL types: table 7-1 of H.264 and of H.265.
H264_SPS, H264_PPS, H264_AUD, H264_IDR = 7, 8, 9, 5
H264_LAYERS, H264_LAYER_SPS = (20, 21), 15  # slices of other views, and what describes them
HEVC_VPS, HEVC_SPS, HEVC_PPS, HEVC_AUD = 32, 33, 34, 35
HEVC_IDR, HEVC_CRA, HEVC_BLA = (19, 20), 21, 18

# Number of the parameter sets of newly encoded pictures. As Exp-Golomb code 15 is nine bits long where 0 is
# one: a slice header in which it stands instead of 0 grows by one whole byte, and nothing after it moves.
NEW_NUMBER = 15
_NINE_BITS = "000010000"


class Unsupported(ValueError):  # noqa: N818 - not shown to users: the caller encodes everything instead
    """A stream that cannot be joined, and why."""


def split_annexb(data: bytes) -> list[bytes]:
    """NAL units between start codes."""
    parts = re.split(rb"\x00\x00\x01", data)
    return [unit for unit in (part.rstrip(b"\0") for part in parts[1:]) if unit]


def split_sized(data: bytes, size: int) -> list[bytes]:
    """NAL units behind lengths of `size` bytes."""
    units, at = [], 0
    while at + size <= len(data):
        length = int.from_bytes(data[at : at + size], "big")
        units.append(data[at + size : at + size + length])
        at += size + length
    return [unit for unit in units if unit]


def units(data: bytes, extradata: bytes, codec: str) -> list[bytes]:
    """NAL units of a packet: behind lengths where its stream has a decoder configuration, else start codes.

    Raises:
        Unsupported: the configuration is damaged.
    """
    if extradata[:1] == b"\x01":
        return split_sized(data, Config.read(extradata, codec).size)
    return split_annexb(data)


def join_sized(units: Iterable[bytes], size: int) -> bytes:
    """The inverse of `split_sized`."""
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


def kind(unit: bytes, codec: str) -> int:
    """Type of a NAL unit."""
    return unit[0] & 31 if codec == "h264" else (unit[0] >> 1) & 63


def is_layered(data: bytes, extradata: bytes, codec: str) -> bool:
    """Whether a packet holds pictures beside those that decoders show: other views (MVC, MV-HEVC), alpha."""
    if codec not in ("h264", "hevc"):
        return False
    try:
        found = units(data, extradata, codec)
    except Unsupported:
        return False
    if codec == "h264":
        return any(kind(unit, codec) in H264_LAYERS for unit in found)
    return any(kind(unit, codec) < HEVC_VPS and _layer(unit) for unit in found)


def describes_layer(data: bytes, extradata: bytes, codec: str) -> bool:
    """Whether a packet, or its stream's configuration, says how pictures of a second layer are decoded."""
    try:
        found = units(data, extradata, codec)
        if extradata[:1] == b"\x01":
            config = Config.read(extradata, codec)
            found += [unit for sets in config.sets.values() for unit in sets]
    except Unsupported:
        return False
    if codec == "h264":
        return any(kind(unit, codec) == H264_LAYER_SPS for unit in found)
    return any(kind(unit, codec) == HEVC_SPS and _layer(unit) for unit in found)


def _layer(unit: bytes) -> int:
    """Number of the layer that an HEVC unit is of (nuh_layer_id)."""
    return (unit[0] & 1) << 5 | unit[1] >> 3 if unit[1:] else 0


def is_entry(units: Sequence[bytes], codec: str) -> bool:
    """Whether a picture resets the decoder (IDR)."""
    if codec == "h264":
        return any(kind(unit, codec) == H264_IDR for unit in units)
    return any(kind(unit, codec) in HEVC_IDR for unit in units)


def is_open_entry(units: Sequence[bytes], codec: str) -> bool:
    """Whether decoding can start here but for pictures stored after and shown before it (HEVC's CRA)."""
    return codec == "hevc" and any(kind(unit, codec) == HEVC_CRA for unit in units)


def as_bla(unit: bytes) -> bytes:
    """An HEVC slice of a CRA picture as one of a BLA picture, before which the stream was cut.

    The pictures that were stored after it and shown before it must be gone.
    """
    return bytes([HEVC_BLA << 1 | unit[0] & 0x81]) + unit[1:] if kind(unit, "hevc") == HEVC_CRA else unit


def parameters(extradata: bytes, codec: str) -> list[bytes]:
    """The parameter sets of a stream with start codes, without SEI messages.

    Args:
        extradata: an encoder's, of a stream with start codes.
        codec: FFmpeg's name; of codecs other than `h264` and `hevc` all of it counts.
    """
    if codec not in ("h264", "hevc"):
        return [extradata]
    sets = (H264_SPS, H264_PPS) if codec == "h264" else (HEVC_VPS, HEVC_SPS, HEVC_PPS)
    return [unit for unit in split_annexb(extradata) if kind(unit, codec) in sets]


@dataclass
class Config:
    """A decoder configuration record (`avcC` or `hvcC`).

    Attributes:
        codec: `h264` or `hevc`.
        head: its fixed fields.
        sets: parameter sets by NAL type, in order.
        size: bytes of the length before each NAL unit in packets.
        tail: what follows the parameter sets.
    """

    codec: str
    head: bytes
    sets: dict[int, list[bytes]]
    size: int
    tail: bytes = field(default=b"")

    @classmethod
    def read(cls, data: bytes, codec: str) -> Config:
        """Parse a record.

        Raises:
            Unsupported: it is none.
        """
        try:
            return cls._avcc(data) if codec == "h264" else cls._hvcc(data)
        except IndexError:
            raise Unsupported("its decoder configuration is damaged") from None

    @classmethod
    def _avcc(cls, data: bytes) -> Config:
        if data[0] != 1:
            raise Unsupported("its stream has no decoder configuration")
        at, sets = 5, {}
        for wanted, mask in ((H264_SPS, 31), (H264_PPS, 255)):
            count, at = data[at] & mask, at + 1
            sets[wanted], at = _read_sized(data, at, count)
        return cls("h264", data[:5], sets, (data[4] & 3) + 1, data[at:])

    @classmethod
    def _hvcc(cls, data: bytes) -> Config:
        if data[0] != 1:
            raise Unsupported("its stream has no decoder configuration")
        at, sets = 23, dict[int, list[bytes]]()
        for _ in range(data[22]):
            wanted, count = data[at] & 63, int.from_bytes(data[at + 1 : at + 3], "big")
            found, at = _read_sized(data, at + 3, count)
            sets.setdefault(wanted, []).extend(found)
        return cls("hevc", data[:22], sets, (data[21] & 3) + 1)

    def record(self) -> bytes:
        """The record."""
        if self.codec == "h264":
            sps, pps = self.sets[H264_SPS], self.sets[H264_PPS]
            lists = bytes([0xE0 | len(sps)]) + join_sized(sps, 2) + bytes([len(pps)]) + join_sized(pps, 2)
            return self.head + lists + self.tail
        arrays = b"".join(
            bytes([0x80 | wanted]) + len(units).to_bytes(2, "big") + join_sized(units, 2)
            for wanted, units in sorted(self.sets.items())
        )
        return self.head + bytes([len(self.sets)]) + arrays

    def with_sets(self, units: Sequence[bytes]) -> Config:
        """This record with another encoder's parameter sets added, and the higher of both levels.

        Raises:
            Unsupported: a number is taken already.
        """
        types = (H264_SPS, H264_PPS) if self.codec == "h264" else (HEVC_VPS, HEVC_SPS, HEVC_PPS)
        sets = {wanted: list(found) for wanted, found in self.sets.items()}
        for unit in units:
            wanted = kind(unit, self.codec)
            if wanted not in types:
                continue
            if number(unit, self.codec) in {number(other, self.codec) for other in sets.get(wanted, [])}:
                raise Unsupported("its parameter sets take the numbers that are needed")
            sets.setdefault(wanted, []).append(unit)
        sps = next(u for u in units if kind(u, self.codec) in (H264_SPS, HEVC_SPS))
        if self.codec == "h264":
            head = self.head[:3] + bytes([max(self.head[3], sps[3])]) + self.head[4:]
        else:
            level = unescape(sps)[2 + 1 + 11]
            head = self.head[:12] + bytes([max(self.head[12], level)]) + self.head[13:]
        return Config(self.codec, head, sets, self.size, self.tail)


def _read_sized(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    units = []
    for _ in range(count):
        length = int.from_bytes(data[at : at + 2], "big")
        units.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return units, at


def unescape(unit: bytes) -> bytes:
    """A NAL unit without emulation prevention."""
    return re.sub(rb"\x00\x00\x03", b"\x00\x00", unit)


def escape(unit: bytes) -> bytes:
    """A NAL unit with emulation prevention."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", unit)


def number(unit: bytes, codec: str) -> int:
    """Number of a parameter set."""
    bits = _bits(unescape(unit)[:128])
    wanted = kind(unit, codec)
    if codec == "h264":
        return _golomb(bits, 8 + (24 if wanted == H264_SPS else 0))
    if wanted == HEVC_VPS:
        return int(bits[16:20], 2)
    return _golomb(bits, _hevc_sps_at(bits) if wanted == HEVC_SPS else 16)


def _bits(data: bytes) -> str:
    return bin(int.from_bytes(b"\x01" + data, "big"))[3:]


def _golomb(bits: str, at: int) -> int:
    zeros = bits.index("1", at) - at
    return int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1


def _hevc_sps_at(bits: str) -> int:
    """Bit position of an SPS's number: behind the NAL header, four fields and profiles, tiers and levels.

    Temporal sub-layers may have their own (ITU-T H.265 7.3.3).
    """
    at, layers = 16 + 8 + 96, int(bits[20:23], 2)
    told = bits[at : at + 2 * layers]
    return at + (16 if layers else 0) + 88 * told[::2].count("1") + 8 * told[1::2].count("1")


def _to_bytes(bits: str) -> bytes:
    body = bits.rstrip("0")  # a raw payload ends with a one
    return int("1" + body + "0" * (-len(body) % 8), 2).to_bytes(
        len(body) // 8 + (len(body) % 8 > 0) + 1, "big"
    )[1:]


def renumber(unit: bytes) -> bytes:
    """A NAL unit of an HEVC stream whose parameter sets are all number 0, moved to `NEW_NUMBER`.

    Raises:
        Unsupported: they are not.
    """
    wanted = kind(unit, "hevc")
    if wanted > HEVC_PPS:
        return unit
    if wanted in (HEVC_VPS, HEVC_SPS, HEVC_PPS):
        if number(unit, "hevc"):
            raise Unsupported("the encoder numbers its parameter sets otherwise")
        bits = _bits(unescape(unit))
        if wanted == HEVC_VPS:
            bits = bits[:16] + f"{NEW_NUMBER:04b}" + bits[20:]
        elif wanted == HEVC_SPS:
            at = _hevc_sps_at(bits)
            bits = bits[:16] + f"{NEW_NUMBER:04b}" + bits[20:at] + _NINE_BITS + bits[at + 1 :]
        else:
            if bits[17] != "1":
                raise Unsupported("the encoder numbers its parameter sets otherwise")
            bits = bits[:16] + _NINE_BITS + _NINE_BITS + bits[18:]
        return escape(_to_bytes(bits))
    # A slice: first_slice flag, for entry pictures one more flag, then the number of its PPS.
    at = 2 if 16 <= wanted <= 23 else 1
    raw = unescape(unit)
    first = f"{raw[2]:08b}"
    if first[at] != "1":
        raise Unsupported("the encoder numbers its parameter sets otherwise")
    two = int(first[:at] + _NINE_BITS + first[at + 1 :], 2).to_bytes(2, "big")
    return escape(raw[:2] + two + raw[3:])
