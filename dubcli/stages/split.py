"""`split`: shots, the digest of each one's pictures, and the time of every frame, in one decoding pass."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dubcli.artifacts.media import MediaInfo
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError, MediaError

STAGE = Stage("split", version=5, after=("probe",))
_JUMP_SECONDS = 1  # back in time, which no reordering of pictures explains


def units(job: JobView) -> Iterable[Unit]:
    """One unit: the film."""
    media = job.one("probe")
    video = MediaInfo.load(media.path).film
    yield Unit(
        STAGE,
        "film",
        {"video": video.digest},
        {"film": job.sources["film"].path, "probe": media.path},
        params=job.settings.split.model_dump(),
        # The same packets in another container may be timed otherwise.
        facts={"film": media.content},
        cost=float(video.packets),
    )


def run(task: Task) -> None:
    """Write `shots.json`, `frames.npz` and `groups.json`."""
    import hashlib

    import numpy as np

    from dubcli.artifacts.shots import Frames, Shot, Shots
    from dubcli.media import decode, source
    from dubcli.media.colour import Colour
    from dubcli.media.groups import Grouper
    from dubcli.media.shots import WIDTH, Cutter
    from dubcli.settings.config import SplitSettings

    video = MediaInfo.load(task.inputs["probe"]).film
    film = task.inputs["film"]
    colour = Colour.of(video)
    cutter = Cutter(SplitSettings(**task.params), float(video.rate))
    size = (WIDTH, max(16, round(WIDTH * video.height / video.width)))
    pts: list[int] = []
    digests: list[bytes] = []
    damaged = 0

    def count_damage() -> None:
        nonlocal damaged
        damaged += 1

    with source.opened(film) as container:
        stream = decode.prepared(container, film, video.index)
        grouper = Grouper(video.codec, stream.codec_context.extradata or b"")
        step = max(1, round(1 / (video.rate * video.tick)))
        for frame in decode.pictures(container, stream, film, video, count_damage, grouper.add):
            told = decode.shown(frame, container)
            time = told if told is not None else (pts[-1] + step if pts else video.start_pts)
            if pts and time < pts[-1] - _JUMP_SECONDS / video.tick:
                raise MediaError(
                    f"{film}: its times jump back after frame {len(pts) - 1}, as where files were joined; "
                    "give it times that go on, or dub its parts one by one"
                )
            pts.append(max(time, pts[-1] + 1) if pts else time)
            digests.append(decode.digest(frame))
            cutter.add(decode.whole(frame, colour, *size, small=True)[..., ::-1])
            if len(pts) % 25 == 0:
                task.report(len(pts), max(video.packets, len(pts)))
    if not pts:
        raise MediaError(f"{film}: no picture can be decoded; check that the film is whole")
    if damaged:
        grouper.refuse(f"{damaged} of its packets or frames are damaged")
        task.warn(
            f"{damaged} packets or frames of the film's picture are damaged; what is lacking was guessed"
        )
    kind = video.model_dump(
        include={"width", "height", "pix_fmt", "average_rate", "sar", "mirrored", "rotation", "field_order"}
    )
    kind["colour"] = [video.primaries, video.transfer, video.matrix, video.range, video.chroma_location]
    head = json.dumps(kind, sort_keys=True).encode()
    shots = []
    for shot in cutter.shots():
        hasher = hashlib.sha256(head)
        for one in digests[shot.start : shot.stop]:
            hasher.update(one)
        shots.append(Shot(name=shot.name, start=shot.start, stop=shot.stop, picture=hasher.hexdigest()))
    Shots(shots=tuple(shots)).save(task.out)
    grouper.groups(np.array(pts, np.int64)).save(task.out)
    rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
    Frames(np.array(pts, np.int64), rows, video.tick).save(task.out)


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
