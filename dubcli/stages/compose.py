"""`compose`: the pictures of a shot with the mouths mixed in, encoded in the film's own codec."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dubcli.errors import CheckError
from dubcli.stages.base import JobView, Stage, Task, Unit

STAGE = Stage("compose", version=1, after=("lips",))

# What of the film's description does not change the encoded pictures.
_NOT_PICTURE = ("index", "time_base", "start_pts", "delay", "packets", "digest")


def units(job: JobView) -> Iterable[Unit]:
    """One unit per shot that must be encoded; none where no frame is changed."""
    media, split = job.one("probe"), job.one("split")
    shots = json.loads((split.path / "shots.json").read_text())
    video = json.loads((media.path / "media.json").read_text())["video"]
    facts = {key: value for key, value in video.items() if key not in _NOT_PICTURE}
    patches: dict[str, dict[str, Any]] = {shot["name"]: {} for shot in shots}
    touched = False
    for name, artifact in job.all("lips").items():
        patches[name.split(".")[0]][f"patch/{name}"] = artifact
        touched = touched or (artifact.path / "patch.npz").exists()
    if not touched:
        return
    for shot in shots:
        mine = patches[shot["name"]]
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
            params=job.settings.compose.model_dump(),
            facts={"video": facts, "start": shot["start"], "stop": shot["stop"]},
            cost=float(shot["stop"] - shot["start"]),
        )


def run(task: Task) -> None:
    """Write `video.nut` and `compose.json`."""
    import numpy as np

    from dubcli.config import ComposeSettings
    from dubcli.media.compose import encode_spans
    from dubcli.media.encode import encoding
    from dubcli.media.patches import Patches
    from dubcli.media.probe import MediaInfo

    video = MediaInfo.model_validate_json((task.inputs["probe"] / "media.json").read_bytes()).film
    with np.load(task.inputs["split"] / "frames.npz", allow_pickle=False) as box:
        pts, digest = box["pts"], box["digest"]
    faces = [Patches(path) for role, path in sorted(task.inputs.items()) if role.startswith("patch/")]
    settings = ComposeSettings(**task.params)
    spans = [(task.facts["start"], task.facts["stop"])]
    delay = encode_spans(
        task.inputs["film"],
        video,
        pts,
        digest,
        spans,
        faces,
        task.out / "video.nut",
        settings,
        task.report,
    )
    changed = sum(len(face.frames) for face in faces)
    note = {"spans": spans, "delay": delay, "changed": changed, "codec": encoding(video, settings).codec}
    (task.out / "compose.json").write_text(json.dumps(note, indent=1) + "\n")


def check(task: Task) -> None:
    """The count of pictures was taken by reading the file back; both files must be there."""
    for name in ("video.nut", "compose.json"):
        if not (task.out / name).is_file():
            raise CheckError(f"compose left no {name}; type: dubcli run again")
