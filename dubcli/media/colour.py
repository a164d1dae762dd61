"""Conversion between a film's samples and RGB, and alpha blending of a patch into those samples.

Y'CbCr equations: ITU-T H.273 (8.3). RGB is in the film's own transfer function throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
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
    def _to_rgb(self) -> NDArray[np.float64]:
        """(3, 4) samples of the three components → RGB in 0–1."""
        zeros, spans = np.array([self._levels(k) for k in range(3)]).T
        matrix = (np.eye(3) if self.layout.rgb else np.linalg.inv(self._rgb_to_ycbcr)) / spans
        return np.column_stack([matrix, -matrix @ zeros])

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
        for k, component in enumerate(form.components):
            samples = form.view(planes, k)
            if k and form.factor != (1, 1):
                parts.append(_upsample_chroma(samples, form, rect, self.site, component.shift))
            else:
                parts.append(_to_floats(samples[y : y + h, x : x + w], component.shift))
        top = 255 if form.bits <= 8 else 65535
        if len(parts) == 1:
            zero, span = self._levels(0)
            grey = (parts[0] - np.float32(zero)) * np.float32(top / span)
            return _to_codes(np.repeat(grey[..., None], 3, axis=2), top)
        rgb = cv2.transform(cv2.merge(parts), np.float32(top) * self._to_rgb)
        return _to_codes(np.asarray(rgb, np.float32), top)

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
        weight = _to_floats(mask[top:bottom, left:right], 0) / _full_scale(mask)
        colour = _to_floats(patch[top:bottom, left:right], 0)
        x, y = x + left, y + top
        h, w = weight.shape
        count = len(form.components)
        zeros, spans = np.array([self._levels(k) for k in range(3)]).T
        matrix = spans[:, None] * (np.eye(3) if form.rgb else self._rgb_to_ycbcr) / _full_scale(patch)
        turned = cv2.transform(np.ascontiguousarray(colour), np.column_stack([matrix, zeros]))
        values = [np.asarray(turned[..., k], np.float32) for k in range(count)]
        places, weights = [(y, y + h, x, x + w)] * count, [weight] * count
        if count > 1 and form.factor != (1, 1):
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
    mixed = values - now
    mixed *= weight
    mixed += now
    mixed += np.float32(0.5)
    np.minimum(np.maximum(mixed, 0, out=mixed), np.float32((1 << bits) - 0.5), out=mixed)
    changed = mixed.astype(samples.dtype)  # the fraction is cut off
    if shift:  # unused low bits stay where nothing is mixed in
        np.copyto(samples, changed << samples.dtype.type(shift), where=weight > 0)
    else:
        samples[:] = changed


def _to_floats(samples: NDArray[Any], shift: int) -> Floats:
    return np.asarray(samples >> shift if shift else samples, np.float32)


def _full_scale(values: NDArray[Any]) -> np.float32:
    """The value of integers that stands for 1; floats are in 0–1 already."""
    return np.float32(1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max)


def _to_codes(values: Floats, top: int) -> NDArray[Any]:
    """Values (h, w, 3) as the nearest of 0 to `top`, uint8 or uint16."""
    np.minimum(np.maximum(values, 0, out=values), top, out=values)  # a third of the time that clip takes
    values += np.float32(0.5)
    return values.astype(np.uint8 if top == 255 else np.uint16)


def _upsample_chroma(
    samples: NDArray[Any], form: Layout, rect: Rect, site: tuple[float, float], shift: int
) -> Floats:
    """Chroma samples interpolated linearly to the luma samples of a rectangle, (h, w)."""
    x, y, w, h = rect
    fx, fy = form.factor
    left, top = max(0, x // fx - 1), max(0, y // fy - 1)  # neighbours of the rectangle, and no more
    part = _to_floats(samples[top : (y + h - 1) // fy + 2, left : (x + w - 1) // fx + 2], shift)
    part = _upsample(_upsample(part, (1, fy), site[1]), (fx, 1), site[0])
    x, y = x - left * fx, y - top * fy
    return part[y : y + h, x : x + w]


def _upsample(part: Floats, factor: tuple[int, int], place: float) -> Floats:
    """Samples interpolated linearly by (across, down), one of which is 1; the border is repeated.

    Luma sample n lies at (n − place × (factor − 1)) / factor in the grid of chroma samples. In their middle
    that is what `cv2.resize` does; at either end it is the mean of as many repeated samples as the factor.
    """
    count = max(factor)
    if count == 1:
        return part
    size = part.shape[1] * factor[0], part.shape[0] * factor[1]
    if place == 0.5:
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.float32)
    repeated = cv2.resize(part, size, interpolation=cv2.INTER_NEAREST)
    mean = np.full(factor[::-1], 1 / count, np.float32)
    anchor = (int(place * (factor[0] - 1)), int(place * (factor[1] - 1)))
    found = cv2.filter2D(repeated, -1, mean, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


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
    both = np.stack([weight, *(weight * part for part in values)], axis=1)  # rows first: they lie together
    both, rows = _box_mean(both, origin[1], picture[1], factor[1], site[1])
    turned, columns = _box_mean(np.moveaxis(both, 2, 0), origin[0], picture[0], factor[0], site[0])
    small, *sums = np.moveaxis(turned, (2, 0), (0, 2))
    seen = small > 0
    means = [np.divide(part, small, out=np.zeros(small.shape, np.float32), where=seen) for part in sums]
    return columns, rows, small, means


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
