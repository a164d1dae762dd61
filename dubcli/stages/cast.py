"""Who is who: the people of the film, each with their tracks and a contact sheet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dubcli.stages.base import JobView, Stage, Task, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.face.tracks import FaceTrack

STAGE = Stage("cast", 1, after=("track",))

SHEET_COLUMNS, SHEET_PICTURES = 8, 48


def units(job: JobView) -> list[Unit]:
    """One unit for the film."""
    shots = job.all("track")
    return [
        Unit(
            STAGE,
            "film",
            inputs={f"tracks/{shot}": artifact.content for shot, artifact in shots.items()},
            paths={f"tracks/{shot}": artifact.path for shot, artifact in shots.items()},
            params=job.settings.cast.model_dump(),
            cost=len(shots),
        )
    ]


def run(task: Task) -> None:
    """Group the film's tracks into people: `cast.json` and one `sheet-<id>.png` each."""
    from dubcli.face import identity, tracks

    faces: list[tuple[str, int]] = []
    seen: list[FaceTrack] = []
    for role in sorted(task.inputs):
        shot = role.removeprefix("tracks/")
        for number, track in enumerate(tracks.load(task.inputs[role] / "tracks.npz")):
            faces.append((shot, number))
            seen.append(track)
    groups = identity.cluster(
        [track.descriptor for track in seen],
        [float(track.eligible.sum()) for track in seen],
        _together(faces, seen),
        limit=task.params["apart"],
    )
    persons = [
        {"id": f"p{number:02d}", "faces": [list(faces[k]) for k in group]}
        for number, group in enumerate(groups, 1)
    ]
    for person, group in zip(persons, groups, strict=True):
        (task.out / f"sheet-{person['id']}.png").write_bytes(_sheet([seen[k] for k in group]))
    text = json.dumps({"persons": persons}, indent=1, sort_keys=True)
    (task.out / "cast.json").write_text(text + "\n", encoding="utf-8")


def check(task: Task) -> None:
    """Every person has a sheet.

    Raises:
        CheckError: one is missing.
    """
    from dubcli.errors import CheckError

    cast = json.loads((task.out / "cast.json").read_text(encoding="utf-8"))
    for person in cast["persons"]:
        if not (task.out / f"sheet-{person['id']}.png").stat().st_size:
            raise CheckError(f"the contact sheet of {person['id']} is empty; type: dubcli run again")


def _together(faces: list[tuple[str, int]], seen: list[FaceTrack]) -> set[tuple[int, int]]:
    """Pairs of tracks that share a frame: two people."""
    pairs = set()
    for i, one in enumerate(seen):
        for j in range(i + 1, len(seen)):
            two = seen[j]
            if (
                faces[i][0] == faces[j][0]
                and one.frames[0] <= two.frames[-1]
                and two.frames[0] <= one.frames[-1]
            ):
                pairs.add((i, j))
    return pairs


def _sheet(seen: list[FaceTrack]) -> bytes:
    """Pictures of one person over all their tracks, as a PNG."""
    import cv2
    import numpy as np

    pictures: NDArray[np.uint8] = np.concatenate([track.thumbs for track in seen])
    pick = np.unique(
        np.linspace(0, len(pictures) - 1, min(len(pictures), SHEET_PICTURES)).round().astype(int)
    )
    columns = min(len(pick), SHEET_COLUMNS)
    rows = -(-len(pick) // columns)
    sheet = np.zeros((rows * columns, *pictures.shape[1:]), np.uint8)
    sheet[: len(pick)] = pictures[pick]
    side = pictures.shape[1]
    whole: Any = (
        sheet.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    )
    good, png = cv2.imencode(".png", whole[:, :, ::-1])
    if not good:
        raise ValueError("the contact sheet could not be written")
    return png.tobytes()
