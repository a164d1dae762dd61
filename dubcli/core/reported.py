"""The report in the job directory: today's names, what was decided since, and what it means for a run."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

import dubcli
from dubcli.core import events, takelist
from dubcli.core.model import Artifact
from dubcli.core.store import Store, damage_message
from dubcli.edits import decisions
from dubcli.errors import CheckError, ConfigError, StoreError
from dubcli.files import write_atomically


def publish(store: Store, report: Artifact, root: Path, names: Mapping[str, str]) -> None:
    """Put the report into the job directory, with what its placeholders stand for now.

    Args:
        store: the store.
        report: the report.
        root: the job directory.
        names: placeholder of `artifacts.report` → text.

    Raises:
        StoreError: it is not as it was committed, or not there.
        OSError: the disk is full or not writable.
    """
    # Here, since its many models take a quarter of the time of a command that publishes nothing.
    from dubcli.artifacts import report as report_file

    for name, entry in store.files(report.key).items():
        if not name.startswith("report."):
            continue
        data = (report.path / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise StoreError(damage_message(report.key, f"{name} has changed", store.root))
        data = report_file.named(data, name, names)
        target = root / name
        if not target.exists() or target.read_bytes() != data:
            write_atomically(target, data)


def check_verdicts(report: Artifact, root: Path) -> None:
    """Fail where a shot's verdict is redo.

    Raises:
        CheckError: so it is; the film and its report are published all the same.
    """
    from dubcli.artifacts import report as report_file

    redo = report_file.Verdicts.load(report.path).redo
    if redo:
        some = ", ".join(redo[:5]) + (f" and {len(redo) - 5} more" if len(redo) > 5 else "")
        shots = "1 shot is" if len(redo) == 1 else f"{len(redo)} shots are"
        raise CheckError(
            f"{shots} to be redone ({some}); see {root / 'report.html'}, or set quality.gate=none"
        )


def names(root: Path, film: Path, dub: Path, out: Path, warned: Iterable[str] = ()) -> dict[str, str]:
    """What the report's placeholders stand for: file names, when the film was published, by which version.

    The day is that of the published file, so that the same command typed again writes the same report.
    """
    from dubcli.artifacts import report as report_file

    at = datetime.fromtimestamp(out.stat().st_mtime, timezone.utc) if out.exists() else None
    return {
        report_file.FILM: film.name,
        report_file.DUB: dub.name,
        report_file.OUTPUT: out.name,
        report_file.DATE: f"{at:%Y-%m-%d %H:%M} UTC" if at else "not published",
        report_file.VERSION: dubcli.__version__,
        report_file.TIMINGS: _timings(root),
        report_file.WARNED: "\n".join(dict.fromkeys([*warned, *_warned(root)])),
        report_file.REVIEW: json.dumps(_review(root), ensure_ascii=False),
    }


def _review(root: Path) -> dict[str, tuple[str, int | None, str, int]]:
    """What was decided about each shot, and which take the film shows; nothing where the file was damaged
    since the run began."""
    with contextlib.suppress(ConfigError):
        shots, known = decisions.load(root / decisions.FILE)[1].shots, takelist.load(root)
        return {
            shot: (one.state, one.take, one.note, known[shot].current if shot in known else 0)
            for shot, one in shots.items()
        }
    return {}


def _warned(root: Path) -> list[str]:
    """What the last run warned of, but for what its report says itself."""
    found: list[str] = []
    for event in events.past(root):
        with contextlib.suppress(KeyError):
            if event["type"] == "run.start":
                found.clear()
            elif event["type"] == "warning" and event["stage"] != "report":
                found.append(str(event["text"]))
    return found


def _timings(root: Path) -> str:
    """What each stage took, from the job's events: seconds of the last run of each of its units."""
    last: dict[tuple[str, str], float] = {}
    for event in events.past(root):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if event["type"] == "unit.done":
                last[str(event["stage"]), str(event["unit"])] = float(event["seconds"])
    stages: dict[str, float] = {}
    for (stage, _), seconds in last.items():
        stages[stage] = stages.get(stage, 0.0) + seconds
    return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages.items()) or "not known"
