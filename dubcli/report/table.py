"""The report as lists for other programs: a table of faces, and clips of the changed spans."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.artifacts.measures import Measure, Measures
from dubcli.artifacts.report import Face, Report, Shot

if TYPE_CHECKING:
    from dubcli.delivery.timeline import Clip

_MEASURES = tuple(name for name, field in Measures.model_fields.items() if field.annotation is Measure)
COLUMNS = (
    "shot", "start", "stop", "seconds", "timecode", "state", "face", "person", "verdict", "reasons", "advice",
    "frames_changed", "frames_measured", "confidence", *_MEASURES,
    *(f"source_{name}" for name in _MEASURES),
)  # fmt: skip


def table(report: Report) -> str:
    """CSV (RFC 4180) with a row for each face, and one for each shot without faces, in the film's order."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for shot in report.shots:
        for face in shot.faces or (None,):
            writer.writerow({name: _safe(value) for name, value in _row(shot, face).items()})
    return text.getvalue()


def clips(report: Report, film: Path) -> list[Clip]:
    """The changed spans of each shot as clips of the finished film, with their verdict and reasons."""
    from dubcli.delivery.timeline import Clip, Marker

    return [clip for shot in report.shots for clip in _clips(shot, film, report.film.frames, Clip, Marker)]


def _clips(shot: Shot, film: Path, frames: int, clip: Any, marker: Any) -> Iterator[Clip]:
    colour = {"redo": "RED", "look": "YELLOW", "good": "GREEN"}
    reasons = "; ".join(reason.text for face in shot.faces for reason in face.reasons)
    markers = (marker(shot.verdict, reasons, colour[shot.verdict]),) if shot.verdict else ()
    for start, stop in shot.changed:
        yield clip(f"{shot.name}", film, start, stop, (0, frames), markers=markers)


def _row(shot: Shot, face: Face | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "shot": shot.name,
        "start": shot.start,
        "stop": shot.stop,
        "seconds": shot.seconds,
        "timecode": shot.timecode,
        "state": face.state if face else shot.state,
    }
    if face is None:
        return row
    row |= {
        "face": face.name,
        "person": face.person,
        "verdict": face.verdict,
        "reasons": "; ".join(reason.text for reason in face.reasons),
        "advice": "; ".join(dict.fromkeys(reason.advice for reason in face.reasons)),
        "frames_changed": face.frames_changed,
        "confidence": face.confidence,
    }
    if face.measures:
        pairs: dict[str, Measure] = {name: getattr(face.measures, name) for name in _MEASURES}
        row["frames_measured"] = face.measures.frames
        row |= {name: pair.dubbed for name, pair in pairs.items()}
        row |= {f"source_{name}": pair.source for name, pair in pairs.items()}
    return row


def _safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: names come from files of others."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
