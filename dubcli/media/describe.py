"""Stream properties from headers and the first decoded picture, in FFmpeg's names."""

from __future__ import annotations

import math
import re
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av.error
import av.filter
import av.logging

from dubcli.media import nal, names
from dubcli.media.names import OWN_ORDER

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame

_GOP_COUNTS = 0xFFEFFF  # hours, minutes, seconds and pictures of MPEG-2's timecode (ISO/IEC 13818-2 6.3.8)
_PLACE = re.compile(rb"\{\\an?(?!2\})\d+\}|\\(?:pos|move)\(|\0\0\0\x10tbox")
"""How ASS and mov_text say a place; one that stands below, in the middle, is none."""
_COLOUR = re.compile(
    rb"<font[^>]*\bcolor\b|<c(?:\.[^>]*)?\.(?:white|lime|cyan|red|yellow|magenta|blue|black)\b", re.I
)
"""How SubRip and WebVTT (its own classes) say a colour."""


def reorder_depth(times: list[int]) -> int:
    """The reorder depth in pictures, from presentation times in decoding order."""
    rank = {t: k for k, t in enumerate(sorted(times))}
    return max((k - rank[t] for k, t in enumerate(times)), default=0)


def picture(frame: VideoFrame, context: Any, packet: bytes) -> dict[str, Any]:
    """Fields of `probe.VideoStream` that a decoded picture determines.

    Args:
        frame: the first picture.
        context: its decoder's `VideoCodecContext`.
        packet: the first one.
    """
    side = _side_data(frame)
    dynamic = [label for name, label in names.DYNAMIC.items() if _says(name, side)]
    if nal.is_layered(packet, context.extradata or b"", context.codec.canonical_name):
        dynamic.append(names.LAYER)
    matrix = side.get("DISPLAYMATRIX", b"")
    return {
        **_colour(frame, context),
        "width": frame.width,
        "height": frame.height,
        "pix_fmt": frame.format.name,
        "bit_depth": max(part.bits for part in frame.format.components),
        **_display(struct.unpack("9i", matrix[:36]) if matrix else None),
        "mastering": _mastering(side.get("MASTERING_DISPLAY_METADATA", b"")),
        "light": _light(side.get("CONTENT_LIGHT_LEVEL", b"")),
        "dynamic": tuple(sorted(dynamic)),
    }


def field_order(frame: VideoFrame) -> str:
    """How a picture's fields lie, as its decoder tells: containers such as AVI do not."""
    if not frame.interlaced_frame:
        return "unknown"
    graph = av.filter.Graph()  # PyAV does not tell which field is first, but lets FFmpeg choose by it
    tick = frame.time_base or Fraction(1, 25)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=tick)
    chosen = graph.add("select", "eq(interlace_type,TOPFIRST)")
    graph.link_nodes(source, chosen, graph.add("buffersink")).configure()
    graph.push(frame)
    graph.push(None)
    with suppress(av.error.EOFError):
        graph.pull()
        return "tt"
    return "bb"


def _side_data(frame: VideoFrame) -> dict[str, bytes]:
    """Name → content of what comes with a picture."""
    # PyAV gives none at all where it has no name for one of them, such as the EXIF of a photograph.
    with suppress(ValueError):
        return {item.type.name: bytes(item) for item in frame.side_data}  # type: ignore[attr-defined, arg-type]
    return {}


def _says(name: str, side: dict[str, bytes]) -> bool:
    """Whether a picture says something by a name: no encoder's own words, no timecode from 0."""
    said = side.get(name, b"")
    if name == "GOP_TIMECODE":
        return bool(int.from_bytes(said[:4], sys.byteorder) & _GOP_COUNTS)
    return bool(said) and not (name == "SEI_UNREGISTERED" and said.startswith(names.ENCODERS))


def placed(packet: Packet[Any]) -> bool:
    """Whether a subtitle says where in the picture it stands, as WebVTT, SubRip and mov_text do."""
    settings = ("webvtt_settings", "subtitle_position", "matroska_block_additional")
    return bool(_PLACE.search(bytes(packet))) or any(
        one.data_type in settings and bytes(one).strip() for one in packet.iter_sidedata()
    )


def coloured(packet: Packet[Any]) -> bool:
    """Whether a subtitle in SubRip or WebVTT has colours of its own."""
    return bool(_COLOUR.search(bytes(packet)))


def has_alpha_beside(stream: Stream) -> bool:
    """Whether alpha comes beside pictures that decode without it, as of VP8 and VP9 in Matroska and WebM."""
    return any(key.lower() == names.ALPHA and said == "1" for key, said in stream.metadata.items())


_ADTS_BYTES = 7  # of the head of a packet of AAC


def own_head(packet: Packet[Any]) -> set[bytes]:
    """What a packet of AAC says of itself where no container does: profile, rate and channels.

    That is nothing, b"", where it is damaged. Of E-AC-3, which MP4 and MOV look into, it is its sync word.
    """
    context = packet.stream.codec_context
    if context is not None and context.name == "eac3" and packet.size:
        return {bytes(memoryview(packet)[:2])}
    if context is None or context.name != "aac" or context.extradata or not packet.size:
        return set()
    if packet.size < _ADTS_BYTES:
        return {b""}
    sync, layer, profile, channels, length = memoryview(packet)[:5]  # ISO/IEC 14496-3 1.A.2.2.1
    private, rate, rates = 0x02, profile >> 2 & 0xF, 13
    whole = (channels & 0x03) << 8 | length  # eighths of the bytes of its frame
    if sync != 0xFF or layer & 0xF6 != 0xF0 or rate >= rates or not whole:
        return {b""}
    return {bytes([profile & ~private, channels & 0xC0])}


def _display(matrix: tuple[int, ...] | None) -> dict[str, Any]:
    """How a picture is shown, by its display matrix (ISO/IEC 14496-12 6.2.2): [x y] times [[a b] [c d]]."""
    a, b, _, c, d = matrix[:5] if matrix else (1, 0, 0, 0, 1)
    mirrored = a * d - b * c < 0
    if mirrored:  # undo the mirroring first: a rotation remains
        a, b = -a, -b
    return {"mirrored": mirrored, "rotation": round(-math.degrees(math.atan2(b, a))) % 360, "display": matrix}


def _colour(frame: VideoFrame, context: Any) -> dict[str, str]:
    """Colour tags of the first frame, or of the headers where the frame has none."""

    def pick(table: dict[int, str], attribute: str) -> str:
        found = (table.get(int(getattr(place, attribute))) for place in (frame, context))
        return next((name for name in found if name), "unknown")

    name = frame.format.name
    return {
        "primaries": pick(names.PRIMARIES, "color_primaries"),
        "transfer": pick(names.TRANSFERS, "color_trc"),
        "matrix": pick(names.MATRICES, "colorspace"),
        "range": "pc" if name.startswith("yuvj") else pick(names.RANGES, "color_range"),
    }


def _mastering(raw: bytes) -> dict[str, Any] | None:
    """Read an `AVMasteringDisplayMetadata` (libavutil/mastering_display_metadata.h)."""
    if len(raw) < 88:
        return None
    values = struct.unpack("22i", raw[:88])
    if not (values[20] and values[21]):
        return None

    def steps(k: int, per_unit: int) -> int:
        return round(Fraction(values[2 * k], values[2 * k + 1] or 1) * per_unit)

    red, green, blue, white = ((steps(2 * k, 50_000), steps(2 * k + 1, 50_000)) for k in range(4))
    luminance = (steps(8, 10_000), steps(9, 10_000))
    return {"red": red, "green": green, "blue": blue, "white": white, "luminance": luminance}


def _light(raw: bytes) -> tuple[int, int] | None:
    """Read an `AVContentLightMetadata`."""
    if len(raw) < 8:
        return None
    highest, average = struct.unpack("2I", raw[:8])
    return int(highest), int(average)


@dataclass(frozen=True)
class FormatDump:
    """FFmpeg's text dump of a file's format: PyAV exposes these fields in no other way."""

    text: str

    @classmethod
    def of(cls, container: InputContainer) -> FormatDump:
        """Let FFmpeg describe an open file."""
        av.logging.set_libav_level(av.logging.VERBOSE)  # lower levels omit the chroma location
        av.logging.set_level(av.logging.VERBOSE)
        try:
            return cls(container.dumps_format())  # type: ignore[attr-defined]
        finally:
            av.logging.set_libav_level(av.logging.INFO)
            av.logging.set_level(None)

    def _line(self, index: int) -> str:
        lines = self.text.splitlines()
        return next((line for line in lines if re.match(rf"\s*Stream #0:{index}\D", line)), "")

    def _side_data(self, index: int) -> str:
        """What stands below a stream's line, up to the next stream's."""
        _, _, rest = self.text.partition(self._line(index) or self.text)
        return re.split(r"\n\s*Stream #0:", rest)[0]

    def program(self, index: int) -> dict[str, str]:
        """Name and provider of the broadcast that a stream is part of, but for those that FFmpeg makes up."""
        for part in re.split(r"\n  Program \d+", self.text)[1:]:
            if re.search(rf"Stream #0:{index}\D", part):
                found = re.findall(r"\n      (service_\w+) *: (.+)", part.partition("Stream #")[0])
                return {name: said for name, said in found if said not in names.MADE_UP}
        return {}

    def picture(self, index: int) -> dict[str, Any]:
        """What else the dump tells of a video stream, as in `probe.VideoStream`."""
        line = self._line(index)
        order = re.search(r"progressive|(top|bottom) (coded )?first( \(swapped\))?", line)
        place = re.search(r"\b(left|center|topleft|top|bottomleft|bottom)\)", line)
        return {
            "field_order": names.FIELD_ORDERS[order.group()] if order else "unknown",
            "chroma_location": place.group(1) if place else "unspecified",
            "dolby_vision": self._dolby_vision(index),
            "told": tuple(said for name, said in names.TOLD.items() if f"{name}:" in self._side_data(index)),
        }

    def _dolby_vision(self, index: int) -> dict[str, Any] | None:
        found = dict(re.findall(r"(profile|level|el flag|compatibility id): (\d+)", self._side_data(index)))
        if "compatibility id" not in found:
            return None
        return {
            "profile": int(found["profile"]),
            "level": int(found["level"]),
            "compatibility": int(found["compatibility id"]),
            "layered": found["el flag"] != "0",
        }

    def layout(self, index: int) -> str:
        """The layout of a sound track whose channels come in an order of its own, "" for others."""
        found = OWN_ORDER.search(self._line(index))
        return found[0] if found else ""

    def codec(self, index: int) -> tuple[str, str]:
        """Codec and four-character code of any stream, "" where there is none."""
        found = re.search(
            r"(?:Video|Audio|Data|Subtitle|Attachment|Unknown): (\w+)(?:.*?\((.{4}) / 0x)?", self._line(index)
        )
        if not found:
            return "", ""
        return found.group(1).replace("none", ""), (found.group(2) or "").strip()
