"""Builds the report and its pictures from the artifacts of all stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from dubcli.report import people, pictures, stills, warned
from dubcli.report.gather import Subject, Work
from dubcli.settings.config import QualitySettings

_KEPT = "it keeps the take that was approved, whatever dub and settings are now: dubcli review reopen"


def assemble(
    work: Work, limits: QualitySettings, done: Callable[[int, int], None]
) -> tuple[Report, pictures.Pictures]:
    """The report and its pictures.

    Args:
        work: the artifacts of all stages.
        limits: of the verdicts.
        done: called with the number of shots done and their total.
    """
    before = stills.Version(work.inputs["film"], work.media.film, work.pts, work.keys, work.digests)
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
                wanted.append(pictures.Wanted(subject, _urgency(judged), _place(subject, judged)))
        shots.append(_shot(work, row, faces, changed))
        done(index + 1, 2 * len(work.shots))
    shown = pictures.of_faces(work, before, after, wanted)
    encoded = {name: one.encoded for name, one in shown.items() if one.encoded is not None}
    shots = [_with_encoded(shot, encoded) for shot in shots]
    posters = pictures.of_shots(work, after, shots, shown)
    made = pictures.Pictures(posters, shown, cast.portraits())
    done(1, 1)
    return _report(work, limits, shots, cast.people(), changed), made


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
    skipped = warned.by_reason(faces)
    offscreen = work.offscreen()
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
            faces_failed=sum(face.state == "failed" for face in faces),
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
        warnings=tuple(warned.warnings(work, shots)),
        people=cast,
        engines=work.engines(),
        shots=tuple(shots),
    )
