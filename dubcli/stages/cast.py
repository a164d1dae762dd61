"""`cast`: the people of the film, each with their tracks and a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dubcli.core import keys
from dubcli.core.model import JobView, Stage, Task, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.cast import Face, Person
    from dubcli.artifacts.tracks import TrackSummary
    from dubcli.edits import castfile

Row = TypeVar("Row")

STAGE = Stage("cast", 5, after=("track",))

SHEET_COLUMNS, SHEET_PICTURES = 8, 48  # of a person's sheet, at most; set by hand


def units(job: JobView) -> list[Unit]:
    """One unit for the film, with `cast.yaml` where there is one."""
    shots = job.all("track")
    inputs = {f"tracks/{shot}": artifact.content for shot, artifact in shots.items()}
    paths = {f"tracks/{shot}": artifact.path for shot, artifact in shots.items()}
    edits = job.sources.get("cast")
    if edits is not None:
        inputs["edits"], paths["edits"] = edits.sha256, edits.path
    return [
        Unit(
            STAGE,
            "film",
            inputs,
            paths,
            params=job.settings.cast.model_dump(exclude={"require_consent"}),
            cost=len(shots),
        ),
    ]


def run(task: Task) -> None:
    """Group the film's tracks into people, each with a contact sheet."""
    from dubcli.artifacts import tracks
    from dubcli.artifacts.cast import Cast, sheet
    from dubcli.edits import castfile
    from dubcli.face import identity

    faces: list[Face] = []
    summaries: list[TrackSummary] = []
    together: set[tuple[int, int]] = set()
    for shot, path in _shots(task):
        first = len(summaries)
        summaries += tracks.summaries(path, shot)
        faces += [(shot, number) for number in range(len(summaries) - first)]
        together |= {
            (i, j)
            for j in range(first, len(summaries))
            for i in range(first, j)
            if summaries[i].first < summaries[j].stop and summaries[j].first < summaries[i].stop
        }
    groups = identity.cluster(
        [summary.descriptor for summary in summaries],
        [float(summary.eligible) for summary in summaries],
        together,
        limit=task.params["apart"],
    )
    found = [[faces[k] for k in group] for group in groups]
    if "edits" in task.inputs:
        persons = castfile.apply_edits(found, *castfile.load(task.inputs["edits"]))
    else:
        persons = list(castfile.number_persons(found).values())
    paths = dict(_shots(task))
    for person in persons:
        chosen = _spread(person.faces, SHEET_PICTURES)
        pictures = [tracks.thumbs(paths[shot], number) for shot, number in chosen]
        sheet(task.out, person.id).write_bytes(_sheet(pictures))
    frames = {face: summary.stop - summary.first for face, summary in zip(faces, summaries, strict=True)}
    rows = [_row(person, frames) for person in persons]
    Cast(persons=tuple(rows)).save(task.out)


def _row(person: castfile.Person, frames: Mapping[Face, int]) -> Person:
    """A person with the notes of `cast.yaml`."""
    from dubcli.artifacts.cast import Consent, Person

    record = person.note.consent
    why = ""
    if not person.note.touch:
        why = "cast.yaml says: never touch"
    elif record and record.state == "refused":
        why = "cast.yaml says: consent refused"
    return Person(
        id=person.id,
        name=person.note.name,
        consent=Consent(state=record.state, sha256=keys.digest(record.model_dump(mode="json")))
        if record
        else None,
        amplitude=person.note.amplitude,
        touch=not why,
        why=why,
        frames=sum(frames[face] for face in person.faces),
        faces=tuple(person.faces),
        style=person.note.style or None,
    )


def check(task: Task) -> None:
    """Every person has a sheet.

    Raises:
        CheckError: one is missing.
    """
    from dubcli.artifacts.cast import Cast, sheet
    from dubcli.errors import CheckError

    for person in Cast.load(task.out).persons:
        if not sheet(task.out, person.id).stat().st_size:
            raise CheckError(f"the contact sheet of {person.id} is empty; type: dubcli run again")


def _shots(task: Task) -> list[tuple[str, Path]]:
    """Shots in order, each with the folder of its tracks."""
    roles = sorted(role for role in task.inputs if role.startswith("tracks/"))
    return [(role.removeprefix("tracks/"), task.inputs[role]) for role in roles]


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many of the rows, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[k * (len(rows) - 1) // (most - 1)] for k in range(most)]


def _sheet(pictures: list[NDArray[np.uint8]]) -> bytes:
    """Pictures of one person over all their tracks, as a PNG."""
    import cv2
    import numpy as np

    rows = _spread(list(np.concatenate(pictures)), SHEET_PICTURES)
    columns = min(len(rows), SHEET_COLUMNS)
    lines = -(-len(rows) // columns)
    side = len(rows[0])
    sheet = np.zeros((lines * columns, side, side, 3), np.uint8)
    sheet[: len(rows)] = rows
    whole = (
        sheet.reshape(lines, columns, side, side, 3).swapaxes(1, 2).reshape(lines * side, columns * side, 3)
    )
    good, png = cv2.imencode(".png", np.ascontiguousarray(whole[:, :, ::-1]))
    if not good:
        raise ValueError("the contact sheet could not be written")
    return png.tobytes()
