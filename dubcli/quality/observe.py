"""Observes a dubbed face again: composites its patches, finds the lips, and measures the pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.measures import OUTSIDE_FRAMES, PIXELS_EVERY
from dubcli.face import mesh as regions
from dubcli.face.roi import Roi, roi_of
from dubcli.media import decode, layout
from dubcli.media.patches import Placed, mix, overlap
from dubcli.media.samples import eight_bit, unit
from dubcli.quality import pixels
from dubcli.quality.mouth import Mouth, Observation
from dubcli.quality.subject import Curve, Subject

Window = tuple[int, int]

WINDOW = 36  # frames, a second and a half, that are measured together; set by hand
_BORDER = 6  # pixels around a region, for filters


class Placing(Protocol):
    """Patches by frame number (`media.patches.Patches`)."""

    def at(self, index: int) -> Placed | None:
        """The patch for a frame, None where there is none; frames are asked for in rising order."""


class Finder(Protocol):
    """Finds a face in a picture (`engines.trackers`)."""

    def mesh(self, rgb: NDArray[np.uint8], roi: Roi) -> NDArray[np.float32] | None:
        """Mesh (478, 3) of the face in a region of interest, None where there is none."""


@dataclass
class Seen:
    """What was seen of a dubbed face.

    Attributes:
        aperture, width: (T,) of the lips, NaN where they were not measured.
        mouth: measures of the pixels.
        outside: samples changed outside the mask, None where that was not measured.
    """

    aperture: Curve
    width: Curve
    mouth: Mouth
    outside: list[int] = field(default_factory=list)


def windows(patched: NDArray[np.int32], most: int, wanted: Callable[[int, int], float]) -> list[Window]:
    """Ranges of frames to measure: all from the first to the last change, or windows evenly spread over them.

    Args:
        patched: (n,) changed frames, rising.
        most: frames of all windows.
        wanted: worth of a range [start, stop): of the places in a window's share the best is taken.
    """
    if not len(patched) or most <= 0:
        return []
    first, last = int(patched[0]), int(patched[-1]) + 1
    if last - first <= most:
        return [(first, last)]
    size = min(WINDOW, most)
    count = most // size
    edges = np.linspace(first, last, count + 1).round().astype(int)
    out = []
    for low, high in pairwise(edges.tolist()):
        starts = range(low, high - size + 1, 4)
        best = max(starts, key=lambda start: (wanted(start, start + size), -start))
        out.append((best, best + size))
    return out


def sampled(patched: NDArray[np.int32], ranges: Sequence[Window]) -> list[Window]:
    """The ranges, and between them every `PIXELS_EVERY`th changed frame by itself, in order.

    What is wrong in a part of a long shot is not in its windows; movement from frame to frame is seen there
    only.
    """
    inside = {frame for start, stop in ranges for frame in range(start, stop)}
    single = [frame for frame in patched[::PIXELS_EVERY].tolist() if frame not in inside] if ranges else []
    return sorted([*ranges, *((frame, frame + 1) for frame in single)])


def observe(
    subject: Subject,
    ranges: Sequence[Window],
    frames: Iterable[decode.Frame],
    patches: Placing,
    finder: Finder,
    own: list[NDArray[np.float64]],
) -> Seen:
    """Observe the dubbed face.

    Args:
        subject: the face.
        ranges: frames [start, stop) to observe, rising, apart.
        frames: those of the source, decoded.
        patches: of the face.
        finder: measures meshes.
        own: descriptors of the person's footage.
    """
    track = subject.track
    first, total = int(track.frames[0]), sum(stop - start for start, stop in ranges)
    unknown = np.full(len(track.frames), np.nan, np.float32)
    seen = Seen(unknown, unknown.copy(), Mouth(own))
    for frame in frames:
        patch = patches.at(frame.index)
        if patch is None:
            continue
        if len(seen.outside) < OUTSIDE_FRAMES:
            seen.outside.append(changed_outside(frame, patch))
        at = frame.index - first
        one, new_mesh = _observed(frame, patch, track.mesh[at], finder)
        if new_mesh is not None:
            seen.aperture[at], seen.width[at] = regions.aperture(new_mesh), regions.width(new_mesh)
        seen.mouth.add(one, total)
    return seen


def _observed(
    frame: decode.Frame, patch: Placed, mesh: NDArray[np.float32], finder: Finder
) -> tuple[Observation, NDArray[np.float32] | None]:
    """One frame, and the mesh that is seen in the dubbed one, None where no face is."""
    roi = roi_of(mesh)
    source, x, y = _surroundings(frame, roi, patch)
    corner = np.array((x, y, 0), np.float32)
    mask, own, dubbed = placed(patch, source, x, y)
    local = mesh - corner
    new_mesh = finder.mesh(dubbed, Roi(roi.centre - corner[:2], roi.side, roi.angle))
    box, shift = _lower_face(local, mask)
    was, now, patched = (np.ascontiguousarray(picture[box]) for picture in (source, dubbed, own))
    new = local if new_mesh is None else new_mesh
    shape = np.ascontiguousarray(mask[box])
    return Observation(frame.index, was, now, patched, shape, local - shift, new - shift), new_mesh


def _surroundings(frame: decode.Frame, roi: Roi, patch: Placed) -> tuple[NDArray[np.uint8], int, int]:
    """A face and its patch as 8-bit RGB, and the position (x, y) of their first pixel."""
    width, height = frame.square.size
    picture, _, x, y = patch
    reach = 0.72 * roi.side  # half a diagonal
    low = np.minimum(roi.centre - reach, (x, y))
    high = np.maximum(roi.centre + reach, (x + picture.shape[1], y + picture.shape[0]))
    x0, y0 = np.clip(np.floor(low), 0, (width - 2, height - 2)).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(high), (x0 + 2, y0 + 2), (width, height)).astype(int).tolist()
    return eight_bit(frame.rgb((x0, y0, x1 - x0, y1 - y0))), x0, y0


def _lower_face(
    mesh: NDArray[np.float32], mask: NDArray[np.float32]
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Where the face from the eyes down and the mask lie in a picture, and the first pixel's place (3,)."""
    height, width = mask.shape
    eyes = float(mesh[[regions.EYE_LEFT, regions.EYE_RIGHT], 1].min())
    low = np.array([mesh[:468, 0].min(), eyes])
    high = mesh[:468, :2].max(axis=0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows):
        low = np.minimum(low, (columns[0], rows[0]))
        high = np.maximum(high, (columns[-1] + 1, rows[-1] + 1))
    x0, y0 = np.clip(np.floor(low - _BORDER), 0, (width - 2, height - 2)).astype(int)
    x1, y1 = np.clip(np.ceil(high + _BORDER), (x0 + 2, y0 + 2), (width, height)).astype(int)
    return (slice(y0, y1), slice(x0, x1)), np.array((x0, y0, 0), np.float32)


def placed(
    patch: Placed, source: NDArray[np.uint8], x: int, y: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """A patch in a part of the film whose first pixel is at (x, y), and both mixed.

    Returns:
        Its mask (H, W) 0-1, its own picture in place (H, W, 3), and the composite (H, W, 3).
    """
    rgb, mask, left, top = patch
    moved = rgb, mask, left - x, top - y
    full, picture, mixed = _in_place(moved, source.shape[:2]), source.copy(), source.copy()
    if both := overlap(moved, source.shape[:2]):
        here, there = both
        cv2.copyTo(eight_bit(rgb[here]), (mask[here] > 0).astype(np.uint8), picture[there])
        mix(mixed, moved)
    return full, picture, mixed


def _in_place(patch: Placed, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The mask of a patch in a picture of a shape (H, W), 0-1."""
    full = np.zeros(shape, np.float32)
    if both := overlap(patch, shape):
        here, there = both
        full[there] = unit(patch[1][here])
    return full


def changed_outside(was: decode.Frame, patch: Placed) -> int:
    """Samples that blending the patch changes where its mask is 0."""
    form = was.colour.layout
    planes = layout.copy_planes(was.planes)
    patch = was.square.to_raster(patch)
    was.colour.blend(planes, *patch)
    mask = _in_place(patch, form.view(was.planes, 0).shape)
    count = 0
    for k in range(len(form.components)):
        before, after = form.view(was.planes, k), form.view(planes, k)
        touched = mask
        if before.shape != mask.shape:  # a chroma sample covers several luma samples
            across, down = form.factor
            wide = cv2.dilate(mask, np.ones((2 * down + 1, 2 * across + 1), np.uint8))
            touched = np.asarray(wide, np.float32)[::down, ::across]
        count += pixels.changed_outside(before, after, touched)
    return count
