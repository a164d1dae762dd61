"""Which faces and shots of a report get pictures, and of which moments: they take time, and space."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from dubcli.artifacts.report import Shot
from dubcli.quality import verdict
from dubcli.report import stills
from dubcli.report.gather import Subject, Work

_STILLS = 3  # pairs of pictures of a face at most; set by hand
_LOOP_FRAMES = 24  # about a second; set by hand
_MOST_VISITED, _FEWEST_VISITED = 160, 24  # faces with pictures; the most take about 20 MB
_MOST_LOOPS = 100  # faces with a loop
_MOST_POSTERS, _FEWEST_POSTERS = 300, 20  # shots that get a picture; set by hand
_DECODED_MEGAPIXELS = 6_000  # for all pictures of a film: about 20 s of one core
_VISIT_MEGAPIXELS = 12.0  # that seeking, converting and encoding take the time of in one place; measured
_VISITS_SHARE, _POSTERS_SHARE = 0.8, 0.2  # of what is decoded
_MIN_SPACING_FRAMES = 6  # frames between pictures of a face at least; set by hand

_Row = TypeVar("_Row")


@dataclass
class Pictures:
    """JPEGs for the page.

    Attributes:
        posters: of shots, by name.
        faces: of faces, by name.
        people: of people, by id.
    """

    posters: dict[str, bytes] = field(default_factory=dict)
    faces: dict[str, stills.Shown] = field(default_factory=dict)
    people: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """A face that was changed, and so may get pictures.

    Attributes:
        subject: the face.
        urgency: a sorting key, the worst first.
        worst: the frame of its worst moment, None where none is known.
    """

    subject: Subject
    urgency: tuple[int, float]
    worst: int | None

    @property
    def order(self) -> tuple[tuple[int, float], str]:
        """A sorting key that no other face has."""
        return self.urgency, self.subject.name


def of_faces(
    work: Work, before: stills.Version, after: stills.Version, wanted: Sequence[Wanted]
) -> dict[str, stills.Shown]:
    """Pictures of as many faces as there is time for: all that are not good, the rest evenly spread."""
    most = _affordable(
        work, _VISITS_SHARE, 2 * (_LOOP_FRAMES + work.visit_frames()), _FEWEST_VISITED, _MOST_VISITED
    )
    good = verdict.WORST_FIRST.index("good")
    bad = sorted((one for one in wanted if one.urgency[0] < good), key=lambda one: one.order)
    bad = bad[: max(1, most * 3 // 4)] if len(bad) < len(wanted) else bad[:most]
    taken = {one.subject.name for one in bad}
    rest = [one for one in wanted if one.subject.name not in taken]
    chosen = bad + _spread(rest, min(most - len(bad), len(rest)))
    return {
        one.subject.name: stills.visit(
            before, after, one.subject.track, _visit(one.subject, one.worst, loop=number < _MOST_LOOPS)
        )
        for number, one in enumerate(sorted(chosen, key=lambda one: one.order))
    }


def of_shots(
    work: Work, after: stills.Version, shots: Sequence[Shot], faces: Collection[str]
) -> dict[str, bytes]:
    """A picture each of shots, by name, first of those with `faces` that have pictures."""
    most = _affordable(work, _POSTERS_SHARE, work.visit_frames(), _FEWEST_POSTERS, _MOST_POSTERS)
    shown = [shot for shot in shots if any(face.name in faces for face in shot.faces)]
    named = {shot.name for shot in shown}
    rest = [shot for shot in shots if shot.name not in named]
    spread = _spread(rest, max(0, min(most - len(shown), len(rest))))
    return {
        shot.name: stills.poster(after, (shot.start + shot.stop) // 2) for shot in [*shown[:most], *spread]
    }


def _spread(rows: Sequence[_Row], count: int) -> list[_Row]:
    """So many of some rows, evenly spread."""
    return [row for k, row in enumerate(rows) if (k + 1) * count // len(rows) > k * count // len(rows)]


def _affordable(work: Work, share: float, frames: float, fewest: int, most: int) -> int:
    """How many visits that decode so many frames each fit into the time for pictures."""
    video = work.media.film
    visit = frames * video.width * video.height / 1e6 + _VISIT_MEGAPIXELS
    return int(np.clip(share * _DECODED_MEGAPIXELS / visit, fewest, most))


def _visit(subject: Subject, worst: int | None, *, loop: bool) -> stills.Visit:
    """What to show of a face: the worst moment, the widest mouth, the one most unlike the source."""
    frames = subject.patched
    at = frames - subject.start
    target, source = np.nan_to_num(subject.target[at]), np.nan_to_num(subject.source[at])
    chosen = [int(worst)] if worst is not None and worst in frames else []
    for score in (target, np.abs(target - source), source - 2 * target):
        for k in np.argsort(-score, kind="stable"):
            if all(abs(int(frames[k]) - other) >= _MIN_SPACING_FRAMES for other in chosen):
                chosen.append(int(frames[k]))
                break
    chosen = chosen[:_STILLS]
    if not loop:
        return stills.Visit(tuple(sorted(chosen[:2])))
    first, last = int(frames[0]), int(frames[-1]) + 1
    start = max(first, min(chosen[0] - _LOOP_FRAMES // 2, last - _LOOP_FRAMES))
    return stills.Visit(tuple(sorted(chosen)), (start, min(last, start + _LOOP_FRAMES)))
