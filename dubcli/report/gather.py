"""What the stages left, put together shot by shot: what was done to each face, and why not more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import remux, tracks
from dubcli.artifacts import speech as sound
from dubcli.artifacts.cast import Cast
from dubcli.artifacts.cues import Cue as CueRow
from dubcli.artifacts.cues import Cues
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import Placement
from dubcli.artifacts.phones import INDEX
from dubcli.artifacts.report import Cue, Dub, Engine, Film, Skip, Span
from dubcli.artifacts.shots import Frames, Shots
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.engines import registry
from dubcli.face import mesh as regions
from dubcli.quality import curves

Curve = NDArray[np.float32]

_REASONS = {
    Reason.NO_MESH: "the face is lost",
    Reason.PROFILE: "the head is turned away",
    Reason.SMALL: "the face is too small",
    Reason.BLURRED: "the mouth is blurred",
    Reason.OCCLUDED: "something covers the mouth",
    Reason.EDGE: "the face leaves the picture",
    Reason.FORBIDDEN: "cast.yaml forbids it",
}


@dataclass(frozen=True)
class Subject:
    """A face in a shot with all that was wanted of it.

    Attributes:
        name: `shot.track`.
        person: who it is.
        track: where it is.
        cues: where it speaks or is kept still.
        skipped: where it was left alone, and why.
        motion: arrays of `motion.npz`; empty where it has none.
        patched: (n,) frames that were changed.
        confidence: (n,) the lip engine's own.
        failed: whether it should have been changed and was not.
        lips: the folder of its patches, None where there is none.
    """

    name: str
    person: str
    track: FaceTrack
    cues: tuple[Cue, ...]
    skipped: tuple[Skip, ...]
    motion: Mapping[str, NDArray[Any]]
    patched: NDArray[np.int32]
    confidence: Curve
    failed: bool
    lips: Path | None

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
        """Mouth opening in the source, (T,), NaN where there was no mesh."""
        opening = regions.opening(self.track.mesh)
        return np.where(self.track.reason == Reason.NO_MESH, np.nan, opening).astype(np.float32)

    @cached_property
    def wanted(self) -> Curve:
        """Mouth opening that was wanted, (T,), NaN where nothing was."""
        return self._motion("opening", np.nan)

    @cached_property
    def closed(self) -> Curve:
        """How surely the lips must meet, (T,) 0-1."""
        return self._motion("closed", 0.0)

    def during(self, kind: str) -> NDArray[np.bool_]:
        """(T,) frames in cues of a kind that are wholly changed."""
        inside = np.zeros(len(self.track.frames), bool)
        for cue in self.cues:
            if cue.kind == kind:
                inside[max(0, cue.start - self.start) : max(0, cue.stop - self.start)] = True
        return inside & (self._motion("weight", 0.0) > 0.99)

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
        self.pts, self.seconds = frames.pts, frames.seconds
        self.cues = Cues.load(inputs["cue"])
        self.remux = remux.Remuxed.load(inputs["remux"])
        self._owners = Cast.load(inputs["cast"]).owners
        self._phones: dict[str, tuple[sound.Phone, ...]] = {}
        self._features: dict[str, tuple[NDArray[np.float32], float]] = {}

    @property
    def result(self) -> Path:
        """The finished film."""
        return remux.film(self.inputs["remux"], self.facts["suffix"])

    def film(self) -> Film:
        """What the film is."""
        video = self.media.film
        return Film(
            name=self.facts["film"],
            seconds=round(float(self.seconds[-1] + 1 / video.rate), 3),
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
        """What the dub is."""
        heard = sound.Record.load(self.inputs["speech/dub"])
        spoken = sum(region.end - region.start for region in heard.regions)
        return Dub(name=self.facts["dub"], seconds=heard.seconds, speech_seconds=round(spoken, 2))

    def speech(self) -> tuple[Span, ...]:
        """Where the dub speaks."""
        heard = sound.Record.load(self.inputs["speech/dub"])
        return tuple(Span(start=region.start, stop=region.end) for region in heard.regions)

    def offscreen(self) -> tuple[Span, ...]:
        """Where the dub speaks and nobody who can be seen does."""
        return tuple(Span(start=row.start, stop=row.end) for row in self.cues.offscreen)

    def engines(self) -> tuple[Engine, ...]:
        """The engines that were used."""
        used = (registry.engine(kind, name) for kind, name in self.facts["engines"])
        return tuple(
            Engine(
                kind=info.kind,
                name=info.name,
                licence=info.licence,
                commercial=info.commercial,
                summary=info.summary,
            )
            for info in used
        )

    def subjects(self, shot: str) -> Iterator[Subject]:
        """The faces of a shot."""
        folder = self.inputs.get(f"tracks/{shot}")
        for number, track in enumerate(tracks.load(folder, pictures=False) if folder else []):
            yield self._subject(shot, number, track)

    def called_for(self, role: str, frames: NDArray[np.integer[Any]]) -> tuple[Curve, Curve] | None:
        """What speech asks of a mouth at each frame: its opening by rule, and how surely the lips meet.

        Args:
            role: `dub`, or `film` for the film's own speech.
            frames: (T,) film-wide numbers.

        Returns:
            Two curves (T,) in 0-1; None where there is no such speech.
        """
        if f"speech/{role}" not in self.inputs:
            return None
        if role not in self._features:
            folder = self.inputs[f"speech/{role}"]
            rows = np.array(sound.features(folder)["viseme"])
            self._features[role] = rows, sound.Record.load(folder).offset
        rows, offset = self._features[role]
        at = self.seconds[frames] - offset
        centres = (np.arange(len(rows)) + 0.5) / 100
        closed = np.interp(at, centres, rows[:, INDEX["PP"]]) if len(rows) else np.zeros(len(at))
        return curves.called_for(rows, at), closed.astype(np.float32)

    def phones(self, role: str) -> tuple[sound.Phone, ...]:
        """Phones of `dub` or `film` with their times in the film's."""
        if role not in self._phones:
            heard = sound.Record.load(self.inputs[f"speech/{role}"])
            begin = heard.offset
            self._phones[role] = tuple(
                phone.model_copy(update={"start": phone.start + begin, "end": phone.end + begin})
                for phone in heard.phones
            )
        return self._phones[role]

    def _subject(self, shot: str, number: int, track: FaceTrack) -> Subject:
        name, person = f"{shot}.{number}", self._owners.get((shot, number))
        lips, motion = self.inputs.get(f"patch/{name}"), self.inputs.get(f"motion/{name}")
        own = [row for row in self.cues.cues if (row.shot, row.track) == (shot, number)]
        patched, confidence = np.zeros(0, np.int32), np.zeros(0, np.float32)
        if lips is not None:
            placed = Placement.load(lips)
            patched, confidence = placed.frames, placed.confidence
        arrays: dict[str, NDArray[Any]] = {}
        if motion is not None:
            curves = vars(Motion.load(motion))
            arrays = {key: curves[key] for key in ("frames", "opening", "closed", "weight")}
        return Subject(
            name=name,
            person=(person.name or person.id) if person else "?",
            track=track,
            cues=tuple(
                Cue(
                    start=row.start,
                    stop=row.stop,
                    kind=row.kind,
                    confidence=round(row.confidence, 3),
                )
                for row in sorted(own, key=lambda row: row.start)
            ),
            skipped=tuple(self._skipped(shot, number, track, own)),
            motion=arrays,
            patched=patched,
            confidence=confidence,
            failed=bool(own) and lips is None,
            lips=lips,
        )

    def _skipped(self, shot: str, number: int, track: FaceTrack, cues: list[CueRow]) -> Iterator[Skip]:
        """Why frames of a face were left alone, as `cue` says or as their own state forbids."""
        first, stop = int(track.frames[0]), int(track.frames[-1]) + 1
        said = [row for row in self.cues.skipped if (row.shot, row.track) == (shot, number)]
        for row in said:
            yield Skip(start=row.start, stop=row.stop, reason=row.reason)
        if not cues and not said:
            yield Skip(start=first, stop=stop, reason="no line of the dub is this face's")
        for cue in cues:
            inside = (track.frames >= cue.start) & (track.frames < cue.stop)
            reason = np.where(inside, track.reason, Reason.OK)
            edges = np.flatnonzero(np.diff(np.r_[Reason.OK, reason, Reason.OK]))
            for a, b in pairwise(edges):
                if reason[a] != Reason.OK:
                    yield Skip(start=first + int(a), stop=first + int(b), reason=_REASONS[Reason(reason[a])])
