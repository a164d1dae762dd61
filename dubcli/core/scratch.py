"""Scratch folders: checkpoints of units that take hours, in the job directory, one folder a key.

    scratch/KEY     of a unit whose result is not in the store yet

A folder outlives the processes that write into it and goes once its unit is done. It counts for nothing:
what is lost or damaged there costs time only. A job directory may come from anybody, so a link in place of a
folder is removed, never followed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from dubcli.core.store import remove_tree

FOLDER = "scratch"
_KEY = re.compile(r"[0-9a-f]{64}")


def make(root: Path, key: str) -> Path:
    """The scratch folder of a key, made where there is none; only its user may read it.

    Raises:
        OSError: it cannot be made.
    """
    for path in (root / FOLDER, root / FOLDER / key):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root / FOLDER / key


def remove(root: Path, key: str) -> None:
    """Remove the scratch folder of a key, and the folder of all where it was the last."""
    path = root / FOLDER / key
    if (root / FOLDER).is_symlink():
        return
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        remove_tree(path)
    with contextlib.suppress(OSError):  # others are there
        (root / FOLDER).rmdir()


def keys(root: Path) -> Iterator[str]:
    """Keys that have a scratch folder, sorted."""
    folder = root / FOLDER
    if folder.is_dir() and not folder.is_symlink():
        yield from sorted(path.name for path in folder.iterdir() if _KEY.fullmatch(path.name))


def sweep(root: Path, done: Callable[[str], bool]) -> None:
    """Remove what a run that was killed between storing a result and clearing up has left."""
    for key in keys(root):
        if done(key):
            remove(root, key)


def prune(root: Path, keep: Collection[str], *, dry_run: bool = False) -> int:
    """Remove the scratch folders of keys that are not in `keep`; returns the bytes freed."""
    freed = 0
    for key in keys(root):
        if key not in keep:
            freed += size(root / FOLDER / key)
            if not dry_run:
                remove(root, key)
    return freed


def size(folder: Path) -> int:
    """Bytes of the files in a folder; a link counts as nothing."""
    if folder.is_symlink():
        return 0
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # a run works in it
            found += 0 if path.is_dir() else path.lstat().st_size
    return found
