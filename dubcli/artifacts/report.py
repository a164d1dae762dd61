"""`report`'s artifact: what was done to each shot, what was left unchanged, and why."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from dubcli.artifacts.base import Document, Strict
from dubcli.artifacts.cast import Consent
from dubcli.artifacts.measures import Measure, Measures, Violation

__all__ = ["Measure", "Measures", "Violation"]

SCHEMA = 4
FILM, DUB, OUTPUT = "{{film}}", "{{dub}}", "{{output}}"
DATE, VERSION, TIMINGS, REVIEW = "{{date}}", "{{version}}", "{{timings}}", "{{review}}"
WARNED = "{{warned}}"
"""Placeholders in the artifact for what no result depends on: file names, the day, the version of dubcli, and
what was decided shot by shot, as JSON of shot → (state, take, note)."""
Range = tuple[int, int]
"""Frames [start, stop), counted over the whole film from 0."""
State = Literal["changed", "untouched", "failed"]
Verdict = Literal["good", "look", "redo"]


_NUMBERS = re.compile(r"\[\s+(?:\[|null|-?\d)[^a-mo-z\"{}]*\]")  # lists of numbers, and of pairs of them


class Film(Strict):
    """The film that was dubbed.

    Attributes:
        name: its file name; in the artifact `FILM`.
        seconds: its length.
        frames: number of its pictures.
        rate: pictures per second, (numerator, denominator).
        width, height: of the raster, pixels.
        codec, pix_fmt: FFmpeg's names.
        audio, subtitles: number of such streams.
    """

    name: str
    seconds: float
    frames: int
    rate: tuple[int, int]
    width: int
    height: int
    codec: str
    pix_fmt: str
    audio: int
    subtitles: int


class Dub(Strict):
    """The dub: its file name, its length and how much of the film it speaks, in seconds."""

    name: str
    seconds: float
    speech_seconds: float


class Span(Strict):
    """A half-open span of time, seconds."""

    start: float
    stop: float


class Cue(Strict):
    """Frames [start, stop) in which a face speaks the dub, or is kept still because the dub is silent."""

    start: int
    stop: int
    kind: Literal["speak", "still"]
    confidence: float


class Skip(Strict):
    """Frames [start, stop) that were left unchanged, and the reason."""

    start: int
    stop: int
    reason: str


class Reason(Strict):
    """Why a verdict is not good.

    Attributes:
        measure: name of the measure, as in the preset's section `quality`.
        verdict: what it alone comes to.
        text: the reason in words, with the figure.
        advice: what to do about it.
    """

    measure: str
    verdict: Verdict
    text: str
    advice: str


class Curves(Strict):
    """Aperture of the lips per frame from `start` on, in outer-eye distances; null where it is not known.

    Attributes:
        start: first frame.
        source: in the source film.
        target: the aperture asked for; null where nothing is to be changed.
        dubbed: measured in the finished film; null where it was not measured.
    """

    start: int
    source: tuple[float | None, ...]
    target: tuple[float | None, ...]
    dubbed: tuple[float | None, ...]


class Face(Strict):
    """One face in one shot.

    Attributes:
        name: `shot.track`.
        person: who it is.
        start, stop: its frames [start, stop).
        state: its result.
        verdict: good, look or redo; null where nothing was measured.
        reasons: why it is not good, the gravest first.
        changed: all frames whose mouth was changed, in order.
        frames_changed: their number.
        confidence: 0-1, mean over the lip engine's patches.
        cues: frames in which it speaks or is kept still.
        skipped: all its other frames, in order, each range with the reason.
        curves: aperture; null for a face without cues.
        measures: quality; null where nothing was measured.
        engine: the lip engine that drew it; null where it is the only one that the film's settings name.
        why: the reason for that engine, where it is another than the settings name.
        encoded: difference of the upper face, which nothing changes, between both films after encoding, in
            thousandths of full scale; null where no picture was compared.
    """

    name: str
    person: str
    start: int
    stop: int
    state: State
    verdict: Verdict | None = None
    reasons: tuple[Reason, ...] = ()
    changed: tuple[Range, ...]
    frames_changed: int
    confidence: float | None
    cues: tuple[Cue, ...]
    skipped: tuple[Skip, ...]
    curves: Curves | None = None
    measures: Measures | None = None
    engine: str | None = None
    why: str = ""
    encoded: float | None = None


class Shot(Strict):
    """One shot.

    Attributes:
        name: its first frame, with eight digits.
        start, stop: its frames [start, stop).
        seconds: its start.
        timecode: that of its first frame, in the film; null where the film has none.
        state, what: its result, as a word and as a sentence.
        verdict: the worst of its faces'; null where none was measured.
        changed: the frames in which any mouth was changed.
        settings: those that a reviewer gave this shot alone, `section.field` to value.
        approved: whether a reviewer approved its take, which it keeps whatever settings and dub become.
        faces: the faces in it.
    """

    name: str
    start: int
    stop: int
    seconds: float
    timecode: str | None = None
    state: State
    verdict: Verdict | None = None
    changed: tuple[Range, ...]
    what: str
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    approved: bool = False
    faces: tuple[Face, ...]


class Totals(Strict):
    """Sums over the film.

    Attributes:
        shots, shots_changed: number of shots.
        faces, faces_changed, faces_failed: number of faces, each shot's counted anew.
        good, look, redo: shots with that verdict.
        frames, frames_changed: number of frames of the film.
        frames_encoded: frames that were encoded again; the packets of the others are copied from the source.
        offscreen_seconds: speech of the dub that no visible face says.
        skipped: reason → number of frames of faces that were left unchanged.
    """

    shots: int
    shots_changed: int
    faces: int
    faces_changed: int
    faces_failed: int
    good: int
    look: int
    redo: int
    frames: int
    frames_changed: int
    frames_encoded: int | None
    offscreen_seconds: float
    skipped: dict[str, int]


class Engine(Strict):
    """An engine that was used, and its licence."""

    kind: str
    name: str
    licence: str
    commercial: bool
    summary: str


class Person(Strict):
    """A person of the film.

    Attributes:
        name: their name, or id where they have none.
        id: as in `cast.json`.
        faces: their faces in all shots.
        faces_changed: those that were changed.
        frames_changed: number of frames.
        good, look, redo: their faces with that verdict.
        forecast: how well they could be expected to be dubbed, from footage and speech alone.
        because: the reason for the forecast.
        consent: state and digest of the record of their consent in `cast.yaml`; null where there is none.
    """

    name: str
    id: str
    faces: int
    faces_changed: int
    frames_changed: int
    good: int
    look: int
    redo: int
    forecast: Literal["good", "fair", "poor"] | None
    because: str
    consent: Consent | None


class Made(Strict):
    """How the film was made.

    Attributes:
        output: file name of the finished film.
        date: day and time at which it was published, UTC.
        version: of dubcli.
        timings: seconds that each stage took, all its units together.
        warned: what the run warned of while the film was made, one a line; "" for nothing.
        preset: the shipped preset that the settings are nearest to.
        settings: those that differ from it.
        limits: of the verdicts, by measure.
    """

    output: str
    date: str
    version: str
    timings: str
    warned: str = ""
    preset: str
    settings: dict[str, str | int | float | bool | tuple[float, float]]
    limits: dict[str, tuple[float, float]]


class Report(Document):
    """`report.json`.

    Attributes:
        made: when, by which version and with which settings.
        film, dub: the film and the dub.
        totals: sums over the film.
        changed: every frame of the film that was changed.
        speech: spans of speech in the dub.
        offscreen: those of them that no visible face says.
        warnings: messages about what to check, of the film and of its shots, the gravest first.
        people: the persons of the film, those with most frames first.
        engines: the engines that were used, with their licences.
        shots: all shots in order.
    """

    FILE: ClassVar[str] = "report.json"

    schema_version: int = Field(default=SCHEMA, description="grows where a field changes its meaning")
    made: Made
    film: Film
    dub: Dub
    totals: Totals
    changed: tuple[Range, ...]
    speech: tuple[Span, ...]
    offscreen: tuple[Span, ...]
    warnings: tuple[str, ...]
    people: tuple[Person, ...]
    engines: tuple[Engine, ...]
    shots: tuple[Shot, ...]

    def text(self) -> str:
        """The report as JSON, one value a line, and curves and ranges on a single line each."""
        return _NUMBERS.sub(lambda found: re.sub(r"\s+", "", found[0]), super().text())


def named(data: bytes, file: str, names: Mapping[str, str]) -> bytes:
    """A file of the artifact with what the placeholders stand for now.

    Args:
        data: its content.
        file: its name, which says how text is written in it.
        names: placeholder → text.
    """
    for mark, name in names.items():
        text = name.encode("utf-8", "replace").decode()
        written = json.dumps(text)[1:-1] if file == Report.FILE else html.escape(text)
        data = data.replace(mark.encode(), written.encode())
    return data


def page(folder: Path) -> Path:
    """Path of the report as one self-contained HTML page."""
    return folder / "report.html"


class Verdicts(Document):
    """`verdicts.json`: the shots by verdict, for those who need no more of the report.

    Attributes:
        good, look, redo: names of shots.
    """

    FILE: ClassVar[str] = "verdicts.json"

    good: tuple[str, ...]
    look: tuple[str, ...]
    redo: tuple[str, ...]
