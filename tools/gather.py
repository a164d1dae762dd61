"""Speech and mouths of clips, by the pipeline's own stages, kept in a folder between runs."""

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
from dubcli.media.decode import audio
from dubcli.settings.config import Settings
from dubcli.speech.features import features, levelled


@dataclass(frozen=True)
class Clip:
    """One person speaking.

    Attributes:
        name: the file's stem.
        seconds: (T,) time of each eligible frame in the sound.
        shape: (T, P, 3) canonical mouths.
        head: (478, 3) canonical head.
        features: of the sound, see `speech.features`.
        faster: the same played at other speeds, by speed: other voices, as it were.
    """

    name: str
    seconds: NDArray[np.float64]
    shape: NDArray[np.float32]
    head: NDArray[np.float32]
    features: dict[str, NDArray[np.float32]]
    faster: dict[float, dict[str, NDArray[np.float32]]]


def gather(path: Path, cache: Path, speeds: Sequence[Fraction] = ()) -> Clip:
    """Track and hear a clip; what `cache` holds already is not done again."""
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
    return _clip(path.stem, view, {float(s): _heard(path, folder, s) for s in speeds})


def _heard(path: Path, folder: Path, speed: Fraction) -> dict[str, Any]:
    """Features of the sound played at another speed, pitch and formants moving with it."""
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
    found = [t for a in view.all("track").values() for t in tracks.load(a.path)]
    longest = max(found, key=lambda t: float(t.eligible.sum()))
    good = longest.eligible
    head = pose.mean_head(longest.mesh[good])
    fit = pose.canonical_transform(longest.mesh[good], head)
    shape = pose.to_canonical(longest.mesh[good], fit)[:, list(regions.MOUTH)]
    seconds = Frames.load(view.one("split").path).seconds[longest.frames[good]] - record.offset
    heard = speech.features(view.one("align").path)
    return Clip(name, seconds, shape, np.asarray(head, np.float32), heard, faster)
