"""Stopping: the first INT, TERM or USR1 ends after the running unit, the second at once.

USR1 is what batch systems send ahead of a time limit; it counts as TERM.

The first one is tested between units: the running unit is finished and committed. The second ends every
child process at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stop:
    """Installs the handlers for a `with` block.

    Attributes:
        signum: the first signal that came, 0 for none.
    """

    def __init__(
        self, kill: Callable[[], None], notice: Callable[[str], None], last: Callable[[int], None]
    ) -> None:
        """Args: kill: ends all children; notice: shows a line; last: gets the exit code before the end."""
        self.signum = 0
        self._kill = kill
        self._notice = notice
        self._last = last
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        number = signal.SIGTERM if number == signal.SIGUSR1 else number
        if self.signum:
            self._kill()
            # The signal may have come in the midst of a write, to a stream or a display.
            with contextlib.suppress(Exception):
                self._last(128 + number)
            os._exit(128 + number)
        self.signum = number
        self._notice("stopping after the unit in hand; once more to stop at once")
