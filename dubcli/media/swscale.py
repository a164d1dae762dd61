"""Whole pictures as RGB by swscale: a few code values less exact than `media.colour`, much faster."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from dubcli.media.names import PRIMARIES, TRANSFERS

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from dubcli.media.colour import Colour

_UNSPECIFIED = 2  # in H.273
_BT2020 = 9  # its matrix, as if luminance were not constant
_TRANSFERS = TRANSFERS.keys() - {9, 10}  # that swscale knows: not the logarithmic ones
_QUICK = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p")  # that swscale brings to RGB by a way of their own


class _Converters(threading.local):
    """swscale of each thread: one made for each picture starts threads for all cores each time."""

    def __init__(self) -> None:
        self.shallow, self.own = VideoReformatter(), VideoReformatter()


_CONVERTERS = _Converters()


def to_rgb(
    frame: VideoFrame, colour: Colour, width: int = 0, height: int = 0, *, small: bool = False
) -> NDArray[np.uint8]:
    """A whole picture as RGB of 8 bits by swscale, (h, w, 3).

    Args:
        frame: the picture.
        colour: how its samples are colours.
        width, height: the size wanted, 0 for the picture's own.
        small: reduced by averaging.
    """
    matrices: dict[str, int] = {
        "bt709": Colorspace.ITU709,
        "fcc": Colorspace.FCC,
        "smpte240m": Colorspace.SMPTE240M,
        "bt2020nc": _BT2020,
        "bt2020c": _BT2020,
    }
    # Tags that swscale refuses, and that are not needed here: the matrix is given below.
    if int(frame.color_trc) not in _TRANSFERS:
        frame.color_trc = _UNSPECIFIED
    if int(frame.color_primaries) not in PRIMARIES:
        frame.color_primaries = _UNSPECIFIED
    if colour.matrix == "bt2020c":
        frame.colorspace = _BT2020
    form = colour.layout
    matrix = None if form.rgb else matrices.get(colour.matrix, Colorspace.ITU601)
    own_range = "JPEG" if colour.full else "MPEG"
    if not (width or form.rgb or form.name in _QUICK or len(form.components) == 1):
        # Ways over 4:2:0 of 8 bits take half to a sixth of the direct one.
        frame = _CONVERTERS.shallow.reformat(
            frame,
            format="yuv420p",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=own_range,
            dst_color_range=own_range,
            threads=1,
        )
    out = _CONVERTERS.own.reformat(
        frame,
        width=width or None,
        height=height or None,
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=own_range,
        dst_color_range="JPEG",
        interpolation="AREA" if small else ("LANCZOS" if width else None),
        threads=1,
    )
    return np.asarray(out.to_ndarray(), np.uint8)
