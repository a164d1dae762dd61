"""What a mouth can be told from: log-mel, loudness, pitch, speech, visemes, and an encoder's rows.

All of it is relative to the file's own speech: its level and its average spectrum are taken out, so that
a quieter track, another microphone or another studio give the same features, and silence stays silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.speech import Region
from dubcli.speech import encoder
from dubcli.speech.alignment import Alignment

RATE = 16000
HOP = 160
BANDS = 80
FLOOR_DB = -60.0  # loudness below speech level that counts as silence
NEAR_S = 2.0  # what a mouth can be told from lies within
_BLOCK = 4096  # frames worked on at a time: bounds memory
_WINDOW = 400  # 25 ms
_PITCH_WINDOW = 640  # 40 ms: two periods of the lowest voice
_PITCH_TURN = 1024  # points of its transform: no less than a window and the longest lag
_PITCH_HZ = (60.0, 400.0)
_VOICED = 0.5  # normalised autocorrelation above which a frame is voiced
_MARGIN_S = 0.3  # around speech that may still be heard
_PHONE = 8  # frames that tell as much of a spectrum as one: about a phone
_LEVEL_RMS = 0.07  # about -23 dBFS, the level of broadcast speech

Floats = NDArray[np.float32]


def levelled(wave: Floats) -> Floats:
    """The wave at -23 dBFS, by the mean power of its louder parts; digital silence stays as it is.

    The gate is that of EBU R 128: blocks of 0.4 s count that are above -70 dBFS and within 10 dB of the mean.
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
    return np.asarray(wave * (_LEVEL_RMS / np.sqrt(loud.mean())), np.float32)


def features(wave: Floats, heard: Alignment) -> dict[str, NDArray[Any]]:
    """Features at 100 Hz; row f is centred on `(f + 0.5) / 100` seconds.

    Args:
        wave: (S,) mono at 16 kHz, any level.
        heard: what an aligner found in the levelled wave.

    Returns:
        For F = S // 160: `logmel` (F, 80) in bels relative to the file's average speech, from -4 (silence)
        to about 2; `loudness` (F,) dB relative to the speech level, from -60; `pitch` (F,) Hz, 0 where
        unvoiced; `speech` (F,) 0–1; `viseme` (F, V) soft classes of `speech.visemes`; all float32. For the
        encoder's N rows, which have a rate of their own: `encoded` (N, 576) float16, 0 where no one speaks.
        For the whole sound: `colour` (2, 80), the average spectrum of loud speech about its mean, dB, and how
        uncertain it is, as a variance.
    """
    wave = levelled(wave)
    gate = _gate(heard)
    energy, mel = _spectrum(wave)
    spoken = heard.speech > 0.5
    return {
        "logmel": _logmel(mel, spoken, gate),
        "loudness": _loudness(energy, spoken, gate),
        "pitch": _pitch(wave, gate),
        "colour": _colour(mel, spoken),
        "speech": np.round(heard.speech, 4),
        "viseme": np.round(heard.viseme, 4),
        "encoded": _encoded(wave, heard.record.regions, gate),
    }


def hz(name: str) -> float | None:
    """Rows a second of a feature; None where it is one for the whole sound."""
    return {"encoded": encoder.HZ, "colour": None}.get(name, RATE / HOP)


def part(features: Mapping[str, NDArray[Any]], start: float, stop: float) -> tuple[dict[str, Any], float]:
    """Features of a part of a sound, and when it begins: a shot needs no more than its own seconds.

    Args:
        features: of the whole sound; may be mapped.
        start, stop: seconds; what lies within `NEAR_S` of them is there as well.
    """
    # Rows of both rates begin together every 120 ms.
    last = len(features["speech"]) // 12 - int(NEAR_S / 0.12)
    first = max(0, min(int((start - NEAR_S) // 0.12), last))
    until = max(first, int((stop + NEAR_S) // 0.12)) + 1
    found = {}
    for name, rows in features.items():
        step = round(0.12 * (hz(name) or 0))
        found[name] = np.array(rows[first * step : until * step] if step else rows)
    return found, first * 0.12


def _gate(heard: Alignment) -> Floats:
    """(F,) 1 in and near regions of speech, else 0: music between lines is silence to a mouth."""
    at = (np.arange(len(heard.speech)) + 0.5) / 100
    gate = np.zeros(len(at))
    for region in heard.record.regions:
        a, b = np.searchsorted(at, [region.start - _MARGIN_S, region.end + _MARGIN_S])
        away = np.maximum(region.start - at[a:b], at[a:b] - region.end)
        gate[a:b] = np.maximum(gate[a:b], np.clip(1.5 - away / 0.2, 0, 1))
    return np.asarray(gate, np.float32)


def _encoded(wave: Floats, regions: Sequence[Region], gate: Floats) -> NDArray[np.float16]:
    """The encoder's rows, each stretch of speech heard by itself, as a recogniser would."""
    spans: list[list[float]] = []
    for region in regions:
        if spans and region.start - spans[-1][1] < 2 * _MARGIN_S:
            spans[-1][1] = region.end
        else:
            spans.append([region.start, region.end])
    rows = np.zeros((encoder.count(len(wave)), encoder.WIDTH), np.float16)
    times = (np.arange(len(gate)) + 0.5) / 100
    for start, end in spans:
        first = max(0, int(encoder.row(np.array(start - _MARGIN_S))))
        last = min(len(rows), int(encoder.row(np.array(end + _MARGIN_S))) + 1)
        part = np.interp(encoder.seconds(np.arange(first, last)), times, gate)
        rows[first:last] = encoder.encode(wave[encoder.samples(first, last)]) * part[:, None]
    return rows


def _spectrum(wave: Floats) -> tuple[Floats, Floats]:
    """Power (F,) and mel powers (F, 80) of 25 ms windows."""
    count = len(wave) // HOP
    window = np.hanning(_WINDOW).astype(np.float32)
    bank = _mel_bank()
    energy, mel = np.empty(count, np.float32), np.empty((count, BANDS), np.float32)
    for a, frames in _frames(wave, _WINDOW, count):
        b = a + len(frames)
        power = np.abs(np.fft.rfft(frames * window, 512, axis=1)).astype(np.float32) ** 2
        energy[a:b] = np.mean(frames**2, axis=1)
        mel[a:b] = power @ bank
    return energy, mel


def _colour(mel: Floats, spoken: NDArray[np.bool_]) -> Floats:
    if not spoken.any():
        return np.zeros((2, BANDS), np.float32)
    level = mel[spoken].astype(np.float64)
    level = level[level.mean(1) > 0.1 * level.mean()] + 1e-8
    np.log10(level, out=level)  # in place: of a feature film this is a gigabyte
    level *= 10
    level -= level.mean(1, keepdims=True)
    doubt = level.var(0) / max(len(level) / _PHONE, 1.0)
    return np.asarray(np.round([level.mean(0), doubt], 2), np.float32)


def _logmel(mel: Floats, spoken: NDArray[np.bool_], gate: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    if not spoken.any():
        return np.full_like(mel, -4.0)
    # Only the broad slope of the average spectrum is taken out: its fine shape is what was said.
    average = np.log10(mel[spoken].mean(0, dtype=np.float64) + 1e-12)
    average = gaussian_filter1d(average, 6.0, mode="nearest")
    out = np.empty_like(mel)
    for a in range(0, len(mel), _BLOCK):
        bels = np.clip(np.log10(mel[a : a + _BLOCK] + 1e-12) - average, -4.0, 3.0)
        out[a : a + _BLOCK] = np.round(-4.0 + (bels + 4.0) * gate[a : a + _BLOCK, None], 3)
    return out


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
        before, at, after = (shape[rows, peak + k] for k in (0, 1, 2))
        bend = before - 2 * at + after
        shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, -1), 0)
        inner = (peak > 0) & (peak < len(lags) - 1)
        pitch[a + spoken] = np.where((at > _VOICED) & inner, RATE / (lags[peak] + shift), 0)
    steady = median_filter(pitch, 5, mode="nearest")
    return np.asarray(np.round(np.where(pitch > 0, steady, 0), 2), np.float32)


def _frames(wave: Floats, size: int, count: int) -> Iterator[tuple[int, Floats]]:
    """Blocks of windows (n, size) centred on `(f + 0.5) * HOP`, with the number of their first."""
    for a in range(0, count, _BLOCK):
        rows = min(_BLOCK, count - a)
        first = a * HOP + HOP // 2 - size // 2
        last = first + (rows - 1) * HOP + size
        piece = np.pad(wave[max(0, first) : last], (max(0, -first), max(0, last - len(wave))))
        yield a, np.lib.stride_tricks.sliding_window_view(piece, size)[::HOP]


@lru_cache
def _mel_bank() -> Floats:
    """(257, 80) triangular filters, 60 to 7600 Hz, equally spaced in mel (O'Shaughnessy 1987)."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (60.0, 7600.0))
    mel = np.linspace(low, high, BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(257) * RATE / 512
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rise, fall)), np.float32)
