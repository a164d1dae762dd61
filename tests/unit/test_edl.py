"""Edit decision lists as programs write them, and as they come."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import pytest

from dubcli.edits import scenes, shotlist
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError

PAL = Clock(Fraction(25), 90000, known=True)
DROP = Clock(Fraction(30000, 1001), 107892, drop=True, known=True)
COUNT = 300


def event(number: int, reel: str, channels: str, edit: str, *edges: int) -> str:
    """An event at 25 frames a second from one o'clock on; without a record side it is that of the source."""
    times = [f"01:00:{edge // 25:02d}:{edge % 25:02d}" for edge in (*edges, *edges)[:4]]
    return f"{number:03d}  {reel:8} {channels:5} {edit:8} {' '.join(times)}\n"


HEAD = "TITLE: cut\nFCM: NON-DROP FRAME\n\n"
FIRST, SECOND = event(1, "AX", "V", "C", 0, 40), event(2, "AX", "V", "C", 40, 300)
SPEED = "M2   AX       {}                01:00:00:00\n"
READ = {
    "picture and sound of one number": (
        FIRST + event(1, "AX", "A", "C", 0, 40) + event(1, "AX", "A2", "C", 0, 40) + SECOND, (0, 40),
    ),
    "picture with sound": (event(1, "AX", "AA/V", "C", 0, 40) + event(2, "AX", "B", "C", 40, 300), (0, 40)),
    "sound alone": (
        FIRST + event(2, "AX", "A", "C", 40, 90) + event(3, "AX", "NONE", "C", 60, 90) + SECOND, (0, 40),
    ),
    "a dissolve": (
        FIRST + event(2, "AX", "V", "C", 40, 40) + event(2, "BX", "V", "D    024", 40, 104)
        + "* FROM CLIP NAME: A.MOV\n* TO CLIP NAME: B.MOV\n" + event(3, "AX", "V", "C", 104, 300),
        (0, 40, 104),
    ),
    "a dissolve whose first clip is written out": (
        FIRST + event(2, "AX", "V", "C", 40, 64) + event(2, "BX", "V", "D 024", 40, 300), (0, 40),
    ),
    "a wipe": (FIRST + event(2, "AX", "V", "C", 40, 40) + event(2, "BX", "V", "W001 012", 40, 300), (0, 40)),
    "a fade from black at the head": (
        event(1, "BL", "V", "C", 0, 0) + event(1, "AX", "V", "D    012", 0, 40) + SECOND, (0, 40),
    ),
    "black between": (
        FIRST + event(2, "BL", "V", "C", 0, 10, 40, 50) + event(3, "AX", "V", "C", 50, 300), (0, 40, 50),
    ),
    "a title keyed over": (
        FIRST + event(2, "AX", "V", "K B", 40, 300) + event(2, "TITLE", "V", "K O  000", 60, 100), (0, 40),
    ),
    "a second track over the first": (
        event(1, "AX", "V", "C", 0, 300) + event(2, "AX", "V2", "C", 40, 80), (0, 40, 80),
    ),
    "another speed": (FIRST + SPEED.format("-025.0") + SECOND, (0, 40)),
    "another speed that no line tells": (FIRST + event(2, "AX", "V", "C", 0, 20, 40, 300), (0, 40)),
    "events out of order": (SECOND + FIRST, (0, 40)),
    "an empty event": (FIRST + event(2, "AX", "V", "C", 40, 40) + event(3, "AX", "V", "C", 40, 300), (0, 40)),
    "lines about events": (
        "SPLIT:    AUDIO DELAY=  00:00:00:05\n" + FIRST + "* FROM CLIP NAME: 12.MOV\n12 angry men\nAUD  3 4\n"
        "* ASC_SOP nonsense\n* LOC: 01:00:00:00 RED x\n>>> SOURCE A001\nEFFECTS NAME IS X\n" + SECOND,
        (0, 40),
    ),
    "long reels and numbers": (
        "000001  A001C003_230101_R6V8.mov V     C        01:00:00:00 01:00:01:15 01:00:00:00 01:00:01:15 \n"
        "000002  my reel  V  C  01:00:01:15 01:00:12:00 01:00:01:15 01:00:12:00\n", (0, 40),
    ),
    "a leader before the film and black after it": (
        "001  BARS V C 00:00:00:00 00:00:10:00 00:59:50:00 01:00:00:00\n" + FIRST + SECOND
        + "004  BL V C 00:00:00:00 00:00:02:00 01:00:12:00 01:00:14:00\n", (0, 40),
    ),
    "hours of one digit": (FIRST.replace("01:00", "1:00") + SECOND, (0, 40)),
}  # fmt: skip


def read(
    text: str | bytes, folder: Path, side: shotlist.Side = "record", clock: Clock = PAL
) -> shotlist.Found:
    """What a list says of a film of 300 frames."""
    path = folder / "list.edl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return shotlist.read(path, shotlist.Film("film.mov", clock, COUNT if clock == PAL else 2000), side)


@pytest.mark.parametrize("name", READ)
def test_a_list_is_read_as_it_is_meant(name: str, tmp_path: Path) -> None:
    events, starts = READ[name]
    assert read(HEAD + events, tmp_path).starts == starts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_a_list_may_be_written_by_any_machine(encoding: str, line: str, tmp_path: Path) -> None:
    text = HEAD.replace("cut", "Größe") + FIRST + "* FROM CLIP NAME: Größe.MOV\n" + SECOND
    assert read(text.replace("\n", line).encode(encoding), tmp_path).starts == (0, 40)


def test_what_is_more_than_a_cut_is_said(tmp_path: Path) -> None:
    warnings = "\n".join(
        line
        for name in ("a dissolve", "a fade from black at the head", "a title keyed over", "another speed")
        for line in read(HEAD + READ[name][0], tmp_path).warnings
    )
    for words in ("dissolve of 24 frames", "dissolve of 12 frames", "keyed over", "-25 frames a second"):
        assert words in warnings


def test_drop_frame_is_told_by_its_labels_or_by_its_head(tmp_path: Path) -> None:
    lines = "001  AX V C {0} {1} {0} {1}\n".format("01:00:02;00", "01:01:00;02")
    assert read(HEAD + lines, tmp_path, clock=DROP).starts == (0, 60, 1800)
    head = "TITLE: cut\nFCM: DROP FRAME\n"
    assert read(head + lines.replace(";", ":"), tmp_path, clock=DROP).starts == (0, 60, 1800)
    for text, why in (
        (HEAD + lines.replace(";", ":"), "its timecode is not drop frame, the film's is"),
        (HEAD + lines.replace("01:01:00;02", "01:01:00;00"), "list.edl:4: 01:01:00;00 is no timecode: drop"),
    ):
        with pytest.raises(ConfigError, match=why):
            read(text, tmp_path, clock=DROP)
    with pytest.raises(ConfigError, match="its timecode is drop frame, the film's is not"):
        read(head + lines, tmp_path)


@pytest.mark.parametrize("mark", ["{0}:{1}:{2}.{3}", "{0}:{1}:{2},{3}", "{0};{1};{2};{3}", "{0}.{1}.{2}.{3}"])
def test_drop_frame_may_be_marked_in_many_ways(mark: str, tmp_path: Path) -> None:
    first, last = mark.format("01", "00", "02", "00"), mark.format("01", "01", "00", "02")
    row = f"001  AX V C {first} {last} {first} {last}\n"
    assert read(HEAD + row, tmp_path, clock=DROP).starts == (0, 60, 1800)
    with pytest.raises(ConfigError, match="its timecode is drop frame, the film's is not"):
        read(HEAD + row, tmp_path)


def test_markers_are_no_cuts(tmp_path: Path) -> None:
    marker = event(1, "001", "V", "C", 40, 41) + "Jaw |C:ResolveColorBlue |M:Marker 1 |D:1\n"
    with pytest.raises(ConfigError, match="holds markers of DaVinci Resolve, not cuts; export the timeline"):
        read(HEAD + marker, tmp_path)


def test_a_list_that_begins_elsewhere_is_told_what_to_type(tmp_path: Path) -> None:
    """The film has no timecode, and the list begins at one o'clock."""
    path = tmp_path / "list.edl"
    path.write_text(HEAD + FIRST + SECOND)
    with pytest.raises(ConfigError, match=r"\(2 such events\).* add --start 01:00:00:00$") as caught:
        shotlist.read(path, shotlist.Film("film.mov", Clock(Fraction(25)), COUNT))
    assert "\n" not in str(caught.value)


def test_a_list_beyond_the_films_end_is_refused_before_its_frames_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "list.edl"
    path.write_text(HEAD + FIRST + SECOND)
    assert shotlist.read(path, shotlist.Film("film.mov", PAL, None, longest=325)).starts == (0, 40)
    with pytest.raises(ConfigError, match=r"ends .* frames after the film"):
        shotlist.read(path, shotlist.Film("film.mov", Clock(Fraction(25)), None, longest=325))


@pytest.mark.parametrize(
    ("reel", "film"),
    [("A001C003_230101_R6V8", "film.mov"), ("", "A001C003_take.mov"), ("", "A001_C00_3.mov")],
)
def test_a_reel_of_eight_letters_names_a_longer_one(reel: str, film: str, tmp_path: Path) -> None:
    short = "A001_C00" if film == "A001_C00_3.mov" else "A001C003"
    path = tmp_path / "list.edl"
    path.write_text(HEAD + event(1, short, "V", "C", 90, 130, 0, 40))
    assert shotlist.read(path, shotlist.Film(film, PAL, COUNT, reel=reel)).starts == (0, 90, 130)


def test_a_film_may_go_on_after_midnight(tmp_path: Path) -> None:
    night = Clock(Fraction(25), 24 * 90000 - 25, known=True)
    path = tmp_path / "list.edl"
    path.write_text(HEAD + "001  AX V C 23:59:59:10 00:00:01:00 23:59:59:10 00:00:01:00\n")
    assert shotlist.read(path, shotlist.Film("film.mov", night, COUNT), "record").starts == (0, 10, 50)
    path.write_text(path.read_text().replace(" 00:00:01", " 24:00:01"))
    assert shotlist.read(path, shotlist.Film("film.mov", night, COUNT), "record").starts == (0, 10, 50)
    path.write_text(HEAD + "001  AX V C 23:59:58:00 00:00:01:00 23:59:58:00 00:00:01:00\n")
    with pytest.raises(ConfigError, match="begins 25 frames before the film"):
        shotlist.read(path, shotlist.Film("film.mov", night, COUNT), "record")


def test_the_films_own_source_side(tmp_path: Path) -> None:
    """Black is of no reel, and what changes speed is not of the film's frames."""
    named = "* FROM CLIP NAME: film.mov\n"
    listed = (
        HEAD
        + FIRST
        + named
        + event(2, "BL", "V", "C", 0, 10, 40, 50)
        + event(3, "AX", "V", "C", 90, 300)
        + named
    )
    assert read(listed, tmp_path, "auto").starts == (0, 40, 90)
    for odd in (SPEED.format("050.0"), SPEED.format("000.0"), "* FREEZE FRAME\n"):
        with pytest.raises(ConfigError, match="event 1 changes speed"):
            read(HEAD + FIRST + odd + named + event(2, "AX", "V", "C", 90, 300) + named, tmp_path, "auto")
    assert read(HEAD + FIRST + SPEED.format("025.0") + named, tmp_path, "auto").starts == (0, 40)


def test_all_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    events = (
        FIRST
        + event(2, "AX", "V", "C", 30, 60)
        + event(3, "AX", "V", "C", 250, 400)
        + "004  AX V C 01:00:00:30 01:00:02:00 01:00:00:00 01:00:02:00\n"
        + "005  AX V C 01:00:08:00\n"
        + event(6, "AX", "V", "C", 200, 100)
    )
    with pytest.raises(ConfigError) as caught:
        read(HEAD + events, tmp_path)
    told = str(caught.value)
    assert len(told.splitlines()) == 5
    for words in (
        "list.edl:8: no event of CMX 3600",
        "list.edl:9: event 6 ends before it begins",
        "list.edl:7: 01:00:00:30 is no timecode at 25.000 frames a second; export the list",
        "event 3 ends 100 frames after the film",
        "events 1 and 2 overlap by 10 frames",
    ):
        assert words in told


def test_a_whole_list_of_another_film_is_no_wall_of_errors(tmp_path: Path) -> None:
    named = "* FROM CLIP NAME: film.mov\n"
    events = "".join(event(k, "B002", "V", "C", k, k + 1) for k in range(2, 200))
    with pytest.raises(ConfigError) as caught:
        read(HEAD + event(1, "AX", "V", "C", 0, 1) + named + events, tmp_path, "auto")
    assert len(str(caught.value).splitlines()) == scenes.MOST + 1
    assert "and 178 problems more" in str(caught.value)


def test_lines_of_any_length_are_read_at_once(tmp_path: Path) -> None:
    """Patterns on a line of a megabyte would take hours."""
    odd = "".join(
        f"{head}{filling * 1_000_000}\n" for head in ("M2 ", "1 ", "* FROM CLIP NAME: ") for filling in "1 a:"
    )
    assert read(HEAD + FIRST + odd + SECOND, tmp_path).starts == (0, 40)


def test_a_list_that_never_uses_the_last_frame_of_a_second_may_have_another_rate(tmp_path: Path) -> None:
    def cuts(rate: int) -> str:
        edges = [k * 7 for k in range(140)]
        labels = [f"01:{k // rate // 60:02d}:{k // rate % 60:02d}:{k % rate:02d}" for k in edges]
        rows = itertools.pairwise(labels)
        return HEAD + "".join(f"{n:03d}  AX V C {a} {b} {a} {b}\n" for n, (a, b) in enumerate(rows, 1))

    path = tmp_path / "list.edl"
    path.write_text(cuts(24))
    found = shotlist.read(path, shotlist.Film("film.mov", PAL, 2000), "record")
    assert "no timecode in it has a frame after 23" in found.warnings[0]
    path.write_text(cuts(25))
    assert not shotlist.read(path, shotlist.Film("film.mov", PAL, 2000), "record").warnings
