"""Probability that each visible face talks, from the motion of its lips and their sync with the film's audio.

The aperture of talking lips rises and falls several times a second, and that of a listener hardly changes,
which separates talkers from listeners in most films. Sync with the audio settles the rest: mouths that laugh
or chew, and voices of people who are offscreen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import FaceTrack
from dubcli.speech.visemes import table

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

# Index pairs of the 478-point MediaPipe mesh: upper and lower inner lip in the middle, left and right.
_INNER_LIPS = ((13, 14), (82, 87), (312, 317))
# Outer-eye distances: between the aperture's local deviation in listeners (0.004) and in talkers (0.025).
_STILL = 0.011
# Log-odds, fitted on the hand-marked scenes of bench/cue.py (docs/quality.md, "Who speaks").
_MOTION_WEIGHT, _SYNC_WEIGHT, _PROMINENT_WEIGHT = 1.5, 2.5, 0.7
# Seconds; set by hand, no measurement of any single one is on record.
_MOTION_WINDOW_S = 0.12  # standard deviation of the window in which the aperture's deviation is taken
_SYNC_WINDOW_S = 0.7  # standard deviation of the window in which aperture and audio are correlated
_LAGS_S = (-0.04, 0.0, 0.04, 0.08, 0.12)  # audio later than picture that counts as in sync
_TURN_S = 1.0  # mean length of a run of talking, and of a run of silence
_INDEPENDENT_S = 0.2  # observations nearer in time than this count as one


@dataclass(frozen=True)
class FilmAudio:
    """Audio features of the film at 100 Hz, as `align` makes them, and their start time.

    Attributes:
        features: `loudness`, `speech`, `viseme` by name.
        offset: seconds from the film's first picture to the first row.
    """

    features: Mapping[str, Floats]
    offset: float = 0.0

    def at(self, values: Floats, seconds: Floats) -> Array:
        """(T,) values (F,), given at 100 Hz, interpolated at film times; 0 outside the audio."""
        if not len(seconds) or not len(values):
            return np.zeros(len(seconds))
        # Only the rows around a shot are used, because the features of a whole film are long.
        first = min(max(0, int((np.min(seconds) - self.offset) * 100) - 2), len(values) - 1)
        last = max(first + 1, min(len(values), int((np.max(seconds) - self.offset) * 100) + 3))
        rows = (np.arange(first, last) + 0.5) / 100 + self.offset
        return np.interp(seconds, rows, values[first:last], left=0.0, right=0.0)

    @cached_property
    def aperture(self) -> Array:
        """(F,) aperture that the visemes predict, louder speech with a wider mouth."""
        from scipy.ndimage import gaussian_filter1d

        loud = np.clip((self.features["loudness"] + 30) / 30, 0, 1.3)
        return np.asarray(gaussian_filter1d((self.features["viseme"] @ table("aperture")) * loud, 4.0))

    @cached_property
    def audible(self) -> Array:
        """(F,) largest speech probability within 0.1 s."""
        from scipy.ndimage import maximum_filter1d

        return np.asarray(maximum_filter1d(np.asarray(self.features["speech"], np.float64), 21))


@dataclass(frozen=True)
class Evidence:
    """Talk probability of the T frames of one track, and what it rests on.

    Attributes:
        talking: (T,) probability that the face says the film's audio, or talks at all where there is none.
        motion: (T,) local standard deviation of the aperture, outer-eye distances.
        sync: (T,) local correlation of aperture and audio, -1 to 1; 0 where there is no audio.
    """

    talking: Array
    motion: Array
    sync: Array


def aperture(track: FaceTrack) -> Array:
    """(T,) aperture of the inner lips in outer-eye distances, with the head pose removed."""
    from dubcli.face import pose

    lips = pose.to_canonical(track.mesh[:, np.ravel(_INNER_LIPS)], pose.canonical_transform(track.mesh))
    gaps = np.linalg.norm(lips[:, 0::2] - lips[:, 1::2], axis=2).T
    return np.asarray(np.mean(gaps, axis=0), np.float64)


def estimate(tracks: Sequence[FaceTrack], seconds: Floats, audio: FilmAudio | None) -> list[Evidence]:
    """Talk probability of each track of one shot.

    Args:
        tracks: all faces of the shot.
        seconds: (N,) film time of every frame of the film.
        audio: features of the film's audio; None where it has no speech, then lip motion alone decides.
    """
    prominent = only_prominent(tracks)
    out = []
    for number, track in enumerate(tracks):
        at = np.asarray(seconds, np.float64)[track.frames]
        step = float(np.median(np.diff(at))) if len(at) > 1 else 0.04
        curve = aperture(track)
        motion = _deviation(curve, _MOTION_WINDOW_S / step)
        odds = _MOTION_WEIGHT * np.clip(np.log(np.maximum(motion, 1e-5) / _STILL), -2.5, 1.5)
        sync = np.zeros(len(at))
        if audio is not None:
            sync = _sync(curve, at, audio, _SYNC_WINDOW_S / step)
            odds += _SYNC_WEIGHT * (sync - 0.2)
            odds += _PROMINENT_WEIGHT * (number == prominent)
        else:
            odds -= _PROMINENT_WEIGHT  # laughing and chewing move lips too, and without audio look like talk
        odds[~track.eligible] *= 0.3  # the mesh of an ineligible frame is less reliable
        talking = _smooth(np.clip(odds, -4, 4), step)
        if audio is not None:
            talking = talking * _audible(at, audio)
        out.append(Evidence(talking, motion, sync))
    return out


def only_prominent(tracks: Sequence[FaceTrack]) -> int | None:
    """Index of the one track with at least twice the size times frames of any other; None where none has."""
    weight = [float(np.sum(track.size * track.eligible)) for track in tracks]
    order = np.argsort(weight)[::-1]
    if not len(order) or weight[order[0]] == 0:
        return None
    if len(order) > 1 and weight[order[1]] > 0.5 * weight[order[0]]:
        return None
    return int(order[0])


def _deviation(curve: Array, sigma: float) -> Array:
    """(T,) local standard deviation in a Gaussian window of `sigma` frames."""
    from scipy.ndimage import gaussian_filter1d

    even = gaussian_filter1d(curve, 0.5, mode="nearest")  # the mesh's jitter is not motion
    mean, square = (gaussian_filter1d(x, sigma, mode="nearest") for x in (even, even**2))
    return np.asarray(np.sqrt(np.maximum(0.0, square - mean**2)))


def _sync(curve: Array, at: Array, audio: FilmAudio, sigma: float) -> Array:
    """(T,) local correlation of the aperture with the one that visemes predict, at the best of `_LAGS_S`."""
    from scipy.ndimage import gaussian_filter1d

    def local(x: Array) -> Array:
        return np.asarray(gaussian_filter1d(x, sigma, mode="nearest"))

    mean, spread = local(curve), np.sqrt(np.maximum(local(curve**2) - local(curve) ** 2, 1e-6))
    best = np.full(len(at), -1.0)
    for lag in _LAGS_S:
        lagged = audio.at(audio.aperture, at + lag)
        lagged_spread = np.sqrt(np.maximum(local(lagged**2) - local(lagged) ** 2, 1e-4))
        correlation = (local(curve * lagged) - mean * local(lagged)) / (spread * lagged_spread)
        best = np.maximum(best, correlation)
    return np.clip(best, -1, 1)


def _audible(at: Array, audio: FilmAudio) -> Array:
    """(T,) 1 where the audio has speech within 0.1 s, else 0: nobody talks where it has none."""
    return np.clip(2.5 * audio.at(audio.audible, at) - 0.5, 0, 1)


def _smooth(odds: Array, step: float) -> Array:
    """(T,) probability of talking from log-odds: forward-backward in a two-state hidden Markov model."""
    switch = min(0.5, step / _TURN_S)
    likelihood = np.exp(np.outer(odds * min(1.0, step / _INDEPENDENT_S), [-0.5, 0.5]))
    transition = np.array([[1 - switch, switch], [switch, 1 - switch]])
    posterior, forward = np.empty_like(likelihood), np.array([0.5, 0.5])
    for t, likely in enumerate(likelihood):
        forward = (forward @ transition) * likely
        forward /= forward.sum()
        posterior[t] = forward
    backward = np.ones(2)
    for t in range(len(likelihood) - 2, -1, -1):
        backward = transition @ (likelihood[t + 1] * backward)
        backward /= backward.sum()
        posterior[t] *= backward
    return np.asarray(posterior[:, 1] / posterior.sum(1))
