"""Moments as people write them, on films of every rate."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dubcli.edits.timecode import Clock, moment
from dubcli.errors import ConfigError

FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)


def seconds(rate: Fraction, count: int) -> list[float]:
    return [float(k / rate) for k in range(count)]


def clock(rate: Fraction, first: str = "") -> Clock:
    blank = Clock(rate, drop=";" in first)
    return Clock(rate, blank.count(first), blank.drop, known=True) if first else blank


@pytest.mark.parametrize(
    ("text", "rate", "first", "frame"),
    [
        ("0", FILM, "", 0),
        ("1500", FILM, "", 1500),
        ("2000", FILM, "", 2000),  # the end
        ("0:00:00", FILM, "", 0),
        ("0:10", FILM, "", 240),  # the first frame at or after ten seconds
        ("0:00:10.0", FILM, "", 240),
        ("10s", FILM, "", 240),
        ("10,5s", Fraction(25), "", 263),
        ("0:00:10.010", FILM, "", 240),
        ("0:00:10.011", FILM, "", 241),
        ("00:00:10:12", Fraction(25), "", 262),
        ("01:00:10:12", Fraction(25), "01:00:00:00", 262),
        ("10:00:10:12", Fraction(25), "10:00:10:10", 2),
        # SMPTE: the frame after 00:00:59;29 is 00:01:00;02, and after 00:09:59;29 comes 00:10:00;00.
        ("00:00:59;29", NTSC, "00:00:00;00", 1799),
        ("00:01:00;02", NTSC, "00:00:00;00", 1800),
        ("00:10:00;00", NTSC, "00:09:59;29", 1),
        ("01:00:00:00", FILM, "01:00:00:00", 0),
        ("00:00:01:00", FILM, "23:59:58:00", 72),  # past midnight
    ],
)
def test_a_moment_is_a_frame(text: str, rate: Fraction, first: str, frame: int) -> None:
    assert moment(text, seconds(rate, 2000), clock(rate, first)) == frame


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", ""), ("-1", ""), ("2001", ""), ("0:90:00", ""), ("0:00:61", ""), ("1:2:3:4", ""), ("nan", ""),
        ("00:00:10.12x", ""), ("0x10", ""), ("99:00:00", ""), ("00:00:10:25", ""),
        ("00:00:00:00", "01:00:00:00"),
        ("01:00:00.12", ""), ("1" * 40, ""), ("00:00:10:12\n", ""),
    ],
)  # fmt: skip
def test_what_is_no_moment_of_the_film_is_refused(text: str, first: str) -> None:
    with pytest.raises(ConfigError, match=r".+"):
        moment(text, seconds(Fraction(25), 2000), clock(Fraction(25), first))


def test_frames_of_unequal_length_have_their_own_times() -> None:
    times = [0.0, 0.04, 0.5, 0.54]
    assert [moment(text, times, clock(Fraction(25))) for text in ("0:00.04", "0:00.05", "0:00.5")] == [
        1,
        2,
        2,
    ]
