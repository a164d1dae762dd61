"""`compose`'s artifact: the frames of a shot that were encoded anew."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document


class Segment(Document):
    """`compose.json`.

    Attributes:
        spans: ranges of the film's frames, half-open, one after the other in `video.nut`.
        delay: reorder depth of the packets, pictures.
        changed: patches blended in.
        codec: FFmpeg's name of the codec.
    """

    FILE: ClassVar[str] = "compose.json"

    spans: tuple[tuple[int, int], ...]
    delay: int
    changed: int
    codec: str


def video(folder: Path) -> Path:
    """The encoded frames."""
    return folder / "video.nut"
