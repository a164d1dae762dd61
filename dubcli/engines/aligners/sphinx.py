"""PocketSphinx's acoustic model (US English, BSD-2-Clause, inside its package) as a scorer of phones.

Its own phone search answers with one hard sequence, which is poor in other languages than its own. The
scores behind that search are finer: this module has PocketSphinx score every tied state ("senone") of its
model in every frame, and folds them into one score for each third of each phone.
"""

from __future__ import annotations

import struct
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import DependencyError, EngineError

FRAMES_PER_SECOND = 100
_WINDOW_S = 0.0256  # frame f covers samples from f * 10 ms on for this long
NOISES = ("+NSN+", "+SPN+")
_UNIT = 0.1024  # nats per step of a dumped score: ln(1.0001) * 2**10


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


def decoder(**settings: Any) -> Any:
    """A PocketSphinx decoder on the US English acoustic model, deaf to what came before each utterance."""
    import pocketsphinx

    return pocketsphinx.Decoder(
        **{"hmm": model("en-us"), "lm": None, "dict": None, "loglevel": "FATAL", "cmn": "batch", **settings}
    )


def feed(decoder: Any, wave: NDArray[np.float32]) -> None:
    """Run one whole utterance, a levelled mono wave (S,) at 16 kHz, through a decoder."""
    pcm = (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
    decoder.start_utt()
    decoder.process_raw(pcm, no_search=False, full_utt=True)
    decoder.end_utt()


def scores(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """How well each third of each phone fits each frame.

    Args:
        wave: (S,) levelled mono at 16 kHz, at least 0.1 s.

    Returns:
        (F, C, 3) float32 log-likelihoods in nats up to a constant per frame, phones in the order of
        `phones()`; row f is centred on `(f + 0.5) / 100` s, F = S // 160.
    """
    phone_of, third_of, names = _senones()
    with tempfile.TemporaryDirectory() as folder:
        # A search is what makes PocketSphinx score at all; its own answer is not used, so its beam is narrow.
        search = decoder(
            allphone=model("en-us-phone.lm.bin"), beam=1e-5, pbeam=1e-5, compallsen=True, senlogdir=folder
        )
        feed(search, wave)
        del search  # closes the dump
        dump = next(Path(folder).glob("*.sen")).read_bytes()
    start = dump.index(b"endhdr\n") + len(b"endhdr\n") + 4  # a byte-order mark follows the header
    rows = np.frombuffer(dump, np.int16, offset=start)
    if rows.size % (len(phone_of) + 1):
        raise EngineError("PocketSphinx scored only some of its states; type: dubcli doctor")
    log = rows.reshape(-1, len(phone_of) + 1)[:, 1:].astype(np.float32) * -_UNIT

    # The phone in any context, and the phone in the context that fits best: their mean did best on
    # hand-checked sentences (bench/align.py).
    cells = phone_of * 3 + third_of
    plain = log[:, : 3 * len(names)][:, np.argsort(cells[: 3 * len(names)])]
    order = np.argsort(cells, kind="stable")
    best = np.maximum.reduceat(
        log[:, order], np.searchsorted(cells[order], np.arange(3 * len(names))), axis=1
    )
    mean = (plain + best).reshape(-1, len(names), 3) / 2

    # From windows that start at f * 10 ms to rows centred on (f + 0.5) * 10 ms.
    count = len(wave) // 160
    at = (np.arange(count) + 0.5) - _WINDOW_S / 2 * FRAMES_PER_SECOND
    low = np.clip(np.floor(at).astype(int), 0, len(mean) - 1)
    high = np.clip(low + 1, 0, len(mean) - 1)
    part = np.clip(at - low, 0, 1).astype(np.float32)[:, None, None]
    return np.asarray((1 - part) * mean[low] + part * mean[high], np.float32)


def phones() -> tuple[str, ...]:
    """Names of the model's phones and noises, in its own order."""
    return _senones()[2]


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
