"""`align`: speech regions, words, phones and audio features of an audio file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dubcli.artifacts.media import AudioStream, MediaInfo, VideoStream
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.engines import registry
from dubcli.errors import CheckError, ConfigError

STAGE = Stage("align", version=8, after=("probe",))

_BLOCK = 65536  # rows checked at a time


def units(job: JobView) -> list[Unit]:
    """`dub`, and `film` where the film has sound.

    Raises:
        ConfigError: the settings ask for the script engine, and there is no script.
    """
    found = []
    info = MediaInfo.load(job.one("probe").path)
    if track := info.spoken:
        name = "phones" if job.settings.align.engine == "script" else job.settings.align.engine
        facts: dict[str, Any] = {"stream": track.index, "offset": _offset(track, info.video)}
        found.append(_unit(job, "film", name, track.digest, job.sources["film"].path, facts))
    dub, script = job.sources["dub"], job.sources.get("script")
    name = dub_engine(job)
    if name == "script" and script is None:
        raise ConfigError("align.engine is script, but there is none; name one with --script FILE")
    facts = {"offset": job.settings.align.offset}
    if name in ("script", "whisperx"):
        facts["language"] = job.language
    if name == "script" and script:
        facts["script"] = script.path.suffix.lower()
    found.append(_unit(job, "dub", name, dub.sha256, dub.path, facts))
    for role, stem in sorted(job.sources.items()):
        if role.startswith("stem:"):
            own = facts | ({"speaker": role.removeprefix("stem:")} if name == "script" else {})
            found.append(_unit(job, role, name, stem.sha256, stem.path, own))
    return found


def dub_engine(job: JobView) -> str:
    """The aligner of the dub: where there is a script, the one that follows it."""
    return "script" if "script" in job.sources else job.settings.align.engine


def _unit(job: JobView, name: str, engine: str, digest: str, path: Path, facts: dict[str, Any]) -> Unit:
    inputs, paths = {"audio": digest}, {"audio": path}
    own = job.weights(engine)
    if engine == "script":
        own["script"] = job.sources["script"]
    inputs |= {role: source.sha256 for role, source in own.items()}
    paths |= {role: source.path for role, source in own.items()}
    if engine == "whisperx" and (python := job.settings.engines.whisperx.python):
        paths["whisperx/python"] = Path(python).expanduser()
    return Unit(
        STAGE, name, inputs=inputs, paths=paths, facts=facts,
        engine=registry.engine("aligner", engine),
    )  # fmt: skip


def run(task: Task) -> None:
    """Align one audio file and write its record and features."""
    from dubcli.artifacts import speech
    from dubcli.engines.aligners.base import Aligner, AlignmentContext
    from dubcli.media.sound import audio
    from dubcli.speech.features import levelled, made

    heard = {} if task.unit == "film" else {"warn": task.warn}  # the film's own sound is as it is
    wave, start = audio(task.inputs["audio"], rate=16000, stream=task.facts.get("stream"), **heard)
    aligner: Aligner = registry.engine("aligner", task.engine).load()
    context = AlignmentContext(
        script=task.inputs.get("script"),
        language=task.facts.get("language", ""),
        speaker=task.facts.get("speaker", ""),
        paths=task.weights,
        batch=task.batch,
        warn=task.warn,
    )
    wave = levelled(wave, out=wave)
    alignment = aligner.align(wave, task.report, context)
    offset = start if task.unit == "film" else task.facts["offset"]
    record = alignment.record.model_copy(update={"offset": round(offset, 4)})
    record.whole().save(task.out)
    speech.save_features(task.out, made(wave, alignment))
    if task.unit == "dub" and not alignment.record.regions:
        task.warn("the dub holds no speech: mouths that talked will be kept closed")


def check(task: Task) -> None:
    """The record is valid and every feature has as many rows as the sound asks for.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.artifacts import speech
    from dubcli.speech.features import hz

    seconds = speech.Record.load(task.out).seconds
    for name, rows in speech.features(task.out).items():
        rate = hz(name)
        if rate and abs(len(rows) / rate - seconds) > 2.5 / rate:
            raise CheckError(f"{name} has {len(rows)} rows for {seconds} s; run it again")
        if not all(np.isfinite(rows[a : a + _BLOCK]).all() for a in range(0, len(rows), _BLOCK)):
            raise CheckError(f"{name} holds values that are no numbers; run it again")


def _offset(track: AudioStream, video: VideoStream | None) -> float:
    """Start of the sound after the first picture, in hundredths of a second: re-wrapping may change less."""
    begin = track.start * track.time_base[0] / track.time_base[1]
    if video:
        begin -= video.start_pts * video.time_base[0] / video.time_base[1]
    return float(round(begin, 2))
