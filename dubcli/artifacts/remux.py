"""`remux`'s artifact: the finished film."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document

_STEM = "film"


class Remuxed(Document):
    """`remux.json`.

    Attributes:
        encoded, copied: number of frames encoded again, and of frames with packets copied from the source.
        why: the reason why everything was encoded, "" where it was not.
        left_out: streams and metadata of the source that the container cannot hold.
    """

    FILE: ClassVar[str] = "remux.json"

    encoded: int
    copied: int
    why: str
    left_out: tuple[str, ...]


def film(folder: Path, suffix: str) -> Path:
    """Path of the film; `suffix` is that of its container."""
    return folder / f"{_STEM}{suffix}"


def found(folder: Path) -> Path | None:
    """Path of the film in any container; None where the artifact holds none."""
    return next((path for path in sorted(folder.iterdir()) if path.stem == _STEM), None)
