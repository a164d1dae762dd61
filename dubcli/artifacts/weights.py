"""`train`'s and `adapt`'s artifacts: a lip engine's weights for a film or one person, and what they learnt.

Weights are files `*.safetensors` that the engine names itself; nothing else lies beside `train.json`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document, Strict
from dubcli.errors import StoreError

SUFFIX = ".safetensors"


class Learnt(Strict):
    """What was learnt of one person.

    Attributes:
        frames: of footage that the training could use.
        gain: `engines.lips.Trained.gain`; None where nothing was held out.
    """

    frames: int
    gain: float | None = None


class TrainFacts(Document):
    """`train.json`.

    Attributes:
        engine: the lip engine's name.
        steps: number of steps.
        loss: at the end, in the engine's own unit; None where nothing was trained.
        people: person id → what was learnt of them.
        left_out: person id → seconds of footage, of those with too little.
    """

    FILE: ClassVar[str] = "train.json"

    engine: str
    steps: int
    loss: float | None
    people: dict[str, Learnt]
    left_out: dict[str, float]


def files(folder: Path) -> list[Path]:
    """The files of weights in an artifact's folder, in name order."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def finite(file: Path) -> bool:
    """Whether a file of weights holds finite numbers only.

    Raises:
        StoreError: it cannot be read.
    """
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        tensors = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file.name} holds no weights ({error})") from error
    for _, tensor in tensors:
        kind, data = tensor["dtype"], tensor["data"]
        if kind == "BF16":  # NumPy has none: its bits are the upper half of a float32's
            data, kind = np.frombuffer(data, "<u2").astype("<u4") << 16, "F32"
        if kind in _FLOATS and not np.isfinite(np.frombuffer(data, _FLOATS[kind])).all():
            return False
    return True


_FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
