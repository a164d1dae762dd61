"""Follow every face of a shot: box, mesh, pose, and where its mouth may be changed."""

from __future__ import annotations

import json

from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.engines.registry import engine

STAGE = Stage("track", 4, after=("split",))


def units(job: JobView) -> list[Unit]:
    """One unit per shot."""
    split, probe = job.one("split"), job.one("probe")
    video = json.loads((probe.path / "media.json").read_text(encoding="utf-8"))["video"]
    settings = job.settings.track
    weights = job.weights(settings.engine)
    return [
        Unit(
            STAGE,
            shot["name"],
            inputs={"picture": shot["picture"]} | {role: file.sha256 for role, file in weights.items()},
            paths={"film": job.sources["film"].path, "split": split.path, "probe": probe.path}
            | {role: file.path for role, file in weights.items()},
            params=settings.model_dump(exclude={"engine"}),
            facts={
                "start": shot["start"],
                "stop": shot["stop"],
                "quarter_turns": round(-video["rotation"] / 90) % 4,
            },
            engine=engine("tracker", settings.engine),
            cost=shot["stop"] - shot["start"],
        )
        for shot in json.loads((split.path / "shots.json").read_text(encoding="utf-8"))
    ]


def run(task: Task) -> None:
    """Track the faces of one shot into `tracks.npz`."""
    import numpy as np

    from dubcli.face import tracks
    from dubcli.face.condition import judge
    from dubcli.media import decode
    from dubcli.media.probe import MediaInfo

    video = MediaInfo.model_validate_json((task.inputs["probe"] / "media.json").read_text("utf-8")).film
    start, stop = task.facts["start"], task.facts["stop"]
    with np.load(task.inputs["split"] / "frames.npz", allow_pickle=False) as box:
        pts = box["pts"]
    tracker = engine("tracker", task.engine).load()
    if task.weights:
        tracker.use(task.weights)
    found = tracker.track(
        decode.frames(task.inputs["film"], video, pts, start, stop),
        turn=task.facts["quarter_turns"],
        views=task.params["views"],
        done=lambda count: task.report(count, stop - start),
    )
    for track in found:
        judge(track, task.params)
    tracks.save(task.out / "tracks.npz", found)


def check(task: Task) -> None:
    """The tracks lie inside the shot and agree with themselves.

    Raises:
        CheckError: they do not.
    """
    import numpy as np

    from dubcli.errors import CheckError
    from dubcli.face import tracks

    start, stop = task.facts["start"], task.facts["stop"]
    for number, track in enumerate(tracks.load(task.out / "tracks.npz")):
        frames = track.frames
        inside = len(frames) and start <= frames[0] and frames[-1] < stop and (np.diff(frames) == 1).all()
        lengths = {
            len(getattr(track, name)) for name in ("mesh", "pose", "size", "sharp", "occlusion", "reason")
        }
        if not inside or lengths != {len(frames)} or not np.isfinite(track.mesh).all():
            raise CheckError(f"track {number} of shot {task.unit} is not whole; type: dubcli run again")
