"""Speech as a recogniser hears it: the encoder of Moonshine tiny (Jeffries et al. 2024, arXiv:2410.15608).

Its rows tell what is being said almost whoever says it, which phones and spectra alone do not. They are taken
half-way up and at the top: the middle layers still know how words are uttered (as Pasad et al. 2021,
arXiv:2107.04734, found of other encoders). It was trained on English; sounds of other languages are heard as
well, only less surely. The weights (MIT, 13 MB) lie inside the moonshine-voice package, of which nothing else
is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import DependencyError

HOP = 384  # samples from row to row, 24 ms at 16 kHz
HZ = 16000 / HOP
WIDTH = 2 * 288
_FIELD = 895  # samples that the convolutions of one row see
_PIECE = 640  # rows heard at a time, 15 s: attention sees them all, and memory stays flat
_LAP = 42  # rows at either end of a piece, 1 s, that are better heard by its neighbour
_SHA256 = "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
_OUTPUTS = 4412  # byte of that file that refers to the list of what the network gives
_LAYERS = ("/layers.2/Add_1_output_0", "last_hidden_state")  # the third of six, and the last


def encode(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hear a levelled mono wave (S,) at 16 kHz.

    Returns:
        (N, 576) float32, two layers side by side; row n is centred on `seconds(n)`. None for less than 56 ms.

    Raises:
        DependencyError: the weights are not there, or not those that the prior was trained on.
    """
    return np.concatenate([np.zeros((0, WIDTH), np.float32), *pieces(wave)])


def pieces(wave: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The rows of `encode`, a quarter of a minute at a time."""
    total = count(len(wave))
    firsts = range(0, max(total - 2 * _LAP, min(total, 1)), _PIECE - 2 * _LAP)
    for first in firsts:
        last = min(first + _PIECE, total)
        piece = np.ascontiguousarray(wave[samples(first, last)])[None]
        mask = np.ones(piece.shape, np.int64)
        layers = _session().run(None, {"input_values": piece, "attention_mask": mask})
        rows = np.concatenate(layers, axis=2)[0]
        ahead = first + firsts.step + _LAP if first != firsts[-1] else last
        yield rows[_LAP if first else 0 : ahead - first]


def count(length: int) -> int:
    """Rows that so many samples give."""
    return max(0, (length - _FIELD) // HOP + 1)


def samples(first: int, last: int) -> slice:
    """Samples that give rows `first` to `last` (not included)."""
    return slice(first * HOP, (last - 1) * HOP + _FIELD)


def seconds(rows: NDArray[Any] | int) -> Any:
    """Where rows are centred."""
    return (np.asarray(rows) * HOP + _FIELD / 2) / 16000


def row(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows, with fractions, that are centred on given seconds."""
    return np.asarray((times * 16000 - _FIELD / 2) / HOP)


@lru_cache
def _session() -> Any:
    from dubcli.models.onnx import session
    from dubcli.models.packaged import packaged

    path = packaged("moonshine_voice", "assets/tiny-en/encoder_model.ort")
    model = path.read_bytes()
    if sha256(model).hexdigest() != _SHA256:
        raise DependencyError(
            "moonshine-voice holds another encoder; type: pip install moonshine-voice==0.1.0"
        )
    return session(path, _tapped(model))


def _tapped(model: bytes) -> bytes:
    """The network giving layers inside as well: a flatbuffer, with a new list of its outputs at the end."""
    edited = bytearray(model)
    edited += bytes(-len(edited) % 4)
    edited[_OUTPUTS : _OUTPUTS + 4] = _number(len(edited) - _OUTPUTS)  # lists and strings lie so far behind
    refer = len(edited) + 4
    edited += _number(len(_LAYERS)) + bytes(4 * len(_LAYERS))
    for at, name in enumerate(_LAYERS):
        here = refer + 4 * at
        edited[here : here + 4] = _number(len(edited) - here)
        edited += _number(len(name)) + name.encode() + bytes(4 - len(name) % 4)
    return bytes(edited)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")
