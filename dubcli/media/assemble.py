"""From encoded spans to a film that was checked: copy what was not touched, or encode it where that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Source:
    """What a dubbed film is made from, but for its new pictures.

    Attributes:
        film: the film, its picture and its times.
        info: everything in it.
        digest: (N, 16) digests of its frames.
        groups: where its packets can be cut.
        dub: the dubbed track.
    """

    film: Film
    info: MediaInfo
    digest: NDArray[np.uint8]
    groups: Groups
    dub: Dub


@dataclass(frozen=True)
class Target:
    """Where a film is written, and who hears of it.

    Attributes:
        path: the file to write.
        scratch: a folder for encoded files of the moment.
        settings: how to encode what no segment holds and no packet can be copied for.
        report, warn: as in `core.model.Task`.
    """

    path: Path
    scratch: Path
    settings: ComposeSettings
    report: Callable[[int, int], None] = lambda done, total: None
    warn: Callable[[str], None] = lambda line: None


def film(source: Source, segments: Sequence[Segment], target: Target) -> Remuxed:
    """Write the dubbed film and check it by reading it back.

    Args:
        source: the film and the dub.
        segments: spans encoded with their patches.
        target: where it goes.

    Returns:
        What was done.

    Raises:
        MediaError, EngineError, TemporaryError, CheckError: it cannot be made.
    """
    own, groups, settings = source.film, source.groups, target.settings
    count = len(own.pts)
    segments = sorted(segments, key=lambda segment: segment.spans[0])
    untouched = gaps(segments, count)
    if own.lift:
        before = float(int(own.pts[0]) * own.video.tick)
        target.warn(
            f"the film's times begin before zero, at {before:.3f} s; in the result its first picture is "
            f"shown at {float(own.begin):.3f} s"
        )
    copies: list[Span] = []
    kept = spans.codec(settings.codec, own.video.codec) == own.video.codec
    if not kept or own.video.codec not in VIDEO[format_of(target.path.suffix)]:
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
            return _made(source, segments, copies, "", target)
        except (CheckError, EngineError, nal.Unsupported) as error:
            why = str(error)
            target.warn(f"the whole picture is encoded anew: {why}")
    return _made(source, segments, [], why, target)


def _made(
    source: Source, segments: Sequence[Segment], copies: list[Span], why: str, target: Target
) -> Remuxed:
    """Encode what neither a segment nor a copy holds, put all together, and check it."""
    own, digest, settings, report = source.film, source.digest, target.settings, target.report
    parts = list(segments)
    for gap in gaps(segments, len(own.pts)):
        for span in spans.without(gap, copies):
            path = target.scratch / f"{span[0]}-{span[1]}.nut"
            delay = compose.encode_spans(
                own.path, own.video, own.pts, digest, [span], [], path, settings, report
            )
            parts.append(Segment(path, (span,), delay))
    parts.sort(key=lambda segment: segment.spans[0])
    codec = encode.encoding(own.video, settings).codec if parts else own.video.codec
    left_out = remux.mux(
        own, source.info, parts, copies, codec, source.dub, target.path, target.scratch, target.warn
    )
    for line in left_out:
        target.warn(f"left out: {line}")
    verify.film(target.path, own.video, own.pts + own.lift, digest, copies, report)
    copied = sum(stop - start for start, stop in copies)
    return Remuxed(encoded=len(own.pts) - copied, copied=copied, why=why, left_out=tuple(left_out))
