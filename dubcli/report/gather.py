"""Gathers the artifacts of all stages shot by shot: what was done to each face, and why not more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import measures, patches, remux, tracks
from dubcli.artifacts import speech as sound
from dubcli.artifacts.cast import Cast
from dubcli.artifacts.cues import Cue as CueRow
from dubcli.artifacts.cues import Cues
from dubcli.artifacts.cues import Skip as SkipRow
from dubcli.artifacts.measures import Measures
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.motion import curves
from dubcli.artifacts.report import DUB, FILM, Cue, Dub, Engine, Film, Skip, Span
from dubcli.artifacts.shots import Frames, Groups, Shots
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.edits.timecode import Clock
from dubcli.engines import registry
from dubcli.errors import ConfigError
from dubcli.face import mesh as regions

Curve = NDArray[np.float32]
_Row = TypeVar("_Row", CueRow, SkipRow)

_USUAL_GROUP = 250  # frames from one point of entry to the next, where a film has no index; set by hand

_REASONS = {
    Reason.NO_MESH: "the face is lost",
    Reason.PROFILE: "the head is turned away",
    Reason.SMALL: "the face is too small",
    Reason.BLURRED: "the mouth is blurred",
    Reason.OCCLUDED: "the mouth is occluded",
    Reason.EDGE: "the face leaves the picture",
    Reason.FORBIDDEN: "cast.yaml forbids it",
    Reason.SKIPPED: "shots.yaml skips the shot",
}
_SKIPPED = {reason.name.lower(): text for reason, text in _REASONS.items()} | {
    "short": "the line is too short to be worth two fades"
}
NO_LINE = "no line of the dub is this face's"
FAILED = "it failed; the source's picture is kept"
NO_FOOTAGE = "the film has no footage of this mouth to show"
GIVEN_BACK = "no footage comes near what is wanted, or something is in front of the lips"
MATCHES = "the mouth fits the dub already"
EDITED = "the edited curves leave it alone"
NOTHING = "nothing is asked of the mouth"
PASSED = "the engine passthrough changes no picture"
REJECTED = "its verdict is redo; quality.gate gives it back to the source"


@dataclass(frozen=True)
class Subject:
    """A face in a shot with its cues, its target motion and what was rendered.

    Attributes:
        name: `shot.track`.
        person: the person's name or id.
        owner: the person's id.
        track: its track.
        cues: the spans in which it speaks or is kept still.
        skipped: all frames that were not changed, and why.
        motion: arrays of `motion.npz`; empty where it has none.
        patched: (n,) frames that were changed.
        confidence: (n,) the lip engine's confidence.
        failed: whether its change failed.
        engine: the lip engine that drew it, None where the settings leave no choice.
        why: the reason for it, where it is another than the settings name.
        measured: its measures, None where there are none.
        aperture: (T,) measured in the dubbed picture, NaN where it was not.
    """

    name: str
    person: str
    owner: str
    track: FaceTrack
    cues: tuple[Cue, ...]
    skipped: tuple[Skip, ...]
    motion: Mapping[str, NDArray[Any]]
    patched: NDArray[np.int32]
    confidence: Curve
    failed: bool
    engine: str | None
    why: str
    measured: Measures | None
    aperture: Curve

    @property
    def start(self) -> int:
        """First frame of the face."""
        return int(self.track.frames[0])

    @property
    def stop(self) -> int:
        """Frame after its last."""
        return int(self.track.frames[-1]) + 1

    @cached_property
    def source(self) -> Curve:
        """Aperture of the lips in the source, (T,), NaN where there was no mesh."""
        aperture = regions.aperture(self.track.mesh)
        return np.where(self.track.reason == Reason.NO_MESH, np.nan, aperture).astype(np.float32)

    @cached_property
    def target(self) -> Curve:
        """Target aperture, (T,), NaN where there is none."""
        return self._motion("aperture", np.nan)

    def _motion(self, name: str, empty: float) -> Curve:
        curve = np.full(len(self.track.frames), empty, np.float32)
        if self.motion:
            curve[self.motion["frames"] - self.start] = self.motion[name]
        return curve


class Work:
    """The folders a report is made from, by the roles of the task's inputs."""

    def __init__(self, inputs: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
        self.inputs = inputs
        self.facts = facts
        self.media = MediaInfo.load(inputs["probe"])
        self.shots = Shots.load(inputs["split"]).shots
        frames = Frames.load(inputs["split"])
        self.pts, self.seconds, self.digests = frames.pts, frames.seconds, frames.digest
        self.cues = Cues.load(inputs["cue"])
        self.remux = remux.Remuxed.load(inputs["remux"])
        self.cast = Cast.load(inputs["cast"])
        self._owners = self.cast.owners
        self._cues = _by_face(self.cues.cues)
        self._skips = _by_face(self.cues.skipped)
        self.failed = frozenset(facts["failed"])
        self.rejected = frozenset(facts["given_back"])
        self.approved = frozenset(facts["approved"])
        self.clock = Clock.of(self.media, facts["start"])

    def timecode(self, frame: int) -> str | None:
        """Source timecode of a frame, None where the film has none."""
        return self.clock.at(frame) if self.clock.known else None

    @property
    def result(self) -> Path:
        """The finished film."""
        return remux.film(self.inputs["remux"], self.facts["suffix"])

    def changed(self) -> int:
        """Number of faces that were changed, from the sizes of their patches alone."""
        folders = {r.partition("/")[2]: path for r, path in self.inputs.items() if r.startswith("patch/")}
        return sum(
            1
            for name, path in folders.items()
            if name not in self.rejected and patches.PatchFacts.load(path).changed
        )

    @cached_property
    def keys(self) -> Sequence[int]:
        """Frames from which decoding can start, rising; as far apart as is usual where they are unknown."""
        groups = Groups.load(self.inputs["split"])
        return range(0, len(self.pts), _USUAL_GROUP) if groups.reason else groups.keys

    def visit_frames(self) -> float:
        """Frames that are decoded on average to see one: those from the last entry point on."""
        sizes = np.diff([*self.keys, len(self.pts)])
        return float((sizes.astype(np.float64) ** 2).sum() / (2 * len(self.pts)))

    @cached_property
    def length(self) -> float:
        """Seconds of the film's picture."""
        return round(float(self.seconds[-1] + 1 / self.media.film.rate), 3)

    def film(self) -> Film:
        """Facts about the film."""
        video = self.media.film
        return Film(
            name=FILM,
            seconds=self.length,
            frames=len(self.pts),
            rate=video.average_rate,
            width=video.width,
            height=video.height,
            codec=video.codec,
            pix_fmt=video.pix_fmt,
            audio=len(self.media.audio),
            subtitles=len(self.media.subtitles),
        )

    def dub(self) -> Dub:
        """Facts about the dub."""
        spoken = sum(span.stop - span.start for span in self.speech())
        seconds = sound.Record.load(self.inputs["speech/dub"]).seconds
        return Dub(name=DUB, seconds=seconds, speech_seconds=round(spoken, 2))

    def speech(self) -> tuple[Span, ...]:
        """Spans of the dub's speech within the film."""
        heard = sound.Record.load(self.inputs["speech/dub"])
        return tuple(self._within((region.start, region.end) for region in heard.regions))

    def offscreen(self) -> tuple[Span, ...]:
        """Spans of the dub's speech by nobody visible, within the film."""
        return tuple(self._within((row.start, row.end) for row in self.cues.offscreen))

    def _within(self, spoken: Iterable[tuple[float, float]]) -> Iterator[Span]:
        """What of spans lies within the film: a dub may be longer, and what it says after it nobody hears."""
        for start, stop in spoken:
            if start < self.length:
                yield Span(start=start, stop=min(self.length, stop))

    def engines(self) -> tuple[Engine, ...]:
        """The engines that were used: those of the settings, and what else drew a face of some shot."""
        named = [(kind, name) for kind, name in self.facts["engines"]]
        drawn = {engine for role, path in self.inputs.items() if (engine := self._drawing(role, path))}
        named += sorted(("lips", name) for name in drawn if ("lips", name) not in named)
        return tuple(_engine(kind, name) for kind, name in named)

    def _drawing(self, role: str, folder: Path) -> str:
        """The engine that drew the patches of an input, "" where it is none or nothing was drawn."""
        if not role.startswith("patch/"):
            return ""
        made = patches.PatchFacts.load(folder)
        if made.changed and patches.Choice.among(folder):
            return patches.Choice.load(folder).engine
        return made.engine if made.changed else ""

    def subjects(self, shot: str) -> Iterator[Subject]:
        """The faces of a shot."""
        folder = self.inputs.get(f"tracks/{shot}")
        for number, track in enumerate(tracks.load(folder, shot, pictures=False) if folder else []):
            yield self._subject(shot, number, track)

    def _subject(self, shot: str, number: int, track: FaceTrack) -> Subject:
        name, person = f"{shot}.{number}", self._owners.get((shot, number))
        lips, motion = self.inputs.get(f"patch/{name}"), self.inputs.get(f"motion/{name}")
        cues = self._cues.get((shot, number), [])
        units = {f"motion/{name}", f"lips/{name}", f"compose/{shot}"}
        units |= {f"gallery/{person.id}"} if person else set()
        failed = bool(cues) and not self.failed.isdisjoint(units)
        patched, confidence = np.zeros(0, np.int32), np.zeros(0, np.float32)
        rejected = name in self.rejected
        if lips is not None and not failed and not rejected:
            placed = patches.Placement.load(lips, shot)
            patched, confidence = placed.frames, placed.confidence
        facts = None if lips is None or failed else patches.PatchFacts.load(lips)
        drew, drawn = (facts.engine, len(patched) + facts.given_back) if facts else ("", 0)
        engine, why_drawn = self._drawn(name, lips, drew) if len(patched) and lips else (None, "")
        arrays: dict[str, NDArray[Any]] = {}
        if motion is not None:
            rows = curves(motion, shot)
            # An approved shot may keep the motion of another tracking.
            own = (rows["frames"] >= track.frames[0]) & (rows["frames"] <= track.frames[-1])
            arrays = {name: values[own] for name, values in rows.items()}
        why = np.full(len(track.frames), FAILED if failed else NO_LINE, object)
        if not failed:
            self._explain(why, shot, number, track, arrays, drawn, drew)
        if rejected:
            why[:] = REJECTED
        if person is not None and not person.touch:
            why[:] = person.why
        aperture, found = np.full(len(track.frames), np.nan, np.float32), None
        if (folder := self.inputs.get(f"measure/{name}")) is not None and not failed:
            found = Measures.load(folder)
            aperture = measures.aperture(folder)[1]
        return Subject(
            name=name,
            person=(person.name or person.id) if person else "?",
            owner=person.id if person else "",
            track=track,
            cues=tuple(
                Cue(
                    start=row.start,
                    stop=row.stop,
                    kind=row.kind,
                    confidence=round(row.confidence, 3),
                )
                for row in sorted(cues, key=lambda row: row.start)
            ),
            skipped=tuple(_skips(why, track.frames, patched)),
            motion=arrays,
            patched=patched,
            confidence=confidence,
            failed=failed,
            engine=engine,
            why=why_drawn,
            measured=found,
            aperture=aperture,
        )

    def _drawn(self, face: str, lips: Path, drew: str) -> tuple[str | None, str]:
        """The lip engine that drew a face, and the reason for it; nothing where there was no choice."""
        reasons = self.facts.get("drawn")
        if reasons is None:
            return (None if ["lips", drew] in self.facts["engines"] else drew), ""
        if patches.Choice.among(lips):
            choice = patches.Choice.load(lips)
            return choice.engine, choice.why
        return drew, reasons.get(face, "") if drew == "exemplar" else ""

    def _explain(
        self,
        why: NDArray[np.object_],
        shot: str,
        number: int,
        track: FaceTrack,
        motion: Mapping[str, NDArray[Any]],
        drawn: int,
        drew: str,
    ) -> None:
        """Write into `why` (T,) what keeps each frame of a face as it is, were it not changed.

        Args:
            why: what holds where no cue does.
            shot, number, track: the face.
            motion: arrays of `motion.npz`.
            drawn: how many frames the lip engine drew, with those that it then gave back.
            drew: its name, "" where there was no footage for it.
        """
        first = int(track.frames[0])
        for row in self._skips.get((shot, number), []):
            why[max(0, row.start - first) : max(0, row.stop - first)] = _SKIPPED[row.reason]
        inside = np.zeros(len(why), bool)
        for cue in self._cues.get((shot, number), []):
            inside[max(0, cue.start - first) : max(0, cue.stop - first)] = True
        asked, edited = np.zeros(len(why), bool), np.zeros(len(why), bool)
        if motion:
            rows = motion["frames"] - first
            asked[rows] = motion["weight"] > 0
            edited[rows] = f"{shot}.{number}" in self.facts["edited"]
        why[inside] = MATCHES if self.facts["keep_matching"] else NOTHING
        why[inside & edited] = EDITED
        if not drawn:
            why[asked] = PASSED if drew == "passthrough" else NO_FOOTAGE
        else:
            why[asked] = GIVEN_BACK
        for reason, text in _REASONS.items():
            why[inside & (track.reason == reason)] = text


def _engine(kind: str, name: str) -> Engine:
    try:
        info = registry.engine(kind, name)
    except ConfigError:  # a take that was approved keeps what it drew
        gone = "no longer installed: its licence is not known"
        return Engine(kind=kind, name=name, licence=gone, commercial=False, summary="an earlier engine")
    return Engine(
        kind=info.kind,
        name=info.name,
        licence=info.licence,
        commercial=info.commercial,
        summary=info.summary,
    )


def _by_face(rows: Iterable[_Row]) -> dict[tuple[str, int], list[_Row]]:
    found: dict[tuple[str, int], list[_Row]] = {}
    for row in rows:
        found.setdefault((row.shot, row.track), []).append(row)
    return found


def _skips(why: NDArray[np.object_], frames: NDArray[np.int32], patched: NDArray[np.int32]) -> Iterator[Skip]:
    """Ranges of frames that were not changed, each with its reason."""
    first = int(frames[0])
    kept = np.where(np.isin(frames, patched), "", why)
    at = 0
    for reason, run in groupby(kept.tolist()):
        stop = at + sum(1 for _ in run)
        if reason:
            yield Skip(start=first + at, stop=first + stop, reason=reason)
        at = stop
