"""Moments of a film as people write them: frames, times, or the source's timecode.

Source: SMPTE ST 12-1 (time and control code; drop frame at 30000/1001 and 60000/1001).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

_TIME = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,6})?)|(\d{1,6}(?:[.,]\d{1,6})?)s")
_CODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;])(\d{2,3})")


def to_frame(text: str, seconds: Sequence[float], rate: Fraction, first: str = "") -> int:
    """The frame that a text means; a moment between two frames means the later one.

    Args:
        text: a frame number (`1500`), a time from the film's first frame (`0:10:00`, `0:10:00.5`, `600s`), or
            a timecode of the source (`01:10:00:12`).
        seconds: (N,) times of the film's frames, from 0, rising.
        rate: frames per second.
        first: timecode of the film's first frame, "" where it has none: then timecode counts from zero.

    Returns:
        A frame number; N for the end of the film.

    Raises:
        ValueError: it is none of these, or not in the film.
    """
    if code := _CODE.fullmatch(text):
        start = _CODE.fullmatch(first)
        number = _count(code, rate) - (_count(start, rate) if start else 0)
    elif text.isdecimal() and len(text) < 12:
        number = int(text)
    elif time := _TIME.fullmatch(text):
        number = bisect_left(seconds, _seconds(time) - 1e-4)
        if number == len(seconds) and _seconds(time) > seconds[-1] + 1.5 / float(rate):
            number += 1
    else:
        raise ValueError(
            f"{text!r} is no moment; write a frame (1500), a time (0:10:00.5) or a timecode (01:10:00:12)"
        )
    if not 0 <= number <= len(seconds):
        begin = f", and begins at {first}" if first and code else ""
        raise ValueError(f"{text} is not in the film, which has {len(seconds)} frames{begin}")
    return number


def _seconds(time: re.Match[str]) -> float:
    if time[4]:
        return float(time[4].replace(",", "."))
    minutes, rest = int(time[2]), float(time[3].replace(",", "."))
    if rest >= 60 or (time[1] and minutes > 59):
        raise ValueError(f"{time[0]} is no time; write it as 0:10:00.5")
    return 3600 * int(time[1] or 0) + 60 * minutes + rest


def _count(code: re.Match[str], rate: Fraction) -> int:
    """Frames from 00:00:00:00 to a timecode."""
    hours, minutes, rest, frames = (int(code[k]) for k in (1, 2, 3, 5))
    nominal = round(rate)
    if minutes > 59 or rest > 59 or frames >= nominal:
        raise ValueError(f"{code[0]} is no timecode at {nominal} frames a second")
    whole = 60 * hours + minutes
    count = (60 * whole + rest) * nominal + frames
    # Drop frame leaves out numbers, not frames: two (four) at every minute but each tenth.
    return count - (nominal // 15) * (whole - whole // 10) if code[4] == ";" else count
