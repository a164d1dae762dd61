"""Settings: strict models, one section per stage; only what can change a result is in a stage's section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

PERSONAL = (
    "engines.accepted",
    "engines.whisperx.python",
    "provenance.certificate",
    "provenance.key",
)
"""Settings that run a program, accept a licence or sign: only the user may give them.

They are read from flags, the environment and the user's own configuration. A folder of films, a job and a
preset may come from anybody; there they are refused.
"""


class _Section(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SplitSettings(_Section):
    """Shot detection."""

    threshold: float = Field(
        default=3.0,
        gt=0,
        description="a cut is a change this many times the change around it (PySceneDetect)",
    )
    min_frames: int = Field(default=8, ge=1, description="frames a shot has at least")
    max_frames: int = Field(
        default=3000,
        ge=50,
        description="frames a shot has at most: a longer one is worked on in parts, divided where it is calm",
    )


class TrackSettings(_Section):
    """Face tracking."""

    engine: str = Field(default="mediapipe", description="tracker engine")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="where the networks of the tracker insightface compute; results differ, so shots are "
        "tracked anew",
    )
    views: int = Field(
        default=4,
        ge=1,
        le=4,
        description="crops averaged for each mesh at most; two suffice where they agree, fewer is faster",
    )
    min_size: float = Field(default=20.0, ge=0, description="pixels between the outer eye corners")
    max_yaw: float = Field(default=45.0, gt=0, le=90, description="degrees a head may turn to the side")
    max_pitch: float = Field(default=40.0, gt=0, le=90, description="degrees a head may look up or down")
    min_sharp: float = Field(default=0.35, ge=0, le=1, description="sharpness over the track's median")
    max_occlusion: float = Field(
        default=0.5, gt=0, le=1, description="share of the lower face that may be occluded"
    )


class CastSettings(_Section):
    """Identities across shots."""

    apart: float = Field(
        default=0.25,
        ge=0,
        le=2,
        description="cosine distance of descriptors over which tracks are two people",
    )
    require_consent: bool = Field(
        default=False,
        description="stop before a mouth is changed whose consent for this dub is not in cast.yaml; "
        "never part of a key",
    )


class AlignSettings(_Section):
    """Speech and phones."""

    engine: str = Field(default="phones", description="aligner engine")
    offset: float = Field(
        default=0.0,
        ge=-86400,
        le=86400,
        description="seconds after the film's first picture at which the dub begins; negative: earlier",
    )


class CueSettings(_Section):
    """Which face speaks when."""

    threshold: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="probability of speech in the film from which a face counts as speaking",
    )
    gap: float = Field(default=0.4, ge=0, description="seconds; cues closer than this are one")
    pad: float = Field(default=0.25, ge=0, description="seconds of a cue around its speech, to fade in")
    shortest: int = Field(default=6, ge=1, description="frames a changed run has at least")


class GallerySettings(_Section):
    """The reference bank of each person."""

    budget_mb: int = Field(default=400, ge=1, description="megabytes of reference footage per person at most")


class LearnSettings(_Section):
    """The mouth model."""

    source: Literal["film", "prior", "rules"] = Field(
        default="film",
        description="what drives mouths: the film's own speech on top of the prior, the prior, or rules",
    )
    prior: str = Field(default="", description="a prior.safetensors to start from, if not the one that ships")
    least_speech: float = Field(
        default=2.0,
        gt=0,
        description="seconds of a person's speech in the film that their mouth model needs at least",
    )


class TrainSettings(_Section):
    """Training of a lip engine that learns from the film."""

    size: Literal[64, 128, 256, 512] = Field(default=128, description="pixels of a side of what it draws")
    steps: int = Field(
        default=160, ge=1, description="steps for each of the film's people, who learn together"
    )
    person_steps: int = Field(default=0, ge=0, description="steps for each person after that; 0: none")
    least_footage: float = Field(
        default=4.0, gt=0, description="seconds of a person's usable footage that training needs at least"
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where training and drawing compute")


class MotionSettings(_Section):
    """Speech to mouth shapes."""

    ramp: int = Field(default=6, ge=4, description="frames over which a change fades in and out")
    amplitude: float = Field(default=1.0, gt=0, le=3, description="how far mouths move; 1 is as in the film")
    keep_matching: bool = Field(
        default=False, description="keep the film's frames whose mouth already fits the dub"
    )
    matching: float = Field(
        default=0.015,
        gt=0,
        description="difference of the lips that still fits, in distances between the outer eye corners",
    )


class LipsSettings(_Section):
    """Mouth pixels."""

    engine: str = Field(default="exemplar", description="lips engine")


class ComposeSettings(_Section):
    """Encoding of changed spans."""

    video: Literal["copy-untouched", "encode", "copy"] = Field(
        default="copy-untouched",
        description="copy groups of pictures that are not changed, or encode every frame; copy: encode none, "
        "and write no film where a frame is changed, so that only its layers can be taken",
    )
    codec: Literal["source", "h264", "hevc", "prores", "dnxhr", "ffv1"] = Field(
        default="source", description="codec of the picture; any but the film's own encodes every frame"
    )
    encoder: Literal["software", "nvenc", "qsv", "videotoolbox"] = Field(
        default="software",
        description="what encodes H.264 and HEVC; a graphics card is quick, its bytes differ from card to "
        "card, and it goes with compose.video=encode",
    )
    profile: str = Field(
        default="",
        pattern="^[a-z0-9_]*$",
        description="the encoder's name of a profile; empty: the film's own",
    )
    crf: float = Field(
        default=15.0, ge=0, le=51, description="quality of H.264 and HEVC: lower is better and larger"
    )
    preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
    ] = Field(default="faster", description="speed of H.264 and HEVC: slower is smaller")

    @model_validator(mode="after")
    def _copied_as_it_is(self) -> ComposeSettings:
        if self.video == "copy" and self.codec != "source":
            raise ValueError("compose.video=copy keeps the film's codec; leave compose.codec out")
        if self.encoder != "software" and self.video != "encode":
            raise ValueError(
                f"{self.encoder} encodes every frame; add --set compose.video=encode, "
                "or leave compose.encoder out"
            )
        return self


def _language(text: str) -> str:
    # Imported here: without a language tag its registry need not be loaded.
    from dubcli.language import named

    return named(text) if text else ""


class RemuxSettings(_Section):
    """Streams of the dubbed film."""

    language: Annotated[str, AfterValidator(_language)] = Field(
        default="",
        description="BCP 47 tag of the dub's language, such as fr or pt-BR; empty: from its file",
    )
    original: Literal["keep", "drop"] = Field(
        default="keep", description="what becomes of the film's own sound"
    )


class ReportSettings(_Section):
    """What is measured for the report."""

    measure: int = Field(
        default=36,
        ge=0,
        description="frames in a row measured again of each face and shot, beside every eighth that was "
        "changed; 0 for none",
    )


class ProvenanceSettings(_Section):
    """How the published film is signed; never part of a key."""

    certificate: str = Field(
        default="",
        description="the certificate that signs, in PEM, followed by those of its issuers; empty: nobody "
        "signs, and the manifest is a sidecar that shows no more than whether the film has changed",
    )
    key: str = Field(
        default="", description="the private key of that certificate, in PEM, without a password"
    )


Limits = tuple[float, float]
"""The values of a measure from which the verdict is look, and redo."""


def _limits(look: float, redo: float, description: str) -> Limits:
    return Field(default=(look, redo), description=f"look, redo: {description}")


class QualitySettings(_Section):
    """Verdicts: good, look or redo, from limits on measures (docs/quality.md)."""

    gate: Literal["none", "fail", "source"] = Field(
        default="none",
        description="what a shot to be redone does: nothing; `fail`: the run ends with exit code 8; "
        "`source`: it shows the source's picture",
    )
    offset_ms: Limits = _limits(90.0, 160.0, "milliseconds between mouth and dub, above")
    closure_ms: Limits = _limits(80.0, 140.0, "milliseconds between lip closures and their sounds, above")
    correlation: Limits = _limits(0.2, 0.0, "fit of the mouth to what the dub asks for, below")
    follows: Limits = _limits(0.6, 0.1, "fit of the mouth to its target in the worst half second, below")
    amplitude: Limits = _limits(0.5, 0.25, "movement over that asked for, below")
    exaggeration: Limits = _limits(2.0, 3.0, "movement over that asked for, above")
    closure_hits: Limits = _limits(0.5, 0.2, "share of lip closures that are met, below")
    still_motion: Limits = _limits(8.0, 15.0, "motion in silence, 1/1000 of the eye distance a frame, above")
    tremble: Limits = _limits(2.0, 3.0, "motion above 8 Hz over the source's, above")
    flicker: Limits = _limits(2.0, 3.0, "flicker of the mouth's picture over the source's, above")
    brightness: Limits = _limits(10.0, 40.0, "flicker of brightness, thousandths of full scale, above")
    sharpness: Limits = _limits(0.6, 0.35, "sharpness of the mouth over the source's, below")
    seam: Limits = _limits(0.5, 1.5, "strength of the mask's edge, above")
    colour: Limits = _limits(3.0, 8.0, "difference of colour on the mask's ring, CIELAB units, above")
    identity: Limits = _limits(0.9, 0.75, "likeness to the person's own footage, below")
    confidence: Limits = _limits(0.2, 0.05, "confidence of the lip engine, below")


class RunSettings(_Section):
    """How to run; never part of a key."""

    workers: int = Field(default=0, ge=0, description="worker processes at once; 0 = by cores and memory")
    timeout: float = Field(
        default=600.0,
        gt=0,
        description="seconds until a worker is given up that neither reports nor computes, reads or writes",
    )
    stall: float = Field(
        default=21600.0,
        ge=0,
        description="seconds without progress until a unit is given up although its worker works; 0: never",
    )
    retries: int = Field(default=2, ge=0, description="how often a failed unit is tried again")
    fallback: Literal["none", "original"] = Field(
        default="none", description="`original`: finish the film with the source's picture over failed shots"
    )


class WhisperxSettings(_Section):
    """The aligner `whisperx`."""

    model: str = Field(default="", description="folder of a Whisper model in faster-whisper's format")
    ctc: str = Field(
        default="",
        description="folder of a wav2vec2 CTC model of the language, to place words; empty: by PocketSphinx",
    )
    python: str = Field(
        default="", description="an interpreter that has whisperx, where that is not installed beside dubcli"
    )


class InsightfaceSettings(_Section):
    """The tracker `insightface`."""

    pack: str = Field(default="", description="folder of an unpacked model pack, such as buffalo_l")


class EnginesSettings(_Section):
    """Settings of single engines."""

    accepted: tuple[str, ...] = Field(
        default=(), description="engines whose non-commercial licence is accepted; never part of a key"
    )
    insightface: InsightfaceSettings = InsightfaceSettings()
    whisperx: WhisperxSettings = WhisperxSettings()


class Settings(_Section):
    """All settings that a preset can hold."""

    split: SplitSettings = SplitSettings()
    track: TrackSettings = TrackSettings()
    cast: CastSettings = CastSettings()
    align: AlignSettings = AlignSettings()
    cue: CueSettings = CueSettings()
    gallery: GallerySettings = GallerySettings()
    learn: LearnSettings = LearnSettings()
    train: TrainSettings = TrainSettings()
    motion: MotionSettings = MotionSettings()
    lips: LipsSettings = LipsSettings()
    compose: ComposeSettings = ComposeSettings()
    remux: RemuxSettings = RemuxSettings()
    report: ReportSettings = ReportSettings()
    quality: QualitySettings = QualitySettings()
    engines: EnginesSettings = EnginesSettings()
    provenance: ProvenanceSettings = ProvenanceSettings()
    run: RunSettings = RunSettings()
