"""Shot lists: source timecode, editors' formats there and back, and lists that do not fit the film."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from dubcli.delivery import timeline
from dubcli.edits import interchange, scenes, shotfile, shotlist
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError, UsageError
from dubcli.settings.document import parse_yaml

FILM = Path("/films/Der große Film.mov")
NTSC, HIGH = Fraction(30000, 1001), Fraction(60000, 1001)
CLOCKS = {
    "23.976": Clock(Fraction(24000, 1001), 86400, known=True),
    "25": Clock(Fraction(25), 90000, known=True),
    "29.97 drop": Clock(NTSC, 107892, drop=True, known=True),
    "29.97": Clock(NTSC, 108000, known=True),
    "59.94 drop": Clock(HIGH, 215784, drop=True, known=True),
}
EDGES = (0, 40, 104, 300)


def written(path: Path, clock: Clock, edges: tuple[int, ...] = EDGES, reel: str = "A001C003") -> Path:
    """A list of a film cut up at `edges`, in the format of the suffix."""
    pieces = itertools.pairwise(edges)
    clips = [timeline.Clip(f"{a:08d}", FILM, a, b, (0, edges[-1]), reel) for a, b in pieces]
    timeline.write(path, "Film", [clips], clock)
    return path


# Labels that SMPTE ST 12-1 drops: 00 and 01 (00-03 at 59.94) of every minute but each tenth.
@pytest.mark.parametrize(
    ("rate", "count", "label"),
    [
        (NTSC, 1799, "00:00:59;29"),
        (NTSC, 1800, "00:01:00;02"),
        (NTSC, 17981, "00:09:59;29"),
        (NTSC, 17982, "00:10:00;00"),
        (NTSC, 107892, "01:00:00;00"),
        (HIGH, 3600, "00:01:00;04"),
        (HIGH, 35964, "00:10:00;00"),
    ],
)
def test_drop_frame_labels(rate: Fraction, count: int, label: str) -> None:
    clock = Clock(rate, drop=True)
    assert (clock.label(count), clock.count(label)) == (label, count)


def test_timecode_goes_on_after_midnight() -> None:
    clock = Clock(NTSC, Clock(NTSC, drop=True).count("23:59:59;29"), drop=True)
    assert (clock.at(1), clock.frame("00:00:00;00")) == ("00:00:00;00", 1)


@pytest.mark.parametrize(
    ("text", "match"),
    [("01:00:00;00", "not drop frame"), ("01:00:00:25", "25.000 frames"), ("1:0:0:0", "HH:MM:SS:FF")],
)
def test_what_is_no_timecode_of_the_film(text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        CLOCKS["25"].frame(text)


def test_a_rate_without_timecode_is_named() -> None:
    with pytest.raises(ConfigError, match=r"12\.500 frames a second"):
        Clock(Fraction(25, 2)).at(0)


# AAF takes a second, so one rate has to do.
@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(s, k) for s in (".edl", *interchange.ADAPTERS) for k in CLOCKS if s != ".aaf" or k == "29.97 drop"],
)
def test_a_list_comes_back_on_the_frame(suffix: str, kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"list{suffix}", CLOCKS[kind])
    for side in ("auto", "record"):
        found = shotlist.read(path, shotlist.Film(FILM.name, CLOCKS[kind], 300), side)
        assert found.starts == EDGES[:-1]
        assert found.side == ("source" if side == "auto" else "record")
    # A film whose length is not known yet: its end is no cut.
    assert shotlist.read(path, shotlist.Film(FILM.name, CLOCKS[kind], None)).starts == EDGES[:-1]


def test_the_films_own_cut_is_taken_from_the_record_side(tmp_path: Path) -> None:
    """Sources are camera reels at times of their own; what is between the events is a shot too."""
    path = tmp_path / "cut.edl"
    path.write_text(
        "TITLE: cut\nFCM: NON-DROP FRAME\n\n"
        "001  A001C003 V     C        17:20:11:03 17:20:12:03 01:00:00:10 01:00:01:10\n"
        "002  B009C001 V     C        09:00:00:00 09:00:02:00 01:00:01:20 01:00:03:20\n"
    )
    found = shotlist.read(path, shotlist.Film(FILM.name, CLOCKS["25"], 300))
    assert (found.side, found.starts) == ("record", (0, 10, 35, 45, 95))


def test_scenes_of_pyscenedetect_come_back() -> None:
    ranges = [(0, 40), (40, 104), (104, 300)]
    text = scenes.text(ranges, 23.976)
    assert scenes.parse("Timecode List:,00:00:01.668\n" + text, "s.csv") == ranges


EVENT = "{:03d}  {:8} V     C        {} {} {} {}\n"
BAD_EDL = {
    "overlapping events": (
        EVENT.format(1, "AX", "00:00:00:00", "00:00:02:00", "01:00:00:00", "01:00:02:00")
        + EVENT.format(2, "AX", "00:00:00:00", "00:00:02:00", "01:00:01:00", "01:00:03:00"),
        "events 1 and 2 overlap by 25 frames",
    ),
    "outside of the film": (
        EVENT.format(1, "AX", "00:00:00:00", "00:00:02:00", "00:00:00:00", "00:00:02:00"),
        "90000 frames before the film.*--start",
    ),
    "beyond its end": (
        EVENT.format(1, "AX", "00:00:00:00", "00:00:20:00", "01:00:00:00", "01:00:20:00"),
        "ends 200 frames after",
    ),
    "another rate": (
        EVENT.format(1, "AX", "00:00:00:00", "00:00:01:28", "01:00:00:00", "01:00:01:28"),
        "at the film's rate",
    ),
    "drop frame": (
        EVENT.format(1, "AX", "00:00:00;00", "00:00:01;00", "01:00:00;00", "01:00:01;00"),
        "drop frame, the film's is not",
    ),
    "no events": ("", "no picture"),
    "another reel": (
        EVENT.format(1, "A001C003", "01:00:00:00", "01:00:01:00", "01:00:00:00", "01:00:01:00")
        + EVENT.format(2, "B002", "01:00:00:00", "01:00:01:00", "01:00:01:00", "01:00:02:00")
        + EVENT.format(3, "C003", "01:00:00:00", "01:00:01:00", "01:00:02:00", "01:00:03:00"),
        "(?s)reel B002 is not the film.*reel C003 is not the film",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_EDL)
def test_an_edl_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    events, match = BAD_EDL[name]
    path = tmp_path / "list.edl"
    path.write_text(f"TITLE: x\n\n{events}")
    with pytest.raises(ConfigError, match=match):
        shotlist.read(path, shotlist.Film(FILM.name, CLOCKS["25"], 300, reel="A001C003"))


def test_a_list_at_another_rate_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "list.otio", CLOCKS["23.976"])
    with pytest.raises(ConfigError, match=r"counts 23\.976 frames a second, the film has 25"):
        shotlist.read(path, shotlist.Film(FILM.name, CLOCKS["25"], 300))


@pytest.mark.parametrize("name", [".", "cut", "cut.txt"])
def test_what_is_no_list_by_its_name_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is no shot list that can be read; use one of \.edl"):
        shotlist.read(Path(name), shotlist.Film("film.mov", CLOCKS["25"], 300))


@pytest.mark.parametrize("text", ["", "{}", "not a list", '{"OTIO_SCHEMA": "Clip.1"}', "\x00\xff" * 50])
@pytest.mark.parametrize("suffix", shotlist.SUFFIXES)
def test_what_is_no_list_is_refused_in_one_line(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"list{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        shotlist.read(path, shotlist.Film(FILM.name, CLOCKS["25"], 300))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_effects_are_named_and_a_changed_speed_is_refused_where_it_matters(tmp_path: Path) -> None:
    clips = [timeline.Clip("one", FILM, 0, 40, (0, 300)), timeline.Clip("two", FILM, 40, 300, (0, 300))]
    built = timeline.built("Film", [clips], CLOCKS["25"])
    effects: list[Any] = [otio.schema.Effect(effect_name="Blur"), otio.schema.LinearTimeWarp("slow", 0.5)]
    for clip, effect in zip(built.find_clips(), effects, strict=True):
        clip.effects.append(effect)
    path = tmp_path / "list.otio"
    otio.adapters.write_to_file(built, str(path))
    found = shotlist.read(path, shotlist.Film(FILM.name, CLOCKS["25"], 300), "record")
    assert found.starts == (0, 40)
    assert "Blur" in found.warnings[0]
    with pytest.raises(ConfigError, match="event 2 changes speed"):
        shotlist.read(path, shotlist.Film(FILM.name, CLOCKS["25"], 300))


def test_an_edl_of_more_events_than_it_can_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="999 events, and there are 1000"):
        written(tmp_path / "list.edl", CLOCKS["25"], tuple(range(1001)))


def edited(text: str, detected: tuple[int, ...] = (0, 40, 104)) -> shotfile.Edges:
    """What a `shots.yaml` makes of detected shots of a film of 300 frames at 25 frames a second."""
    document = parse_yaml(text, "shots.yaml")
    file = document.model(shotfile.ShotFile)
    return shotfile.apply_edits(document, file, detected, 300, CLOCKS["25"])


def test_shots_are_merged_split_and_skipped() -> None:
    assert edited("{}").starts == (0, 40, 104)
    assert edited('split: ["01:00:08:00", 50]\nmerge: [104]\nskip: [50, 0]') == shotfile.Edges(
        (0, 40, 50, 200), (0, 50)
    )


def test_cuts_replace_the_detected_ones_and_the_file_comes_back() -> None:
    assert edited('cuts: [60, "01:00:04:00"]').starts == (0, 60, 100)
    assert edited("cuts: []").starts == (0,)
    whole = shotfile.ShotFile(cuts=())  # a list of one shot is not the detected ones
    file = shotfile.ShotFile(start="10:00:00:00", cuts=(60, "10:00:04:00"), skip=(60,))
    for one in (file, whole):
        assert parse_yaml(shotfile.text(one), "x").model(shotfile.ShotFile) == one


def test_the_template_changes_nothing() -> None:
    assert edited(shotfile.template([0, 40, 104])) == shotfile.Edges((0, 40, 104), ())
    uncommented = shotfile.template([0, 40, 104]).replace("# merge: [104]", "merge: [104]")
    assert edited(uncommented).starts == (0, 40)


def test_shots_called_by_their_names_are_decimal() -> None:
    assert edited("merge: [00000104]\nsplit: [00000050]\nskip: [00000040]\ncuts:\n").starts == (0, 40, 50)
    with pytest.raises(
        ConfigError, match=r"shots\.yaml:1:8: cuts\.0: must be a valid integer or text, not 1\.5"
    ):
        edited("cuts: [1.5]")


def test_all_that_is_wrong_with_edits_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError) as error:
        edited('merge: [0, 41]\nsplit: [40, 300]\nskip: ["01:00:02:00"]\n')
    lines = str(error.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"shots.yaml:{place}" for place in ("1:9", "1:12", "2:13", "2:9", "3:8")
    ]
    assert "ends with 299" in lines[2]
    assert "the one there begins at 40" in lines[4]
    with pytest.raises(ConfigError, match=r"shots\.yaml:1:8"):
        edited("cuts: [-4]")


def test_a_timecode_without_quotes_is_no_number() -> None:
    """YAML 1.1 counts 10:00:05:00 to the base of 60."""
    with pytest.raises(ConfigError, match=r"shots\.yaml:1"):
        edited("split: [10:00:05:00]")
