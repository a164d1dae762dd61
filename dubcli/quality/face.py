"""Measures one dubbed face: composites its patches, looks at the lips again, and compares with the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.measures import Measure, Measures, Violation
from dubcli.artifacts.speech import Phone
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import mesh as regions
from dubcli.face.crop import eight_bit
from dubcli.face.roi import Roi, roi_of
from dubcli.media import decode, layout, spans
from dubcli.media.patches import Placed
from dubcli.quality import curves, pixels
from dubcli.quality.mouth import Look, Mouth
from dubcli.speech.basis import FEWEST_FRAMES, below

Curve = NDArray[np.float32]
Window = tuple[int, int]

WINDOW = 36  # frames, a second and a half, that are measured together; set by hand
_OUTSIDE_FRAMES = 6  # per face; the same arithmetic does them all
_BORDER = 6  # pixels around a region, for filters
_WHOLE = 0.99  # weight from which a frame counts as wholly changed
_SILENT = 0.1  # probability of speech under which a mouth is to rest; set by hand
_SILENCE_SECONDS = 0.25  # from speech: lips move before and after a sound; set by hand
_REST_SECONDS = 0.5  # of silence at least, in which lips are expected to rest; set by hand
_SETTLING_SECONDS = 0.12  # at either end of it; set by hand
_MIN_CONFIDENCE = 0.5  # confidence of the aligner from which a missed sound counts; set by hand
_FEWEST_FOR_OFFSET = 30  # frames of speech; fewer fit anywhere; set by hand
_MUST: tuple[tuple[Literal["closure", "contact", "rounding"], tuple[str, ...], float], ...] = (
    ("closure", ("P", "B", "M"), curves.MET),
    ("contact", ("F", "V"), curves.CONTACT),
    ("rounding", ("UW", "W"), curves.ROUND),
)


class Observed(Protocol):
    """What a tracker sees of a face."""

    @property
    def mesh(self) -> NDArray[np.float32]:
        """(478, 3) pixels."""


class Placing(Protocol):
    """Patches by frame number (`media.patches.Patches`)."""

    def at(self, index: int) -> Placed | None:
        """The patch for a frame, None where there is none; frames are asked for in rising order."""


class Finder(Protocol):
    """Looks at a face in a picture (`engines.trackers`)."""

    def observe(self, rgb: NDArray[np.uint8], roi: Roi) -> Observed | None:
        """The face in a region of interest, None where there is none."""


@dataclass(frozen=True)
class Sound:
    """What a sound asks of a mouth at each frame of a face, (T,) each.

    Attributes:
        aperture: predicted by the prior, in standard deviations.
        speech: probability of speech within reach of the lips' own movement.
        phones: with times in the film's.
    """

    aperture: Curve
    speech: Curve
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class Subject:
    """A changed face.

    Attributes:
        track: the face in the source, T frames.
        seconds: (T,) times of its frames.
        rate: frames a second.
        target, closed, weight: (T,) of its motion; NaN, 0 and 0 where it has none.
        still: (T,) frames of cues that keep it still.
        dub, film: what dub and film sound like; the film's None where it has none.
    """

    track: FaceTrack
    seconds: NDArray[np.float64]
    rate: float
    target: Curve
    closed: Curve
    weight: Curve
    still: NDArray[np.bool_]
    dub: Sound
    film: Sound | None

    @property
    def source(self) -> Curve:
        """(T,) aperture in the source, NaN where there was no mesh."""
        aperture = regions.aperture(self.track.mesh)
        return np.where(self.track.reason == Reason.NO_MESH, np.nan, aperture).astype(np.float32)

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """(T,) frames that speak and are wholly changed."""
        return np.asarray(~self.still & (self.weight > _WHOLE))

    @property
    def rests(self) -> NDArray[np.bool_]:
        """(T,) frames that are wholly changed and in which the lips have no reason to move.

        They lie inside half a second or more without speech: lips close after a sound, and open before one.
        """
        quiet = (self.weight > _WHOLE) & (self.still | (self.dub.speech < _SILENT))
        out = np.zeros(len(quiet), bool)
        margin, shortest = round(_SETTLING_SECONDS * self.rate), round(_REST_SECONDS * self.rate)
        for start, stop in spans.runs_of_true(quiet, max(1, shortest)):
            out[start + margin : stop - margin] = True
        return out


@dataclass
class Seen:
    """What was seen of a dubbed face.

    Attributes:
        aperture, width: (T,) of the lips, NaN where they were not measured.
        mouth: measures of the pixels.
        outside: samples changed outside the mask, None where that was not looked at.
    """

    aperture: Curve
    width: Curve
    mouth: Mouth
    outside: list[int] = field(default_factory=list)


def silence(speech: Curve, rate: float) -> Curve:
    """Probability of speech within `_SILENCE_SECONDS` of each of its rows, which come at `rate` a second."""
    from scipy.ndimage import maximum_filter1d

    return np.asarray(maximum_filter1d(speech, 2 * round(_SILENCE_SECONDS * rate) + 1), np.float32)


def windows(patched: NDArray[np.int32], most: int, wanted: Callable[[int, int], float]) -> list[Window]:
    """Ranges of frames to measure: all from the first to the last change, or windows evenly spread over them.

    Args:
        patched: (n,) changed frames, rising.
        most: frames in all.
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


def look(
    subject: Subject,
    ranges: Sequence[Window],
    frames: Callable[[int, int], Iterable[decode.Frame]],
    patches: Placing,
    finder: Finder,
    own: list[NDArray[np.float64]],
) -> Seen:
    """Look at the dubbed face again.

    Args:
        subject: the face.
        ranges: frames [start, stop) to look at, rising.
        frames: decodes such a range of the source.
        patches: of the face.
        finder: measures meshes.
        own: descriptors of the person's footage.
    """
    track = subject.track
    first, total = int(track.frames[0]), sum(stop - start for start, stop in ranges)
    unknown = np.full(len(track.frames), np.nan, np.float32)
    seen = Seen(unknown, unknown.copy(), Mouth(own))
    for start, stop in ranges:
        for frame in frames(start, stop):
            patch = patches.at(frame.index)
            mesh = track.mesh[frame.index - first]
            if patch is None:
                continue
            if len(seen.outside) < _OUTSIDE_FRAMES:
                seen.outside.append(changed_outside(frame, patch))
            _add(seen, frame.index, eight_bit_part(frame, mesh, patch), patch, mesh, finder, first, total)
    return seen


def eight_bit_part(
    frame: decode.Frame, mesh: NDArray[np.float32], patch: Placed
) -> tuple[NDArray[np.uint8], int, int]:
    """Surroundings of a face and its patch as 8-bit RGB, and the position (x, y) of their first pixel."""
    rgb, roi = frame.rgb(), roi_of(mesh)
    height, width = rgb.shape[:2]
    picture, _, x, y = patch
    reach = 0.72 * roi.side  # half a diagonal
    low = np.minimum(roi.centre - reach, (x, y))
    high = np.maximum(roi.centre + reach, (x + picture.shape[1], y + picture.shape[0]))
    x0, y0 = np.clip(np.floor(low), 0, (width - 2, height - 2)).astype(int)
    x1, y1 = np.clip(np.ceil(high), (x0 + 2, y0 + 2), (width, height)).astype(int)
    return eight_bit(rgb[y0:y1, x0:x1]), int(x0), int(y0)


def _add(
    seen: Seen,
    index: int,
    part: tuple[NDArray[np.uint8], int, int],
    patch: Placed,
    mesh: NDArray[np.float32],
    finder: Finder,
    first: int,
    total: int,
) -> None:
    """Take in one frame, given the part of the source around the face."""
    source, x, y = part
    corner = np.array((x, y, 0), np.float32)
    mask, own, dubbed = placed(patch, source, x, y)
    local = mesh - corner
    sight = finder.observe(dubbed, roi_of(local))
    if sight is not None:
        seen.aperture[index - first] = regions.aperture(sight.mesh)
        seen.width[index - first] = regions.width(sight.mesh)
    new = local if sight is None else sight.mesh
    box, shift = _lower_face(local, mask)
    was, now, patched = (np.ascontiguousarray(picture[box]) for picture in (source, dubbed, own))
    shape = np.ascontiguousarray(mask[box])
    seen.mouth.add(Look(index, was, now, patched, shape, local - shift, new - shift), total)


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
    height, width = source.shape[:2]
    full, picture, mixed = np.zeros((height, width), np.float32), source.copy(), source.copy()
    a, b = max(0, left - x), max(0, top - y)
    right, bottom = min(width, left - x + mask.shape[1]), min(height, top - y + mask.shape[0])
    if a < right and b < bottom:
        here, there = (
            np.s_[b - top + y : bottom - top + y, a - left + x : right - left + x],
            np.s_[b:bottom, a:right],
        )
        weight = mask[here].astype(np.float32) * np.float32(1 / np.iinfo(mask.dtype).max)
        shown = eight_bit(rgb[here])
        full[there] = weight
        cv2.copyTo(shown, (weight > 0).astype(np.uint8), picture[there])
        # Both weights sum to 1, so that this is a mean: cv2 has it in one pass.
        mixed[there] = cv2.blendLinear(shown, np.ascontiguousarray(source[there]), weight, 1 - weight)
    return full, picture, mixed


def changed_outside(was: decode.Frame, patch: Placed) -> int:
    """Samples that blending the patch changes where its mask is 0."""
    form = was.colour.layout
    planes = layout.copy_planes(was.planes)
    patch = was.square.to_raster(patch)
    was.colour.blend(planes, *patch)
    height, width = form.view(was.planes, 0).shape
    mask, _, _ = placed(patch, np.zeros((height, width, 3), np.uint8), 0, 0)
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


def measures(subject: Subject, seen: Seen) -> Measures:
    """All measures of a face that was looked at."""
    looked = np.isfinite(seen.aperture)
    speak, rest = subject.speaks & looked, subject.rests & looked
    got, source = np.where(speak, seen.aperture, np.nan), subject.source
    dub, film, rate = subject.dub, subject.film, subject.rate
    asked = np.where(speak, subject.closed, 0)
    met, closures = curves.closures(got, asked)
    lag, sounds = curves.closure_lag(got, subject.seconds, _closing(dub.phones))
    enough = np.count_nonzero(speak) >= _FEWEST_FOR_OFFSET
    late = curves.offset(got, dub.aperture, round(0.34 * rate)) if enough else None
    own: dict[str, float | None] = {}
    if film is not None:
        talking = np.where(film.speech > _SILENT, source, np.nan)
        far = curves.offset(talking, film.aperture, round(0.34 * rate))
        hits, count = curves.closures(talking, _weights(subject.seconds, film.phones))
        own = {
            "offset": None if far is None else 1000 * far / rate,
            "correlation": curves.correlation(talking, film.aperture),
            "articulation": _deviation(talking),
            "hits": hits / count if count >= curves.FEWEST_CLOSURES else None,
            "lag": curves.closure_lag(talking, subject.seconds, _closing(film.phones))[0],
            "tremble": curves.tremble(talking, rate),
        }
    return Measures(
        frames=int(looked.sum()),
        picture_frames=seen.mouth.looks,
        speech_frames=int(speak.sum()),
        rest_frames=int(rest.sum()),
        closures=closures,
        sounds=sounds,
        offset_ms=_pair(None if late is None else 1000 * late / rate, own.get("offset"), 1, 0),
        closure_ms=_pair(lag, own.get("lag"), 1000, 0),
        correlation=_pair(curves.correlation(got, dub.aperture), own.get("correlation")),
        follows=_pair(curves.correlation(got, subject.target), None),
        amplitude=_pair(curves.articulation(got, subject.target), None),
        articulation=_pair(_deviation(got), own.get("articulation"), 100),
        closure_hits=_pair(met / closures if closures else None, own.get("hits")),
        still_motion=_pair(
            curves.motion(np.where(rest, seen.aperture, np.nan)),
            curves.motion(np.where(rest, source, np.nan)),
            1000,
        ),
        tremble=_pair(curves.tremble(got, rate), own.get("tremble"), 1000),
        **seen.mouth.measures(),
        changed_outside=sum(seen.outside) if seen.outside else None,
        violations=tuple(sorted(violations(subject, seen), key=lambda one: one.frame)),
        worst=_worst(subject, got),
    )


def violations(subject: Subject, seen: Seen) -> Iterator[Violation]:
    """Sounds of the dub for which the dubbed mouth does not close, touch the teeth or round as it must."""
    seconds = subject.seconds
    for kind, phones, part in _MUST:
        got = np.where(subject.speaks, seen.width if kind == "rounding" else seen.aperture, np.nan)
        limit = below(got, part)
        if limit is None:
            continue
        for phone in subject.dub.phones:
            if phone.phone not in phones or phone.score < _MIN_CONFIDENCE:
                continue
            inside = np.flatnonzero((seconds >= phone.start) & (seconds < phone.end))
            middle = int(np.abs(seconds - (phone.start + phone.end) / 2).argmin())
            first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (middle, middle)
            near = got[max(0, first - 1) : last + 2]
            # Where a sound was measured only in part, its contact may be in the rest.
            if np.isfinite(near).all() and near.min() > limit and seconds[0] <= phone.start < seconds[-1]:
                yield Violation(
                    frame=int(subject.track.frames[middle]),
                    seconds=round(float(seconds[middle]), 3),
                    phone=phone.phone,
                    kind=kind,
                    measured=round(float(near.min()), 4),
                    limit=round(limit, 4),
                )


def _worst(subject: Subject, got: NDArray[np.floating[Any]]) -> int | None:
    """The frame whose aperture is furthest from its target; None where none is known."""
    away = np.abs(got - subject.target)
    return int(subject.track.frames[int(np.nanargmax(away))]) if np.isfinite(away).any() else None


def _closing(phones: tuple[Phone, ...]) -> NDArray[np.float64]:
    """Times at which lips are closed for a sound: a little before its middle (docs/quality.md)."""
    sure = [p for p in phones if p.phone in ("P", "B", "M") and p.score >= _MIN_CONFIDENCE]
    return np.array([(p.start + p.end) / 2 for p in sure], np.float64)


def _weights(seconds: NDArray[np.float64], phones: tuple[Phone, ...]) -> Curve:
    """(T,) 1 in frames of a sound that closes lips."""
    out = np.zeros(len(seconds), np.float32)
    for sound in _closing(phones):
        out[int(np.abs(seconds - sound).argmin())] = 1
    return out


def _deviation(curve: NDArray[Any]) -> float | None:
    known = curve[np.isfinite(curve)]
    return float(known.std()) if len(known) >= FEWEST_FRAMES else None


def _pair(dubbed: float | None, source: float | None, scale: float = 1, digits: int = 3) -> Measure:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(scale * value, digits)

    return Measure(dubbed=rounded(dubbed), source=rounded(source))
