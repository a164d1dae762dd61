"""Whether a dub, and the stems of one, are laid as they were meant: by when there is speech in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.speech import Record

_RATE = 10  # Hz, at which speech is compared
# Set by hand, so that only what is certain is told of; no real dub was measured for them.
_LEAST_S = 60.0  # seconds of speech in either; less fits by chance
_FARTHEST_S = 60.0  # by which beginnings are apart, and a quarter of what is compared
_NEAREST_S = 0.5  # dubbed lines begin about so much apart from the film's
_ALIKE = 0.6  # correlation with the film's speech where it fits, and in its place at most half of that
_SLACK_S = 1.0  # by which a stem may be longer or shorter than its dub
_SHARE = 0.5  # of a stem's speech that is in the dub as well


def misplaced(film: Record, dub: Record) -> str:
    """What is to be told where a dub's speech would fit the film's own in another place; "" for nothing."""
    count = round(max(_end(film), _end(dub)) * _RATE) + 1
    first, second = _active(film, count), _active(dub, count)
    if min(first.sum(), second.sum()) < _LEAST_S * _RATE:
        return ""
    first, second = first - first.mean(), second - second.mean()
    size = 2 * count
    product = np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size))
    alike = np.fft.irfft(product, size) / (count * first.std() * second.std() + 1e-9)
    reach = round(min(_FARTHEST_S * _RATE, count / 4))
    lags = np.arange(-reach, reach + 1)
    best = int(lags[np.argmax(alike[lags])])
    if abs(best) <= _NEAREST_S * _RATE or alike[best] < _ALIKE or alike[0] > alike[best] / 2:
        return ""
    seconds = best / _RATE
    where = "later" if seconds < 0 else "earlier"
    return (
        f"what is said in the dub lies {abs(seconds):.1f} s {where} than in the film's own sound, as where "
        f"it begins elsewhere; if so, add --set align.offset={dub.offset + seconds:.1f}"
    )


def misfit(name: str, stem: Record, dub: Record) -> str:
    """What is to be told of a stem that does not lie over its dub; "" for nothing."""
    if abs(stem.seconds - dub.seconds) > _SLACK_S:
        return (
            f"--stem {name} lasts {stem.seconds:.1f} s and the dub {dub.seconds:.1f} s: a stem begins with "
            "the dub and is as long; export it whole"
        )
    count = round(max(_end(stem), _end(dub)) * _RATE) + 1
    own, all_ = _active(stem, count), _active(dub, count)
    if not own.any():
        return f"--stem {name} holds no speech: that person's mouth is kept closed"
    if (own * all_).sum() < _SHARE * own.sum():
        return f"--stem {name} speaks where the dub does not; is it of this dub?"
    return ""


def _end(record: Record) -> float:
    return max((region.end for region in record.regions), default=0.0) + max(record.offset, 0.0)


def _active(record: Record, count: int) -> NDArray[np.float64]:
    """(count,) 1 where there is speech, 0 elsewhere, from the film's first picture on."""
    found = np.zeros(count)
    for region in record.regions:
        start, end = (round((at + record.offset) * _RATE) for at in (region.start, region.end))
        found[max(start, 0) : max(end, 0)] = 1
    return found
