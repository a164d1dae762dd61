"""Encodes pictures in the film's own codec, depth and colour, through the ffmpeg program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import ffmpeg

from dubcli.errors import CheckError, MediaError
from dubcli.media import hardware, spans
from dubcli.media.ffmpeg import Process, arguments, flags, url
from dubcli.media.layout import Planes, copy_planes, has_alpha, layout, planes
from dubcli.media.nal import NEW_NUMBER

if TYPE_CHECKING:
    from dubcli.artifacts.media import MasteringDisplay, VideoStream
    from dubcli.settings.config import ComposeSettings

# x264's output depends on the number of threads: a fixed one gives the same bytes on every machine.
_THREADS = 4
_LARGE = 4_000_000  # pixels of a picture of which every one held back counts
_GOP_SECONDS = 2  # from one key picture to the next; set by hand, as is usual for delivery

# H.264 table E-1 counts them from 0.
_CHROMA_LOCATIONS = ("left", "center", "topleft", "top", "bottomleft", "bottom")

# Pixel formats that an encoder does not accept → one with the same samples in another layout.
_SAME_SAMPLES = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p", "nv42": "yuv444p",
    "p010le": "yuv420p10le", "p210le": "yuv422p10le", "p410le": "yuv444p10le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "yvyu422": "yuv422p",
    "yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p",
    "rgb24": "gbrp", "bgr24": "gbrp", "rgb0": "gbrp", "bgr0": "gbrp", "0rgb": "gbrp", "0bgr": "gbrp",
}  # fmt: skip

# FFmpeg's names of profiles → the encoders' own.
_X264_PROFILES = {
    "Constrained Baseline": "baseline", "Baseline": "baseline", "Main": "main", "High": "high",
    "High 10": "high10", "High 4:2:2": "high422", "High 4:4:4 Predictive": "high444",
}  # fmt: skip
_PRORES_PROFILES = {
    "apco": "proxy", "apcs": "lt", "apcn": "standard", "apch": "hq", "ap4h": "4444", "ap4x": "4444xq",
}  # fmt: skip
_DNX_PROFILES = {
    "DNXHD": "dnxhd", "DNXHR LB": "dnxhr_lb", "DNXHR SQ": "dnxhr_sq", "DNXHR HQ": "dnxhr_hq",
    "DNXHR HQX": "dnxhr_hqx", "DNXHR 444": "dnxhr_444",
}  # fmt: skip

_DNXHD_MEGABITS = (
    36, 45, 60, 75, 80, 85, 90, 100, 110, 115, 120, 145, 175, 180, 185, 220, 240, 290, 350, 365, 390, 440,
)  # fmt: skip

# Options for ffmpeg, and the pixel formats that the encoder takes.
Options = tuple[dict[str, object], Sequence[str]]


@dataclass(frozen=True)
class Encoding:
    """How a film's picture is encoded.

    Attributes:
        codec: FFmpeg's name of the codec, as probing the result will show it.
        pix_fmt: pixel format that is encoded.
        options: output options for ffmpeg.
    """

    codec: str
    pix_fmt: str
    options: Mapping[str, object]


def _target(video: VideoStream, settings: ComposeSettings) -> str:
    """The codec a film is encoded to: the one asked for, else its own, else H.264."""
    asked = spans.codec(settings.codec, video.codec)
    return asked if asked in _OPTIONS else "h264"


def encoding(video: VideoStream, settings: ComposeSettings) -> Encoding:
    """Choose an encoder: the codec asked for, or the source's own where there is one, H.264 otherwise.

    Raises:
        MediaError: no encoder can keep the picture's depth or chroma.
    """
    codec = _target(video, settings)
    if settings.encoder == "software":
        options, allowed = _OPTIONS[codec](video, settings)
    else:
        options, allowed = hardware.options(codec, video, settings, _gop_frames(video))
    same = _SAME_SAMPLES.get(video.pix_fmt, video.pix_fmt)
    names = (video.pix_fmt, same, hardware.IN_HARDWARE.get(same, ""))
    pix_fmt = next((name for name in names if name in allowed), "")
    if not pix_fmt and settings.codec != "source":
        pix_fmt = _lossless_format(same, allowed)
    if settings.profile:
        options = {**options, "profile:v": settings.profile}
    if not pix_fmt:
        raise MediaError(f"no {codec} encoder keeps {video.pix_fmt} pictures")
    return Encoding(codec, pix_fmt if pix_fmt != "gbrp" or codec != "h264" else "rgb24", options)


def _lossless_format(pix_fmt: str, allowed: Sequence[str]) -> str:
    """The least of the allowed formats that loses no bit, no chroma sample and no alpha, "" for none."""
    own = layout(pix_fmt)
    fitting = [
        form
        for form in map(layout, allowed)
        if form.rgb == own.rgb
        and form.bits >= own.bits
        and len(form.components) >= len(own.components)
        and form.factor <= own.factor
        and form.factor[1] <= own.factor[1]
        and has_alpha(form.name) == has_alpha(pix_fmt)
    ]
    return min(fitting, key=lambda form: (form.bits, [-f for f in form.factor])).name if fitting else ""


def _gop_frames(video: VideoStream) -> int:
    return max(1, round(video.rate * _GOP_SECONDS))


def _field_order(video: VideoStream) -> str:
    """`tff`, `bff` or "" for pictures in frames."""
    return {"tt": "tff", "tb": "tff", "bb": "bff", "bt": "bff"}.get(video.field_order, "")


def _mastering(display: MasteringDisplay) -> str:
    """A mastering display as x264 and x265 take it."""
    primaries = {"G": display.green, "B": display.blue, "R": display.red, "WP": display.white}
    colours = "".join(f"{name}({x},{y})" for name, (x, y) in primaries.items())
    return f"{colours}L({display.luminance[1]},{display.luminance[0]})"


def _h264(video: VideoStream, settings: ComposeSettings) -> Options:
    rgb = layout(video.pix_fmt).rgb
    extra: dict[str, object] = {
        "threads": _THREADS,
        "lookahead-threads": 1,
        "stitchable": 1,
        "open-gop": 0,
        "sps-id": NEW_NUMBER,
    }
    if video.width * video.height > _LARGE:
        extra["sync-lookahead"] = 0  # the same bytes, in 4K of 10 bits from 200 MB less
    if video.chroma_location in _CHROMA_LOCATIONS:
        extra["chromaloc"] = _CHROMA_LOCATIONS.index(video.chroma_location)
    if _field_order(video):
        extra[_field_order(video)] = 1
    if video.mastering is not None:
        extra["mastering-display"] = _mastering(video.mastering)
    if video.light is not None:
        extra["cll"] = f"{video.light[0]},{video.light[1]}"
    options: dict[str, object] = {
        "c:v": "libx264rgb" if rgb else "libx264",
        "preset": settings.preset,
        "crf": settings.crf,
        "g": _gop_frames(video),
        "forced-idr": 1,
        "x264-params": flags(extra),
    }
    profile = _X264_PROFILES.get(video.profile) if video.codec == "h264" else ""
    if profile:
        options["profile:v"] = profile
    allowed = [
        "yuv420p",
        "yuv422p",
        "yuv444p",
        "gray",
        "yuv420p10le",
        "yuv422p10le",
        "yuv444p10le",
        "gray10le",
    ]
    return options, ["gbrp"] if rgb else allowed


def _hevc(video: VideoStream, settings: ComposeSettings) -> Options:
    extra: dict[str, object] = {
        "log-level": "error",
        "pools": _THREADS,
        "frame-threads": 2,
        "open-gop": 0,
        "info": 0,
        "repeat-headers": 1,
    }
    if video.chroma_location in _CHROMA_LOCATIONS:
        extra["chromaloc"] = _CHROMA_LOCATIONS.index(video.chroma_location)
    if video.mastering is not None:
        extra["master-display"] = _mastering(video.mastering)
    if video.light is not None:
        extra["max-cll"] = f"{video.light[0]},{video.light[1]}"
    if video.transfer == "smpte2084":
        extra["hdr10"] = 1
    if _field_order(video):
        raise MediaError("interlaced HEVC has no encoder")
    options: dict[str, object] = {
        "c:v": "libx265",
        "preset": settings.preset,
        "crf": settings.crf,
        "g": _gop_frames(video),
        "forced-idr": 1,
        "x265-params": flags(extra),
    }
    depths = ("", "10le", "12le")
    allowed = [
        f"{base}{depth}" for base in ("yuv420p", "yuv422p", "yuv444p", "gbrp", "gray") for depth in depths
    ]
    return options, allowed


def _prores(video: VideoStream, settings: ComposeSettings) -> Options:
    full = layout(video.pix_fmt).factor == (1, 1)
    profile = _PRORES_PROFILES.get(video.tag, "4444" if full else "hq")
    options: dict[str, object] = {"c:v": "prores_ks", "profile:v": profile, "vendor": "apl0"}
    if _field_order(video):
        options["flags:v"] = "+bitexact+ildct"
    return options, ["yuv422p10le", "yuv444p10le", "yuva444p10le"]


def _dnxhd(video: VideoStream, settings: ComposeSettings) -> Options:
    profile = _DNX_PROFILES.get(video.profile.upper(), _dnx(video))
    options: dict[str, object] = {"c:v": "dnxhd", "profile:v": profile}
    if profile == "dnxhd":
        # All its pictures have one size, given as a bit rate.
        rate = video.first_bytes * 8 * video.rate / 1_000_000
        options["tag:v"] = "AVdn"  # NUT has no tag of its own for these
        options["b:v"] = f"{min(_DNXHD_MEGABITS, key=lambda megabits: abs(megabits - rate))}M"
        if _field_order(video):
            options["flags:v"] = "+bitexact+ildct"
    return options, ["yuv422p", "yuv422p10le", "yuv444p10le", "gbrp10le"]


def _dnx(video: VideoStream) -> str:
    form = layout(video.pix_fmt)
    if form.factor == (1, 1):
        return "dnxhr_444"
    return "dnxhr_hq" if form.bits == 8 else "dnxhr_hqx"


def _ffv1(video: VideoStream, settings: ComposeSettings) -> Options:
    return {"c:v": "ffv1", "level": 3, "g": 1, "slicecrc": 1, "slices": 4}, _FFV1


def _mjpeg(video: VideoStream, settings: ComposeSettings) -> Options:
    options: dict[str, object] = {"c:v": "mjpeg", "q:v": 1, "qmin": 1, "huffman": "optimal"}
    if video.range == "tv":  # else FFmpeg stretches it to full range
        options["strict"] = "unofficial"
    return options, ["yuv420p", "yuv422p", "yuv444p"]


# Only formats that FFmpeg's decoder returns unchanged.
_FFV1 = [
    *(f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in ("", "10le", "12le", "16le")),
    *(f"yuva{chroma}p{depth}" for chroma in (420, 422, 444) for depth in ("", "10le", "16le")),
    *("yuva422p12le", "yuva444p12le"),
    *(f"gbr{alpha}p{depth}" for alpha in ("", "a") for depth in ("10le", "12le", "14le", "16le")),
    *("yuv411p", "yuv410p", "yuv440p", "yuv440p10le", "yuv440p12le", "bgr0", "bgra", "rgb48le", "rgba64le"),
    *("gray", "gray10le", "gray12le", "gray14le", "gray16le"),
]

_OPTIONS: Mapping[str, Callable[[VideoStream, ComposeSettings], Options]] = {
    "h264": _h264,
    "hevc": _hevc,
    "prores": _prores,
    "dnxhd": _dnxhd,
    "ffv1": _ffv1,
    "mjpeg": _mjpeg,
}


_TRANSFERS = {"gamma22": "bt470m", "gamma28": "bt470bg"}  # as the filter calls what FFmpeg does


class Encoder:
    """Encodes pictures into a NUT file: frame k gets the time k / average rate; real times come at the mux.

    Args:
        out: the file to write.
        video: the film's picture.
        how: the result of `encoding`.
        starts: frames, counted from 0, at which a new closed group must begin.

    Raises:
        MediaError, EngineError, TemporaryError: it cannot be encoded.
    """

    def __init__(self, out: Path, video: VideoStream, how: Encoding, starts: Sequence[int] = (0,)) -> None:
        rate = f"{video.average_rate[0]}/{video.average_rate[1]}"
        self._written = 0
        options = dict(how.options)
        if len(starts) > 1:
            options["force_key_frames"] = ",".join(_seconds(k / video.rate) for k in starts)
        pipe = ffmpeg.input(
            "pipe:0",
            f="rawvideo",
            pix_fmt=video.pix_fmt.replace("yuvj", "yuv"),
            s=f"{video.width}x{video.height}",
            framerate=rate,
        )
        command = ffmpeg.output(
            pipe,
            url(out),
            f="nut",
            vf=_tags(video, how.codec),
            pix_fmt=how.pix_fmt,
            threads=_THREADS,
            fflags="+bitexact",
            map_metadata=-1,
            **{"flags:v": "+bitexact", **options},
        )
        self._process = Process([*arguments(command), "-y"])

    def write(self, planes: Planes) -> None:
        """Encode one picture."""
        for plane in planes:
            self._process.write(plane)
        self._written += 1

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)


def try_encoder(video: VideoStream, how: Encoding, scratch: Path) -> None:
    """Encode one black picture: the only sure test of what an encoder accepts.

    Raises:
        MediaError, EngineError, TemporaryError: it cannot be encoded.
    """
    import av

    form = layout(video.pix_fmt)
    blank = av.VideoFrame(video.width, video.height, form.name)
    for plane in blank.planes:
        plane.update(bytes(plane.buffer_size))
    path = scratch / "trial.nut"
    with Encoder(path, video, how) as encoder:
        encoder.write(copy_planes(planes(blank)))
    verify_encoded(path, 1, "a test picture")
    path.unlink()


def _seconds(time: Fraction) -> str:
    # ffmpeg forces the first frame at or after the time; half a microsecond early is the frame itself.
    return f"{float(time) - 5e-7:.7f}" if time else "0"


def _tags(video: VideoStream, codec: str) -> str:
    """Filters that set the film's tags on raw pictures without changing a sample.

    Where the pictures say another shape of pixels than their container, those in the film's own codec say it
    too: beside them stand copied ones.
    """
    own = video.coded_sar if codec == video.codec else None
    wide, high = video.sar if own is None else own
    rgb = layout(video.pix_fmt).rgb
    # FFmpeg squeezes full range where pictures cannot say it; but here containers do, or copied pictures.
    told = "unknown" if codec == "ffv1" or codec == video.codec == "dnxhd" else video.range
    named = {
        "color_primaries": video.primaries,
        "color_trc": _TRANSFERS.get(video.transfer, video.transfer),
        "colorspace": "gbr" if rgb else video.matrix,
        "range": "pc" if rgb and told == "unknown" else told,
        "field_mode": _field_order(video) or "prog",
    }
    params = ":".join(f"{key}={value}" for key, value in named.items() if value != "unknown")
    return f"setparams={params},setsar={wide}/{high}:65535"


def verify_encoded(path: Path, count: int, what: str) -> int:
    """Read an encoded file back.

    Returns:
        The reorder depth in pictures.

    Raises:
        CheckError: it does not hold `count` pictures.
    """
    from dubcli.media import source
    from dubcli.media.describe import reorder_depth

    with source.opened(path) as container:
        stream = source.picture(container, path)
        times = [p.pts for p in container.demux(stream) if p.size and p.pts is not None]
    if len(times) != count:
        raise CheckError(
            f"{what}: {len(times)} pictures were encoded instead of {count}; type: dubcli run again"
        )
    return reorder_depth(times)
