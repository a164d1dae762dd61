"""What each output container can hold: codecs of picture, sound and subtitles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dubcli.media.names import OWN_ORDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dubcli.artifacts.media import AudioStream

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
        "png", "v210", "cfhd", "dvvideo", "jpeg2000", "h263", "svq3",
    },
    "matroska": {
        "h264", "hevc", "vvc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp8", "vp9", "av1", "prores",
        "ffv1", "huffyuv", "ffvhuff", "utvideo", "theora", "vc1", "rawvideo", "dnxhd", "msmpeg4v3",
        "msmpeg4v2", "wmv3", "dvvideo", "cfhd", "magicyuv", "lagarith", "cinepak", "png", "h263", "flv1",
    },
}  # fmt: skip

AUDIO = {
    "mp4": {"aac", "ac3", "eac3", "ac4", "mp3", "mp2", "alac", "opus", "flac", "dts"},
    "mov": {"aac", "ac3", "eac3", "mp3", "mp2", "alac", "adpcm_ima_qt", *_PCM},
    "matroska": {
        "aac", "ac3", "eac3", "mp3", "mp2", "alac", "opus", "flac", "dts", "truehd", "mlp", "vorbis",
        "wavpack", "tta", "wmav2", *(_PCM - {"pcm_s8", "pcm_f32be", "pcm_f64be"}),
    },
}  # fmt: skip

# Beside PCM, which discs, MXF and broadcasts pack in ways of their own.
_LOSSLESS = {
    "flac", "alac", "truehd", "mlp", "wavpack", "tta",
    "s302m", "ape", "tak", "shorten", "wmalossless", "mp4als",
}  # fmt: skip
_FLAC_CHANNELS = 8  # at most, by its format
AAC_RATE = 96_000  # samples per second, the highest it has

# Layouts that come back from FFmpeg's AAC encoder with every channel in its place. (5.1 and its like with
# side instead of back speakers are written as those with back speakers, the only ones that MPEG-4 names.)
AAC_LAYOUTS = {
    "mono", "stereo", "2.1", "3.0", "3.0(back)", "3.1", "4.0", "quad", "quad(side)", "4.1", "5.0",
    "5.0(side)", "5.1", "5.1(side)", "hexagonal", "6.1(back)", "7.0", "7.1", "7.1(wide)", "octagonal",
    "1 channels", "2 channels", "3 channels", "4 channels", "5 channels", "6 channels", "8 channels",
}  # fmt: skip

# Layouts that their number of channels alone stands for: Matroska says no places of PCM. Side and back
# speakers are one.
_BY_NUMBER = {"mono", "stereo", "2.1", "4.0", "5.0", "5.0(side)", "5.1", "5.1(side)", "6.1", "7.1"}

# Layouts of films by their places.
_IN_ORDER = {
    frozenset(places.split("+")): name
    for name, places in {
        "stereo": "FL+FR", "3.0": "FL+FR+FC", "quad": "FL+FR+BL+BR", "quad(side)": "FL+FR+SL+SR",
        "5.0": "FL+FR+FC+BL+BR", "5.0(side)": "FL+FR+FC+SL+SR", "5.1": "FL+FR+FC+LFE+BL+BR",
        "5.1(side)": "FL+FR+FC+LFE+SL+SR", "6.1": "FL+FR+FC+LFE+BC+SL+SR", "7.0": "FL+FR+FC+BL+BR+SL+SR",
        "7.1": "FL+FR+FC+LFE+BL+BR+SL+SR",
    }.items()
}  # fmt: skip

_LT_RT = "downmix"  # FFmpeg's name of a matrixed pair
_AMBISONIC = "ambisonic"  # the head of its names of sound that has no speakers yet, as 360° films have
_NOWHERE = {"UNSD", "UNK"}  # its names of channels that are marked as unused, or as it knows not what
# By number of channels: the layout that they get where their own places cannot be written.
_USUAL = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}

SUBTITLES = {
    "mp4": {"mov_text", "ttml"},
    "mov": {"mov_text", "ttml", "eia_608"},
    "matroska": {
        "subrip", "ass", "webvtt", "text",
        "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "arib_caption",
    },
}  # fmt: skip
# Marks of streams that come back from each container, by FFmpeg's muxers; of all others only default does.
_MARKS = {
    "mp4": {"dub", "comment", "forced", "hearing_impaired", "visual_impaired", "captions", "descriptions"},
    "mov": set[str](),
    "matroska": {"dub", "comment", "forced", "hearing_impaired", "visual_impaired", "original"},
}
_MARKED = {*_MARKS["mp4"], *_MARKS["matroska"], "lyrics", "karaoke", "clean_effects"}  # those that people set
_IMPLIED = {"captions": "hearing_impaired", "descriptions": "visual_impaired"}  # FFmpeg adds one to the other
_TEXT_SUBTITLES = {"subrip", "ass", "webvtt", "text", "mov_text"}


def format_of(suffix: str) -> str:
    """FFmpeg's muxer for a file name suffix: `mp4`, `mov` or `matroska`."""
    return _FORMATS[suffix.lower()]


def suffix_for(codec: str) -> str:
    """A file name suffix whose container can hold pictures of a codec, "" where none can."""
    # MP4 holds FFV1 as well, but not the lossless sound that comes with it.
    suffixes = (".mkv",) if codec == "ffv1" else (".mov", ".mp4", ".mkv")
    return next((suffix for suffix in suffixes if codec in VIDEO[_FORMATS[suffix]]), "")


def is_lossless(codec: str) -> bool:
    """Whether a codec of sound keeps every sample."""
    return codec.startswith("pcm_") or codec in _LOSSLESS


def audio_codec(track: AudioStream, container: str) -> str:
    """`copy` where the container holds a track as it is, else what it is encoded to, "" where nothing fits.

    Lossless sound stays lossless where the container allows, and channels stay as they are.
    """
    if container == "matroska" and track.codec in _PCM and OWN_ORDER.fullmatch(_sayable(track)):
        return ""  # it says no places of PCM, and FLAC and AAC have others
    if container == "matroska" and track.codec in _PCM and _has_other_places(track):
        return "flac"
    if track.codec in AUDIO[container] and not track.edited:
        # MOV says no times of PCM: what comes after a gap would be heard that much earlier.
        return track.codec if container == "mov" and track.codec in _PCM and track.gaps else "copy"
    turned = track.codec.removesuffix("be") + "le"
    if track.codec.endswith("be") and turned in AUDIO[container]:
        return turned
    lossless = is_lossless(track.codec)
    if container == "matroska" and lossless and track.channels <= _FLAC_CHANNELS:
        return "flac"
    if not (lossless and container != "mp4") and _sayable(track) in AAC_LAYOUTS:
        return "aac"
    return "" if container == "mp4" else "pcm_s24le"


def ordered(layout: str) -> str:
    """The layout of the same places in FFmpeg's order, where sound has an order of its own; else itself."""
    own = OWN_ORDER.fullmatch(layout)
    return _IN_ORDER.get(frozenset(own[2].split("+")), layout) if own else layout


def renamed(track: AudioStream, way: str) -> str:
    """The layout that a track gets where its own cannot be written by `way` (see `audio_codec`), else ""."""
    return _sayable(track) if way == "aac" and _sayable(track) != ordered(track.layout) else ""


def loses_places(track: AudioStream, container: str) -> bool:
    """Whether a container does not say where a track's channels are: left alone, say, or as Lt and Rt."""
    if track.layout.startswith(_AMBISONIC):
        return True
    if not _places(track.layout) or _sayable(track) == ordered(track.layout):
        return False
    return container == "mp4" or (container == "matroska" and audio_codec(track, container) != "flac")


def _sayable(track: AudioStream) -> str:
    """The layout in FFmpeg's order; the usual one where places are unknown, or of two channels at most.

    Those are heard alike: a channel marked as left in a track of its own is one channel.
    """
    layout = ordered(track.layout)
    odd = layout == _LT_RT or OWN_ORDER.fullmatch(layout)
    unsaid = odd and (track.channels <= 2 or not _places(layout))
    return _USUAL.get(track.channels, layout) if unsaid else layout


def _places(layout: str) -> list[str]:
    """The places of channels in a layout that is none of the usual ones."""
    own = OWN_ORDER.fullmatch(layout)
    names = own[2].split("+") if own else ["DL", "DR"] if layout == _LT_RT else []
    return [name for name in names if name not in _NOWHERE]


def _has_other_places(track: AudioStream) -> bool:
    """Whether FLAC says of channels where they are, and their number alone would say something else."""
    if _sayable(track) != ordered(track.layout):
        return track.channels == 1 and bool(_places(track.layout))
    named = not track.layout.endswith(" channels") and not track.layout.startswith(_AMBISONIC)
    return named and track.channels <= _FLAC_CHANNELS and track.layout not in _BY_NUMBER


def marks_set(marks: Sequence[str]) -> list[str]:
    """The marks of a stream that people set."""
    return [mark for mark in marks if mark in _MARKED]


def marks_lost(marks: Sequence[str], container: str) -> list[str]:
    """The marks of a stream that a container does not say, but for those that another one implies."""
    kept = _MARKS[container]
    unsaid = [mark for mark in marks_set(marks) if mark not in kept]
    return [mark for mark in unsaid if not {_IMPLIED.get(mark)} & kept & set(marks)]


def subtitle_codec(codec: str, container: str) -> str:
    """`copy`, the codec a text subtitle is rewritten to, or "" where it cannot be kept."""
    if codec in SUBTITLES[container]:
        return "copy"
    if codec not in _TEXT_SUBTITLES:
        return ""
    return "subrip" if container == "matroska" else "mov_text"
