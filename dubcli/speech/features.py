"""Audio features: log-mel, loudness, pitch, speech probability, visemes, and encoder embeddings.

All are relative to the file's own speech: its level and its average spectrum are taken out, so that
a quieter track, another microphone or another studio give the same features, and silence stays silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.arrays import Blocks
from dubcli.artifacts.speech import Region
from dubcli.speech import encoder
from dubcli.speech.alignment import Alignment

RATE = 16000  # Hz; that of the encoder and the phone models
HOP = 160  # samples: 10 ms
BANDS = 80  # of the mel spectrum, set by hand
FLOOR_DB = -60.0  # dB relative to speech level; loudness of silence; set by hand
CONTEXT_S = 2.0  # seconds of context on either side that a model of the mouth may use; set by hand
_BLOCK = 4096  # frames at a time: bounds memory
_WINDOW = 400  # samples: 25 ms
_PITCH_WINDOW = 640  # samples, 40 ms: two periods of the lowest voice
_PITCH_TURN = 1024  # points of its transform: no less than a window and the longest lag
_PITCH_HZ = (60.0, 400.0)  # range of voices in speech; set by hand
_MIN_VOICING = 0.5  # normalised autocorrelation above which a frame is voiced; set by hand
_MARGIN_S = 0.3  # seconds around speech with weight above 0; set by hand
_INDEPENDENT = 8  # frames per independent sample of a spectrum: about a phone; set by hand
_LEVEL_RMS = 0.07  # about -23 dBFS, the level of broadcast speech

Floats = NDArray[np.float32]


def levelled(wave: Floats, out: Floats | None = None) -> Floats:
    """The wave at -23 dBFS, by the mean power of its louder parts; digital silence stays as it is.

    The gate is that of EBU R 128: blocks of 0.4 s count that are above -70 dBFS and within 10 dB of the mean.

    Args:
        wave: (S,) mono at 16 kHz.
        out: where it is written, by default into memory of its own; may be the wave itself.
    """
    size = int(0.4 * RATE)
    if len(wave) < size // 4:
        return wave.astype(np.float32)
    edges = np.arange(0, max(1, len(wave) - size // 2), size // 4)
    power = np.array([np.mean(np.square(wave[a : a + size], dtype=np.float64)) for a in edges])
    power = power[power > 1e-7]
    if not len(power):
        return np.zeros_like(wave, np.float32)
    loud = power[power > 0.1 * power.mean()]
    return np.asarray(np.multiply(wave, _LEVEL_RMS / np.sqrt(loud.mean()), out=out), np.float32)


def features(wave: Floats, alignment: Alignment) -> dict[str, NDArray[Any]]:
    """Features at 100 Hz; row f is centred on `(f + 0.5) / 100` seconds.

    Args:
        wave: (S,) mono at 16 kHz, any level.
        alignment: of the levelled wave.

    Returns:
        For F = S // 160: `logmel` (F, 80) in bels relative to the file's average speech, from -4 (silence)
        to about 2; `loudness` (F,) dB relative to the speech level, from -60; `pitch` (F,) Hz, 0 where
        unvoiced; `speech` (F,) 0–1; `viseme` (F, V) soft classes of `speech.visemes`; all float32. For the
        encoder's N rows, which have a rate of their own: `encoded` (N, 576) float16, 0 outside of speech.
        For the whole sound: `colour` (2, 80), the average spectrum of loud speech about its mean, dB, and how
        uncertain it is, as a variance.
    """
    return {name: blocks.whole() for name, blocks in made(levelled(wave), alignment)}


def made(wave: Floats, alignment: Alignment) -> Iterator[tuple[str, Blocks]]:
    """`features`, name by name and block by block: those of a feature film take a gigabyte.

    Args:
        wave: (S,) levelled mono at 16 kHz.
        alignment: of that wave.
    """
    count = len(wave) // HOP
    gate, spoken = _gate(alignment), alignment.speech > 0.5
    energy, mean, level = _spectrum(wave, spoken)
    yield "logmel", Blocks((count, BANDS), np.float32, _logmel(wave, mean, gate))
    yield "loudness", Blocks.of(_loudness(energy, spoken, gate))
    yield "pitch", Blocks.of(_pitch(wave, gate))
    yield "colour", Blocks.of(_colour(wave, spoken, level))
    yield "speech", Blocks.of(np.round(alignment.speech, 4))
    rows = (np.round(alignment.viseme[a : a + _BLOCK], 4) for a in range(0, count, _BLOCK))
    yield "viseme", Blocks(alignment.viseme.shape, np.float32, rows)
    size = encoder.count(len(wave)), encoder.WIDTH
    yield "encoded", Blocks(size, np.float16, _encoded(wave, alignment.record.regions, gate))


def hz(name: str) -> float | None:
    """Rows a second of a feature; None where it is one for the whole sound."""
    return {"encoded": encoder.HZ, "colour": None}.get(name, RATE / HOP)


def part(features: Mapping[str, NDArray[Any]], start: float, stop: float) -> tuple[dict[str, Any], float]:
    """Features of a part of a sound, and its start in seconds: a shot needs only its own part.

    Args:
        features: of the whole sound; may be mapped.
        start, stop: seconds; `CONTEXT_S` on either side is included.
    """
    # Rows of both rates begin together every 120 ms.
    last = len(features["speech"]) // 12 - int(CONTEXT_S / 0.12)
    first = max(0, min(int((start - CONTEXT_S) // 0.12), last))
    until = max(first, int((stop + CONTEXT_S) // 0.12)) + 1
    found = {}
    for name, rows in features.items():
        step = round(0.12 * (hz(name) or 0))
        found[name] = np.array(rows[first * step : until * step] if step else rows)
    return found, first * 0.12


def _gate(alignment: Alignment) -> Floats:
    """(F,) 1 in and near regions of speech, else 0: music between lines counts as silence."""
    at = (np.arange(len(alignment.speech)) + 0.5) / 100
    gate = np.zeros(len(at))
    for region in alignment.record.regions:
        a, b = np.searchsorted(at, [region.start - _MARGIN_S, region.end + _MARGIN_S])
        away = np.maximum(region.start - at[a:b], at[a:b] - region.end)
        gate[a:b] = np.maximum(gate[a:b], np.clip(1.5 - away / 0.2, 0, 1))
    return np.asarray(gate, np.float32)


def _encoded(wave: Floats, regions: Sequence[Region], gate: Floats) -> Iterator[NDArray[np.float16]]:
    """Encoder embeddings (n, 576) block by block, each span of speech by itself, as in recognition."""
    spans: list[list[float]] = []
    for region in regions:
        if spans and region.start - spans[-1][1] < 2 * _MARGIN_S:
            spans[-1][1] = region.end
        else:
            spans.append([region.start, region.end])
    count = encoder.count(len(wave))
    times = (np.arange(len(gate)) + 0.5) / 100
    starts = [max(0, int(encoder.row(np.array(start - _MARGIN_S)))) for start, _ in spans]
    at = 0
    for first, until, (_, end) in zip(starts, [*starts, count][1:], spans, strict=True):
        last = min(count, int(encoder.row(np.array(end + _MARGIN_S))) + 1)
        yield from _nothing(first - at)
        at = first
        for rows in encoder.pieces(wave[encoder.samples(first, last)]):
            part = np.interp(encoder.seconds(np.arange(at, at + len(rows))), times, gate)
            kept = (rows * part[:, None]).astype(np.float16)[: max(0, until - at)]
            yield kept
            at += len(kept)
    yield from _nothing(count - at)


def _nothing(count: int) -> Iterator[NDArray[np.float16]]:
    """So many rows of zeros."""
    for a in range(0, count, _BLOCK):
        yield np.zeros((min(_BLOCK, count - a), encoder.WIDTH), np.float16)


def _mel(wave: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
    """Rows, and for each power and mel powers (n,) and (n, 80), of 25 ms windows, block by block.

    They are computed anew on each pass, which is faster than to store them.
    """
    window = np.hanning(_WINDOW).astype(np.float32)
    bank = _mel_bank()
    for a, frames in _frames(wave, _WINDOW, len(wave) // HOP):
        power = np.abs(np.fft.rfft(frames * window, 512, axis=1)).astype(np.float32) ** 2
        yield slice(a, a + len(frames)), np.mean(frames**2, axis=1), np.ascontiguousarray((bank @ power.T).T)


def _spectrum(wave: Floats, spoken: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Power (F,), mean mel powers (80,) of speech, and the mean over bands (n,) of each spoken frame."""
    energy, level = np.empty(len(spoken), np.float32), [np.zeros(0)]
    total = np.zeros((1, BANDS))
    for rows, power, mel in _mel(wave):
        energy[rows] = power
        loud = mel[spoken[rows]].astype(np.float64)
        # One row after the other, so that the size of a block makes no difference.
        total = np.add.reduce(np.concatenate([total, loud]), axis=0, keepdims=True)
        level.append(loud.mean(axis=1))
    return energy, total[0] / max(int(spoken.sum()), 1), np.concatenate(level)


def _colour(wave: Floats, spoken: NDArray[np.bool_], level: Floats) -> Floats:
    if not spoken.any():
        return np.zeros((2, BANDS), np.float32)
    loud = np.zeros(len(spoken), bool)
    loud[spoken] = level > 0.1 * level.mean()
    sums, squares = np.zeros((1, BANDS)), np.zeros((1, BANDS))
    for rows, _, mel in _mel(wave):
        decibels = 10 * np.log10(mel[loud[rows]].astype(np.float64) + 1e-8)
        decibels -= decibels.mean(1, keepdims=True)
        sums = np.add.reduce(np.concatenate([sums, decibels]), axis=0, keepdims=True)
        squares = np.add.reduce(np.concatenate([squares, decibels**2]), axis=0, keepdims=True)
    count = int(loud.sum())
    mean = sums[0] / count
    variance = (squares[0] / count - mean**2) / max(count / _INDEPENDENT, 1.0)
    return np.asarray(np.round([mean, variance], 2), np.float32)


def _logmel(wave: Floats, mean: Floats, gate: Floats) -> Iterator[Floats]:
    from scipy.ndimage import gaussian_filter1d

    # Only the broad slope of the average spectrum is taken out: its fine shape depends on the words.
    average = gaussian_filter1d(np.log10(mean + 1e-12), 6.0, mode="nearest")
    for rows, _, mel in _mel(wave):
        if not mean.any():
            yield np.full_like(mel, -4.0)
            continue
        bels = np.clip(np.log10(mel + 1e-12) - average, -4.0, 3.0)
        yield np.asarray(np.round(-4.0 + (bels + 4.0) * gate[rows, None], 3), np.float32)


def _loudness(energy: Floats, spoken: NDArray[np.bool_], gate: Floats) -> Floats:
    if not spoken.any():
        return np.full_like(energy, FLOOR_DB)
    level = energy[spoken].mean(dtype=np.float64)
    decibels = np.maximum(10 * np.log10(energy / level + 1e-12), FLOOR_DB)
    return np.asarray(np.round(FLOOR_DB + (decibels - FLOOR_DB) * gate, 2), np.float32)


def _pitch(wave: Floats, gate: Floats) -> Floats:
    """Fundamental frequency by autocorrelation with the window divided out (Boersma 1993), then a median."""
    from scipy import fft
    from scipy.ndimage import median_filter

    count = len(wave) // HOP
    near = gate > 0.5
    window = np.hanning(_PITCH_WINDOW)
    bare = fft.irfft(np.abs(fft.rfft(window, _PITCH_TURN)) ** 2)
    low, high = int(RATE / _PITCH_HZ[1]), int(np.ceil(RATE / _PITCH_HZ[0]))
    lags = np.arange(low, high + 1)
    octave = 0.02 * np.log2(lags / low)  # of equal peaks the shortest period is the right one
    pitch = np.zeros(count)
    for a, frames in _frames(wave, _PITCH_WINDOW, count):
        spoken = np.flatnonzero(near[a : a + len(frames)])
        frames = frames[spoken]
        centred = (frames - frames.mean(1, keepdims=True)) * window
        auto = fft.irfft(np.abs(fft.rfft(centred, _PITCH_TURN, axis=1)) ** 2, axis=1)
        power = auto[:, :1] + 1e-9 * _PITCH_WINDOW
        shape = auto[:, low - 1 : high + 2] / power / (bare[low - 1 : high + 2] / bare[0])
        peak = np.argmax(shape[:, 1:-1] - octave, axis=1)
        rows = np.arange(len(spoken))
        left, at, right = (shape[rows, peak + k] for k in (0, 1, 2))
        bend = left - 2 * at + right
        shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0)
        inner = (peak > 0) & (peak < len(lags) - 1)
        pitch[a + spoken] = np.where((at > _MIN_VOICING) & inner, RATE / (lags[peak] + shift), 0)
    steady = median_filter(pitch, 5, mode="nearest")
    return np.asarray(np.round(np.where(pitch > 0, steady, 0), 2), np.float32)


def _frames(wave: Floats, size: int, count: int) -> Iterator[tuple[int, Floats]]:
    """Blocks of windows (n, size) centred on `(f + 0.5) * HOP`, with the number of their first."""
    for a in range(0, count, _BLOCK):
        rows = min(_BLOCK, count - a)
        first = a * HOP + HOP // 2 - size // 2
        last = first + (rows - 1) * HOP + size
        block = np.pad(wave[max(0, first) : last], (max(0, -first), max(0, last - len(wave))))
        yield a, np.lib.stride_tricks.sliding_window_view(block, size)[::HOP]


@lru_cache
def _mel_bank() -> Any:
    """(80, 257) triangular filters, 60 to 7600 Hz, equally spaced in mel (O'Shaughnessy 1987), sparse.

    A sparse product adds bin after bin, whichever rows are beside each other; BLAS adds in an order that
    depends on a row's place in its block and on the processor.
    """
    from scipy import sparse

    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (60.0, 7600.0))
    mel = np.linspace(low, high, BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(257) * RATE / 512
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return sparse.csr_array(np.maximum(0, np.minimum(rise, fall)).T.astype(np.float32))
