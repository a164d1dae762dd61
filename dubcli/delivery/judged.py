"""The changed spans of a report as clips of the finished film, with their verdicts as markers."""

from __future__ import annotations

from pathlib import Path

from dubcli.artifacts.report import Report, Shot
from dubcli.delivery.timeline import Clip, Marker

_COLOURS = {"redo": "RED", "look": "YELLOW", "good": "GREEN"}


def clips(report: Report, film: Path) -> list[Clip]:
    """A clip for each changed span of each shot."""
    return [
        Clip(shot.name, film, start, stop, (0, report.film.frames), markers=_markers(shot))
        for shot in report.shots
        for start, stop in shot.changed
    ]


def _markers(shot: Shot) -> tuple[Marker, ...]:
    if shot.verdict is None:
        return ()
    reasons = "; ".join(reason.text for face in shot.faces for reason in face.reasons)
    return (Marker(shot.verdict, reasons, _COLOURS[shot.verdict]),)
