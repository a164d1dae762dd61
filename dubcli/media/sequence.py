"""Image sequences (DPX, TIFF, EXR, PNG, TGA, JPEG) as a film: found in a folder, written as FFV1, exactly."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dubcli.artifacts.media import VideoStream
from dubcli.errors import MediaError
from dubcli.media import describe, encode, layout, source
from dubcli.media.ffmpeg import Process, arguments, url
from dubcli.media.remux import told_options

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# FFmpeg's formats of single images. Its reader of sequences alone knows TGA, and takes names for patterns.
_FORMATS = {
    ".dpx": "dpx_pipe",
    ".tif": "tiff_pipe",
    ".tiff": "tiff_pipe",
    ".exr": "exr_pipe",
    ".png": "png_pipe",
    ".jpg": "jpeg_pipe",
    ".jpeg": "jpeg_pipe",
    ".tga": "image2",
}
SUFFIXES = tuple(_FORMATS)
FIRST = "first_frame"
"""Tag of the film: number of the first file."""
_NAME = re.compile(r"(?P<stem>.*?)(?P<number>\d+)(?P<suffix>\.[A-Za-z]+)$")
_TOP, _OPAQUE = 65535, 255  # full scale of 16 bits, and of 8 bits of alpha
_LINEAR_END, _LINEAR_GAIN, _POWER, _SCALE = 0.0031308, 12.92, 1 / 2.4, 1.055  # IEC 61966-2-1


@dataclass(frozen=True)
class Sequence:
    """The files of a sequence, in order, and the number of the first."""

    files: tuple[Path, ...]
    first: int


def folder_of_images(path: Path) -> Path | None:
    """The folder of a sequence that itself, an image or a pattern names; None for no sequence."""
    folder = path.parent if path.suffix.lower() in SUFFIXES else path
    if folder.is_dir() and any(_is_image(one) for one in folder.iterdir()):
        return folder
    return None


def _is_image(path: Path) -> bool:
    # macOS keeps what else it knows of a file beside it, under the same name after "._".
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def find(folder: Path) -> Sequence:
    """The sequence in a folder.

    Raises:
        MediaError: there is none, there are several, or files are missing.
    """
    found: dict[tuple[str, str], dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        name = _NAME.match(path.name)
        if name and _is_image(path) and path.is_file():
            files = found.setdefault((name["stem"], name["suffix"]), {})
            if int(name["number"]) in files:
                other = files[int(name["number"])].name
                raise MediaError(f"{folder}: {other} and {path.name} are the same frame; delete one")
            files[int(name["number"])] = path
    if not found:
        raise MediaError(f"{folder} holds no image sequence; name a folder of {', '.join(SUFFIXES)} files")
    if len(found) > 1:
        names = ", ".join(f"{stem}#{suffix}" for stem, suffix in sorted(found)[:4])
        raise MediaError(
            f"{folder} holds {len(found)} sequences ({names}); put each into a folder of its own"
        )
    (files,) = found.values()
    numbers = sorted(files)
    gaps = [(a + 1, b - 1) for a, b in itertools.pairwise(numbers) if b > a + 1]
    if gaps:
        shown = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in gaps[:4])
        raise MediaError(f"{folder}: frames {shown} are missing; put them there first")
    return Sequence(tuple(files[number] for number in numbers), numbers[0])


def conform(
    sequence: Sequence,
    out: Path,
    rate: Fraction,
    scratch: Path,
    timecode: str = "",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> float:
    """Write a sequence as a film: FFV1 in Matroska, with timecode and the number of its first file.

    Integers are kept bit for bit; palettes become RGB. Linear floats of EXR become 16-bit integers, those of
    colours under the sRGB curve, and alpha as it is; what lies outside 0–1 is clipped.

    Args:
        sequence: the images.
        out: the film.
        rate: frames a second.
        scratch: a folder for temporary files.
        timecode: of the first frame, "" for none.
        report: called with the number of frames done and of all.

    Returns:
        The share of samples that were clipped.

    Raises:
        MediaError: an image cannot be read, or is of another size or kind than the first.
        EngineError, TemporaryError, CheckError: the film cannot be written.
    """
    import ffmpeg

    from dubcli.settings.config import ComposeSettings

    first = _described(sequence.files[0], rate)
    floats = _is_float(first.pix_fmt)
    curved = {"pix_fmt": f"gbr{'a' if layout.has_alpha(first.pix_fmt) else ''}p16le", "bit_depth": 16}
    video = first.model_copy(update=curved) if floats else first
    raw, clipped, samples = scratch / "film.nut", 0, 0
    count = len(sequence.files)
    with encode.Encoder(raw, video, encode.encoding(video, ComposeSettings(codec="ffv1"))) as encoder:
        for done, planes in enumerate(_planes(sequence, first)):
            if floats:
                clipped += sum(int(((plane < 0) | (plane > 1)).sum()) for plane in planes)
                samples += sum(plane.size for plane in planes)
                planes = [*map(_curved, planes[:3]), *map(_integers, planes[3:])]
            encoder.write(planes)
            report(done + 1, count)
    encode.verify_encoded(raw, count, str(sequence.files[0].parent))
    tags = {"timecode": timecode} if timecode else {}
    command = ffmpeg.output(
        ffmpeg.input(url(raw)), url(out), c="copy", f="matroska", fflags="+bitexact",
        r=f"{rate.numerator}/{rate.denominator}", metadata=f"{FIRST}={sequence.first}", **tags,
        **dict(told_options(first)),
    )  # fmt: skip
    with Process([*arguments(command), "-y"]):
        pass
    return clipped / samples if samples else 0.0


def _is_float(pix_fmt: str) -> bool:
    return "f32" in pix_fmt or "f16" in pix_fmt


@contextmanager
def _image(path: Path) -> Iterator[tuple[VideoFrame, Any]]:
    """A decoded image, and its decoder.

    Raises:
        MediaError: it cannot be read.
    """
    form = _FORMATS[path.suffix.lower()]
    plain = {"pattern_type": "none"} if form == "image2" else {}
    with source.opened(path, form, format_whitelist=form, **plain) as container:
        stream = source.picture(container, path)
        frame = next(container.decode(stream), None)
        if frame is None:
            raise MediaError(f"{path} cannot be decoded; put a whole image there")
        yield _without_palette(frame), stream


def _without_palette(frame: VideoFrame) -> VideoFrame:
    """The same colours as RGB, with alpha where some are not opaque."""
    if not frame.format.has_palette:
        return frame
    coloured = frame.reformat(format="rgba")
    opaque = (coloured.to_ndarray()[..., 3] == _OPAQUE).all()
    return frame.reformat(format="rgb24") if opaque else coloured


def _described(path: Path, rate: Fraction) -> VideoStream:
    """What a film of images like this one is."""
    with _image(path) as (frame, stream):
        pixel = stream.sample_aspect_ratio or Fraction(1)
        return VideoStream.model_validate(
            {
                **describe.picture(frame, stream.codec_context, b""),
                "index": 0,
                "codec": stream.codec_context.name,
                "tag": "",
                "profile": "",
                "time_base": (rate.denominator, rate.numerator),
                "average_rate": (rate.numerator, rate.denominator),
                "start_pts": 0,
                "sar": (pixel.numerator, pixel.denominator),
                "chroma_location": "unspecified",
                "field_order": "progressive",
                "tags": {},
                "delay": 0,
                "packets": 0,
                "first_bytes": 0,
                "digest": "",
            }
        )


def _planes(sequence: Sequence, first: VideoStream) -> Iterator[layout.Planes]:
    """Planes of each image: as stored, or G, B, R and alpha of floats."""
    for path in sequence.files:
        with _image(path) as (frame, _):
            kind = frame.width, frame.height, frame.format.name
            if kind != (first.width, first.height, first.pix_fmt):
                raise MediaError(
                    f"{path} is {kind[0]}×{kind[1]} {kind[2]}, the first image {first.width}×{first.height} "
                    f"{first.pix_fmt}; make all alike"
                )
            is_float = _is_float(first.pix_fmt)
            yield _floats(frame) if is_float else layout.copy_planes(layout.planes(frame))


def _floats(frame: Any) -> layout.Planes:
    """The planes (h, w) float32 of a picture in planar floats; grey gives one three times."""
    kind = np.float16 if "f16" in frame.format.name else np.float32
    rows = [
        np.frombuffer(memoryview(plane), kind).reshape(frame.height, -1)[:, : frame.width]
        for plane in frame.planes
    ]
    rows = rows if len(rows) > 1 else rows * 3
    return [np.array(plane, np.float32) for plane in rows]


def _curved(linear: Any) -> Any:
    """Linear light under the sRGB curve (IEC 61966-2-1), as 16-bit integers."""
    light = np.clip(linear, 0, 1)
    curve = np.where(
        light <= _LINEAR_END, _LINEAR_GAIN * light, _SCALE * light ** np.float32(_POWER) - (_SCALE - 1)
    )
    return _integers(curve)


def _integers(part: Any) -> Any:
    """0–1 as 16-bit integers over the full scale."""
    return np.rint(np.clip(part, 0, 1) * _TOP).astype("<u2")
