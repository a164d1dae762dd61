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
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from dubcli.core import keys
from dubcli.core.model import Artifact
from dubcli.errors import StoreError

MANIFEST = "artifact.json"
SCHEMA = 1
STALE_SECONDS = 24 * 3600


class Store:
    """Artifacts below one directory; any number of jobs and machines may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.temporary = root / "tmp"

    def path(self, key: str) -> Path:
        """Where the artifact of a key lies or would lie."""
        return self.objects / key[:2] / key

    def get(self, key: str) -> Artifact | None:
        """The artifact of a key, or None.

        Only names and sizes are compared here; `verify` reads the bytes.

        Raises:
            StoreError: the artifact is damaged.
        """
        path = self.path(key)
        try:
            manifest = _read_manifest(path)
        except FileNotFoundError:
            if path.exists():
                raise StoreError(_damage(key, f"{MANIFEST} is missing")) from None
            return None
        for name, entry in manifest["files"].items():
            try:
                size = os.stat(path / name).st_size
            except OSError as error:
                raise StoreError(_damage(key, f"{name}: {error.strerror}")) from None
            if size != entry["size"]:
                raise StoreError(_damage(key, f"{name} has {size} bytes, not {entry['size']}"))
        return Artifact(key, path, content(manifest["files"]))

    def preimage(self, key: str) -> dict[str, Any] | None:
        """What the artifact of a key was made from, or None where there is no such artifact."""
        try:
            return dict(_read_manifest(self.path(key))["preimage"])
        except (FileNotFoundError, StoreError):
            return None

    def workspace(self) -> Path:
        """An empty directory in which to make an artifact."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.temporary))

    def put(self, preimage: Mapping[str, Any], made: Path, provenance: Mapping[str, Any]) -> Artifact:
        """Commit the files in `made` (a `workspace`) under the digest of `preimage`.

        Where another process was first, its artifact is kept and ours is dropped.

        Raises:
            OSError: the disk is full or not writable; the workspace is left for `sweep`.
        """
        key = keys.digest(preimage)
        files = {name: _entry(made / name) for name in _names(made)}
        manifest = {
            "schema": SCHEMA,
            "key": key,
            "preimage": preimage,
            "files": files,
            "provenance": dict(provenance),
        }
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), "utf-8")
        for name in [*files, MANIFEST]:
            _sync(made / name)
            os.chmod(made / name, 0o444)
        for folder in sorted({(made / name).parent for name in files} | {made}):
            _sync(folder)
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(made, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            shutil.rmtree(made, ignore_errors=True)
        else:
            os.chmod(target, 0o555)
            _sync(target.parent)
        artifact = self.get(key)
        if artifact is None:
            raise StoreError(_damage(key, "it vanished after being written"))
        return artifact

    def verify(self, key: str) -> None:
        """Read an artifact's bytes and compare them with its manifest.

        Raises:
            StoreError: something differs, is missing or is too much.
        """
        path = self.path(key)
        if self.get(key) is None:
            raise StoreError(_damage(key, "it is missing"))
        manifest = _read_manifest(path)
        if manifest["key"] != key or keys.digest(manifest["preimage"]) != key:
            raise StoreError(_damage(key, "its pre-image belongs to another key"))
        if set(_names(path)) - {MANIFEST} != set(manifest["files"]):
            raise StoreError(_damage(key, "it holds other files than its manifest names"))
        for name, entry in manifest["files"].items():
            if _entry(path / name) != entry:
                raise StoreError(_damage(key, f"{name} has changed"))

    def keys(self) -> Iterator[str]:
        """All keys held, sorted."""
        if self.objects.is_dir():
            for folder in sorted(self.objects.iterdir()):
                yield from sorted(path.name for path in folder.iterdir())

    def sizes(self) -> Iterator[tuple[str, str, int]]:
        """(key, stage, bytes) of every artifact; damaged ones are left out."""
        for key in self.keys():
            with contextlib.suppress(StoreError, FileNotFoundError):
                manifest = _read_manifest(self.path(key))
                yield key, manifest["preimage"]["stage"], sum(f["size"] for f in manifest["files"].values())

    def size(self) -> int:
        """Bytes of all artifacts."""
        return sum(size for _, _, size in self.sizes())

    def remove(self, key: str) -> None:
        """Drop an artifact: renamed out of the way first, so that nobody sees half of one."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        doomed = Path(tempfile.mkdtemp(dir=self.temporary))
        path = self.path(key)
        with contextlib.suppress(FileNotFoundError):
            os.chmod(path, 0o755)
            os.rename(path, doomed / key)
        _remove_tree(doomed)

    def collect(self, keep: Collection[str]) -> list[str]:
        """Remove every artifact whose key is not in `keep`; returns the keys removed."""
        gone = [key for key in self.keys() if key not in keep]
        for key in gone:
            self.remove(key)
        return gone

    def sweep(self, *, private: bool) -> None:
        """Remove what killed runs left in `tmp/`; in a shared store only what is a day old."""
        if self.temporary.is_dir():
            for path in self.temporary.iterdir():
                if private or time.time() - path.stat().st_mtime > STALE_SECONDS:
                    _remove_tree(path)


def content(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Digest of an artifact's content: the names and digests of its files."""
    return keys.digest({name: entry["sha256"] for name, entry in files.items()})


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


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a small file so that a reader, or a power cut, sees the old bytes or the new ones."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync(path.parent)


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


def _read_manifest(path: Path) -> dict[str, Any]:
    text = (path / MANIFEST).read_text("utf-8")
    try:
        manifest = json.loads(text)
        if manifest["schema"] != SCHEMA or not isinstance(manifest["files"], dict):
            raise KeyError("schema")
        for name in manifest["files"]:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise KeyError(name)
    except (ValueError, KeyError, TypeError):
        raise StoreError(_damage(path.name, f"{MANIFEST} cannot be read")) from None
    return dict(manifest)


def _damage(key: str, what: str) -> str:
    return f"the store is damaged at {key[:12]}: {what}; type: dubcli cache verify --repair JOB"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a directory; there is nothing better to do on them.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _remove_tree(path: Path) -> None:
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o755)
    shutil.rmtree(path, ignore_errors=True)
