"""`measure`'s artifact: the quality of one face in one shot, beside that of the source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dubcli.artifacts.base import Document, Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIXELS_EVERY = 8
"""Changed frames from one whose pixels are measured to the next; set by hand."""
OUTSIDE_FRAMES = 4
"""Frames of a face that are compared outside the mask; the same arithmetic makes them all."""
_CURVES = "curves.npz"


class Measure(Strict):
    """A measure of the dubbed film, and the same of the source; null where it cannot be computed."""

    dubbed: float | None = None
    source: float | None = None


class Violation(Strict):
    """A sound of the dub at which the dubbed mouth lacks the shape that the sound needs.

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


class Measures(Document):
    """`measures.json`: quality of one face in one shot, of its composited pictures before encoding.

    What each measure sees and what fools it is said where it is computed, in `dubcli.quality`.

    Attributes:
        frames: frames in which the lips were measured.
        picture_frames: frames that were looked at.
        pixel_frames: of these, the frames evenly spread over all that were changed in which sharpness, grain,
            seam and colour were measured.
        speech_frames: of the frames measured, those in which the face speaks and is wholly changed.
        rest_frames: those in which the lips have no reason to move.
        closures: lip closures behind `closure_hits`.
        sounds: /p b m/ behind `closure_ms`.
        offset_ms: milliseconds by which the mouth is later than its speech (negative: earlier).
        closure_ms: milliseconds by which lips close later than the sound asks.
        correlation: of the aperture with what speech asks for, -1 to 1.
        follows: of the aperture with its target, in the worst half second, -1 to 1.
        amplitude: standard deviation of the aperture over that of its target.
        articulation: standard deviation of the aperture in speech, in hundredths of the outer-eye distance.
        closure_hits: share of the lip closures at which the lips meet.
        still_motion: motion of the lips from frame to frame where they are to be still or there is no
            speech, in thousandths of the outer-eye distance.
        tremble: motion of the lips above 8 Hz, in thousandths of the outer-eye distance.
        flicker: second difference over three frames of the mouth's picture, in thousandths of full scale.
        brightness: the same of the brightness of the skin that was replaced.
        sharpness: detail of the mouth over that of the cheek, where it is worst for a second and a half.
        grain: grain of the skin around the mouth over that of the cheek.
        seam: gradient at the mask's edge over that of the source there; 0 is none; the worst stretch as well.
        colour: difference of the patch's colour from the source's on the mask's ring, CIELAB units; the worst
            stretch as well.
        identity: likeness of the lower face to this person's own footage, up to 1.
        changed_outside: samples changed outside the mask, over some frames.
        violations: sounds without the mouth shape that they need, in the measured frames.
        worst: the frame that fits worst, None where nothing was measured.
        places: measures told of their worst stretch → the frame in its middle.
    """

    FILE: ClassVar[str] = "measures.json"

    frames: int = 0
    picture_frames: int = 0
    pixel_frames: int = 0
    speech_frames: int = 0
    rest_frames: int = 0
    closures: int = 0
    sounds: int = 0
    offset_ms: Measure = Measure()
    closure_ms: Measure = Measure()
    correlation: Measure = Measure()
    follows: Measure = Measure()
    amplitude: Measure = Measure()
    articulation: Measure = Measure()
    closure_hits: Measure = Measure()
    still_motion: Measure = Measure()
    tremble: Measure = Measure()
    flicker: Measure = Measure()
    brightness: Measure = Measure()
    sharpness: Measure = Measure()
    grain: Measure = Measure()
    seam: Measure = Measure()
    colour: Measure = Measure()
    identity: Measure = Measure()
    changed_outside: int | None = None
    violations: tuple[Violation, ...] = ()
    worst: int | None = None
    places: dict[str, int] = Field(default_factory=dict)


def save_aperture(folder: Path, frames: NDArray[np.int32], aperture: NDArray[np.float32]) -> None:
    """Write the measured aperture (T,) of film-wide frames (T,) into an artifact's folder."""
    import numpy as np

    np.savez_compressed(folder / _CURVES, frames=frames, aperture=aperture)


def aperture(folder: Path) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Film-wide frames (T,) and their measured aperture (T,), outer-eye distances."""
    from dubcli.artifacts import arrays

    box = arrays.read(folder / _CURVES)
    return box["frames"], box["aperture"]
