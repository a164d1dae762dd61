"""What the stages left, put together shot by shot: what was done to each face, and why not more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.engines import registry
from dubcli.face import mesh as regions
from dubcli.face import tracks
from dubcli.face.tracks import FaceTrack, Reason
from dubcli.media.probe import MediaInfo
from dubcli.quality import curves
from dubcli.report.model import Cue, Dub, Engine, Film, Skip, Span
from dubcli.speech import record, visemes

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
        self.media = MediaInfo.model_validate_json((inputs["probe"] / "media.json").read_bytes())
        self.shots: list[dict[str, Any]] = self._json("split", "shots.json")
        with np.load(inputs["split"] / "frames.npz", allow_pickle=False) as box:
            self.pts = box["pts"]
        self.seconds = (self.pts - self.pts[0]) * float(self.media.film.tick)
        self.cues = self._json("cue", "cues.json")
        self.remux = self._json("remux", "remux.json")
        self._persons: dict[tuple[str, int], dict[str, Any]] = {
            (str(shot), int(track)): person
            for person in self._json("cast", "cast.json")["persons"]
            for shot, track in person["faces"]
        }
        self._phones: dict[str, tuple[record.Phone, ...]] = {}
        self._features: dict[str, tuple[NDArray[np.float32], float]] = {}

    @property
    def result(self) -> Path:
        """The finished film."""
        return self.inputs["remux"] / f"film{self.facts['suffix']}"

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
        heard = record.load(self.inputs["speech/dub"] / "speech.json")
        spoken = sum(region.end - region.start for region in heard.regions)
        return Dub(name=self.facts["dub"], seconds=heard.seconds, speech_seconds=round(spoken, 2))

    def speech(self) -> tuple[Span, ...]:
        """Where the dub speaks."""
        heard = record.load(self.inputs["speech/dub"] / "speech.json")
        return tuple(Span(start=region.start, stop=region.end) for region in heard.regions)

    def offscreen(self) -> tuple[Span, ...]:
        """Where the dub speaks and nobody who can be seen does."""
        return tuple(
            Span(start=float(row["start"]), stop=float(row["end"])) for row in self.cues["offscreen"]
        )

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
        for number, track in enumerate(tracks.load(folder / "tracks.npz") if folder else []):
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
            with np.load(folder / "features.npz", allow_pickle=False) as box:
                self._features[role] = box["viseme"], record.load(folder / "speech.json").offset
        rows, offset = self._features[role]
        at = self.seconds[frames] - offset
        centres = (np.arange(len(rows)) + 0.5) / 100
        closed = np.interp(at, centres, rows[:, visemes.INDEX["PP"]]) if len(rows) else np.zeros(len(at))
        return curves.called_for(rows, at), closed.astype(np.float32)

    def phones(self, role: str) -> tuple[record.Phone, ...]:
        """Phones of `dub` or `film` with their times in the film's."""
        if role not in self._phones:
            heard = record.load(self.inputs[f"speech/{role}"] / "speech.json")
            begin = heard.offset
            self._phones[role] = tuple(
                phone.model_copy(update={"start": phone.start + begin, "end": phone.end + begin})
                for phone in heard.phones
            )
        return self._phones[role]

    def _subject(self, shot: str, number: int, track: FaceTrack) -> Subject:
        name, person = f"{shot}.{number}", self._persons.get((shot, number), {"id": "?"})
        lips, motion = self.inputs.get(f"patch/{name}"), self.inputs.get(f"motion/{name}")
        own = [row for row in self.cues["cues"] if (row["shot"], int(row["track"])) == (shot, number)]
        patched, confidence = np.zeros(0, np.int32), np.zeros(0, np.float32)
        if lips is not None and (lips / "patch.npz").exists():
            with np.load(lips / "patch.npz", allow_pickle=False) as box:
                patched, confidence = box["frames"], box["confidence"]
        arrays: dict[str, NDArray[Any]] = {}
        if motion is not None:
            with np.load(motion / "motion.npz", allow_pickle=False) as box:
                arrays = {key: box[key] for key in ("frames", "opening", "closed", "weight")}
        shown = (self.inputs["learn"] / f"gallery-{person['id']}.npz").exists()
        return Subject(
            name=name,
            person=str(person.get("name") or person["id"]),
            track=track,
            cues=tuple(
                Cue(
                    start=row["start"],
                    stop=row["stop"],
                    kind=row["kind"],
                    confidence=round(row["confidence"], 3),
                )
                for row in sorted(own, key=lambda row: int(row["start"]))
            ),
            skipped=tuple(self._skipped(shot, number, track, own, shown)),
            motion=arrays,
            patched=patched,
            confidence=confidence,
            failed=bool(own) and lips is None and (shown or motion is None),
            lips=lips,
        )

    def _skipped(
        self, shot: str, number: int, track: FaceTrack, cues: list[dict[str, Any]], shown: bool
    ) -> Iterator[Skip]:
        """Why frames of a face were left alone, as `cue` says or as their own state forbids."""
        first, stop = int(track.frames[0]), int(track.frames[-1]) + 1
        said = [row for row in self.cues["skipped"] if (row["shot"], int(row["track"])) == (shot, number)]
        for row in said:
            yield Skip(start=row["start"], stop=row["stop"], reason=row["reason"])
        if not cues and not said:
            yield Skip(start=first, stop=stop, reason="no line of the dub is this face's")
        if cues and not shown:
            yield Skip(start=first, stop=stop, reason="the film has no footage of this mouth to show")
            return
        for cue in cues:
            inside = (track.frames >= cue["start"]) & (track.frames < cue["stop"])
            reason = np.where(inside, track.reason, Reason.OK)
            edges = np.flatnonzero(np.diff(np.r_[Reason.OK, reason, Reason.OK]))
            for a, b in pairwise(edges):
                if reason[a] != Reason.OK:
                    yield Skip(start=first + int(a), stop=first + int(b), reason=_REASONS[Reason(reason[a])])

    def _json(self, role: str, name: str) -> Any:
        return json.loads((self.inputs[role] / name).read_text("utf-8"))
