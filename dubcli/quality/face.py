"""All measures of one dubbed face, beside those of its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.measures import Measure, Measures, Violation
from dubcli.artifacts.speech import Phone
from dubcli.quality import curves
from dubcli.quality.observe import Seen
from dubcli.quality.subject import SILENT, Curve, Subject
from dubcli.speech.basis import FEWEST_FRAMES, below

_MIN_CONFIDENCE = 0.5  # confidence of the aligner from which a missed sound counts; set by hand
_FEWEST_FOR_OFFSET = 30  # frames of speech; fewer fit anywhere; set by hand
_MUST: tuple[tuple[Literal["closure", "contact", "rounding"], tuple[str, ...], float], ...] = (
    ("closure", ("P", "B", "M"), curves.MET),
    ("contact", ("F", "V"), curves.CONTACT),
    ("rounding", ("UW", "W"), curves.ROUND),
)


def measures(subject: Subject, seen: Seen) -> Measures:
    """All measures of a face that was looked at."""
    looked = np.isfinite(seen.aperture)
    speak, rest = subject.speaks & looked, subject.rests & looked
    got, source = np.where(speak, seen.aperture, np.nan), subject.source
    dub, film, rate = subject.dub, subject.film, subject.rate
    asked = np.where(speak, subject.closed, 0)
    met, closures = curves.closures(got, asked)
    lag, sounds = curves.closure_lag(got, subject.seconds, _closing(dub.phones))
    enough = np.count_nonzero(speak) >= _FEWEST_FOR_OFFSET
    late = curves.offset(got, dub.aperture, round(0.34 * rate)) if enough else None
    own: dict[str, float | None] = {}
    if film is not None:
        talking = np.where(film.speech > SILENT, source, np.nan)
        far = curves.offset(talking, film.aperture, round(0.34 * rate))
        hits, count = curves.closures(talking, _weights(subject.seconds, film.phones))
        own = {
            "offset": None if far is None else 1000 * far / rate,
            "correlation": curves.correlation(talking, film.aperture),
            "articulation": _deviation(talking),
            "hits": hits / count if count >= curves.FEWEST_CLOSURES else None,
            "lag": curves.closure_lag(talking, subject.seconds, _closing(film.phones))[0],
            "tremble": curves.tremble(talking, rate),
        }
    return Measures(
        frames=int(looked.sum()),
        picture_frames=seen.mouth.observations,
        pixel_frames=len(seen.mouth.pixel_frames),
        speech_frames=int(speak.sum()),
        rest_frames=int(rest.sum()),
        closures=closures,
        sounds=sounds,
        offset_ms=_pair(None if late is None else 1000 * late / rate, own.get("offset"), 1, 0),
        closure_ms=_pair(lag, own.get("lag"), 1000, 0),
        correlation=_pair(curves.correlation(got, dub.aperture), own.get("correlation")),
        follows=_pair(curves.follows(got, subject.target, rate), None),
        amplitude=_pair(curves.articulation(got, subject.target), None),
        articulation=_pair(_deviation(got), own.get("articulation"), 100),
        closure_hits=_pair(met / closures if closures else None, own.get("hits")),
        still_motion=_pair(
            curves.motion(np.where(rest, seen.aperture, np.nan)),
            curves.motion(np.where(rest, source, np.nan)),
            1000,
        ),
        tremble=_pair(curves.tremble(got, rate), own.get("tremble"), 1000),
        **seen.mouth.measures(),
        changed_outside=sum(seen.outside) if seen.outside else None,
        violations=tuple(sorted(violations(subject, seen), key=lambda one: one.frame)),
        worst=_worst(subject, got),
        places=seen.mouth.places(),
    )


def violations(subject: Subject, seen: Seen) -> Iterator[Violation]:
    """Sounds of the dub for which the dubbed mouth does not close, touch the teeth or round as it must."""
    seconds = subject.seconds
    for kind, phones, part in _MUST:
        got = np.where(subject.speaks, seen.width if kind == "rounding" else seen.aperture, np.nan)
        limit = below(got, part)
        if limit is None:
            continue
        for phone in subject.dub.phones:
            if phone.phone not in phones or phone.score < _MIN_CONFIDENCE:
                continue
            inside = np.flatnonzero((seconds >= phone.start) & (seconds < phone.end))
            middle = int(np.abs(seconds - (phone.start + phone.end) / 2).argmin())
            first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (middle, middle)
            near = got[max(0, first - 1) : last + 2]
            # Where a sound was measured only in part, its contact may be in the rest.
            if np.isfinite(near).all() and near.min() > limit and seconds[0] <= phone.start < seconds[-1]:
                yield Violation(
                    frame=int(subject.track.frames[middle]),
                    seconds=round(float(seconds[middle]), 3),
                    phone=phone.phone,
                    kind=kind,
                    measured=round(float(near.min()), 4),
                    limit=round(limit, 4),
                )


def _worst(subject: Subject, got: NDArray[np.floating[Any]]) -> int | None:
    """The frame whose aperture is furthest from its target; None where none is known."""
    away = np.abs(got - subject.target)
    return int(subject.track.frames[int(np.nanargmax(away))]) if np.isfinite(away).any() else None


def _closing(phones: tuple[Phone, ...]) -> NDArray[np.float64]:
    """Times at which lips are closed for a sound: a little before its middle (docs/quality.md)."""
    sure = [p for p in phones if p.phone in ("P", "B", "M") and p.score >= _MIN_CONFIDENCE]
    return np.array([(p.start + p.end) / 2 for p in sure], np.float64)


def _weights(seconds: NDArray[np.float64], phones: tuple[Phone, ...]) -> Curve:
    """(T,) 1 in frames of a sound that closes lips."""
    out = np.zeros(len(seconds), np.float32)
    for sound in _closing(phones):
        out[int(np.abs(seconds - sound).argmin())] = 1
    return out


def _deviation(curve: NDArray[Any]) -> float | None:
    known = curve[np.isfinite(curve)]
    return float(known.std()) if len(known) >= FEWEST_FRAMES else None


def _pair(dubbed: float | None, source: float | None, scale: float = 1, digits: int = 3) -> Measure:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(scale * value, digits)

    return Measure(dubbed=rounded(dubbed), source=rounded(source))
