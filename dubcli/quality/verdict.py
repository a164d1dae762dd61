"""Verdicts: from measures and limits to good, look or redo, with the reason and what to do about it.

It imports nothing heavy: planning uses it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dubcli.artifacts.measures import Measure, Measures
from dubcli.settings.config import Limits, QualitySettings

Verdict = Literal["good", "look", "redo"]
WORST_FIRST: tuple[Verdict, ...] = ("redo", "look", "good")

_FEWEST_SPEECH = 24  # frames of speech under which a correlation is not judged; set by hand
_ASKED = 2.0  # hundredths of the outer-eye distance; fewer tell where a target's aperture deviates by that
_FEWEST_FRAMES = 8  # measured frames under which nothing else is; set by hand
_FEWEST_REST = 8  # frames at rest under which motion in silence is not judged; set by hand


@dataclass(frozen=True)
class Reason:
    """Why a verdict is not good.

    Attributes:
        measure: the measure, by its name in the settings.
        verdict: what it alone comes to.
        text: in words, with the figure.
        advice: what to do about it.
        excess: how far the value is past its limit, 1 at the limit for redo.
    """

    measure: str
    verdict: Verdict
    text: str
    advice: str
    excess: float


@dataclass(frozen=True)
class Judgement:
    """The verdict on a face, and its reasons, the gravest first."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class _Rule:
    """How a measure is judged: a value, where larger is worse unless `below`."""

    name: str
    value: Callable[[Measures], float | None]
    text: str
    advice: str
    below: bool = False


def _dubbed(name: str) -> Callable[[Measures], float | None]:
    def value(found: Measures) -> float | None:
        pair: Measure = getattr(found, name)
        return pair.dubbed

    return value


def _over_source(name: str) -> Callable[[Measures], float | None]:
    def value(found: Measures) -> float | None:
        pair: Measure = getattr(found, name)
        return pair.dubbed / pair.source if pair.dubbed is not None and pair.source else None

    return value


def _in_speech(name: str) -> Callable[[Measures], float | None]:
    """A measure of curves, which few frames of speech do not allow."""

    def value(found: Measures) -> float | None:
        pair: Measure = getattr(found, name)
        return pair.dubbed if found.speech_frames >= _FEWEST_SPEECH else None

    return value


def _follows(found: Measures) -> float | None:
    """The fit to the target, which few frames tell where it moves: it is no guess, as fit to speech is."""
    moved, share = found.articulation.dubbed, found.amplitude.dubbed
    asked = moved / share if moved and share else 0.0
    return found.follows.dubbed if asked >= _ASKED or found.speech_frames >= _FEWEST_SPEECH else None


def _shift(name: str) -> Callable[[Measures], float | None]:
    def value(found: Measures) -> float | None:
        pair: Measure = getattr(found, name)
        return None if pair.dubbed is None else abs(pair.dubbed)

    return value


def _at_rest(found: Measures) -> float | None:
    return found.still_motion.dubbed if found.rest_frames >= _FEWEST_REST else None


def _hits(found: Measures) -> float | None:
    return found.closure_hits.dubbed if found.closures >= 3 else None


_RULES = (
    _Rule(
        "offset_ms", _shift("offset_ms"), "the mouth is {value:.0f} ms away from the dub",
        "check align.offset and that this is the dub of this cut; move the cue with: dubcli cue",
    ),
    _Rule(
        "closure_ms", _shift("closure_ms"), "lips close {value:.0f} ms away from the sounds that need it",
        "give the script of the dub with --script, so that closures are placed by words",
    ),
    _Rule(
        "correlation", _in_speech("correlation"), "the mouth hardly follows the dub (fit {value:.2f})",
        "check who speaks: dubcli cue show; or give the script with --script", below=True,
    ),
    _Rule(
        "follows", _follows, "the picture does not follow its target (fit {value:.2f})",
        "this person's footage lacks these mouths: try another engine, or forbid the face in cast.yaml",
        below=True,
    ),
    _Rule(
        "amplitude", _in_speech("amplitude"), "the mouth makes only {value:.0%} of the movement asked for",
        "raise motion.amplitude, or this line's amplitude in the cues", below=True,
    ),
    _Rule(
        "exaggeration", _in_speech("amplitude"), "the mouth moves {value:.1f} times as far as asked",
        "lower motion.amplitude, or this line's amplitude in the cues",
    ),
    _Rule(
        "closure_hits", _hits, "lips meet at only {value:.0%} of the closures in the dub",
        "give the script with --script; raise the line's amplitude in the cues", below=True,
    ),
    _Rule(
        "still_motion", _at_rest, "the mouth moves while there is no speech ({value:.0f} ‰ a frame)",
        "check the cue of this face: dubcli cue show; edit its curve with: dubcli motion",
    ),
    _Rule(
        "tremble", _over_source("tremble"), "the lips tremble {value:.1f} times as much as in the source",
        "smooth its curve with: dubcli motion; or try another engine",
    ),
    _Rule(
        "flicker", _over_source("flicker"), "the mouth flickers {value:.1f} times as much as in the source",
        "try another engine, or forbid the face in cast.yaml",
    ),
    _Rule(
        "brightness", _dubbed("brightness"), "the brightness of the mouth flickers ({value:.0f} ‰)",
        "the light changes in this shot: try another engine, or forbid the face in cast.yaml",
    ),
    _Rule(
        "sharpness", _over_source("sharpness"), "the mouth has only {value:.0%} of the source's sharpness",
        "this person's footage is softer: raise gallery.budget_mb, or try another engine", below=True,
    ),
    _Rule(
        "seam", _dubbed("seam"), "the edge of the mask may show (strength {value:.1f})",
        "look at the stills; try another engine, or forbid the face in cast.yaml",
    ),
    _Rule(
        "colour", _dubbed("colour"), "the mouth's colour differs from the face's by {value:.0f}",
        "the light of this shot is not in the person's footage: try another engine",
    ),
    _Rule(
        "identity", _dubbed("identity"), "the mouth is not like this person's own (likeness {value:.2f})",
        "check who is who: dubcli cast show; split or merge people in cast.yaml", below=True,
    ),
)  # fmt: skip


def judge(found: Measures, confidence: float | None, limits: QualitySettings) -> Judgement:
    """The verdict on one face.

    Args:
        found: its measures.
        confidence: the lip engine's, 0-1; None where it has none or it is not to count.
        limits: of the preset.
    """
    reasons: list[Reason] = []
    if found.changed_outside:
        text = f"{found.changed_outside} samples were changed outside the mask"
        reasons.append(Reason("changed_outside", "redo", text, "report a bug", 2.0))
    values = [(rule, rule.value(found)) for rule in _RULES] if found.frames >= _FEWEST_FRAMES else []
    for rule, value in values:
        if value is not None:
            reasons += _against(rule, value, getattr(limits, rule.name))
    if confidence is not None:
        rule = _Rule(
            "confidence", lambda _: None, "little of this person's footage fits what is wanted ({value:.2f})",
            "raise gallery.budget_mb, or try another engine", below=True,
        )  # fmt: skip
        reasons += _against(rule, confidence, limits.confidence)
    reasons.sort(key=lambda reason: (WORST_FIRST.index(reason.verdict), -reason.excess, reason.measure))
    return Judgement(worst([reason.verdict for reason in reasons]), tuple(reasons))


def place(found: Measures, named: Iterable[str]) -> int | None:
    """The frame to look at of a face judged by some measures, the gravest first; None where none is known."""
    return next((found.places[name] for name in named if name in found.places), found.worst)


def worst(verdicts: list[Verdict]) -> Verdict:
    """The worst of some verdicts, good where there is none."""
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), "good")


def _against(rule: _Rule, value: float, limits: Limits) -> list[Reason]:
    """The reason that a value past its limits gives, if any."""
    sign, (look, redo) = -1 if rule.below else 1, limits
    if sign * value < sign * look:
        return []
    verdict: Verdict = "redo" if sign * value >= sign * redo else "look"
    excess = 1 + sign * (value - redo) / (abs(redo - look) or 1.0)
    return [Reason(rule.name, verdict, rule.text.format(value=value), rule.advice, round(excess, 3))]
