"""Making packets of two encoders fit into one stream: those of the film, and those encoded anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dubcli.media import nal


def _same(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Joiner:
    """What is done to packets and to the decoder's configuration.

    Attributes:
        extradata: configuration of the joined stream.
        made: applied to packets encoded anew.
        entered: applied to packets of the film at which copying starts.
    """

    extradata: bytes
    made: Callable[[bytes], bytes] = _same
    entered: Callable[[bytes], bytes] = _same

    @classmethod
    def plain(cls, extradata: bytes) -> Joiner:
        """For a stream of one encoder alone."""
        return cls(extradata)

    @classmethod
    def of(cls, codec: str, before: bytes, after: bytes) -> Joiner:
        """For a film's stream with spans of another encoder in it.

        Args:
            codec: FFmpeg's name of both streams' codec.
            before: the film's decoder configuration.
            after: the other encoder's.

        Raises:
            nal.Unsupported: they cannot stand in one track.
        """
        if codec not in ("h264", "hevc"):
            if codec == "ffv1" and before != after:
                raise nal.Unsupported("its FFV1 stream is laid out in another way than ours")
            return cls(before)
        try:
            return cls._joined(codec, before, after)
        except (IndexError, ValueError, StopIteration) as error:
            raise nal.Unsupported(f"its parameter sets cannot be read ({error})") from error

    @classmethod
    def _joined(cls, codec: str, before: bytes, after: bytes) -> Joiner:
        sets = [_numbered(unit, codec) for unit in nal.split_annexb(after)]
        if before[:1] != b"\x01":
            # A stream with start codes: the muxer collects all parameter sets itself.
            start = b"\0\0\0\1"
            return cls(
                before + b"".join(start + unit for unit in sets),
                lambda data: b"".join(start + _numbered(unit, codec) for unit in nal.split_annexb(data)),
                lambda data: b"".join(start + _entered(unit, codec) for unit in nal.split_annexb(data)),
            )
        config = nal.Config.read(before, codec)
        drop = (
            (nal.H264_SPS, nal.H264_PPS, nal.H264_AUD)
            if codec == "h264"
            else (nal.HEVC_VPS, nal.HEVC_SPS, nal.HEVC_PPS, nal.HEVC_AUD)
        )

        def made(data: bytes) -> bytes:
            units = (unit for unit in nal.split_annexb(data) if nal.kind(unit, codec) not in drop)
            return nal.join_sized((_numbered(unit, codec) for unit in units), config.size)

        def entered(data: bytes) -> bytes:
            return nal.join_sized(
                (_entered(unit, codec) for unit in nal.split_sized(data, config.size)), config.size
            )

        return cls(config.with_sets(sets).record(), made, entered)


def _numbered(unit: bytes, codec: str) -> bytes:
    # x264 was told the number of its sets; x265 cannot be.
    return unit if codec == "h264" else nal.renumbered(unit)


def _entered(unit: bytes, codec: str) -> bytes:
    return unit if codec == "h264" else nal.broken(unit)
