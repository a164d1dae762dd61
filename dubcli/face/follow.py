"""Following faces through a shot, whatever finds them: forwards, backwards, over short gaps, never twice.

A finder answers two questions: where are faces in this picture, and where is the mesh of the face near here.
Faces are looked for now and then (`LOOK_EVERY`, `SEARCH_EVERY`); between those frames each face is followed
by its own mesh, from one frame to the next. A face that is found late is followed backwards through the last
few pictures, which are kept for that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions
from dubcli.face import steady
from dubcli.face.roi import ROOM, Roi, distance, eye_distance, roi_of

LOOK_EVERY = 12  # frames between detections on the whole picture
SEARCH_EVERY = 24  # frames between detections on tiles too
PAST_BYTES = 256 << 20  # memory for the pictures that a new face is followed back through
THUMB_EVERY = 12  # frames between kept pictures of a face
BRIDGE = 12  # longest gap, in frames, that is filled: half a second of film
PRESENT = 0.5  # face score under which a mesh is not believed
ALIKE = 0.6  # correlation of skin colours; of successive frames 0.8 and more, of two people 0.7 and less
SAME = 0.4  # mean distance in outer-eye distances under which two meshes are one face

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Sight:
    """One face in one picture.

    Attributes:
        mesh: (478, 3) float32 raster pixels.
        score: 0–1, how surely this is a face.
        spread: how far the views disagree on the lips, in outer-eye distances.
        colour: (468, 3) uint8 skin colours at the mesh points.
        sharp: energy of fine detail around the mouth over its contrast.
        thumb: (96, 96, 3) uint8 upright picture of the face, kept now and then only.
    """

    mesh: NDArray[np.float32]
    score: float
    spread: float
    colour: NDArray[np.uint8]
    sharp: float
    thumb: Image | None = None


class Finder(Protocol):
    """What knows faces."""

    def detect(self, rgb: Image, tiles: bool) -> list[Roi]:
        """Faces in a picture, on the whole of it and, where `tiles`, on overlapping tiles; no face twice."""

    def sight(self, rgb: Image, roi: Roi) -> Sight | None:
        """The face near there, or None."""

    def thumb(self, rgb: Image, mesh: NDArray[np.float32]) -> Image:
        """Upright picture (96, 96, 3) of a face."""


@dataclass
class Trace:
    """A face over consecutive frames, while it is being followed.

    Attributes:
        first: number of its first frame.
        sights: one per frame; None in a bridged gap.
        slips: (4,) per frame, what `steady.slip` says of it and the frame before; zeros where there is none.
        confirmed: numbers of the frames in which the detector saw it as well.
    """

    first: int
    sights: deque[Sight | None] = field(default_factory=deque)
    slips: deque[steady.Slip] = field(default_factory=deque)
    confirmed: set[int] = field(default_factory=set)

    @property
    def stop(self) -> int:
        """Number of the frame after its last."""
        return self.first + len(self.sights)

    def at(self, index: int) -> Sight | None:
        """The sight in that frame, if there is one."""
        return self.sights[index - self.first] if self.first <= index < self.stop else None


def alike(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Correlation of two sets of skin colours (468, 3) over the upper face: near 1 from frame to frame.

    The lower face does not tell: hands and microphones come and go there.
    """
    upper = _upper()
    a = one[upper] - one[upper].mean(axis=0)
    b = two[upper] - two[upper].mean(axis=0)
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))


def continues(last: Sight, sight: Sight) -> bool:
    """Whether `sight`, one frame after `last`, is the same face: it looks alike, or hardly moved."""
    step = distance(last.mesh, sight.mesh)
    return alike(last.colour, sight.colour) >= ALIKE * min(1.0, 0.5 + 2.5 * step)


@lru_cache(maxsize=1)
def _upper() -> NDArray[np.bool_]:
    return np.asarray(regions.head()[:468, 1] < 0.3)


class Follower:
    """Follows all faces of one shot; feed it the pictures in order, then take `traces()`."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._past: deque[tuple[int, Image]] = deque()
        self._active: list[Trace] = []
        self._ended: list[Trace] = []
        self._count = 0

    def feed(self, index: int, rgb: Image) -> None:
        """The next picture of the shot."""
        lost = self._step(index, rgb)
        if lost or self._count % LOOK_EVERY == 0:
            self._search(index, rgb, tiles=self._count % SEARCH_EVERY == 0)
        self._past.append((index, rgb))
        while len(self._past) > max(2, min(SEARCH_EVERY, PAST_BYTES // rgb.nbytes)):
            self._past.popleft()
        self._count += 1

    def traces(self) -> list[Trace]:
        """All faces, gaps bridged, those seen longest first."""
        done = bridged(self._ended + self._active)
        return sorted(done, key=lambda trace: (-len(trace.sights), trace.first, _place(trace)))

    def _step(self, index: int, rgb: Image) -> bool:
        """Follow every active face into this picture; whether one was lost."""
        seen: list[tuple[Trace, Sight]] = []
        for trace in self._active:
            sight = self._next(rgb, trace.sights[-1], trace.sights[-2] if len(trace.sights) > 1 else None)
            if sight is not None:
                seen.append((trace, sight))
        kept = _without_twins(seen)
        for trace, sight in kept:
            trace.slips.append(_slip(self._past[-1][1], rgb, trace.sights[-1], sight))
            pictured = index % THUMB_EVERY == 0
            trace.sights.append(self._pictured(rgb, sight) if pictured else sight)
        alive = [trace for trace, _ in kept]
        lost = [trace for trace in self._active if not any(trace is other for other in alive)]
        self._ended += lost
        self._active = alive
        return bool(lost)

    def _next(self, rgb: Image, last: Sight | None, before: Sight | None) -> Sight | None:
        assert last is not None
        sight = self._finder.sight(rgb, roi_of(last.mesh, before.mesh if before else None))
        return sight if sight is not None and continues(last, sight) else None

    def _search(self, index: int, rgb: Image, tiles: bool) -> None:
        """Roi for faces afresh; follow new ones backwards to where they came in."""
        for roi in self._finder.detect(rgb, tiles):
            known = [trace for trace in self._active if _covers(trace.sights[-1], roi)]
            if known:
                for trace in known:
                    trace.confirmed.add(index)
                continue
            sight = self._finder.sight(rgb, roi)
            if sight is None:
                continue
            sight = self._finder.sight(rgb, roi_of(sight.mesh))
            if sight is None or self._twin(index, sight):
                continue
            trace = Trace(index, deque([self._pictured(rgb, sight)]), deque([steady.NONE]), {index})
            self._back(trace, rgb)
            self._active.append(trace)

    def _back(self, trace: Trace, later: Image) -> None:
        for index, rgb in reversed(self._past):
            first, second = trace.sights[0], trace.sights[1] if len(trace.sights) > 1 else None
            sight = self._next(rgb, first, second)
            if sight is None or self._twin(index, sight):
                return
            trace.slips[0] = _slip(rgb, later, sight, first)
            trace.slips.appendleft(steady.NONE)
            trace.sights.appendleft(sight)
            trace.first = index
            later = rgb

    def _pictured(self, rgb: Image, sight: Sight) -> Sight:
        return replace(sight, thumb=self._finder.thumb(rgb, sight.mesh))

    def _twin(self, index: int, sight: Sight) -> bool:
        others = (trace.at(index) for trace in (*self._active, *self._ended))
        return any(other is not None and distance(other.mesh, sight.mesh) < SAME for other in others)


def bridged(traces: list[Trace]) -> list[Trace]:
    """Traces joined over gaps of up to `BRIDGE` frames where place, size and skin agree."""
    waiting = sorted(traces, key=lambda trace: (trace.first, _place(trace)))
    done: list[Trace] = []
    for trace in waiting:
        fits = [(_misfit(old, trace), k) for k, old in enumerate(done)]
        best = min(fits, default=(np.inf, -1))
        if best[0] < 1.0:
            old = done[best[1]]
            gap = trace.first - old.stop
            old.sights.extend([None] * gap)
            old.slips.extend([steady.NONE] * gap)
            old.sights.extend(trace.sights)
            old.slips.extend(trace.slips)
            old.confirmed |= trace.confirmed
        else:
            done.append(trace)
    return done


def _misfit(old: Trace, new: Trace) -> float:
    """How badly `new` continues `old`: under 1 it does."""
    gap = new.first - old.stop
    last, first = old.sights[-1], new.sights[0]
    if not 0 <= gap <= BRIDGE or last is None or first is None:
        return np.inf
    if alike(last.colour, first.colour) < ALIKE:
        return np.inf
    size = eye_distance(first.mesh) / max(eye_distance(last.mesh), 1e-6)
    return distance(last.mesh, first.mesh) / (SAME + 0.1 * gap) + abs(float(np.log(size))) / 0.5


def _without_twins(seen: list[tuple[Trace, Sight]]) -> list[tuple[Trace, Sight]]:
    """Where two traces ran onto one face, the one that moved less to get there keeps it."""
    kept: list[tuple[Trace, Sight]] = []
    for trace, sight in sorted(seen, key=lambda pair: _step_size(*pair)):
        if all(distance(sight.mesh, other.mesh) >= SAME for _, other in kept):
            kept.append((trace, sight))
    return kept


def _slip(before: Image, now: Image, last: Sight | None, sight: Sight | None) -> steady.Slip:
    return steady.slip(before, now, last.mesh, sight.mesh) if last and sight else steady.NONE


def _step_size(trace: Trace, sight: Sight) -> tuple[float, int]:
    last = trace.sights[-1]
    return (distance(last.mesh, sight.mesh) if last else np.inf, trace.first)


def _covers(sight: Sight | None, roi: Roi) -> bool:
    if sight is None:
        return False
    low, high = sight.mesh[:468, :2].min(axis=0), sight.mesh[:468, :2].max(axis=0)
    centre, size = (low + high) / 2, float((high - low).max())
    near = float(np.abs(centre - roi.centre).max()) < 0.5 * max(size, roi.side / ROOM)
    return near and 0.4 < size * ROOM / roi.side < 2.5


def _place(trace: Trace) -> tuple[float, float]:
    first = trace.sights[0]
    return (float(first.mesh[:, 0].mean()), float(first.mesh[:, 1].mean())) if first else (0.0, 0.0)
