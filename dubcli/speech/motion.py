"""Constraints on predicted mouths: lip closure, labiodental contact, rounding, and closed mouths in pauses.

At the middle of a sound with such a constraint the lips have its pose, whatever the prediction; the frames
around it are interpolated as the sound sets in and ends. Constants without a reference are set by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.phones import INDEX
from dubcli.face.smooth import smoothstep
from dubcli.speech import visemes
from dubcli.speech.basis import Person, aperture, below, lips, reshaped, width, within

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

_RATE = 100  # frames of audio features a second
_PAUSE_S = 0.5  # seconds from any speech after which the mouth closes
_BREATH_S = 0.2  # seconds, the same in a cue of a still mouth
_CLOSING_S = 0.2  # seconds over which it closes
_RAMP = 5  # frames of the moving average over rest
_STEP_FRAMES = 1.0  # frames (standard deviation) of the smoothing between two amplitudes
_CLOSING_RANGE = (0.3, 0.6)  # predicted lip closure at which lips begin to close, and are closed
_CLOSURE_RANGE = (0.7, 1.0)  # the same for visemes; a phone loop without a transcript seldom reaches it
_NARROWED = 0.3  # share of the way to their width at rest for lips closed in speech (docs/quality.md)
_LEAD_S = 0.04  # seconds by which lips have a sound's pose earlier than its middle (docs/quality.md)
_TEETH = 0.15  # share of the aperture's range at labiodental contact (docs/quality.md)
_ROUND = -1.2  # width of rounded lips, in standard deviations from the person's mean (docs/quality.md)


def speak(
    person: Person,
    shape: Floats,
    together: Floats,
    features: Mapping[str, Any],
    seconds: Array,
    still: Floats,
    amplitude: Floats | float = 1.0,
) -> tuple[Floats, Floats]:
    """Predicted mouths with all constraints applied.

    Args:
        person: whose mouth.
        shape: (T, P, 3) as predicted.
        together: (T,) predicted probability of lip closure.
        features: of the dub.
        seconds: (T,) times in the dub.
        still: (T,) 0–1, how much the mouth is to rest whatever the sound.
        amplitude: how far the mouth moves, 1 as predicted; one number, or (T,).

    Returns:
        Shapes (T, P, 3) and the weight of lip closure (T,) 0–1.
    """
    mean, gain = person.mean.reshape(-1, 3), np.reshape(amplitude, (-1, 1, 1))
    predicted = within(person, np.asarray(mean + gain * (shape - mean), np.float32))
    speech = np.asarray(features["speech"], np.float32)
    rest = _gradual(np.max([pauses(speech, seconds), beyond(speech, seconds), still], axis=0))
    meet = meeting(features, seconds)
    closed = np.max([rest, _ramped(_CLOSING_RANGE, together), _ramped(_CLOSURE_RANGE, meet)], axis=0)
    shape = np.asarray(predicted + closed[:, None, None] * (person.closed - predicted), np.float32)
    # Lips that meet between two round vowels stay round; only a mouth at rest has its width at rest.
    wide = width(predicted) + np.maximum(rest, _NARROWED * closed) * (width(person.closed) - width(predicted))
    target = posed(person, np.stack([aperture(shape), wide], axis=1), features, seconds)
    return reshaped(person, shape, target, lips), np.maximum(rest, meet)


def gains(frames: NDArray[np.int32], cues: Sequence[Mapping[str, Any]]) -> Floats:
    """Gain of movement in each frame (T,), from the amplitudes of its cues, smoothed between them."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter1d

    out = np.ones(len(frames))
    known = np.zeros(len(frames), bool)
    for cue in cues:
        inside = (frames >= cue["start"]) & (frames < cue["stop"])
        out[inside] = cue["amplitude"]
        known |= inside
    if not known.any() or np.ptp(out[known]) == 0:
        return np.full(len(out), out[known][0] if known.any() else 1.0, np.float32)
    # Outside of cues nothing moves, so the nearest cue's amplitude may go on there.
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)[0]
    return np.asarray(gaussian_filter1d(out[nearest], _STEP_FRAMES, mode="nearest"), np.float32)


def _ramped(limits: tuple[float, float], values: Floats) -> Floats:
    low, high = limits
    return smoothstep((values - low) / (high - low))


def resting(
    still: NDArray[np.bool_], speaking: NDArray[np.bool_], features: Mapping[str, Any], seconds: Array
) -> Floats:
    """Weight of rest, (T,) 0–1: frames of a still mouth rest, away from its own speech in the dub.

    Next to speech a mouth still moves, and in a short breath it stays as predicted. Speech in the frames of a
    still mouth is somebody else's.
    """
    speech = np.asarray(features["speech"], np.float32)
    times = (np.arange(len(speech)) + 0.5) / _RATE
    edges = (seconds[1:] + seconds[:-1]) / 2
    this_voice = np.where(speaking[np.searchsorted(edges, times)], speech, 0)
    away = silence(this_voice, seconds)
    return np.where(still, smoothstep((away - _BREATH_S) / _CLOSING_S), 0).astype(np.float32)


def pauses(speech: Floats, seconds: Array) -> Floats:
    """Weight of a pause at each time, (T,) 0–1, from speech probability at 100 Hz."""
    return np.asarray(np.clip((silence(speech, seconds) - _PAUSE_S) / _CLOSING_S, 0, 1), np.float32)


def beyond(speech: Floats, seconds: Array) -> Floats:
    """Weight of times outside of the sound, (T,) 0–1: a dub cut off in a word leaves no mouth open."""
    past = np.maximum(-seconds, seconds - len(speech) / _RATE)
    return smoothstep(past / _CLOSING_S)


def _gradual(rest: Floats) -> Floats:
    """Rest that sets in and ends over `_RAMP` frames at least."""
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(rest, _RAMP, mode="nearest"), np.float32)


def silence(speech: Floats, seconds: Array) -> Array:
    """Seconds to the nearest speech, (T,); infinite where there is none at all."""
    from scipy.ndimage import distance_transform_edt

    if not (speech > 0.5).any():
        return np.full(len(seconds), np.inf)
    rows = np.pad(speech <= 0.5, 1000, constant_values=True)
    away = distance_transform_edt(rows) / _RATE
    row = (seconds * _RATE).astype(int) + 1000
    return np.asarray(away[np.clip(row, 0, len(away) - 1)])


def meeting(features: Mapping[str, Any], seconds: Array) -> Floats:
    """Probability of a bilabial viseme, (T,) 0–1."""
    if not len(features["viseme"]):
        return np.ones(len(seconds), np.float32)
    return _visemes(features, seconds)[:, INDEX["PP"]]


def posed(person: Person, target: Floats, features: Mapping[str, Any], seconds: Array) -> Floats:
    """Apertures and widths (T, 2) with labiodental contact at f and v, and rounding at u and w.

    The aperture and width of these poses come from the person's observed range.
    """
    observed = lips(person.decode(person.coefficients))
    teeth = below(observed[:, 0], _TEETH)
    if teeth is None or not len(features["viseme"]):
        return target
    narrow = observed[:, 1].mean() + _ROUND * observed[:, 1].std()
    rows = _visemes(features, seconds)
    sure = _ramped(
        _CLOSURE_RANGE, np.stack([rows @ visemes.table(name) for name in ("teeth", "rounding")], axis=1)
    )
    return np.asarray(target + sure * np.minimum(0, np.array([teeth, narrow]) - target), np.float32)


def _visemes(features: Mapping[str, Any], seconds: Array) -> Floats:
    """Soft viseme classes (T, V) at given times, `_LEAD_S` ahead of the sound."""
    rows = np.asarray(features["viseme"], np.float32)
    at = np.clip(((seconds + _LEAD_S) * _RATE).astype(int), 0, len(rows) - 1)
    return np.asarray(rows[at])


def ramps(change: NDArray[np.bool_], length: int, open_start: bool, open_stop: bool) -> tuple[Floats, Floats]:
    """Weights of the patch and of the new shape, (T,) 0–1 each.

    A change fades in over `length` frames: first the patch with the source's mouth shape, which avoids a
    double image, then the shape. At a cut nothing fades.

    Args:
        change: (T,) frames to change.
        length: frames.
        open_start, open_stop: the first or last frame lies at a cut.
    """
    from scipy.ndimage import distance_transform_edt

    rows = np.concatenate([np.full(length + 1, open_start), change, np.full(length + 1, open_stop)])
    inside = (
        distance_transform_edt(rows)[length + 1 : -length - 1]
        if not rows.all()
        else np.full(len(change), length + 1.0)
    )
    part = np.clip(inside / (length + 1), 0, 1)
    picture, morph = np.clip(3 * part, 0, 1), np.clip((3 * part - 1) / 2, 0, 1)
    return picture.astype(np.float32), smoothstep(morph)
