"""How much of this machine a run may use."""

from __future__ import annotations

import os

WORKER_BYTES = 2 << 30
"""Memory to allow for a worker: its libraries take about 0.6 GB, a 1080p shot's gallery the rest."""


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int = 0) -> int:
    """Number of worker processes: as wanted, else as many as cores and memory carry."""
    if wanted > 0:
        return wanted
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores(), memory // WORKER_BYTES))
