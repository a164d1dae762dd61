"""Voice activity detection by silero-vad (MIT), whose model is inside its package."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dubcli.artifacts.speech import Region

RATE = 16000  # Hz, of the model's input
_CHUNK = 512  # samples that the model takes at a time, 32 ms
_CONTEXT = 64  # samples of the previous chunk that it takes as well
_BLOCK = 512  # chunks in one call, 16 s; chosen to bound memory
_ON, _OFF = 0.5, 0.35  # speech probabilities at which a region begins and ends: silero-vad's defaults
# Seconds: shortest region, gap below which regions are joined, padding. The last two are silero-vad's
# defaults; the first is set by hand below its default of 0.25, so that short words are kept.
_SHORTEST_S, _GAP_S, _PAD_S = 0.1, 0.1, 0.03


def probability(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Speech probability at 100 Hz, (F,).

    Args:
        wave: (S,) mono at 16 kHz, at broadcast level (see `features.levelled`).

    Returns:
        (F,) float32 in 0–1, F = S // 160; row f is centred on `(f + 0.5) / 100` s.
    """
    count = len(wave) // 160
    if not count or not np.any(wave):
        return np.zeros(count, np.float32)
    session = _session()
    hidden = cell = np.zeros((1, 1, 128), np.float32)
    chunks = np.empty(-(-len(wave) // _CHUNK), np.float32)
    for first in range(0, len(chunks), _BLOCK):
        # The model takes each chunk together with the end of the previous one.
        start, stop = first * _CHUNK - _CONTEXT, min(first + _BLOCK, len(chunks)) * _CHUNK
        padding = max(0, -start), max(0, stop - len(wave))
        padded = np.pad(np.asarray(wave[max(0, start) : stop], np.float32), padding)
        block = np.ascontiguousarray(sliding_window_view(padded, _CONTEXT + _CHUNK)[::_CHUNK])
        chunks[first : first + _BLOCK], hidden, cell = session.run(
            None, {"input": block, "h": hidden, "c": cell}
        )
    at = (np.arange(len(chunks)) + 0.5) * _CHUNK / RATE
    return np.interp((np.arange(count) + 0.5) / 100, at, chunks).astype(np.float32)


def regions(speech: NDArray[np.float32]) -> tuple[Region, ...]:
    """Speech regions of a 100 Hz probability, by hysteresis; short gaps are bridged, clicks removed."""
    found: list[list[float]] = []
    start: int | None = None
    for f, p in enumerate([*speech.tolist(), 0.0]):
        if start is None and p >= _ON:
            start = f
        elif start is not None and p < _OFF:
            begin, end = max(0.0, start / 100 - _PAD_S), min(len(speech) / 100, f / 100 + _PAD_S)
            if found and begin - found[-1][1] < _GAP_S:
                found[-1][1] = end
            else:
                found.append([begin, end])
            start = None
    shortest = _SHORTEST_S + 2 * _PAD_S
    return tuple(Region(start=round(a, 3), end=round(b, 3)) for a, b in found if b - a >= shortest)


@lru_cache
def _session() -> Any:
    from dubcli.models.onnx import session
    from dubcli.models.packaged import packaged

    return session(packaged("silero_vad", "data/silero_vad_16k_sequence.onnx"))
