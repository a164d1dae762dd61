"""Tensors in files: checkpoints of a training, and finished weights; safetensors, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dubcli.errors import EngineError
from dubcli.files import write_atomically

Tensors = dict[str, Tensor]


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors with facts about them and a digest of both."""
    whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    text = json.dumps(facts, sort_keys=True)
    write_atomically(path, save(whole, {"facts": text, "digest": digest(whole, text)}))


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """What `write` wrote.

    Raises:
        EngineError: it is damaged, or something else.
    """
    try:
        with safe_open(path, "pt") as box:
            about = box.metadata() or {}
            tensors = {name: box.get_tensor(name) for name in box.keys()}  # noqa: SIM118 - it is no mapping
        facts = json.loads(about["facts"])
        if about["digest"] != digest(tensors, about["facts"]) or not isinstance(facts, dict):
            raise ValueError("its digest is another")
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise EngineError(
            f"{path.name} cannot be read as weights ({error}); type: dubcli run again"
        ) from error
    return tensors, facts


def resume(path: Path, made_of: Mapping[str, Any]) -> tuple[Tensors, int] | None:
    """Tensors and number of steps of a checkpoint of this very training; None where there is none."""
    if not path.exists():
        return None
    try:
        tensors, facts = read(path)
    except EngineError:
        return None
    step = facts.get("step")
    return (tensors, step) if isinstance(step, int) and facts.get("made_of") == made_of else None


def digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """Digest of named tensors and of a text."""
    found = blake3(text.encode())
    for name in sorted(tensors):
        found.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        found.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
