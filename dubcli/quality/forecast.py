"""Foretells how well a person can be dubbed, before a mouth is drawn; it imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "fair", "poor"]

# Set by hand: the footage of a mouth bounds what can be shown of it, while most of what speech says comes
# from the prior alone (docs/quality.md).
_FOOTAGE_FRAMES = (75, 24)  # of the reference bank: below the first fair, below the second poor
_COVERAGE = (0.75, 0.4)  # share of the frames to dub whose head pose the footage has
_FIT = (0.4, 0.15)  # correlation of the mouth model on held-out speech
_SPEECH_SECONDS = 2.0  # of their own speech, below which only the prior drives their mouth


@dataclass(frozen=True)
class Forecast:
    """How well a person can be dubbed, and the reasons in words."""

    level: Level
    because: str


def forecast(
    footage: int, speech: float | None, fit: float | None, coverage: float | None = None
) -> Forecast:
    """The forecast for one person.

    Args:
        footage: frames in their reference bank.
        speech: seconds of their own speech that the mouth model was fitted to; None for none.
        fit: correlation of the mouth model on held-out speech, None where there was none.
        coverage: share of the frames to dub whose head pose is in the footage, None where not known.
    """
    levels: list[Level] = []
    words = []
    for value, limits, text in (
        (float(footage), _FOOTAGE_FRAMES, f"{footage} frames of footage"),
        (coverage, _COVERAGE, f"{(coverage or 0):.0%} of the head poses are in it"),
        (fit, _FIT, f"the mouth model fits their speech at {(fit or 0):.2f} of 1"),
    ):
        if value is None:
            continue
        level: Level = "good" if value >= limits[0] else "fair" if value >= limits[1] else "poor"
        levels.append(level)
        if level != "good":
            words.append(("only " if value == footage else "") + text)
    if (speech or 0) < _SPEECH_SECONDS:
        levels.append("fair")
        words.append(f"{(speech or 0):.0f} s of their own speech: the prior alone drives the mouth")
    worst: Level = next((level for level in ("poor", "fair") if level in levels), "good")
    if not words:
        words = [f"{footage} frames of footage, {(speech or 0):.0f} s of speech"]
    return Forecast(worst, "; ".join(words))
