"""Timelines in OTIO and AAF, as programs write them."""

from __future__ import annotations

import logging
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import aaf2
import opentimelineio as otio
import pytest

from dubcli.delivery import timeline
from dubcli.edits import shotlist
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError

PAL = Clock(Fraction(25), 90000, known=True)
DROP = Clock(Fraction(30000, 1001), 107892, drop=True, known=True)


def read(path: Path, side: shotlist.Side = "record", clock: Clock = PAL, wanted: str = "") -> shotlist.Found:
    """What a list says of a film of 300 frames, of 2000 where it counts drop frame timecode."""
    return shotlist.read(path, shotlist.Film("film.mov", clock, 2000 if clock.drop else 300), side, wanted)


def span(start: int, length: int, rate: float = 25.0) -> Any:
    """A range of frames."""
    time = otio.opentime.RationalTime
    return otio.opentime.TimeRange(time(start, rate), time(length, rate))


TITLE = otio.schema.GeneratorReference("Title")


def clip(name: str, start: int, length: int | None, **extra: Any) -> Any:
    """A clip of a file of that name."""
    media = extra.pop("media", otio.schema.ExternalReference(f"file:///x/{name}"))
    made = otio.schema.Clip(name, media, None if length is None else span(start, length))
    for key, value in extra.items():
        setattr(made, key, value)
    return made


def gap(length: int) -> Any:
    """Nothing, for some frames."""
    return otio.schema.Gap(source_range=span(0, length))


def track(*items: Any, part: Any = None) -> Any:
    """A picture track."""
    made = otio.schema.Track("V", kind=otio.schema.TrackKind.Video, source_range=part)
    made.extend(items)
    return made


def stack(*tracks: Any, part: Any = None) -> Any:
    """A nested timeline."""
    made = otio.schema.Stack("nest", source_range=part)
    made.extend(tracks)
    return made


def dissolve(before: int, after: int) -> Any:
    """A transition around a cut."""
    time = otio.opentime.RationalTime
    return otio.schema.Transition("x", "SMPTE_Dissolve", time(before, 25.0), time(after, 25.0))


TIMELINES = {
    "gaps": ([track(gap(10), clip("a", 0, 30), gap(20), clip("b", 0, 240))], (0, 10, 40, 60)),
    "a transition": ([track(clip("a", 0, 40), dissolve(5, 7), clip("b", 20, 260))], (0, 40)),
    "a clip over others": ([track(clip("a", 0, 300)), track(gap(50), clip("o", 0, 30))], (0, 50, 80)),
    "a clip that is switched off": (
        [track(clip("a", 0, 300)), track(gap(50), clip("o", 0, 30, enabled=False))], (0,),
    ),
    "a nested timeline": (
        [track(clip("a", 0, 40), stack(track(clip("n", 0, 20), clip("m", 0, 100)), part=span(10, 60)))],
        (0, 40, 50, 100),
    ),
    "a nested timeline of two tracks": (
        [track(
            clip("a", 0, 40), stack(track(clip("n", 0, 60)), track(gap(10), clip("m", 0, 10))),
            clip("b", 0, 200),
        )], (0, 40, 50, 60, 100),
    ),
    "a part of a track": ([track(clip("a", 0, 40), clip("b", 0, 270), part=span(10, 300))], (0, 30)),
    "media that is missing": (
        [track(clip("a", 0, 40, media=otio.schema.MissingReference()), clip("b", 0, 260))], (0, 40),
    ),
    "a title over the picture": (
        [track(clip("a", 0, 40), clip("b", 0, 260)), track(clip("t", 0, 300, media=TITLE))], (0, 40),
    ),
    "clips at other rates": (
        [track(
            otio.schema.Clip("c", None, span(0, 48, 24.0)), clip("a", 0, 40),
            otio.schema.Clip("d", None, span(0, 60, 30.0)), clip("b", 0, 160),
        )], (0, 50, 90, 140),
    ),
    "an empty track": ([track(), track(clip("a", 0, 40), clip("b", 0, 260))], (0, 40)),
}  # fmt: skip


def otio_file(path: Path, tracks: list[Any], start: int | None = 90000) -> Path:
    """A file of a timeline."""
    made = otio.schema.Timeline("x")
    made.global_start_time = None if start is None else otio.opentime.RationalTime(start, 25.0)
    made.tracks.extend(item.clone() for item in tracks)
    otio.adapters.write_to_file(made, str(path))
    return path


@pytest.mark.parametrize("name", TIMELINES)
def test_what_is_seen_of_a_timeline_is_its_shots(name: str, tmp_path: Path) -> None:
    tracks, starts = TIMELINES[name]
    assert read(otio_file(tmp_path / "list.otio", tracks)).starts == starts


def test_a_timeline_without_timecode_begins_with_the_film(tmp_path: Path) -> None:
    path = otio_file(tmp_path / "list.otio", [track(clip("a", 0, 40), clip("b", 0, 260))], start=None)
    assert read(path).starts == (0, 40)


def test_a_part_of_a_clip_is_that_part_of_its_source(tmp_path: Path) -> None:
    tracks = [track(clip("film.mov", 90000, 100), clip("film.mov", 90200, 100), part=span(10, 150))]
    assert read(otio_file(tmp_path / "list.otio", tracks), "auto").starts == (0, 10, 100, 200, 260)


def test_the_film_at_another_rate_is_no_source(tmp_path: Path) -> None:
    made = otio.schema.Clip("film.mov", None, span(86400, 48, 24.0))
    path = otio_file(tmp_path / "list.otio", [track(made, clip("a", 0, 40))])
    assert read(path).starts == (0, 50, 90)
    with pytest.raises(ConfigError, match=r"event 1 plays the film at 24\.000 frames a second, it has 25"):
        shotlist.read(path, shotlist.Film("film.mov", PAL, 300), "source")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_otio_may_be_of_any_encoding(encoding: str, tmp_path: Path) -> None:
    path = otio_file(tmp_path / "list.otio", [track(clip("a", 0, 40), clip("b", 0, 260))])
    path.write_text(path.read_text(), encoding=encoding)
    assert read(path).starts == (0, 40)


def nested(depth: int) -> Any:
    """A clip in as many timelines."""
    made = clip("a", 0, 300)
    for _ in range(depth):
        made = stack(track(made))
    return made


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace('"value": 40.0', '"value": NaN'), "times that are no numbers"),
        (lambda text: text.replace('"value": 40.0', '"value": Infinity'), "times that are no numbers"),
        (lambda text: text.replace('"value": 40.0', '"value": -40.0'), "'a' ends before it begins"),
        (lambda text: '{"a":' * 100_000, "nests timelines without end"),  # this ended the process
    ],
)
def test_an_otio_that_cannot_be_is_refused_in_words(change: Any, why: str, tmp_path: Path) -> None:
    path = otio_file(tmp_path / "list.otio", [track(clip("a", 0, 40), clip("b", 0, 260))])
    path.write_text(change(path.read_text()))
    with pytest.raises(ConfigError, match=why) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def two_shots(name: str, cut: int) -> Any:
    """A timeline with one cut."""
    made = otio.schema.Timeline(name)
    media = [otio.schema.ExternalReference(f"file:///x/{name}", span(0, 300)) for name in "ab"]
    made.tracks.append(track(clip("a", 0, cut, media=media[0]), clip("b", 0, 300 - cut, media=media[1])))
    return made


def test_one_of_several_timelines_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    """And what there is to choose from is told."""
    both = otio.schema.SerializableCollection("both", [two_shots("old", 100), two_shots("new", 40)])
    for suffix, adapter in ((".otio", "otio_json"), (".xml", "fcp_xml")):
        path = tmp_path / f"list{suffix}"
        otio.adapters.write_to_file(both, str(path), adapter)
        assert [read(path, wanted=one).starts for one in ("new", "2", "old")] == [(0, 40), (0, 40), (0, 100)]
        for wanted in ("", "3", "0", "newer"):
            with pytest.raises(ConfigError, match="--timeline, by its name or number: 1 'old', 2 'new'"):
                read(path, wanted=wanted)
    with pytest.raises(ConfigError, match="leave out --timeline"):
        read(tmp_path / "list.edl", wanted="new")


def test_an_otio_may_come_with_its_media(tmp_path: Path) -> None:
    text = two_shots("a", 40).to_json_string()
    with zipfile.ZipFile(tmp_path / "list.otioz", "w") as bundle:
        bundle.writestr("content.otio", text)
    (tmp_path / "list.otiod").mkdir()
    (tmp_path / "list.otiod" / "content.otio").write_text(text)
    assert [read(tmp_path / f"list.{end}").starts for end in ("otioz", "otiod")] == [(0, 40)] * 2
    (tmp_path / "other.otioz").write_text("x")
    (tmp_path / "other.otiod").mkdir()
    for end in ("otioz", "otiod"):
        with pytest.raises(ConfigError, match=r"other\.oti"):
            read(tmp_path / f"other.{end}")


@pytest.mark.parametrize(("logo", "told"), [(300, True), (40, False)])
def test_a_picture_that_hides_cuts_is_told_of(logo: int, told: bool, tmp_path: Path) -> None:
    """Such as a logo, through which the film is seen; not one that lies over a single shot."""
    shots = track(clip("a", 0, 40), clip("b", 0, 50), clip("c", 0, 210))
    found = read(otio_file(tmp_path / "list.otio", [shots, track(clip("logo.png", 0, logo))]))
    assert found.starts == ((0,) if told else (0, 40, 90))
    assert ("2 cuts lie under pictures on higher tracks ('logo.png')" in "".join(found.warnings)) is told


def test_timelines_without_end_are_refused(tmp_path: Path) -> None:
    assert read(otio_file(tmp_path / "list.otio", [track(nested(20))])).starts == (0,)
    with pytest.raises(ConfigError, match="nests timelines without end"):
        read(otio_file(tmp_path / "list.otio", [track(nested(60))]))


def test_an_aaf_says_how_its_timecode_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what its adapter prints of odd files is not for the user."""
    path, made = tmp_path / "list.aaf", timeline.Clip("a", Path("/x/film.mov"), 0, 300, (0, 300))
    adapter = otio.adapters.read_from_file

    def loud(*given: Any) -> Any:
        print("Unable find slot_id: 0")
        logging.warning("not mathematically plausible")
        return adapter(*given)

    for rate, drop, whole in ((Fraction(50), False, 50), (DROP.rate, True, 30)):
        timeline.write(path, "x", [[made]], Clock(rate, 107892, drop, known=True))
        with aaf2.open(str(path)) as file:
            slots = [slot.segment for mob in file.content.mobs for slot in mob.slots]
            codes = [one for one in slots if isinstance(one, aaf2.components.Timecode)]
            assert {(one.fps, one.drop) for one in codes} == {(whole, drop)}
    monkeypatch.setattr(otio.adapters, "read_from_file", loud)
    with pytest.raises(ConfigError, match="its timecode is drop frame, the film's is not"):
        read(path, clock=Clock(DROP.rate, 107892, known=True))
    assert capsys.readouterr() == ("", "")


def test_an_aaf_has_markers_and_calls_tapes_by_their_reels(tmp_path: Path) -> None:
    """A program that is given an AAF alone finds the verdicts, and its source by reel and timecode."""
    path, clock = tmp_path / "list.aaf", Clock(DROP.rate, 107892, drop=True, known=True)
    film = timeline.Clip("film.mov", Path("/x/film.mov"), 0, 300, (0, 300), "A001C003")
    marker = timeline.Marker("look", "Anna: höre", "YELLOW")
    shot = timeline.Clip("00000090", Path("/x/90.mov"), 90, 150, (78, 162), "A001C003", (marker,))
    timeline.write(path, "x", [[film], [shot]], clock)
    with aaf2.open(str(path)) as file:
        sources = list(file.content.sourcemobs())
        tapes = [mob.name for mob in sources if isinstance(mob.descriptor, aaf2.essence.TapeDescriptor)]
    assert tapes == ["A001C003", "A001C003"]
    found = otio.adapters.read_from_file(str(path)).find_clips()
    marks = [
        (clip.name, mark.name, mark.color, mark.marked_range.start_time.value - clock.first)
        for clip in found
        for mark in clip.markers
    ]
    assert marks == [("00000090", "look: Anna: höre", "YELLOW", 90)]


def test_a_clip_of_no_length_is_refused_in_words(tmp_path: Path) -> None:
    tracks = [track(clip("a", 0, None, media=otio.schema.MissingReference()))]
    with pytest.raises(ConfigError, match="does not say how long each clip is") as caught:
        read(otio_file(tmp_path / "list.otio", tracks))
    assert "\n" not in str(caught.value)
