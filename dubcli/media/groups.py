"""Groups of pictures: packets that decode independently to a range of frames, so that they can be copied.

Only closed groups can be copied while their neighbours are encoded again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.shots import Groups
from dubcli.media import nal

MISTIMED = "its packets have the times of other pictures"
# Intra-frame codecs.
INTRA = frozenset({"prores", "dnxhd", "mjpeg", "ffv1"})
LONG = frozenset({"h264", "hevc"})


@dataclass
class Grouper:
    """Finds the groups from the packets of a film, in the order they are stored.

    Attributes:
        codec: FFmpeg's name of the codec.
        extradata: decoder configuration from the container.
    """

    codec: str
    extradata: bytes
    _times: list[int | None] = field(default_factory=list)
    _entries: list[int] = field(default_factory=list)
    _hidden: list[int] = field(default_factory=list)
    _reason: str = ""
    _damaged: bool = False

    def __post_init__(self) -> None:
        if self.codec not in INTRA and self.codec not in LONG:
            self._reason = f"{self.codec} pictures are not encoded here"

    def add(self, packet: Any) -> None:
        """Take the next packet of the film's picture."""
        if not packet.size:
            return
        number = len(self._times)
        self._times.append(packet.pts)
        if packet.is_discard:
            self._hidden.append(number)
        if self.codec in INTRA:
            if packet.is_keyframe:
                self._entries.append(number)
            else:
                self._reason = "some of its pictures depend on others"
        elif self.codec in LONG and packet.is_keyframe:
            try:
                units = nal.units(bytes(packet), self.extradata, self.codec)
            except nal.Unsupported as error:
                self._reason = str(error)
                return
            if nal.is_entry(units, self.codec) or nal.is_open_entry(units, self.codec):
                self._entries.append(number)

    def refuse(self, reason: str, *, damaged: bool = False) -> None:
        """Record that nothing can be copied, and why; and whether because the film is damaged."""
        self._reason = reason
        self._damaged |= damaged

    def groups(self, pts: NDArray[np.int64]) -> Groups:
        """The groups, once every packet was taken.

        Args:
            pts: (N,) timestamps of the film's frames.
        """
        if self._reason:
            return Groups(reason=self._reason, damaged=self._damaged)
        if any(time is None for time in self._times):
            return Groups(reason="some of its packets have no time")
        times = np.array(self._times, np.int64)
        hidden = np.zeros(len(times), np.bool_)
        hidden[self._hidden] = True
        if not np.array_equal(np.sort(times[~hidden]), pts):
            return Groups(reason="its packets are not its frames one by one")
        if not self._entries or self._entries[0] != 0:
            return Groups(reason="it does not begin with a picture that stands alone")
        # A cut: everything stored earlier is displayed before everything stored later.
        latest = np.maximum.accumulate(times)
        earliest = np.minimum.accumulate(times[::-1])[::-1]
        clean = np.append(True, latest[:-1] < earliest[1:])
        cuts = [k for k in self._entries if clean[k]]
        starts, keys, fixed = [], [], []
        for a, b in itertools.pairwise([*cuts, len(times)]):
            shown = times[a:b][~hidden[a:b]]
            if not len(shown):
                continue  # a group without a displayed picture
            starts.append(int(np.searchsorted(pts, shown.min())))
            keys.append(int(np.searchsorted(pts, times[a])))
            fixed.append(bool(hidden[a:b].any()))
        stops = np.setdiff1d(np.searchsorted(pts, earliest[clean]), starts)
        return Groups(starts=tuple(starts), keys=tuple(keys), fixed=tuple(fixed), stops=tuple(stops.tolist()))
