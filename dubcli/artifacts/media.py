"""`probe`'s artifact: what a film is made of: streams, exact time, colour description."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar, Literal

from dubcli.artifacts.base import Document, Strict
from dubcli.errors import MediaError

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


class VideoStream(Strict):
    """The film's picture.

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
        sar: sample aspect ratio, (1, 1) for square or unknown.
        rotation: degrees counter-clockwise to show it, a display flag.
        display: the nine numbers of the display matrix behind `rotation`, if any.
        primaries, transfer, matrix, range: FFmpeg's names, "unknown" where untagged (`range`: `tv`, `pc`).
        chroma_location: `left`, `center`, `topleft`, …; "unspecified" where untagged.
        field_order: `progressive`, `tt`, `bb`, `tb`, `bt` or `unknown`.
        mastering: display metadata of HDR10, if any.
        light: (MaxCLL, MaxFALL) in cd/m², if any.
        tags: metadata of the stream.
        dynamic: names of per-frame metadata that encoding cannot keep (Dolby Vision, HDR10+).
        delay: pictures by which decoding runs ahead of showing (reorder depth of the packets).
        packets: number of packets.
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
    sar: Rational
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
    tags: dict[str, str]
    dynamic: tuple[str, ...]
    delay: int
    packets: int
    digest: str

    @property
    def rate(self) -> Fraction:
        """Average frames per second."""
        return Fraction(*self.average_rate)

    @property
    def tick(self) -> Fraction:
        """Seconds per unit of `pts`."""
        return Fraction(*self.time_base)


class AudioStream(Strict):
    """A sound track; `start` is in ticks of `time_base`, `digest` the sha256 of its packets in order."""

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


class SubtitleStream(Strict):
    """A subtitle track."""

    index: int
    codec: str
    language: str
    disposition: tuple[str, ...]
    tags: dict[str, str]


class OtherStream(Strict):
    """A data stream, timecode, attachment, attached picture or a second video."""

    index: int
    kind: str
    codec: str
    tag: str
    disposition: tuple[str, ...]
    tags: dict[str, str]


class MediaInfo(Document):
    """`media.json`: everything `probe` finds in a file.

    Attributes:
        format: FFmpeg's names of the container format, comma-separated.
        start: seconds of the earliest stream's start.
        video: the film's picture, None for an audio file.
        chapters: number of chapters.
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
    tags: dict[str, str]

    @property
    def film(self) -> VideoStream:
        """The picture of a film.

        Raises:
            MediaError: it has none.
        """
        if self.video is None:
            raise MediaError("the file has no video; name a film")
        return self.video
