"""An aligner that finds no speech, so that the pipeline runs without any model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.speech import Record
from dubcli.engines.aligners.base import NO_CONTEXT, AlignmentContext, Report, silent
from dubcli.speech.alignment import Alignment
from dubcli.speech.visemes import from_phones


class PassthroughAligner:
    """Finds no speech."""

    def align(
        self, wave: NDArray[np.float32], report: Report = silent, context: AlignmentContext = NO_CONTEXT
    ) -> Alignment:
        """An alignment of silence as long as the wave."""
        count = len(wave) // 160
        record = Record(engine="passthrough", seconds=round(len(wave) / 16000, 4))
        return Alignment(record, np.zeros(count, np.float32), from_phones((), count))
