"""Encoders of graphics cards (`compose.encoder`): quick, and with other bytes on every card and driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dubcli.errors import MediaError

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.settings.config import ComposeSettings

# Speeds of x264 → NVENC's presets, of which p7 is the slowest; its steps are as many.
_NVENC_PRESETS = {
    "ultrafast": "p1", "superfast": "p1", "veryfast": "p2", "faster": "p3", "fast": "p4", "medium": "p5",
    "slow": "p6", "slower": "p7", "veryslow": "p7",
}  # fmt: skip
_VIDEOTOOLBOX_STEP = 100 / 51  # from x264's scale of quality, 0–51, to VideoToolbox', 100–0

# What each takes, as ffmpeg's own help lists it; formats in which a sample would lose bits are left out.
_FORMATS: Mapping[str, Sequence[str]] = {
    "h264_nvenc": ("yuv420p", "yuv444p"),
    "hevc_nvenc": ("yuv420p", "yuv444p", "p010le"),
    "h264_qsv": ("nv12",),
    "hevc_qsv": ("nv12", "p010le", "y210le"),
    "h264_videotoolbox": ("nv12",),
    "hevc_videotoolbox": ("nv12", "p010le"),
}

IN_HARDWARE = {"yuv420p": "nv12", "yuv420p10le": "p010le", "yuv422p10le": "y210le"}
"""Pixel formats → those with the same samples that cards work on."""


def _nvenc(settings: ComposeSettings) -> dict[str, object]:
    constant = {"rc": "vbr", "cq": settings.crf, "b:v": 0}
    return {"preset": _NVENC_PRESETS[settings.preset], "tune": "hq", "forced-idr": 1, **constant}


def _qsv(settings: ComposeSettings) -> dict[str, object]:
    preset = {"ultrafast": "veryfast", "superfast": "veryfast"}.get(settings.preset, settings.preset)
    return {"preset": preset, "global_quality": max(1, round(settings.crf)), "forced_idr": 1}


def _videotoolbox(settings: ComposeSettings) -> dict[str, object]:
    return {"q:v": round(100 - settings.crf * _VIDEOTOOLBOX_STEP), "allow_sw": 0}


_OPTIONS: Mapping[str, Callable[[ComposeSettings], dict[str, object]]] = {
    "nvenc": _nvenc,
    "qsv": _qsv,
    "videotoolbox": _videotoolbox,
}


def options(
    codec: str, video: VideoStream, settings: ComposeSettings, gop: int
) -> tuple[dict[str, object], Sequence[str]]:
    """Options for ffmpeg, and the pixel formats that the encoder takes.

    Args:
        codec: FFmpeg's name of the codec.
        video: the film's picture.
        settings: of the encoding; its encoder is not `software`.
        gop: frames from one key picture to the next.

    Raises:
        MediaError: there is no such encoder, or it cannot say all that the film says of its picture.
    """
    name = f"{codec}_{settings.encoder}"
    if name not in _FORMATS:
        raise MediaError(f"{settings.encoder} has no encoder for {codec}")
    if video.field_order in ("tt", "tb", "bb", "bt"):
        raise MediaError(f"{name} encodes no interlaced pictures")
    if video.mastering is not None or video.light is not None:
        raise MediaError(f"{name} would lose the film's mastering display and light levels")
    found: dict[str, object] = {"c:v": name, "g": gop, **_OPTIONS[settings.encoder](settings)}
    if video.chroma_location != "unspecified":
        found["chroma_sample_location"] = video.chroma_location
    return found, _FORMATS[name]
