"""The speech of the sample film, and the mouth curves that belong to it.

`tools/make_speech.py` synthesised the audio (eSpeak NG) together with the times of its phones, so the mouth
of the sample film follows its speech exactly: it is ground truth for the mouth model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

_RATE = 500  # Hz at which the curves are drawn before frames sample them


@dataclass(frozen=True)
class Phone:
    """A speech sound in IPA, with its times in seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Line:
    """A spoken sentence with its times in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Speech:
    """The speech of one language.

    Attributes:
        language: ISO 639-1 code.
        seconds: length of the audio.
        lines: the sentences in order.
        phones: the phones in order; pauses are gaps between them.
    """

    language: str
    seconds: float
    lines: tuple[Line, ...]
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class MouthCurves:
    """Mouth curves, (T,) float64 each.

    Attributes:
        open: aperture, 0 (lips closed) to 1 (the widest of this speech).
        spread: -1 (rounded) to 1 (spread).
        press: 0-1, lips pressed together: /p b m/.
        bite: 0-1, labiodental contact: /f v/.
    """

    open: NDArray[np.float64]
    spread: NDArray[np.float64]
    press: NDArray[np.float64]
    bite: NDArray[np.float64]


# IPA letter -> (aperture 0-1, spread -1 to 1); set by hand, after the usual viseme classes.
_SHAPES: dict[str, tuple[float, float]] = {
    letter: shape
    for letters, shape in {
        "aɑ": (1.0, 0.1), "æ": (0.9, 0.4), "ʌɐ": (0.7, 0.1), "ɛ": (0.65, 0.4), "e": (0.5, 0.5),
        "əɜɚ": (0.45, 0.0), "ɪ": (0.4, 0.5), "i": (0.3, 0.9), "ɔɒ": (0.75, -0.5), "o": (0.5, -0.7),
        "ʊ": (0.35, -0.8), "uwɥ": (0.22, -1.0), "øœ": (0.45, -0.6), "y": (0.25, -0.9), "j": (0.25, 0.5),
        "lθð": (0.32, 0.1), "ntdszɾ": (0.2, 0.2), "h": (0.45, 0.0), "ʃʒ": (0.25, -0.6), "ɹ": (0.3, -0.4),
        "kɡŋʁx": (0.35, 0.0), "pbm": (0.0, 0.0), "fv": (0.12, 0.1),
    }.items()
    for letter in letters
}  # fmt: skip
_STOP_SECONDS = 0.05  # lips close this long before the burst at which eSpeak begins a stop; set by hand


def load(language: str) -> Speech:
    """The speech in a language: `en` or `fr`."""
    rows = json.loads((resources.files(__package__) / f"speech_{language}.json").read_text("utf-8"))
    return Speech(
        language=rows["language"],
        seconds=rows["seconds"],
        lines=tuple(Line(**row) for row in rows["lines"]),
        phones=tuple(Phone(*row) for row in rows["phones"]),
    )


def sound(language: str, rate: int) -> NDArray[np.float32]:
    """The speech as mono samples (n,) in -1 to 1 at `rate` Hz."""
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    with (
        (resources.files(__package__) / f"speech_{language}.flac").open("rb") as file,
        av.open(file, "r") as box,
    ):
        pieces = [out.to_ndarray()[0] for frame in box.decode(audio=0) for out in resampler.resample(frame)]
    pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.asarray(np.concatenate(pieces), np.float32)


def mouth(phones: tuple[Phone, ...], seconds: NDArray[np.float64]) -> MouthCurves:
    """Mouth curves at times (T,) in seconds.

    Each phone has a target shape and the mouth moves smoothly between them, but lip closures are complete.
    """
    length = int((max(seconds.max(), phones[-1].end) + 1) * _RATE)
    aperture, spread, press, bite = np.zeros((4, length))
    for phone in phones:
        letters = [letter for letter in phone.name if letter in _SHAPES]
        edges = np.linspace(phone.start, phone.end, len(letters) + 1)
        for letter, start, end in zip(letters, edges, edges[1:], strict=False):
            here = slice(round(start * _RATE), round(end * _RATE))
            aperture[here], spread[here] = _SHAPES[letter]
            if letter in "pbm":
                early = 0.0 if letter == "m" else _STOP_SECONDS
                press[round((start - early) * _RATE) : here.stop] = 1
            if letter in "fv":
                bite[here] = 1
    aperture, spread = (gaussian_filter1d(curve, 0.045 * _RATE) for curve in (aperture, spread))
    press, bite = (np.clip(1.4 * gaussian_filter1d(curve, 0.028 * _RATE), 0, 1) for curve in (press, bite))
    aperture *= 1 - press
    at = seconds * _RATE
    index = np.arange(length)
    return MouthCurves(*(np.interp(at, index, curve) for curve in (aperture, spread, press, bite)))
