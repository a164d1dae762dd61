"""`remux`: the film, with the new picture, the dub and everything else the source has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dubcli.artifacts.shots import Shots
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError

if TYPE_CHECKING:
    from pathlib import Path

    from dubcli.media.picture import Segment

STAGE = Stage("remux", version=20, after=("compose",))


def units(job: JobView) -> Iterable[Unit]:
    """One unit: the film."""
    media, split = job.one("probe"), job.one("split")
    film, dub = job.sources["film"], job.sources["dub"]
    parts = {f"video/{name}": artifact for name, artifact in job.all("compose").items()}
    settings = job.settings.remux
    yield Unit(
        STAGE,
        "film",
        {
            "film": film.sha256,
            "dub": dub.sha256,
            "media": media.content,
            "frames": split.content,
            **{role: artifact.content for role, artifact in parts.items()},
        },
        {
            "film": film.path,
            "dub": dub.path,
            "probe": media.path,
            "split": split.path,
            **{role: artifact.path for role, artifact in parts.items()},
        },
        params={
            **settings.model_dump(),
            "language": job.language,
            "compose": job.settings.compose.model_dump(),
            "offset": job.settings.align.offset,
        },
        facts={"suffix": job.suffix},
        cost=float(Shots.load(split.path).count),
    )


def run(task: Task) -> None:
    """Write the film."""
    import tempfile
    from fractions import Fraction
    from pathlib import Path

    from dubcli.artifacts import remux as artifact
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames, Groups
    from dubcli.media import assemble, soundtrack
    from dubcli.media.groups import MISTIMED
    from dubcli.media.picture import Film
    from dubcli.media.probe import probe
    from dubcli.media.streams import Dub
    from dubcli.settings.config import ComposeSettings

    path = task.inputs["film"]
    info, frames = MediaInfo.load(task.inputs["probe"]), Frames.load(task.inputs["split"])
    groups = Groups.load(task.inputs["split"])
    timed = groups.reason != MISTIMED
    film = Film(path, info.film, frames.pts, Fraction(*info.start), timed)
    track = soundtrack.main_track(probe(task.inputs["dub"], whole=False))
    track = soundtrack.with_decoded_start(task.inputs["dub"], track)
    seconds = soundtrack.duration(task.inputs["dub"], track)
    alone = task.params["original"] == "drop"
    dub = Dub(task.inputs["dub"], track, seconds, task.params["language"], task.params["offset"], alone)
    segments = [_segment(path) for role, path in sorted(task.inputs.items()) if role.startswith("video/")]
    with tempfile.TemporaryDirectory(dir=task.out) as scratch:
        source = assemble.Source(film, info, frames.digest, groups, dub)
        target = assemble.Target(
            artifact.film(task.out, task.facts["suffix"]),
            Path(scratch),
            ComposeSettings(**task.params["compose"]),
            task.report,
            task.warn,
        )
        note = assemble.film(source, segments, target)
    note.save(task.out)


def _segment(folder: Path) -> Segment:
    from dubcli.artifacts import compose
    from dubcli.media.picture import Segment

    note = compose.Segment.load(folder)
    return Segment(compose.video(folder), note.spans, note.delay, patched=note.changed > 0)


def check(task: Task) -> None:
    """The film's frames and times were compared while it was made; it must be there."""
    from dubcli.artifacts import remux as artifact

    artifact.Remuxed.load(task.out)
    if not artifact.film(task.out, task.facts["suffix"]).is_file():
        raise CheckError("remux left no film; type: dubcli run again")
