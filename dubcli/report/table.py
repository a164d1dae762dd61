"""The report as a table for other programs."""

from __future__ import annotations

import csv
import io
from typing import Any

from dubcli.artifacts.measures import Measure, Measures
from dubcli.artifacts.report import Face, Report, Shot

_MEASURES = tuple(name for name, field in Measures.model_fields.items() if field.annotation is Measure)
COLUMNS = (
    "shot", "start", "stop", "seconds", "timecode", "state", "face", "person", "verdict", "reasons", "advice",
    "frames_changed", "frames_measured", "confidence", "engine", *_MEASURES,
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
        "engine": face.engine,
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
