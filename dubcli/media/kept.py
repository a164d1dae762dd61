"""Files that stay open from one reading to the next.

Units read a few seconds of a film each, by the thousand, and opening one of ninety minutes takes a tenth of a
second: the index of all its packets is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Generic, TypeVar

Opened = TypeVar("Opened")


class Kept(Generic[Opened]):
    """What was opened and is not in use, at most so many; each is lent to one reader at a time.

    Args:
        most: that stay open; the one that was given back first goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: dict[Hashable, tuple[Opened, ExitStack]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, path: Path, open_it: Callable[[], AbstractContextManager[Opened]]) -> Iterator[Opened]:
        """What `open_it` opens of a file, or has opened for an earlier reader of the same bytes.

        A reader that breaks off leaves it open; an error closes it.
        """
        mark = _mark(path)
        with self._lock:
            opened, held = self._idle.pop(mark, (None, ExitStack()))
        with held:
            lent = held.enter_context(open_it()) if opened is None else opened
            try:
                yield lent
            except GeneratorExit:
                self._give_back(mark, lent, held.pop_all())
                raise
            self._give_back(mark, lent, held.pop_all())

    def _give_back(self, mark: Hashable, opened: Opened, held: ExitStack) -> None:
        with self._lock:
            extra = [self._idle.pop(mark)] if mark in self._idle else []
            self._idle[mark] = opened, held
            extra += [self._idle.pop(old) for old in list(self._idle)[: -self._most]]
        for _, stack in extra:
            stack.close()


def _mark(path: Path) -> Hashable:
    """What is another where a file was exchanged; and in a forked process, which has no threads to decode."""
    try:
        status = os.stat(path)
    except OSError:  # who opens it says what is wrong
        return path, os.getpid()
    stamps = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    return path, os.getpid(), *stamps
