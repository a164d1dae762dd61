"""The store: immutable artifacts under their action keys.

A unit is done if and only if the store holds its key. An artifact is a directory with the unit's files and
`artifact.json`; it appears by one rename, after everything in it is on disk, and never changes again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from dubcli.core import keys
from dubcli.core.model import Artifact
from dubcli.errors import StoreError, typed
from dubcli.files import sync

MANIFEST = "artifact.json"
SCHEMA = 1
_KEY = re.compile("[0-9a-f]{64}")
_WORKSPACE = "dubcli-"  # how names in `tmp` begin: a folder named for a store may have a `tmp` of its own
STALE_SECONDS = 24 * 3600  # set by hand: no unit runs for a day
TRIES = 5
"""How often a read that met another process's commit or removal is repeated; set by hand."""

Files = dict[str, dict[str, Any]]
"""An artifact's files by name: `size` in bytes and `sha256` of each."""


class Store:
    """Artifacts below one directory; any number of jobs and machines may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.temporary = root / "tmp"
        self._objects = str(self.objects)

    def path(self, key: str) -> Path:
        """The directory of a key's artifact, whether it exists or not."""
        return Path(f"{self._objects}/{key[:2]}/{key}")

    def get(self, key: str) -> Artifact | None:
        """The artifact of a key, or None.

        Only names and sizes are compared here; `verify` reads the bytes, and so do workers
        (`core.inputs`).

        Raises:
            StoreError: the artifact is damaged.
        """
        manifest = self._manifest(key)
        return Artifact(key, self.path(key), content(manifest["files"])) if manifest else None

    def _manifest(self, key: str) -> dict[str, Any] | None:
        """The manifest of an artifact whose files are there in their sizes; None without an artifact.

        Other processes commit and remove by one rename each, so what seems to be half an artifact may be one
        that came or went between two reads: only what reads the same twice is damaged.

        Raises:
            StoreError: the artifact is damaged.
        """
        path = f"{self._objects}/{key[:2]}/{key}"
        before: tuple[int, int] | None = (0, 0)  # the first read is cheap, and nearly always enough
        for _ in range(TRIES):
            try:
                manifest = _read_manifest(path)
                _compare_sizes(path, manifest["files"])
            except (FileNotFoundError, StoreError) as error:
                seen, before = before, _identity(path)
                if before is None:
                    return None
                if seen != before:
                    continue
                lost = error.filename if isinstance(error, FileNotFoundError) else ""
                what = f"{Path(lost).name} is missing" if lost else str(error)
                raise StoreError(self._damage(key, what)) from None
            return manifest
        raise StoreError(self._damage(key, "it appears and disappears"))

    def files(self, key: str) -> Files:
        """Files of the artifact of a key, as its manifest names them.

        Raises:
            StoreError: there is no such artifact, or it is damaged.
        """
        manifest = self._manifest(key)
        if manifest is None:
            raise StoreError(self.deleted_message())
        return dict(manifest["files"])

    def preimage(self, key: str) -> dict[str, Any] | None:
        """What the artifact of a key was made from, or None where there is no such artifact."""
        try:
            return dict(_read_manifest(self.path(key))["preimage"])
        except (OSError, StoreError):
            return None

    def provenance(self, key: str) -> dict[str, Any]:
        """What is known of the making of a key's artifact, none of it hashed; empty without an artifact."""
        try:
            return dict(_read_manifest(self.path(key))["provenance"])
        except (OSError, StoreError):
            return {}

    def workspace(self) -> Path:
        """An empty directory in which to make an artifact."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_WORKSPACE, dir=self.temporary))

    def put(
        self,
        preimage: Mapping[str, Any],
        made: Path,
        provenance: Mapping[str, Any],
        files: Files | None = None,
    ) -> Artifact:
        """Commit the files in `made` (a `workspace`) under the digest of `preimage`.

        Where another process was first, its artifact is kept and this one is dropped.

        Args:
            preimage: all that the result depends on.
            made: the workspace.
            provenance: further facts for people; never hashed.
            files: what `seal` returned for the workspace, where the worker has called it already.

        Raises:
            StoreError: the store or the workspace is gone.
            OSError: the disk is full or not writable; the workspace is left to the caller.
        """
        key = keys.digest(preimage)
        files = seal(made) if files is None else files
        manifest = {
            "schema": SCHEMA,
            "key": key,
            "preimage": preimage,
            "files": files,
            "provenance": dict(provenance),
        }
        try:
            (made / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), "utf-8")
            sync(made / MANIFEST)
            os.chmod(made / MANIFEST, 0o444)
            os.chmod(made, 0o755)  # a new folder is private to its user; others share the store
            sync(made)
            target = self.path(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            while not _rename_into_place(made, target):
                if winner := self.get(key):  # and if not, it was removed since
                    remove_tree(made)
                    return winner
            with contextlib.suppress(FileNotFoundError):  # somebody else may have removed it by now
                os.chmod(target, 0o555)
            sync(target.parent)
        except FileNotFoundError:
            raise StoreError(self.deleted_message()) from None
        return Artifact(key, target, content(files))

    def verify(self, key: str) -> None:
        """Read an artifact's bytes and compare them with its manifest.

        Raises:
            StoreError: something differs, is missing or is too much.
        """
        path = self.path(key)
        manifest = self._manifest(key)
        if manifest is None:
            raise StoreError(self._damage(key, "it is missing"))
        if manifest["key"] != key or keys.digest(manifest["preimage"]) != key:
            raise StoreError(self._damage(key, "its pre-image belongs to another key"))
        if set(_names(path)) - {MANIFEST} != set(manifest["files"]):
            raise StoreError(self._damage(key, "it holds other files than its manifest names"))
        for name, entry in manifest["files"].items():
            if _entry(path / name) != entry:
                raise StoreError(self._damage(key, f"{name} has changed"))

    def descendants(self, keys: Collection[str]) -> set[str]:
        """Keys of all artifacts that were made from these, directly or through others."""
        read: dict[str, list[str]] = {}
        for key in self.keys():
            with contextlib.suppress(OSError, StoreError):
                read[key] = _read_manifest(self.path(key))["provenance"].get("read", [])
        found, doubtful = set(keys), True
        while doubtful:
            more = {key for key, used in read.items() if key not in found and not found.isdisjoint(used)}
            found |= more
            doubtful = bool(more)
        return found - set(keys)

    def key_of_path(self, path: Path) -> str:
        """Key of the artifact that contains a path of this store, "" for any other path."""
        try:
            return path.relative_to(self.objects).parts[1]
        except (ValueError, IndexError):
            return ""

    def deleted_message(self) -> str:
        """The message where the store, or a workspace in it, was deleted while it was in use."""
        return f"the store {self.root} was deleted or emptied meanwhile; type the same again to create it"

    def _damage(self, key: str, what: str) -> str:
        return damage_message(key, what, self.root)

    def keys(self) -> Iterator[str]:
        """All keys held, sorted."""
        if self.objects.is_dir():
            for folder in sorted(self.objects.iterdir()):
                with contextlib.suppress(OSError):  # no folder of ours, or one that goes away
                    yield from sorted(path.name for path in folder.iterdir() if _KEY.fullmatch(path.name))

    def sizes(self) -> Iterator[tuple[str, str, int]]:
        """(key, stage, bytes) of every artifact; damaged ones are left out."""
        for key in self.keys():
            yield from ((key, stage, size) for stage, size in self.sizes_of([key]))

    def sizes_of(self, keys: Iterable[str]) -> Iterator[tuple[str, int]]:
        """(stage, bytes) of some artifacts; damaged ones are left out."""
        for key in keys:
            with contextlib.suppress(StoreError, OSError):
                manifest = _read_manifest(self.path(key))
                yield manifest["preimage"]["stage"], sum(f["size"] for f in manifest["files"].values())

    def size(self) -> int:
        """Bytes of all artifacts."""
        return sum(size for _, _, size in self.sizes())

    def remove(self, key: str) -> None:
        """Drop an artifact: renamed out of the way first, so that no process finds half of one."""
        doomed = self.workspace()
        path = self.path(key)
        with contextlib.suppress(FileNotFoundError):
            os.chmod(path, 0o755)
            os.rename(path, doomed / key)
        remove_tree(doomed)

    def collect(self, keep: Collection[str]) -> list[str]:
        """Remove every artifact whose key is not in `keep`; returns the keys removed."""
        gone = [key for key in self.keys() if key not in keep]
        for key in gone:
            self.remove(key)
        return gone

    def sweep(self, *, private: bool) -> None:
        """Remove what killed runs left in `tmp/`; in a shared store only what is a day old."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in [path for path in self.temporary.iterdir() if path.name.startswith(_WORKSPACE)]:
                if private or time.time() - _last_written(path) > STALE_SECONDS:
                    remove_tree(path)


def seal(made: Path) -> Files:
    """An artifact's files as its manifest names them, each on disk and read-only by then.

    Raises:
        StoreError: something else than plain files is there.
        OSError: the disk is full or not writable.
    """
    files = {name: _entry(made / name) for name in _names(made)}
    for name in files:
        sync(made / name)
        os.chmod(made / name, 0o444)
    for folder in sorted({(made / name).parent for name in files} | {made}):
        sync(folder)
    return files


def content(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Digest of an artifact's content: the names and digests of its files."""
    return keys.key({name: entry["sha256"] for name, entry in files.items()})


def sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        if hasattr(hashlib, "file_digest"):
            return str(hashlib.file_digest(file, "sha256").hexdigest())
        state = hashlib.sha256()
        while block := file.read(1 << 20):
            state.update(block)
        return state.hexdigest()


def tree(folder: Path) -> str:
    """sha256 over the names and contents of all files in a folder, in hex."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = [f"{path.relative_to(folder).as_posix()} {sha256(path)}\n" for path in files]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def _names(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            if not stat.S_ISREG(mode):
                raise StoreError(f"{path.name} is not a plain file; an artifact holds nothing else")
            found.append(path.relative_to(folder).as_posix())
    return found


def _entry(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def _read_manifest(path: str | Path) -> dict[str, Any]:
    with open(f"{path}/{MANIFEST}", "rb", buffering=0) as file:
        text = file.read()
    try:
        manifest = from_json(text)
        if manifest["schema"] != SCHEMA or not isinstance(manifest["files"], dict):
            raise KeyError("schema")
        for name in manifest["files"]:
            if name.startswith("/") or ".." in name.split("/"):
                raise KeyError(name)
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{MANIFEST} cannot be read") from None
    return dict(manifest)


def _compare_sizes(path: str | Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `StoreError`, or `FileNotFoundError`, where a file is not there in its size."""
    for name, entry in files.items():
        size = os.stat(f"{path}/{name}").st_size
        if size != entry["size"]:
            raise StoreError(f"{name} has {size} bytes, not {entry['size']}")


def _rename_into_place(made: Path, target: Path) -> bool:
    """Rename a folder; False where the target exists already."""
    try:
        os.rename(made, target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    return True


def damage_message(key: str, what: str, root: Path) -> str:
    """The message for a damaged artifact."""
    return f"the store is damaged at {key[:12]}: {what}; type: dubcli cache verify --repair {typed(root)}"


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Device and inode of a folder, which a later folder of that name does not share; None without one."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _last_written(path: Path) -> float:
    """When anything in a folder was last written to, in seconds since the epoch; now, if it is gone."""
    try:
        return max(item.lstat().st_mtime for item in (path, *path.rglob("*")))
    except OSError:
        return time.time()


def remove_tree(path: Path) -> None:
    """Remove a folder with read-only ones in it, as far as possible."""
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o755)
    shutil.rmtree(path, ignore_errors=True)
