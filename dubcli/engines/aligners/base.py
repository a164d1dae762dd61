"""The interface of aligners: from a waveform to the times of speech, words and phones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dubcli.speech.alignment import Alignment

Report = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """A progress report that does nothing."""


@dataclass(frozen=True)
class AlignmentContext:
    """Inputs of an aligner besides the waveform.

    Attributes:
        script: file of what is said, None for no script.
        language: BCP 47 tag of the speech, "" where unknown.
        speaker: the speaker whose lines of the script the audio holds, "" for all of them.
        paths: files that only this engine uses, by role, such as its weights.
        batch: factor on batch sizes; 1.0, or less after running out of memory.
        warn: called with one line for the user.
    """

    script: Path | None = None
    language: str = ""
    speaker: str = ""
    paths: Mapping[str, Path] = field(default_factory=dict)
    batch: float = 1.0
    warn: Callable[[str], None] = lambda line: None


NO_CONTEXT = AlignmentContext()
"""No inputs besides the waveform."""


class Aligner(Protocol):
    """An engine of kind `aligner`."""

    def align(
        self, wave: NDArray[np.float32], report: Report = silent, context: AlignmentContext = NO_CONTEXT
    ) -> Alignment:
        """The alignment of a levelled mono wave (S,) at 16 kHz; calls `report(done, total)` on the way."""
        ...
