"""Everything known of one unit: why it would run, its inputs, settings and last failure."""

from __future__ import annotations

from typing import Any

from dubcli.core import keys
from dubcli.core.job import Job
from dubcli.core.plan import Row, plan
from dubcli.errors import UsageError
from dubcli.settings.document import suggestion

COMPARED = ("version", "engine", "weights", "libraries", "params", "facts", "inputs", "salt")


def describe_unit(job: Job, unit_id: str) -> dict[str, Any]:
    """All that is known of a unit, as JSON types, in the order of display.

    Raises:
        UsageError: the job has no such unit.
    """
    rows = list(plan(job))
    row = next((row for row in rows if row.unit and row.unit.id == unit_id), None)
    if row is None or row.unit is None:
        waiting = [row.stage for row in rows if row.unit is None]
        if unit_id.split("/")[0] in waiting:
            raise UsageError(
                f"units of {unit_id.split('/')[0]} are not known until the stages before it are done"
            )
        names = [row.unit.id for row in rows if row.unit]
        near = suggestion(unit_id, names) if len(names) < 20 else "; type: dubcli plan -v"
        raise UsageError(f"the job has no unit {unit_id!r}{near}")
    unit = row.unit
    image = keys.preimage(unit)
    return {
        "unit": unit.id,
        "state": row.state,
        "reasons": list(row.reasons),
        "changed": _changes(job, row, image),
        "key": row.key,
        "result": str(row.artifact.path) if row.artifact else None,
        "version": unit.stage.version,
        "engine": f"{unit.engine.name} {unit.engine.algorithm}" if unit.engine else None,
        "params": dict(unit.params),
        "facts": dict(unit.facts),
        "inputs": {role: f"{digest[:12]} {unit.paths.get(role, '')}" for role, digest in unit.inputs.items()},
        "failure": job.failure(unit.id) or None,
    }


def _changes(job: Job, row: Row, image: dict[str, Any]) -> list[str]:
    """What differs from the pre-image of the unit's last result, a line each."""
    assert row.unit
    before_key = job.ref(row.unit.id)
    before = job.store.preimage(before_key) if before_key and before_key != row.key else None
    if before is None:
        return []
    lines = []
    for name in COMPARED:
        old, new = before.get(name), image.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            for key in sorted({*old, *new}):
                if old.get(key) != new.get(key):
                    lines.append(f"{name}.{key}: {_abbreviate(old.get(key))} -> {_abbreviate(new.get(key))}")
        elif old != new:
            lines.append(f"{name}: {_abbreviate(old)} -> {_abbreviate(new)}")
    return lines


def _abbreviate(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text[:12] if len(text) == 64 else text[:80]
