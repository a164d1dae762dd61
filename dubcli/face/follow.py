"""Tracking of faces through a shot with any detector: forwards, backwards, over short gaps, never twice.

A finder detects faces in a picture and fits a mesh to the face in a region of interest. Detection runs every
few frames (`DETECT_EVERY`, `TILES_EVERY`); between those, each face is followed by its own mesh.
A face that is detected late is followed backwards through a buffer of the last few pictures. Where pictures
dissolve into others (`face.dissolve`), tracks end and new ones begin: two people lie over each other there.

Constants are set by hand on real clips; `bench/track.py` measures the result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face import overlay, steady
from dubcli.face.crop import Image
from dubcli.face.dissolve import dissolves, structure
from dubcli.face.roi import MARGIN, Roi, distance, eye_distance, roi_of

DETECT_EVERY = 12  # frames between detections on the whole picture
TILES_EVERY = 24  # frames between detections on tiles too
BUFFER_BYTES = 256 << 20  # of pictures that a new face is followed back through
THUMB_EVERY = 12  # frames between the pictures of a face that are kept
BRIDGE = 12  # frames; longest gap that is filled: half a second of film
MIN_SCORE = 0.5  # face score under which a mesh is rejected
MIN_CORRELATION = (
    0.6  # correlation of skin colours; successive frames have 0.8 and more, two people 0.7 and less
)
SAME_FACE = 0.4  # mean distance in outer-eye distances under which two meshes are one face


@dataclass(frozen=True)
class Observation:
    """Observation of one face in one picture.

    Attributes:
        mesh: (478, 3) float32 raster pixels.
        score: 0–1, confidence that this is a face.
        spread: standard deviation of the lips over the views, in outer-eye distances.
        colour: (468, 3) uint8 skin colours at the mesh points.
        sharp: sharpness around the mouth (`face.crop.sharpness`).
        thumb: (96, 96, 3) uint8 upright picture of the face, every `THUMB_EVERY` frames only.
        overlay: `overlay.area` of what is written over it, then and `overlay.LAG` frames earlier; None where
            that is not known.
    """

    mesh: NDArray[np.float32]
    score: float
    spread: float
    colour: NDArray[np.uint8]
    sharp: float
    thumb: Image | None = None
    overlay: float | None = None


class Finder(Protocol):
    """A detector with a mesh model."""

    def detect(self, rgb: Image, tiles: bool) -> list[Roi]:
        """Regions of faces, detected on the whole picture and, where `tiles`, on tiles; no face twice."""

    def observe(self, rgb: Image, roi: Roi) -> Observation | None:
        """Observation of the face in a region of interest, or None."""

    def thumb(self, rgb: Image, mesh: NDArray[np.float32]) -> Image:
        """Upright picture (96, 96, 3) of a face."""


@dataclass
class Trace:
    """Observations of a face over consecutive frames, as long as it is followed.

    Attributes:
        first: number of its first frame.
        observations: one per frame; None in a bridged gap.
        displacements: (4,) per frame, `steady.displacement` from the previous frame; zeros where unknown.
        confirmed: numbers of the frames in which it was detected as well.
    """

    first: int
    observations: deque[Observation | None] = field(default_factory=deque)
    displacements: deque[steady.Displacement] = field(default_factory=deque)
    confirmed: set[int] = field(default_factory=set)

    @property
    def stop(self) -> int:
        """Number of the frame after its last."""
        return self.first + len(self.observations)

    def at(self, index: int) -> Observation | None:
        """The observation in that frame, or None."""
        return self.observations[index - self.first] if self.first <= index < self.stop else None


def similarity(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Correlation of two sets of skin colours (468, 3) over the upper face: near 1 from frame to frame.

    The lower face is left out: hands and microphones come and go there.
    """
    upper = _upper()
    a = one[upper] - one[upper].mean(axis=0)
    b = two[upper] - two[upper].mean(axis=0)
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))


def continues(last: Observation, observation: Observation) -> bool:
    """Whether `observation`, one frame after `last`, is the same face: similar skin, or little movement."""
    step = distance(last.mesh, observation.mesh)
    return similarity(last.colour, observation.colour) >= MIN_CORRELATION * min(1.0, 0.5 + 2.5 * step)


@lru_cache(maxsize=1)
def _upper() -> NDArray[np.bool_]:
    return np.asarray(regions.head()[:468, 1] < 0.3)


class Follower:
    """Follows all faces of one shot; feed it the pictures in order, then take `traces()`."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._buffer: deque[tuple[int, Image]] = deque()
        self._active: list[Trace] = []
        self._ended: list[Trace] = []
        self._structures: list[NDArray[np.float32]] = []
        self._count = 0

    def feed(self, index: int, rgb: Image) -> None:
        """Take the next picture of the shot."""
        tiles = self._count % TILES_EVERY == 0
        ended = self._step(rgb)
        if ended or self._count % DETECT_EVERY == 0:
            self._detected(index, rgb, self._finder.detect(rgb, tiles))
        self._structures.append(structure(rgb))
        self._buffer.append((index, rgb))
        while len(self._buffer) > max(2, min(TILES_EVERY, BUFFER_BYTES // rgb.nbytes)):
            self._buffer.popleft()
        self._count += 1

    def traces(self) -> list[Trace]:
        """Traces of all faces, gaps bridged, cut where pictures dissolve, longest first."""
        done = bridged(self._ended + self._active)
        if self._structures:
            start = self._buffer[-1][0] + 1 - self._count
            mixed = [(start + a, start + b) for a, b in dissolves(np.stack(self._structures))]
            done = [part for trace in done for part in _parts(trace, mixed)]
        return sorted(done, key=lambda trace: (-len(trace.observations), trace.first, _position(trace)))

    def _step(self, rgb: Image) -> bool:
        """Follow every active face into this picture; returns whether one was lost."""
        found: list[tuple[Trace, Observation]] = []
        for trace in self._active:
            observation = self._followed(
                rgb, trace.observations[-1], trace.observations[-2] if len(trace.observations) > 1 else None
            )
            if observation is not None:
                found.append((trace, observation))
        kept = _without_duplicates(found)
        for trace, observation in kept:
            before, last = self._buffer[-1][1], trace.observations[-1]
            trace.displacements.append(_displacement(before, rgb, last, observation))
            observation = replace(observation, overlay=self._overlay(trace, rgb, observation))
            with_thumb = self._count % THUMB_EVERY == 0  # a moved shot's tracks are kept: not by film frame
            trace.observations.append(self._with_thumb(rgb, observation) if with_thumb else observation)
        followed = [trace for trace, _ in kept]
        ended = [trace for trace in self._active if not any(trace is other for other in followed)]
        self._ended += ended
        self._active = followed
        return bool(ended)

    def _overlay(self, trace: Trace, rgb: Image, observation: Observation) -> float | None:
        if min(len(trace.observations), len(self._buffer)) < overlay.LAG:
            return None
        earlier = trace.observations[-overlay.LAG]
        picture = self._buffer[-overlay.LAG][1]
        return overlay.area(picture, rgb, earlier.mesh, observation.mesh) if earlier else None

    def _followed(
        self, rgb: Image, last: Observation | None, previous: Observation | None
    ) -> Observation | None:
        assert last is not None
        observation = self._finder.observe(rgb, roi_of(last.mesh, previous.mesh if previous else None))
        return observation if observation is not None and continues(last, observation) else None

    def _detected(self, index: int, rgb: Image, regions_of_faces: list[Roi]) -> None:
        """Take the faces that were detected; follow new ones backwards to their first frame."""
        for roi in regions_of_faces:
            known = [trace for trace in self._active if _is_at(trace.observations[-1], roi)]
            if known:
                for trace in known:
                    trace.confirmed.add(index)
                continue
            observation = self._finder.observe(rgb, roi)
            if observation is None:
                continue
            observation = self._finder.observe(rgb, roi_of(observation.mesh))
            if observation is None or self._duplicate(index, observation):
                continue
            trace = Trace(index, deque([self._with_thumb(rgb, observation)]), deque([steady.NONE]), {index})
            self._follow_back(trace, rgb)
            self._active.append(trace)

    def _follow_back(self, trace: Trace, newer: Image) -> None:
        for index, rgb in reversed(self._buffer):
            first, second = (
                trace.observations[0],
                trace.observations[1] if len(trace.observations) > 1 else None,
            )
            observation = self._followed(rgb, first, second)
            if observation is None or self._duplicate(index, observation):
                return
            trace.displacements[0] = _displacement(rgb, newer, observation, first)
            trace.displacements.appendleft(steady.NONE)
            trace.observations.appendleft(observation)
            trace.first = index
            newer = rgb

    def _with_thumb(self, rgb: Image, observation: Observation) -> Observation:
        return replace(observation, thumb=self._finder.thumb(rgb, observation.mesh))

    def _duplicate(self, index: int, observation: Observation) -> bool:
        others = (trace.at(index) for trace in (*self._active, *self._ended))
        return any(
            other is not None and distance(other.mesh, observation.mesh) < SAME_FACE for other in others
        )


def bridged(traces: list[Trace]) -> list[Trace]:
    """Traces joined over gaps of up to `BRIDGE` frames where position, size and skin agree."""
    waiting = sorted(traces, key=lambda trace: (trace.first, _position(trace)))
    done: list[Trace] = []
    for trace in waiting:
        fits = [(_gap_cost(old, trace), k) for k, old in enumerate(done)]
        best = min(fits, default=(np.inf, -1))
        if best[0] < 1.0:
            old = done[best[1]]
            gap = trace.first - old.stop
            old.observations.extend([None] * gap)
            old.displacements.extend([steady.NONE] * gap)
            old.observations.extend(trace.observations)
            old.displacements.extend(trace.displacements)
            old.confirmed |= trace.confirmed
        else:
            done.append(trace)
    return done


def _parts(trace: Trace, mixed: list[tuple[int, int]]) -> Iterator[Trace]:
    """What is left of a trace without the frames in the half-open ranges `mixed`, in order.

    What is so short that no picture of the face was kept in it is left out.
    """
    if not any(a < trace.stop and trace.first < b for a, b in mixed):
        yield trace
        return
    starts, stops = [trace.first, *(b for _, b in mixed)], [*(a for a, _ in mixed), trace.stop]
    for start, stop in zip(starts, stops, strict=True):
        frames = range(max(start, trace.first), min(stop, trace.stop))
        seen = {k: each for k in frames if (each := trace.at(k)) is not None}
        if any(each.thumb is not None for each in seen.values()):
            low, high = min(seen), max(seen) + 1
            within = slice(low - trace.first, high - trace.first)
            displacements = deque([steady.NONE, *list(trace.displacements)[within][1:]])
            confirmed = {k for k in trace.confirmed if low <= k < high}
            yield Trace(low, deque(list(trace.observations)[within]), displacements, confirmed)


def _gap_cost(old: Trace, new: Trace) -> float:
    """Cost of joining `new` to `old`: under 1 they are one face."""
    gap = new.first - old.stop
    last, first = old.observations[-1], new.observations[0]
    if not 0 <= gap <= BRIDGE or last is None or first is None:
        return np.inf
    if similarity(last.colour, first.colour) < MIN_CORRELATION:
        return np.inf
    size = eye_distance(first.mesh) / max(eye_distance(last.mesh), 1e-6)
    return distance(last.mesh, first.mesh) / (SAME_FACE + 0.1 * gap) + abs(float(np.log(size))) / 0.5


def _without_duplicates(found: list[tuple[Trace, Observation]]) -> list[tuple[Trace, Observation]]:
    """Traces without duplicates: of two on one face the one with the smaller step keeps it."""
    kept: list[tuple[Trace, Observation]] = []
    for trace, observation in sorted(found, key=lambda pair: _step_size(*pair)):
        if all(distance(observation.mesh, other.mesh) >= SAME_FACE for _, other in kept):
            kept.append((trace, observation))
    return kept


def _displacement(
    previous: Image, current: Image, last: Observation | None, observation: Observation | None
) -> steady.Displacement:
    return (
        steady.displacement(previous, current, last.mesh, observation.mesh)
        if last and observation
        else steady.NONE
    )


def _step_size(trace: Trace, observation: Observation) -> tuple[float, int]:
    last = trace.observations[-1]
    return (distance(last.mesh, observation.mesh) if last else np.inf, trace.first)


def _is_at(observation: Observation | None, roi: Roi) -> bool:
    if observation is None:
        return False
    low, high = observation.mesh[:468, :2].min(axis=0), observation.mesh[:468, :2].max(axis=0)
    centre, size = (low + high) / 2, float((high - low).max())
    near = float(np.abs(centre - roi.centre).max()) < 0.5 * max(size, roi.side / MARGIN)
    return near and 0.4 < size * MARGIN / roi.side < 2.5


def _position(trace: Trace) -> tuple[float, float]:
    first = trace.observations[0]
    return (float(first.mesh[:, 0].mean()), float(first.mesh[:, 1].mean())) if first else (0.0, 0.0)
