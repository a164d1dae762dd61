"""From speech to mouth: what a film's own speech and mouths teach on top of the prior.

A person's own voice is a Gaussian process (Rasmussen & Williams 2006, §2.2) around what the prior says, in
their shapes and as far as it proved right in the film, with a squared-exponential kernel on the encoder's
rows. Its reach is short: where the dub's voice sounds like nothing in the film, the prior alone speaks. It is
solved in closed form: the same data give the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech import rules
from dubcli.speech.basis import Person, aperture, measures, spread, together
from dubcli.speech.features import BANDS, part
from dubcli.speech.prior import COLUMNS, MEASURES, Linear, Prior, Speech, from_members, members

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

_RATE = 100
_LAGS = np.arange(-16, 17, 2) / 100  # seconds
_LAG_SPREAD = 0.08  # seconds; films are further out of sync than this seldom
_ALIKE = (2.5, 3.5)  # dB between average spectra of one recording, and of two (docs/quality.md)
_TOLERATED = (-0.125, 0.045)  # seconds: what viewers do not notice, sound late or early (ITU-R BT.1359)
_INDEPENDENT = 4  # frames that tell as much as one: mouths change slowly
_NOISE = 8.0  # what speech does not tell of a mouth, in variances of the kernel
_REACH = 0.5  # length scale of the squared exponential, in median squared distances
_FRAMES = 2000  # a person is learnt from at most; more hardly tell more (docs/quality.md)
PIECE = 250  # frames that are looked at together
LESSON = 8000  # frames of a person that are looked at, from the whole film
_FOLDS = 4
_AROUND_S = np.array([-0.04, 0.0, 0.04])  # a mouth is the mean of what is told at these times
_SHARE = np.array([0.25, 0.5, 0.25], np.float32)  # lips are slower than the noise of what is told of them
_PRIOR_GAIN = 1.3  # regression flattens: on unseen voices mouths move that much further than it says
_HELD_OUT = 0.8  # makes mouths move as far as they did, on average (bench/motion.py)
_GAIN = (1.0, 2.5)  # regression flattens; more than this would be noise made loud


def ridge(x: Floats, y: Floats, penalty: float) -> Linear:
    """Least squares with a penalty on the weights, (N, D) and (N, K)."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    mx, my = a.mean(0), b.mean(0)
    a = a - mx
    weight = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ (b - my))
    return Linear(*(np.asarray(v, np.float32) for v in (mx, weight, my)))


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of one person whose own voice may be in the sound.

    Attributes:
        person: whose mouth it is.
        seconds: (T,) time of each frame in the sound.
        shape: (T, P, 3) canonical mouths, or what gives them slice by slice: few are looked at of a film.
    """

    person: str
    seconds: Array
    shape: Any


@dataclass(frozen=True)
class Voice:
    """What one person's own film taught.

    Attributes:
        windows: (N, D) speech that was learnt from, without the log-mel.
        weight: (N, K + 1) of the kernels on it.
        scale: (1,) median squared distance between windows.
        mean: (K + 1,) mean coefficients and lips together.
        trust: how far the prior's coefficients are believed.
        gain: how much to exaggerate coefficients.
    """

    windows: Floats
    weight: Floats
    scale: Floats
    mean: Floats
    trust: Floats
    gain: Floats

    def __call__(self, x: Floats, base: Floats) -> tuple[Floats, Floats]:
        """Coefficients (T, K) and lips together (T,) for windows (T, D) and what the prior tells of them."""
        known = _believed(base - self.mean, self.trust)
        told = known + _kernel(x, self.windows, self.scale) @ self.weight + self.mean
        mean = self.mean[:-1]
        return np.asarray(mean + self.gain * (told[:, :-1] - mean), np.float32), told[:, -1]


_TAUGHT = tuple(field.name for field in fields(Voice))


@dataclass(frozen=True)
class MouthModel:
    """Speech to mouth for the persons of a film.

    Attributes:
        prior: speech to measures in standard deviations.
        lag: seconds by which the film's pictures come after its sound.
        colour: (2, 80) average spectrum of the film's speech, see `speech.features`.
        voices: what each person's own speech taught; persons without are driven by the prior alone.
        ruled: everyone is driven by `speech.rules` instead.
    """

    prior: Prior
    lag: float
    colour: Floats
    voices: Mapping[str, Voice]
    ruled: bool = False

    def times(self, features: Mapping[str, Any], seconds: Array) -> Array:
        """When in a sound the mouths of pictures at those seconds of it are told, (T,) both.

        The film's own way of being early or late is kept for sound of the film's own recording, as far as
        viewers do not notice it. A dub from elsewhere has no such lag: its mouths are in sync.
        """
        kept = self._kept(features) * float(np.clip(self.lag, *_TOLERATED))
        return np.asarray(seconds, np.float64) - kept

    def predict(
        self, name: str, person: Person, features: Mapping[str, Any], at: Array
    ) -> tuple[Floats, Floats]:
        """Shapes (T, P, 3) that a mouth takes for that speech at `times`, and lips together (T,) 0–1."""
        if self.ruled:
            told = rules.measures(features, at)
            return from_measures(person, told[:, :MEASURES]), told[:, MEASURES]
        around = (_AROUND_S[:, None] + at).ravel()
        shape, together = self._told(name, person, self.prior.project(features).windows(around))
        three = shape.reshape(len(_SHARE), len(at), *shape.shape[1:])
        return np.asarray(np.tensordot(_SHARE, three, 1), np.float32), together.reshape(len(_SHARE), -1)[1]

    def _told(self, name: str, person: Person, x: Floats) -> tuple[Floats, Floats]:
        z = self.prior(x)
        voice = self.voices.get(name)
        if not voice:
            return from_measures(person, _PRIOR_GAIN * z[:, :MEASURES]), z[:, MEASURES]
        coefficients, together = voice(x, _base(person, z))
        return person.decode(coefficients), together

    def _kept(self, features: Mapping[str, Any]) -> float:
        """How much a sound seems to be of the film's own recording, 0–1, by voice, microphone and room."""
        (own, doubt), (other, more) = self.colour, np.asarray(features["colour"], np.float32)
        # A few words of one voice differ from its average by what they are.
        apart = float(np.sqrt(max(0.0, float(np.mean((own - other) ** 2 - doubt - more)))))
        return float(np.clip((_ALIKE[1] - apart) / (_ALIKE[1] - _ALIKE[0]), 0, 1))

    def members(self) -> dict[str, Any]:
        """The weights by name, as `load` takes them."""
        out = members(self.prior) | {"colour": self.colour}
        out |= {"lag": np.array([self.lag], np.float64), "ruled": np.array([self.ruled])}
        for name, voice in sorted(self.voices.items()):
            out |= {f"voice/{name}/{part}": getattr(voice, part) for part in _TAUGHT}
        return out


def unlearnt(prior: Prior, ruled: bool = False) -> MouthModel:
    """A model that no film has taught."""
    return MouthModel(prior, 0.0, np.zeros((2, BANDS), np.float32), {}, ruled)


def load(box: Mapping[str, Any]) -> MouthModel:
    """The model whose weights `MouthModel.members` names."""
    names = sorted({key.split("/")[1] for key in box if key.startswith("voice/")})
    return MouthModel(
        prior=from_members(box),
        lag=float(box["lag"][0]),
        colour=box["colour"],
        ruled=bool(box["ruled"][0]),
        voices={n: Voice(*(box[f"voice/{n}/{part}"] for part in _TAUGHT)) for n in names},
    )


def from_measures(person: Person, z: Floats) -> Floats:
    """A person's shapes (T, P, 3) for measures in standard deviations (T, 3)."""
    seen = person.decode(person.coefficients) if len(person.coefficients) else person.closed[None]
    values = measures(seen)
    spread = np.maximum(values.std(0), 1e-4)
    return person.decode(ridge((values - values.mean(0)) / spread, person.encode(seen), 1.0)(z))


def _base(person: Person, told: Floats) -> Floats:
    """What the prior tells (T, 4) as a person's coefficients and lips together, (T, K + 1)."""
    return np.column_stack([person.encode(from_measures(person, told[:, :MEASURES])), told[:, MEASURES]])


def lag(prior: Prior, heard: Sequence[tuple[Speech, Array]], shape: Floats) -> float:
    """Seconds by which pictures come after their sound: where the prior's aperture fits best and likely.

    Args:
        prior: as far as it is known.
        heard: speech and times in it, piece by piece.
        shape: (T, P, 3) mouths at all those times.
    """
    gap = aperture(shape)
    count = len(gap) / _INDEPENDENT
    fits = []
    for late in _LAGS:
        told = prior(windows(heard, late))[:, 0]
        corr = float(np.corrcoef(told, gap)[0, 1]) if told.std() > 0 and gap.std() > 0 else 0.0
        likely = -count / 2 * np.log(1 - np.clip(corr, 0, 0.99) ** 2)
        fits.append(likely - late**2 / (2 * _LAG_SPREAD**2))
    return float(_LAGS[int(np.argmax(fits))])


def fit(
    prior: Prior,
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
        The model, and per learnt person: `seconds` learnt from, `corr` of aperture held out, and `gain`.
    """
    speech = np.asarray(features["speech"], np.float32)
    own: dict[str, list[Stretch]] = {}
    length = dict.fromkeys(people, 0.0)
    for stretch in stretches:
        spoken = _spoken(speech, stretch.seconds)
        if spoken.mean() > 0.2:
            own.setdefault(stretch.person, []).append(stretch)
            length[stretch.person] += float(spoken.sum()) * _step(stretch.seconds)
    learnt = [name for name in sorted(own) if length[name] >= least_seconds]
    late = 0.0
    if learnt:
        most = max(learnt, key=lambda name: length[name])
        late = lag(prior, *lesson(prior, own[most], features))
    voices, facts = {}, {}
    for name in learnt:
        heard, shape = lesson(prior, own[name], features)
        x = windows(heard, late)
        voices[name], corr = _voice(x, _base(people[name], prior(x)), people[name], shape)
        gain = round(float(voices[name].gain[0]), 3)
        facts[name] = {"seconds": round(length[name], 2), "corr": round(corr, 3), "gain": gain}
    return MouthModel(prior, late, np.asarray(features["colour"], np.float32), voices), facts


def lesson(
    prior: Prior, own: Sequence[Stretch], features: Mapping[str, Any]
) -> tuple[list[tuple[Speech, Array]], Floats]:
    """Speech and mouths to learn from: pieces from the whole film, of `LESSON` frames at most."""
    pieces = [(s, slice(a, a + PIECE)) for s in own for a in range(0, len(s.seconds), PIECE)]
    heard, shapes = [], []
    for s, rows in (pieces[k] for k in spread(len(pieces), LESSON // PIECE)):
        seconds = s.seconds[rows]
        near, begin = part(features, float(seconds[0]), float(seconds[-1]))
        heard.append((prior.project(near), seconds - begin))
        shapes.append(s.shape[rows])
    return heard, np.concatenate(shapes)


def windows(heard: Sequence[tuple[Speech, Array]], late: float) -> Floats:
    """Windows (T, D) of a lesson whose pictures come so many seconds after their sound."""
    return np.concatenate([speech.windows(seconds - late) for speech, seconds in heard])


def _voice(x: Floats, base: Floats, person: Person, shape: Floats) -> tuple[Voice, float]:
    """A person's voice from all their frames in order of time, and the correlation of aperture held out."""
    y = np.column_stack([person.encode(shape), together(aperture(shape))])
    scale = _scale(x)
    edges = np.linspace(0, len(x), _FOLDS + 1).astype(int)
    told = np.empty_like(y[:, :-1])
    for a, b in pairwise(edges):
        rest = np.r_[0:a, b : len(x)]
        told[a:b], _ = _solve(x[rest], base[rest], y[rest], scale)(x[a:b], base[a:b])
    got, want = aperture(person.decode(told)), aperture(shape)
    corr = float(np.corrcoef(got, want)[0, 1]) if got.std() > 0 and want.std() > 0 else 0.0
    # What was held out is told more faintly than what all of the film has taught.
    gain = float(np.clip((want.std() / max(got.std(), 1e-6)) ** _HELD_OUT, *_GAIN))
    return _solve(x, base, y, scale, gain), corr


def _solve(x: Floats, base: Floats, y: Floats, scale: Floats, gain: float = 1.0) -> Voice:
    some = spread(len(x), _FRAMES)
    own = _encoded(x[some])
    kernel = _kernel(own, own, scale).astype(np.float64)
    mean = y.mean(0)
    said, true = (base - mean)[:, :-1], (y - mean)[:, :-1]
    trust = np.clip((said * true).sum() / max((said**2).sum(), 1e-9), 0, 1)  # least squares
    rest = (y - mean - _believed(base - mean, trust))[some].astype(np.float64)
    weight = np.linalg.solve(kernel + _NOISE * np.eye(len(some)), rest).astype(np.float32)
    return Voice(own, weight, scale, mean, np.array([trust], np.float32), np.array([gain], np.float32))


def _believed(told: Floats, trust: Floats) -> Floats:
    """Coefficients as far as the prior is believed, and lips together, which are taken as told."""
    return np.concatenate([trust * told[:, :-1], told[:, -1:]], axis=1)


def _kernel(a: Floats, b: Floats, scale: Floats) -> Floats:
    """Covariance (N, M) of windows: the log-mel takes no part, it tells voices apart more than mouths."""
    return np.asarray(np.exp(-_distances(_encoded(a), _encoded(b)) / (_REACH * scale)), np.float32)


def _scale(x: Floats) -> Floats:
    some = _encoded(x[spread(len(x), 500)])
    return np.array([max(float(np.median(_distances(some, some))), 1e-3)], np.float32)


def _encoded(x: Floats) -> Floats:
    return x[:, : COLUMNS[0]]


def _distances(a: Floats, b: Floats) -> Floats:
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(square, 0), np.float32)


def _spoken(speech: Floats, seconds: Array) -> NDArray[np.bool_]:
    if not len(speech):
        return np.zeros(len(seconds), bool)
    return np.asarray(speech[np.clip((seconds * _RATE).astype(int), 0, len(speech) - 1)] > 0.5)


def _step(seconds: Array) -> float:
    return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
