"""Embeddings of speech by the encoder of Moonshine tiny (Jeffries et al. 2024, arXiv:2410.15608).

They represent what is said with little influence of the voice, which phones and spectra do not. They are
taken from the third layer of six and from the last: middle layers still carry how words are pronounced (as
Pasad et al. 2021, arXiv:2107.04734, found in other encoders). The encoder was trained on English; it
generalises to other languages, less accurately. The weights (MIT, 13 MB) are in the moonshine-voice package,
of which nothing else is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import DependencyError

HOP = 384  # samples from row to row, 24 ms at 16 kHz: the product of the convolutions' strides
HZ = 16000 / HOP  # rows a second
WIDTH = 2 * 288  # columns: two layers of the encoder's width
_FIELD = 895  # samples, receptive field of one row in the convolutions
_PIECE = 640  # rows encoded at a time, 15 s: attention spans them all; chosen to bound memory
_LAP = 42  # rows at either end of a piece, 1 s, that lack context and are taken from the neighbouring piece
_SHA256 = (
    "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"  # of moonshine-voice 0.1.0's file
)
_OUTPUTS = 4412  # byte offset in that file of the reference to the network's list of outputs
_LAYERS = (
    "/layers.2/Add_1_output_0",
    "last_hidden_state",
)  # third of six and last: best pair in docs/prior.md


def encode(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encoder embeddings of a levelled mono wave (S,) at 16 kHz.

    Returns:
        (N, 576) float32, two layers side by side; row n is centred on `seconds(n)`. N is 0 below 56 ms.

    Raises:
        DependencyError: the weights are missing, or not those that the prior was trained on.
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
    """Number of rows of a wave of `length` samples."""
    return max(0, (length - _FIELD) // HOP + 1)


def samples(first: int, last: int) -> slice:
    """The samples that rows [first, last) are computed from."""
    return slice(first * HOP, (last - 1) * HOP + _FIELD)


def seconds(rows: NDArray[Any] | int) -> Any:
    """The times in seconds at which rows are centred."""
    return (np.asarray(rows) * HOP + _FIELD / 2) / 16000


def row(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional row indices that are centred on times in seconds."""
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
    """The network with inner layers among its outputs: a flatbuffer with a new list of outputs at its end."""
    edited = bytearray(model)
    edited += bytes(-len(edited) % 4)
    edited[_OUTPUTS : _OUTPUTS + 4] = _number(
        len(edited) - _OUTPUTS
    )  # references are offsets forward from themselves
    refer = len(edited) + 4
    edited += _number(len(_LAYERS)) + bytes(4 * len(_LAYERS))
    for at, name in enumerate(_LAYERS):
        here = refer + 4 * at
        edited[here : here + 4] = _number(len(edited) - here)
        edited += _number(len(name)) + name.encode() + bytes(4 - len(name) % 4)
    return bytes(edited)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")
