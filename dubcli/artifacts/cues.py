"""`cue`'s artifact: whose mouth moves when."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from dubcli.artifacts.base import Document, Strict

Frame = Annotated[int, Field(ge=0)]


class _Stretch(Strict):
    shot: Annotated[str, Field(pattern=r"^\d{8,}$")]
    track: Annotated[int, Field(ge=0)]
    start: Frame
    stop: Frame

    @model_validator(mode="after")
    def _forward(self) -> _Stretch:
        if self.stop <= self.start:
            raise ValueError(f"frame {self.stop} is not after {self.start}")
        return self


class Cue(_Stretch):
    """Frames of a track whose mouth is changed.

    Attributes:
        shot, track: which face.
        person: whose face, an id of `cast.json`.
        start, stop: film-wide frame numbers, half-open.
        kind: `speak` says the dub; `still` closes a mouth that talks in the film while the dub is silent.
        confidence: how sure it is that this face spoke, 0–1.
        evidence: numbers that led to it, for people.
        amplitude: how far the mouth moves in it; 1 is as in the film.
        style: name of the style in which it moves; None leaves that to `cast.yaml`.
    """

    person: str
    kind: Literal["speak", "still"]
    confidence: Annotated[float, Field(ge=0, le=1)]
    evidence: dict[str, float] = Field(default_factory=dict)
    amplitude: Annotated[float, Field(gt=0, le=3)] = 1.0
    style: str | None = None


class Skip(_Stretch):
    """Frames that would be in a cue, and why they are not."""

    reason: str


class Span(Strict):
    """Seconds of the film."""

    start: Annotated[float, Field(ge=0)]
    end: Annotated[float, Field(ge=0)]


class Cues(Document):
    """`cues.json`: all cues of a film.

    Attributes:
        cues: sorted by shot, track and start; those of one track do not overlap.
        offscreen: dub speech that no visible face says.
        skipped: what was left alone, and why.
        stems: whose dub is heard alone: person → unit of `align`.
    """

    FILE: ClassVar[str] = "cues.json"
    SPARSE: ClassVar[bool] = True

    cues: tuple[Cue, ...] = ()
    offscreen: tuple[Span, ...] = ()
    skipped: tuple[Skip, ...] = ()
    stems: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _apart(self) -> Cues:
        last: dict[tuple[str, int], int] = {}
        for cue in sorted(self.cues, key=lambda c: (c.shot, c.track, c.start)):
            if cue.start < last.get((cue.shot, cue.track), 0):
                raise ValueError(f"cues of track {cue.track} in shot {cue.shot} overlap at frame {cue.start}")
            last[cue.shot, cue.track] = cue.stop
        return self
