"""`cue`'s artifact: the frames in which each face is dubbed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from dubcli.artifacts.base import Document, Strict

Frame = Annotated[int, Field(ge=0)]


class _Frames(Strict):
    shot: Annotated[str, Field(pattern=r"^\d{8,}$")]
    track: Annotated[int, Field(ge=0)]
    start: Frame
    stop: Frame

    @model_validator(mode="after")
    def _forward(self) -> _Frames:
        if self.stop <= self.start:
            raise ValueError(f"frame {self.stop} is not after {self.start}")
        return self


class Cue(_Frames):
    """Frames of a track whose mouth is changed.

    Attributes:
        shot, track: name of the shot, and number of the face track in it.
        person: id of `cast.json`.
        start, stop: film-wide frame numbers, half-open.
        kind: `speak` for a face that says the dub; `still` for one that talks in the film while the dub is
            silent, and is kept still.
        confidence: probability that this face is the active speaker, 0–1.
        evidence: the numbers behind it, for display only.
        amplitude: factor on the motion of the mouth; 1 is as in the film.
        style: name of the speaking style; None for the one in `cast.yaml`.
    """

    person: str
    kind: Literal["speak", "still"]
    confidence: Annotated[float, Field(ge=0, le=1)]
    evidence: dict[str, float] = Field(default_factory=dict)
    amplitude: Annotated[float, Field(gt=0, le=3)] = 1.0
    style: str | None = None


class Skip(_Frames):
    """Frames that are left out of a cue, and the reason."""

    reason: str


class Span(Strict):
    """A range of the film, in seconds."""

    start: Annotated[float, Field(ge=0)]
    end: Annotated[float, Field(ge=0)]


class Cues(Document):
    """`cues.json`: all cues of a film.

    Attributes:
        cues: sorted by shot, track and start; those of one track do not overlap.
        offscreen: speech of the dub that no visible face says.
        skipped: frames that are left unchanged, and the reason.
        stems: person → unit of `align` of their stem.
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
