"""Who speaks with the film's own sound: each visible mouth's movement, and its agreement with what is heard.

A talking mouth opens and shuts several times a second; a listening one hardly stirs. That alone tells
talkers from listeners in most film. Agreement with the sound settles the rest: mouths that laugh or chew,
and voices of people who are not in the picture.
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

_INNER_LIPS = ((13, 14), (82, 87), (312, 317))  # mesh points of upper and lower lip, left, middle, right
_STILL = 0.011  # opening's local deviation (eye distances) between listeners' (0.004) and talkers' (0.025)
_SPAN_S = 0.12  # standard deviation of the window in which an opening's deviation is taken
_SYNC_S = 0.7  # of the window in which opening and sound are compared
_LAGS_S = (-0.04, 0.0, 0.04, 0.08, 0.12)  # sound after picture that counts as in sync
_MOTION_WEIGHT, _SYNC_WEIGHT, _ALONE = 1.5, 2.5, 0.7  # log-odds; fitted on hand-marked scenes (bench/cue.py)
_TURN_S = 1.0  # mean length of talking and of not talking
_TOGETHER_S = 0.2  # evidence nearer in time than this is the same evidence


@dataclass(frozen=True)
class Sound:
    """What was heard in the film: features of `align` at 100 Hz, and where their time begins.

    Attributes:
        features: `loudness`, `speech`, `viseme` by name.
        offset: seconds of the first row after the film's first picture.
    """

    features: Mapping[str, Floats]
    offset: float = 0.0

    def at(self, values: Floats, seconds: Floats) -> Array:
        """Values (F,) at 100 Hz, at film times (T,); 0 outside the sound."""
        if not len(seconds) or not len(values):
            return np.zeros(len(seconds))
        # Of a film's sound only what lies around a shot.
        first = min(max(0, int((np.min(seconds) - self.offset) * 100) - 2), len(values) - 1)
        last = max(first + 1, min(len(values), int((np.max(seconds) - self.offset) * 100) + 3))
        rows = (np.arange(first, last) + 0.5) / 100 + self.offset
        return np.interp(seconds, rows, values[first:last], left=0.0, right=0.0)

    @cached_property
    def opening(self) -> Array:
        """(F,) opening of a mouth that the sound calls for."""
        from scipy.ndimage import gaussian_filter1d

        loud = np.clip((self.features["loudness"] + 30) / 30, 0, 1.3)
        return np.asarray(gaussian_filter1d((self.features["viseme"] @ table("opening")) * loud, 4.0))

    @cached_property
    def audible(self) -> Array:
        """(F,) speech probability of the likeliest moment within a tenth of a second."""
        from scipy.ndimage import maximum_filter1d

        return np.asarray(maximum_filter1d(np.asarray(self.features["speech"], np.float64), 21))


@dataclass(frozen=True)
class Evidence:
    """What one track's mouth tells, for its T frames.

    Attributes:
        talks: (T,) probability that it talks with the sound (or talks at all where no sound is known).
        motion: (T,) local deviation of the opening, in eye distances.
        sync: (T,) local correlation of opening and sound, -1 to 1; 0 where no sound is known.
    """

    talks: Array
    motion: Array
    sync: Array


def opening(track: FaceTrack) -> Array:
    """Inner-lip gap over the outer-eye distance, free of head turns: (T,)."""
    from dubcli.face import pose

    mesh = pose.to_canonical(track.mesh)
    gaps = [np.linalg.norm(mesh[:, a] - mesh[:, b], axis=1) for a, b in _INNER_LIPS]
    return np.asarray(np.mean(gaps, axis=0), np.float64)


def evidence(tracks: Sequence[FaceTrack], seconds: Floats, sound: Sound | None) -> list[Evidence]:
    """Who talks when, among the tracks of one shot.

    Args:
        tracks: all faces of the shot.
        seconds: (N,) film time of every frame of the film.
        sound: what is heard in the film; None where it has no speech, then movement alone decides.
    """
    prominent = only_prominent(tracks)
    out = []
    for number, track in enumerate(tracks):
        at = np.asarray(seconds, np.float64)[track.frames]
        step = float(np.median(np.diff(at))) if len(at) > 1 else 0.04
        curve = opening(track)
        motion = _deviation(curve, _SPAN_S / step)
        odds = _MOTION_WEIGHT * np.clip(np.log(np.maximum(motion, 1e-5) / _STILL), -2.5, 1.5)
        sync = np.zeros(len(at))
        if sound is not None:
            sync = _agreement(curve, at, sound, _SYNC_S / step)
            odds += _SYNC_WEIGHT * (sync - 0.2)
            odds += _ALONE * (number == prominent)
        else:
            odds -= _ALONE  # laughing and chewing move a mouth too, and no sound tells them from talk
        odds[~track.eligible] *= 0.3  # a mesh that cannot be dubbed cannot be trusted much either
        talks = _smooth(np.clip(odds, -4, 4), step)
        if sound is not None:
            talks = talks * _audible(at, sound)
        out.append(Evidence(talks, motion, sync))
    return out


def only_prominent(tracks: Sequence[FaceTrack]) -> int | None:
    """The one track that clearly outweighs all others of its shot in size and time; None where none does."""
    weight = [float(np.sum(track.size * track.eligible)) for track in tracks]
    order = np.argsort(weight)[::-1]
    if not len(order) or weight[order[0]] == 0:
        return None
    if len(order) > 1 and weight[order[1]] > 0.5 * weight[order[0]]:
        return None
    return int(order[0])


def _deviation(curve: Array, sigma: float) -> Array:
    """Local standard deviation in a Gaussian window of `sigma` frames."""
    from scipy.ndimage import gaussian_filter1d

    even = gaussian_filter1d(curve, 0.5, mode="nearest")  # the mesh's own jitter is not movement
    mean, square = (gaussian_filter1d(x, sigma, mode="nearest") for x in (even, even**2))
    return np.asarray(np.sqrt(np.maximum(0.0, square - mean**2)))


def _agreement(curve: Array, at: Array, sound: Sound, sigma: float) -> Array:
    """Local correlation of the opening with the opening that the sound calls for, at the best small lag."""
    from scipy.ndimage import gaussian_filter1d

    def local(x: Array) -> Array:
        return np.asarray(gaussian_filter1d(x, sigma, mode="nearest"))

    mean, spread = local(curve), np.sqrt(np.maximum(local(curve**2) - local(curve) ** 2, 1e-6))
    best = np.full(len(at), -1.0)
    for lag in _LAGS_S:
        other = sound.at(sound.opening, at + lag)
        wide = np.sqrt(np.maximum(local(other**2) - local(other) ** 2, 1e-4))
        both = (local(curve * other) - mean * local(other)) / (spread * wide)
        best = np.maximum(best, both)
    return np.clip(best, -1, 1)


def _audible(at: Array, sound: Sound) -> Array:
    """(T,) 1 where speech is heard within a tenth of a second, else 0: without sound nobody speaks."""
    return np.clip(2.5 * sound.at(sound.audible, at) - 0.5, 0, 1)


def _smooth(odds: Array, step: float) -> Array:
    """Probability of talking from log-odds per frame, by a two-state chain with turns of `_TURN_S`."""
    switch = min(0.5, step / _TURN_S)
    fit = np.exp(np.outer(odds * min(1.0, step / _TOGETHER_S), [-0.5, 0.5]))
    change = np.array([[1 - switch, switch], [switch, 1 - switch]])
    ahead, now = np.empty_like(fit), np.array([0.5, 0.5])
    for t, likely in enumerate(fit):
        now = (now @ change) * likely
        now /= now.sum()
        ahead[t] = now
    back = np.ones(2)
    for t in range(len(fit) - 2, -1, -1):
        back = change @ (fit[t + 1] * back)
        back /= back.sum()
        ahead[t] *= back
    return np.asarray(ahead[:, 1] / ahead.sum(1))
