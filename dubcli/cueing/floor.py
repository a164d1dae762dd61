"""Who has the floor: from faces that talked in the original to faces that say the dub.

A face that talks in a frame of the original has the floor there. Where the film is silent, whoever spoke
nearest in the shot still has it, so a dub that runs a little longer than the original, or fills a pause,
stays with its speaker. Where speech is heard and no visible mouth talks, somebody out of the picture has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.cues import Cue, Skip
from dubcli.artifacts.speech import Region
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.cueing import speaker
from dubcli.edits.cuefile import Edit
from dubcli.media import spans

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]

_BLIP_S = 0.15  # talk shorter than this is none
_LEAD_S = 0.5  # a mouth gets ready before it sounds; how still it is then is motion's to say
_GIVEN_BACK_S = 1.0  # a mouth that was changed is not given back to the film for less: it would flicker
_GAP_S = 0.3  # longest gap between words of one line
_LAPSE_S = 0.6  # a talker's mouth may rest this long in running speech before the voice is another's


@dataclass(frozen=True)
class Limits:
    """Settings of `cue`; see `config.CueSettings`."""

    threshold: float
    gap: float
    pad: float
    shortest: int


@dataclass(frozen=True)
class Shot:
    """A shot with its faces.

    Attributes:
        name: its name.
        start, stop: film-wide frames.
        tracks: its faces.
        persons: whose they are, ids of `cast.json`.
    """

    name: str
    start: int
    stop: int
    tracks: Sequence[FaceTrack]
    persons: Sequence[str]


def spoken(regions: Sequence[Region], seconds: Floats, offset: float = 0.0) -> Bools:
    """(N,) frames during which there is speech."""
    out = np.zeros(len(seconds), bool)
    for region in regions:
        a, b = np.searchsorted(seconds, [region.start + offset, region.end + offset])
        out[a:b] = True
    return out


def joined(words: Sequence[Region], seconds: Floats, offset: float) -> Bools:
    """(N,) frames of someone's words, and of the gaps between them that are no pause."""
    ordered = sorted(words, key=lambda word: (word.start, word.end))
    rows = [
        Region(start=a.start, end=max(a.end, min(b.start, a.end + _GAP_S)))
        for a, b in zip(ordered, [*ordered[1:], ordered[-1]], strict=True)
    ]
    return spoken(rows, seconds, offset)


def cues(
    shot: Shot,
    seconds: Floats,
    film: Bools,
    dub: Bools,
    sound: speaker.Sound | None,
    limits: Limits,
    stems: Mapping[str, Bools] | None = None,
    script: Mapping[str, Bools] | None = None,
) -> tuple[list[Cue], list[Skip], Bools]:
    """Cues of one shot.

    Args:
        shot: the shot.
        seconds: (N,) film time of every frame of the film.
        film, dub: (N,) frames with speech in the original and in the dub.
        sound: what is heard in the film; None where it holds no speech.
        limits: settings.
        stems: person → (N,) frames with speech in their own part of the dub, which alone decides when they
            speak; all others say the rest.
        script: the same for persons whom the dub's script names.

    Returns:
        Cues, what was skipped, and (stop - start,) frames in which a visible face has the floor.
    """
    inside = slice(shot.start, shot.stop)
    heard = film[inside]
    voices = {person: frames[inside] for person, frames in {**(script or {}), **(stems or {})}.items()}
    at = np.asarray(seconds, np.float64)[inside]
    step = float(np.median(np.diff(at))) if len(at) > 1 else 0.04
    others = dub[inside]
    if voices:  # what is left of a region beside the voice that fills it is nobody's line
        others = _without_short(others & ~np.any([*voices.values()], axis=0), round(_GAP_S / step))
    says = np.array([voices.get(person, others) for person in shot.persons]).reshape(-1, len(heard))
    found = speaker.evidence(shot.tracks, seconds, sound)
    talks = np.zeros((len(shot.tracks), len(at)), bool)
    for k, (track, one) in enumerate(zip(shot.tracks, found, strict=True)):
        talks[k, track.frames - shot.start] = one.talks > limits.threshold
        talks[k] = _without_short(_bridged(talks[k], round(limits.gap / step)), round(_BLIP_S / step))
    holds = _floor(talks, heard, round(_LAPSE_S / step))
    prominent = speaker.only_prominent(shot.tracks)
    if sound is None and prominent is not None:
        holds[:] = False
        holds[prominent, shot.tracks[prominent].frames - shot.start] = True

    for k, track in enumerate(shot.tracks):
        holds[k] = (holds[k] | (shot.persons[k] in voices)) & _present(track, shot, len(at))
    out: list[Cue] = []
    skipped: list[Skip] = []
    for k, (track, person, one) in enumerate(zip(shot.tracks, shot.persons, found, strict=True)):
        here = _present(track, shot, len(at))
        speak = _widened(holds[k] & says[k] & here, round(_LEAD_S / step)) & holds[k] & here
        speak = _bridged(speak, round(limits.gap / step))
        still = talks[k] & ~speak & here
        away = max(limits.gap, _GIVEN_BACK_S)
        changed = _bridged(_widened(speak | still, round(limits.pad / step)), round(away / step)) & here
        near = _nearest(speak, still)  # a frame of padding belongs to the cue it pads
        good = np.zeros(len(at), bool)
        good[track.frames - shot.start] = track.eligible
        for a, b in spans.true(changed & good):
            if b - a < limits.shortest:
                skipped.append(_skip(shot, k, a, b, "short"))
                continue
            for c, d in _changes(near[a:b]):
                kind: Literal["speak", "still"] = "speak" if near[a + c] else "still"
                begin = int(track.frames[0]) - shot.start
                frames = slice(a + c - begin, a + d - begin)
                cue = _cue(shot, k, person, kind, one, frames, talks[k, a + c : a + d], track)
                if person in voices and kind == "speak":
                    source = "stem" if person in (stems or {}) else "script"
                    cue = _vouched(cue, voices[person][a + c : a + d], source)
                out.append(cue)
        skipped += _ineligible(shot, k, track, changed)
    return out, skipped, np.asarray((holds & says).any(0))


def decided(shot: Shot, edits: Sequence[Edit]) -> tuple[list[Cue], list[Skip], Bools]:
    """What `cues` returns, for a shot whose cues a person has decided; what cannot be dubbed is cut out."""
    says = np.zeros(shot.stop - shot.start, bool)
    out: list[Cue] = []
    skipped: list[Skip] = []
    for edit in edits:
        track = shot.tracks[edit.track]
        asked = (track.frames >= edit.start) & (track.frames < edit.stop)
        for a, b in spans.true(asked & track.eligible):
            out.append(
                Cue(
                    shot=shot.name,
                    track=edit.track,
                    person=shot.persons[edit.track],
                    start=int(track.frames[a]),
                    stop=int(track.frames[b - 1]) + 1,
                    kind=edit.kind,
                    confidence=1.0,
                    evidence={"edited": 1.0},
                    amplitude=edit.amplitude,
                    style=edit.style or None,
                )
            )
        changed = np.zeros(len(says), bool)
        changed[track.frames[asked] - shot.start] = True
        skipped += _ineligible(shot, edit.track, track, changed)
        says |= changed & (edit.kind == "speak")
    return out, skipped, says


def _floor(talks: Bools, heard: Bools, lapse: int) -> Bools:
    """(K, T) frames in which each track has the floor; none has where the voice is out of the picture."""
    holder = talks.copy()
    off = heard & ~talks.any(0)
    for a, b in spans.true(off):
        if b - a <= lapse and talks.any():
            # A short rest of the mouth in running speech: the floor stays where it was, or comes early.
            before, after = talks[:, a - 1] if a else None, talks[:, b] if b < talks.shape[1] else None
            keep = before if before is not None and before.any() else after
            if keep is not None:
                holder[:, a:b] = keep[:, None]
                off[a:b] = not keep.any()
    known = np.flatnonzero(holder.any(0) | off)
    if len(known):
        nearest = _closest(known, np.arange(talks.shape[1]))
        holder = holder[:, nearest]
    return holder


def _closest(known: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest of the sorted `known` for each frame; the earlier one of two."""
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(frames - known[before] <= known[after] - frames, known[before], known[after])


def _present(track: FaceTrack, shot: Shot, count: int) -> Bools:
    out = np.zeros(count, bool)
    out[track.frames - shot.start] = True
    return out


def _bridged(mask: Bools, gap: int) -> Bools:
    out = mask.copy()
    stretches = spans.true(mask)
    for (_, a), (b, _) in pairwise(stretches):
        if b - a < gap:
            out[a:b] = True
    return out


def _without_short(mask: Bools, least: int) -> Bools:
    out = mask.copy()
    for a, b in spans.true(mask):
        if b - a < least:
            out[a:b] = False
    return out


def _widened(mask: Bools, by: int) -> Bools:
    out = mask.copy()
    for a, b in spans.true(mask):
        out[max(0, a - by) : b + by] = True
    return out


def _nearest(speak: Bools, still: Bools) -> Bools:
    """(T,) whether the nearest frame that is either is one of speech."""
    known = np.flatnonzero(speak | still)
    if not len(known):
        return speak
    return speak[_closest(known, np.arange(len(speak)))]


def _changes(mask: Bools) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(mask.astype(np.int8))) + 1).tolist(), len(mask)]
    return list(pairwise(edges))


def _cue(
    shot: Shot,
    k: int,
    person: str,
    kind: Literal["speak", "still"],
    found: speaker.Evidence,
    frames: slice,
    talked: Bools,
    track: FaceTrack,
) -> Cue:
    sure = float(found.talks[frames].mean())
    numbers = {
        "talked": float(talked.mean()),
        "motion": float(found.motion[frames].mean()),
        "sync": float(found.sync[frames].mean()),
    }
    return Cue(
        shot=shot.name,
        track=k,
        person=person,
        start=int(track.frames[0]) + frames.start,
        stop=int(track.frames[0]) + frames.stop,
        kind=kind,
        confidence=round(sure, 3),
        evidence={name: round(value, 4) for name, value in numbers.items()},
    )


def _vouched(cue: Cue, voice: Bools, source: str) -> Cue:
    """A cue whose person is heard in a stem of their own, or named in the script: that is sure."""
    share = round(float(voice.mean()), 4)
    sure = max(cue.confidence, 0.95 if share else 0.0)
    return cue.model_copy(update={"confidence": sure, "evidence": {**cue.evidence, source: share}})


def _skip(shot: Shot, k: int, a: int, b: int, reason: str) -> Skip:
    return Skip(shot=shot.name, track=k, start=shot.start + a, stop=shot.start + b, reason=reason)


def _ineligible(shot: Shot, k: int, track: FaceTrack, changed: Bools) -> list[Skip]:
    out = []
    first = int(track.frames[0]) - shot.start
    for reason in Reason:
        if reason == Reason.OK:
            continue
        mask = np.zeros(len(changed), bool)
        mask[first : first + len(track.frames)] = track.reason == reason
        out += [_skip(shot, k, a, b, reason.name.lower()) for a, b in spans.true(mask & changed)]
    return sorted(out, key=lambda s: s.start)
