"""Whether a process works although it says nothing: it, or a child of it, computes, reads or writes.

It is watched from outside, since a library that computes for minutes may keep every thread of its process
from running.
"""

from __future__ import annotations

import time

import psutil

LEAST_CPU = 0.01
"""Share of a core below which a process only waits; polling for something that never comes takes less."""
LEAST_BYTES = 1 << 16
"""Bytes a second that a process reads and writes at least if it copies, over the slowest of networks."""


class Pulse:
    """Looks at a process and its children from time to time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._last = self._used()

    def beats(self) -> bool:
        """Whether it has worked since the last look."""
        before, now = self._last, self._used()
        self._last = now
        seconds = max(now[0] - before[0], 1e-3)
        # Less than before is work as well: a child has ended.
        computed, moved = (abs(new - old) / seconds for new, old in zip(now[1:], before[1:], strict=True))
        return computed >= LEAST_CPU or moved >= LEAST_BYTES

    def _used(self) -> tuple[float, float, float]:
        """(monotonic seconds, seconds of processor time, bytes read and written), with its children's."""
        cpu = moved = 0.0
        try:
            top = psutil.Process(self._pid)
            family = [top, *top.children(recursive=True)]
        except psutil.Error:
            family = []
        for process in family:
            try:
                cpu += sum(process.cpu_times()[:4])  # own and ended children's, user and system
                if hasattr(process, "io_counters"):  # not on macOS
                    counters = process.io_counters()
                    moved += getattr(counters, "read_chars", counters.read_bytes)
                    moved += getattr(counters, "write_chars", counters.write_bytes)
            except psutil.Error:
                continue
        return time.monotonic(), cpu, moved
