"""`remux`: the film, with the new picture, the dub and everything else the source has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError

if TYPE_CHECKING:
    from pathlib import Path

    from dubcli.media.picture import Segment

STAGE = Stage("remux", version=3, after=("compose",))


def units(job: JobView) -> Iterable[Unit]:
    """One unit: the film."""
    from dubcli.media.language import guess

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
            "language": settings.language or guess(dub.path.stem),
            "compose": job.settings.compose.model_dump(),
            "offset": job.settings.align.offset,
        },
        facts={"suffix": job.suffix},
        cost=float(
            sum(shot["stop"] - shot["start"] for shot in json.loads((split.path / "shots.json").read_text()))
        ),
    )


def run(task: Task) -> None:
    """Write `film.<suffix>` and `remux.json`."""
    import tempfile
    from pathlib import Path

    import numpy as np

    from dubcli.media import assemble, decode
    from dubcli.media.picture import Film
    from dubcli.media.probe import MediaInfo, probe
    from dubcli.media.remux import Dub
    from dubcli.settings.config import ComposeSettings

    path = task.inputs["film"]
    info = MediaInfo.model_validate_json((task.inputs["probe"] / "media.json").read_bytes())
    with np.load(task.inputs["split"] / "frames.npz", allow_pickle=False) as box:
        film, digest = Film(path, info.film, box["pts"]), box["digest"]
    groups = json.loads((task.inputs["split"] / "groups.json").read_text())
    track = decode.main_track(probe(task.inputs["dub"]))
    seconds = decode.duration(task.inputs["dub"], track.index)
    alone = task.params["original"] == "drop"
    dub = Dub(task.inputs["dub"], track, seconds, task.params["language"], task.params["offset"], alone)
    segments = [_segment(path) for role, path in sorted(task.inputs.items()) if role.startswith("video/")]
    with tempfile.TemporaryDirectory(dir=task.out) as scratch:
        note = assemble.film(
            film, info, digest, groups, dub, segments,
            settings=ComposeSettings(**task.params["compose"]),
            out=task.out / f"film{task.facts['suffix']}",
            scratch=Path(scratch),
            report=task.report,
            warn=task.warn,
        )  # fmt: skip
    (task.out / "remux.json").write_text(json.dumps(note, indent=1) + "\n")


def _segment(folder: Path) -> Segment:
    from dubcli.media.picture import Segment

    note = json.loads((folder / "compose.json").read_text())
    return Segment(folder / "video.nut", tuple((a, b) for a, b in note["spans"]), note["delay"])


def check(task: Task) -> None:
    """The film's frames and times were compared while it was made; it must be there."""
    for name in (f"film{task.facts['suffix']}", "remux.json"):
        if not (task.out / name).is_file():
            raise CheckError(f"remux left no {name}; type: dubcli run again")
