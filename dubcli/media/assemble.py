"""From encoded spans to a film that was checked: copy what was not touched, or encode it where that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.remux import Remuxed
from dubcli.errors import CheckError, EngineError
from dubcli.media import compose, encode, nal, remux, spans, verify
from dubcli.media.containers import VIDEO, format_of
from dubcli.media.picture import Film, Segment, gaps

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Groups
    from dubcli.media.remux import Dub
    from dubcli.media.spans import Span
    from dubcli.settings.config import ComposeSettings


def film(
    source: Film,
    info: MediaInfo,
    digest: NDArray[np.uint8],
    groups: Groups,
    dub: Dub,
    segments: Sequence[Segment],
    *,
    settings: ComposeSettings,
    out: Path,
    scratch: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
    warn: Callable[[str], None] = lambda line: None,
) -> Remuxed:
    """Write the dubbed film and check it by reading it back.

    Args:
        source: the film, its picture and its times.
        info: everything in it.
        digest: (N, 16) digests of its frames.
        groups: where its packets can be cut.
        dub: the dubbed track.
        segments: spans encoded with their patches.
        settings: how to encode what else must be.
        out: the file to write.
        scratch: a folder for encoded files of the moment.
        report, warn: as in `core.model.Task`.

    Returns:
        What was done.

    Raises:
        MediaError, EngineError, TemporaryError, CheckError: it cannot be made.
    """
    count = len(source.pts)
    segments = sorted(segments, key=lambda segment: segment.spans[0])
    untouched = gaps(segments, count)
    if source.lift:
        before = float(int(source.pts[0]) * source.video.tick)
        warn(
            f"the film's times begin before zero, at {before:.3f} s; in the result its first picture is "
            f"shown at {float(source.begin):.3f} s"
        )
    copies: list[Span] = []
    kept = spans.codec(settings.codec, source.video.codec) == source.video.codec
    if not kept or source.video.codec not in VIDEO[format_of(out.suffix)]:
        copies = []
    elif not segments and not any(groups.fixed):
        copies = untouched
    elif not groups.reason and settings.video == "copy-untouched":
        copies = [
            part
            for gap in untouched
            for part in spans.whole_groups(gap, groups.starts, groups.keys, groups.fixed, count)
        ]
    asked = settings.video == "encode" or settings.codec != "source"
    why = "" if copies or asked else groups.reason
    if copies:
        try:
            return _made(
                source, info, digest, dub, segments, copies, "", settings, out, scratch, report, warn
            )
        except (CheckError, EngineError, nal.Unsupported) as error:
            why = str(error)
            warn(f"the whole picture is encoded anew: {why}")
    return _made(source, info, digest, dub, segments, [], why, settings, out, scratch, report, warn)


def _made(
    source: Film,
    info: MediaInfo,
    digest: NDArray[np.uint8],
    dub: Dub,
    segments: Sequence[Segment],
    copies: list[Span],
    why: str,
    settings: ComposeSettings,
    out: Path,
    scratch: Path,
    report: Callable[[int, int], None],
    warn: Callable[[str], None],
) -> Remuxed:
    """Encode what neither a segment nor a copy holds, put all together, and check it."""
    parts = list(segments)
    for gap in gaps(segments, len(source.pts)):
        for span in spans.without(gap, copies):
            path = scratch / f"{span[0]}-{span[1]}.nut"
            delay = compose.encode_spans(
                source.path, source.video, source.pts, digest, [span], [], path, settings, report
            )
            parts.append(Segment(path, (span,), delay))
    parts.sort(key=lambda segment: segment.spans[0])
    codec = encode.encoding(source.video, settings).codec if parts else source.video.codec
    left_out = remux.mux(source, info, parts, copies, codec, dub, out, scratch, warn)
    for line in left_out:
        warn(f"left out: {line}")
    verify.film(out, source.video, source.pts + source.lift, digest, copies, report)
    copied = sum(stop - start for start, stop in copies)
    return Remuxed(encoded=len(source.pts) - copied, copied=copied, why=why, left_out=tuple(left_out))
