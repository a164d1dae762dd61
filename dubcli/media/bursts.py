"""Coded sound that stands in PCM: Dolby E, AC-3 and others in bursts, which are heard as noise.

Sources: SMPTE ST 337 (preambles), ST 338 (data types); IEC 61937-1 and -2.
"""

from __future__ import annotations

from collections import Counter

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


def kind(samples: NDArray[np.int32]) -> str:
    """What bursts in some sound hold, "" where there are none.

    Args:
        samples: (S, C) samples of PCM in the highest bits.
    """
    words = samples.view(np.uint32)
    found: Counter[int] = Counter()
    for left in range(0, words.shape[1] - 1, 2):
        pair = words[:, left : left + 2]
        for first, second, bits in _SYNC:
            mask = np.uint32((1 << 32) - (1 << 32 - bits))
            at = np.flatnonzero((pair[:-1, 0] & mask == first) & (pair[:-1, 1] & mask == second))
            found.update(int(one) for one in pair[at + 1, 0] >> 16 & 31)
    number, count = found.most_common(1)[0] if found else (0, 0)
    return _TYPES.get(number, "coded sound") if count >= _FEWEST else ""
