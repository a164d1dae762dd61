"""Renders `report.html`, one self-contained page."""

from __future__ import annotations

import base64
from importlib import resources
from itertools import groupby

import jinja2

from dubcli.artifacts.report import Measure, Report
from dubcli.report import plot
from dubcli.report.assemble import Pictures

# Measure, heading, how it is written, what it says.
_ROWS = (
    ("correlation", "fits speech", "{:.2f}", "correlation of the aperture with what speech asks for by rule"),
    ("offset", "offset", "{:+.0f}", "frames by which the mouth comes after its speech"),
    ("follows", "fits the target", "{:.2f}", "correlation of the aperture with its target"),
    ("articulation", "articulation", "{:.1f}", "spread of the aperture in speech, 1/100 of the eye distance"),
    ("closure_hits", "closures met", "{:.0%}", "share of /p b m/ at which the lips meet within a frame"),
    ("still_motion", "motion at rest", "{:.1f}", "movement a frame at rest, 1/1000 of the eye distance"),
    ("sharpness", "sharpness", "{:.2f}", "detail of the mouth over that of the cheek"),
    ("grain", "grain", "{:.2f}", "grain around the mouth over that of the cheek"),
    ("flicker", "flicker", "{:.1f}", "change within three frames, thousandths of full scale"),
    ("seam", "seam", "{:.2f}", "strength of the mask's edge; from about 1 it may show"),
)  # fmt: skip
_MOST_POINTS, _FEWEST_POINTS = (
    480,
    40,
)  # of a curve; set by hand: more would be invisible, fewer would lose its form
_POINTS_IN_ALL = 200_000  # of each kind of curve, 10 bytes a point; set by hand
_QUIET_SHOTS = 3  # so many unchanged shots in a row are collapsed; set by hand


def page(report: Report, pictures: Pictures) -> str:
    """The report as HTML; every text in it is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": plot.clock, "jpeg": _jpeg, "written": _written, "empty": _empty}
    curves = sum(face.curves is not None for shot in report.shots for face in shot.faces)
    points = min(_MOST_POINTS, max(_FEWEST_POINTS, _POINTS_IN_ALL // max(1, curves)))
    template = environment.from_string(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.render(
        report=report,
        pictures=pictures,
        rows=_ROWS,
        reasons=sorted(report.totals.skipped.items(), key=lambda row: (-row[1], row[0])),
        runs=[
            (quiet and len(shots) >= _QUIET_SHOTS, shots)
            for quiet, run in groupby(report.shots, key=lambda shot: shot.state == "untouched")
            for shots in [list(run)]
        ],
        timeline=plot.timeline(report),
        curve=lambda face: plot.curve(report, face, face.curves, points),
        seconds=lambda frame: plot.frame_seconds(report, frame),
    )


def _jpeg(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _written(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _empty(measure: Measure) -> bool:
    return measure.dubbed is None and measure.source is None
