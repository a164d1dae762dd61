"""Remarks on shots for an editor's timeline, from the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dubcli.delivery.timeline import Marker

_COLOURS = {"good": "GREEN", "look": "YELLOW", "redo": "RED", "failed": "RED"}


def markers(report: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, tuple[Marker, ...]]:
    """A marker by shot: its verdict, or where the report gives none its state, with what was done to it.

    Args:
        report: `report.json`.
        notes: shot → a person's note on it.
    """
    found: dict[str, tuple[Marker, ...]] = {}
    for shot in report.get("shots", ()):
        verdict = str(shot.get("verdict") or shot.get("state") or "")
        warnings = [line for face in shot.get("faces", ()) for line in face.get("warnings", ())]
        parts = [str(shot.get("what") or ""), *warnings, notes.get(shot["name"], "")]
        text = "; ".join(part for part in parts if part)
        found[shot["name"]] = (Marker(verdict, text, _COLOURS.get(verdict, "CYAN")),)
    return found
