"""Settings: strict models, one section per stage; only what can change a result is in a stage's section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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

    workers: int = 0
    timeout: float = 600.0
    retries: int = 2
    fallback: Literal["none", "original"] = "none"


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
