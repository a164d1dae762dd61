"""Judges a dubbed face: its measures, violated contacts, and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.report import Measure, Measures, Violation
from dubcli.quality import curves
from dubcli.report.gather import Curve, Subject, Work
from dubcli.speech.basis import FEWEST_FRAMES, below

_MIN_APERTURE = 0.02  # by rule, 0-1: above it the film counts as speaking; set by hand
_MIN_CONFIDENCE = 0.5  # confidence of the aligner from which a missed sound counts; set by hand
_MUST: tuple[tuple[Literal["closure", "contact", "rounding"], tuple[str, ...], float], ...] = (
    ("closure", ("P", "B", "M"), curves.MET),
    ("contact", ("F", "V"), curves.CONTACT),
    ("rounding", ("UW", "W"), curves.ROUND),
)
_LIMITS = (  # measure, least and most of the source's value (set by hand), warning below and above
    ("articulation", 0.4, 2.5, "the mouth moves far less", "the mouth moves far more"),
    ("sharpness", 0.6, 1.8, "the mouth is softer", "the mouth is harsher"),
    ("flicker", 0.0, 1.8, "", "the mouth's picture flickers more"),
)


def measures(work: Work, subject: Subject, dubbed: Curve, window: tuple[int, int]) -> Measures:
    """Measures from the curves alone; the caller adds those of pixels.

    Args:
        work: the speech of film and dub.
        subject: the face.
        dubbed: (T,) aperture measured in the finished film over the face's frames, NaN where it was not.
        window: frames [start, stop) that were measured.
    """
    frames = subject.track.frames
    looked = (frames >= window[0]) & (frames < window[1])
    speak, still = subject.during("speak") & looked, subject.during("still") & looked
    got = np.where(speak, dubbed, np.nan)
    dub, film = work.called_for("dub", frames), work.called_for("film", frames)
    source = subject.source
    if film is not None:
        talking = np.where(film[0] > _MIN_APERTURE, source, np.nan)
    return Measures(
        frames=int(np.isfinite(dubbed).sum()),
        offset=_pair(
            curves.offset(got, dub[0]) if dub else None, curves.offset(source, film[0]) if film else None
        ),
        correlation=_pair(
            curves.correlation(got, dub[0]) if dub else None,
            curves.correlation(source, film[0]) if film else None,
        ),
        follows=_pair(curves.correlation(got, subject.target), None),
        articulation=_pair(_deviation(got), _deviation(talking) if film else None, 100),
        closure_hits=_pair(
            curves.closure_hits(got, np.where(speak, subject.closed, 0)),
            curves.closure_hits(source, film[1]) if film else None,
        ),
        still_motion=_pair(
            curves.motion(np.where(still, dubbed, np.nan)),
            curves.motion(np.where(still, source, np.nan)),
            1000,
        ),
    )


def violations(work: Work, subject: Subject, aperture: Curve, width: Curve) -> Iterator[Violation]:
    """Sounds of the dub for which the finished mouth does not close, touch the teeth or round as it must.

    Args:
        work: the speech of the dub.
        subject: the face.
        aperture, width: (T,) measured in the finished film over the face's frames, NaN where they were not.
    """
    frames = subject.track.frames
    seconds = work.seconds[frames]
    for kind, phones, part in _MUST:
        got = np.where(subject.during("speak"), width if kind == "rounding" else aperture, np.nan)
        limit = below(got, part)
        if limit is None:
            continue
        for phone in work.phones("dub"):
            if phone.phone not in phones or phone.score < _MIN_CONFIDENCE:
                continue
            inside = np.flatnonzero((seconds >= phone.start) & (seconds < phone.end))
            middle = int(np.abs(seconds - (phone.start + phone.end) / 2).argmin())
            first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (middle, middle)
            near = got[max(0, first - 1) : last + 2]
            # Where a sound was measured only in part, its contact may be in the rest.
            if np.isfinite(near).all() and near.min() > limit and seconds[0] <= phone.start < seconds[-1]:
                yield Violation(
                    frame=int(frames[middle]),
                    seconds=round(float(seconds[middle]), 3),
                    phone=phone.phone,
                    kind=kind,
                    measured=round(float(near.min()), 4),
                    limit=round(limit, 4),
                )


def _deviation(curve: NDArray[Any]) -> float | None:
    known = curve[np.isfinite(curve)]
    return float(known.std()) if len(known) >= FEWEST_FRAMES else None


def _pair(dubbed: float | None, source: float | None, scale: float = 1) -> Measure:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(scale * value, 3)

    return Measure(dubbed=rounded(dubbed), source=rounded(source))


def warnings(found: Measures | None, confidence: float | None) -> Iterator[str]:
    """Warnings for a person; the limits are lenient, to report only what is clearly wrong."""
    if confidence is not None and confidence < 0.2:
        yield f"little of this person's footage fits what was wanted (confidence {confidence:.2f})"
    if found is None:
        return
    if found.changed_outside:
        yield f"{found.changed_outside} samples were changed outside the mask"
    late, sure = found.offset.dubbed, found.correlation.dubbed
    # Lips move before the sound starts; the source shows by how much.
    own = found.offset.source or 0
    if late is not None and sure is not None and sure > 0.3 and abs(late) > 1 and abs(late - own) > 1:
        yield f"the mouth comes {abs(late):.0f} frames {'later' if late > 0 else 'earlier'} than the dub"
    if found.follows.dubbed is not None and found.follows.dubbed < 0.5:
        yield f"the picture does not follow its target (correlation {found.follows.dubbed:.2f})"
    if found.closure_hits.dubbed is not None and found.closure_hits.dubbed < 0.5:
        yield f"the lips meet at only {found.closure_hits.dubbed:.0%} of the closures in the dub"
    for name, low, high, less, more in _LIMITS:
        pair: Measure = getattr(found, name)
        if pair.dubbed is not None and pair.source:
            ratio = pair.dubbed / pair.source
            if not low <= ratio <= high:
                yield f"{less if ratio < low else more} than in the source ({ratio:.2f} of it)"
    if found.seam.dubbed is not None and found.seam.dubbed > 1:
        yield f"the edge of the mask may show (seam {found.seam.dubbed:.2f})"
