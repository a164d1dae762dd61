"""What an aligner is: it hears a wave and says where speech, words and phones are."""

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
    """A report that nobody reads."""


@dataclass(frozen=True)
class Given:
    """What an aligner knows besides the sound.

    Attributes:
        script: what is said, None where there is none.
        language: BCP 47 tag of the speech, "" where unknown.
        speaker: whose lines of the script the sound holds, "" for everybody's.
        paths: files of the engine's own by role, such as its weights.
        batch: 1.0, or less after running out of memory: scale batches by it.
        warn: called with one line for the user.
    """

    script: Path | None = None
    language: str = ""
    speaker: str = ""
    paths: Mapping[str, Path] = field(default_factory=dict)
    batch: float = 1.0
    warn: Callable[[str], None] = lambda line: None


ALONE = Given()
"""Nothing but the sound."""


class Aligner(Protocol):
    """An engine of kind `aligner`."""

    def hear(self, wave: NDArray[np.float32], report: Report = silent, given: Given = ALONE) -> Alignment:
        """Hear a levelled mono wave (S,) at 16 kHz; `report(done, total)` is called as it goes on."""
        ...
