"""`cues.json`: whose mouth moves when, as strict models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dubcli.errors import ConfigError

Frame = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Stretch(_Model):
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
    evidence: dict[str, float] = {}
    amplitude: Annotated[float, Field(gt=0, le=3)] = 1.0
    style: str | None = None


class Skip(_Stretch):
    """Frames that would be in a cue, and why they are not."""

    reason: str


class Span(_Model):
    """Seconds of the film."""

    start: Annotated[float, Field(ge=0)]
    end: Annotated[float, Field(ge=0)]


class Cues(_Model):
    """All cues of a film.

    Attributes:
        cues: sorted by shot, track and start; those of one track do not overlap.
        offscreen: dub speech that no visible face says.
        skipped: what was left alone, and why.
        stems: whose dub is heard alone: person → unit of `align`.
    """

    cues: tuple[Cue, ...] = ()
    offscreen: tuple[Span, ...] = ()
    skipped: tuple[Skip, ...] = ()
    stems: dict[str, str] = {}

    @model_validator(mode="after")
    def _apart(self) -> Cues:
        last: dict[tuple[str, int], int] = {}
        for cue in sorted(self.cues, key=lambda c: (c.shot, c.track, c.start)):
            if cue.start < last.get((cue.shot, cue.track), 0):
                raise ValueError(f"cues of track {cue.track} in shot {cue.shot} overlap at frame {cue.start}")
            last[cue.shot, cue.track] = cue.stop
        return self

    def save(self, path: Path) -> None:
        """Write it as JSON, the same bytes for the same content."""
        path.write_text(self.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")


def why(kind: str, evidence: Mapping[str, float]) -> str:
    """What led to a cue, in words."""
    if "edited" in evidence:
        return "edited by hand"
    talked = f"mouth talks in {100 * evidence.get('talked', 0):.0f} % of it in the film"
    agrees = f"agreement with the film's sound {evidence.get('sync', 0):+.2f}"
    if kind == "still":
        return f"{talked}, the dub is silent; {agrees}"
    for source, told in (("stem", "its stem speaks"), ("script", "the script names it")):
        if source in evidence:
            return f"{told} in {100 * evidence[source]:.0f} % of it; {talked}; {agrees}"
    return f"{talked}; {agrees}"


def load(path: Path) -> Cues:
    """Read a `cues.json`.

    Raises:
        ConfigError: it is not one.
    """
    try:
        return Cues.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "cues"
        raise ConfigError(f"{path.name} is not a list of cues: {where}: {first['msg']}") from error
