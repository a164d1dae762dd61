"""Composites patches into a film's frames and encodes the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dubcli.media import ahead, decode, layout
from dubcli.media.encode import Encoder, encoding, verify_encoded
from dubcli.media.patches import Patches

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.settings.config import ComposeSettings

Span = tuple[int, int]


def composite_frames(
    film: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    digest: NDArray[np.uint8],
    spans: Sequence[Span],
    patches: Sequence[Patches],
) -> Iterator[tuple[int, layout.Planes]]:
    """The frames of `spans` with patches mixed in, as writable planes in the film's own pixel format.

    Args:
        film: the film.
        video: its picture.
        pts: (N,) timestamps of all its frames.
        digest: (N, 16) digests of all its frames, from `split`.
        spans: ranges of frames, rising.
        patches: those of every face.

    Raises:
        MediaError: a frame is not what it was when the film was read.
    """
    for start, stop in spans:
        for frame in decode.frames(film, video, pts, start, stop, digest):
            planes = layout.copy_planes(frame.planes)
            for face in patches:
                patch = face.at(frame.index)
                if patch is not None:
                    frame.colour.blend(planes, *frame.square.to_raster(patch))
            yield frame.index, planes


def encode_spans(
    film: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    digest: NDArray[np.uint8],
    spans: Sequence[Span],
    patches: Sequence[Patches],
    out: Path,
    settings: ComposeSettings,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Encode `spans`, with patches, into one file whose spans each begin with a closed group.

    Returns:
        The reorder depth of the packets.

    Raises:
        CheckError: the file does not hold as many pictures as the spans.
        MediaError, EngineError, TemporaryError: it cannot be done.
    """
    count = sum(stop - start for start, stop in spans)
    starts = np.cumsum([0] + [stop - start for start, stop in spans[:-1]]).tolist()
    with Encoder(out, video, encoding(video, settings), starts) as encoder:
        pictures = ahead.read(composite_frames(film, video, pts, digest, spans, patches), 1)
        for done, (_, planes) in enumerate(pictures):
            encoder.write(planes)
            if done % 10 == 9:
                report(done + 1, count)
    return verify_encoded(out, count, f"frames {spans[0][0]} to {spans[-1][1]}")
