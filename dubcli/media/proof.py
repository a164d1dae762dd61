"""A clip that shows a stretch of a film in several versions, side by side, with the dub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from dubcli.media import decode
from dubcli.media.ffmpeg import Process, arguments, url
from dubcli.media.patches import Patches, mix

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.shots import Frames

_WIDTH, _TALLEST = 1920, 1080  # pixels: all sides fit a 1080p screen; set by hand


@dataclass(frozen=True)
class Sound:
    """The sound of the clip.

    Attributes:
        dub: the dubbed track, heard by default.
        offset: seconds after the film's first picture at which it begins.
        film: the film, if its own sound goes along.
    """

    dub: Path
    offset: float
    film: Path | None


def write(
    film: Path,
    video: VideoStream,
    frames: Frames,
    span: tuple[int, int],
    sides: Sequence[tuple[str, Sequence[tuple[str, Path]]]],
    sound: Sound,
    out: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write an MP4 with the source at the left and other versions of the picture to the right of it.

    Args:
        film: the film.
        video: its picture.
        frames: times and digests of all its frames.
        span: frames [start, stop) of the clip.
        sides: a word for each version, and of every face in it its shot and the folder of its patches.
        sound: what is heard.
        out: the clip.
        report: called with frames done and frames in all.

    Raises:
        MediaError, EngineError, TemporaryError: it cannot be made.
    """
    start, stop = span
    versions = [(word, [_from(*face, start) for face in faces]) for word, faces in sides]
    widest = _WIDTH // (1 + len(versions))
    seconds = frames.seconds
    begin = float(seconds[start])
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.04
    length = float(seconds[stop - 1]) + step - begin
    pictures = decode.frames(film, video, frames.pts, start, stop, frames.digest)
    process: Process | None = None
    try:
        for frame in pictures:
            before = frame.eight_bit()
            shown = [_side(video.displayed(before), "source", widest)]
            for word, faces in versions:
                after = before.copy()
                for face in faces:
                    if (patch := face.at(frame.index)) is not None:
                        mix(after, patch)
                shown.append(_side(video.displayed(after), word, widest))
            whole = np.hstack(shown)
            if process is None:
                rate = f"{(stop - start) / length:.6f}"
                process = Process(_command(whole.shape[1], whole.shape[0], rate, begin, length, sound, out))
            process.write(whole)
            report(frame.index - start + 1, stop - start)
        assert process
        process.finish()
    except BaseException:
        if process is not None:
            process.kill()
        raise


def _from(shot: str, folder: Path, start: int) -> Patches:
    """Patches of a face, those before a frame passed over."""
    found = Patches(folder, shot)
    found.at(start - 1)
    return found


def _side(picture: NDArray[np.uint8], word: str, widest: int) -> NDArray[np.uint8]:
    """One side of the clip: reduced to fit, of even size, with a word in its corner."""
    height, width = picture.shape[:2]
    scale = min(1.0, widest / width, _TALLEST / height)
    size = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
    # Averaging over parts of pixels takes many times as long, and shows no more above half the size.
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale <= 0.5 else cv2.INTER_LINEAR)
    letters = max(0.4, size[0] / 1200)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        place = (round(16 * letters), round(30 * letters))
        cv2.putText(small, word, place, cv2.FONT_HERSHEY_SIMPLEX, letters, colour, thickness, cv2.LINE_AA)
    return np.asarray(small, np.uint8)


def _command(
    width: int, height: int, rate: str, begin: float, length: float, sound: Sound, out: Path
) -> list[str]:
    """Arguments that take the pictures from standard input and add the sound of the same seconds."""
    picture = ffmpeg.input("pipe:0", f="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=rate)
    at = begin - sound.offset
    when = {"ss": f"{at:.6f}"} if at >= 0 else {"itsoffset": f"{-at:.6f}"}
    streams = [picture.video, ffmpeg.input(url(sound.dub), protocol_whitelist="file", **when)["a:0"]]
    if sound.film:
        streams.append(ffmpeg.input(url(sound.film), protocol_whitelist="file", ss=f"{begin:.6f}")["a:0?"])
    options = {
        "vcodec": "libx264", "preset": "veryfast", "crf": 18, "pix_fmt": "yuv420p", "acodec": "aac",
        "t": f"{length:.6f}", "f": "mp4", "movflags": "+faststart", "map_metadata": -1, "map_chapters": -1,
    }  # fmt: skip
    return ["-y", *arguments(ffmpeg.output(*streams, url(out), **options))]
