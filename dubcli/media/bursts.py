"""Coded sound that stands in PCM: Dolby E, AC-3 and others in bursts, which are heard as noise.

Sources: SMPTE ST 337 (preambles), ST 338 (data types); IEC 61937-1 and -2.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEARCHED_SECONDS = 5.0
"""Of a sound's beginning: bursts come with every picture; set by hand."""

# Both sync words of a burst, one in each channel of a pair, as the highest of 32 bits: of 16, 20 and 24 bits.
_SYNC = ((0xF8720000, 0x4E1F0000, 16), (0x6F872000, 0x54E1F000, 20), (0x96F87200, 0xA54E1F00, 24))
_TYPES = {
    1: "AC-3", 7: "AAC", 10: "AAC", 11: "DTS", 12: "DTS", 13: "DTS", 17: "DTS-HD", 21: "E-AC-3",
    22: "Dolby TrueHD", 28: "Dolby E",
}  # fmt: skip
_FEWEST = 3  # bursts that are no chance; set by hand


class Coded(NamedTuple):
    """Coded sound in bursts.

    Attributes:
        kind: what it is.
        left: the first channel of its pair, from 0.
        bits: of its words, 16, 20 or 24.
    """

    kind: str
    left: int
    bits: int

    def decoding(self, channels: int) -> str:
        """The command that makes sound of it, "" where FFmpeg has none.

        Args:
            channels: of the file that it is in.
        """
        pair = f" -af 'pan=stereo|c0=c{self.left}|c1=c{self.left + 1}'" if channels > 2 else ""
        if self.kind == "Dolby E":
            words, reader = "s16le" if self.bits == 16 else "s24le", "s337m"
        else:
            words, reader = "s16le", "spdif"
        known = self.bits == 16 or reader == "s337m"
        decode = f"ffmpeg -f {reader} -i - -c:a pcm_s24le NEW.wav"
        return f"ffmpeg -i DUB{pair} -f {words} - | {decode}" if known else ""


def find(samples: NDArray[np.int32]) -> Coded | None:
    """What bursts in some sound hold, None where there are none.

    Args:
        samples: (S, C) samples of PCM in the highest bits.
    """
    words = samples.view(np.uint32)
    found: Counter[tuple[int, int, int]] = Counter()
    for left in range(0, words.shape[1] - 1, 2):
        pair = words[:, left : left + 2]
        for first, second, bits in _SYNC:
            mask = np.uint32((1 << 32) - (1 << 32 - bits))
            at = np.flatnonzero((pair[:-1, 0] & mask == first) & (pair[:-1, 1] & mask == second))
            found.update((int(one), left, bits) for one in pair[at + 1, 0] >> 16 & 31)
    (number, left, bits), count = found.most_common(1)[0] if found else ((0, 0, 0), 0)
    return Coded(_TYPES.get(number, "coded sound"), left, bits) if count >= _FEWEST else None
