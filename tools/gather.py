"""Audio features and mouth shapes of clips, by the stages of the pipeline, cached in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from dubcli import stages
from dubcli.artifacts import speech, tracks
from dubcli.artifacts.arrays import read
from dubcli.artifacts.shots import Frames
from dubcli.artifacts.speech import Record
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.face import mesh as regions
from dubcli.face import pose
from dubcli.media.sound import audio
from dubcli.settings.config import Settings
from dubcli.speech.features import features, levelled


@dataclass(frozen=True)
class Clip:
    """A clip of one person speaking.

    Attributes:
        name: the file's stem.
        seconds: (T,) time of each eligible frame in the audio.
        shape: (T, P, 3) canonical mouth shapes.
        head: (478, 3) canonical head.
        features: audio features, see `speech.features`.
        faster: speed → features of the audio played at it, as an augmentation of the voice.
    """

    name: str
    seconds: NDArray[np.float64]
    shape: NDArray[np.float32]
    head: NDArray[np.float32]
    features: dict[str, NDArray[np.float32]]
    faster: dict[float, dict[str, NDArray[np.float32]]]


def gather(path: Path, cache: Path, speeds: Sequence[Fraction] = ()) -> Clip:
    """The clip of a file, tracked and aligned; results in `cache` are used again."""
    folder = cache / path.stem
    view = JobView({"film": Source(path, ""), "dub": Source(path, "")}, Settings())
    for name in ("probe", "scan", "split", "track", "align"):
        module = stages.module(name)
        for unit in module.units(view):
            out = folder / f"{name}-{unit.name}"
            if unit.name != "dub" and not (out / "done").exists():
                out.mkdir(parents=True, exist_ok=True)
                engine = unit.engine.name if unit.engine else ""
                module.run(Task(unit.name, unit.paths, unit.params, unit.facts, engine, out))
                (out / "done").touch()
            view.artifacts.setdefault(name, {})[unit.name] = Artifact("", out, _digest(name, unit.name))
    return _clip(path.stem, view, {float(s): _at_speed(path, folder, s) for s in speeds})


def _at_speed(path: Path, folder: Path, speed: Fraction) -> dict[str, Any]:
    """Audio features at another speed, which shifts pitch and formants too."""
    done = folder / f"speed-{float(speed):.2f}.npz"
    if not done.exists():
        wave, _ = audio(path)
        played = resample_poly(wave, speed.denominator, speed.numerator).astype(np.float32)
        np.savez(done, **features(played, PhoneAligner().align(levelled(played))))
    return read(done)


def _digest(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode()).hexdigest()


def _clip(name: str, view: JobView, faster: dict[float, dict[str, Any]]) -> Clip:
    record = Record.load(view.one("align").path)
    found = [t for shot, a in view.all("track").items() for t in tracks.load(a.path, shot)]
    longest = max(found, key=lambda t: float(t.eligible.sum()))
    good = longest.eligible
    head = pose.mean_head(longest.mesh[good])
    fit = pose.canonical_transform(longest.mesh[good], head)
    shape = pose.to_canonical(longest.mesh[good], fit)[:, list(regions.MOUTH)]
    seconds = Frames.load(view.one("split").path).seconds[longest.frames[good]] - record.offset
    audio_features = dict(speech.features(view.one("align").path))
    return Clip(name, seconds, shape, np.asarray(head, np.float32), audio_features, faster)
