"""`gallery`: the reference bank of an actor, crops of the lower face from the film itself."""

from __future__ import annotations

from functools import partial

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.cues import Cues
from dubcli.artifacts.shots import Shots
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError

STAGE = Stage("gallery", version=3, after=("cue",))


def units(job: JobView) -> list[Unit]:
    """One unit per person who has a cue, or whom an approved shot shows, named by their id.

    Nobody else needs one. A unit's key covers that person's tracks and shots, not the cues: dubs of one
    film share galleries, and only a person merged or split in `cast.yaml` is cut out again.
    """
    split, probe = job.one("split"), job.one("probe")
    named = Shots.load(split.path).named()
    cued = {cue.person for cue in Cues.load(job.one("cue").path).cues}
    tracks, pinned = job.all("track"), job.pinned_faces
    found = []
    for person in Cast.load(job.one("cast").path).persons:
        if person.id not in cued and pinned.isdisjoint(person.faces):
            continue
        shots = sorted({shot for shot, _ in person.faces})
        found.append(
            Unit(
                STAGE,
                person.id,
                inputs={f"tracks/{shot}": tracks[shot].content for shot in shots}
                | {f"picture/{shot}": named[shot].picture for shot in shots},
                paths={f"tracks/{shot}": tracks[shot].path for shot in shots}
                | {"film": job.sources["film"].path, "split": split.path, "probe": probe.path},
                params=job.settings.gallery.model_dump(),
                facts={"faces": person.faces},
                cost=person.frames,
                needs=job.picture_needs,
            )
        )
    return found


def run(task: Task) -> None:
    """Write `gallery.npz`."""
    from dubcli.artifacts import gallery, tracks
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames
    from dubcli.face.gallery import build

    video, frames = MediaInfo.load(task.inputs["probe"]).film, Frames.load(task.inputs["split"])
    faces = [
        partial(tracks.load_one, task.inputs[f"tracks/{shot}"], shot, number)
        for shot, number in task.facts["faces"]
    ]
    budget = task.params["budget_mb"] * 1_000_000
    built = build(task.inputs["film"], video, frames.pts, frames.digest, faces, budget, progress=task.report)
    gallery.save(task.out, built)


def check(task: Task) -> None:
    """The gallery can be read, and its parts agree.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.artifacts import gallery

    found = gallery.load(task.out)
    kept = (found.crop, found.origin, found.mesh, found.shape, found.pose, found.run, found.sharp)
    if {len(rows) for rows in (*kept, found.texture, found.occlusion)} != {len(found)}:
        raise CheckError(f"the footage of {task.unit} is not whole; type: dubcli run again")
    if not np.isfinite(found.mesh).all() or not np.isfinite(found.head).all():
        raise CheckError(f"the footage of {task.unit} has meshes that are not finite; type: dubcli run again")
