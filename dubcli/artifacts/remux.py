"""`remux`'s artifact: the finished film."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document

_STEM = "film"


class Remuxed(Document):
    """`remux.json`.

    Attributes:
        encoded, copied: frames encoded anew, and frames whose packets are the source's own.
        why: why everything was encoded, "" where it was not.
        left_out: what of the source the container cannot hold.
    """

    FILE: ClassVar[str] = "remux.json"

    encoded: int
    copied: int
    why: str
    left_out: tuple[str, ...]


def film(folder: Path, suffix: str) -> Path:
    """The film; `suffix` says its container."""
    return folder / f"{_STEM}{suffix}"


def found(folder: Path) -> Path | None:
    """The film whatever its container is; None where the artifact holds none."""
    return next((path for path in sorted(folder.iterdir()) if path.stem == _STEM), None)
