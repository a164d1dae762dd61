"""`report`'s artifact: what was done to each shot, what was left unchanged, and why."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import ClassVar, Literal

from dubcli.artifacts.base import Document, Strict

SCHEMA = 3
FILM, DUB = "{{film}}", "{{dub}}"
"""Placeholders for the file names of film and dub in the artifact: no result depends on those names."""
Range = tuple[int, int]
"""Frames [start, stop), counted over the whole film from 0."""
State = Literal["changed", "untouched", "failed"]


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
    """The dub: its file name, its length and how much of it is speech, in seconds."""

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


class Measure(Strict):
    """A measure of the dubbed film, and the same of the source; null where it cannot be computed."""

    dubbed: float | None = None
    source: float | None = None


class Measures(Strict):
    """Quality of one face in one shot, measured on the finished film.

    Attributes:
        frames: number of frames that were measured.
        offset: frames by which the mouth is later than its speech (negative: earlier).
        correlation: of the aperture with the one that the speech asks for by rule, -1 to 1.
        follows: of the aperture with its target, -1 to 1.
        articulation: standard deviation of the aperture in speech, in hundredths of the outer-eye distance.
        closure_hits: share of the lip closures in the speech at which the lips meet.
        still_motion: motion of the lips from frame to frame where they are to be still, in
            thousandths of the outer-eye distance.
        flicker: second difference over three frames of the mouth's picture, in thousandths of full scale.
        sharpness: detail of the mouth over that of the cheek.
        grain: grain of the skin around the mouth over that of the cheek.
        seam: gradient at the mask's edge above that of the source there; 0 is none.
        changed_outside: samples changed outside the mask before encoding, over the measured frames.
    """

    frames: int = 0
    offset: Measure = Measure()
    correlation: Measure = Measure()
    follows: Measure = Measure()
    articulation: Measure = Measure()
    closure_hits: Measure = Measure()
    still_motion: Measure = Measure()
    flicker: Measure = Measure()
    sharpness: Measure = Measure()
    grain: Measure = Measure()
    seam: Measure = Measure()
    changed_outside: int | None = None


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


class Violation(Strict):
    """A sound of the dub at which the mouth in the finished film lacks the shape that the sound needs.

    Attributes:
        frame: the frame at the middle of the sound.
        seconds: time of that frame after the film's first picture.
        phone: the sound, in ARPABET.
        kind: `closure` of the lips, labiodental `contact`, or `rounding`.
        measured: the smallest aperture, or lip width for `rounding`, within a frame of the sound, in
            outer-eye distances.
        limit: the largest value at which the shape counts as met.
    """

    frame: int
    seconds: float
    phone: str
    kind: Literal["closure", "contact", "rounding"]
    measured: float
    limit: float


class Face(Strict):
    """One face in one shot.

    Attributes:
        name: `shot.track`.
        person: who it is.
        start, stop: its frames [start, stop).
        state: its result.
        changed: all frames whose mouth was changed, in order.
        frames_changed: their number.
        confidence: 0-1, mean over the lip engine's patches.
        cues: frames in which it speaks or is kept still.
        skipped: all its other frames, in order, each range with the reason.
        curves: aperture; null for a face without cues.
        measures: quality; null where nothing was measured.
        violations: sounds without the mouth shape that they need, in the measured frames.
        warnings: messages about what to check by eye.
    """

    name: str
    person: str
    start: int
    stop: int
    state: State
    changed: tuple[Range, ...]
    frames_changed: int
    confidence: float | None
    cues: tuple[Cue, ...]
    skipped: tuple[Skip, ...]
    curves: Curves | None = None
    measures: Measures | None = None
    violations: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()


class Shot(Strict):
    """One shot.

    Attributes:
        name: its first frame, with eight digits.
        start, stop: its frames [start, stop).
        seconds: its start.
        state, what: its result, as a word and as a sentence.
        changed: the frames in which any mouth was changed.
        faces: the faces in it.
    """

    name: str
    start: int
    stop: int
    seconds: float
    state: State
    changed: tuple[Range, ...]
    what: str
    faces: tuple[Face, ...]


class Totals(Strict):
    """Sums over the film.

    Attributes:
        shots, shots_changed: number of shots.
        faces, faces_changed, faces_failed: number of faces, each shot's counted anew.
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


class Report(Document):
    """`report.json`.

    Attributes:
        film, dub: the film and the dub.
        totals: sums over the film.
        changed: every frame of the film that was changed.
        speech: spans of speech in the dub.
        offscreen: those of them that no visible face says.
        warnings: messages about what to check by eye.
        engines: the engines that were used, with their licences.
        shots: all shots in order.
    """

    FILE: ClassVar[str] = "report.json"

    schema_version: int = SCHEMA
    film: Film
    dub: Dub
    totals: Totals
    changed: tuple[Range, ...]
    speech: tuple[Span, ...]
    offscreen: tuple[Span, ...]
    warnings: tuple[str, ...]
    engines: tuple[Engine, ...]
    shots: tuple[Shot, ...]

    def text(self) -> str:
        """The report as JSON, one value a line, and curves and ranges on a single line each."""
        return _NUMBERS.sub(lambda found: re.sub(r"\s+", "", found[0]), super().text())


def named(data: bytes, file: str, film: str, dub: str) -> bytes:
    """A file of the artifact with the names that film and dub have now.

    Args:
        data: its content.
        file: its name, which says how names are written in it.
        film, dub: the names.
    """
    for mark, name in ((FILM, film), (DUB, dub)):
        text = name.encode("utf-8", "replace").decode()
        written = json.dumps(text)[1:-1] if file == Report.FILE else html.escape(text)
        data = data.replace(mark.encode(), written.encode())
    return data


def page(folder: Path) -> Path:
    """Path of the report as one self-contained HTML page."""
    return folder / "report.html"
