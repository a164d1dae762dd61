"""What goes into a unit is read as it was committed, or not at all.

A disk or a network may change a byte without a word. A result made from it would be stored under the right
key and be believed for ever, so a worker reads the artifacts that a unit takes before the unit does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dubcli.core.store import Store, damage, sha256
from dubcli.errors import StoreError


class Inputs:
    """Compares artifacts with their manifests, each file once for as long as it stays the same."""

    def __init__(self) -> None:
        self._good: set[tuple[int, ...]] = set()

    def check(self, store: Store, paths: Iterable[Path]) -> None:
        """Read what lies in the store among some paths: whole artifacts, or single files of them.

        Raises:
            StoreError: a file differs from what was committed, or the store is gone.
        """
        for path in paths:
            key = store.holds(path)
            if not key:
                continue
            folder = store.path(key)
            files = store.files(key)
            if files is None:
                raise StoreError(store.gone())
            for name, entry in files.items():
                if path in (folder, folder / name):
                    self._compare(store, key, name, str(entry["sha256"]))

    def _compare(self, store: Store, key: str, name: str, expected: str) -> None:
        file = store.path(key) / name
        try:
            status = os.stat(file)
            mark = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if mark not in self._good and sha256(file) != expected:
                raise StoreError(damage(key, f"{name} has changed", store.root))
        except FileNotFoundError:
            raise StoreError(store.gone()) from None
        self._good.add(mark)
