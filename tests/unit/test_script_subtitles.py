"""Subtitles found in practice: a bad cue is left out and reported with its line, and the rest is read."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubcli.errors import ConfigError
from dubcli.speech import lyrics, plain, script
from dubcli.speech.lines import Script, tidy
from dubcli.speech.subtitles import read as parse
from dubcli.speech.subtitles import substation


def read(folder: Path, name: str, text: str) -> Script:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return script.load(folder / name)


def spoken(found: Script) -> list[tuple[str | None, str]]:
    return [(line.speaker, line.text) for line in found.lines]


GOOD = "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n"
LAST = "\n3\n00:00:05,000 --> 00:00:06,000\nThree.\n"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("2\n00:00:04,000 --> 00:00:03,000\nTwo.\n", "6:1: it ends at 3 s, before it starts at 4 s"),
        ("2\n-00:00:04,000 --> -00:00:03,000\nTwo.\n", r"6:1: it lies before the beginning \(-4 s\)"),
        ("2\n00:00:-4,000 --> 00:00:03,000\nTwo.\n", "6:1: not a line of times"),
        ("2\n00:00:03,000 --> 00:00:04werwer,580\nTwo.\n", "6:1: not a line of times"),
        ("2\n00:00:03,000 -->\nTwo.\n", "6:1: not a line of times"),
        ("2\n00:00:03:12 --> 00:00:04:00\nTwo.\n", "6:1: not a line of times"),
        ("2\n00:00:03,000 > 00:00:04,000\nTwo.\n", "6:1: not a line of times"),
    ],
)  # fmt: skip
def test_only_a_bad_cue_is_left_out_and_reported_with_its_line(tmp_path: Path, bad: str, why: str) -> None:
    found = read(tmp_path, "a.srt", GOOD + bad + LAST)
    assert [line.text for line in found.lines] == ["One.", "Three."]
    (fault,) = found.faults
    assert re.search(rf"a\.srt:{why}.*; this cue is left out$", fault)


@pytest.mark.parametrize(
    ("times", "start", "end"),
    [
        ("00:00:0,500 --> 00:00:2,00", 0.5, 2.0),
        ("00:01.500 --> 00:02.000", 1.5, 2.0),
        ("1:02:03,5 --> 1:02:04.25", 3723.5, 3724.25),
        ("00:00:01 --> 00:00:02", 1.0, 2.0),
        ("00: 00: 01, 500 -> 00: 00: 02, 000", 1.5, 2.0),
        ("00:00:01,500-->00:00:02,000", 1.5, 2.0),
        ("00:00:01,500 --> 00:00:02,000 X1:100 X2:200 Y1:10 Y2:20", 1.5, 2.0),
        ("00:01.500 --> 00:02.000 align:start position:0% line:-1", 1.5, 2.0),
        ("00:00:01,500 —> 00:00:02,000", 1.5, 2.0),
        ("100:00:01,500 --> 100:00:02,000", 360001.5, 360002.0),
    ],
)
def test_times_are_read_however_they_are_written(
    tmp_path: Path, times: str, start: float, end: float
) -> None:
    (line,) = read(tmp_path, "a.srt", f"1\n{times}\nHello.\n").lines
    assert (line.start, line.end, line.text) == (start, end, "Hello.")


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ("<i>ANNA:</i> Yes.", [("ANNA", "Yes.")]),
        ("{\\an8}ANNA: Yes.", [("ANNA", "Yes.")]),
        ("ANNA:\nYes.", [("ANNA", "Yes.")]),
        ("ÉTIENNE:Oui.\nMAN 2: Non.", [("ÉTIENNE", "Oui."), ("MAN 2", "Non.")]),
        ("他说：不。", [(None, "他说：不。")]),
        ("<b>- ANNA:</b> Yes.\n<b>- No.</b>", [("ANNA", "Yes."), (None, "No.")]),
        ("&gt;&gt; ANNA: Yes.\n>> No.", [("ANNA", "Yes."), (None, "No.")]),
        ("ANNA: At 10:30,\nHTTP://x is up", [("ANNA", "At 10:30, HTTP://x is up")]),
        ("Tom &amp; Jerry&nbsp;run &lt;fast&gt;\\Nand far\\hoff", [(None, "Tom & Jerry run and far off")]),
        ("One.\n \nTwo.\n\nThree.", [(None, "One. Two. Three.")]),
        ("<font color=\"#ff0\">Hel</font>lo<br>you", [(None, "Hello you")]),
        ("♪ la la ♪ [laughs] (sighs (deeply)) go", [(None, "la la go")]),
        ("- Yes.\n- No.", [(None, "Yes."), (None, "No.")]),
        ("I <3 you, a < b", [(None, "I <3 you, a < b")]),
        ("{\\k20}Hel{\\k30}lo", [(None, "Hello")]),
        ("\u200bHe\u200bllo\ufeff \x07you", [(None, "Hello you")]),
        ("7", [(None, "7")]),
    ],
)  # fmt: skip
def test_layout_tags_are_not_spoken(tmp_path: Path, rows: str, lines: list[tuple[str | None, str]]) -> None:
    found = read(tmp_path, "a.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{rows}\n{LAST}")
    assert spoken(found) == [*lines, (None, "Three.")]
    assert not found.faults


def test_cues_need_no_blank_rows_between_them_and_no_numbers(tmp_path: Path) -> None:
    close = GOOD.rstrip() + "\n2\n00:00:03,000 --> 00:00:04,000\n7\n" + LAST.lstrip()
    assert [line.text for line in read(tmp_path, "a.srt", close).lines] == ["One.", "7", "Three."]
    rows = [row for row in close.split("\n") if row not in ("1", "2", "3")]
    assert [line.text for line in read(tmp_path, "a.srt", "\n".join(rows)).lines] == ["One.", "7", "Three."]
    apart = "\n\n".join(close.split("\n"))  # a blank row after each row
    assert [line.text for line in read(tmp_path, "a.srt", apart).lines] == ["One.", "7", "Three."]


def test_cues_out_of_order_and_empty_ones(tmp_path: Path) -> None:
    empty = "9\n00:00:00,000 --> 00:00:00,000\n\n10\n00:00:00,000 --> 00:00:00,000\n"
    found = read(tmp_path, "a.srt", LAST + "\n" + GOOD + empty)
    assert [line.text for line in found.lines] == ["One.", "Three."]
    assert not found.faults


YOUTUBE = """WEBVTT
Kind: captions
Language: es-419

00:00:00.320 --> 00:00:02.790 align:start position:0%
 
hello<00:00:00.640><c> everyone</c>

00:00:02.790 --> 00:00:02.800 align:start position:0%
hello everyone
 

00:00:02.800 --> 00:00:05.000 align:start position:0%
hello everyone
today<00:00:03.200><c> we</c><00:00:03.400><c> sing</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
today we sing
 

00:00:05.010 --> 00:00:07.000 align:start position:0%
today we sing
la
"""


def test_repeated_rows_of_roll_up_captions_are_removed(tmp_path: Path) -> None:
    found = read(tmp_path, "a.vtt", YOUTUBE)
    assert [line.text for line in found.lines] == ["hello everyone", "today we sing", "la"]
    assert found.language == "es-419"
    assert not found.faults


def test_repeated_lines_are_kept_where_captions_do_not_roll_up(tmp_path: Path) -> None:
    cues = [
        f"{k}\n00:00:0{k},000 --> 00:00:0{k + 1},000\n{text}\n"
        for k, text in enumerate(["No.", "No.", "Go.", "Up.", "Up."])
    ]
    assert len(read(tmp_path, "a.srt", "\n".join(cues)).lines) == 5


def test_notes_styles_regions_and_names_of_cues_are_not_spoken(tmp_path: Path) -> None:
    text = (
        "\ufeffWEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:bill\nwidth:40%\n\n"
        "NOTE one\nmore\n\n"
        "intro\n00:01.000 --> 00:02.000\n<v.loud Anna &amp; Co>Hi</v> <v Ben>Yo</v>\n\n"
        "NOTE between\n00 not times\n\n00:03.000 --> 00:04.000\n\n<ruby>go<rt>went</rt></ruby> on\n\n"
        "and on\n\nlast one\n"
        "00:05.000 --> 00:06.000\nEnd\n"
    )
    found = read(tmp_path, "a.vtt", text)
    assert spoken(found) == [("Anna & Co", "Hi"), ("Ben", "Yo"), (None, "go on and on"), (None, "End")]
    assert not found.faults


def test_text_before_the_first_times_is_reported(tmp_path: Path) -> None:
    found = read(tmp_path, "a.srt", "Downloaded from somewhere\n\n" + GOOD)
    assert [line.text for line in found.lines] == ["One."]
    assert "a.srt:1:1: no times" in found.faults[0]


def test_what_pysubs2_writes_is_read_as_it_was(tmp_path: Path) -> None:
    subs = pysubs2.SSAFile()
    for k in range(5):
        subs.append(
            pysubs2.SSAEvent(start=1000 * k, end=1000 * k + 900, text=f"Line {k}\\Nand more", name="ANNA")
        )
    for suffix, speaker in (("srt", None), ("vtt", None), ("ass", "ANNA"), ("ssa", "ANNA")):
        subs.save(str(tmp_path / f"b.{suffix}"))
        found = script.load(tmp_path / f"b.{suffix}")
        lines = [(line.start, line.end, line.text, line.speaker) for line in found.lines]
        assert lines == [(k, k + 0.9, f"Line {k} and more", speaker) for k in range(5)]
        assert not found.faults


ASS = """[Script Info]
; comment
[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,Anna,0,0,0,,{\\an8\\pos(1,2)}Yes, {\\i1}no{\\i0}\\Nmaybe
Dialogue: 1,0:00:01.00,0:00:02.00,Default,Anna,0,0,0,,{\\blur3}Yes, no\\Nmaybe
Comment: 0,0:00:03.00,0:00:04.00,Default,Anna,0,0,0,,Unsaid
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}
Dialogue: 0,0:00:0x.00,0:00:04.00,Default,,0,0,0,,Bad
Dialogue: 0,0:00:05.00
Dialogue: 0,0:00:06.00,0:00:05.00,Default,,0,0,0,,Backwards
Dialogue: 0,0:00:07.00,0:00:08.00,Default,,0,0,0,,- BEN: One\\N- Two
"""


def test_substation_has_actors_and_keeps_lines_of_faults(tmp_path: Path) -> None:
    found = read(tmp_path, "a.ass", ASS)
    assert spoken(found) == [("Anna", "Yes, no maybe"), ("BEN", "One"), (None, "Two")]
    assert [fault.split(": ")[0].rpartition("/")[2] for fault in found.faults] == [
        "a.ass:12:1", "a.ass:13:1", "a.ass:14:1",
    ]  # fmt: skip


PIECES = st.sampled_from(
    ["00:00:01,000", "-->", " --> ", "\n", "\n\n", " ", "1", "WEBVTT\n", "NOTE", "<v Anna>", "</v>", "ANNA:",
     "- ", "{\\p1}", "Dialogue: ", ",", "0:00:01.00", "&amp;", "\\N",
     "[", "(", "<", ">", "é", "\ud800", "\0", "٣",
     "99999", ".", ":"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map("".join))
def test_no_text_breaks_a_reader(text: str) -> None:
    for reader in (parse, substation, plain.read, lyrics.read):
        found = tidy(reader(text, "a.srt"))
        starts = [line.start for line in found.lines]
        assert starts == sorted(starts, key=lambda start: start or 0)
        for line in found.lines:
            line.text.encode()
            assert line.text == " ".join(line.text.split())
            assert 0 <= (line.start or 0) <= (line.end or 0)
            assert line.place.startswith("a.srt:")


@pytest.mark.parametrize(
    "piece", [" ", "[", "{\\", "<v ", "A-", "00:", "00:00:01,000 --> ", "&", "A ", "\n", "-->1", "'"]
)
def test_time_grows_no_faster_than_the_length_of_a_text(tmp_path: Path, piece: str) -> None:
    row = "1\n00:00:01,000 --> 00:00:02,000\nHello " + piece * (300_000 // len(piece)) + "\n"
    begun = time.process_time()
    try:
        found = read(tmp_path, "a.srt", row)
    except ConfigError:
        found = Script(())
    assert time.process_time() - begun < 6
    assert len(found.lines) <= 150_000
