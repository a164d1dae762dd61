"""Verifies the finished film by decoding it and comparing it with the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.media import VideoStream
from dubcli.errors import CheckError
from dubcli.media import decode, source
from dubcli.media.probe import probe
from dubcli.media.spans import Span


def film(
    path: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    digest: NDArray[np.uint8],
    copies: Sequence[Span],
    report: Callable[[int, int], None] = lambda done, total: None,
    *,
    careful: bool = False,
) -> None:
    """Decode a film once, whole, and compare it with what it must be.

    Args:
        path: the film written.
        video: the source's picture.
        pts: (N,) timestamps that its frames must have, in the source's ticks.
        digest: (N, 16) digests of the source's frames.
        copies: ranges of frames that were copied.
        report: called with frames done and frames to do.
        careful: as for `decode.open_stream`, where it may be damaged as its source is.

    Raises:
        CheckError: a frame is missing, extra, damaged or shown at another time, or a copied one differs.
        MediaError: the film cannot be decoded.
    """
    copied = np.zeros(len(digest), np.bool_)
    for start, stop in copies:
        copied[start:stop] = True
    times: list[int] = []
    damaged = 0

    def seen(packet: Any) -> None:
        if packet.size and packet.pts is not None and not packet.is_discard:
            times.append(packet.pts)

    def count_damage() -> None:
        nonlocal damaged
        damaged += 1

    made = probe(path, whole=False).film  # in another pixel format where another codec was asked for
    if (made.width, made.height) != (video.width, video.height):
        raise CheckError(f"the film is {made.width}×{made.height}, not {video.width}×{video.height} pixels")
    number, last = -1, None
    with source.opened(path) as container:
        stream = decode.open_stream(container, path, careful=careful)
        assert stream.time_base is not None
        base = stream.time_base
        found = decode.pictures(container, stream, path, made, count_damage, seen)
        for number, frame in enumerate(found):
            if number < len(digest) and copied[number] and decode.digest(frame) != digest[number].tobytes():
                raise CheckError(f"frame {number} was copied but decodes to another picture")
            shown = decode.presentation_time(frame, container)
            if shown is not None and last is not None and shown < last:
                raise CheckError(f"frame {number} is shown before the one that it follows")
            last = shown
            if number % 25 == 0:
                report(number, len(digest))
    if len(times) != len(pts):
        raise CheckError(f"the film has {len(times)} frames instead of {len(pts)}; type: dubcli run again")
    # Where the container counts coarser ticks (Matroska: milliseconds), times are rounded to them.
    want = pts * (video.time_base[0] * base.denominator) / (video.time_base[1] * base.numerator)
    wrong = np.flatnonzero(np.abs(np.sort(times) - want) > 0.5 + 1e-6)
    if len(wrong):
        k = int(wrong[0])
        raise CheckError(
            f"frame {k} is shown at tick {sorted(times)[k]} instead of {want[k]:.1f}; type: dubcli run again"
        )
    if number + 1 != len(digest):
        raise CheckError(f"the film decodes to {number + 1} frames instead of {len(digest)}")
    # Damage in the source is also in a copy of it.
    if damaged and not copied.all():
        raise CheckError(f"{damaged} frames of the film do not decode as they should; type: dubcli run again")
