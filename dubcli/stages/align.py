"""`align`: speech regions, words, phones and mouth-telling features of an audio file."""

from __future__ import annotations

import json
from typing import Any

from dubcli.engines import registry
from dubcli.errors import CheckError
from dubcli.stages.base import JobView, Stage, Task, Unit

STAGE = Stage("align", version=2, after=("probe",))


def units(job: JobView) -> list[Unit]:
    """`dub`, and `film` where the film has sound."""
    engine = registry.engine("aligner", job.settings.align.engine)
    found = []
    info = json.loads((job.one("probe").path / "media.json").read_bytes())
    tracks = [a for a in info["audio"] if a["channels"]]
    if tracks:
        track = max(tracks, key=lambda a: ("default" in a["disposition"], -a["index"]))
        found.append(
            Unit(
                STAGE,
                "film",
                inputs={"audio": track["digest"]},
                paths={"audio": job.sources["film"].path},
                facts={"stream": track["index"], "offset": _offset(track, info["video"])},
                engine=engine,
            )
        )
    dub = job.sources["dub"]
    found.append(Unit(STAGE, "dub", inputs={"audio": dub.sha256}, paths={"audio": dub.path}, engine=engine))
    for role, stem in sorted(job.sources.items()):
        if role.startswith("stem:"):
            inputs, paths = {"audio": stem.sha256}, {"audio": stem.path}
            found.append(Unit(STAGE, role, inputs=inputs, paths=paths, engine=engine))
    return found


def run(task: Task) -> None:
    """Hear one audio file."""
    import numpy as np

    from dubcli.engines.aligners.base import Aligner
    from dubcli.media.decode import audio
    from dubcli.speech.features import features, levelled

    wave, start = audio(task.inputs["audio"], rate=16000, stream=task.facts.get("stream"))
    aligner: Aligner = registry.engine("aligner", task.engine).load()
    heard = aligner.hear(levelled(wave), task.report)
    offset = start if task.unit == "film" else 0.0
    heard.record.model_copy(update={"offset": round(offset, 4)}).save(task.out / "speech.json")
    np.savez_compressed(task.out / "features.npz", **features(wave, heard))
    if task.unit == "dub" and not heard.record.regions:
        task.warn("the dub holds no speech: mouths that talked will be kept closed")


def check(task: Task) -> None:
    """The record is valid and every feature has as many rows as the sound asks for.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.speech import encoder, record

    speech = record.load(task.out / "speech.json")
    with np.load(task.out / "features.npz", allow_pickle=False) as box:
        for name in box.files:
            rows = box[name]
            rate = encoder.HZ if name == "encoded" else 100
            if abs(len(rows) / rate - speech.seconds) > 2.5 / rate:
                raise CheckError(f"{name} has {len(rows)} rows for {speech.seconds} s; run it again")
            if not np.isfinite(rows).all():
                raise CheckError(f"{name} holds values that are no numbers; run it again")


def _offset(track: dict[str, Any], video: dict[str, Any] | None) -> float:
    """Start of the sound after the first picture, in hundredths of a second: re-wrapping may change less."""
    begin = track["start"] * track["time_base"][0] / track["time_base"][1]
    if video:
        begin -= video["start_pts"] * video["time_base"][0] / video["time_base"][1]
    return float(round(begin, 2))
