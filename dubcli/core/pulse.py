"""Whether a silent process works: it, or a child of it, computes, reads or writes.

It is measured from outside, since a library that computes for minutes may keep every thread of its process
from running.
"""

from __future__ import annotations

import time

import psutil

MIN_CPU_SHARE = 0.01
"""Share of a core below which a process only waits, set by hand: polling takes less."""
MIN_BYTES_PER_SECOND = 1 << 16
"""Bytes a second below which a process does not copy, set by hand for slow networks."""

STARVED_BYTES = 64 << 20
"""Bytes of address space under which libraries no longer get their buffers; OpenBLAS asks for 32 MiB."""


class Pulse:
    """Measures a process and its children from call to call."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._last = self._usage()

    def is_working(self) -> bool:
        """Whether it has worked since the last call."""
        before, now = self._last, self._usage()
        self._last = now
        seconds = max(now[0] - before[0], 1e-3)
        # Less than before is work as well: a child has ended.
        computed, moved = (abs(new - old) / seconds for new, old in zip(now[1:], before[1:], strict=True))
        return computed >= MIN_CPU_SHARE or moved >= MIN_BYTES_PER_SECOND

    def is_starved(self) -> bool:
        """Whether a limit of address space (`ulimit -v`) leaves it next to nothing.

        OpenBLAS then asks for its buffer again and again for ever: that computes, and is no work.
        """
        if not hasattr(psutil.Process, "rlimit"):  # only Linux holds processes to such a limit
            return False
        try:
            process = psutil.Process(self._pid)
            limit = process.rlimit(psutil.RLIMIT_AS)[0]
            return limit != psutil.RLIM_INFINITY and limit - process.memory_info().vms < STARVED_BYTES
        except psutil.Error:
            return False

    def _usage(self) -> tuple[float, float, float]:
        """(monotonic seconds, seconds of processor time, bytes read and written), its children included."""
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
