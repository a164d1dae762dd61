"""From speech to mouth shapes: the prior, adapted to each person by the film's own speech and mouths.

A person's voice is a Gaussian process (Rasmussen & Williams 2006, §2.2) whose mean is the prior's estimate,
weighted by how well it fits the film, with a squared-exponential kernel on encoder embeddings. The length
scale is short: where the dub is unlike all speech of the film, the prior alone counts. It is solved in closed
form: the same data give the same weights. Constants without a reference are set by hand.
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

_RATE = 100  # frames of audio features a second
_LAGS = np.arange(-16, 17, 2) / 100  # seconds
_LAG_SPREAD = 0.08  # seconds (standard deviation) of the prior on a film's lag
_COLOUR_DISTANCE = (2.5, 3.5)  # dB between average spectra of one recording and of two (docs/quality.md)
_TOLERATED_LAG = (-0.125, 0.045)  # seconds that viewers do not notice, sound late or early (ITU-R BT.1359)
_INDEPENDENT = 4  # frames per independent sample: mouths change slowly
_NOISE = 8.0  # variance of the noise, in variances of the kernel
_LENGTH_SCALE = 0.5  # of the squared exponential, in median squared distances
_KERNEL_FRAMES = 2000  # of the kernel for a person at most; more hardly improve it (docs/quality.md)
CHUNK = 250  # consecutive frames of a training set
TRAINING_FRAMES = 8000  # of a person at most, from the whole film
_FOLDS = 4  # of cross-validation
_SMOOTHING_S = np.array([-0.04, 0.0, 0.04])  # offsets of the estimates that a mouth is averaged from
_SMOOTHING = np.array(
    [0.25, 0.5, 0.25], np.float32
)  # their weights: lip motion is band-limited below the noise
_PRIOR_GAIN = 1.3  # regression shrinks movement: on unseen voices mouths move that much further
_GAIN_EXPONENT = 0.8  # exponent of the cross-validated gain (bench/motion.py)
_GAIN_BOUNDS = (1.0, 2.5)  # regression shrinks movement; above the bound it would amplify noise


def ridge(x: Floats, y: Floats, penalty: float) -> Linear:
    """Ridge regression from (N, D) to (N, K)."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    mx, my = a.mean(0), b.mean(0)
    a = a - mx
    weight = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ (b - my))
    return Linear(*(np.asarray(v, np.float32) for v in (mx, weight, my)))


@dataclass(frozen=True)
class TrackSpan:
    """Consecutive frames of a track whose person may be the speaker.

    Attributes:
        person: id of the person.
        seconds: (T,) time of each frame in the sound.
        shape: (T, P, 3) canonical mouths, or an object that loads slices of them: few are read.
    """

    person: str
    seconds: Array
    shape: Any


@dataclass(frozen=True)
class Voice:
    """Gaussian process of one person, fitted to the film.

    Attributes:
        windows: (N, D) training speech, without the log-mel.
        weight: (N, K + 1) of the kernels at those windows.
        scale: (1,) median squared distance between windows.
        mean: (K + 1,) mean of coefficients and of the probability of lip closure.
        prior_weight: (1,) weight of the prior's coefficients, 0–1.
        gain: (1,) factor on coefficients, against shrinkage by regression.
    """

    windows: Floats
    weight: Floats
    scale: Floats
    mean: Floats
    prior_weight: Floats
    gain: Floats

    def __call__(self, x: Floats, base: Floats) -> tuple[Floats, Floats]:
        """Coefficients (T, K) and lip closure (T,) for windows (T, D) and the prior's estimate `base`."""
        base_part = _weighted(base - self.mean, self.prior_weight)
        estimate = base_part + _kernel(x, self.windows, self.scale) @ self.weight + self.mean
        mean = self.mean[:-1]
        return np.asarray(mean + self.gain * (estimate[:, :-1] - mean), np.float32), estimate[:, -1]


_VOICE_FIELDS = tuple(field.name for field in fields(Voice))


@dataclass(frozen=True)
class MouthModel:
    """Speech to mouth shapes for the persons of a film.

    Attributes:
        prior: speech to measures in standard deviations.
        lag: seconds by which the film's pictures are later than its sound.
        colour: (2, 80) average spectrum of the film's speech, see `speech.features`.
        voices: adaptation to each person; persons without one are driven by the prior alone.
        ruled: all are driven by `speech.rules` instead.
    """

    prior: Prior
    lag: float
    colour: Floats
    voices: Mapping[str, Voice]
    ruled: bool = False

    def times(self, features: Mapping[str, Any], seconds: Array) -> Array:
        """Times (T,) at which features are read for pictures at `seconds` (T,) of a sound.

        The film's own lag is kept for sound of the film's own recording, as far as viewers do not notice it.
        A dub from elsewhere has no such lag: its mouths are in sync.
        """
        kept = self._kept(features) * float(np.clip(self.lag, *_TOLERATED_LAG))
        return np.asarray(seconds, np.float64) - kept

    def predict(
        self, name: str, person: Person, features: Mapping[str, Any], at: Array
    ) -> tuple[Floats, Floats]:
        """Shapes (T, P, 3) predicted for speech at times `at` (T,), and probability of lip closure (T,)."""
        if self.ruled:
            estimate = rules.measures(features, at)
            return from_measures(person, estimate[:, :MEASURES]), estimate[:, MEASURES]
        times = (_SMOOTHING_S[:, None] + at).ravel()
        shape, together = self._estimate(name, person, self.prior.project(features).windows(times))
        shapes = shape.reshape(len(_SMOOTHING), len(at), *shape.shape[1:])
        return np.asarray(np.tensordot(_SMOOTHING, shapes, 1), np.float32), together.reshape(
            len(_SMOOTHING), -1
        )[1]

    def _estimate(self, name: str, person: Person, x: Floats) -> tuple[Floats, Floats]:
        z = self.prior(x)
        voice = self.voices.get(name)
        if not voice:
            return from_measures(person, _PRIOR_GAIN * z[:, :MEASURES]), z[:, MEASURES]
        coefficients, together = voice(x, _base(person, z))
        return person.decode(coefficients), together

    def _kept(self, features: Mapping[str, Any]) -> float:
        """Score that a sound is of the film's own recording, 0–1, by voice, microphone and room."""
        (own, variance), (other, other_variance) = self.colour, np.asarray(features["colour"], np.float32)
        # The spectrum of a few words depends on their phones, so its variance is subtracted.
        apart = float(np.sqrt(max(0.0, float(np.mean((own - other) ** 2 - variance - other_variance)))))
        return float(
            np.clip((_COLOUR_DISTANCE[1] - apart) / (_COLOUR_DISTANCE[1] - _COLOUR_DISTANCE[0]), 0, 1)
        )

    def members(self) -> dict[str, Any]:
        """The weights by name, as `load` takes them."""
        out = members(self.prior) | {"colour": self.colour}
        out |= {"lag": np.array([self.lag], np.float64), "ruled": np.array([self.ruled])}
        for name, voice in sorted(self.voices.items()):
            out |= {f"voice/{name}/{part}": getattr(voice, part) for part in _VOICE_FIELDS}
        return out


def unadapted(prior: Prior, ruled: bool = False) -> MouthModel:
    """The prior without adaptation to a film."""
    return MouthModel(prior, 0.0, np.zeros((2, BANDS), np.float32), {}, ruled)


def load(box: Mapping[str, Any]) -> MouthModel:
    """The model whose weights `MouthModel.members` names."""
    names = sorted({key.split("/")[1] for key in box if key.startswith("voice/")})
    return MouthModel(
        prior=from_members(box),
        lag=float(box["lag"][0]),
        colour=box["colour"],
        ruled=bool(box["ruled"][0]),
        voices={n: Voice(*(box[f"voice/{n}/{part}"] for part in _VOICE_FIELDS)) for n in names},
    )


def from_measures(person: Person, z: Floats) -> Floats:
    """A person's shapes (T, P, 3) for measures in standard deviations (T, 3)."""
    observed = person.decode(person.coefficients) if len(person.coefficients) else person.closed[None]
    values = measures(observed)
    spread = np.maximum(values.std(0), 1e-4)
    return person.decode(ridge((values - values.mean(0)) / spread, person.encode(observed), 1.0)(z))


def _base(person: Person, estimate: Floats) -> Floats:
    """The prior's estimate (T, 4) as a person's coefficients and lip closure, (T, K + 1)."""
    return np.column_stack(
        [person.encode(from_measures(person, estimate[:, :MEASURES])), estimate[:, MEASURES]]
    )


def lag(prior: Prior, chunks: Sequence[tuple[Speech, Array]], shape: Floats) -> float:
    """Seconds by which pictures are later than their sound: the most probable lag given the prior's aperture.

    Args:
        prior: speech to measures.
        chunks: speech and times in it, chunk by chunk.
        shape: (T, P, 3) mouths at all those times.
    """
    apertures = aperture(shape)
    count = len(apertures) / _INDEPENDENT
    fits = []
    for lag_seconds in _LAGS:
        estimate = prior(windows(chunks, lag_seconds))[:, 0]
        corr = (
            float(np.corrcoef(estimate, apertures)[0, 1])
            if estimate.std() > 0 and apertures.std() > 0
            else 0.0
        )
        likely = -count / 2 * np.log(1 - np.clip(corr, 0, 0.99) ** 2)
        fits.append(likely - lag_seconds**2 / (2 * _LAG_SPREAD**2))
    return float(_LAGS[int(np.argmax(fits))])


def fit(
    prior: Prior,
    people: Mapping[str, Person],
    track_spans: Sequence[TrackSpan],
    features: Mapping[str, Any],
    least_seconds: float,
) -> tuple[MouthModel, dict[str, dict[str, float]]]:
    """Model adapted to each person by spans of their own speech.

    Args:
        prior: speech to measures.
        people: shape spaces by name.
        track_spans: of all persons' tracks.
        features: of the film's sound.
        least_seconds: a person with less speech than this is left to the prior.

    Returns:
        The model, and per adapted person `seconds` of speech, cross-validated `corr` of the aperture, `gain`.
    """
    speech = np.asarray(features["speech"], np.float32)
    own: dict[str, list[TrackSpan]] = {}
    length = dict.fromkeys(people, 0.0)
    for span in track_spans:
        spoken = _spoken(speech, span.seconds)
        if spoken.mean() > 0.2:
            own.setdefault(span.person, []).append(span)
            length[span.person] += float(spoken.sum()) * _step(span.seconds)
    adapted = [name for name in sorted(own) if length[name] >= least_seconds]
    lag_seconds = 0.0
    if adapted:
        most = max(adapted, key=lambda name: length[name])
        lag_seconds = lag(prior, *training_set(prior, own[most], features))
    voices, facts = {}, {}
    for name in adapted:
        chunks, shape = training_set(prior, own[name], features)
        x = windows(chunks, lag_seconds)
        voices[name], corr = _voice(x, _base(people[name], prior(x)), people[name], shape)
        gain = round(float(voices[name].gain[0]), 3)
        facts[name] = {"seconds": round(length[name], 2), "corr": round(corr, 3), "gain": gain}
    return MouthModel(prior, lag_seconds, np.asarray(features["colour"], np.float32), voices), facts


def training_set(
    prior: Prior, own: Sequence[TrackSpan], features: Mapping[str, Any]
) -> tuple[list[tuple[Speech, Array]], Floats]:
    """Chunks of speech and mouths of a person from the whole film, `TRAINING_FRAMES` frames at most."""
    pieces = [(s, slice(a, a + CHUNK)) for s in own for a in range(0, len(s.seconds), CHUNK)]
    chunks, shapes = [], []
    for s, rows in (pieces[k] for k in spread(len(pieces), TRAINING_FRAMES // CHUNK)):
        seconds = s.seconds[rows]
        near, begin = part(features, float(seconds[0]), float(seconds[-1]))
        chunks.append((prior.project(near), seconds - begin))
        shapes.append(s.shape[rows])
    return chunks, np.concatenate(shapes)


def windows(chunks: Sequence[tuple[Speech, Array]], lag_seconds: float) -> Floats:
    """Windows (T, D) of a training set whose pictures are later than their sound by that many seconds."""
    return np.concatenate([speech.windows(seconds - lag_seconds) for speech, seconds in chunks])


def _voice(x: Floats, base: Floats, person: Person, shape: Floats) -> tuple[Voice, float]:
    """Voice of a person from frames in order of time, and the cross-validated correlation of the aperture."""
    y = np.column_stack([person.encode(shape), together(aperture(shape))])
    scale = _scale(x)
    edges = np.linspace(0, len(x), _FOLDS + 1).astype(int)
    estimate = np.empty_like(y[:, :-1])
    for a, b in pairwise(edges):
        rest = np.r_[0:a, b : len(x)]
        estimate[a:b], _ = _solve(x[rest], base[rest], y[rest], scale)(x[a:b], base[a:b])
    got, want = aperture(person.decode(estimate)), aperture(shape)
    corr = float(np.corrcoef(got, want)[0, 1]) if got.std() > 0 and want.std() > 0 else 0.0
    # Estimates of held-out frames shrink more than those of a model fitted to the whole film.
    gain = float(np.clip((want.std() / max(got.std(), 1e-6)) ** _GAIN_EXPONENT, *_GAIN_BOUNDS))
    return _solve(x, base, y, scale, gain), corr


def _solve(x: Floats, base: Floats, y: Floats, scale: Floats, gain: float = 1.0) -> Voice:
    from scipy.linalg import solve

    some = spread(len(x), _KERNEL_FRAMES)
    own = _encoded(x[some])
    kernel = _kernel(own, own, scale).astype(np.float64)
    mean = y.mean(0)
    predicted, observed = (base - mean)[:, :-1], (y - mean)[:, :-1]
    prior_weight = np.clip(
        (predicted * observed).sum() / max((predicted**2).sum(), 1e-9), 0, 1
    )  # least squares
    rest = (y - mean - _weighted(base - mean, prior_weight))[some].astype(np.float64)
    weight = solve(kernel + _NOISE * np.eye(len(some)), rest, assume_a="pos", check_finite=False)
    weight = weight.astype(np.float32)
    return Voice(own, weight, scale, mean, np.array([prior_weight], np.float32), np.array([gain], np.float32))


def _weighted(estimate: Floats, prior_weight: Floats) -> Floats:
    """The prior's coefficients times their weight, and its lip closure unchanged."""
    return np.concatenate([prior_weight * estimate[:, :-1], estimate[:, -1:]], axis=1)


def _kernel(a: Floats, b: Floats, scale: Floats) -> Floats:
    """Covariance (N, M) of windows: without the log-mel, which depends more on the voice."""
    return np.asarray(np.exp(-_distances(_encoded(a), _encoded(b)) / (_LENGTH_SCALE * scale)), np.float32)


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
