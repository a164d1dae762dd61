"""What a report warns of: who does not move, what failed, which shots to look at first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dubcli.artifacts.report import Face, Shot
from dubcli.report.gather import Work

_PEOPLE_NAMED = 8  # in warnings
_SHOTS_NAMED = 12  # in warnings
_OFFSCREEN_SHARE = 0.6  # of the dub's speech, from which a warning says so; set by hand


def warnings(work: Work, shots: Sequence[Shot]) -> Iterable[str]:
    """Messages about what to check, of the film and of its shots, the gravest first."""
    faces = [face for shot in shots for face in shot.faces]
    yield from unmoved(faces)
    if failed := sum(face.state == "failed" for face in faces):
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
    reasons = by_reason([face for face in faces if face.cues] or faces)
    reason = max(reasons, key=lambda one: (reasons[one], one))
    return f"{reason} ({reasons[reason]} frames)"


def by_reason(faces: Iterable[Face]) -> dict[str, int]:
    """Frames that were not changed, by reason."""
    frames: dict[str, int] = {}
    for skip in (skip for face in faces for skip in face.skipped):
        frames[skip.reason] = frames.get(skip.reason, 0) + skip.stop - skip.start
    return frames
