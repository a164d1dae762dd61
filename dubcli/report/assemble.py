"""Builds the report and its pictures from the artifacts of all stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.report import (
    DATE,
    OUTPUT,
    TIMINGS,
    VERSION,
    WARNED,
    Curves,
    Face,
    Made,
    Person,
    Reason,
    Report,
    Shot,
    State,
    Totals,
    Verdicts,
)
from dubcli.artifacts.shots import Shot as ShotRow
from dubcli.media import spans
from dubcli.quality import verdict
from dubcli.report import people, stills
from dubcli.report.gather import Subject, Work
from dubcli.settings.config import QualitySettings

_KEPT = "it keeps the take that was approved, whatever dub and settings are now: dubcli review reopen"
_STILLS = 3  # pairs of pictures of a face at most; set by hand
_LOOP_FRAMES = 24  # about a second; set by hand
_MOST_VISITED, _FEWEST_VISITED = 160, 24  # faces with pictures; the most take about 20 MB
_MOST_LOOPS = 100  # faces with a loop
_MOST_POSTERS, _FEWEST_POSTERS = 300, 20  # shots that get a picture; set by hand
_DECODED_MEGAPIXELS = 6_000  # for all pictures of a film: about 20 s of one core
_VISIT_MEGAPIXELS = 2.0  # that opening a film anew takes the time of,
_FRAMES_INDEXED = 15_000  # and so many frames, whose index is read each time, that of one more
_VISITS_SHARE, _POSTERS_SHARE = 0.8, 0.2  # of what is decoded
_PEOPLE_NAMED = 8  # in warnings
_SHOTS_NAMED = 12  # in warnings
_OFFSCREEN_SHARE = 0.6  # of the dub's speech, from which a warning says so; set by hand
_MIN_SPACING_FRAMES = 6  # frames between pictures of a face at least; set by hand


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


def assemble(
    work: Work, limits: QualitySettings, done: Callable[[int, int], None]
) -> tuple[Report, Pictures]:
    """The report and its pictures.

    Args:
        work: the artifacts of all stages.
        limits: of the verdicts.
        done: called with the number of shots done and their total.
    """
    pictures = Pictures()
    before = stills.Version(work.inputs["film"], work.media.film, work.pts, work.keys)
    after = stills.Version.of(work.result, before)
    changed = np.zeros(len(work.pts), bool)
    shots, wanted, cast = [], [], people.Tally(work)
    for index, row in enumerate(work.shots):
        faces = []
        for subject in work.subjects(row.name):
            judged = _judgement(subject, limits)
            faces.append(_face(subject, judged, approved=row.name in work.approved))
            cast.add(subject, faces[-1])
            changed[subject.patched] = True
            if len(subject.patched):
                wanted.append((_urgency(judged), subject.name, subject, _place(subject, judged)))
        shots.append(_shot(work, row, faces, changed))
        done(index + 1, 2 * len(work.shots))
    _picture(work, before, after, wanted, pictures)
    encoded = {name: shown.encoded for name, shown in pictures.faces.items() if shown.encoded is not None}
    shots = [_with_encoded(shot, encoded) for shot in shots]
    _posters(work, after, shots, pictures)
    pictures.people = cast.portraits()
    done(1, 1)
    return _report(work, limits, shots, cast.people(), changed), pictures


def verdicts(report: Report) -> Verdicts:
    """The shots of a report by verdict."""
    names = {kind: tuple(s.name for s in report.shots if s.verdict == kind) for kind in verdict.WORST_FIRST}
    return Verdicts(good=names["good"], look=names["look"], redo=names["redo"])


def _judgement(subject: Subject, limits: QualitySettings) -> verdict.Judgement | None:
    if subject.measured is None:
        return None
    confidence = float(subject.confidence.mean()) if len(subject.confidence) else None
    return verdict.judge(subject.measured, confidence, limits)


def _urgency(judged: verdict.Judgement | None) -> tuple[int, float]:
    """A sorting key of faces, the worst first."""
    if judged is None:
        return len(verdict.WORST_FIRST), 0.0
    return verdict.WORST_FIRST.index(judged.verdict), -max((r.excess for r in judged.reasons), default=0.0)


def _place(subject: Subject, judged: verdict.Judgement | None) -> int | None:
    """The worst moment of a face, None where none is known."""
    if subject.measured is None or judged is None:
        return None
    return verdict.place(subject.measured, (reason.measure for reason in judged.reasons))


def _face(subject: Subject, judged: verdict.Judgement | None, *, approved: bool) -> Face:
    state: State = "failed" if subject.failed else "changed" if len(subject.patched) else "untouched"
    rows = judged.reasons if judged else ()
    return Face(
        name=subject.name,
        person=subject.person,
        start=subject.start,
        stop=subject.stop,
        state=state,
        verdict=judged.verdict if judged else None,
        reasons=tuple(
            Reason(measure=r.measure, verdict=r.verdict, text=r.text, advice=_KEPT if approved else r.advice)
            for r in rows
        ),
        changed=tuple(spans.runs(subject.patched.tolist())),
        frames_changed=len(subject.patched),
        confidence=round(float(subject.confidence.mean()), 3) if len(subject.confidence) else None,
        cues=subject.cues,
        skipped=subject.skipped,
        curves=Curves(
            start=subject.start,
            source=_rounded(subject.source),
            target=_rounded(subject.target),
            dubbed=_rounded(subject.aperture),
        )
        if subject.cues
        else None,
        measures=subject.measured,
        engine=subject.engine,
        why=subject.why,
    )


def _with_encoded(shot: Shot, encoded: Mapping[str, float]) -> Shot:
    """A shot whose faces say how encoding changed them, where that is known."""
    if not any(face.name in encoded for face in shot.faces):
        return shot
    faces = (
        face.model_copy(update={"encoded": round(1000 * encoded[face.name], 2)})
        if face.name in encoded
        else face
        for face in shot.faces
    )
    return shot.model_copy(update={"faces": tuple(faces)})


def _picture(
    work: Work,
    before: stills.Version,
    after: stills.Version,
    wanted: list[tuple[tuple[int, float], str, Subject, int | None]],
    pictures: Pictures,
) -> None:
    """Take pictures of as many faces as there is time for: all that are not good, the rest evenly spread."""
    most = _affordable(
        work, _VISITS_SHARE, 2 * (_LOOP_FRAMES + work.visit_frames()), _FEWEST_VISITED, _MOST_VISITED
    )
    bad = sorted(
        (row for row in wanted if row[0][0] < verdict.WORST_FIRST.index("good")), key=lambda row: row[:2]
    )
    bad = bad[: max(1, most * 3 // 4)] if len(bad) < len(wanted) else bad[:most]
    taken = {row[1] for row in bad}
    rest = [row for row in wanted if row[1] not in taken]
    free = min(most - len(bad), len(rest))
    chosen = bad + [row for k, row in enumerate(rest) if (k + 1) * free // len(rest) > k * free // len(rest)]
    for number, (_, name, subject, worst) in enumerate(sorted(chosen, key=lambda row: row[:2])):
        pictures.faces[name] = stills.visit(
            before, after, subject.track, _visit(subject, worst, loop=number < _MOST_LOOPS)
        )


def _posters(work: Work, after: stills.Version, shots: Sequence[Shot], pictures: Pictures) -> None:
    """A picture of shots, first of those with faces that have pictures."""
    most = _affordable(work, _POSTERS_SHARE, work.visit_frames(), _FEWEST_POSTERS, _MOST_POSTERS)
    shown = [shot for shot in shots if any(face.name in pictures.faces for face in shot.faces)]
    named = {shot.name for shot in shown}
    rest = [shot for shot in shots if shot.name not in named]
    free = max(0, min(most - len(shown), len(rest)))
    spread = [s for k, s in enumerate(rest) if (k + 1) * free // len(rest) > k * free // len(rest)]
    for shot in [*shown[:most], *spread]:
        pictures.posters[shot.name] = stills.poster(after, (shot.start + shot.stop) // 2)


def _affordable(work: Work, share: float, frames: float, fewest: int, most: int) -> int:
    """How many visits that decode so many frames each fit into the time for pictures."""
    video = work.media.film
    visit = frames * video.width * video.height / 1e6 + _VISIT_MEGAPIXELS + len(work.pts) / _FRAMES_INDEXED
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
        timecode=work.timecode(row.start),
        verdict=verdict.worst(judged)
        if (judged := [face.verdict for face in faces if face.verdict])
        else None,
        state="failed" if failed or lost else "changed" if changed else "untouched",
        changed=tuple(
            (row.start + a, row.start + b) for a, b in spans.runs_of_true(frames[row.start : row.stop])
        ),
        what=what,
        settings=work.facts["own"].get(row.name, {}),
        approved=row.name in work.approved,
        faces=tuple(faces),
    )


def _people(faces: list[Face]) -> str:
    return ", ".join(name for name, _ in groupby(sorted(face.person for face in faces)))


def _report(
    work: Work,
    limits: QualitySettings,
    shots: list[Shot],
    cast: tuple[Person, ...],
    changed: NDArray[np.bool_],
) -> Report:
    faces = [face for shot in shots for face in shot.faces]
    skipped = _by_reason(faces)
    offscreen = work.offscreen()
    failed = sum(face.state == "failed" for face in faces)
    film, dub = work.film(), work.dub()
    counts = {kind: sum(shot.verdict == kind for shot in shots) for kind in verdict.WORST_FIRST}
    return Report(
        made=Made(
            output=OUTPUT,
            date=DATE,
            version=VERSION,
            timings=TIMINGS,
            warned=WARNED,
            preset=work.facts["preset"],
            settings={k: tuple(v) if isinstance(v, list) else v for k, v in work.facts["settings"].items()},
            limits={name: pair for name, pair in limits.model_dump().items() if isinstance(pair, tuple)},
        ),
        film=film,
        dub=dub,
        totals=Totals(
            shots=len(shots),
            shots_changed=sum(shot.state == "changed" for shot in shots),
            faces=len(faces),
            faces_changed=sum(face.state == "changed" for face in faces),
            faces_failed=failed,
            **counts,
            frames=len(work.pts),
            frames_changed=int(changed.sum()),
            frames_encoded=work.remux.encoded,
            offscreen_seconds=round(sum(span.stop - span.start for span in offscreen), 2),
            skipped=dict(sorted(skipped.items())),
        ),
        changed=tuple(spans.runs_of_true(changed)),
        speech=work.speech(),
        offscreen=offscreen,
        warnings=tuple(_warnings(work, shots, faces, failed)),
        people=cast,
        engines=work.engines(),
        shots=tuple(shots),
    )


def _warnings(work: Work, shots: Sequence[Shot], faces: Sequence[Face], failed: int) -> Iterable[str]:
    """Messages about what to check, of the film and of its shots, the gravest first."""
    yield from unmoved(faces)
    if failed:
        yield f"{failed} faces failed; the source's picture is kept there"
    yield from sorted(
        {f"{face.person}: {face.why}" for face in faces if face.name in work.facts.get("drawn", ())}
    )
    for kind in ("redo", "look"):
        by: dict[str, list[tuple[str, str]]] = {}
        for shot in shots:
            for face in shot.faces:
                if face.verdict == kind:
                    by.setdefault(face.reasons[0].measure, []).append((shot.name, face.reasons[0].text))
        for _, found in sorted(by.items(), key=lambda row: (-len(row[1]), row[0])):
            names = [name for name, _ in found]
            more = len(names) - _SHOTS_NAMED
            listed = ", ".join(names[:_SHOTS_NAMED]) + (f" and {more} more" if more > 0 else "")
            which = f"shot {listed}: " if len(names) == 1 else f"shots {listed}: in the first "
            yield f"{kind}, {which}{found[0][1]}"
    spoken, hidden = work.dub().speech_seconds, sum(span.stop - span.start for span in work.offscreen())
    if spoken and hidden > _OFFSCREEN_SHARE * spoken:
        yield f"{hidden:.0f} of {spoken:.0f} s of the dub is off screen; check who speaks: dubcli cue show"


def unmoved(faces: Sequence[Face]) -> list[str]:
    """Who was to speak and does not in any frame, and why; one line where that is so of the whole film."""
    if not faces:
        return ["there is no face in the film; its picture is unchanged"]
    if not any(face.changed for face in faces):
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
