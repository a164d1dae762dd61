"""Remarks on shots for an editor's timeline, from the report and the review."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dubcli.artifacts.report import Report, Shot
from dubcli.delivery.timeline import Clip, Marker

_COLOURS = {"good": "GREEN", "look": "YELLOW", "redo": "RED", "failed": "RED"}


def markers(report: Report, notes: Mapping[str, str]) -> dict[str, tuple[Marker, ...]]:
    """A marker by shot: its verdict, or where nothing was measured its state, with what was done to it.

    Args:
        report: the report.
        notes: shot → a person's note on it.
    """
    return {shot.name: (_marker(shot, notes.get(shot.name, "")),) for shot in report.shots}


def clips(report: Report, film: Path, notes: Mapping[str, str]) -> list[Clip]:
    """A clip of the finished film for each changed span of each shot."""
    remarks = markers(report, notes)
    return [
        Clip(shot.name, film, start, stop, (0, report.film.frames), markers=remarks[shot.name])
        for shot in report.shots
        for start, stop in shot.changed
    ]


def _marker(shot: Shot, note: str) -> Marker:
    label = shot.verdict or shot.state
    reasons = (reason.text for face in shot.faces for reason in face.reasons)
    return Marker(label, "; ".join(filter(None, [shot.what, *reasons, note])), _COLOURS.get(label, "CYAN"))
