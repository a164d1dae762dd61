"""The result of an aligner: speech, phones and visemes of an audio signal in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.speech import Record


@dataclass(frozen=True)
class Alignment:
    """Speech, words, phones and visemes of a wave of S samples.

    Attributes:
        record: regions, words and phones.
        speech: (F,) float32 speech probability at 100 Hz, F = S // 160.
        viseme: (F, V) float32 soft viseme classes at 100 Hz, rows sum to 1.
    """

    record: Record
    speech: NDArray[np.float32]
    viseme: NDArray[np.float32]
