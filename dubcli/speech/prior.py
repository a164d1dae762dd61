"""The prior of the mouth model: a linear map from windows of audio features to measures of a mouth.

A mouth is predicted from half a second of speech on both sides of it, which is possible because dubbing is
offline. The outputs are three measures (aperture, width and protrusion, in standard deviations about the
speaker's mean), and the probability of lip closure: regression shrinks towards the mean, so a predicted
aperture rarely reaches zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.speech import encoder

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

SHIPPED = Path(__file__).with_name("prior.safetensors")
MEASURES = 3  # aperture, width, protrusion
OUTPUTS = MEASURES + 1  # the measures, and the probability of lip closure
# Principal directions of the encoder's two layers that are kept; more did not help on unseen voices
# (docs/prior.md).
DIRECTIONS = 2 * 64
_RATE = 100  # Hz, of the log-mel
_BANDS = 20  # of the log-mel, each the mean of four of `features`
# Chosen together with the rest of the prior (docs/prior.md); no sweep of a single one is on record.
_TAPS = np.arange(-24, 25, 6)  # rows of 10 ms around a picture, of the log-mel
_ENCODED_TAPS = np.arange(-12, 13, 6) / 100  # seconds around a picture; attention already spans neighbours
_BLUR = 2.2  # rows, deviation of a Gaussian: each tap averages up to the next one
_MEL = 0.1  # weight of the log-mel beside the encoder: it varies more with the voice than with the mouth
COLUMNS = (len(_ENCODED_TAPS) * DIRECTIONS, len(_TAPS) * _BANDS)


@dataclass(frozen=True)
class Linear:
    """`(x - centre) @ weight + mean`."""

    centre: Floats
    weight: Floats
    mean: Floats

    def __call__(self, x: Floats) -> Floats:
        return np.asarray((x - self.centre) @ self.weight + self.mean, np.float32)


@dataclass(frozen=True)
class Speech:
    """Inputs of the prior, before they are cut into windows.

    Attributes:
        encoded: (N, 128) encoder embeddings in their principal directions.
        mel: (F, 20) coarse log-mel at 100 Hz.
    """

    encoded: Floats
    mel: Floats

    def windows(self, seconds: Array) -> Floats:
        """(T, D) windows around times in seconds: columns of `encoded` and of `mel`, see `COLUMNS`."""
        # Times often fall on the border of two rows; rounding errors must not decide between them.
        at = np.floor(seconds * _RATE + 1e-3).astype(int)[:, None] + _TAPS
        near = encoder.row(seconds[:, None] + _ENCODED_TAPS)
        parts = (_between(self.encoded, near), _at(self.mel, at))
        return np.concatenate(parts, axis=1, dtype=np.float32)


@dataclass(frozen=True)
class Prior:
    """The map from speech to the mouth of any speaker.

    Attributes:
        directions: encoder embeddings to their principal directions, scaled against the log-mel.
        linear: windows to measures and closure.
    """

    directions: Linear
    linear: Linear

    def project(self, features: Mapping[str, Any]) -> Speech:
        """The inputs of the prior for audio features, see `speech.features`."""
        from scipy.ndimage import gaussian_filter1d

        mel = np.asarray(features["logmel"], np.float32)
        mel = mel.reshape(len(mel), _BANDS, -1).mean(2)
        if len(mel):
            mel = gaussian_filter1d(mel, _BLUR, axis=0, mode="nearest")
        return Speech(self.directions(np.asarray(features["encoded"], np.float32)), _MEL * mel)

    def __call__(self, windows: Floats) -> Floats:
        """(T, 4) predicted measures and closure for windows (T, D)."""
        return self.linear(windows)


def _at(rows: Floats, at: NDArray[np.int64]) -> Floats:
    """(T, K * C) rows (F, C) at indices (T, K), the first and last row repeated beyond the ends."""
    if not len(rows):
        return np.zeros((len(at), at.shape[1] * rows.shape[1]), np.float32)
    return rows[np.clip(at, 0, len(rows) - 1)].reshape(len(at), -1)


def _between(rows: Floats, at: Array) -> Floats:
    """The same at fractional indices, by linear interpolation."""
    low = np.floor(at)
    fraction = np.repeat(at - low, rows.shape[1], axis=1).astype(np.float32)
    first, second = (_at(rows, low.astype(int) + k) for k in (0, 1))
    return first + fraction * (second - first)


def save(path: Path, prior: Prior) -> None:
    """Write a prior as `load` reads it, in half precision."""
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v, np.float16) for k, v in members(prior).items()}, path)


def load(path: Path) -> Prior:
    """The prior in a file, the shipped one or one of the same form.

    Raises:
        ConfigError: it is not a prior of this version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from dubcli.errors import ConfigError

    try:
        box = load_file(path)
        prior = from_members(box)
    except (SafetensorError, KeyError) as error:
        raise ConfigError(f"{path.name} is not a prior ({error}); leave learn.prior out") from error
    shapes = prior.directions.weight.shape, prior.linear.weight.shape
    if shapes != ((encoder.WIDTH, DIRECTIONS), (sum(COLUMNS), OUTPUTS)):
        raise ConfigError(f"{path.name} is of another version; train it again or leave learn.prior out")
    return prior


def members(prior: Prior) -> dict[str, Any]:
    """The arrays of a prior, by the names they have in a safetensors file."""
    return {
        f"{name}/{part.name}": getattr(linear, part.name)
        for name, linear in (("directions", prior.directions), ("linear", prior.linear))
        for part in fields(Linear)
    }


def from_members(box: Mapping[str, Any]) -> Prior:
    """The prior whose arrays `members` returned.

    Raises:
        KeyError: a member is missing.
    """

    def linear(name: str) -> Linear:
        return Linear(*(np.asarray(box[f"{name}/{part.name}"], np.float32) for part in fields(Linear)))

    return Prior(linear("directions"), linear("linear"))
