"""A changed face: what source, dub and motion say about it before anybody looks at the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.speech import Phone
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import mesh as regions
from dubcli.media import spans

Curve = NDArray[np.float32]

SILENT = 0.1  # probability of speech under which a mouth is to rest; set by hand
_WHOLE = 0.99  # weight from which a frame counts as wholly changed
_SILENCE_SECONDS = 0.25  # from speech: lips move before and after a sound; set by hand
_REST_SECONDS = 0.5  # of silence at least, in which lips are expected to rest; set by hand
_SETTLING_SECONDS = 0.12  # at either end of it; set by hand


@dataclass(frozen=True)
class Sound:
    """What a sound asks of a mouth at each frame of a face, (T,) each.

    Attributes:
        aperture: predicted by the prior, in standard deviations.
        speech: probability of speech within reach of the lips' own movement.
        phones: with times in the film's.
    """

    aperture: Curve
    speech: Curve
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class Subject:
    """A changed face.

    Attributes:
        track: the face in the source, T frames.
        seconds: (T,) times of its frames.
        rate: frames a second.
        target, closed, weight: (T,) of its motion; NaN, 0 and 0 where it has none.
        still: (T,) frames of cues that keep it still.
        dub, film: what dub and film sound like; the film's None where it has none.
    """

    track: FaceTrack
    seconds: NDArray[np.float64]
    rate: float
    target: Curve
    closed: Curve
    weight: Curve
    still: NDArray[np.bool_]
    dub: Sound
    film: Sound | None

    @property
    def source(self) -> Curve:
        """(T,) aperture in the source, NaN where there was no mesh."""
        aperture = regions.aperture(self.track.mesh)
        return np.where(self.track.reason == Reason.NO_MESH, np.nan, aperture).astype(np.float32)

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """(T,) frames that speak and are wholly changed."""
        return np.asarray(~self.still & (self.weight > _WHOLE))

    @property
    def rests(self) -> NDArray[np.bool_]:
        """(T,) frames that are wholly changed and in which the lips have no reason to move.

        They lie inside half a second or more without speech: lips close after a sound, and open before one.
        """
        quiet = (self.weight > _WHOLE) & (self.still | (self.dub.speech < SILENT))
        out = np.zeros(len(quiet), bool)
        margin, shortest = round(_SETTLING_SECONDS * self.rate), round(_REST_SECONDS * self.rate)
        for start, stop in spans.runs_of_true(quiet, max(1, shortest)):
            out[start + margin : stop - margin] = True
        return out


def silence(speech: Curve, rate: float) -> Curve:
    """Probability of speech within `_SILENCE_SECONDS` of each of its rows, which come at `rate` a second."""
    from scipy.ndimage import maximum_filter1d

    return np.asarray(maximum_filter1d(speech, 2 * round(_SILENCE_SECONDS * rate) + 1), np.float32)
