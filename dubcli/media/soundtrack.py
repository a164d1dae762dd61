"""Sound tracks as their files tell of them: which one is meant, its language, when it begins and ends."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.errors import MediaError
from dubcli.language import standard
from dubcli.media import describe, sound, source
from dubcli.media.probe import GAP_SECONDS

if TYPE_CHECKING:
    from dubcli.artifacts.media import AudioStream, MediaInfo


def main_track(info: MediaInfo) -> AudioStream:
    """The main sound track: the default one, else the first that can be decoded.

    Raises:
        MediaError: there is none.
    """
    tracks = [track for track in info.audio if track.codec and track.rate]
    if not tracks:
        raise MediaError("the dub has no sound that can be decoded; name a file with sound")
    return max(tracks, key=lambda track: ("default" in track.disposition, -track.index))


def told_language(info: MediaInfo, track: AudioStream) -> str:
    """The BCP 47 tag of a track's language as its file says it, "" where it says none.

    QuickTime and Matroska say English where nobody said anything: that is believed of other files alone.
    """
    tag = standard(track.tags.get("language", ""))
    silent = "matroska" in info.format or "qt" in info.tags.get("major_brand", "")
    return "" if tag == "en" and silent else tag


def with_decoded_start(path: Path, track: AudioStream) -> AudioStream:
    """A sound track whose `start` is that of its first decoded sample; containers give that of a packet.

    It is `edited`, too, where its packets are not all of one kind, which its container need not say.

    Raises:
        MediaError: nothing of it can be decoded.
    """
    if track.codec in ("aac", "eac3") and not track.edited:
        with source.opened(path) as container:
            kinds = (
                describe.own_head(packet)
                for packet in source.packets(container, container.streams[track.index])
            )
            track = track.model_copy(update={"edited": len(set[bytes]().union(*kinds)) > 1})
    with source.opened(path) as container:
        for frame in sound.decoded(container, sound.track_of(container, path, track.index)):
            if frame.samples and frame.pts is not None and frame.time_base is not None:
                start = round(frame.pts * frame.time_base / Fraction(*track.time_base))
                return track.model_copy(update={"start": start})
            if frame.samples:
                return track
    raise MediaError(f"{path} has no sound that can be decoded; name a file with sound")


def duration(path: Path, track: AudioStream) -> float:
    """Seconds from a track's start to the end of its last packet; 0 where its packets have no times.

    Its container may guess (raw AAC, MP3, transport streams) or not say (FLAC from a pipe, a browser's WebM).
    Where the times of its packets stand still (RealAudio), how long they last is added up.

    Raises:
        MediaError: the times jump back, so that no container could hold it as it is heard.
    """
    tick, end, lasting = Fraction(*track.time_base), track.start, 0
    times: list[int] = []  # the first and the latest
    with source.opened(path) as container:
        for packet in source.packets(container, container.streams[track.index]):
            if not packet.size or packet.is_discard:
                continue
            lasting += packet.duration or 0
            if packet.pts is None:
                continue
            times = times or [packet.pts, packet.pts]
            if (times[1] - packet.pts) * tick > GAP_SECONDS:
                raise MediaError(
                    f"the times of {path.name} jump back after {float((times[1] - times[0]) * tick):.2f} s, "
                    "as where files were joined; write it anew first, as with ffmpeg -i DUB NEW.wav"
                )
            times[1], end = max(times[1], packet.pts), max(end, packet.pts + (packet.duration or 0))
    still = not times or times[0] == times[1]
    return float((max(end - track.start, lasting) if still else end - track.start) * tick)
