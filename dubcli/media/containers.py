"""What each container we write can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo

# Containers a film can come out in; a film in any other becomes an .mp4.
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}

_PCM = {
    f"pcm_{kind}" for kind in (
        "u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "f64le", "f64be",
        "alaw", "mulaw",
    )
}  # fmt: skip

VIDEO = {
    "mp4": {"h264", "hevc", "vvc", "ffv1", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp9", "av1", "vc1"},
    "mov": {
        "h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "prores", "dnxhd", "qtrle",
        "rawvideo", "png", "v210", "cfhd", "dvvideo", "jpeg2000", "h263", "svq3", "vp9", "av1",
    },
    "matroska": {
        "h264", "hevc", "vvc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp8", "vp9", "av1", "prores",
        "ffv1", "huffyuv", "ffvhuff", "utvideo", "theora", "vc1", "rawvideo", "dnxhd", "msmpeg4v3",
        "msmpeg4v2", "wmv3", "dvvideo", "cfhd", "magicyuv", "lagarith", "cinepak", "png", "h263", "flv1",
    },
}  # fmt: skip

AUDIO = {
    "mp4": {"aac", "ac3", "eac3", "ac4", "mp3", "mp2", "alac", "opus", "flac", "dts", "truehd"},
    "mov": {"aac", "ac3", "eac3", "mp3", "mp2", "alac", "adpcm_ima_qt", *_PCM},
    "matroska": {
        "aac", "ac3", "eac3", "mp3", "mp2", "alac", "opus", "flac", "dts", "truehd", "mlp", "vorbis",
        "wavpack", "tta", "wmav2", *(_PCM - {"pcm_s8"}),
    },
}  # fmt: skip

SUBTITLES = {
    "mp4": {"mov_text"},
    "mov": {"mov_text", "eia_608"},
    "matroska": {"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "text"},
}
_TEXT_SUBTITLES = {"subrip", "ass", "webvtt", "text", "mov_text"}


def format_of(suffix: str) -> str:
    """FFmpeg's muxer for a file name suffix: `mp4`, `mov` or `matroska`."""
    return _FORMATS[suffix.lower()]


def default_suffix(info: MediaInfo, name: str = "") -> str:
    """The suffix a dubbed film gets by default: the film's own, or of a container that can hold its picture.

    Args:
        info: the film.
        name: the film's file name.
    """
    own = "." + name.rpartition(".")[2].lower()
    if own in SUFFIXES:
        return own
    codec = info.film.codec
    return ".mp4" if codec in VIDEO["mp4"] and "matroska" not in info.format else ".mkv"


def audio_codec(codec: str, container: str) -> str:
    """`copy` where the container holds the codec, else what the track is encoded to.

    Lossless sound stays lossless where the container allows.
    """
    if codec in AUDIO[container]:
        return "copy"
    lossless = codec in _PCM or codec in {"flac", "alac", "truehd", "mlp", "wavpack", "tta"}
    if lossless and container == "mov":
        return "pcm_s24le"
    if lossless and container == "matroska":
        return "flac"
    return "aac"


def subtitle_codec(codec: str, container: str) -> str:
    """`copy`, the codec a text subtitle is rewritten to, or "" where it cannot be kept."""
    if codec in SUBTITLES[container]:
        return "copy"
    if codec not in _TEXT_SUBTITLES:
        return ""
    return "subrip" if container == "matroska" else "mov_text"
