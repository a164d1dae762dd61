"""What is known of mouths before a film: speech in windows, and a linear map from them to what mouths do.

A mouth is told from half a second of speech around it, both ways: dubbing is done offline. What is told are
three measures (opening, width and protrusion, in standard deviations about a speaker's own mean), and how
surely the lips are together: regression flattens, so an opening alone hardly ever comes down to nothing.
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
MEASURES = 3
TOLD = MEASURES + 1  # the last: lips together, 0–1
DIRECTIONS = 2 * 64  # of the encoder's two layers that are kept; more taught nothing on unseen voices
_RATE = 100
_BANDS = 20  # of log-mel
_TAPS = np.arange(-24, 25, 6)  # rows of 10 ms around a picture that its mouth is told from
_ENCODED_TAPS = np.arange(-12, 13, 6) / 100  # seconds; each row of the encoder knows its neighbours
_BLUR = 2.2  # rows; a tap stands for its neighbourhood
_MEL = 0.1  # how much the log-mel counts beside the encoder: it tells voices apart more than mouths
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
    """Speech ready to be looked at through windows.

    Attributes:
        encoded: (N, 128) directions of the encoder's rows.
        mel: (F, 20) at 100 Hz: a coarse log-mel.
    """

    encoded: Floats
    mel: Floats

    def windows(self, seconds: Array) -> Floats:
        """Windows around given times, (T, D): columns of `encoded` and of `mel`, see `COLUMNS`."""
        # Times often fall on the border of two rows; rounding must not throw them to either side.
        at = np.floor(seconds * _RATE + 1e-3).astype(int)[:, None] + _TAPS
        near = encoder.row(seconds[:, None] + _ENCODED_TAPS)
        parts = (_between(self.encoded, near), _at(self.mel, at))
        return np.concatenate(parts, axis=1, dtype=np.float32)


@dataclass(frozen=True)
class Prior:
    """Mouths in general.

    Attributes:
        directions: the encoder's rows to their chief directions, scaled against the log-mel.
        linear: windows to measures and closure.
    """

    directions: Linear
    linear: Linear

    def project(self, features: Mapping[str, Any]) -> Speech:
        """Make features of a sound, see `speech.features`, ready for windows."""
        from scipy.ndimage import gaussian_filter1d

        mel = np.asarray(features["logmel"], np.float32)
        mel = mel.reshape(len(mel), _BANDS, -1).mean(2)
        if len(mel):
            mel = gaussian_filter1d(mel, _BLUR, axis=0, mode="nearest")
        return Speech(self.directions(np.asarray(features["encoded"], np.float32)), _MEL * mel)

    def __call__(self, windows: Floats) -> Floats:
        """Measures and closure (T, 4) for windows (T, D)."""
        return self.linear(windows)


def _at(rows: Floats, at: NDArray[np.int64]) -> Floats:
    """Rows (F, C) at indices (T, K), the ends going on for ever, as (T, K * C)."""
    if not len(rows):
        return np.zeros((len(at), at.shape[1] * rows.shape[1]), np.float32)
    return rows[np.clip(at, 0, len(rows) - 1)].reshape(len(at), -1)


def _between(rows: Floats, at: Array) -> Floats:
    """The same at indices with fractions, by linear interpolation."""
    low = np.floor(at)
    part = np.repeat(at - low, rows.shape[1], axis=1).astype(np.float32)
    before, after = (_at(rows, low.astype(int) + k) for k in (0, 1))
    return before + part * (after - before)


def save(path: Path, prior: Prior) -> None:
    """Write a prior as `load` reads it, in half precision."""
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v, np.float16) for k, v in members(prior).items()}, path)


def load(path: Path) -> Prior:
    """The shipped prior, or one of the same form.

    Raises:
        ConfigError: it is not one.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from dubcli.errors import ConfigError

    try:
        box = load_file(path)
        prior = from_members(box)
    except (SafetensorError, KeyError) as error:
        raise ConfigError(f"{path.name} is no prior ({error}); leave learn.prior out") from error
    shapes = prior.directions.weight.shape, prior.linear.weight.shape
    if shapes != ((encoder.WIDTH, DIRECTIONS), (sum(COLUMNS), TOLD)):
        raise ConfigError(f"{path.name} is of another version; train it again or leave learn.prior out")
    return prior


def members(prior: Prior) -> dict[str, Any]:
    """A prior as members of a safetensors file."""
    return {
        f"{name}/{part.name}": getattr(linear, part.name)
        for name, linear in (("directions", prior.directions), ("linear", prior.linear))
        for part in fields(Linear)
    }


def from_members(box: Mapping[str, Any]) -> Prior:
    """The prior that `members` took apart.

    Raises:
        KeyError: a member is missing.
    """

    def linear(name: str) -> Linear:
        return Linear(*(np.asarray(box[f"{name}/{part.name}"], np.float32) for part in fields(Linear)))

    return Prior(linear("directions"), linear("linear"))
