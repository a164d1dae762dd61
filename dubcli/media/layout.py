"""Memory layout of a pixel format, and views of a decoded frame as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import MediaError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Planes = list[NDArray[Any]]

# Interleaved RGB: samples a pixel, then the offsets of R, G and B. PyAV does not expose these.
_PACKED_RGB = {
    "rgb24": (3, 0, 1, 2), "bgr24": (3, 2, 1, 0),
    "rgba": (4, 0, 1, 2), "bgra": (4, 2, 1, 0), "argb": (4, 1, 2, 3), "abgr": (4, 3, 2, 1),
    "rgb0": (4, 0, 1, 2), "bgr0": (4, 2, 1, 0), "0rgb": (4, 1, 2, 3), "0bgr": (4, 3, 2, 1),
    "rgb48": (3, 0, 1, 2), "bgr48": (3, 2, 1, 0), "rgba64": (4, 0, 1, 2), "bgra64": (4, 2, 1, 0),
}  # fmt: skip

# Interleaved 4:2:2: (offset, step) of Y, Cb, Cr.
_PACKED_YUV = {
    "yuyv422": ((0, 2), (1, 4), (3, 4)),
    "uyvy422": ((1, 2), (0, 4), (2, 4)),
    "yvyu422": ((0, 2), (3, 4), (1, 4)),
}

# Luma plane and one of interleaved chroma: (offset of Cb, offset of Cr, unused low bits).
_SEMI_PLANAR = {
    "nv12": (0, 1, 0), "nv21": (1, 0, 0), "nv16": (0, 1, 0), "nv24": (0, 1, 0), "nv42": (1, 0, 0),
    "nv20": (0, 1, 0), "p010": (0, 1, 6), "p012": (0, 1, 4), "p016": (0, 1, 0), "p210": (0, 1, 6),
    "p212": (0, 1, 4), "p216": (0, 1, 0), "p410": (0, 1, 6), "p412": (0, 1, 4), "p416": (0, 1, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Component:
    """Position of one component's samples: `plane[:, offset::step] >> shift`."""

    plane: int
    offset: int
    step: int
    shift: int


@dataclass(frozen=True)
class Layout:
    """A pixel format.

    Attributes:
        name: FFmpeg's name.
        rgb: whether the components are R, G, B rather than Y, Cb, Cr.
        bits: bits of a sample.
        dtype: NumPy's name of a stored sample's type.
        components: Y, Cb, Cr or R, G, B; only Y for grey. Alpha is left out: it is never changed.
        factor: luma samples per chroma sample, (across, down).
    """

    name: str
    rgb: bool
    bits: int
    dtype: str
    components: tuple[Component, ...]
    factor: tuple[int, int]

    def view(self, planes: Planes, k: int) -> NDArray[Any]:
        """View of component `k`, (h, w), still with its unused low bits."""
        part = self.components[k]
        return planes[part.plane][:, part.offset :: part.step]


@lru_cache
def layout(name: str) -> Layout:
    """The layout of a pixel format.

    Raises:
        MediaError: one that no film is decoded to (palettes, sensor mosaics, floats, bit streams).
    """
    base = name.removesuffix("le").removesuffix("be")
    form = av.VideoFormat(name, 64, 64)
    parts = form.components
    bits = parts[0].bits
    dtype = "u1" if bits <= 8 else (">u2" if form.is_big_endian else "<u2")
    if base in _PACKED_RGB:
        step, *offsets = _PACKED_RGB[base]
        where = tuple(Component(0, o, step, 0) for o in offsets)
        return Layout(name, True, bits, dtype, where, (1, 1))
    factor = (64 // form.chroma_width(64), 64 // form.chroma_height(64)) if len(parts) > 2 else (1, 1)
    if base in _PACKED_YUV:
        where = tuple(Component(0, offset, step, 0) for offset, step in _PACKED_YUV[base])
        return Layout(name, False, bits, dtype, where, factor)
    if base in _SEMI_PLANAR:
        cb, cr, shift = _SEMI_PLANAR[base]
        where = (Component(0, 0, 1, shift), Component(1, cb, 2, shift), Component(1, cr, 2, shift))
        return Layout(name, False, bits, dtype, where, factor)
    grey = base in ("gray", "gray9", "gray10", "gray12", "gray14", "gray16")
    planar = base.startswith(("yuv", "gbr")) and form.is_planar and not base.endswith(("f32", "f16", "msb"))
    if not (planar or grey) or form.has_palette or form.is_bit_stream:
        raise MediaError(
            f"pictures stored as {name} cannot be dubbed; write the film anew first "
            "(ffmpeg -i FILM -c:v prores_ks -pix_fmt yuv422p10le -c:a pcm_s24le NEW.mov), and dub that"
        )
    where = tuple(Component(c.plane, 0, 1, 0) for c in parts[: 1 if grey else 3])
    return Layout(name, form.is_rgb, bits, dtype, where, factor)


@lru_cache
def has_alpha(name: str) -> bool:
    """Whether a pixel format has alpha, which its layout leaves out."""
    return any(part.is_alpha for part in av.VideoFormat(name, 64, 64).components)


def planes(frame: VideoFrame) -> Planes:
    """Read-only views of a frame's planes, each (rows, samples a row) without the padding of rows.

    The views live as long as the frame does.
    """
    form = layout(frame.format.name)
    out: Planes = []
    for k, plane in enumerate(frame.planes):
        steps = [part.step for part in form.components if part.plane == k]
        chroma = any(part.plane == k for part in form.components[1:]) and not form.rgb and k > 0
        across = frame.width if not chroma else -(-frame.width // form.factor[0])
        down = frame.height if not chroma else -(-frame.height // form.factor[1])
        wide = (
            2 * (frame.width + frame.width % 2) if "422" in form.name and steps[:1] == [2] and k == 0 else 0
        )
        data = np.frombuffer(memoryview(plane), dtype=form.dtype)
        stride = abs(plane.line_size) // data.itemsize
        samples = wide or across * (steps[0] if steps else 1)
        out.append(data[: stride * down].reshape(down, stride)[:, :samples])
    return out


def copy_planes(views: Planes) -> Planes:
    """Contiguous copies that may be written to."""
    return [
        np.ascontiguousarray(v).copy() if v.flags.c_contiguous else np.ascontiguousarray(v) for v in views
    ]


def with_alpha(frame: VideoFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """A picture in an RGB format with alpha as (h, w, 3) RGB and (h, w) alpha, copied.

    Raises:
        MediaError: it has no alpha.
    """
    name = frame.format.name
    form = layout(name)
    views = planes(frame)
    if not form.rgb or not has_alpha(name):
        raise MediaError(f"a picture stored as {name} has no mask; store patches as bgra or gbrap16le")
    rgb = np.stack([form.view(views, k) for k in range(3)], axis=-1)
    if form.components[0].step == 4:
        offset = 6 - sum(part.offset for part in form.components)
        return rgb, np.array(views[0][:, offset::4])
    return rgb, np.array(views[3])
