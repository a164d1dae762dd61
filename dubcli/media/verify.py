"""Reading the finished film back before it is believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubcli.errors import CheckError
from dubcli.media import source
from dubcli.media.probe import VideoStream


def times(path: Path, video: VideoStream, pts: NDArray[np.int64]) -> None:
    """Compare the times of a film's pictures with what they must be.

    Args:
        path: the film written.
        video: the source's picture.
        pts: (N,) timestamps of the source's frames.

    Raises:
        CheckError: a frame is missing, extra, or shown at another time.
    """
    with source.opened(path) as container:
        stream = source.picture(container, path)
        assert stream.time_base is not None
        base = stream.time_base
        found = np.sort(
            [p.pts for p in container.demux(stream) if p.size and p.pts is not None and not p.is_discard]
        )
    if len(found) != len(pts):
        raise CheckError(f"the film has {len(found)} frames instead of {len(pts)}; type: dubcli run again")
    # Where the container counts coarser ticks (Matroska: milliseconds), times are rounded to them.
    want = pts * (video.time_base[0] * base.denominator) / (video.time_base[1] * base.numerator)
    wrong = np.flatnonzero(np.abs(found - want) > 0.5 + 1e-6)
    if len(wrong):
        k = int(wrong[0])
        raise CheckError(
            f"frame {k} is shown at tick {found[k]} instead of {want[k]:.1f}; type: dubcli run again"
        )
