"""Log-likelihoods of phones by PocketSphinx's acoustic model (US English, BSD-2-Clause, in its package).

PocketSphinx's phone search returns a single sequence, which is poor in languages other than English. This
module scores every tied state ("senone") of the model in every frame instead, and folds them into one score
for each third of each phone. PocketSphinx computes the cepstra; its own scoring goes state by state, which
takes five times as long as the matrix products here.
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import DependencyError, EngineError

FRAMES_PER_SECOND = 100  # Hz, PocketSphinx's default frame rate
_WINDOW_S = 0.0256  # seconds; frame f spans the samples from f * 10 ms on (PocketSphinx's default)
NOISES = ("+NSN+", "+SPN+")  # the model's names of noise and of unintelligible speech
_UNIT = 0.1024  # nats per step of a stored mixture weight: ln(1.0001) * 2**10 (PocketSphinx's sendump format)
_FLOOR = -96 * _UNIT  # nats below the best Gaussians at which others are clipped, as in PocketSphinx
_LEAST_VARIANCE = 1e-4  # squared cepstral units, PocketSphinx's default variance floor

Floats = NDArray[np.float32]


def model(name: str) -> str:
    """Path of a file or folder of the US English model, as text.

    Raises:
        DependencyError: PocketSphinx or its model is not there.
    """
    try:
        import pocketsphinx
    except ImportError as error:
        raise DependencyError("pocketsphinx is not installed; type: make venv") from error
    path = Path(pocketsphinx.get_model_path()) / "en-us" / name
    if not path.exists():
        raise DependencyError(f"pocketsphinx lacks its model file {name}; type: make venv")
    return str(path)


def scores(wave: Floats) -> Floats:
    """Log-likelihood of each third of each phone in each frame.

    Args:
        wave: (S,) levelled mono at 16 kHz, at least 0.1 s.

    Returns:
        (F, C, 3) float32 log-likelihoods in nats, relative to the best state of the frame, phones in the
        order of `phones()`; row f is centred on `(f + 0.5) / 100` s, F = S // 160.
    """
    rows = _log_likelihoods(_streams(_cepstra(wave)))

    # From windows that start at f * 10 ms to rows centred on (f + 0.5) * 10 ms.
    count = len(wave) // 160
    at = (np.arange(count) + 0.5) - _WINDOW_S / 2 * FRAMES_PER_SECOND
    low = np.clip(np.floor(at).astype(int), 0, len(rows) - 1)
    high = np.clip(low + 1, 0, len(rows) - 1)
    fraction = np.clip(at - low, 0, 1).astype(np.float32)[:, None, None]
    return np.asarray((1 - fraction) * rows[low] + fraction * rows[high], np.float32)


def phones() -> tuple[str, ...]:
    """Names of the model's phones and noises, in the model's order."""
    return _senones()[2]


def _cepstra(wave: Floats) -> Floats:
    """(N, 13): cepstra of the windows that start at each hundredth of a second."""
    import pocketsphinx

    pcm = (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
    with tempfile.TemporaryDirectory() as folder:
        # PocketSphinx computes cepstra only as part of a search, and can log them to a file. The search
        # itself is not run.
        search = pocketsphinx.Decoder(
            hmm=model("en-us"), lm=None, dict=None, allphone=model("en-us-phone.lm.bin"),
            loglevel="FATAL", mfclogdir=folder,
        )  # fmt: skip
        search.start_utt()
        search.process_raw(pcm, no_search=True, full_utt=True)
        del search  # closes the file
        dump = next(Path(folder).glob("*.mfc")).read_bytes()
    return np.frombuffer(dump, ">f4", offset=4).reshape(-1, 13).astype(np.float32)


def _streams(cepstra: Floats) -> Floats:
    """(3, N, 13): cepstra about their mean where there is sound, their first and their second differences."""
    loud = cepstra[:, 0] >= 0
    level = cepstra - cepstra[loud].mean(0, dtype=np.float64) if loud.any() else cepstra
    padded = np.pad(level, ((3, 3), (0, 0)), mode="edge")
    three_back, one_back, one_ahead, three_ahead = (padded[k : k + len(level)] for k in (0, 2, 4, 6))
    delta = padded[5 : 5 + len(level)] - padded[1 : 1 + len(level)]
    return np.asarray([level, delta, (three_ahead - one_back) - (one_ahead - three_back)], np.float32)


def _log_likelihoods(streams: Floats) -> Floats:
    """(N, C, 3) log-likelihoods of the thirds of phones.

    That of a state is the sum over its streams. All states of a phone share the phone's Gaussians, 128 in
    each stream, and differ in their mixture weights.
    """
    mixtures = _mixtures()
    _, count, _ = streams.shape
    terms = np.concatenate([streams**2, streams, np.ones((3, count, 1), np.float32)], axis=2)
    names = phones()
    peak = np.empty((3, count, len(names), 1), np.float32)
    any_context, best = np.empty((2, count, len(names), 3), np.float32)
    for phone, states in enumerate(mixtures.states):
        total = np.ones((count, states.stop - states.start), np.float32)
        for stream in range(3):
            log = terms[stream] @ mixtures.gaussians[stream, phone]
            peak[stream, :, phone, 0] = log.max(1)
            total *= np.exp(log - peak[stream, :, phone]) @ mixtures.weights[stream, :, states]
        # The context-independent state comes first in each third. The mean of its score and of the score of
        # the best context did best on hand-checked sentences (bench/align.py).
        any_context[:, phone] = total[:, mixtures.thirds[phone]]
        best[:, phone] = np.maximum.reduceat(total, mixtures.thirds[phone], axis=1)
    level = np.maximum(peak - peak.max(2, keepdims=True), _FLOOR).sum(0)
    top = level + np.log(best)
    mean = (top + level + np.log(any_context)) / 2
    return np.asarray(mean - top.max((1, 2), keepdims=True), np.float32)


@dataclass(frozen=True, eq=False)
class _Mixtures:
    """The Gaussians of each phone and the mixture weights of its states.

    Attributes:
        gaussians: (3, C, 27, 128) float32; (squares of a stream, stream, 1) times it are log densities.
        weights: (3, 128, states) float32 mixture weights, states in the order of phones and their thirds.
        states: C slices, the states of each phone.
        thirds: (C, 3) index in that slice at which each third begins.
    """

    gaussians: Floats
    weights: Floats
    states: tuple[slice, ...]
    thirds: NDArray[np.int64]


@lru_cache
def _mixtures() -> _Mixtures:
    phone_of, third_of, names = _senones()
    mean, spread = (_gaussians(name).astype(np.float64) for name in ("means", "variances"))
    spread = np.maximum(spread, _LEAST_VARIANCE)
    square, line = -0.5 / spread, mean / spread
    rest = (square * mean**2 - 0.5 * np.log(2 * np.pi * spread)).sum(-1, keepdims=True)
    gaussians = np.concatenate([square, line, rest], axis=-1).transpose(1, 0, 3, 2)

    data = Path(model("en-us/sendump")).read_bytes()
    at = 0
    while size := struct.unpack_from("<i", data, at)[0]:  # lines of text
        at += 4 + size
    count, states = struct.unpack_from("<2i", data, at + 4)
    stored = np.frombuffer(data, np.uint8, offset=at + 12).reshape(3, count, states)
    if (len(names), count, states) != (gaussians.shape[1], gaussians.shape[3], len(phone_of)):
        raise EngineError("PocketSphinx's mixtures have an unknown form; type: make venv")
    cells = phone_of * 3 + third_of
    order = np.argsort(cells, kind="stable")
    edges = np.searchsorted(cells[order], np.arange(3 * len(names) + 1)).tolist()
    return _Mixtures(
        np.ascontiguousarray(gaussians, np.float32),
        np.exp(-_UNIT * stored[:, :, order].astype(np.float32)),
        tuple(slice(a, b) for a, b in zip(edges[:-1:3], edges[3::3], strict=True)),
        np.array([np.subtract(edges[k : k + 3], edges[k]) for k in range(0, 3 * len(names), 3)]),
    )


def _gaussians(name: str) -> NDArray[np.float32]:
    """(C, 3, 128, 13): means or variances, after a text, a byte-order mark and seven numbers."""
    data = Path(model(f"en-us/{name}")).read_bytes()
    at = data.index(b"endhdr\n") + len(b"endhdr\n") + 4
    *shape, one, two, three, total = struct.unpack_from("<7i", data, at)
    if [one, two, three] != [13] * 3 or shape[1] != 3 or total != np.prod(shape) * 13:
        raise EngineError("PocketSphinx's Gaussians have an unknown form; type: make venv")
    return np.frombuffer(data, "<f4", total, at + 28).reshape(*shape, 13)


@lru_cache
def _senones() -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    # The binary model definition: a header of ten numbers, names, context trees, phones, state sequences.
    data = Path(model("en-us/mdef")).read_bytes()
    version, text = struct.unpack_from("<ii", data, 4)
    if data[:4] != b"BMDF" or version != 1:
        raise EngineError("PocketSphinx's model definition has an unknown form; type: make venv")
    at = 12 + text
    n_base, n_phone, n_emit, _, n_senone, _, n_seq, _, n_tree, _ = struct.unpack_from("<10i", data, at)
    at += 40
    names = []
    for _ in range(n_base):
        end = data.index(b"\0", at)
        names.append(data[at:end].decode())
        at = end + 1
    at = (at + 3) // 4 * 4 + 8 * n_tree
    entry = np.dtype([("seq", "<i4"), ("tmat", "<i4"), ("context", "u1", 4)])
    entries = np.frombuffer(data, entry, n_phone, at)
    at += entry.itemsize * n_phone + 4
    sequences = np.frombuffer(data, "<u2", n_seq * n_emit, at).reshape(n_seq, n_emit)
    base = np.where(np.arange(n_phone) < n_base, np.arange(n_phone), entries["context"][:, 1])
    phone_of, third_of = np.full(n_senone, -1), np.full(n_senone, -1)
    for third in range(n_emit):
        tied = sequences[entries["seq"], third]
        phone_of[tied], third_of[tied] = base, third
    if n_emit != 3 or (phone_of < 0).any():
        raise EngineError("PocketSphinx's model definition has an unknown form; type: make venv")
    return phone_of.astype(np.int64), third_of.astype(np.int64), tuple(names)
