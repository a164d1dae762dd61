"""How much picture a film has, from its headers alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dubcli.media.source import opened, picture


@dataclass(frozen=True)
class Length:
    """How much there is to do about a film.

    Attributes:
        frames: about how many; containers may round.
        megapixels: of a frame.
        size: bytes of its file.
    """

    frames: int
    megapixels: float
    size: int


def measure(path: Path) -> Length:
    """The length of a film; one whose header does not say it counts as a minute.

    Raises:
        MediaError: it cannot be read, or has no picture.
    """
    with opened(path) as container:
        stream = picture(container, path)
        seconds = 60.0
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / 1e6
        frames = stream.frames or round(seconds * float(stream.average_rate or 25))
        return Length(max(1, frames), stream.width * stream.height / 1e6, path.stat().st_size)
