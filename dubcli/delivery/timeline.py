"""Timelines for editors: EDL (CMX 3600), and OTIO, FCP XML and AAF through OpenTimelineIO.

Record time is the film's own timecode: laid over the source, a clip meets it on the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.edits.edl import reel_name
from dubcli.edits.interchange import ADAPTERS
from dubcli.edits.timecode import Clock
from dubcli.errors import UsageError, one_line

if TYPE_CHECKING:
    from opentimelineio.schema import Clip as OtioClip
    from opentimelineio.schema import Timeline

SUFFIXES = (".edl", *ADAPTERS)
EDL_EVENTS = 999
"""Events that CMX 3600 can number."""
_AAF_MARKERS = 1000  # slots of markers are numbered from here, above those of tracks
_AAF_COLOURS = {
    "RED": (1, 0, 0), "GREEN": (0, 1, 0), "BLUE": (0, 0, 1), "YELLOW": (1, 1, 0), "CYAN": (0, 1, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Marker:
    """A remark on a clip: a name such as a verdict, a note, and one of OpenTimelineIO's colours."""

    name: str
    note: str = ""
    colour: str = "GREEN"


@dataclass(frozen=True)
class Clip:
    """A piece of a file at its place along the film.

    Attributes:
        name: of the clip.
        media: the file it plays.
        start, stop: half-open range of the film's frames.
        available: the film's frames that the file holds, half-open; its timecode is the film's.
        reel: of the source, "" for none.
        markers: remarks on it.
    """

    name: str
    media: Path
    start: int
    stop: int
    available: tuple[int, int]
    reel: str = ""
    markers: tuple[Marker, ...] = ()


def write(path: Path, title: str, tracks: Sequence[Sequence[Clip]], clock: Clock) -> None:
    """Write a timeline in the format of the file's suffix.

    Args:
        path: one of SUFFIXES.
        title: of the timeline.
        tracks: clips of each picture track, the lowest first; an EDL holds the highest alone.
        clock: the film's timecode.

    Raises:
        UsageError: the format cannot hold so many clips, or the file cannot be written.
        ConfigError: an EDL of a film whose rate has no timecode.
    """
    import opentimelineio as otio

    suffix = path.suffix.lower()
    try:
        if suffix == ".edl":
            path.write_text(edl(title, tracks[-1], clock), encoding="utf-8", newline="\n")
            return
        # An AAF names its media by mobs of a bin, which files on a disk do not have.
        options = {"use_empty_mob_ids": True} if suffix == ".aaf" else {}
        timeline = built(title, tracks, clock)
        if suffix == ".xml":
            _say_to_fcp(timeline, clock)
        otio.adapters.write_to_file(timeline, str(path), ADAPTERS[suffix], **options)
        if suffix == ".aaf":
            _say_to_aaf(path, tracks, clock)
    except OSError as error:
        raise UsageError(f"cannot write {path} ({error.strerror}); choose another place") from None


def built(title: str, tracks: Sequence[Sequence[Clip]], clock: Clock) -> Timeline:
    """OpenTimelineIO's timeline of picture tracks, the lowest first."""
    import opentimelineio as otio

    rate = float(clock.rate)
    timeline = otio.schema.Timeline(title)
    timeline.global_start_time = otio.opentime.RationalTime(clock.first, rate)
    for number, clips in enumerate(tracks, 1):
        track = otio.schema.Track(f"V{number}", kind=otio.schema.TrackKind.Video)
        at = 0
        for clip in sorted(clips, key=lambda clip: clip.start):
            if clip.start > at:
                track.append(otio.schema.Gap(duration=otio.opentime.RationalTime(clip.start - at, rate)))
            track.append(_clip(clip, clock))
            at = clip.stop
        timeline.tracks.append(track)
    return timeline


def _clip(clip: Clip, clock: Clock) -> OtioClip:
    import opentimelineio as otio

    def span(start: int, stop: int) -> otio.opentime.TimeRange:
        rate = float(clock.rate)
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(clock.first + start, rate),
            otio.opentime.RationalTime(stop - start, rate),
        )

    media = otio.schema.ExternalReference(clip.media.resolve().as_uri(), span(*clip.available))
    media.name = clip.media.name
    out = otio.schema.Clip(clip.name, media, span(clip.start, clip.stop))
    out.metadata["dubcli"] = {"reel": clip.reel}
    for marker in clip.markers:
        whole = span(clip.start, clip.stop)
        out.markers.append(
            otio.schema.Marker(
                marker.name,
                otio.opentime.TimeRange(
                    whole.start_time, otio.opentime.RationalTime(0, whole.start_time.rate)
                ),
                marker.colour,
                {"dubcli": {"note": marker.note}},
                marker.note,
            )
        )
    return out


def _say_to_fcp(timeline: Timeline, clock: Clock) -> None:
    """Say what the adapter of FCP XML writes only where it is told in its own words.

    That is whether timecode drops frames, reels, and the notes of markers, which that format counts from the
    first frame of the file.
    """
    import opentimelineio as otio

    shown = {"displayformat": "DF" if clock.drop else "NDF"}
    timeline.metadata["fcp_xml"] = {"timecode": dict(shown)}
    for clip in timeline.find_clips():
        reel = clip.metadata["dubcli"]["reel"]
        timecode = {**shown, "reel": {"name": reel}} if reel else dict(shown)
        clip.media_reference.metadata["fcp_xml"] = {"timecode": timecode}
        first = clip.media_reference.available_range.start_time
        for marker in clip.markers:
            at = marker.marked_range
            marker.marked_range = otio.opentime.TimeRange(at.start_time - first, at.duration)
            marker.metadata["fcp_xml"] = {"comment": marker.comment}


def _say_to_aaf(path: Path, tracks: Sequence[Sequence[Clip]], clock: Clock) -> None:
    """Say what the adapter of AAF makes up, or leaves out.

    It counts 60 frames of timecode a second for 50, and drops none; calls tapes by their clips instead of by
    their reels; numbers no tracks; and writes no markers.
    """
    import aaf2  # comes with the adapter

    reels = {clip.name: clip.reel for clips in tracks for clip in clips}
    with aaf2.open(str(path), "rw") as file:
        mobs = list(file.content.mobs)
        for slot in (slot for mob in mobs for slot in mob.slots):
            if isinstance(slot.segment, aaf2.components.Timecode):
                slot.segment.fps = -(-clock.rate.numerator // clock.rate.denominator)
                slot.segment.drop = clock.drop
        for mob in mobs:
            if isinstance(getattr(mob, "descriptor", None), aaf2.essence.TapeDescriptor):
                mob.name = reels.get(mob.name) or mob.name
        (composition,) = file.content.compositionmobs()
        slots = list(composition.slots)[: len(tracks)]  # that of timecode comes after them
        for number, (track, clips) in enumerate(zip(slots, tracks, strict=True), 1):
            track["PhysicalTrackNumber"].value = number
            if any(clip.markers for clip in clips):
                composition.slots.append(_aaf_markers(file, track, clips))


def _aaf_markers(file: Any, track: Any, clips: Sequence[Clip]) -> Any:
    """The markers on the clips of a track, as a slot of events that describes the slot of the track."""
    slot = file.create.EventMobSlot()
    slot.slot_id, slot.name, slot.edit_rate = _AAF_MARKERS + track.slot_id, track.name, track.edit_rate
    slot["PhysicalTrackNumber"].value = track["PhysicalTrackNumber"].value
    slot.segment = file.create.Sequence("DescriptiveMetadata")
    for clip in clips:
        for marker in clip.markers:
            event = file.create.DescriptiveMarker()
            event["DataDefinition"].value = file.dictionary.lookup_datadef("DescriptiveMetadata")
            event["Position"].value, event["Length"].value = clip.start, 1
            event["DescribedSlots"].value = [track.slot_id]
            event["Comment"].value = _remark(marker)
            shares = _AAF_COLOURS.get(marker.colour, (1, 1, 1))
            event["CommentMarkerColor"].value = {
                name: 65535 * share for name, share in zip(("red", "green", "blue"), shares, strict=True)
            }
            slot.segment.components.append(event)
    return slot


def edl(title: str, clips: Sequence[Clip], clock: Clock) -> str:
    """A CMX 3600 list of cuts.

    Written here: the adapter of OpenTimelineIO makes all timecode at 29.97 drop frame.

    Raises:
        UsageError: there are more events than the format can number.
        ConfigError: the film's rate has no timecode.
    """
    if len(clips) > EDL_EVENTS:
        raise UsageError(
            f"an EDL holds {EDL_EVENTS} events, and there are {len(clips)}; write .otio, .xml or .aaf"
        )
    lines = [f"TITLE: {_line(title)}", f"FCM: {'' if clock.drop else 'NON-'}DROP FRAME", ""]
    for number, clip in enumerate(sorted(clips, key=lambda clip: clip.start), 1):
        times = f"{clock.at(clip.start)} {clock.at(clip.stop)}"
        lines.append(f"{number:03d}  {reel_name(clip.reel):8} V     C        {times} {times}")
        lines.append(f"* FROM CLIP NAME: {_line(clip.media.name)}")
        for marker in clip.markers:
            lines.append(f"* LOC: {clock.at(clip.start)} {marker.colour:7} {_line(_remark(marker))}")
    return "\n".join(lines) + "\n"


def _remark(marker: Marker) -> str:
    """A marker in one text, for formats whose markers have no name of their own."""
    return f"{marker.name}: {marker.note}" if marker.note else marker.name


def _line(text: str) -> str:
    return " ".join(one_line(text).split())
