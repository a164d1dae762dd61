"""`dubcli plan`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dubcli.cli import options
from dubcli.cli.grouped import grouped
from dubcli.cli.jobs import Request, Running
from dubcli.cli.output import out
from dubcli.cli.progress import duration

if TYPE_CHECKING:
    from dubcli.core.job import Job
    from dubcli.core.plan import Row, Selection
    from dubcli.core.training import Training

PEOPLE = ("person", "seconds to dub", "forecast", "because")
TRAINING = ("training", "about", "because")
"""Columns of the forecasts."""


@grouped
def plan(
    request: Request,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show what run would do and why; nothing is written.

    A unit is a stage applied to one shot, one face or the whole film. It is done, would run, or waits for
    stages before it, since later units are known only when shots and faces are. Reasons to run: new; params,
    engine, weights or version changed; input:ROLE has other content; facts (such as a cue) changed; lost
    (gone from the store); failed-before; forced.

    Once the mouth model is learnt, it foretells for each person who is to speak how well they can be dubbed:
    good, fair or poor, from the footage and the speech that the film has of them.

    Where a lip engine learns from the film, it says how long training will take: the film's, and each
    person's.

    With -v every unit has a line of its own, and the origin of every setting is shown.
    """
    from dubcli.core.plan import Selection

    show(request, Selection(), json=json)


def show(request: Request, selection: Selection, running: Running | None = None, *, json: bool) -> None:
    """Print the plan of a job."""
    from dubcli.cli.jobs import as_json, preview_job
    from dubcli.core.plan import plan as rows_of

    with preview_job(request, running) as (job, resolved):
        job.read_sources()
        rows = list(rows_of(job, selection))
        people, trainings = forecasts(rows), training(job, rows)
        if json:
            out.document(
                {
                    "film": str(job.film),
                    "dub": str(job.dub),
                    "out": str(job.out),
                    "store": str(job.store.root),
                    "preset": resolved.preset,
                    "settings": as_json(resolved),
                    "units": [as_row(row) for row in rows],
                    "people": [dict(zip(PEOPLE, person, strict=True)) for person in people],
                    **({"training": [vars(one) for one in trainings]} if trainings else {}),
                }
            )
            return
        if out.verbose:
            out.table(("setting", "value", "from"), resolved.rows())
            out.data()
            units = [(row.stage, row.unit.name if row.unit else "?", row.state, _why(row)) for row in rows]
            out.table(("stage", "unit", "state", "why"), units)
        else:
            out.table(("stage", "units", "state", "why"), _group(rows))
        film = next((row.artifact for row in rows if row.stage == "remux"), None)
        if film and job.published() and not job.published(film):
            out.note(f"{job.out} is an earlier version, and would be replaced by what is done")
        if trainings:
            out.data()
            lines = [(f"{one.stage} {one.unit}", duration(one.seconds), one.because) for one in trainings]
            out.table(TRAINING, lines)
        if people:
            out.data()
            out.table(PEOPLE, people)


def forecasts(rows: Iterable[Row]) -> list[tuple[str, float, str, str]]:
    """Person, seconds to dub, forecast and the reason; nothing before cue, gallery and learn are done."""
    from dubcli.artifacts.cast import Cast
    from dubcli.artifacts.cues import Cues
    from dubcli.artifacts.mouth import MouthFacts
    from dubcli.artifacts.shots import Frames
    from dubcli.quality.forecast import forecast

    done = {(row.stage, row.unit.name): row.artifact.path for row in rows if row.unit and row.artifact}
    if any((stage, "film") not in done for stage in ("split", "cast", "cue", "learn")):
        return []
    from dubcli.artifacts import gallery

    seconds = Frames.load(done["split", "film"]).seconds
    last, spoken = len(seconds) - 1, dict[str, float]()
    for cue in Cues.load(done["cue", "film"]).cues:
        length = float(seconds[min(cue.stop, last)] - seconds[min(cue.start, last)])
        spoken[cue.person] = spoken.get(cue.person, 0.0) + length
    facts = MouthFacts.load(done["learn", "film"]).people
    found = []
    for person in Cast.load(done["cast", "film"]).persons:
        if person.id in spoken and ("gallery", person.id) in done:
            fit, footage = facts.get(person.id), gallery.count(done["gallery", person.id])
            told = forecast(footage, fit.seconds if fit else None, fit.corr if fit else None)
            row = (person.name or person.id, round(spoken[person.id], 1), str(told.level), told.because)
            found.append(row)
    return found


def training(job: Job, rows: Iterable[Row]) -> list[Training]:
    """How long the trainings take that are not done yet."""
    from dubcli.core import plan
    from dubcli.core.training import forecasts

    seen, waits, done = plan.view(job), set[str](), set[str]()
    for row in rows:
        if row.unit and row.artifact:
            seen.artifacts.setdefault(row.stage, {})[row.unit.name] = row.artifact
            done.add(row.unit.id)
        else:
            waits.add(row.stage)
    found = forecasts(seen, gathered="gallery" not in waits)
    return [one for one in found if f"{one.stage}/{one.unit}" not in done]


def as_row(row: Row) -> dict[str, Any]:
    """A row of a plan, for JSON."""
    return {
        "stage": row.stage,
        "unit": row.unit.name if row.unit else None,
        "state": row.state,
        "reasons": list(row.reasons),
        "key": row.key or None,
    }


def _why(row: Row) -> str:
    return ", ".join(row.reasons)


def _group(rows: Iterable[Row]) -> list[tuple[str, str, str, str]]:
    """Units of a stage with the same state and reasons on one line: a film has thousands of shots."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.stage, row.state, _why(row)), []).append(row.unit.name if row.unit else "?")
    return [
        (stage, names[0] if len(names) == 1 else f"{len(names)}: {names[0]} … {names[-1]}", state, why)
        for (stage, state, why), names in groups.items()
    ]
