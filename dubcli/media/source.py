"""Opening a media file of unknown origin, and turning FFmpeg's errors into dubcli's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import av
import av.error
import av.logging

from dubcli.errors import MediaError
from dubcli.media import prefix, protection, wave
from dubcli.media.ffmpeg import RESYNC, input_options, url
from dubcli.media.names import OWN_ORDER

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

AnyStream = TypeVar("AnyStream", bound="Stream")
DAMAGED = (av.error.InvalidDataError, av.error.PatchWelcomeError, av.error.UndefinedError)
"""What FFmpeg says of a damaged packet: also that it knows no such kind and, of AC-3, codes of its own."""

av.logging.set_level(None)  # FFmpeg's log messages about odd files are not for the user


@contextmanager
def opened(path: Path, form: str | None = None, **options: str) -> Iterator[InputContainer]:
    """Open a file for reading; whatever FFmpeg finds wrong with it inside the block is a `MediaError`.

    Args:
        path: the file.
        form: FFmpeg's name of its format, None for the one that is found in it.
        options: beside those for files of unknown origin.

    Raises:
        MediaError: missing, unreadable, or of an unknown format.
    """
    if not path.exists():
        raise MediaError(f"{path} does not exist; check the name")
    if path.is_dir():
        raise MediaError(f"{path} is a folder; name a media file")
    if not path.stat().st_size:
        raise MediaError(f"{path} is empty; name a media file, or write it again")
    begun = False
    try:
        wave.check(path)
        given = input_options(**RESYNC, **options)
        with av.open(url(path), format=form, options=given, metadata_errors="replace") as container:
            if container.format.name in prefix.GUESSED:
                prefix.check(path, container.format.name)
            begun = True
            for track in container.streams.audio:
                _give_up_order(track)
            yield container
    except (MemoryError, BlockingIOError):  # no memory, or no thread: no fault of the file (`core.shortage`)
        raise
    except PermissionError:
        raise MediaError(f"{path} may not be read; check its permissions") from None
    except (av.error.FFmpegError, UnicodeError) as error:
        if not begun:
            prefix.check(path)
        if isinstance(error, av.error.ArgumentError) and not begun:  # as where its format is not among ours
            raise MediaError(f"{path} is of no format that is read here; convert it first") from None
        if isinstance(error, av.error.InvalidDataError) and not begun and protection.is_disc(path):
            raise MediaError(f"{path} is encrypted; name a copy without protection") from None
        if isinstance(error, av.error.InvalidDataError) and not begun:  # text, a session, or its head is gone
            raise MediaError(
                f"{path} cannot be read: it is no film or sound, or not complete; name one, or write it again"
            ) from None
        if isinstance(error, av.error.PatchWelcomeError):
            raise MediaError(
                f"{path} cannot be read: FFmpeg does not know this kind of it, as of sound in Ogg whose "
                "channels change midway; write it anew with the program that made it"
            ) from None
        if isinstance(error, av.error.InvalidDataError):  # which ffmpeg's program takes for the file's end
            raise MediaError(
                f"{path} cannot be read: something else stands within it or behind its end; write it anew, "
                f"as with ffmpeg -i FILE -map 0 -c copy NEW{path.suffix}, and check that its end is there"
            ) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path} cannot be read ({reason}); check that it is complete") from None


def packets(container: InputContainer, *streams: AnyStream) -> Iterator[Packet[AnyStream]]:
    """The packets of streams, as `demux` gives them.

    FFmpeg says of zeros behind a transport stream that more will come, which ends PyAV's reading.
    """
    more = True
    while more:
        more = False
        try:
            for packet in cast("Iterator[Packet[AnyStream]]", container.demux(*streams)):
                more = True
                yield packet
            return
        except av.error.BlockingIOError:
            if not more:
                raise


def _give_up_order(track: AudioStream) -> None:
    """Let sound whose channels come in an order of its own be decoded as channels of no named places.

    PyAV frees such an order twice (CAF, AIFF and MOV of 7.1, or of 5.1 as films order it), with the process.
    """
    context = track.codec_context
    if context is not None and (own := OWN_ORDER.fullmatch(context.layout.name)):
        context.layout = f"{own[1]} channels"


def picture(container: InputContainer, path: Path, index: int | None = None) -> VideoStream:
    """The film's video stream: `index`, or the one that players show.

    Raises:
        MediaError: there is none.
    """
    found = [stream for stream in pictures(container) if index in (None, stream.index)]
    for stream in found:
        if stream.codec_context is not None:
            return stream
    if found:
        raise MediaError(f"{path}: its picture is of a kind that cannot be decoded; convert it first")
    raise MediaError(f"{path} has no video; name a film")


def pictures(container: InputContainer) -> list[VideoStream]:
    """The video streams but for covers; the first is the one that players show: that marked as default."""
    found = [stream for stream in container.streams.video if not is_cover(stream)]
    return sorted(found, key=lambda stream: not stream.disposition & av.stream.Disposition.default)


def is_cover(stream: VideoStream) -> bool:
    """Whether a video stream is a cover or a thumbnail rather than the film."""
    disposition = av.stream.Disposition
    return bool(stream.disposition & (disposition.attached_pic | disposition.timed_thumbnails))
