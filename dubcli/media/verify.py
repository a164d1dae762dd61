"""Reading the finished film back before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.media import VideoStream
from dubcli.errors import CheckError
from dubcli.media import decode, source
from dubcli.media.spans import Span


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


def pictures(
    path: Path,
    video: VideoStream,
    digest: NDArray[np.uint8],
    copies: Sequence[Span],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Decode a film and compare every frame that was copied with the source's.

    Args:
        path: the film written.
        video: the source's picture.
        digest: (N, 16) digests of the source's frames.
        copies: ranges of frames that were copied.
        report: called with frames done and frames to do.

    Raises:
        CheckError: a copied frame differs, or frames are missing.
        MediaError: the film cannot be decoded.
    """
    copied = np.zeros(len(digest), np.bool_)
    for start, stop in copies:
        copied[start:stop] = True
    number = -1
    with source.opened(path) as container:
        stream = decode.prepared(container, path)
        for number, frame in enumerate(decode.pictures(container, stream, path, video)):
            if number < len(digest) and copied[number] and decode.digest(frame) != digest[number].tobytes():
                raise CheckError(f"frame {number} was copied but decodes to another picture")
            if number % 25 == 0:
                report(number, len(digest))
    if number + 1 != len(digest):
        raise CheckError(f"the film decodes to {number + 1} frames instead of {len(digest)}")
