"""Verifies the inputs of a unit against their manifests before it reads them.

A disk or a network may change a byte silently. A result made from it would be stored under the right
key and never be questioned, so a worker reads the artifacts that a unit takes before the unit does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dubcli.core.store import Store, damage_message, sha256
from dubcli.errors import StoreError


class Inputs:
    """Compares artifacts with their manifests, each file once for as long as it stays the same."""

    def __init__(self) -> None:
        self._good: set[tuple[int, ...]] = set()

    def check(self, store: Store, paths: Iterable[Path]) -> None:
        """Read those of some paths that are in the store: whole artifacts, or single files of them.

        Raises:
            StoreError: a file differs from what was committed, or the store is gone.
        """
        for path in paths:
            key = store.key_of_path(path)
            if not key:
                continue
            folder = store.path(key)
            for name, entry in store.files(key).items():
                if path in (folder, folder / name):
                    self._compare(store, key, name, str(entry["sha256"]))

    def _compare(self, store: Store, key: str, name: str, expected: str) -> None:
        file = store.path(key) / name
        try:
            status = os.stat(file)
            mark = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if mark not in self._good and sha256(file) != expected:
                raise StoreError(damage_message(key, f"{name} has changed", store.root))
        except FileNotFoundError:
            raise StoreError(store.deleted_message()) from None
        self._good.add(mark)
