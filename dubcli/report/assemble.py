"""Builds the report and its pictures from the artifacts of all stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.report import Curves, Face, Report, Shot, State, Totals
from dubcli.artifacts.shots import Shot as ShotRow
from dubcli.media import spans
from dubcli.media.patches import Patches
from dubcli.report import compare, judge
from dubcli.report.gather import Subject, Work

if TYPE_CHECKING:
    from dubcli.engines.trackers.mediapipe import Finder

_FACES_MEASURED = (
    12  # the frames of so many faces are measured in a film, spread over all its faces; set by hand
)
_PICTURED = 3  # pairs of pictures of a face at most; set by hand
_MOST_PAIRS, _FEWEST_PAIRS = 400, 30  # pairs of pictures in a report; the most are about 8 MB
_MOST_POSTERS, _FEWEST_POSTERS = 300, 20  # shots that get a picture; set by hand
_DECODED_MEGAPIXELS = 6_000  # for all pictures of a film: about 20 s of one core
_VISIT_MEGAPIXELS = 2.0  # that opening a film anew takes the time of,
_FRAMES_INDEXED = 15_000  # and so many frames, whose index is read each time, that of one more
_PAIRS_SHARE, _POSTERS_SHARE = 0.4, 0.2  # of what is decoded; a pair is two visits
_PEOPLE_NAMED = 8  # in warnings
_LENGTH_TOLERANCE_SECONDS = 0.5  # by which lengths of film and dub may differ without a warning; set by hand
_MIN_SPACING_FRAMES = 6  # frames between pictures of a face at least; set by hand


@dataclass
class Pictures:
    """JPEGs for the page: of shots by name, and of faces by name as (frame, source, finished film)."""

    posters: dict[str, bytes] = field(default_factory=dict)
    faces: dict[str, list[tuple[int, bytes, bytes]]] = field(default_factory=dict)


def assemble(
    work: Work, measure: int, views: int, done: Callable[[int, int], None]
) -> tuple[Report, Pictures]:
    """The report and its pictures.

    Args:
        work: the artifacts of all stages.
        measure: frames of each face to measure again; 0 for none.
        views: crops averaged for each mesh.
        done: called with the number of shots done and their total.
    """
    pictures = Pictures()
    before = compare.Version(work.inputs["film"], work.media.film, work.pts)
    after = compare.Version.of(work.result, before)
    to_change = work.changed()
    every = max(1, -(-to_change // _FACES_MEASURED))
    pairs, posters = _budgets(work, to_change)
    changed = np.zeros(len(work.pts), bool)
    shots = []
    with ExitStack() as stack:
        finder = stack.enter_context(_finder(views)) if measure and to_change else None
        count = 0
        for index, row in enumerate(work.shots):
            faces = []
            for subject in work.subjects(row.name):
                measured, pictured = None, 0
                if len(subject.patched):
                    measured = finder if count % every == 0 else None
                    pictured = _even_share(count, pairs, to_change)
                    count += 1
                faces.append(_face(work, subject, before, after, measured, measure, pictured, pictures))
                changed[subject.patched] = True
            if _even_share(index, posters, len(work.shots)):
                middle = (row.start + row.stop) // 2
                pictures.posters[row.name] = compare.poster(after, middle)
            shots.append(_shot(work, row, faces, changed))
            done(index + 1, len(work.shots))
    return _report(work, shots, changed), pictures


def _budgets(work: Work, faces: int) -> tuple[int, int]:
    """Pairs of pictures and posters of a film: as many as it is long enough for and quickly decoded."""
    video = work.media.film
    visit = work.visit_frames() * video.width * video.height / 1e6 + _VISIT_MEGAPIXELS
    visit += len(work.pts) / _FRAMES_INDEXED
    visits = _DECODED_MEGAPIXELS / visit
    pairs = int(np.clip(_PAIRS_SHARE * visits, _FEWEST_PAIRS, _MOST_PAIRS))
    posters = int(np.clip(_POSTERS_SHARE * visits, _FEWEST_POSTERS, _MOST_POSTERS))
    return min(pairs, _PICTURED * faces), min(posters, len(work.shots))


def _even_share(index: int, total: int, count: int) -> int:
    """The number of `count` things that item `index` of `total` gets when they are shared evenly."""
    return (index + 1) * total // count - index * total // count


def _finder(views: int) -> Finder:
    from dubcli.engines.trackers.mediapipe import VIEWS, Finder

    return Finder(views=VIEWS[:views])


def _face(
    work: Work,
    subject: Subject,
    before: compare.Version,
    after: compare.Version,
    finder: Finder | None,
    measure: int,
    pairs: int,
    pictures: Pictures,
) -> Face:
    dubbed, wide = np.full((2, len(subject.track.frames)), np.nan, np.float32)
    measures = None
    if len(subject.patched) and subject.lips is not None:
        window = _window(subject, measure or len(subject.patched))
        pictured = _pictured_frames(subject, window)[:pairs]
        if finder is not None:
            found = compare.face(
                before, after, subject.track, window, Patches(subject.lips), finder, pictured
            )
            looked = slice(window[0] - subject.start, window[1] - subject.start)
            dubbed[looked], wide[looked] = found.aperture, found.width
            measures = judge.measures(work, subject, dubbed, window).model_copy(
                update={**found.measures, "changed_outside": found.changed_outside}
            )
            pictures.faces[subject.name] = found.pictures
        else:
            pictures.faces[subject.name] = [
                picture
                for at in sorted(pictured)
                for picture in compare.face(
                    before, after, subject.track, (at, at + 1), Patches(subject.lips), None, [at]
                ).pictures
            ]
    state: State = "failed" if subject.failed else "changed" if len(subject.patched) else "untouched"
    confidence = round(float(subject.confidence.mean()), 3) if len(subject.confidence) else None
    return Face(
        name=subject.name,
        person=subject.person,
        start=subject.start,
        stop=subject.stop,
        state=state,
        changed=tuple(spans.runs(subject.patched.tolist())),
        frames_changed=len(subject.patched),
        confidence=confidence,
        cues=subject.cues,
        skipped=subject.skipped,
        curves=Curves(
            start=subject.start,
            source=_rounded(subject.source),
            target=_rounded(subject.target),
            dubbed=_rounded(dubbed),
        )
        if subject.cues
        else None,
        measures=measures,
        violations=tuple(sorted(judge.violations(work, subject, dubbed, wide), key=lambda one: one.frame)),
        warnings=tuple(judge.warnings(measures, confidence)),
    )


def _window(subject: Subject, most: int) -> tuple[int, int]:
    """The `most` frames, or fewer, between the first and last change in which the face speaks most."""
    first, last = int(subject.patched[0]), int(subject.patched[-1]) + 1
    if last - first <= most:
        return first, last
    speaks = subject.during("speak")[first - subject.start : last - subject.start]
    spoken = np.r_[0, np.cumsum(speaks)]
    start = first + int(np.argmax(spoken[most:] - spoken[:-most]))
    return start, start + most


def _pictured_frames(subject: Subject, window: tuple[int, int]) -> list[int]:
    """Frames to show as pictures, the most informative first.

    Widest open; most unlike the source; closed where the source is open.
    """
    frames = np.arange(*window)
    frames = frames[np.isin(frames, subject.patched)]
    at = frames - subject.start
    target = np.nan_to_num(subject.target[at])
    source = np.nan_to_num(subject.source[at])
    chosen: list[int] = []
    for score in (target, np.abs(target - source), source - 2 * target):
        for k in np.argsort(-score, kind="stable"):
            if all(abs(int(frames[k]) - other) >= _MIN_SPACING_FRAMES for other in chosen):
                chosen.append(int(frames[k]))
                break
    return chosen


def _rounded(curve: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(None if not np.isfinite(value) else round(float(value), 4) for value in curve)


def _shot(work: Work, row: ShotRow, faces: list[Face], frames: NDArray[np.bool_]) -> Shot:
    changed = [face for face in faces if face.state == "changed"]
    failed = [face for face in faces if face.state == "failed"]
    spoken = {cue.kind for face in changed for cue in face.cues}
    lost = f"track/{row.name}" in work.failed
    if lost:
        what = "failed: no face could be looked for; the source's picture is kept"
    elif failed:
        what = f"failed for {_people(failed)}; the source's picture is kept there"
    elif changed:
        verb = " and ".join(
            text
            for kind, text in (("speak", "dubbed"), ("still", "kept still while the dub is silent"))
            if kind in spoken
        )
        what = f"{_people(changed)}: {verb or 'changed'}"
    elif faces:
        what = "left as it is: nobody in it is changed"
    else:
        what = "left as it is: no face"
    return Shot(
        name=row.name,
        start=row.start,
        stop=row.stop,
        seconds=round(float(work.seconds[row.start]), 3),
        state="failed" if failed or lost else "changed" if changed else "untouched",
        changed=tuple(
            (row.start + a, row.start + b) for a, b in spans.runs_of_true(frames[row.start : row.stop])
        ),
        what=what,
        faces=tuple(faces),
    )


def _people(faces: list[Face]) -> str:
    return ", ".join(name for name, _ in groupby(sorted(face.person for face in faces)))


def _report(work: Work, shots: list[Shot], changed: NDArray[np.bool_]) -> Report:
    faces = [face for shot in shots for face in shot.faces]
    skipped = _by_reason(faces)
    offscreen = work.offscreen()
    failed = sum(face.state == "failed" for face in faces)
    warnings = [f"not kept: {line}" for line in work.remux.left_out]
    if failed:
        warnings.insert(0, f"{failed} faces failed; the source's picture is kept there")
    film, dub = work.film(), work.dub()
    if abs(dub.seconds - film.seconds) >= _LENGTH_TOLERANCE_SECONDS:
        longer = "longer" if dub.seconds > film.seconds else "shorter"
        warnings.append(f"the dub is {abs(dub.seconds - film.seconds):.1f} s {longer} than the film")
    if not faces:
        warnings.append("there is no face in the film; its picture is unchanged")
    warnings = [*unmoved(faces), *warnings]
    return Report(
        film=film,
        dub=dub,
        totals=Totals(
            shots=len(shots),
            shots_changed=sum(shot.state == "changed" for shot in shots),
            faces=len(faces),
            faces_changed=sum(face.state == "changed" for face in faces),
            faces_failed=failed,
            frames=len(work.pts),
            frames_changed=int(changed.sum()),
            frames_encoded=work.remux.encoded,
            offscreen_seconds=round(sum(span.stop - span.start for span in offscreen), 2),
            skipped=dict(sorted(skipped.items())),
        ),
        changed=tuple(spans.runs_of_true(changed)),
        speech=work.speech(),
        offscreen=offscreen,
        warnings=tuple(warnings),
        engines=work.engines(),
        shots=tuple(shots),
    )


def unmoved(faces: Sequence[Face]) -> list[str]:
    """Who was to speak and does not in any frame, and why; one line where that is so of the whole film."""
    if faces and not any(face.changed for face in faces):
        return [f"no mouth was changed, 0 of {len(faces)} faces: {_commonest_reason(faces)}"]
    people: dict[str, list[Face]] = {}
    for face in faces:
        if face.cues:
            people.setdefault(face.person, []).append(face)
    lines = [
        f"{person} was to speak, but 0 of {len(own)} faces were changed: {_commonest_reason(own)}"
        for person, own in people.items()
        if not any(face.changed for face in own)
    ]
    more = len(lines) - _PEOPLE_NAMED
    return [*lines[:_PEOPLE_NAMED], *([f"so it is of {more} more people"] if more > 0 else [])]


def _commonest_reason(faces: Iterable[Face]) -> str:
    """The reason that most frames of faces with a line have, or of all faces where none has one."""
    faces = list(faces)
    reasons = _by_reason([face for face in faces if face.cues] or faces)
    reason = max(reasons, key=lambda one: (reasons[one], one))
    return f"{reason} ({reasons[reason]} frames)"


def _by_reason(faces: Iterable[Face]) -> dict[str, int]:
    """Frames that were not changed, by reason."""
    frames: dict[str, int] = {}
    for skip in (skip for face in faces for skip in face.skipped):
        frames[skip.reason] = frames.get(skip.reason, 0) + skip.stop - skip.start
    return frames
