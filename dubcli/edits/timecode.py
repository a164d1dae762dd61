"""Source timecode of a film (SMPTE ST 12-1): between frame numbers and `HH:MM:SS:FF`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from dubcli.errors import ConfigError

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo

PATTERN = r"^\d{2}:[0-5]\d:[0-5]\d[:;]\d{2}$"
_DROP = (Fraction(30000, 1001), Fraction(60000, 1001))


@dataclass(frozen=True)
class Clock:
    """The timecode of a film's frames, counted frame by frame from that of the first one.

    Attributes:
        rate: frames per second.
        first: timecode of frame 0, in frames after 00:00:00:00.
        drop: whether labels are dropped so that timecode keeps to the time of day.
        known: whether the film itself, or a person, says the first one.
    """

    rate: Fraction
    first: int = 0
    drop: bool = False
    known: bool = False

    @classmethod
    def of(cls, info: MediaInfo, start: str = "") -> Clock:
        """The timecode of a film.

        Args:
            info: the film.
            start: timecode of its first frame; empty for what the file says, 00:00:00:00 where it is silent.

        Raises:
            ConfigError: `start` is no timecode at the film's rate.
        """
        rate = info.film.rate
        text = start or tag(info, "timecode")
        blank = cls(rate, drop=";" in text and rate in _DROP)
        if not text or (not start and not (blank.counts and re.match(PATTERN, text))):
            return blank
        return cls(rate, blank.count(text), blank.drop, known=True)

    @property
    def counts(self) -> bool:
        """Whether there is timecode at this rate."""
        from opentimelineio.opentime import RationalTime

        return bool(RationalTime.is_smpte_timecode_rate(float(self.rate)))

    def at(self, frame: int) -> str:
        """Timecode of a frame of the film.

        Raises:
            ConfigError: there is none at this rate.
        """
        return self.label(self.first + frame)

    def label(self, count: int) -> str:
        """Timecode of a number of frames after 00:00:00:00; it goes on after 24 hours from 0."""
        from opentimelineio.opentime import RationalTime

        self._check()
        day = self.count_of_day
        return str(RationalTime(count % day, float(self.rate)).to_timecode(float(self.rate), self.drop))

    @property
    def count_of_day(self) -> int:
        """Frames that 24 hours of timecode count."""
        whole = 24 * 3600 * -(-self.rate.numerator // self.rate.denominator)
        # Every minute but each tenth drops two labels, four at 59.94.
        return whole - (24 * 54 * (2 if self.rate < 31 else 4) if self.drop else 0)

    def count(self, text: str) -> int:
        """Frames after 00:00:00:00 of a timecode.

        Raises:
            ConfigError: it is none at this rate.
        """
        from opentimelineio.opentime import from_timecode

        self._check()
        if not re.match(PATTERN, text):
            raise ConfigError(f"{text!r} is no timecode; write it as HH:MM:SS:FF")
        if (";" in text) != self.drop:
            kind = "drop frame (HH:MM:SS;FF)" if self.drop else "not drop frame (HH:MM:SS:FF)"
            raise ConfigError(f"{text} does not fit: the film's timecode is {kind}")
        try:
            time = from_timecode(text, float(self.rate))
        except ValueError:
            raise ConfigError(f"{text} is no timecode at {float(self.rate):.3f} frames a second") from None
        return round(float(time.value))

    def frame(self, text: str) -> int:
        """Frame of the film at a timecode; may lie outside of it.

        Raises:
            ConfigError: it is no timecode of this film.
        """
        return (self.count(text) - self.first) % self.count_of_day

    def _check(self) -> None:
        if not self.counts:
            raise ConfigError(
                f"there is no timecode at {float(self.rate):.3f} frames a second; use frame numbers or CSV"
            )


def tag(info: MediaInfo, name: str) -> str:
    """A tag of a film: of its picture, its timecode track, or the file; "" where there is none."""
    boxes = [info.film.tags, *(other.tags for other in info.other if other.kind == "data"), info.tags]
    found = [value for tags in boxes for key, value in tags.items() if key.lower() == name and value]
    return found[0] if found else ""
