"""`compose`'s artifact: the frames of a shot that were encoded again."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document


class Segment(Document):
    """`compose.json`.

    Attributes:
        spans: half-open ranges of the film's frames, consecutive in `video.nut`.
        delay: reorder depth of the packets, in frames.
        changed: number of patches that were blended in.
        codec: FFmpeg's name of the codec.
    """

    FILE: ClassVar[str] = "compose.json"

    spans: tuple[tuple[int, int], ...]
    delay: int
    changed: int
    codec: str


def video(folder: Path) -> Path:
    """Path of the encoded frames."""
    return folder / "video.nut"
