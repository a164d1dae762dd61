"""What is done to predicted mouths: lips meet, touch teeth and round where they must, pauses close.

Key poses come first: at the middle of a sound that leaves lips no choice they have its pose, whatever was
predicted; the frames between are drawn towards it as the sound comes and goes.
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

_RATE = 100
_PAUSE_S = 0.5  # silence this far from any speech is a pause in which the mouth closes
_BREATH_S = 0.2  # the same where a cue asks for stillness
_CLOSING_S = 0.2  # over which it does
_RAMP = 5  # frames
_STEP_FRAMES = 1.0  # deviation in frames of the blur between two amplitudes
_TOGETHER = (0.3, 0.6)  # predicted closure at which lips begin to be drawn together, and stay so
_MEETING = (0.7, 1.0)  # the same for what a sound asks of lips; a free phone loop is hardly ever that sure
_NARROWED = 0.3  # of the way to their width at rest that lips go which meet in speech (docs/quality.md)
_LEAD_S = 0.04  # by which lips are in a sound's pose before its middle is heard (docs/quality.md)
_TEETH = 0.15  # part of its own range at which a lower lip is at the teeth (docs/quality.md)
_ROUND = -1.2  # width of rounded lips about the mouth's own mean, in deviations (the same)


def speak(
    person: Person,
    shape: Floats,
    together: Floats,
    features: Mapping[str, Any],
    seconds: Array,
    still: Floats,
    amplitude: Floats | float = 1.0,
) -> tuple[Floats, Floats]:
    """Finish predicted mouths.

    Args:
        person: whose mouth.
        shape: (T, P, 3) as predicted.
        together: (T,) how surely the lips are together, as predicted.
        features: of the dub.
        seconds: (T,) times in the dub.
        still: (T,) 0–1, how much the mouth is to rest whatever is heard.
        amplitude: how far the mouth moves, 1 as predicted; one number, or (T,).

    Returns:
        Shapes (T, P, 3) and how surely the lips meet (T,) 0–1.
    """
    mean, gain = person.mean.reshape(-1, 3), np.reshape(amplitude, (-1, 1, 1))
    free = within(person, np.asarray(mean + gain * (shape - mean), np.float32))
    speech = np.asarray(features["speech"], np.float32)
    rest = _gradual(np.max([pauses(speech, seconds), beyond(speech, seconds), still], axis=0))
    meet = meeting(features, seconds)
    closed = np.max([rest, _past(_TOGETHER, together), _past(_MEETING, meet)], axis=0)
    shape = np.asarray(free + closed[:, None, None] * (person.closed - free), np.float32)
    # Lips that meet between two round vowels stay round; only a mouth at rest has its width at rest.
    wide = width(free) + np.maximum(rest, _NARROWED * closed) * (width(person.closed) - width(free))
    wanted = posed(person, np.stack([aperture(shape), wide], axis=1), features, seconds)
    return reshaped(person, shape, wanted, lips), np.maximum(rest, meet)


def gains(frames: NDArray[np.int32], cues: Sequence[Mapping[str, Any]]) -> Floats:
    """How far the mouth moves in each frame (T,), from the amplitudes of its cues, without steps between."""
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
    near = distance_transform_edt(~known, return_distances=False, return_indices=True)[0]
    return np.asarray(gaussian_filter1d(out[near], _STEP_FRAMES, mode="nearest"), np.float32)


def _past(limits: tuple[float, float], values: Floats) -> Floats:
    low, high = limits
    return smoothstep((values - low) / (high - low))


def resting(
    still: NDArray[np.bool_], speaking: NDArray[np.bool_], features: Mapping[str, Any], seconds: Array
) -> Floats:
    """How much each frame rests, (T,) 0–1: frames to be still do, away from what this mouth says in the dub.

    Beside speech a mouth is still on its way, and in a short breath it stays as the model has it. What is
    said while it does not speak is said by somebody else.
    """
    speech = np.asarray(features["speech"], np.float32)
    times = (np.arange(len(speech)) + 0.5) / _RATE
    edges = (seconds[1:] + seconds[:-1]) / 2
    own = np.where(speaking[np.searchsorted(edges, times)], speech, 0)
    away = silence(own, seconds)
    return np.where(still, smoothstep((away - _BREATH_S) / _CLOSING_S), 0).astype(np.float32)


def pauses(speech: Floats, seconds: Array) -> Floats:
    """How much of a pause each time lies in, (T,) 0–1, from speech probability at 100 Hz."""
    return np.asarray(np.clip((silence(speech, seconds) - _PAUSE_S) / _CLOSING_S, 0, 1), np.float32)


def beyond(speech: Floats, seconds: Array) -> Floats:
    """How surely times lie outside of the sound, (T,) 0–1: a dub cut off in a word leaves no mouth open."""
    past = np.maximum(-seconds, seconds - len(speech) / _RATE)
    return smoothstep(past / _CLOSING_S)


def _gradual(rest: Floats) -> Floats:
    """Rest that sets in and ends over `_RAMP` frames at least, whatever made it."""
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
    """How surely a sound asks the lips to meet, (T,) 0–1."""
    if not len(features["viseme"]):
        return np.ones(len(seconds), np.float32)
    return _heard(features, seconds)[:, INDEX["PP"]]


def posed(person: Person, wanted: Floats, features: Mapping[str, Any], seconds: Array) -> Floats:
    """Openings and widths (T, 2) with the lower lip at the teeth for f and v, and lips rounded for u and w.

    How near and how narrow that is depends on the mouth: it is told by what this one was seen to do.
    """
    seen = lips(person.decode(person.coefficients))
    teeth = below(seen[:, 0], _TEETH)
    if teeth is None or not len(features["viseme"]):
        return wanted
    narrow = seen[:, 1].mean() + _ROUND * seen[:, 1].std()
    rows = _heard(features, seconds)
    sure = _past(_MEETING, np.stack([rows @ visemes.table(name) for name in ("teeth", "rounding")], axis=1))
    return np.asarray(wanted + sure * np.minimum(0, np.array([teeth, narrow]) - wanted), np.float32)


def _heard(features: Mapping[str, Any], seconds: Array) -> Floats:
    """Rows of mouth classes (T, V) that lips have the poses of at given times."""
    rows = np.asarray(features["viseme"], np.float32)
    at = np.clip(((seconds + _LEAD_S) * _RATE).astype(int), 0, len(rows) - 1)
    return np.asarray(rows[at])


def ramps(change: NDArray[np.bool_], length: int, open_start: bool, open_stop: bool) -> tuple[Floats, Floats]:
    """How much of the picture and how much of the shape is new, (T,) 0–1 each.

    A change fades in over `length` frames: first the picture with the mouth as it was, so that no mouth is
    seen double, then the mouth moves. At a cut nothing fades.

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
