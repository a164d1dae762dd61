"""Renders `report.html`, one self-contained page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from dubcli.artifacts.measures import OUTSIDE_FRAMES, Measure, Measures
from dubcli.artifacts.report import REVIEW, Face, Report
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError
from dubcli.quality.mouth import MOST_LIKENESSES
from dubcli.quality.verdict import place
from dubcli.report import plot
from dubcli.report.pictures import Pictures
from dubcli.report.stills import Shown


@dataclass(frozen=True)
class _Heading:
    """How a measure is shown.

    Attributes:
        name: of the measure, and of its limit, if that differs not.
        heading: in the table.
        form: how its value is written.
        meaning: what it says.
        seen: what its number of frames is counted in.
        relative: whether its limit is on the ratio to the source.
    """

    name: str
    heading: str
    form: str
    meaning: str
    seen: str = "frames"
    relative: bool = False


_HEADINGS = (
    _Heading("offset_ms", "offset, ms", "{:+.0f}", "by which the mouth comes after its speech", "speech"),
    _Heading(
        "closure_ms",
        "closures late, ms",
        "{:+.0f}",
        "by which lips close after the sounds that need it",
        "sounds",
    ),
    _Heading(
        "correlation",
        "fits the dub",
        "{:.2f}",
        "correlation of the aperture with what speech asks for",
        "speech",
    ),
    _Heading(
        "follows",
        "fits the target",
        "{:.2f}",
        "correlation of the aperture with its target, in the worst half second",
        "speech",
    ),
    _Heading("amplitude", "movement", "{:.2f}", "spread of the aperture over that of its target", "speech"),
    _Heading(
        "articulation",
        "articulation",
        "{:.1f}",
        "spread of the aperture, 1/100 of the eye distance",
        "speech",
    ),
    _Heading(
        "closure_hits", "closures met", "{:.0%}", "share of lip closures at which the lips meet", "closures"
    ),
    _Heading(
        "still_motion",
        "motion at rest, ‰",
        "{:.1f}",
        "movement a frame without speech, of the eye distance",
        "rest",
    ),
    _Heading(
        "tremble", "tremble, ‰", "{:.1f}", "movement above 8 Hz, of the eye distance", "speech", relative=True
    ),
    _Heading(
        "flicker",
        "flicker, ‰",
        "{:.1f}",
        "change within three frames, of full scale",
        "pictures",
        relative=True,
    ),
    _Heading(
        "brightness",
        "flicker of light, ‰",
        "{:.1f}",
        "the same of the brightness of replaced skin",
        "pictures",
    ),
    _Heading(
        "sharpness",
        "sharpness",
        "{:.2f}",
        "detail of the mouth over that of the cheek",
        "spread",
        relative=True,
    ),
    _Heading("grain", "grain", "{:.2f}", "grain around the mouth over that of the cheek", "spread"),
    _Heading("seam", "seam", "{:.2f}", "strength of the mask's edge; from about 1 it may show", "spread"),
    _Heading("colour", "colour", "{:.1f}", "difference on the mask's ring, CIELAB units", "spread"),
    _Heading("identity", "likeness", "{:.2f}", "of the lower face to this person's own footage", "some"),
    _Heading(
        "encoded", "encoding, ‰", "{:.1f}", "difference of the upper face in both films after encoding", ""
    ),
    _Heading("changed_outside", "changed outside", "{}", "samples outside the mask, before encoding", ""),
)
_MORE = {
    "exaggeration": "movement",
    "confidence": "confidence",
    "changed_outside": "changed outside the mask",
}
_MOST_POINTS, _FEWEST_POINTS = (
    480,
    40,
)  # of a curve; set by hand: more would be invisible, fewer lose its form
_PLACED = ("stills", "missed")  # rows of a face that begin with a frame
_POINTS_IN_ALL = 200_000  # of each kind of curve, 10 bytes a point; set by hand


def page(report: Report, pictures: Pictures) -> str:
    """The report as HTML; every text in it is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": plot.clock, "jpeg": _jpeg, "fps": _fps}
    script, reasons = _file("page.js"), {r.measure for s in report.shots for f in s.faces for r in f.reasons}
    changed = [shot for shot in report.shots if shot.state == "changed"]
    return environment.from_string(_file("page.html")).render(
        report=report,
        pictures=pictures,
        style=Markup(_file("page.css").strip()),
        script=Markup(script),
        script_hash=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
        data=Markup(_shots(report, pictures)),
        measures=Markup(
            json.dumps([[row.heading, row.meaning] for row in _HEADINGS]).replace("<", "\\u003c")
        ),
        rate=report.film.rate[0] / report.film.rate[1],
        timeline=plot.timeline(report),
        review=REVIEW,
        headings={row.name: row.heading for row in _HEADINGS} | _MORE,
        found_reasons=sorted(reasons),
        reasons=sorted(report.totals.skipped.items(), key=lambda row: (-row[1], row[0])),
        untouched=sum(plot.kind(shot) == "untouched" for shot in report.shots),
        failed=sum(shot.state == "failed" for shot in report.shots),
        unjudged=sum(shot.verdict is None for shot in changed),
    )


def _shots(report: Report, pictures: Pictures) -> str:
    """All shots as compact JSON, from which the page's script makes what is looked at."""
    curves = sum(face.curves is not None for shot in report.shots for face in shot.faces)
    points = min(_MOST_POINTS, max(_FEWEST_POINTS, _POINTS_IN_ALL // max(1, curves)))
    found = []
    for shot in report.shots:
        row: dict[str, Any] = {
            "name": shot.name,
            "start": shot.start,
            "stop": shot.stop,
            "seconds": shot.seconds,
            "kind": plot.kind(shot),
            "what": shot.what,
            "excess": max((_severity(face) for face in shot.faces), default=0.0),
            "faces": [_face(report, face, pictures.faces.get(face.name), points) for face in shot.faces],
        }
        if shot.timecode is not None:
            row["timecode"] = shot.timecode
            told = {frame for face in row["faces"] for name in _PLACED for frame, *_ in face.get(name, ())}
            row["timecodes"] = _timecodes(report, shot.start, shot.timecode, sorted(told))
        if shot.settings:
            row["settings"] = " ".join(f"{name}={value}" for name, value in shot.settings.items())
        if shot.name in pictures.posters:
            row["poster"] = _base64(pictures.posters[shot.name])
        found.append(row)
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    # Only these could end the script element or change how it is read (HTML standard, 13.2.5.4 ff.).
    for mark, harmless in (("</", "<\\/"), ("<!--", "\\u003c!--"), ("<script", "\\u003cscript")):
        text = text.replace(mark, harmless)
    return text


def _timecodes(report: Report, start: int, timecode: str, frames: Iterable[int]) -> dict[int, str]:
    """Frame → its source timecode, counted on from that of the frame at which its shot starts."""
    clock = Clock(Fraction(*report.film.rate), drop=";" in timecode)
    try:
        first = clock.count(timecode) - start
    except ConfigError:  # it is no timecode
        return {}
    return {frame: clock.label(first + frame) for frame in frames}


def _face(report: Report, face: Face, shown: Shown | None, points: int) -> dict[str, Any]:
    """One face for the page's script; what is empty is left out."""
    row: dict[str, Any] = {
        "name": face.name,
        "person": face.person,
        "start": face.start,
        "stop": face.stop,
        "changed": face.frames_changed,
        "verdict": face.verdict,
        "confidence": face.confidence,
        "drawn": f"{face.engine}: {face.why}" if face.why else face.engine,
        "reasons": [[one.measure, one.verdict, one.text, one.advice] for one in face.reasons],
        "cues": [[cue.start, cue.stop, cue.kind] for cue in face.cues],
        "skipped": [[skip.start, skip.stop, skip.reason] for skip in face.skipped],
    }
    if face.curves:
        lines = (face.curves.source, face.curves.target, face.curves.dubbed)
        row["curves"] = [plot.thinned(line, points) for line in lines]
    if face.measures:
        row["measured"] = face.measures.frames
        row["worst"] = place(face.measures, (one.measure for one in face.reasons))
        row["rows"] = list(_rows(report, face))
        row["missed"] = [
            [one.frame, one.phone.lower(), one.kind, one.measured, one.limit]
            for one in face.measures.violations
        ]
    if shown:
        row["stills"] = [[frame, _base64(was), _base64(now)] for frame, was, now in shown.stills]
        if shown.loop:
            row["loop"] = [_base64(shown.loop), shown.loop_frames]
    return {name: value for name, value in row.items() if value not in (None, [])}


def _severity(face: Face) -> float:
    """How bad a face is, to put the worst first: its reasons, and its confidence among those without.

    Of those that were not changed, who was to speak comes first.
    """
    if face.state == "untouched":
        return float(any(cue.kind == "speak" for cue in face.cues))
    grave = {"redo": 2.0, "look": 1.0, "good": 0.0}
    return sum(grave[reason.verdict] for reason in face.reasons) + round(
        (1 - (face.confidence or 1.0)) / 2, 3
    )


def _rows(report: Report, face: Face) -> Iterator[list[Any]]:
    """The measures of a face that have a value: number of the heading, and the cells as text."""
    assert face.measures
    verdicts = {reason.measure: reason.verdict for reason in face.reasons}
    for number, row in enumerate(_HEADINGS):
        if row.name == "encoded":
            if face.encoded is not None:
                yield [number, _written(face.encoded, row.form), "–", "", "", "stills", ""]
            continue
        if row.name == "changed_outside":
            if face.measures.changed_outside is not None:
                seen = f"{OUTSIDE_FRAMES} frames at most"
                yield [
                    number,
                    str(face.measures.changed_outside),
                    "–",
                    "",
                    "1",
                    seen,
                    verdicts.get(row.name, ""),
                ]
            continue
        pair: Measure = getattr(face.measures, row.name)
        if pair.dubbed is None and pair.source is None:
            continue
        look, redo = (_limit(report, row, which, pair.source) for which in (0, 1))
        verdict = verdicts.get(row.name) or (
            verdicts.get("exaggeration") if row.name == "amplitude" else None
        )
        values = [_written(value, row.form) for value in (pair.dubbed, pair.source)]
        yield [number, *values, look, redo, _seen(row, face.measures), verdict or ""]


def _limit(report: Report, row: _Heading, which: int, source: float | None) -> str:
    """A limit of a measure in its own unit."""
    limits = report.made.limits.get(row.name)
    if limits is None or (row.relative and not source):
        return ""
    form = row.form.replace("+", "")
    return form.format(limits[which] * (source or 0) if row.relative else limits[which])


def _seen(row: _Heading, found: Measures) -> str:
    """How much a figure rests on."""
    looks = found.picture_frames
    return {
        "frames": f"{found.frames} frames",
        "speech": f"{found.speech_frames} frames of speech",
        "rest": f"{found.rest_frames} frames at rest",
        "closures": f"{found.closures} closures",
        "sounds": f"{found.sounds} sounds",
        "pictures": f"{looks} frames",
        "spread": f"{found.pixel_frames} frames",
        "some": f"{len(range(0, looks, max(1, looks // MOST_LIKENESSES)))} frames",
    }[row.seen]


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _jpeg(data: bytes) -> str:
    return "data:image/jpeg;base64," + _base64(data)


def _fps(rate: tuple[int, int]) -> str:
    """Frames per second as people write them: 25, 23.976."""
    return f"{rate[0] / rate[1]:.3f}".rstrip("0").rstrip(".")


def _written(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
