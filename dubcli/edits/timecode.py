"""Source timecode of a film (SMPTE ST 12-1), and moments of it as people write them."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from dubcli.errors import ConfigError, counted

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo

PATTERN = r"^\d{2}:[0-5]\d:[0-5]\d[:;]\d{2}$"
_RATE_SLACK = 0.01  # frames a second by which rates differ that are written 23.98 and 23.976
DROP_RATES = (Fraction(30000, 1001), Fraction(60000, 1001))
_TIME = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,6})?)|(\d{1,6}(?:[.,]\d{1,6})?)s")


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
        blank = cls(rate, drop=";" in text and rate in DROP_RATES)
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
        count = round(float(time.value))
        if self.label(count) != text:
            why = "drop frame leaves it out" if self.drop else "a day has 24 hours"
            raise ConfigError(f"{text} is no timecode: {why}")
        return count

    def check_rate(self, rate: float, name: str) -> None:
        """Check that a list counts as many frames a second as the film.

        Raises:
            ConfigError: it does not; `name` is that of the list.
        """
        if not self.counts_as(rate):
            raise ConfigError(
                f"{name} counts {rate:.3f} frames a second, the film has {float(self.rate):.3f}; "
                "export it at the film's rate"
            )

    def counts_as(self, rate: float) -> bool:
        """Whether a rate is the film's, however many digits of it are written."""
        return abs(rate - float(self.rate)) <= _RATE_SLACK

    def after(self, count: int, first: int) -> int:
        """Frames that a count comes after another (negative: before), over midnight where that is nearer."""
        day = self.count_of_day
        return (count - first + day // 2) % day - day // 2

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


def moment(text: str, seconds: Sequence[float], clock: Clock) -> int:
    """The frame that a text means; a moment between two frames means the later one.

    Args:
        text: a frame number (`1500`), a time from the film's first frame (`0:10:00`, `0:10:00.5`, `600s`), or
            a timecode of the source (`01:10:00:12`).
        seconds: (N,) times of the film's frames, from 0, rising.
        clock: the film's timecode.

    Returns:
        A frame number; N for the end of the film.

    Raises:
        ConfigError: it is none of these, or not in the film.
    """
    if re.fullmatch(PATTERN, text) and not text.endswith("\n"):
        number = clock.frame(text)
    elif text.isdecimal() and len(text) < 12:
        number = int(text)
    elif time := _TIME.fullmatch(text):
        number = bisect_left(seconds, _seconds(time) - 1e-4)
        if number == len(seconds) and _seconds(time) > seconds[-1] + 1.5 / float(clock.rate):
            number += 1
    else:
        raise ConfigError(
            f"{text!r} is no moment; write a frame (1500), a time (0:10:00.5) or a timecode (01:10:00:12)"
        )
    if not 0 <= number <= len(seconds):
        begin = f", and begins at {clock.at(0)}" if clock.known else ""
        raise ConfigError(f"{text} is not in the film, which has {counted(len(seconds), 'frame')}{begin}")
    return number


def _seconds(time: re.Match[str]) -> float:
    if time[4]:
        return float(time[4].replace(",", "."))
    minutes, rest = int(time[2]), float(time[3].replace(",", "."))
    if rest >= 60 or (time[1] and minutes > 59):
        raise ConfigError(f"{time[0]} is no time; write it as 0:10:00.5")
    return 3600 * int(time[1] or 0) + 60 * minutes + rest


def tag(info: MediaInfo, name: str) -> str:
    """A tag of a film or a dub: of its picture, its timecode track, or the file; "" where there is none."""
    picture = [info.video.tags] if info.video else []
    boxes = [*picture, *(other.tags for other in info.other if other.kind == "data"), info.tags]
    found = [value for tags in boxes for key, value in tags.items() if key.lower() == name and value]
    return found[0] if found else ""


def stamped(dub: MediaInfo, clock: Clock) -> float | None:
    """Seconds after a film's first picture at which a dub says that it begins; None where that is not said.

    Wave files count samples after midnight (EBU Tech 3285). At 23.976 and 29.97 a second of timecode is
    longer than one of the clock, which not all programs heed: of both readings the nearer one counts.
    """
    samples = dub.tags.get("time_reference", "")
    if not clock.known:
        return None
    if samples.isdecimal() and int(samples) and dub.audio:
        since = Fraction(int(samples), dub.audio[0].rate or 1)
        begins = (clock.first / rate for rate in (clock.rate, Fraction(math.ceil(clock.rate))))
        return float(min((since - begin for begin in begins), key=abs))
    try:
        return float((clock.count(tag(dub, "timecode")) - clock.first) / clock.rate)
    except ConfigError:
        return None
