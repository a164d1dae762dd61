"""`track`: the tracks of all faces in a shot, with mesh, head pose and where the mouth may be changed."""

from __future__ import annotations

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Shots
from dubcli.core.model import JobView, Needs, Stage, Task, Unit
from dubcli.engines.registry import engine
from dubcli.stages.train import DEVICES

STAGE = Stage("track", 12, after=("split",))

_CUDA_BYTES = 1_500_000_000  # memory that CUDA's libraries take; a guess, for want of a device to measure on


def units(job: JobView) -> list[Unit]:
    """One unit per shot."""
    split, probe = job.one("split"), job.one("probe")
    video = MediaInfo.load(probe.path).film
    settings = job.settings.track
    weights = job.weights(settings.engine)
    # Networks come to other numbers on a GPU; on the processor keys stay what they were.
    left_out = {"engine"} if settings.device == "cuda" else {"engine", "device"}
    return [
        Unit(
            STAGE,
            shot.name,
            inputs={"picture": shot.picture} | {role: file.sha256 for role, file in weights.items()},
            paths={"film": job.sources["film"].path, "split": split.path, "probe": probe.path}
            | {role: file.path for role, file in weights.items()},
            params=settings.model_dump(exclude=left_out),
            # Not where the shot is: a recut that moves it tracks nothing again.
            facts={"count": shot.stop - shot.start, "quarter_turns": video.quarter_turns},
            engine=engine("tracker", settings.engine),
            cost=shot.stop - shot.start,
            needs=needs(job),
        )
        for shot in Shots.load(split.path).shots
    ]


def needs(job: JobView) -> Needs:
    """What a unit needs: where networks compute on a GPU, that and its libraries' memory as well."""
    pictures = job.picture_needs
    if job.settings.track.device == "cpu":
        return pictures
    return Needs(memory=pictures.memory + _CUDA_BYTES, device="gpu")


def run(task: Task) -> None:
    """Track the faces of one shot into `tracks.npz`."""

    from dubcli.artifacts import tracks
    from dubcli.artifacts.shots import Frames, first_frame
    from dubcli.face.condition import judge
    from dubcli.media import decode

    video = MediaInfo.load(task.inputs["probe"]).film
    start = first_frame(task.unit)
    stop = start + task.facts["count"]
    frames = Frames.load(task.inputs["split"])
    tracker = engine("tracker", task.engine).load()
    if task.weights:
        tracker.use(task.weights, DEVICES[task.device])
    # Some cameras set the rotation wrongly: without a face in the upright picture the raster is tracked.
    for turn in dict.fromkeys((task.facts["quarter_turns"], 0)):
        found = tracker.track(
            decode.frames(task.inputs["film"], video, frames.pts, start, stop, frames.digest),
            turn=turn,
            views=task.params["views"],
            done=lambda count: task.report(count, stop - start),
        )
        if found:
            break
    for track in found:
        judge(track, task.params, video.square[::-1])
    tracks.save(task.out, found, task.unit)


def check(task: Task) -> None:
    """The tracks lie inside the shot, and their arrays have one length.

    Raises:
        CheckError: they do not.
    """
    import numpy as np

    from dubcli.artifacts import tracks
    from dubcli.artifacts.shots import first_frame
    from dubcli.errors import CheckError

    start = first_frame(task.unit)
    stop = start + task.facts["count"]
    for number, track in enumerate(tracks.load(task.out, task.unit)):
        frames = track.frames
        inside = len(frames) and start <= frames[0] and frames[-1] < stop and (np.diff(frames) == 1).all()
        lengths = {
            len(getattr(track, name)) for name in ("mesh", "pose", "size", "sharp", "occlusion", "reason")
        }
        if not inside or lengths != {len(frames)} or not np.isfinite(track.mesh).all():
            raise CheckError(f"track {number} of shot {task.unit} is not whole; type: dubcli run again")
