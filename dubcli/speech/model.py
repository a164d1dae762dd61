"""From speech to mouth: a shipped prior, and what a film's own speech and mouths teach on top of it.

Both are linear in a window of half a second of speech, looking both ways (dubbing is done offline), and
solved in closed form: the same data give the same weights. The prior knows mouths in general and answers in
three measures (opening, width, protrusion) in standard deviations; a person's own weights start from what the
prior says and answer in the person's own shape coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech.basis import Person, measures, opening

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

PRIOR = Path(__file__).with_name("prior.safetensors")
MEASURES = 3
_RATE = 100
_TAPS = np.arange(-24, 25, 4)  # rows of 10 ms around a picture that its mouth is told from
_BLUR = 1.5  # rows; a tap stands for its neighbourhood
_MEL_WEIGHT = 0.1  # against phones, which carry over to other voices
_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_FOLDS = 4
_VELOCITY = 0.5  # weight of how a mouth changes from frame to frame, against where it is
_PRIOR_WEIGHT = 3.0  # how cheaply the prior's answer is used against raw speech
_GAIN = (1.0, 2.5)  # regression flattens; more than this would be noise made loud
_LAGS = np.arange(-12, 13, 2) / 100  # seconds


def inputs(features: Mapping[str, Any]) -> Floats:
    """What a mouth is told from, (F, 60) at 100 Hz: phones first, then a coarse log-mel."""
    phone = np.asarray(features["phone"], np.float32)
    mel = np.asarray(features["logmel"], np.float32)
    coarse = mel.reshape(len(mel), 20, -1).mean(2)
    return np.concatenate([phone, _MEL_WEIGHT * coarse], axis=1)


def windows(rows: Floats, seconds: Array) -> Floats:
    """Windows of `inputs` around given times, (T, D)."""
    from scipy.ndimage import gaussian_filter1d

    if not len(rows):
        return np.zeros((len(seconds), rows.shape[1] * len(_TAPS)), np.float32)
    even = gaussian_filter1d(rows, _BLUR, axis=0, mode="nearest")
    at = np.clip(np.floor(seconds * _RATE)[:, None].astype(int) + _TAPS, 0, len(even) - 1)
    return np.asarray(even[at].reshape(len(seconds), -1), np.float32)


@dataclass(frozen=True)
class Ridge:
    """A linear map with an offset: `(x - centre) @ weight + mean`."""

    centre: Floats
    weight: Floats
    mean: Floats

    def __call__(self, x: Floats) -> Floats:
        return np.asarray((x - self.centre) @ self.weight + self.mean, np.float32)


class Moments:
    """Sums that a ridge regression needs, gathered piece by piece so that memory is flat in film length."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.count = 0.0
        self.x, self.y = np.zeros(inputs), np.zeros(outputs)
        self.xx, self.xy = np.zeros((inputs, inputs)), np.zeros((inputs, outputs))
        self.dxx, self.dxy = np.zeros((inputs, inputs)), np.zeros((inputs, outputs))

    def add(self, x: Floats, y: Floats, sign: float = 1.0) -> None:
        """Add consecutive frames (T, D) and their targets (T, K); sign -1 takes them out again."""
        a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.count += sign * len(a)
        self.x += sign * a.sum(0)
        self.y += sign * b.sum(0)
        self.xx += sign * (a.T @ a)
        self.xy += sign * (a.T @ b)
        da, db = np.diff(a, axis=0), np.diff(b, axis=0)
        self.dxx += sign * (da.T @ da)
        self.dxy += sign * (da.T @ db)

    def solve(self, penalty: float) -> Ridge:
        """Weights that fit both the targets and their change from frame to frame."""
        count = max(self.count, 1.0)
        mx, my = self.x / count, self.y / count
        xx = self.xx - count * np.outer(mx, mx) + _VELOCITY * self.dxx
        xy = self.xy - count * np.outer(mx, my) + _VELOCITY * self.dxy
        weight = np.linalg.solve(xx + penalty * np.eye(len(xx)), xy)
        return Ridge(*(np.asarray(v, np.float32) for v in (mx, weight, my)))


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of one person whose own voice may be in the sound.

    Attributes:
        person: whose mouth it is.
        seconds: (T,) time of each frame in the sound.
        shape: (T, P, 3) canonical mouths.
    """

    person: str
    seconds: Array
    shape: Floats


@dataclass(frozen=True)
class Voice:
    """What one person's own film taught: speech windows to shape coefficients, and how much to exaggerate."""

    ridge: Ridge
    gain: float


@dataclass(frozen=True)
class MouthModel:
    """Speech to mouth for the persons of a film.

    Attributes:
        prior: speech windows to measures in standard deviations.
        lag: seconds by which the film's pictures come after its sound.
        voices: what each person's own speech taught; persons without are driven by the prior alone.
    """

    prior: Ridge
    lag: float
    voices: Mapping[str, Voice]

    def predict(self, name: str, person: Person, features: Mapping[str, Any], seconds: Array) -> Floats:
        """Shapes (T, P, 3) that a person's mouth takes for that speech at those times."""
        x = windows(inputs(features), np.asarray(seconds, np.float64))
        z = self.prior(x)
        voice = self.voices.get(name)
        if voice is None:
            return from_measures(person, z)
        coefficients = voice.ridge(_stacked(x, z))
        return person.decode(voice.ridge.mean + voice.gain * (coefficients - voice.ridge.mean))

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.numpy import save_file

        out = {
            "prior/centre": self.prior.centre,
            "prior/weight": self.prior.weight,
            "prior/mean": self.prior.mean,
        }
        out["lag"] = np.array([self.lag], np.float32)
        for name, voice in sorted(self.voices.items()):
            out[f"voice/{name}/centre"] = voice.ridge.centre
            out[f"voice/{name}/weight"] = voice.ridge.weight
            out[f"voice/{name}/mean"] = voice.ridge.mean
            out[f"voice/{name}/gain"] = np.array([voice.gain], np.float32)
        save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, path)


def load(path: Path) -> MouthModel:
    """Read what `MouthModel.save` wrote."""
    from safetensors.numpy import load_file

    box = load_file(path)
    names = sorted({key.split("/")[1] for key in box if key.startswith("voice/")})
    return MouthModel(
        prior=_ridge(box, "prior"),
        lag=float(box["lag"][0]),
        voices={n: Voice(_ridge(box, f"voice/{n}"), float(box[f"voice/{n}/gain"][0])) for n in names},
    )


def load_prior(path: Path = PRIOR) -> Ridge:
    """The shipped prior, or one of the same form."""
    from safetensors.numpy import load_file

    return _ridge(load_file(path), "prior")


def _ridge(box: Mapping[str, Any], name: str) -> Ridge:
    return Ridge(*(np.asarray(box[f"{name}/{part}"], np.float32) for part in ("centre", "weight", "mean")))


def from_measures(person: Person, z: Floats) -> Floats:
    """A person's shapes (T, P, 3) for measures in standard deviations (T, 3)."""
    seen = person.decode(person.coefficients) if len(person.coefficients) else person.closed[None]
    values = measures(seen)
    spread = np.maximum(values.std(0), 1e-4)
    known = Moments(MEASURES, person.basis.shape[0])
    known.add((values - values.mean(0)) / spread, person.encode(seen))
    return person.decode(known.solve(1.0)(z))


def lag(prior: Ridge, features: Mapping[str, Any], seconds: Array, shape: Floats) -> float:
    """Seconds by which pictures come after their sound: where the prior's opening fits best."""
    rows, gap = inputs(features), opening(shape)
    fits = [float(np.corrcoef(prior(windows(rows, seconds - lag))[:, 0], gap)[0, 1]) for lag in _LAGS]
    return float(_LAGS[int(np.nanargmax(fits))])


def fit(
    prior: Ridge,
    people: Mapping[str, Person],
    stretches: Sequence[Stretch],
    features: Mapping[str, Any],
    least_seconds: float,
) -> tuple[MouthModel, dict[str, dict[str, float]]]:
    """Learn each person's mouth from stretches of their own speech.

    Args:
        prior: where to start from.
        people: shape spaces by name.
        stretches: of all persons.
        features: of the film's sound.
        least_seconds: a person with less speech than this is left to the prior.

    Returns:
        The model, and per learnt person: `seconds` learnt from, `corr` of opening in held-out parts,
        `penalty` and `gain`.
    """
    rows = inputs(features)
    speech = np.asarray(features["speech"], np.float32)
    stretches = [s for s in stretches if len(s.seconds) > 5 and _spoken(speech, s.seconds).mean() > 0.2]
    voices: dict[str, Voice] = {}
    facts: dict[str, dict[str, float]] = {}
    for name, person in sorted(people.items()):
        own = [s for s in stretches if s.person == name]
        length = sum(float(_spoken(speech, s.seconds).sum()) * _step(s.seconds) for s in own)
        if length < least_seconds:
            continue
        voice, found = _voice(prior, person, own, rows)
        voices[name], facts[name] = voice, {"seconds": round(length, 2), **found}
    return MouthModel(prior, 0.0, voices), facts


def _voice(
    prior: Ridge, person: Person, own: Sequence[Stretch], rows: Floats
) -> tuple[Voice, dict[str, float]]:
    pieces = []
    for stretch in own:
        x = windows(rows, stretch.seconds)
        pieces.append((_stacked(x, prior(x)), person.encode(stretch.shape), opening(stretch.shape)))
    folds = _folds([len(x) for x, _, _ in pieces])
    width, outputs = pieces[0][0].shape[1], person.basis.shape[0]
    total, parts = Moments(width, outputs), [Moments(width, outputs) for _ in range(_FOLDS)]
    for (x, y, _), cuts in zip(pieces, folds, strict=True):
        for fold, (a, b) in cuts:
            parts[fold].add(x[a:b], y[a:b])
    for part in parts:
        merge(total, part)
    best: tuple[float, float, float] = (-2.0, _PENALTIES[-1], 1.0)
    for penalty in _PENALTIES:
        got, want = [], []
        for fold, part in enumerate(parts):
            rest = Moments(width, outputs)
            merge(rest, total)
            merge(rest, part, -1.0)
            ridge = rest.solve(penalty)
            for (x, _, gap), cuts in zip(pieces, folds, strict=True):
                for _, (a, b) in (cut for cut in cuts if cut[0] == fold):
                    got.append(opening(person.decode(ridge(x[a:b]))))
                    want.append(gap[a:b])
        told, true = np.concatenate(got), np.concatenate(want)
        corr = float(np.corrcoef(told, true)[0, 1])
        best = max(best, (corr, penalty, float(true.std() / max(told.std(), 1e-6))))
    corr, penalty, ratio = best
    gain = float(np.clip(ratio, *_GAIN))
    found = {"corr": round(corr, 3), "penalty": penalty, "gain": round(gain, 3)}
    return Voice(total.solve(penalty), gain), found


def merge(into: Moments, other: Moments, sign: float = 1.0) -> None:
    """Add other sums to some, or take them out again with sign -1."""
    into.count += sign * other.count
    for name in ("x", "y", "xx", "xy", "dxx", "dxy"):
        getattr(into, name).__iadd__(sign * getattr(other, name))


def _folds(lengths: Sequence[int]) -> list[list[tuple[int, tuple[int, int]]]]:
    """Cut all pieces, laid end to end, into `_FOLDS` contiguous parts: per piece (fold, (start, stop))."""
    total, done, out = sum(lengths), 0, []
    edges = np.linspace(0, total, _FOLDS + 1).astype(int)
    for length in lengths:
        cuts = []
        for fold in range(_FOLDS):
            a, b = max(edges[fold] - done, 0), min(edges[fold + 1] - done, length)
            if b > a:
                cuts.append((fold, (int(a), int(b))))
        out.append(cuts)
        done += length
    return out


def _stacked(x: Floats, z: Floats) -> Floats:
    return np.concatenate([x, _PRIOR_WEIGHT * z], axis=1)


def _spoken(speech: Floats, seconds: Array) -> NDArray[np.bool_]:
    if not len(speech):
        return np.zeros(len(seconds), bool)
    return np.asarray(speech[np.clip((seconds * _RATE).astype(int), 0, len(speech) - 1)] > 0.5)


def _step(seconds: Array) -> float:
    return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
