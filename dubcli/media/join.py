"""Joins packets of two encoders in one stream: those copied from the film and those newly encoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dubcli.media import nal


def _unchanged(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Joiner:
    """Rewrites packets and the decoder configuration for one joined stream.

    Attributes:
        extradata: configuration of the joined stream.
        encoded: applied to newly encoded packets.
        entry: applied to packets of the film at which copying starts.
    """

    extradata: bytes
    encoded: Callable[[bytes], bytes] = _unchanged
    entry: Callable[[bytes], bytes] = _unchanged

    @classmethod
    def single(cls, extradata: bytes) -> Joiner:
        """For a stream of one encoder."""
        return cls(extradata)

    @classmethod
    def of(cls, codec: str, before: bytes, after: bytes) -> Joiner:
        """For a film's stream with spans of another encoder in it.

        Args:
            codec: FFmpeg's name of both streams' codec.
            before: the film's decoder configuration.
            after: the other encoder's.

        Raises:
            nal.Unsupported: they cannot share one track.
        """
        if codec not in ("h264", "hevc"):
            if codec == "ffv1" and before != after:
                raise nal.Unsupported("its FFV1 stream is laid out in another way than ours")
            return cls(before)
        try:
            return cls._combine(codec, before, after)
        except (IndexError, ValueError, StopIteration) as error:
            raise nal.Unsupported(f"its parameter sets cannot be read ({error})") from error

    @classmethod
    def _combine(cls, codec: str, before: bytes, after: bytes) -> Joiner:
        sets = [_renumber(unit, codec) for unit in nal.split_annexb(after)]
        if before[:1] != b"\x01":
            # A stream with start codes: the muxer collects all parameter sets itself.
            start = b"\0\0\0\1"
            return cls(
                before + b"".join(start + unit for unit in sets),
                lambda data: b"".join(start + _renumber(unit, codec) for unit in nal.split_annexb(data)),
                lambda data: b"".join(start + _break_link(unit, codec) for unit in nal.split_annexb(data)),
            )
        config = nal.Config.read(before, codec)
        drop = (
            (nal.H264_SPS, nal.H264_PPS, nal.H264_AUD)
            if codec == "h264"
            else (nal.HEVC_VPS, nal.HEVC_SPS, nal.HEVC_PPS, nal.HEVC_AUD)
        )

        def encoded(data: bytes) -> bytes:
            units = (unit for unit in nal.split_annexb(data) if nal.kind(unit, codec) not in drop)
            return nal.join_sized((_renumber(unit, codec) for unit in units), config.size)

        def entry(data: bytes) -> bytes:
            return nal.join_sized(
                (_break_link(unit, codec) for unit in nal.split_sized(data, config.size)), config.size
            )

        return cls(config.with_sets(sets).record(), encoded, entry)


def _renumber(unit: bytes, codec: str) -> bytes:
    # x264 has an option for the number of its parameter sets, x265 has none.
    return unit if codec == "h264" else nal.renumber(unit)


def _break_link(unit: bytes, codec: str) -> bytes:
    return unit if codec == "h264" else nal.as_bla(unit)
