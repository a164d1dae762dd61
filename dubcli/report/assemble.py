"""From what the stages left to the report and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.report import Curves, Face, Report, Shot, State, Totals
from dubcli.artifacts.shots import Shot as ShotRow
from dubcli.media.patches import Patches
from dubcli.report import judge, look
from dubcli.report.gather import Subject, Work

if TYPE_CHECKING:
    from dubcli.engines.trackers.mediapipe import Finder

_FACES_MEASURED = 20  # that many faces' worth of frames are measured in a film, spread over all of its faces
_POSTERS = 400  # shots of a film that get a picture
_PICTURED = 3  # pairs of pictures of a face at most
_PICTURED_IN_ALL = 600  # pairs of pictures in a report, about 10 MB
_NOT_THE_SAME_SECONDS = 0.5  # by which lengths of film and dub may differ and nobody minds
_APART = 6  # frames between them at least


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
        work: what the stages left.
        measure: frames of each face to measure again; 0 for none.
        views: looks averaged for each mesh.
        done: called with the number of shots done and their total.
    """
    pictures = Pictures()
    before = look.Version(work.inputs["film"], work.media.film, work.pts)
    after = look.Version.of(work.result, before)
    to_change = sum(1 for role in work.inputs if role.startswith("patch/"))
    every = max(1, -(-to_change // _FACES_MEASURED))
    most_pictured = min(_PICTURED, _PICTURED_IN_ALL // max(1, to_change))
    changed_frames: set[int] = set()
    shots = []
    with ExitStack() as stack:
        finder = stack.enter_context(_finder(views)) if measure and to_change else None
        count = 0
        for index, row in enumerate(work.shots):
            faces = []
            for subject in work.subjects(row.name):
                measured = finder if len(subject.patched) and count % every == 0 else None
                count += bool(len(subject.patched))
                faces.append(_face(work, subject, before, after, measured, measure, most_pictured, pictures))
                changed_frames.update(subject.patched.tolist())
            if index % max(1, len(work.shots) // _POSTERS) == 0:
                middle = (row.start + row.stop) // 2
                pictures.posters[row.name] = look.poster(after, middle)
            shots.append(_shot(work, row, faces))
            done(index + 1, len(work.shots))
    return _report(work, shots, len(changed_frames)), pictures


def _finder(views: int) -> Finder:
    from dubcli.engines.trackers.mediapipe import VIEWS, Finder

    return Finder(views=VIEWS[:views])


def _face(
    work: Work,
    subject: Subject,
    before: look.Version,
    after: look.Version,
    finder: Finder | None,
    measure: int,
    most_pictured: int,
    pictures: Pictures,
) -> Face:
    dubbed, wide = np.full((2, len(subject.track.frames)), np.nan, np.float32)
    measures = None
    if len(subject.patched) and subject.lips is not None:
        window = _window(subject, measure or len(subject.patched))
        pictured = _telling(subject, window)[:most_pictured]
        if finder is not None:
            seen = look.face(before, after, subject.track, window, Patches(subject.lips), finder, pictured)
            looked = slice(window[0] - subject.start, window[1] - subject.start)
            dubbed[looked], wide[looked] = seen.opening, seen.width
            measures = judge.measures(work, subject, dubbed, window).model_copy(
                update={**seen.measures, "changed_outside": seen.changed_outside}
            )
            pictures.faces[subject.name] = seen.pictures
        else:
            pictures.faces[subject.name] = [
                picture
                for at in sorted(pictured)
                for picture in look.face(
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
        frames_changed=len(subject.patched),
        confidence=confidence,
        cues=subject.cues,
        skipped=subject.skipped,
        curves=Curves(
            start=subject.start,
            source=_plain(subject.source),
            wanted=_plain(subject.wanted),
            dubbed=_plain(dubbed),
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


def _telling(subject: Subject, window: tuple[int, int]) -> list[int]:
    """Frames worth a picture, the most telling first.

    Widest open; most unlike the source; closed where the source is open.
    """
    frames = np.arange(*window)
    frames = frames[np.isin(frames, subject.patched)]
    at = frames - subject.start
    wanted = np.nan_to_num(subject.wanted[at])
    source = np.nan_to_num(subject.source[at])
    chosen: list[int] = []
    for score in (wanted, np.abs(wanted - source), source - 2 * wanted):
        for k in np.argsort(-score, kind="stable"):
            if all(abs(int(frames[k]) - other) >= _APART for other in chosen):
                chosen.append(int(frames[k]))
                break
    return chosen


def _plain(curve: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(None if not np.isfinite(value) else round(float(value), 4) for value in curve)


def _shot(work: Work, row: ShotRow, faces: list[Face]) -> Shot:
    changed = [face for face in faces if face.state == "changed"]
    failed = [face for face in faces if face.state == "failed"]
    spoken = {cue.kind for face in changed for cue in face.cues}
    if failed:
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
        state="failed" if failed else "changed" if changed else "untouched",
        what=what,
        faces=tuple(faces),
    )


def _people(faces: list[Face]) -> str:
    return ", ".join(name for name, _ in groupby(sorted(face.person for face in faces)))


def _report(work: Work, shots: list[Shot], changed_frames: int) -> Report:
    faces = [face for shot in shots for face in shot.faces]
    skipped: dict[str, int] = {}
    for face in faces:
        for skip in face.skipped:
            skipped[skip.reason] = skipped.get(skip.reason, 0) + skip.stop - skip.start
    offscreen = work.offscreen()
    failed = sum(face.state == "failed" for face in faces)
    warnings = [f"not kept: {line}" for line in work.remux.left_out]
    if failed:
        warnings.insert(0, f"{failed} faces failed; the source's picture is kept there")
    film, dub = work.film(), work.dub()
    if abs(dub.seconds - film.seconds) >= _NOT_THE_SAME_SECONDS:
        longer = "longer" if dub.seconds > film.seconds else "shorter"
        warnings.append(f"the dub is {abs(dub.seconds - film.seconds):.1f} s {longer} than the film")
    if not faces:
        warnings.append("there is no face in the film; its picture is unchanged")
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
            frames_changed=changed_frames,
            frames_encoded=work.remux.encoded,
            offscreen_seconds=round(sum(span.stop - span.start for span in offscreen), 2),
            skipped=dict(sorted(skipped.items())),
        ),
        speech=work.speech(),
        offscreen=offscreen,
        warnings=tuple(warnings),
        engines=work.engines(),
        shots=tuple(shots),
    )
