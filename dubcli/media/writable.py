"""Checks right after probing that a film's picture and sound can be encoded and muxed."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.errors import CheckError, DependencyError, EngineError, MediaError
from dubcli.media import encode, source, streams
from dubcli.media.colour import Colour
from dubcli.media.containers import format_of, suffix_for

if TYPE_CHECKING:
    from dubcli.artifacts.media import AudioStream, MediaInfo, VideoStream
    from dubcli.media.streams import Dub
    from dubcli.settings.config import ComposeSettings

_REFUSALS = (MediaError, EngineError, CheckError)  # of an encoder; a full disk or a missing ffmpeg is none
_LATE_SECONDS = 0.02  # of sound after its file's picture that gives no warning; set by hand


def check(info: MediaInfo, dub: Dub, settings: ComposeSettings, suffix: str, scratch: Path) -> streams.Plan:
    """Check that a film's picture can be blended and encoded, and that its container holds all it must.

    Args:
        info: the film.
        dub: the dubbed track.
        settings: how its picture is encoded.
        suffix: of the film to make.
        scratch: a folder for a temporary file.

    Returns:
        The plan for every stream.

    Raises:
        MediaError: it cannot be written; the line says what to type instead.
        DependencyError: the graphics card that was asked for cannot encode it.
    """
    video, container = info.film, format_of(suffix)
    Colour.of(video)
    if settings.video == "copy":
        return streams.plan(info, video.codec, dub, container)
    if video.dolby_vision and not video.dolby_vision.compatibility:
        raise MediaError(
            f"the film's colours are those of Dolby Vision profile {video.dolby_vision.profile} alone, which "
            "no encoder here writes; convert it to profile 8 or HDR10 first"
        )
    try:
        how = encode.encoding(video, settings)
        encode.try_encoder(video, how, scratch)
    except _REFUSALS as error:
        if settings.encoder != "software":
            raise DependencyError(
                f"{settings.encoder} cannot encode this film here ({error}); leave compose.encoder out"
            ) from None
        lossless = settings.codec != "ffv1" and _lossless(video, settings, scratch)
        way = "add --set compose.codec=ffv1 -o film.mkv, or convert it" if lossless else "convert it"
        if suffix_for(video.codec):
            way += "; where no face is to be touched, or for EXR layers alone, add --set compose.video=copy"
        kind = f"{video.codec}, {video.pix_fmt}, {video.width}×{video.height}"
        raise MediaError(f"the film ({kind}) cannot be encoded: {error}; {way}") from None
    if not suffix_for(how.codec):
        raise MediaError(f"{how.codec} pictures cannot be written; choose another compose.codec")
    return streams.plan(info, how.codec, dub, container)


def _lossless(video: VideoStream, settings: ComposeSettings, scratch: Path) -> bool:
    """Whether the film could be encoded without loss instead."""
    try:
        how = encode.encoding(video, settings.model_copy(update={"codec": "ffv1", "profile": ""}))
        encode.try_encoder(video, how, scratch)
    except _REFUSALS:
        return False
    return True


def late_sound(path: Path, dub: MediaInfo, track: AudioStream) -> float:
    """Seconds by which a dub starts after the picture of its own file, or after its beginning; 0 if not.

    Only MP4, MOV and Matroska say of sound alone when it begins: times of others are those of some clock. An
    encoder's run-up, which files of iTunes skip without an edit list, makes none late.
    """
    if dub.video is None and not re.search("mov|matroska", dub.format):
        return 0.0
    zero = dub.video.start_pts * dub.video.tick if dub.video else Fraction(0)
    begin = track.start * Fraction(*track.time_base) - zero
    if begin <= _LATE_SECONDS:
        return 0.0
    with source.opened(path) as container:
        packets = source.packets(container, container.streams[track.index])
        first = next((one.pts for one in packets if one.pts is not None and not one.is_discard), track.start)
    return float(begin) if first * Fraction(*track.time_base) > zero else 0.0
