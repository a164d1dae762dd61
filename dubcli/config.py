"""Settings: strict models, one section per stage; only what can change a result is in a stage's section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SplitSettings(_Section):
    """Shot detection."""


class TrackSettings(_Section):
    """Face tracking."""

    engine: str = "mediapipe"


class CastSettings(_Section):
    """Identities across shots."""


class AlignSettings(_Section):
    """Speech and phones."""

    engine: str = "phones"


class CueSettings(_Section):
    """Which face says what."""


class LearnSettings(_Section):
    """The mouth model."""


class MotionSettings(_Section):
    """Speech to mouth shapes."""


class LipsSettings(_Section):
    """Mouth pixels."""

    engine: str = "exemplar"


class ComposeSettings(_Section):
    """Encoding of changed spans."""


class RemuxSettings(_Section):
    """Streams of the dubbed film."""


class RunSettings(_Section):
    """How to run; never part of a key."""

    workers: int = Field(default=0, ge=0, description="worker processes at once; 0 = by cores and memory")
    timeout: float = Field(
        default=600.0, gt=0, description="seconds without progress until a worker is given up"
    )
    retries: int = Field(default=2, ge=0, description="how often a failed unit is tried again")
    fallback: Literal["none", "original"] = Field(
        default="none", description="`original`: finish the film with the source's picture over failed shots"
    )


class Settings(_Section):
    """Everything a preset can say."""

    split: SplitSettings = SplitSettings()
    track: TrackSettings = TrackSettings()
    cast: CastSettings = CastSettings()
    align: AlignSettings = AlignSettings()
    cue: CueSettings = CueSettings()
    learn: LearnSettings = LearnSettings()
    motion: MotionSettings = MotionSettings()
    lips: LipsSettings = LipsSettings()
    compose: ComposeSettings = ComposeSettings()
    remux: RemuxSettings = RemuxSettings()
    run: RunSettings = RunSettings()
