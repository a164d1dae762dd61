"""How much of this machine a run may use."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from dubcli.errors import DependencyError

_GROUPS = (  # a container's limit, its use, and the statistics that give how much of that is cache
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory that are free for workers now, on this machine and in this container."""
    free = int(psutil.virtual_memory().available)
    root = Path("/sys/fs/cgroup")
    for limit, used, statistics in _GROUPS:
        try:
            rows = dict(line.split()[:2] for line in (root / statistics).read_text().splitlines())
            left = int((root / limit).read_text()) - int((root / used).read_text())
            return min(free, left + int(rows.get("inactive_file", 0)))
        except (OSError, ValueError):  # no container, or one without a limit ("max")
            continue
    return free


def has_cuda() -> bool:
    """Whether there is a CUDA device that torch can use."""
    try:
        import torch

        return bool(torch.cuda.is_available())
    except (ImportError, OSError):  # a build for another CUDA fails to load its libraries
        return False


def require_cuda() -> None:
    """Make sure that there is a CUDA device that torch can use.

    Raises:
        DependencyError: there is none.
    """
    if not has_cuda():
        raise DependencyError(
            "train.device is cuda, and there is no CUDA device that torch can use here (nvidia-smi shows "
            "devices); type the same with --set train.device=cpu"
        )
