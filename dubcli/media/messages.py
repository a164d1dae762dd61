"""What a film's stream says beside each picture: captions, HDR10+, Dolby Vision, a camera's words.

Encoders here write none of it. As a mouth changes none of it either, it is taken from the film's packets and
put into those of the pictures that were encoded anew.

Sources: ITU-T H.264 and H.265 7.3.2.3 and annex D (SEI messages), ATSC A/53 part 4, 6.2 (captions), ETSI
TS 103 572 (Dolby Vision's NAL units of type 62).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dubcli.media import nal, source
from dubcli.media.names import ENCODERS, LAYER, TIMECODES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dubcli.artifacts.media import VideoStream
    from dubcli.media.spans import Span

_START = b"\0\0\0\1"
_T35, _UNREGISTERED = 4, 5  # SEI payload types of messages registered by ITU-T T.35, and of anybody's
_TIME_CODE = 136  # of HEVC
# Of how the views of two eyes lie in it, and of the light it is seen in: they stand until the next group.
_LASTING = (45, 148)
_SEI = {"h264": (6,), "hevc": (39, 40)}
_SEI_HEADER = {"h264": b"\x06", "hevc": b"\x4e\x01"}
_HEVC_RPU = 62  # the NAL type that Dolby Vision took
_SLICES = {"h264": range(1, 6), "hevc": range(32)}  # NAL types
_ATSC = b"\xb5\x00\x31"  # ITU-T T.35: the United States, ATSC
_USER_DATA = re.compile(rb"\x00\x00\x01\xb2((?:GA94|DTG1).*?)(?=\x00\x00\x01|$)", re.DOTALL)
_DOLBY_VISION = "Dolby Vision"

Message = tuple[int, bytes]  # type and payload


def lost(video: VideoStream, codec: str) -> tuple[str, ...]:
    """Names of what pictures say of themselves and lose when they are encoded to a codec."""
    kept = {_DOLBY_VISION: keeps_dolby_vision(video, codec), LAYER: False}
    # H.264's stands among times that each encoder counts in other bits, MPEG-2's in no message.
    kept |= dict.fromkeys(TIMECODES, video.codec == codec == "hevc")
    return tuple(name for name in video.dynamic if not kept.get(name, keeps_registered(video, codec)))


def keeps_registered(video: VideoStream, codec: str) -> bool:
    """Whether registered messages of the film's pictures have a place in those of a codec."""
    return codec in _SEI and video.codec in (*_SEI, "mpeg2video")


def keeps_dolby_vision(video: VideoStream, codec: str) -> bool:
    """Whether pictures that are encoded to a codec are Dolby Vision as the film's are."""
    # A second layer would be lacking where pictures are encoded.
    whole = video.dolby_vision is not None and not video.dolby_vision.layered
    return whole and video.codec == codec == "hevc"


class Messages:
    """The messages of a film's pictures, for those that are encoded anew.

    Some of it is said once in a group, so each group that begins elsewhere says it anew.

    Args:
        film: the film.
        video: its picture.
        pts: (N,) timestamps of its frames.
        spans: the frames that are encoded anew.
        codec: FFmpeg's name of the codec they are encoded to.
    """

    def __init__(
        self, film: Path, video: VideoStream, pts: NDArray[np.int64], spans: Sequence[Span], codec: str
    ) -> None:
        self._film, self._video, self._pts, self._codec = film, video, pts, codec
        self._wanted = np.zeros(len(pts), np.bool_)
        for start, stop in spans:
            self._wanted[start:stop] = True
        self._carried = {_T35, _UNREGISTERED}
        if video.codec == codec == "hevc":
            self._carried.add(_TIME_CODE)
        self._found: dict[int, list[bytes]] = {}
        self._lasting: list[Message] = []
        self._source = self._read()

    def into(self, data: bytes, frame: int, begins: bool) -> bytes:
        """A packet with start codes, with the messages of its frame; each frame is asked for once.

        Args:
            data: the packet.
            frame: its frame.
            begins: whether a group begins with it.

        Frames come in another encoder's order of decoding, so a group's messages are kept for a while.
        """
        while frame not in self._found:
            read = next(self._source, None)
            if read is None:
                return data
            self._found.setdefault(read[0], []).extend(read[1])
        units = self._found.pop(frame)
        if begins and self._lasting:
            units = [_sei(self._lasting, self._codec), *units]
        if not units:
            return data
        own, slices = nal.split_annexb(data), _SLICES[self._codec]
        kinds = [nal.kind(unit, self._codec) for unit in own]
        first = next((k for k, kind in enumerate(kinds) if kind in slices), len(own))
        before = [unit for unit in units if nal.kind(unit, self._codec) in _SEI[self._codec]]
        after = [unit for unit in units if nal.kind(unit, self._codec) not in _SEI[self._codec]]
        return b"".join(_START + unit for unit in (*own[:first], *before, *own[first:], *after))

    def close(self) -> None:
        """Close the film."""
        self._source.close()

    def _read(self) -> Generator[tuple[int, list[bytes]], None, None]:
        """(frame, NAL units of the new codec) for the film's packets of wanted frames, in their order."""
        with source.opened(self._film) as container:
            stream = source.picture(container, self._film, self._video.index)
            extradata = stream.codec_context.extradata or b""
            frame = -1
            for packet in source.packets(container, stream):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is not None:  # a second field may have no time of its own
                    frame = int(np.searchsorted(self._pts, packet.pts))
                    frame = frame if frame < len(self._pts) and self._pts[frame] == packet.pts else -1
                wanted = frame >= 0 and self._wanted[frame]
                if wanted or packet.is_keyframe:
                    units = self._units(bytes(packet), extradata)
                    if wanted:
                        yield frame, units

    def _units(self, data: bytes, extradata: bytes) -> list[bytes]:
        """The messages of a packet of the film, as NAL units of the new codec; none of one damaged."""
        if self._video.codec not in _SEI:
            captions = [(_T35, _ATSC + found) for found in _USER_DATA.findall(data)]
            return [_sei(captions, self._codec)] if captions else []
        said: list[Message] = []
        out = []
        try:
            units = nal.units(data, extradata, self._video.codec)
        except nal.Unsupported:
            return []
        for unit in units:
            wanted = nal.kind(unit, self._video.codec)
            if wanted in _SEI[self._video.codec]:
                said += _messages(nal.unescape(unit)[len(_SEI_HEADER[self._video.codec]) :])
            elif wanted == _HEVC_RPU and keeps_dolby_vision(self._video, self._codec):
                out.append(unit)
        self._lasting = [one for one in said if one[0] in _LASTING] or self._lasting
        stays = [one for one in said if one[0] in self._carried and not one[1].startswith(ENCODERS)]
        return [_sei(stays, self._codec), *out] if stays else out


def _messages(body: bytes) -> list[Message]:
    """The messages in the body of an SEI unit."""
    found, at = [], 0
    while at + 2 <= len(body) and body[at:] != b"\x80":
        values = []
        for _ in range(2):  # type and size, each a sum of bytes up to the first that is not 255
            value = 0
            while at < len(body) and body[at] == 255:
                value, at = value + 255, at + 1
            values.append(value + (body[at] if at < len(body) else 0))
            at += 1
        kind, size = values
        if at + size <= len(body):
            found.append((kind, body[at : at + size]))
        at += size
    return found


def _sei(messages: Sequence[Message], codec: str) -> bytes:
    """An SEI unit with messages, of types below 255."""
    body = b"".join(
        bytes([kind]) + b"\xff" * (len(payload) // 255) + bytes([len(payload) % 255]) + payload
        for kind, payload in messages
    )
    return nal.escape(_SEI_HEADER[codec] + body + b"\x80")
