"""Work done ahead gives the same results in the same order, and ends when its taker does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dubcli.media import ahead


def test_items_come_in_order_and_at_most_so_many_wait() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for k in range(50):
            made.append(k)
            yield k

    taken = []
    for item in ahead.read(items(), 3):
        taken.append(item)
        time.sleep(0.001)
        assert len(made) <= len(taken) + 4  # three wait, one is being made
    assert taken == list(range(50))


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = ahead.read(items(), 2)
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_a_taker_that_stops_closes_the_source_on_its_own_thread() -> None:
    closed: list[int] = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(threading.get_ident())

    found = ahead.read(items(), 2)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert closed
    assert closed[0] != threading.get_ident()


def test_results_of_calls_on_threads_come_in_order() -> None:
    def slow_first(k: int) -> int:
        time.sleep(0.05 if k == 0 else 0)
        return k * k

    assert list(ahead.each(slow_first, ((k,) for k in range(9)), 4, 2)) == [k * k for k in range(9)]
