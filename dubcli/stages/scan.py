"""`scan`: the time, digest and change of every frame, and where packets can be cut, in one decoding pass."""

from __future__ import annotations

from dubcli.artifacts.media import MediaInfo
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError, MediaError

STAGE = Stage("scan", version=3, after=("probe",))
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


def run(task: Task) -> None:
    """Write what every frame is, how much it differs from the one before, and where packets can be cut."""
    import numpy as np

    from dubcli.artifacts import shots
    from dubcli.media import ahead, decode, source
    from dubcli.media.colour import Colour
    from dubcli.media.groups import MISTIMED, Grouper
    from dubcli.media.shots import WIDTH, Scorer

    video = MediaInfo.load(task.inputs["probe"]).film
    film = task.inputs["film"]
    colour = Colour.of(video)
    scorer = Scorer(float(video.rate))
    size = (WIDTH, max(16, round(WIDTH * video.height / video.width)))
    times: list[int] = []
    digests: list[bytes] = []
    damaged = 0

    def count_damage() -> None:
        nonlocal damaged
        damaged += 1

    with source.opened(film) as container:
        stream = decode.open_stream(container, film, video.index)
        grouper = Grouper(video.codec, stream.codec_context.extradata or b"")
        step = max(1, round(1 / (video.rate * video.tick)))
        pictures = decode.pictures(container, stream, film, video, count_damage, grouper.add)
        pictures = decode.steady(pictures, stream, film)
        for frame, digest in ahead.read(((frame, decode.digest(frame)) for frame in pictures), 4):
            presentation = decode.presentation_time(frame, container)
            after = times[-1] + step if times else video.start_pts
            time = presentation if presentation is not None else after
            if times and time < times[-1] - _JUMP_SECONDS / video.tick:
                raise MediaError(
                    f"{film}: its times jump back after frame {len(times) - 1}, as where files were joined; "
                    "give it times that go on, or dub its parts one by one"
                )
            times.append(time)
            digests.append(digest)
            scorer.add(decode.to_rgb(frame, colour, *size, small=True)[..., ::-1])
            if len(times) % 25 == 0:
                task.report(len(times), max(video.packets, len(times)))
    if not times:
        raise MediaError(f"{film}: no picture can be decoded; check that the film is whole")
    if damaged:
        grouper.refuse(f"{damaged} of its packets or frames are damaged")
        task.warn(
            f"{damaged} packets or frames of the film's picture are damaged; what is lacking was guessed"
        )
    # Pictures come in their order. Where a container counts packets instead of timing them (MXF without an
    # index), times do not, and copied packets would keep the wrong ones. No two pictures have one time.
    if times != sorted(times):
        grouper.refuse(MISTIMED)
    ticks = np.arange(len(times))
    pts = np.maximum.accumulate(np.sort(np.array(times, np.int64)) - ticks) + ticks
    grouper.groups(pts).save(task.out)
    rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
    shots.Frames(pts, rows, video.tick).save(task.out)
    shots.save_change(task.out, np.array(scorer.scores, np.float64))


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
