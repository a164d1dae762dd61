"""Assembles the finished film from encoded spans and copied groups, and checks it by reading it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.remux import Remuxed
from dubcli.errors import CheckError, EngineError
from dubcli.media import compose, encode, marks, nal, remux, spans, verify
from dubcli.media.containers import VIDEO, format_of
from dubcli.media.picture import Film, Segment, gaps
from dubcli.media.probe import probe

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo, VideoStream
    from dubcli.artifacts.shots import Groups
    from dubcli.media.spans import Span
    from dubcli.media.streams import Dub
    from dubcli.settings.config import ComposeSettings

_FIELDS = {"tt", "bb", "tb", "bt"}  # orders of fields
_ALIKE = {("tv", "unknown")}  # what a range is where nobody says it
_LATE_SECONDS = 60  # before a film's first picture that nobody means; set by hand


@dataclass(frozen=True)
class Source:
    """The inputs of a dubbed film, except its new pictures.

    Attributes:
        film: the film, its picture and its times.
        info: all its streams.
        digest: (N, 16) digests of its frames.
        groups: the groups in which its packets can be cut.
        dub: the dubbed track.
    """

    film: Film
    info: MediaInfo
    digest: NDArray[np.uint8]
    groups: Groups
    dub: Dub


@dataclass(frozen=True)
class Target:
    """Where a film is written, and what receives progress and warnings.

    Attributes:
        path: the file to write.
        scratch: a folder for temporary encoded files.
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
        target: where it is written.

    Returns:
        What was done.

    Raises:
        MediaError, EngineError, TemporaryError, CheckError: it cannot be made.
    """
    original, groups, settings = source.film, source.groups, target.settings
    count = len(original.pts)
    segments = sorted(segments, key=lambda segment: segment.spans[0])
    untouched = gaps(segments, count)
    if original.time_shift:
        before = float(int(original.pts[0]) * original.video.tick)
        target.warn(
            f"the film's times begin before zero, at {before:.3f} s; in the result its first picture is "
            f"shown at {float(original.begin):.3f} s"
        )
    elif original.begin > _LATE_SECONDS:
        target.warn(
            f"the film's times begin at {float(original.begin):.3f} s, as those of broadcasts do, and so do "
            "the result's; some players show nothing until then: where that matters, write the film anew "
            f"first, with times from zero (ffmpeg -i FILM -map 0 -c copy NEW{original.path.suffix})"
        )
    copies: list[Span] = []
    same_codec = spans.codec(settings.codec, original.video.codec) == original.video.codec
    if not same_codec or original.video.codec not in VIDEO[format_of(target.path.suffix)]:
        copies = []
    elif not segments and not any(groups.fixed):
        copies = untouched
        if groups.damaged and original.video.packets > count:
            # A copy would hold the packet that shows nothing, and readers end with an error there.
            copies = []
            target.warn("the whole picture is encoded anew: a packet of the film's shows nothing")
    elif not groups.reason and settings.video != "encode":
        copies = [part for gap in untouched for part in spans.whole_groups(gap, groups, count)]
    asked = settings.video == "encode" or settings.codec != "source"
    why = "" if copies or asked else groups.reason
    if copies:
        try:
            return _assemble(source, segments, copies, "", target)
        except (CheckError, EngineError, nal.Unsupported) as error:
            why = str(error)
            target.warn(f"the whole picture is encoded anew: {why}")
    return _assemble(source, segments, [], why, target)


def _assemble(
    source: Source, segments: Sequence[Segment], copies: list[Span], why: str, target: Target
) -> Remuxed:
    """Encode what neither a segment nor a copy holds, mux all, and check it."""
    original, digest, settings, report = source.film, source.digest, target.settings, target.report
    parts = list(segments)
    for gap in gaps(segments, len(original.pts)):
        for span in spans.subtract(gap, copies):
            path = target.scratch / f"{span[0]}-{span[1]}.nut"
            delay = compose.encode_spans(
                original.path, original.video, original.pts, digest, [span], [], path, settings, report
            )
            parts.append(Segment(path, (span,), delay))
    parts.sort(key=lambda segment: segment.spans[0])
    codec = encode.encoding(original.video, settings).codec if parts else original.video.codec
    left_out = remux.mux(
        original, source.info, parts, copies, codec, source.dub, target.path, target.scratch, target.warn
    )
    left_out = [*left_out, *_marked(original.path, target.path, any(part.patched for part in parts))]
    left_out = [*left_out, *_unsaid(original.video, probe(target.path, whole=False).film)]
    if parts and not original.timed:
        left_out = [*left_out, *(f"{name} of pictures encoded anew" for name in original.video.dynamic)]
    for line in left_out:
        target.warn(f"left out: {line}")
    shown, careful = original.pts + original.time_shift, source.groups.damaged
    verify.film(target.path, original.video, shown, digest, copies, report, careful=careful)
    copied = sum(stop - start for start, stop in copies)
    return Remuxed(encoded=len(original.pts) - copied, copied=copied, why=why, left_out=tuple(left_out))


def _marked(film: Path, result: Path, synthetic: bool) -> list[str]:
    """Mark an MP4 or MOV as `synthetic`, beside the film's own XMP packet; a line where that is lost."""
    own, whole = marks.packet(film), False
    if format_of(result.suffix) != "matroska":
        whole = marks.write(result, own, synthetic=synthetic)
    return ["the film's XMP packet"] if own and not whole else []


def _unsaid(before: VideoStream, after: VideoStream) -> list[str]:
    """What a film's container or codec said of its picture and the result's does not, one line each."""
    lost = [said for said in before.told if said not in after.told]
    if before.mastering and not after.mastering:
        lost.append("its mastering display (HDR10)")
    if before.light and not after.light:
        lost.append("its brightness (MaxCLL)")
    if before.field_order in _FIELDS and after.field_order not in _FIELDS:
        lost.append("its fields")
    for name in ("primaries", "transfer", "matrix", "range"):
        said, kept = getattr(before, name), getattr(after, name)
        if said not in (kept, "unknown") and (said, kept) not in _ALIKE:
            lost.append(f"its {name} ({said})")
    return [f"what is said of the picture: {said}" for said in lost]
