"""`compose`: the pictures of a shot with the mouths mixed in, encoded in the film's own codec."""

from __future__ import annotations

from collections.abc import Iterable

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.patches import PatchFacts
from dubcli.artifacts.shots import Groups, Shots
from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.errors import CheckError, MediaError
from dubcli.media import spans
from dubcli.media.spans import Span
from dubcli.stages.measure import shown

STAGE = Stage("compose", version=8, after=("measure",), along="measure")

# Fields of the film's description that do not change the encoded pictures.
_NOT_PICTURE = {
    "index", "time_base", "start_pts", "last_duration", "delay", "packets", "first_bytes", "digest", "tags",
    "disposition",
}  # fmt: skip


def units(job: JobView) -> Iterable[Unit]:
    """One unit per shot of which something must be encoded; none where no frame is changed."""
    media, split = job.one("probe"), job.one("split")
    shots, groups = Shots.load(split.path), Groups.load(split.path)
    video = MediaInfo.load(media.path).film
    facts = video.model_dump(exclude=_NOT_PICTURE)
    faces: dict[str, dict[str, Artifact]] = {shot.name: {} for shot in shots.shots}
    touched: list[Span] = []
    for name, artifact in shown(job).items():
        faces[name.split(".")[0]][f"patch/{name}"] = artifact
        touched += PatchFacts.planned(artifact.path).spans(name.split(".")[0])
    settings = job.settings.compose
    other_codec = spans.codec(settings.codec, video.codec) != video.codec
    count = shots.count
    if touched and settings.video == "copy":
        if job.awaited:
            return  # until it is known how much
        kind = f"{video.codec}, {video.pix_fmt}"
        raise MediaError(
            f"{sum(b - a for a, b in touched)} frames are changed, and compose.video=copy encodes none of "
            f"the film's ({kind}); take them with dubcli layers export JOB -o DIR, or add "
            "--set compose.video=copy-untouched --set compose.codec=ffv1 -o film.mkv"
        )
    whole = other_codec or (bool(touched) and _encodes_all(settings.video, groups))
    encoded = [(0, count)] if whole else _encoded(touched, groups, count)
    awaited = [(shot.start, shot.stop) for shot in shots.shots if shot.name in job.awaited]
    if awaited and not whole:  # what is changed there may reach into other shots
        every = _encodes_all(settings.video, groups)
        awaited = [(0, count)] if every else spans.grow_to_groups(awaited, groups, count)
    for shot in shots.shots:
        patches = faces[shot.name]
        parts = spans.clip(encoded, (shot.start, shot.stop))
        if not parts or spans.clip(awaited, (shot.start, shot.stop)):
            continue
        yield Unit(
            STAGE,
            shot.name,
            {"picture": shot.picture, **{role: artifact.content for role, artifact in patches.items()}},
            {
                "film": job.sources["film"].path,
                "probe": media.path,
                "split": split.path,
                **{role: artifact.path for role, artifact in patches.items()},
            },
            params=settings.model_dump(exclude={"video"}),
            facts={"video": facts, "start": shot.start, "spans": [list(part) for part in parts]},
            cost=float(sum(stop - start for start, stop in parts)),
            needs=job.picture_needs,
        )


def _encodes_all(way: str, groups: Groups) -> bool:
    """Whether every frame is encoded where one is changed."""
    return way == "encode" or bool(groups.reason)


def _encoded(touched: list[Span], groups: Groups, count: int) -> list[Span]:
    """Ranges of frames to encode: touched ones to the end of their groups, and what cannot be copied."""
    edges = [*groups.starts, count]
    fixed = [(edges[k], edges[k + 1]) for k, stuck in enumerate(groups.fixed) if stuck]
    return spans.grow_to_groups([*touched, *fixed], groups, count)


def run(task: Task) -> None:
    """Encode the changed spans of a shot."""
    from dubcli.artifacts.compose import Segment, video
    from dubcli.artifacts.shots import Frames
    from dubcli.media.compose import encode_spans
    from dubcli.media.encode import encoding
    from dubcli.media.patches import Patches
    from dubcli.settings.config import ComposeSettings

    film, frames = MediaInfo.load(task.inputs["probe"]).film, Frames.load(task.inputs["split"])
    faces = [
        Patches(path, task.unit) for role, path in sorted(task.inputs.items()) if role.startswith("patch/")
    ]
    settings = ComposeSettings(**task.params, video="encode")
    parts = [(start, stop) for start, stop in task.facts["spans"]]
    delay = encode_spans(
        task.inputs["film"],
        film,
        frames.pts,
        frames.digest,
        parts,
        faces,
        video(task.out),
        settings,
        task.report,
    )
    changed = sum(len(face.frames) for face in faces)
    codec = encoding(film, settings).codec
    Segment(spans=tuple(parts), delay=delay, changed=changed, codec=codec).save(task.out)


def check(task: Task) -> None:
    """The count of pictures was taken by reading the file back; both files must be there."""
    from dubcli.artifacts.compose import Segment, video

    Segment.load(task.out)
    if not video(task.out).is_file():
        raise CheckError("compose left no picture; type: dubcli run again")
