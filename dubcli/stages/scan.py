"""`scan`: the time, digest and change of every frame, and where packets can be cut, in one decoding pass."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dubcli.artifacts.media import MediaInfo
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError, MediaError

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.media.groups import Grouper
    from dubcli.media.shots import Scorer

STAGE = Stage("scan", version=5, after=("probe",))
_COUNTING = ("mxf", "avi")  # containers that count packets instead of timing pictures
_JUMP_SECONDS = 1  # seconds back in time, more than any reordering of pictures; set by hand


def units(job: JobView) -> list[Unit]:
    """One unit: the film. It depends on no setting, so a film is scanned once."""
    media = job.one("probe")
    video = MediaInfo.load(media.path).film
    return [
        Unit(
            STAGE,
            "film",
            {"video": video.digest},
            {"film": job.sources["film"].path, "probe": media.path},
            # The same packets in another container may be timed otherwise.
            facts={"film": media.content},
            cost=float(video.packets),
            needs=job.picture_needs,
        )
    ]


class _DamagedError(Exception):
    """The film's picture is damaged."""


@dataclass
class _Reading:
    """What one pass over the film's picture tells of it.

    Attributes:
        grouper: knows where its packets can be cut.
        scorer: how much frames differ from those before them.
        times: of its frames, in ticks, in the order they come.
        digests: of its frames.
        damaged: packets that do not decode, and frames of which something was guessed.
    """

    grouper: Grouper
    scorer: Scorer
    times: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    damaged: int = 0


def run(task: Task) -> None:
    """Write what every frame is, how much it differs from the one before, and where packets can be cut."""
    import numpy as np

    from dubcli.artifacts import shots
    from dubcli.media.groups import MISTIMED

    info = MediaInfo.load(task.inputs["probe"])
    video = info.film
    try:
        found = _read(task, video, careful=False)
    except _DamagedError:
        found = _read(task, video, careful=True)
    times, grouper = found.times, found.grouper
    if not times:
        raise MediaError(f"{task.inputs['film']}: no picture can be decoded; check that the film is whole")
    if found.damaged:
        grouper.refuse(f"{found.damaged} of its packets or frames are damaged", damaged=True)
        count = f"{found.damaged} packets or frames of the film's picture"
        task.warn(f"{count} are damaged; what is lacking was guessed")
    # Pictures come in their order. Where a container counts packets instead of timing them (MXF without an
    # index), times do not, and copied packets would keep the wrong ones. No two pictures have one time.
    if times != sorted(times):
        grouper.refuse(MISTIMED)
        if info.format not in _COUNTING:
            early = sum(b < a for a, b in itertools.pairwise(times))
            task.warn(
                f"times of {early} pictures lie before those that they follow, as where parts were joined "
                "without encoding; all are shown in their order, some at other times: where that matters, "
                "join the parts anew, encoding them"
            )
    ticks = np.arange(len(times))
    pts = np.maximum.accumulate(np.sort(np.array(times, np.int64)) - ticks) + ticks
    grouper.groups(pts).save(task.out)
    rows = np.frombuffer(b"".join(found.digests), np.uint8).reshape(-1, 16)
    shots.Frames(pts, rows, video.tick).save(task.out)
    shots.save_change(task.out, np.array(found.scorer.scores, np.float64))


def _read(task: Task, video: VideoStream, *, careful: bool) -> _Reading:
    """Decode the film's picture; `careful` as for `decode.open_stream`.

    Raises:
        _DamagedError: it is damaged, and was not read carefully.
        MediaError: its times jump back, or it changes midway.
    """
    from dubcli.media import ahead, decode, source
    from dubcli.media.colour import Colour
    from dubcli.media.groups import Grouper
    from dubcli.media.shots import WIDTH, Scorer
    from dubcli.media.swscale import to_rgb

    film = task.inputs["film"]
    colour = Colour.of(video)
    size = (WIDTH, max(16, round(WIDTH * video.height / video.width)))
    step = max(1, round(1 / (video.rate * video.tick)))
    with source.opened(film) as container:
        stream = decode.open_stream(container, film, video.index, careful=careful)
        grouper = Grouper(video.codec, stream.codec_context.extradata or b"")
        found = _Reading(grouper, Scorer(float(video.rate)))
        times = found.times

        def count_damage() -> None:
            if not careful:
                raise _DamagedError
            found.damaged += 1

        pictures = decode.pictures(container, stream, film, video, count_damage, grouper.add)
        pictures = decode.steady(pictures, stream, film)
        for frame, digest in ahead.read(((frame, decode.digest(frame)) for frame in pictures), 4):
            presentation = decode.presentation_time(frame, container)
            after = times[-1] + step if times else video.start_pts
            time = presentation if presentation is not None else after
            if times and time < times[-1] - _JUMP_SECONDS / video.tick:
                mpeg = container.format.name in ("mpegts", "mpeg")  # where ffmpeg lets times go on by itself
                way = f" (ffmpeg -i FILM -map 0 -c copy NEW{film.suffix})" if mpeg else ""
                raise MediaError(
                    f"{film}: its times jump back after frame {len(times) - 1}, as where files were joined; "
                    f"write it anew with times that go on{way}, or dub its parts one by one"
                )
            times.append(time)
            found.digests.append(digest)
            found.scorer.add(to_rgb(frame, colour, *size, small=True)[..., ::-1])
            if len(times) % 25 == 0:
                task.report(len(times), max(video.packets, len(times)))
    return found


def check(task: Task) -> None:
    """Time must go forward, and every frame have its digest and its change.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.artifacts import shots

    frames, change = shots.Frames.load(task.out), shots.change(task.out)
    pts = frames.pts
    if not len(pts) == len(frames.digest) == len(change) or not (np.diff(pts) > 0).all():
        raise CheckError("the film's frames are not in order; type: dubcli run again")
