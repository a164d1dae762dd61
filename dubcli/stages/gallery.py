"""`gallery`: the reference bank of an actor, crops of the lower face from the film itself."""

from __future__ import annotations

from functools import partial

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.cues import Cues
from dubcli.artifacts.shots import Shots
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError

STAGE = Stage("gallery", version=6, after=("cue",))


def units(job: JobView) -> list[Unit]:
    """One unit per person who has a cue, or whom an approved shot shows, named by their id.

    Nobody else needs one. A unit's key covers that person's tracks and shots, not the cues: dubs of one
    film share galleries, and only a person merged or split in `cast.yaml` is cut out again. Shots are called
    by their pictures, not by their place: a recut cuts out again only who is in a shot that is new or gone.
    """
    split, probe = job.one("split"), job.one("probe")
    named = Shots.load(split.path).named()
    cast = Cast.load(job.one("cast").path)
    cued = {cue.person for cue in Cues.load(job.one("cue").path).cues}
    tracks, pinned = job.all("track"), job.pinned_faces
    found = []
    for person in cast.persons:
        if person.id not in cued and pinned.isdisjoint(person.faces):
            continue
        faces = [(named[shot].picture, track) for shot, track in person.footage(named)]
        used = {f"tracks/{named[shot].picture}": tracks[shot] for shot, _ in person.faces}
        found.append(
            Unit(
                STAGE,
                person.id,
                inputs={role: artifact.content for role, artifact in used.items()},
                paths={role: artifact.path for role, artifact in used.items()}
                | {"film": job.sources["film"].path, "split": split.path, "probe": probe.path},
                params=job.settings.gallery.model_dump(),
                facts={"faces": faces},
                cost=person.frames,
                needs=job.picture_needs,
            )
        )
    return found


def run(task: Task) -> None:
    """Write `gallery.npz`."""
    from dubcli.artifacts import gallery, tracks
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames, Groups
    from dubcli.face.gallery import build

    video, frames = MediaInfo.load(task.inputs["probe"]).film, Frames.load(task.inputs["split"])
    known = {shot.picture: shot for shot in Shots.load(task.inputs["split"]).shots}
    shots = [known[picture] for picture, _ in task.facts["faces"]]
    faces = [
        partial(tracks.load_one, task.inputs[f"tracks/{picture}"], known[picture].name, number)
        for picture, number in task.facts["faces"]
    ]
    budget = task.params["budget_mb"] * 1_000_000
    film = task.inputs["film"], video, frames.pts, frames.digest
    keys = Groups.load(task.inputs["split"]).keys
    gallery.save(task.out, build(*film, faces, shots, budget, progress=task.report, keys=keys))


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
