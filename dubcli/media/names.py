"""FFmpeg's numbers and names for colour, fields and sound (libavutil/pixfmt.h, libavcodec/codec_par.h)."""

from __future__ import annotations

import re

PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
    16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 14: "ictcp",
}  # fmt: skip
RANGES = {1: "tv", 2: "pc"}
UNTOLD = (2, 2, 2)
"""Primaries, transfer and matrix of which nothing is said (ITU-T H.273)."""

# What `av_dump_format` calls a field order → the name of the option.
FIELD_ORDERS = {
    "progressive": "progressive",
    "top first": "tt",
    "bottom first": "bb",
    "top coded first (swapped)": "tb",
    "bottom coded first (swapped)": "bt",
}

# A layout of sound that is none of those that it has names for.
OWN_ORDER = re.compile(r"(\d+) channels \(([^)]+)\)")

# Per-frame metadata that no encoder here writes (`media.messages` carries it over where it can).
DYNAMIC = {
    "A53_CC": "captions (CEA-708)",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "AFD": "active format (AFD)",
    "S12M_TIMECODE": "timecode in its pictures",
    "GOP_TIMECODE": "timecode in its groups",
    "SEI_UNREGISTERED": "words of a camera or a program in its pictures",
}
LAYER = "a second layer of pictures (alpha, or another eye's view)"
ALPHA = "alpha_mode"
"""What FFmpeg calls Matroska's mark of pictures with alpha beside them."""
TIMECODES = (DYNAMIC["S12M_TIMECODE"], DYNAMIC["GOP_TIMECODE"])
ENCODERS = (  # what x264 and x265 say of themselves begins with these
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"),
)

# What a broadcast is called, beside its streams; and what FFmpeg's muxer says where nobody told it.
SERVICE = ("service_name", "service_provider")
MADE_UP = ("Service01", "FFmpeg")

# What `av_dump_format` calls things that a container says of a whole picture → for people.
TOLD = {
    "Stereo 3D": "how the views of two eyes lie in it (3D)",
    "Spherical Mapping": "its projection (360°)",
    "Frame Cropping": "its cropping",
    "ICC Profile": "its ICC profile",
}


def colours(primaries: str, transfer: str, matrix: str) -> tuple[int, ...]:
    """The numbers of colours by their names (ITU-T H.273)."""
    tables = ((PRIMARIES, primaries), (TRANSFERS, transfer), (MATRICES, matrix))
    return tuple(
        next((number for number, name in table.items() if name == said), unsaid)
        for (table, said), unsaid in zip(tables, UNTOLD, strict=True)
    )
