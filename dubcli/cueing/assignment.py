"""Assign the speech of the dub to faces: the active speaker of the original says the dub.

A face that talks in a frame of the original is the active speaker there. Where the film is silent, the last
or next active speaker of the shot, whichever is nearer in time, remains active, so a dub that runs a little
longer than the original, or fills a pause, stays with its speaker. Where the original has speech and no
visible mouth talks, the speaker is offscreen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.cues import Cue, Skip
from dubcli.artifacts.speech import Region
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.cueing.evidence import Evidence, FilmAudio, estimate, only_prominent
from dubcli.edits.cuefile import Edit
from dubcli.media import spans

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]

# Seconds; set by hand, no measurement of any single one is on record (`bench/cue.py` measures all together).
_SHORTEST_TALK_S = 0.15  # shorter bursts of lip motion are not talk
_LEAD_S = 0.5  # cues start early, because lips move into position before the sound; `motion` decides how
_SHORTEST_RETURN_S = 1.0  # shorter gaps between changed frames are changed too: the mouth would flicker
_WORD_GAP_S = 0.3  # longest gap between two words of one line
_CONFIRMED = (
    0.95  # 0–1, confidence of a cue that a stem or the script confirms: they can be wrong, but rarely are
)
_LIP_PAUSE_S = 0.6  # an active speaker's lips may rest this long in running speech before somebody else talks


@dataclass(frozen=True)
class Limits:
    """Settings of `cue`; see `config.CueSettings`."""

    threshold: float
    gap: float
    pad: float
    shortest: int


@dataclass(frozen=True)
class Shot:
    """A shot and the faces in it.

    Attributes:
        name: the shot's name.
        start, stop: film-wide frame numbers, half-open.
        tracks: face tracks.
        persons: the person of each track, an id of `cast.json`.
    """

    name: str
    start: int
    stop: int
    tracks: Sequence[FaceTrack]
    persons: Sequence[str]


@dataclass(frozen=True)
class Heard:
    """What is heard, in every frame of the film.

    Attributes:
        seconds: (N,) film time of the frames.
        film, dub: (N,) frames with speech in the original and in the dub.
        audio: audio features of the film; None where it has no speech.
        stems: person → (N,) frames with speech in their own stem of the dub, which alone decides when they
            speak; everybody else is assigned the rest of the dub.
        script: the same for persons whom the dub's script names.
    """

    seconds: Floats
    film: Bools
    dub: Bools
    audio: FilmAudio | None
    stems: Mapping[str, Bools] = field(default_factory=dict)
    script: Mapping[str, Bools] = field(default_factory=dict)

    @property
    def voices(self) -> dict[str, Bools]:
        """Person → frames in which the dub is known to be theirs."""
        return {**self.script, **self.stems}


def speech_frames(regions: Sequence[Region], seconds: Floats, offset: float = 0.0) -> Bools:
    """(N,) bool, whether each frame has speech; `offset` is added to the times of the regions, seconds."""
    out = np.zeros(len(seconds), bool)
    for region in regions:
        a, b = np.searchsorted(seconds, [region.start + offset, region.end + offset])
        out[a:b] = True
    return out


def word_frames(words: Sequence[Region], seconds: Floats, offset: float) -> Bools:
    """(N,) bool, whether each frame has one of the words, or a gap between words too short for a pause."""
    ordered = sorted(words, key=lambda word: (word.start, word.end))
    rows = [
        Region(start=a.start, end=max(a.end, min(b.start, a.end + _WORD_GAP_S)))
        for a, b in zip(ordered, [*ordered[1:], ordered[-1]], strict=True)
    ]
    return speech_frames(rows, seconds, offset)


def cues(shot: Shot, heard: Heard, limits: Limits) -> tuple[list[Cue], list[Skip], Bools]:
    """Cues of one shot.

    Args:
        shot: the shot.
        heard: what is heard in the film.
        limits: settings.

    Returns:
        Cues, skipped frames, and (stop - start,) frames in which a visible face says the dub.
    """
    scene = _scene(shot, heard, limits)
    out: list[Cue] = []
    skipped: list[Skip] = []
    for k in range(len(shot.tracks)):
        own, left = _of_face(shot, k, scene, heard, limits)
        out += own
        skipped += left
    return out, skipped, np.asarray((scene.active & scene.said).any(0))


@dataclass(frozen=True)
class _Scene:
    """Who talks in a shot, and what of the dub is whose; arrays are (K, T), by face and frame of the shot.

    Attributes:
        evidence: of each face.
        talking: whose mouth talks.
        active: who can be seen and is the active speaker.
        said: which of the dub's speech may be whose.
        step: seconds of a frame.
    """

    evidence: Sequence[Evidence]
    talking: Bools
    active: Bools
    said: Bools
    step: float

    def frames(self, seconds: float) -> int:
        """Seconds as a number of frames."""
        return round(seconds / self.step)


def _scene(shot: Shot, heard: Heard, limits: Limits) -> _Scene:
    inside = slice(shot.start, shot.stop)
    at = np.asarray(heard.seconds, np.float64)[inside]
    step = float(np.median(np.diff(at))) if len(at) > 1 else 0.04
    voices = {person: frames[inside] for person, frames in heard.voices.items()}
    unassigned = heard.dub[inside]
    if voices:  # edges of a speech region that stick out beyond the voice in it are not lines of their own
        unassigned = _without_short(
            unassigned & ~np.any([*voices.values()], axis=0), round(_WORD_GAP_S / step)
        )
    said = np.array([voices.get(person, unassigned) for person in shot.persons]).reshape(-1, len(at))
    evidence = estimate(shot.tracks, heard.seconds, heard.audio)
    talking = np.zeros((len(shot.tracks), len(at)), bool)
    for k, (track, one) in enumerate(zip(shot.tracks, evidence, strict=True)):
        talking[k, track.frames - shot.start] = one.talking > limits.threshold
        talking[k] = _bridged(talking[k], round(limits.gap / step))
        talking[k] = _without_short(talking[k], round(_SHORTEST_TALK_S / step))
    active = _active(talking, heard.film[inside], round(_LIP_PAUSE_S / step))
    prominent = only_prominent(shot.tracks)
    if heard.audio is None and prominent is not None:
        active[:] = False
        active[prominent, shot.tracks[prominent].frames - shot.start] = True
    for k, track in enumerate(shot.tracks):
        active[k] = (active[k] | (shot.persons[k] in voices)) & _present(track, shot, len(at))
    return _Scene(evidence, talking, active, said, step)


def _of_face(shot: Shot, k: int, scene: _Scene, heard: Heard, limits: Limits) -> tuple[list[Cue], list[Skip]]:
    """Cues and skipped frames of a face."""
    track, person, talking, active = shot.tracks[k], shot.persons[k], scene.talking[k], scene.active[k]
    present = _present(track, shot, len(talking))
    speak = _widened(active & scene.said[k] & present, scene.frames(_LEAD_S)) & active & present
    speak = _bridged(speak, scene.frames(limits.gap))
    still = talking & ~speak & present
    changed = _widened(speak | still, scene.frames(limits.pad))
    changed = _bridged(changed, scene.frames(max(limits.gap, _SHORTEST_RETURN_S))) & present
    is_speak = _nearest(speak, still)  # a frame of padding belongs to the cue it pads
    eligible = np.zeros(len(talking), bool)
    eligible[track.frames - shot.start] = track.eligible
    voice = heard.voices.get(person)
    out: list[Cue] = []
    skipped: list[Skip] = []
    for a, b in spans.runs_of_true(changed & eligible):
        if b - a < limits.shortest:
            skipped.append(_skip(shot, k, a, b, "short"))
            continue
        for c, d in _changes(is_speak[a:b]):
            span = a + c, a + d
            cue = _cue(shot, k, span, "speak" if is_speak[a + c] else "still", scene)
            if voice is not None and cue.kind == "speak":
                source = "stem" if person in heard.stems else "script"
                cue = _confirmed(cue, voice[cue.start : cue.stop], source)
            out.append(cue)
    return out, skipped + _ineligible(shot, k, track, changed)


def decided(shot: Shot, edits: Sequence[Edit]) -> tuple[list[Cue], list[Skip], Bools]:
    """What `cues` returns, for a shot whose cues a person has edited; ineligible frames are cut out."""
    dub_speech = np.zeros(shot.stop - shot.start, bool)
    out: list[Cue] = []
    skipped: list[Skip] = []
    for edit in edits:
        track = shot.tracks[edit.track]
        edited = (track.frames >= edit.start) & (track.frames < edit.stop)
        for a, b in spans.runs_of_true(edited & track.eligible):
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
        changed = np.zeros(len(dub_speech), bool)
        changed[track.frames[edited] - shot.start] = True
        skipped += _ineligible(shot, edit.track, track, changed)
        dub_speech |= changed & (edit.kind == "speak")
    return out, skipped, dub_speech


def _active(talking: Bools, film_speech: Bools, pause: int) -> Bools:
    """(K, T) frames in which each track is the active speaker; none is where the speaker is offscreen."""
    active = talking.copy()
    offscreen = film_speech & ~talking.any(0)
    for a, b in spans.runs_of_true(offscreen):
        if b - a <= pause and talking.any():
            # Lips may rest for a moment in running speech: the earlier, or else the later, speaker is active.
            earlier = talking[:, a - 1] if a else None
            later = talking[:, b] if b < talking.shape[1] else None
            keep = earlier if earlier is not None and earlier.any() else later
            if keep is not None:
                active[:, a:b] = keep[:, None]
                offscreen[a:b] = not keep.any()
    known = np.flatnonzero(active.any(0) | offscreen)
    if len(known):
        nearest = _closest(known, np.arange(talking.shape[1]))
        active = active[:, nearest]
    return active


def _closest(known: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest of the sorted `known` for each frame; the earlier one of two that are equally near."""
    later = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    earlier = np.maximum(later - 1, 0)
    return np.where(frames - known[earlier] <= known[later] - frames, known[earlier], known[later])


def _present(track: FaceTrack, shot: Shot, count: int) -> Bools:
    out = np.zeros(count, bool)
    out[track.frames - shot.start] = True
    return out


def _bridged(mask: Bools, gap: int) -> Bools:
    out = mask.copy()
    for (_, a), (b, _) in pairwise(spans.runs_of_true(mask)):
        if b - a < gap:
            out[a:b] = True
    return out


def _without_short(mask: Bools, least: int) -> Bools:
    out = mask.copy()
    for a, b in spans.runs_of_true(mask):
        if b - a < least:
            out[a:b] = False
    return out


def _widened(mask: Bools, by: int) -> Bools:
    out = mask.copy()
    for a, b in spans.runs_of_true(mask):
        out[max(0, a - by) : b + by] = True
    return out


def _nearest(speak: Bools, still: Bools) -> Bools:
    """(T,) bool, whether the nearest frame that is in `speak` or `still` is in `speak`."""
    known = np.flatnonzero(speak | still)
    if not len(known):
        return speak
    return speak[_closest(known, np.arange(len(speak)))]


def _changes(mask: Bools) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(mask.astype(np.int8))) + 1).tolist(), len(mask)]
    return list(pairwise(edges))


def _cue(shot: Shot, k: int, span: tuple[int, int], kind: Literal["speak", "still"], scene: _Scene) -> Cue:
    """A cue over frames of the shot."""
    found, first = scene.evidence[k], int(shot.tracks[k].frames[0]) - shot.start
    frames = slice(span[0] - first, span[1] - first)
    numbers = {
        "talked": float(scene.talking[k, slice(*span)].mean()),
        "motion": float(found.motion[frames].mean()),
        "sync": float(found.sync[frames].mean()),
    }
    return Cue(
        shot=shot.name,
        track=k,
        person=shot.persons[k],
        start=shot.start + span[0],
        stop=shot.start + span[1],
        kind=kind,
        confidence=round(float(found.talking[frames].mean()), 3),
        evidence={name: round(value, 4) for name, value in numbers.items()},
    )


def _confirmed(cue: Cue, voice: Bools, source: str) -> Cue:
    """The cue with a high confidence where its person speaks in their own stem, or is named in the script."""
    share = round(float(voice.mean()), 4)
    confidence = max(cue.confidence, _CONFIRMED if share else 0.0)
    return cue.model_copy(update={"confidence": confidence, "evidence": {**cue.evidence, source: share}})


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
        out += [_skip(shot, k, a, b, reason.name.lower()) for a, b in spans.runs_of_true(mask & changed)]
    return sorted(out, key=lambda s: s.start)
