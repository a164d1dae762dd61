"""Renders `report.html`, one self-contained page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import resources

import jinja2
from markupsafe import Markup

from dubcli.artifacts.measures import Measure, Measures
from dubcli.artifacts.report import Face, Report, Shot
from dubcli.report import plot
from dubcli.report.assemble import Pictures


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
    _Heading("closure_ms", "closures late, ms", "{:+.0f}", "by which lips close after the sounds that need it", "sounds"),
    _Heading("correlation", "fits the dub", "{:.2f}", "correlation of the aperture with what speech asks for", "speech"),
    _Heading("follows", "fits the target", "{:.2f}", "correlation of the aperture with its target", "speech"),
    _Heading("amplitude", "movement", "{:.2f}", "spread of the aperture over that of its target", "speech"),
    _Heading("articulation", "articulation", "{:.1f}", "spread of the aperture, 1/100 of the eye distance", "speech"),
    _Heading("closure_hits", "closures met", "{:.0%}", "share of lip closures at which the lips meet", "closures"),
    _Heading("still_motion", "motion at rest, ‰", "{:.1f}", "movement a frame without speech, of the eye distance", "rest"),
    _Heading("tremble", "tremble, ‰", "{:.1f}", "movement above 8 Hz, of the eye distance", "speech", relative=True),
    _Heading("flicker", "flicker, ‰", "{:.1f}", "change within three frames, of full scale", "pictures", relative=True),
    _Heading("brightness", "flicker of light, ‰", "{:.1f}", "the same of the brightness of replaced skin", "pictures"),
    _Heading("sharpness", "sharpness", "{:.2f}", "detail of the mouth over that of the cheek", "third", relative=True),
    _Heading("grain", "grain", "{:.2f}", "grain around the mouth over that of the cheek", "third"),
    _Heading("seam", "seam", "{:.2f}", "strength of the mask's edge; from about 1 it may show", "third"),
    _Heading("colour", "colour", "{:.1f}", "difference on the mask's ring, CIELAB units", "third"),
    _Heading("identity", "likeness", "{:.2f}", "of the lower face to this person's own footage", "some"),
)  # fmt: skip
_MORE = {
    "exaggeration": "movement",
    "confidence": "confidence",
    "changed_outside": "changed outside the mask",
}
_MOST_POINTS, _FEWEST_POINTS = (
    480,
    40,
)  # of a curve; set by hand: more would be invisible, fewer lose its form
_POINTS_IN_ALL = 200_000  # of each kind of curve, 10 bytes a point; set by hand
_PIXELS_EVERY = 3  # as in `quality.mouth`


@dataclass(frozen=True)
class _Row:
    """A row of a face's table, as text."""

    heading: str
    meaning: str
    dubbed: str
    source: str
    look: str
    redo: str
    seen: str
    verdict: str


def page(report: Report, pictures: Pictures) -> str:
    """The report as HTML; every text in it is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": plot.clock, "jpeg": _jpeg}
    script, reasons = _file("page.js"), {r.measure for s in report.shots for f in s.faces for r in f.reasons}
    changed = [shot for shot in report.shots if shot.state == "changed"]
    return environment.from_string(_file("page.html")).render(
        report=report,
        pictures=pictures,
        style=Markup(_file("page.css").strip()),
        script=Markup(script),
        script_hash=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
        shots=Markup(_shots(environment, report, pictures)),
        timeline=plot.timeline(report),
        headings={row.name: row.heading for row in _HEADINGS} | _MORE,
        found_reasons=sorted(reasons),
        reasons=sorted(report.totals.skipped.items(), key=lambda row: (-row[1], row[0])),
        untouched=sum(plot.kind(shot) == "untouched" for shot in report.shots),
        failed=sum(shot.state == "failed" for shot in report.shots),
        unjudged=sum(shot.verdict is None for shot in changed),
    )


def _shots(environment: jinja2.Environment, report: Report, pictures: Pictures) -> str:
    """All shots as JSON for the page's script: what they are found by, and how they look."""
    template = environment.from_string(_file("shot.html"))
    curves = sum(face.curves is not None for shot in report.shots for face in shot.faces)
    points = min(_MOST_POINTS, max(_FEWEST_POINTS, _POINTS_IN_ALL // max(1, curves)))
    common = {
        "pictures": pictures,
        "rate": report.film.rate[0] / report.film.rate[1],
        "seconds": partial(plot.frame_seconds, report),
        "curve": lambda face: plot.curve(report, face, face.curves, points),
        "rows": lambda face: list(_rows(report, face)),
    }
    found = []
    for shot in report.shots:
        place = partial(_place, report, shot)
        html = template.render(shot=shot, kind=plot.kind(shot), place=place, **common)
        people = sorted({face.person for face in shot.faces})
        reasons = sorted({reason.measure for face in shot.faces for reason in face.reasons})
        texts = [reason.text for face in shot.faces for reason in face.reasons]
        words = [shot.name, shot.timecode or "", plot.clock(shot.seconds), shot.what, *people, *texts]
        found.append(
            {
                "name": shot.name,
                "start": shot.start,
                "frames": shot.stop - shot.start,
                "kind": plot.kind(shot),
                "excess": max((_severity(report, face) for face in shot.faces), default=0.0),
                "people": people,
                "reasons": reasons,
                "text": " ".join(words).lower(),
                "html": html,
            }
        )
    # In a script element only `</` and `<!--` could end or change it.
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _severity(report: Report, face: Face) -> float:
    """How bad a face is, to put the worst first: its reasons, and its confidence among those without."""
    grave = {"redo": 2.0, "look": 1.0, "good": 0.0}
    return sum(grave[reason.verdict] for reason in face.reasons) + (1 - (face.confidence or 1.0)) / 2


def _place(report: Report, shot: Shot, frame: int) -> str:
    """Time and frame number of a frame of a shot; its timecode where the film has one."""
    at = plot.clock(plot.frame_seconds(report, frame))
    if shot.timecode is None:
        return f"{at} · frame {frame}"
    return f"shot {shot.timecode} +{frame - shot.start} · {at} · frame {frame}"


def _rows(report: Report, face: Face) -> Iterator[_Row]:
    """The measures of a face that have a value."""
    assert face.measures
    verdicts = {reason.measure: reason.verdict for reason in face.reasons}
    for row in _HEADINGS:
        pair: Measure = getattr(face.measures, row.name)
        if pair.dubbed is None and pair.source is None:
            continue
        look, redo = (_limit(report, row, which, pair.source) for which in (0, 1))
        verdict = verdicts.get(row.name) or (
            verdicts.get("exaggeration") if row.name == "amplitude" else None
        )
        values = [_written(value, row.form) for value in (pair.dubbed, pair.source)]
        yield _Row(row.heading, row.meaning, *values, look, redo, _seen(row, face.measures), verdict or "")
    if face.encoded is not None:
        meaning = "difference of the upper face in both films after encoding, of full scale"
        yield _Row("encoding, ‰", meaning, f"{face.encoded:.1f}", "–", "", "", "stills", "")
    if face.measures.changed_outside is not None:
        outside, meaning = str(face.measures.changed_outside), "samples outside the mask, before encoding"
        yield _Row("changed outside", meaning, outside, "–", "", "1", "6 frames at most", "")


def _limit(report: Report, row: _Heading, which: int, source: float | None) -> str:
    """A limit of a measure in its own unit."""
    limits = report.made.limits.get(row.name)
    if limits is None or (row.relative and not source):
        return ""
    form = row.form.replace("+", "")
    return form.format(limits[which] * (source or 0) if row.relative else limits[which])


def _seen(row: _Heading, found: Measures) -> str:
    """How much a figure rests on."""
    return {
        "frames": f"{found.frames} frames",
        "speech": f"{found.speech_frames} frames of speech",
        "rest": f"{found.rest_frames} frames at rest",
        "closures": f"{found.closures} closures",
        "sounds": f"{found.sounds} sounds",
        "pictures": f"{found.picture_frames} frames",
        "third": f"{-(-found.picture_frames // _PIXELS_EVERY)} frames",
        "some": f"{min(12, found.picture_frames)} frames",
    }[row.seen]


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _jpeg(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _written(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
