"""Visemes: the fifteen mouth classes of MPEG-4 facial animation, with the mouth shape of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.phones import CLASSES, INDEX, PHONES


@dataclass(frozen=True)
class Viseme:
    """A viseme and the mouth shape that it aims at.

    Attributes:
        name: the class's name.
        aperture: of the inner lips, 0 closed to 1 the widest of any class.
        width: lip width, -1 corners drawn together to 1 spread; 0 at rest.
        rounding: rounding and protrusion of the lips, 0–1.
        closed: probability of lip closure, 0–1.
        teeth: probability of labiodental contact, 0–1.
        tongue: visibility of the tongue, 0–1.
        dominance: weight of the target against those of neighbouring sounds, 0–1 (Cohen & Massaro 1993).
    """

    name: str
    aperture: float
    width: float = 0.0
    rounding: float = 0.0
    closed: float = 0.0
    teeth: float = 0.0
    tongue: float = 0.0
    dominance: float = 0.5


# Without unit, in the ranges above; set by hand, no measurement is on record.
VISEMES = (
    Viseme("sil", 0.0, closed=0.6, dominance=0.3),
    Viseme("PP", 0.0, closed=1.0, dominance=1.0),
    Viseme("FF", 0.08, width=0.1, teeth=1.0, dominance=0.95),
    Viseme("TH", 0.25, tongue=1.0, dominance=0.6),
    Viseme("DD", 0.25, width=0.1, tongue=0.6, dominance=0.35),
    Viseme("kk", 0.30, dominance=0.2),
    Viseme("CH", 0.25, width=-0.5, rounding=0.6, dominance=0.7),
    Viseme("SS", 0.15, width=0.3, dominance=0.6),
    Viseme("nn", 0.28, tongue=0.5, dominance=0.3),
    Viseme("RR", 0.30, width=-0.3, rounding=0.4, dominance=0.4),
    Viseme("aa", 0.90, dominance=0.8),
    Viseme("E", 0.60, width=0.4, dominance=0.6),
    Viseme("ih", 0.35, width=0.6, dominance=0.5),
    Viseme("oh", 0.60, width=-0.5, rounding=0.7, dominance=0.8),
    Viseme("ou", 0.22, width=-0.9, rounding=1.0, dominance=0.9),
)
assert tuple(viseme.name for viseme in VISEMES) == CLASSES


class Timed(Protocol):
    """A phone with its times in seconds."""

    @property
    def phone(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


def table(name: str) -> NDArray[np.float32]:
    """(V,) one property of all classes, for `rows @ table(name)`."""
    return np.array([getattr(v, name) for v in VISEMES], np.float32)


def passage(phone: str) -> NDArray[np.float32]:
    """(3, V) classes of the first, middle and last third of a phone; rows sum to 1."""
    first, last = PHONES[phone][0], PHONES[phone][-1]
    out = np.zeros((3, len(VISEMES)), np.float32)
    out[0, INDEX[first]] = 1
    out[1, INDEX[first]] += 0.5
    out[1, INDEX[last]] += 0.5
    out[2, INDEX[last]] = 1
    return out


def from_phones(phones: Iterable[Timed], count: int, rate: float = 100.0) -> NDArray[np.float32]:
    """Soft viseme classes of timed phones.

    Args:
        phones: in order; times between them are silence.
        count: rows F.
        rate: rows per second; row f stands for `(f + 0.5) / rate` seconds.

    Returns:
        (F, V) float32, rows sum to 1.
    """
    rows = np.zeros((count, len(VISEMES)), np.float32)
    rows[:, INDEX["sil"]] = 1
    for phone in phones:
        start, stop = (int(np.clip(round(t * rate), 0, count)) for t in (phone.start, phone.end))
        if stop > start:
            thirds = (3 * (np.arange(stop - start) + 0.5) / (stop - start)).astype(int)
            rows[start:stop] = passage(phone.phone)[thirds]
    return soften(rows)


def soften(rows: NDArray[np.float32], seconds: float = 0.02, rate: float = 100.0) -> NDArray[np.float32]:
    """Rows blurred in time by a Gaussian with a deviation of `seconds`: lips move before the sound does."""
    from scipy.ndimage import gaussian_filter1d

    if not len(rows):
        return rows
    out = gaussian_filter1d(rows.astype(np.float64), seconds * rate, axis=0, mode="nearest")
    return np.asarray(out / out.sum(1, keepdims=True), np.float32)
