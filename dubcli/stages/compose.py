"""`compose`: the pictures of a shot with the mouths mixed in, encoded in the film's own codec."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.errors import CheckError
from dubcli.media import spans
from dubcli.media.spans import Span

STAGE = Stage("compose", version=2, after=("lips",))

# What of the film's description does not change the encoded pictures.
_NOT_PICTURE = ("index", "time_base", "start_pts", "delay", "packets", "digest", "tags")


def units(job: JobView) -> Iterable[Unit]:
    """One unit per shot of which something must be encoded; none where no frame is changed."""
    media, split = job.one("probe"), job.one("split")
    shots = json.loads((split.path / "shots.json").read_text())
    groups = json.loads((split.path / "groups.json").read_text())
    video = json.loads((media.path / "media.json").read_text())["video"]
    facts = {key: value for key, value in video.items() if key not in _NOT_PICTURE}
    patches: dict[str, dict[str, Artifact]] = {shot["name"]: {} for shot in shots}
    touched: list[Span] = []
    for name, artifact in job.all("lips").items():
        patches[name.split(".")[0]][f"patch/{name}"] = artifact
        if (artifact.path / "patch.npz").exists():
            touched += spans.runs(spans.integers(artifact.path / "patch.npz", "frames"))
    settings = job.settings.compose
    other = spans.codec(settings.codec, video["codec"]) != video["codec"]
    count = shots[-1]["stop"]
    encoded = [(0, count)] if other else _encoded(settings.video, touched, groups, count)
    for shot in shots:
        mine = patches[shot["name"]]
        parts = spans.clipped(encoded, (shot["start"], shot["stop"]))
        if not parts:
            continue
        yield Unit(
            STAGE,
            shot["name"],
            {"picture": shot["picture"], **{role: artifact.content for role, artifact in mine.items()}},
            {
                "film": job.sources["film"].path,
                "probe": media.path,
                "split": split.path,
                **{role: artifact.path for role, artifact in mine.items()},
            },
            params=settings.model_dump(exclude={"video"}),
            facts={"video": facts, "start": shot["start"], "spans": [list(part) for part in parts]},
            cost=float(sum(stop - start for start, stop in parts)),
        )


def _encoded(way: str, touched: list[Span], groups: dict[str, Any], count: int) -> list[Span]:
    """Ranges of frames that must be encoded: groups with touched frames, and groups that cannot be copied."""
    if touched and (way == "encode" or groups["reason"]):
        return [(0, count)]
    edges = [*groups["starts"], count]
    fixed = [(edges[k], edges[k + 1]) for k, stuck in enumerate(groups["fixed"]) if stuck]
    return spans.grown([*touched, *fixed], groups["starts"], groups["keys"], count)


def run(task: Task) -> None:
    """Write `video.nut` and `compose.json`."""
    import numpy as np

    from dubcli.media.compose import encode_spans
    from dubcli.media.encode import encoding
    from dubcli.media.patches import Patches
    from dubcli.media.probe import MediaInfo
    from dubcli.settings.config import ComposeSettings

    video = MediaInfo.model_validate_json((task.inputs["probe"] / "media.json").read_bytes()).film
    with np.load(task.inputs["split"] / "frames.npz", allow_pickle=False) as box:
        pts, digest = box["pts"], box["digest"]
    faces = [Patches(path) for role, path in sorted(task.inputs.items()) if role.startswith("patch/")]
    settings = ComposeSettings(**task.params)
    parts = [(start, stop) for start, stop in task.facts["spans"]]
    delay = encode_spans(
        task.inputs["film"],
        video,
        pts,
        digest,
        parts,
        faces,
        task.out / "video.nut",
        settings,
        task.report,
    )
    changed = sum(len(face.frames) for face in faces)
    note = {"spans": parts, "delay": delay, "changed": changed, "codec": encoding(video, settings).codec}
    (task.out / "compose.json").write_text(json.dumps(note, indent=1) + "\n")


def check(task: Task) -> None:
    """The count of pictures was taken by reading the file back; both files must be there."""
    for name in ("video.nut", "compose.json"):
        if not (task.out / name).is_file():
            raise CheckError(f"compose left no {name}; type: dubcli run again")
