"""Conversion between a film's samples and RGB, and alpha blending of a patch into those samples.

Y'CbCr equations: ITU-T H.273 (8.3). RGB is in the film's own transfer function throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media.layout import Layout, Planes, layout

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream

Rect = tuple[int, int, int, int]  # x, y, width, height in pixels of the raster
Floats = NDArray[np.float32]

# Weights of red and blue in luma, by matrix (H.273 table 4).
_WEIGHTS = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),  # the same in both directions, so that unchanged samples come back exactly
}
_HD_HEIGHT = 720  # untagged pictures from this height on are BT.709, as players assume

# Position of a chroma sample among its luma samples, as a fraction of its own pitch: (across, down).
_SITES = {
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}


@dataclass(frozen=True)
class Colour:
    """How a film's samples are colours.

    Attributes:
        layout: its pixel format.
        matrix: FFmpeg's name of the Y'CbCr matrix, resolved where the film is untagged.
        full: whether samples use the full range.
        site: position of chroma samples within their pitch, (across, down), 0 at the first luma sample.
    """

    layout: Layout
    matrix: str
    full: bool
    site: tuple[float, float]

    @classmethod
    def of(cls, video: VideoStream) -> Colour:
        """The colour description of a film's picture.

        Raises:
            MediaError: the pictures are of a kind that cannot be dubbed.
        """
        form = layout(video.pix_fmt)
        matrix = video.matrix
        if matrix in ("unknown", "gbr") and not form.rgb:
            matrix = "bt709" if video.height >= _HD_HEIGHT else "smpte170m"
        if not form.rgb and matrix not in (*_WEIGHTS, "ycgco"):
            raise MediaError(
                f"pictures in {matrix} colour cannot be dubbed; convert the film to bt2020nc first"
            )
        full = video.range == "pc" or video.pix_fmt.startswith("yuvj") or (form.rgb and video.range != "tv")
        default = "center" if video.codec in ("mpeg1video", "mjpeg", "vp8") else "left"
        site = _SITES.get(video.chroma_location, _SITES[default])
        return cls(
            form,
            matrix,
            full,
            (site[0] if form.factor[0] > 1 else 0.0, site[1] if form.factor[1] > 1 else 0.0),
        )

    @cached_property
    def _rgb_to_ycbcr(self) -> NDArray[np.float64]:
        """(3, 3) RGB → Y'CbCr, chroma in −0.5…0.5."""
        if self.matrix == "ycgco":
            return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]])
        red, blue = _WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        return np.stack(
            [
                luma,
                (np.array([0, 0, 1]) - luma) / (2 - 2 * blue),
                (np.array([1, 0, 0]) - luma) / (2 - 2 * red),
            ]
        )

    @cached_property
    def _ycbcr_to_rgb(self) -> Floats:
        """(3, 3) Y'CbCr → RGB, transposed: for colours in rows."""
        return np.linalg.inv(self._rgb_to_ycbcr).T.astype(np.float32)

    def _levels(self, k: int) -> tuple[float, float]:
        """(zero, span) of component `k` in code values."""
        top = 1 << self.layout.bits
        unit = top / 256
        if k > 0 and not self.layout.rgb:
            return top / 2, top - 1 if self.full else 224 * unit
        return (0.0, top - 1) if self.full else (16 * unit, 219 * unit)

    def rgb(self, planes: Planes, rect: Rect) -> NDArray[Any]:
        """A rectangle as (h, w, 3) RGB: uint8 for 8-bit films, uint16 over the full scale above.

        Args:
            planes: the frame's planes (`layout.planes`).
            rect: a rectangle inside the picture.
        """
        x, y, w, h = rect
        form = self.layout
        parts = []
        for k in range(len(form.components)):
            samples = form.view(planes, k)
            zero, span = self._levels(k)
            if k and form.factor != (1, 1):
                part = _upsample_chroma(samples, form, (x, w), (y, h), self.site, form.components[k].shift)
            else:
                part = _to_floats(samples[y : y + h, x : x + w], form.components[k].shift)
            parts.append((part - np.float32(zero)) * np.float32(1 / span))
        if len(parts) == 1:
            out = np.repeat(parts[0][..., None], 3, axis=2)
        else:
            out = np.stack(parts, axis=-1)
            if not form.rgb:
                out = out @ self._ycbcr_to_rgb
        top = 255 if form.bits <= 8 else 65535
        np.clip(out, 0, 1, out=out)
        out *= np.float32(top)
        out += np.float32(0.5)
        return out.astype(np.uint8 if top == 255 else np.uint16)

    def blend(self, planes: Planes, patch: NDArray[Any], mask: NDArray[Any], x: int, y: int) -> None:
        """Mix a patch into a frame's planes, in place: `sample + mask × (patch − sample)`.

        Samples whose mask is 0 keep every bit. The mask of a chroma sample is the mean of the mask around
        its site, its colour the mean of the patch there, weighted by the mask.

        Args:
            planes: writable planes (`layout.copy_planes`).
            patch: (h, w, 3) RGB, uint8, uint16 over the full scale, or float in 0–1.
            mask: (h, w), uint8, uint16 or float in 0–1.
            x, y: where the patch's first pixel goes; pixels outside the picture are left out.
        """
        form = self.layout
        height, width = form.view(planes, 0).shape
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return
        left, top = max(columns[0], -x), max(rows[0], -y)
        right, bottom = min(columns[-1] + 1, width - x), min(rows[-1] + 1, height - y)
        if left >= right or top >= bottom:
            return
        weight = _to_unit_range(mask[top:bottom, left:right])
        colour = _to_unit_range(patch[top:bottom, left:right])
        x, y = x + left, y + top
        if not form.rgb:
            colour = colour @ self._rgb_to_ycbcr.T.astype(np.float32)
        h, w = weight.shape
        values = []
        for k in range(len(form.components)):
            zero, span = self._levels(k)
            values.append(colour[..., k] * np.float32(span) + np.float32(zero))
        places, weights = [(y, y + h, x, x + w)] * len(values), [weight] * len(values)
        if len(values) > 1 and form.factor != (1, 1):
            (a, b), (c, d), small, values[1:] = _average_patch(
                values[1:], weight, (x, y), (width, height), form.factor, self.site
            )
            places[1:], weights[1:] = [(c, d, a, b)] * 2, [small] * 2
        for k, part in enumerate(form.components):
            top, bottom, left, right = places[k]
            samples = form.view(planes, k)[top:bottom, left:right]
            _mix(samples, values[k], weights[k], part.shift, form.bits)


def _mix(samples: NDArray[Any], values: Floats, weight: Floats, shift: int, bits: int) -> None:
    """Mix `values` into a view of samples; rounding to nearest."""
    now = _to_floats(samples, shift)
    mixed = np.floor(now + weight * (values - now) + np.float32(0.5))
    np.clip(mixed, 0, (1 << bits) - 1, out=mixed)
    changed = mixed.astype(samples.dtype)
    np.copyto(samples, changed << samples.dtype.type(shift) if shift else changed, where=weight > 0)


def _to_floats(samples: NDArray[Any], shift: int) -> Floats:
    return np.asarray(samples >> shift if shift else samples, np.float32)


def _to_unit_range(values: NDArray[Any]) -> Floats:
    """Integers over their full scale, or floats, as float32 in 0–1."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)


def _upsample_chroma(
    samples: NDArray[Any],
    form: Layout,
    across: tuple[int, int],
    down: tuple[int, int],
    site: tuple[float, float],
    shift: int,
) -> Floats:
    """Chroma samples interpolated linearly to the luma samples of a rectangle, (h, w)."""
    left, right, fx = _chroma_neighbours(*across, form.factor[0], site[0], samples.shape[1])
    above, below, fy = _chroma_neighbours(*down, form.factor[1], site[1], samples.shape[0])
    x, y = int(left[0]), int(above[0])
    part = _to_floats(samples[y : int(below[-1]) + 1, x : int(right[-1]) + 1], shift)
    if form.factor[1] > 1:
        part = part[above - y] + fy[:, None] * (part[below - y] - part[above - y])
    if form.factor[0] > 1:
        part = part[:, left - x] + fx * (part[:, right - x] - part[:, left - x])
    return part


def _chroma_neighbours(
    start: int, count: int, factor: int, place: float, size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """The chroma samples around each of `count` luma samples, and its fraction of the way between them."""
    where = (np.arange(start, start + count) - place * (factor - 1)) / factor
    low = np.floor(where).astype(np.intp)
    return (
        np.clip(low, 0, size - 1),
        np.clip(low + (factor > 1), 0, size - 1),
        (where - low).astype(np.float32),
    )


def _average_patch(
    values: Sequence[Floats],
    weight: Floats,
    origin: tuple[int, int],
    picture: tuple[int, int],
    factor: tuple[int, int],
    site: tuple[float, float],
) -> tuple[tuple[int, int], tuple[int, int], Floats, list[Floats]]:
    """Means of a patch around chroma sites.

    Returns:
        The ranges of chroma columns and rows touched, the mean mask there, the mean values under the mask.
    """
    both = np.stack([weight, *(weight * part for part in values)])
    spans = []
    for axis, (start, size, step, place) in enumerate(zip(origin, picture, factor, site, strict=True)):
        both, span = _box_mean(np.moveaxis(both, 2 - axis, 0), start, size, step, place)
        both = np.moveaxis(both, 0, 2 - axis)
        spans.append(span)
    small = both[0]
    seen = small > 0
    means = [np.divide(part, small, out=np.zeros_like(small), where=seen) for part in both[1:]]
    return spans[0], spans[1], small, means


def _box_mean(
    values: Floats, start: int, size: int, factor: int, place: float
) -> tuple[Floats, tuple[int, int]]:
    """Box means along the first axis, `factor` luma samples wide around each chroma site.

    A site that falls on a luma sample gives half weight to the two samples at the ends of its box.
    """
    if factor == 1:
        return values, (start, start + len(values))
    centre = place * (factor - 1)
    taps = np.arange(-factor, 2 * factor)
    weights = np.clip(factor / 2 + 0.5 - np.abs(taps - centre), 0, 1) / factor
    used = [(int(t), np.float32(w)) for t, w in zip(taps, weights, strict=True) if w > 0]
    first = max(0, start // factor - 1)
    last = min(-(-size // factor), -(-(start + len(values)) // factor) + 1)
    # Luma index of padded[0] is (first − 1) × factor.
    base = (first - 1) * factor
    padded = np.zeros((factor * (last - first + 3), *values.shape[1:]), np.float32)
    padded[start - base : start - base + len(values)] = values
    if start == 0:  # the picture's border is repeated outwards
        padded[:-base] = values[0]
    if start + len(values) == size:
        padded[size - base :] = values[-1]
    count = last - first
    out = sum(w * padded[t - base + first * factor :: factor][:count] for t, w in used)
    return np.asarray(out, np.float32), (first, last)
