"""`split`: shots, each with the digest of its pictures; nothing is decoded for it."""

from __future__ import annotations

import json

from dubcli.artifacts.media import MediaInfo
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError

STAGE = Stage("split", version=6, after=("scan",))


def units(job: JobView) -> list[Unit]:
    """One unit: the film."""
    scan, media = job.one("scan"), job.one("probe")
    return [
        Unit(
            STAGE,
            "film",
            {"frames": scan.content},
            {"scan": scan.path, "probe": media.path},
            params=job.settings.split.model_dump(),
            facts={"film": media.content},
        )
    ]


def run(task: Task) -> None:
    """Write the shots; frames and groups are those of `scan`."""
    import hashlib

    from dubcli.artifacts import shots
    from dubcli.media.shots import detect
    from dubcli.settings.config import SplitSettings

    video = MediaInfo.load(task.inputs["probe"]).film
    frames, change = shots.Frames.load(task.inputs["scan"]), shots.change(task.inputs["scan"])
    kind = video.model_dump(
        include={"width", "height", "pix_fmt", "average_rate", "sar", "mirrored", "rotation", "field_order"}
    )
    kind["colour"] = [video.primaries, video.transfer, video.matrix, video.range, video.chroma_location]
    head = json.dumps(kind, sort_keys=True).encode()
    rows = []
    for shot in detect(change, SplitSettings(**task.params), float(video.rate)):
        hasher = hashlib.sha256(head)
        hasher.update(frames.digest[shot.start : shot.stop].tobytes())
        rows.append(shots.Shot(name=shot.name, start=shot.start, stop=shot.stop, picture=hasher.hexdigest()))
    shots.Shots(shots=tuple(rows)).save(task.out)
    shots.Groups.load(task.inputs["scan"]).save(task.out)
    frames.save(task.out)


def check(task: Task) -> None:
    """Shots must cover all frames once, and time must go forward."""
    import numpy as np

    from dubcli.artifacts.shots import Frames, Shots

    shots, frames = Shots.load(task.out).shots, Frames.load(task.out)
    pts, digest = frames.pts, frames.digest
    edges = [shot.start for shot in shots] + [len(pts)]
    if edges != [0] + [shot.stop for shot in shots]:
        raise CheckError("the shots do not cover the film; type: dubcli run again")
    if len(digest) != len(pts) or not (np.diff(pts) > 0).all():
        raise CheckError("the film's frames are not in order; type: dubcli run again")
