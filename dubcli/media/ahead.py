"""Work done ahead on threads, in order: its results are those of doing it one by one.

FFmpeg, OpenCV, NumPy and BLAKE3 release Python's lock while they work, so a shot that is alone still keeps
several cores busy.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from typing import Any, TypeVar

Item = TypeVar("Item")


def read(items: Iterable[Item], most: int) -> Iterator[Item]:
    """The same items, made on a thread of their own.

    Args:
        items: what makes them; it is used, and closed, on that thread only.
        most: items at most that are made and not yet taken.

    Raises:
        Exception: what `items` raises, at the place where it does.
    """
    made: Queue[tuple[bool, Any]] = Queue()
    room = threading.Semaphore(most)
    stopped = threading.Event()

    def make() -> None:
        last: Any = None
        source = iter(items)
        try:
            while room.acquire() and not stopped.is_set():
                try:
                    made.put((True, next(source)))
                except StopIteration:
                    break
        except BaseException as error:  # raised again where the items are taken
            last = error
        finally:
            if close := getattr(source, "close", None):
                close()
            made.put((False, last))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            more, item = made.get()
            if not more:
                if item is not None:
                    raise item
                return
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()
        thread.join()


def each(
    function: Callable[..., Item], jobs: Iterable[tuple[Any, ...]], most: int, threads: int
) -> Iterator[Item]:
    """Results of a function for each tuple of arguments, in order, made on threads.

    Args:
        function: what makes a result; calls must not depend on each other.
        jobs: its arguments.
        most: calls at most that are begun and whose results are not yet taken.
        threads: calls at once.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Item]] = deque()
        for job in jobs:
            waiting.append(pool.submit(function, *job))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
