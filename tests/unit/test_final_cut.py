"""Timelines in XML of Final Cut Pro 7 and X, as programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dubcli.delivery import timeline
from dubcli.edits import scenes, shotlist
from dubcli.errors import ConfigError
from tests.unit.test_interchange import DROP, read

PAL_RATE = "<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>"
NTSC_RATE = "<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate>"


def item(name: str, start: int, end: int, first: int, last: int, extra: str = "", file: bool = True) -> str:
    """A clip of FCP 7, whose file's timecode begins at one o'clock."""
    media = (
        f'<file id="{name}"><name>{name}</name><pathurl>file://localhost/x/{name}</pathurl>{PAL_RATE}<timecode>'
        f"{PAL_RATE}<string>01:00:00:00</string><frame>90000</frame><displayformat>NDF</displayformat>"
        "<reel><name>A001</name></reel></timecode></file>"
    )
    return (
        f"<clipitem><name>{name}</name>{PAL_RATE}<start>{start}</start><end>{end}</end><in>{first}</in>"
        f"<out>{last}</out>{media if file else ''}{extra}</clipitem>"
    )


def xmeml(*tracks: str, rate: str = PAL_RATE, first: int = 90000, shown: str = "NDF") -> str:
    """A sequence of FCP 7, with a sound item that has no file."""
    sound = f"<clipitem><name>x</name>{rate}<start>0</start><end>9</end><in>0</in><out>9</out></clipitem>"
    rows = "".join(f"<track>{row}</track>" for row in tracks)
    return (
        f'<?xml version="1.0"?><!DOCTYPE xmeml><xmeml version="4"><sequence id="s"><name>s</name>{rate}'
        f"<duration>300</duration><timecode>{rate}<string>x</string><frame>{first}</frame><displayformat>{shown}"
        f"</displayformat></timecode><media><video>{rows}</video><audio><track>{sound}</track></audio></media>"
        "</sequence></xmeml>"
    )


def filtered(speed: int) -> str:
    """A clip's speed, in per cent."""
    return (
        "<filter><effect><name>Time Remap</name><effectid>timeremap</effectid><parameter><parameterid>speed"
        f"</parameterid><value>{speed}</value></parameter></effect></filter>"
    )


def sequence(items: str, name: str) -> str:
    """A sequence for within another."""
    return (
        f'<sequence id="{name}"><name>{name}</name>{PAL_RATE}<media><video><track>{items}</track></video>'
        "</media></sequence>"
    )


A, B = item("a", 0, 40, 0, 40), item("b", 40, 300, 0, 260)
NEST = (
    f"<clipitem><name>n</name>{PAL_RATE}<start>40</start><end>100</end><in>10</in><out>70</out><sequence "
    f'id="n"><name>n</name>{PAL_RATE}<duration>120</duration><media><video><track>{item("c", 0, 20, 0, 20)}'
    f"{item('d', 20, 120, 0, 100)}</track></video></media></sequence></clipitem>"
)
FADE = (
    f"<transitionitem><start>34</start><end>46</end><alignment>center</alignment>{PAL_RATE}<effect><name>x"
    "</name></effect></transitionitem>"
)
FADES, FADED = item("a", 0, -1, 0, 46), item("b", -1, 300, 10, 276)
OFF = "<enabled>FALSE</enabled>"
SLUG = '<file id="t"><name>Title</name><mediaSource>Slug</mediaSource></file>'
XMEML = {
    "cuts": ([A + B], (0, 40)),
    "a file that is missing": ([A + item("b", 40, 300, 0, 260, file=False)], (0, 40)),
    "a clip over others": ([item("a", 0, 300, 0, 300), item("o", 50, 80, 0, 30)], (0, 50, 80)),
    "a clip that is switched off": ([item("a", 0, 300, 0, 300), item("o", 50, 80, 0, 30, OFF)], (0,)),
    "a track that is switched off": ([item("a", 0, 300, 0, 300), item("o", 50, 80, 0, 30) + OFF], (0,)),
    "a nested sequence": ([A + NEST + item("b", 100, 300, 0, 200)], (0, 40, 50, 100)),
    "a transition": ([FADES + FADE + FADED], (0, 40)),
    "a transition without an alignment": (
        [FADES + FADE.replace("<alignment>center</alignment>", "") + FADED], (0, 40),
    ),
    "a transition with one side only": ([item("a", 0, 20, 0, 20) + FADE + FADED], (0, 20, 40)),
    "items out of order": ([B + A], (0, 40)),
    "a clip at another rate": ([A.replace(PAL_RATE, NTSC_RATE) + B], (0, 40)),
    "clips of programs that leave things out": (
        [A.replace("<in>0</in>", "") + B.replace("<file", "<filter/><file").replace(">40<", ">40.0<")],
        (0, 40),
    ),
    "a generator that says nothing": (
        [A + B.replace("clipitem", "generatoritem").replace("<file", "<x").replace("</file>", "</x>")],
        (0, 40),
    ),
    "a title over the picture": ([A + B, item("t", 0, 300, 0, 300, SLUG, file=False)], (0, 40)),
    "a multiclip": ([A + item("b", 40, 300, 0, 260, "<multiclip/>", file=False)], (0, 40)),
}  # fmt: skip


@pytest.mark.parametrize("name", XMEML)
def test_what_is_seen_of_a_sequence_of_fcp_7_is_its_shots(name: str, tmp_path: Path) -> None:
    tracks, starts = XMEML[name]
    path = tmp_path / "list.xml"
    path.write_text(xmeml(*tracks))
    assert read(path).starts == starts


def test_a_file_is_known_wherever_fcp_7_tells_all_of_it(tmp_path: Path) -> None:
    """In a clip that is switched off, or in the sound."""
    path, later = tmp_path / "list.xml", item("x", 10, 50, 30, 70, '<file id="film.mov"/>', file=False)
    sound = "</track></video><video><track>" + OFF
    for first in (item("film.mov", 0, 10, 0, 10, OFF), sound + item("film.mov", 0, 9, 0, 9)):
        path.write_text(xmeml(later + first))
        found = read(path, "auto")
        assert (found.side, found.starts) == ("source", (0, 30, 70))


def test_a_nested_sequence_may_be_told_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "list.xml"
    nest = item("n", 40, 300, 0, 260, '<sequence id="late"/>', file=False)
    late = sequence(item("c", 0, 20, 0, 20) + item("d", 20, 300, 0, 280), "late")
    path.write_text(xmeml(A + nest).replace("</xmeml>", f"{late}</xmeml>"))
    assert read(path).starts == (0, 40, 60)


def test_effects_are_told_in_one_line_each_and_not_all(tmp_path: Path) -> None:
    path, blur = tmp_path / "list.xml", "<filter><effect><name>Blur\nof  two lines</name></effect></filter>"
    path.write_text(xmeml("".join(item("a", k, k + 1, 0, 1, blur) for k in range(100))))
    warnings = read(path).warnings
    assert "(Blur of two lines)" in warnings[0]
    assert len(warnings) == scenes.MOST + 1
    assert "and 80 events more have effects" in warnings[-1]


def test_a_changed_speed_of_fcp_7_is_no_source_side(tmp_path: Path) -> None:
    path = tmp_path / "list.xml"
    path.write_text(xmeml(item("film.mov", 0, 40, 0, 20, filtered(50))))
    with pytest.raises(ConfigError, match="event 1 changes speed \\(Time Remap\\)"):
        read(path, "auto")
    path.write_text(xmeml(item("film.mov", 0, 40, 0, 40, filtered(100)) + item("film.mov", 40, 90, 60, 110)))
    assert read(path, "auto").starts == (0, 40, 60, 110)


def test_fcp_7_says_whether_it_drops_frames(tmp_path: Path) -> None:
    path = tmp_path / "list.xml"
    ntsc = item("a", 0, 60, 0, 60).replace(PAL_RATE, NTSC_RATE)
    path.write_text(xmeml(ntsc, rate=NTSC_RATE, first=108000))
    with pytest.raises(ConfigError, match="its timecode is not drop frame, the film's is"):
        read(path, clock=DROP)
    path.write_text(xmeml(ntsc, rate=NTSC_RATE, first=107892, shown="DF"))
    assert read(path, clock=DROP).starts == (0, 60)


def test_fcp_7_is_told_of_drop_frame_reels_and_notes(tmp_path: Path) -> None:
    marker = timeline.Marker("redo", "the lips are late")
    made = timeline.Clip("one", Path("/films/film.mov"), 40, 90, (0, 2000), "A001", (marker,))
    timeline.write(tmp_path / "list.xml", "x", [[made]], DROP)
    text = "".join((tmp_path / "list.xml").read_text().split())
    assert text.count("<displayformat>DF</displayformat>") == 2
    assert text.count("<string>01:00:00;00</string>") == 2
    assert "<reel><name>A001</name></reel>" in text
    # A clip's marker counts from the first frame of its file.
    assert "<comment>thelipsarelate</comment><name>redo</name><in>40</in>" in text


def fcpxml(spine: str, frame: str = "100/2500s", first: str = "3600s", shown: str = "NDF") -> str:
    """A project of FCP X, with a film whose timecode begins at one o'clock."""
    return (
        '<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.9"><resources>'
        f'<format id="r1" frameDuration="{frame}"/>'
        '<asset id="r2" name="film" start="3600s" duration="12s"><media-rep src="file:///x/film.mov"/></asset>'
        '<asset id="r3" name="other" start="0s" duration="100s" src="file:///x/other.mov"/>'
        '<asset id="r4" name="music" hasAudio="1" duration="100s" src="file:///x/m.wav"/>'
        '<media id="r5"><sequence tcStart="0s"><spine><asset-clip ref="r3" offset="0s" duration="50/25s"/>'
        '<asset-clip ref="r3" offset="2s" duration="10s"/></spine></sequence></media></resources>'
        f'<library><event><project><sequence format="r1" tcStart="{first}" tcFormat="{shown}"><spine>{spine}'
        "</spine></sequence></project></event></library></fcpxml>"
    )


HEAD = '<asset-clip ref="r2" offset="3600s" start="3600s" duration="40/25s"/>'
TAIL = '<asset-clip ref="r2" offset="90040/25s" start="90040/25s" duration="260/25s">{}</asset-clip>'
OVER = '<asset-clip ref="r3" lane="1" offset="90050/25s" duration="10/25s"/><title lane="2" offset="9s"/>'
FCPX: dict[str, tuple[str, shotlist.Side, tuple[int, ...]]] = {
    "cuts": (HEAD + TAIL.format(""), "auto", (0, 40)),
    "a transition": (
        HEAD + '<transition offset="90034/25s" duration="12/25s"/>' + TAIL.format(""), "auto", (0, 40),
    ),
    "a gap": ('<gap offset="3600s" duration="40/25s" start="3600s"/>' + TAIL.format(""), "auto", (0, 40)),
    "a connected clip": (HEAD + TAIL.format(OVER), "record", (0, 40, 50, 60)),
    "a connected clip that is switched off": (
        HEAD + TAIL.format(OVER.replace('lane="1"', 'lane="1" enabled="0"')), "record", (0, 40),
    ),
    "a storyline connected to a clip": (
        HEAD + TAIL.format(
            '<spine lane="1" offset="90050/25s"><asset-clip ref="r3" offset="0s" duration="10/25s"/>'
            '<gap duration="5/25s"/><asset-clip ref="r3" offset="15/25s" duration="5/25s"/></spine>'
        ), "record", (0, 40, 50, 60, 65, 70),
    ),
    "sound connected to a clip": (
        HEAD + TAIL.format(
            OVER.replace("r3", "r4") + OVER.replace("<asset-clip", '<asset-clip srcEnable="audio"')
            + '<clip lane="-1" offset="90060/25s" duration="20s"><gap><audio ref="r4"/></gap></clip>'
        ), "record", (0, 40),
    ),
    "a compound clip": (
        HEAD + '<ref-clip ref="r5" offset="90040/25s" start="30/25s" duration="260/25s"/>', "record",
        (0, 40, 60),
    ),
    "a synchronized clip": (
        HEAD + '<sync-clip offset="90040/25s" start="0s" duration="260/25s"><spine><asset-clip ref="r3" '
        'duration="20/25s"/><asset-clip ref="r3" offset="20/25s" duration="240/25s"/></spine></sync-clip>',
        "record", (0, 40, 60),
    ),
    "clips that follow one another": (
        HEAD + '<asset-clip ref="r3" duration="60/25s"/><asset-clip ref="r3" duration="200/25s"/>', "record",
        (0, 40, 100),
    ),
    "an audition": (
        HEAD + '<audition offset="90040/25s"><asset-clip ref="r3" duration="60/25s"/>'
        '<asset-clip ref="r3" duration="9s"/></audition>', "record", (0, 40, 100),
    ),
    "a clip connected to a gap": (
        '<gap offset="3600s" start="3600s" duration="12s"><clip lane="1" offset="90010/25s" '
        'duration="30/25s"><video ref="r3"/></clip></gap>', "record", (0, 10, 40),
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".fcpxml", ".xml"])
@pytest.mark.parametrize("name", FCPX)
def test_what_is_seen_of_a_project_of_fcp_x_is_its_shots(name: str, suffix: str, tmp_path: Path) -> None:
    spine, side, starts = FCPX[name]
    path = tmp_path / f"list{suffix}"
    path.write_text(fcpxml(spine))
    found = read(path, side)
    assert found.starts == starts
    assert found.side == ("source" if side == "auto" else side)


def test_the_folder_that_fcp_x_exports_is_its_project(tmp_path: Path) -> None:
    """It is what Final Cut Pro 10.6 and later write, unless asked for another version."""
    spine, side, starts = next(iter(FCPX.values()))
    folder = tmp_path / "list.fcpxmld"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"Info\.fcpxml: No such file"):
        read(folder, side)
    (folder / "Info.fcpxml").write_text(fcpxml(spine))
    assert read(folder, side).starts == starts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (fcpxml(HEAD, "1001/30000s"), "counts 29.970 frames a second, the film has 25.000"),
        (fcpxml(HEAD.replace("40/25s", "x")), "'x' is no time of fcpxml"),
        (fcpxml(HEAD.replace("40/25s", "1e999999999s")), "is no time of fcpxml"),  # a number of a gigabyte
        (
            fcpxml('<asset-clip lane="1">'.replace(" ", "  ") * 2000 + "</asset-clip>" * 2000),
            "nests timelines without end",
        ),
        (fcpxml(TAIL.format("<timeMap/>")), "event 1 changes speed"),
        (
            fcpxml("").replace("<project>", "<project/><project>").replace("</project>", ""),
            "not well-formed XML",
        ),
        (fcpxml(HEAD + TAIL.format(OVER.replace('lane="1"', 'lane="x"'))), "'x' is no lane"),
        ("<fcpxml/>", "holds no timeline"),
        ("<rss/>", "its root is rss"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "list.xml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why) as caught:
        read(path, "auto")
    assert "\n" not in str(caught.value)


def test_fcp_x_counts_drop_frame_in_fractions_of_seconds(tmp_path: Path) -> None:
    path = tmp_path / "list.fcpxml"
    spine = (
        '<asset-clip ref="r3" offset="107999892/30000s" duration="60060/30000s"/>'
        '<asset-clip ref="r3" offset="108059952/30000s" duration="1001/30s"/>'
    )
    path.write_text(fcpxml(spine, "1001/30000s", "107999892/30000s", "DF"))
    assert read(path, clock=DROP).starts == (0, 60, 1060)
    path.write_text(fcpxml(spine, "1001/30000s", "107999892/30000s", "NDF"))
    with pytest.raises(ConfigError, match="its timecode is not drop frame"):
        read(path, clock=DROP)


def test_one_of_several_projects_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "list.fcpxml"
    path.write_text(fcpxml(HEAD).replace("</project>", "</project><project name='new'><sequence/></project>"))
    with pytest.raises(ConfigError, match="2 'new'"):
        read(path)
    assert read(path, wanted="1").starts


def test_sequences_that_stand_twice_in_the_next_are_read_once(tmp_path: Path) -> None:
    """Read one by one, they would be a million million."""
    inner, path = item("a", 0, 300, 0, 300), tmp_path / "list.xml"
    for k in range(40):
        again = f'<sequence id="n{k}"/>'
        inner = item("n", 0, 100, 0, 100, sequence(inner, f"n{k}"), file=False) + item(
            "m", 100, 300, 0, 200, again, file=False
        )
    path.write_text(xmeml(inner))
    assert read(path).starts[:2] == (0, 100)
