"""Files inside installed packages: networks, dictionaries, acoustic models."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from dubcli.errors import DependencyError


def packaged(package: str, name: str) -> Path:
    """Path of a file inside an installed package, which is not imported.

    Raises:
        DependencyError: the package or the file is missing.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / name
        if path.is_file():
            return path
    raise DependencyError(f"{package} lacks {name}; type: make venv")


@lru_cache
def digest(package: str, name: str) -> str:
    """sha256 of such a file, in hex.

    Raises:
        DependencyError: the package or the file is missing.
    """
    return hashlib.sha256(packaged(package, name).read_bytes()).hexdigest()
