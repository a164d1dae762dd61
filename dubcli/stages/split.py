"""`split`: shots, each with the digest of its pictures; nothing is decoded for it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from dubcli.artifacts.media import MediaInfo
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.edits import shotfile
from dubcli.edits.timecode import Clock
from dubcli.errors import CheckError

STAGE = Stage("split", version=6, after=("scan",))


def units(job: JobView) -> list[Unit]:
    """One unit: the film."""
    scan, media = job.one("scan"), job.one("probe")
    edits = {"shots": job.sources["shots"]} if "shots" in job.sources else {}
    return [
        Unit(
            STAGE,
            "film",
            {"frames": scan.content, **{role: file.sha256 for role, file in edits.items()}},
            {"scan": scan.path, "probe": media.path, **{role: file.path for role, file in edits.items()}},
            params=job.settings.split.model_dump(),
            facts={"film": media.content},
        )
    ]


def run(task: Task) -> None:
    """Write the shots; frames and groups are those of `scan`."""
    import hashlib

    from dubcli.artifacts import shots
    from dubcli.media.shots import Shot, detect
    from dubcli.settings.config import SplitSettings

    video = MediaInfo.load(task.inputs["probe"]).film
    frames, change = shots.Frames.load(task.inputs["scan"]), shots.change(task.inputs["scan"])
    kind = video.model_dump(
        include={"width", "height", "pix_fmt", "average_rate", "sar", "mirrored", "rotation", "field_order"}
    )
    kind["colour"] = [video.primaries, video.transfer, video.matrix, video.range, video.chroma_location]
    head = json.dumps(kind, sort_keys=True).encode()
    rows = []
    detected = detect(change, SplitSettings(**task.params), float(video.rate))
    starts, skipped = _edited(task, [shot.start for shot in detected], len(frames.pts))
    for shot in itertools.starmap(Shot, itertools.pairwise([*starts, len(frames.pts)])):
        hasher = hashlib.sha256(head)
        hasher.update(frames.digest[shot.start : shot.stop].tobytes())
        rows.append(shots.Shot(name=shot.name, start=shot.start, stop=shot.stop, picture=hasher.hexdigest()))
    names = tuple(row.name for row in rows if row.start in skipped)
    shots.Shots(shots=tuple(rows), skipped=names or None).save(task.out)
    shots.Groups.load(task.inputs["scan"]).save(task.out)
    frames.save(task.out)


def _edited(task: Task, starts: list[int], count: int) -> tuple[Sequence[int], Sequence[int]]:
    """First frames of all shots after a person's edits, and of those to skip."""
    if "shots" not in task.inputs:
        return starts, ()
    document, file = shotfile.load(task.inputs["shots"])
    clock = Clock.of(MediaInfo.load(task.inputs["probe"]), file.start)
    edges = shotfile.apply_edits(document, file, starts, count, clock)
    return edges.starts, edges.skipped


def check(task: Task) -> None:
    """Shots must hold all frames once, and time must go forward."""
    import numpy as np

    from dubcli.artifacts.shots import Frames, Shots

    shots, frames = Shots.load(task.out).shots, Frames.load(task.out)
    pts, digest = frames.pts, frames.digest
    edges = [shot.start for shot in shots] + [len(pts)]
    if edges != [0] + [shot.stop for shot in shots]:
        raise CheckError("the shots do not cover the film; type: dubcli run again")
    if len(digest) != len(pts) or not (np.diff(pts) > 0).all():
        raise CheckError("the film's frames are not in order; type: dubcli run again")
