"""How much picture a film has, from its headers alone, and whether a dub is as long."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.errors import MediaError
from dubcli.media.source import opened, picture

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_USUAL_RATE = 48_000
_RATES = _USUAL_RATE / 44_100  # samples that are played at the other rate
# Speeds at which dubs come by mistake, by how much longer they then last, and the share by which lengths may
# miss that: eleven seconds of a feature, and one. Set by hand.
_SPEEDS = (
    (1.0422, 0.002, "25 and 24 pictures a second"),  # between 25 / 24 and 25 / 23.976
    (1.001, 0.0002, "24 and 23.976 pictures a second"),
    (_RATES, 0.002, "48,000 and 44,100 samples a second"),
)
_OWN_NAME, _OWN = re.compile("DURATION(-[a-z]{3})?$"), re.compile(r"(\d+):(\d+):(\d+\.\d+)\0*")
_PLAIN = 1.01  # above this, two lengths do not come near each other by chance; set by hand
# By which an encoder's run-up and last packet lengthen a dub: three packets of HE-AAC at 24 kHz. Set by hand.
_PADDING_SECONDS = 0.25
SLACK_SECONDS = 1.0
"""By which a film or a dub may be longer or shorter than its header says; set by hand."""


@dataclass(frozen=True)
class Length:
    """How much there is to do about a film.

    Attributes:
        frames: about how many; containers may round.
        megapixels: of a frame.
        size: bytes of its file.
    """

    frames: int
    megapixels: float
    size: int


def measure(path: Path) -> Length:
    """The length of a film; one whose header does not say it counts as a minute.

    Raises:
        MediaError: it cannot be read, or has no picture.
    """
    with opened(path) as container:
        stream = picture(container, path)
        seconds = _told(container, stream) or 60.0
        frames = stream.frames or round(seconds * float(stream.average_rate or 25))
        return Length(max(1, frames), stream.width * stream.height / 1e6, path.stat().st_size)


def check_sound(path: Path) -> None:
    """Check, by its head alone, that a dub has sound.

    Raises:
        MediaError: it cannot be read, or has none.
    """
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound; name a file with sound")


def _told(container: InputContainer, stream: VideoStream) -> float:
    """Seconds of a picture by its header, 0 where it says none.

    Matroska's is that of its longest track, but most programs write one of each into its tags.
    """
    if stream.duration and stream.time_base:
        # Of fragments, which say no number of pictures, FFmpeg counts from zero, however late they begin.
        late = (stream.start_time or 0) if "mov" in container.format.name and not stream.frames else 0
        return float((stream.duration - late) * stream.time_base)
    own = next((_OWN.fullmatch(said) for key, said in stream.metadata.items() if _OWN_NAME.match(key)), None)
    if own:
        begin = float((stream.start_time or 0) * (stream.time_base or 0))
        return 3600 * int(own[1]) + 60 * int(own[2]) + float(own[3]) - begin
    return (container.duration or 0) / 1e6


def of_picture(path: Path) -> float:
    """Seconds of a film's picture by its header, 0 where it says none."""
    with opened(path) as container:
        return _told(container, picture(container, path))


def misfit(whole: float, dub: str, seconds: float, rate: int, offset: float) -> str:
    """What is to be told of a dub that is not as long as its film, before any work; "" for nothing.

    Args:
        whole: how long the film's picture is, 0 where that is not known.
        dub: name of the dub's file.
        seconds: how long the dub is, 0 where that is not known.
        rate: of its samples a second.
        offset: when it begins.

    Raises:
        MediaError: with this offset nothing of it is heard.
    """
    if not (whole and seconds):
        return ""
    lengths = f"{dub} lasts {seconds:.1f} s and the film {whole:.1f} s"
    if offset >= whole or offset <= -seconds:
        raise MediaError(
            f"{lengths}: with align.offset={offset:g} nothing of it is heard; type another "
            "--set align.offset=SECONDS, or leave it out"
        )
    apart = seconds / whole
    for longer, slack, speeds in _SPEEDS:
        near = min(abs(apart / longer - 1), abs(apart * longer - 1)) < slack
        if near and abs(seconds - whole) > (_PADDING_SECONDS if longer > _PLAIN else SLACK_SECONDS):
            less = f"{abs(apart - 1):.1%} {'less' if apart < 1 else 'more'}"
            way = f"atempo={apart:.5f}"
            if longer == _RATES:  # its pitch is wrong too
                way = (
                    f"asetrate={round(rate * longer if apart > 1 else rate / longer)},aresample={_USUAL_RATE}"
                )
            return (
                f"{lengths}, {less}, as between {speeds}: mouths will run away from what is said; bring the "
                f"dub to the film's speed first, as with ffmpeg -i DUB -af {way} -c:a pcm_s24le NEW.wav"
            )
    beyond = offset + seconds - whole
    if beyond > SLACK_SECONDS:
        return f"{lengths}: {beyond:.1f} s of it will be cut off; check that it is this film's"
    if beyond < -SLACK_SECONDS:
        return f"{lengths}: the last {-beyond:.1f} s will be silent; check that it is whole, and this film's"
    return ""
