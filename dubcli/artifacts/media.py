"""`probe`'s artifact: the streams of a film, with exact times and colour description."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dubcli.artifacts.base import Document, Strict
from dubcli.errors import MediaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rational = tuple[int, int]


class MasteringDisplay(Strict):
    """SMPTE ST 2086: the display a film was graded on.

    Attributes:
        red, green, blue, white: CIE 1931 (x, y) in steps of 0.00002.
        luminance: (lowest, highest) in steps of 0.0001 cd/m².
    """

    red: Rational
    green: Rational
    blue: Rational
    white: Rational
    luminance: Rational


class DolbyVision(Strict):
    """Dolby Vision's configuration record (Dolby Vision Streams Within the ISO Base Media File Format, 2.1).

    Attributes:
        profile: 5, 7, 8 …
        level: by size and rate.
        compatibility: what the base layer is for others: 1 HDR10, 2 SDR, 4 HLG, 6 Blu-ray; 0 nothing.
        layered: whether a second layer of pictures goes with it.
    """

    profile: int
    level: int
    compatibility: int
    layered: bool


# Marks of sound that nobody in the picture speaks.
_SPOKEN_OVER = {"dub", "comment", "visual_impaired", "karaoke", "clean_effects"}
# FFmpeg's name of one channel that is marked as another than the middle one, which it calls mono.
_ONE_PLACE = re.compile(r"1 channels \(.+\)")


class VideoStream(Strict):
    """The film's video stream.

    Attributes:
        index: stream number in the file.
        codec: FFmpeg's name of the codec.
        tag: four-character code in the container, "" for none.
        profile: the codec's profile as FFmpeg names it, "" for none.
        width, height: of the decoded raster, before rotation and sample aspect ratio, in pixels.
        pix_fmt: FFmpeg's name of the layout of decoded samples.
        bit_depth: bits of a luma sample.
        time_base: seconds per tick of `pts`.
        average_rate: frames per second over the film.
        start_pts: ticks of the first picture in presentation order.
        last_duration: ticks for which the container shows the last picture; 0 where it does not say.
        sar: sample aspect ratio, (1, 1) for square or unknown.
        coded_sar: the one that the pictures say of themselves where the container says another; (0, 1): none.
        mirrored: whether display mirrors it left to right, before the rotation; from the display matrix.
        rotation: degrees counter-clockwise for display, from the display matrix.
        display: the nine numbers of the display matrix behind both, if any.
        primaries, transfer, matrix, range: FFmpeg's names, "unknown" where untagged (`range`: `tv`, `pc`).
        chroma_location: `left`, `center`, `topleft`, …; "unspecified" where untagged.
        field_order: `progressive`, `tt`, `bb`, `tb`, `bt` or `unknown`.
        mastering: display metadata of HDR10, if any.
        light: (MaxCLL, MaxFALL) in cd/m², if any.
        disposition: FFmpeg's names of its marks.
        tags: metadata of the stream.
        dynamic: names of per-frame metadata that encoding cannot keep (Dolby Vision, HDR10+).
        dolby_vision: how it is Dolby Vision, if it is.
        told: names of what else the container says of how it is shown (a 360° projection, cropping).
        delay: frames by which decoding is ahead of presentation (reorder depth of the packets).
        packets: number of packets.
        first_bytes: bytes of the first packet.
        digest: sha256 of all packet payloads in order; the same film in another container keeps it.
    """

    index: int
    codec: str
    tag: str
    profile: str
    width: int
    height: int
    pix_fmt: str
    bit_depth: int
    time_base: Rational
    average_rate: Rational
    start_pts: int
    last_duration: int = 0
    sar: Rational
    coded_sar: Rational | None = None
    mirrored: bool
    rotation: int
    display: tuple[int, ...] | None = None
    primaries: str
    transfer: str
    matrix: str
    range: str
    chroma_location: str
    field_order: Literal["progressive", "tt", "bb", "tb", "bt", "unknown"]
    mastering: MasteringDisplay | None = None
    light: Rational | None = None
    disposition: tuple[str, ...] = ()
    tags: dict[str, str]
    dynamic: tuple[str, ...]
    dolby_vision: DolbyVision | None = None
    told: tuple[str, ...] = ()
    delay: int
    packets: int
    first_bytes: int
    digest: str

    @property
    def rate(self) -> Fraction:
        """Average frames per second."""
        return Fraction(*self.average_rate)

    @property
    def square(self) -> tuple[int, int]:
        """Width and height of the picture in square pixels (`media.square`): what positions of faces use."""
        aspect = Fraction(*self.sar) if min(self.sar) > 0 else Fraction(1)
        if aspect >= 1:
            return round(self.width * aspect), self.height
        return self.width, round(self.height / aspect)

    @property
    def quarter_turns(self) -> int:
        """Clockwise quarter turns (0–3) that bring the raster upright; a mirrored one stays mirrored.

        A face and its mirror image are alike to all that looks at faces: nothing needs to be flipped for it.
        """
        turns = round(-self.rotation / 90)
        return (-turns if self.mirrored else turns) % 4

    def displayed(self, picture: NDArray[Any]) -> NDArray[Any]:
        """A picture (h, w, ...) of the raster as it is shown: mirrored and turned."""
        import numpy as np

        return np.rot90(picture[:, ::-1] if self.mirrored else picture, round(self.rotation / 90))

    @property
    def tick(self) -> Fraction:
        """Seconds per unit of `pts`."""
        return Fraction(*self.time_base)


class AudioStream(Strict):
    """An audio stream.

    Attributes:
        start: ticks of `time_base`.
        digest: sha256 of its packets in order.
        form: FFmpeg's name or the container's code of what it has no decoder for.
        edited: its packets alone are not what is heard: an edit list plays it in several parts, or late and
            from within, or its channels or rate change midway, or some have lost their heads.
        pauses: seconds of the film, from and to, in which an edit list lets nothing be heard.
        gaps: nothing is heard between some of its packets.
        volume: at which players play it, in steps of 1/256.
    """

    index: int
    digest: str
    codec: str
    rate: int
    channels: int
    layout: str
    time_base: Rational
    start: int
    language: str
    disposition: tuple[str, ...]
    tags: dict[str, str]
    form: str = ""
    edited: bool = False
    pauses: tuple[tuple[float, float], ...] = ()
    gaps: bool = False
    volume: int = 256


class SubtitleStream(Strict):
    """A subtitle stream.

    Attributes:
        placed: some of it says where in the picture it stands.
        coloured: some of it has a colour of its own, as where colours tell speakers apart.
        beside: some of it is still seen where a later one begins.
        foreign: FFmpeg does not know it; it is read as `codec`, without its places.
    """

    index: int
    codec: str
    language: str
    disposition: tuple[str, ...]
    tags: dict[str, str]
    placed: bool = False
    coloured: bool = False
    beside: bool = False
    foreign: bool = False


class OtherStream(Strict):
    """A data stream, timecode, attachment, attached picture or a second video."""

    index: int
    kind: str
    codec: str
    tag: str
    disposition: tuple[str, ...]
    tags: dict[str, str]

    @property
    def is_cover(self) -> bool:
        """Whether it is one picture for the whole film: not one of several, for chapters."""
        return "attached_pic" in self.disposition and "timed_thumbnails" not in self.disposition


class MediaInfo(Document):
    """`media.json`: the streams and metadata of a file.

    Attributes:
        format: FFmpeg's names of the container format, comma-separated.
        start: seconds of the earliest stream's start.
        video: the film's video stream, None for an audio file.
        chapters: number of chapters.
        first_chapter: seconds at which the first of them begins.
        chapter_gaps: some of them end before the next begins.
        untold: what is known to be in the file and is not read.
        references: stream, type and streams that it belongs to, as subtitles do to a sound (MP4, MOV).
        own: types of the boxes of its own in which a camera says something of the film or of a stream.
        tags: metadata of the file.
    """

    FILE: ClassVar[str] = "media.json"

    format: str
    start: Rational
    video: VideoStream | None = None
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    other: tuple[OtherStream, ...]
    chapters: int
    first_chapter: float = 0.0
    chapter_gaps: bool = False
    untold: tuple[str, ...] = ()
    references: tuple[tuple[int, str, tuple[int, ...]], ...] = ()
    own: tuple[str, ...] = ()
    tags: dict[str, str]

    @property
    def spoken(self) -> AudioStream | None:
        """The sound that the people in the picture spoke: the default track, unless marks say otherwise.

        Of tracks that hold a channel each, that is the one in the middle.
        """

        def rank(track: AudioStream) -> tuple[bool, bool, bool, bool, int]:
            marks = set(track.disposition)
            beside = _ONE_PLACE.fullmatch(track.layout) is not None
            return not marks & _SPOKEN_OVER, "original" in marks, not beside, "default" in marks, -track.index

        return max((track for track in self.audio if track.codec and track.channels), key=rank, default=None)

    @property
    def film(self) -> VideoStream:
        """The video stream of a film.

        Raises:
            MediaError: the file has none.
        """
        if self.video is None:
            raise MediaError("the file has no video; name a film")
        return self.video


class Output(Document):
    """`output.json`: how the film that was asked for will be written.

    Attributes:
        options: output options of ffmpeg.
        left_out: one line each, what could not be kept and why.
        language: BCP 47 tag of the dub's language by its own file, "" where that says none.
    """

    FILE: ClassVar[str] = "output.json"

    options: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    language: str
