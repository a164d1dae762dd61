"""TTML and LRC as services and editing programs write them; other formats are refused with what to type."""

from __future__ import annotations

import time
from pathlib import Path

import pysubs2
import pytest

from dubcli.errors import ConfigError
from dubcli.speech import script
from dubcli.speech.lines import Script

Row = tuple["float | None", "float | None", "str | None", str]


def read(folder: Path, name: str, text: str) -> Script:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return script.load(folder / name)


def rows(found: Script) -> list[Row]:
    return [(line.start, line.end, line.speaker, line.text) for line in found.lines]


def ttml(body: str, attributes: str = "", head: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-16"?>\n<tt xmlns="http://www.w3.org/ns/ttml"\n'
        ' xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling"\n'
        f' xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xml:lang="fr-CA" {attributes}>\n'
        f"<head>{head}</head>\n<body>{body}</body></tt>"
    )


def cue(begin: str, end: str, text: str = "Oui.") -> str:
    return f'<div><p begin="{begin}" end="{end}">{text}</p></div>'


@pytest.mark.parametrize("suffix", ["ttml", "dfxp", "itt", "xml", "TTML"])
def test_ttml_is_lines_with_times_a_language_and_no_layout(tmp_path: Path, suffix: str) -> None:
    text = (
        '\n <span tts:color="red">Il dit&#160;:</span><br/>\n« non »\n &amp; <metadata>x</metadata>puis oui'
    )
    found = read(tmp_path, f"a.{suffix}", ttml(cue("00:00:01.500", "00:00:02.250", text)))
    assert rows(found) == [(1.5, 2.25, None, "Il dit : « non » & puis oui")]
    assert found.language == "fr-CA"
    assert not found.faults


@pytest.mark.parametrize(
    ("begin", "attributes", "seconds"),
    [
        ("00:01:02.5", "", 62.5), ("0:01:02,5", "", 62.5), ("1:02.5", "", 62.5), ("62.5", "", 62.5),
        ("01:00:00:12", 'ttp:frameRate="24"', 3600.5),
        ("00:00:01:15", "", 1.5), ("90f", 'ttp:frameRate="30"', 3.0), ("1.5s", "", 1.5), ("1500ms", "", 1.5),
        ("0.5m", "", 30.0), ("1h", "", 3600.0), ("15000000t", 'ttp:tickRate="10000000"', 1.5),
        ("50t", 'ttp:frameRate="25"', 2.0), ("2t", "", 2.0),
        ("00:00:10:12", 'ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"', 10.5005),
        ("00:00:10:00", 'ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001" ttp:timeBase="smpte"', 10.01),
        (
            "01:00:00;00",
            'ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" ttp:timeBase="smpte" '
            'ttp:dropMode="dropNTSC"',
            3599.9964,
        ),
        ("00:00:01:12.1", 'ttp:frameRate="25" ttp:subFrameRate="2"', 1.5),
    ],
)  # fmt: skip
def test_times_are_counted_as_the_document_says(
    tmp_path: Path, begin: str, attributes: str, seconds: float
) -> None:
    (line,) = read(tmp_path, "a.ttml", ttml(cue(begin, "9000s"), attributes)).lines
    assert line.start == pytest.approx(seconds, abs=1e-6)


def test_times_lie_within_those_of_the_elements_around(tmp_path: Path) -> None:
    body = (
        '<div begin="10s" end="20s"><p dur="1.5s">One.</p><p begin="2s">Two.</p>'
        '<p begin="3s" end="99s">Three.</p>\n'
        '<p><span begin="4s" end="5s">Four,</span> <span begin="5s" end="6s">five.</span></p>'
        '</div><div timeContainer="seq"><p dur="30s">Six.</p><p begin="1s" dur="2s">Seven.</p></div>'
    )
    assert rows(read(tmp_path, "a.ttml", ttml(body))) == [
        (0.0, 30.0, None, "Six."), (10.0, 11.5, None, "One."), (12.0, 20.0, None, "Two."),
        (13.0, 20.0, None, "Three."), (14.0, 15.0, None, "Four,"), (15.0, 16.0, None, "five."),
        (31.0, 33.0, None, "Seven."),
    ]  # fmt: skip


def test_times_of_itunes_lyrics_count_from_the_beginning(tmp_path: Path) -> None:
    body = (
        '<div begin="10.5" end="20"><p begin="10.5" end="12"><span begin="11" end="12">Oui.</span></p></div>'
    )
    itunes = 'xmlns:itunes="http://music.apple.com/lyric-ttml-internal" itunes:timing="Word"'
    assert rows(read(tmp_path, "a.ttml", ttml(body, itunes))) == [(11.0, 12.0, None, "Oui.")]


def test_agents_and_names_are_speakers(tmp_path: Path) -> None:
    head = (
        '<metadata><ttm:agent xml:id="a1" type="character"><ttm:name type="alias">Anna B.</ttm:name>'
        '</ttm:agent><ttm:agent xml:id="BEN" type="person"/></metadata>'
    )
    body = (
        '<div><p begin="1s" end="2s" ttm:agent="a1">Oui.</p><p begin="2s" end="3s"><span ttm:agent="BEN">Non.'
        '</span></p><p begin="3s" end="4s">- CLÉO : Si.<br/>- Non.</p></div>'
    )
    assert [(who, text) for _, _, who, text in rows(read(tmp_path, "a.ttml", ttml(body, "", head)))] == [
        ("Anna B.", "Oui."), ("BEN", "Non."), ("CLÉO", "Si."), (None, "Non."),
    ]  # fmt: skip


def test_ruby_is_said_once(tmp_path: Path) -> None:
    head = '<styling><style xml:id="rt" tts:ruby="text"/></styling>'
    ruby = '<span tts:ruby="base">東京</span><span style="rt">とうきょう</span>'
    text = f'<span tts:ruby="container">{ruby}</span>へ'
    assert rows(read(tmp_path, "a.ttml", ttml(cue("1s", "2s", text), "", head)))[0][3] == "東京へ"


def test_a_bad_time_costs_its_cue_and_is_reported_with_its_line(tmp_path: Path) -> None:
    body = cue("soon", "2s") + "\n" + cue("3s", "2s") + "\n" + cue("4s", "5s")
    found = read(tmp_path, "a.ttml", ttml(body))
    assert rows(found) == [(4.0, 5.0, None, "Oui.")]
    one, two = found.faults
    assert "a.ttml:6:1: 'soon' is no time such as 00:00:01.500; this cue is left out" in one
    assert "a.ttml:7:1: it ends at 2 s, before it starts at 3 s; this cue is left out" in two


def test_a_bad_time_around_cues_costs_itself_alone(tmp_path: Path) -> None:
    found = read(tmp_path, "a.ttml", ttml(f'<div begin="soon">{cue("4s", "5s")}</div>'))
    assert rows(found) == [(4.0, 5.0, None, "Oui.")]
    assert "'soon' is no time such as 00:00:01.500; this time is left out" in found.faults[0]


BOMB = '<!DOCTYPE tt [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><tt><body><div><p>&b;</p></div></body></tt>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "a.ttml:1:1: it declares entities"),
        ('<!DOCTYPE tt [<!ENTITY x SYSTEM "file:///etc/passwd">]><tt>&x;</tt>', "declares entities"),
        ("<tt><body></tt>", "a.ttml:1:13: not well-formed XML"), ("", "a.ttml:1:1: not well-formed XML"),
        ('<fcpxml version="1.9"/>', "no TTML, whose root is tt: it is fcpxml"),
        ("<tt/>", "holds no words"), ("<tt>" + "<div>" * 100_000, "lie too deep"),
    ],
)  # fmt: skip
def test_what_is_no_ttml_is_refused(tmp_path: Path, text: str, why: str) -> None:
    begun = time.process_time()
    with pytest.raises(ConfigError, match=why):
        read(tmp_path, "a.ttml", text)
    assert time.process_time() - begun < 2


def test_ttml_that_pysubs2_writes_is_read_as_it_was(tmp_path: Path) -> None:
    subs = pysubs2.SSAFile()
    subs.extend(
        pysubs2.SSAEvent(start=k * 1000, end=k * 1000 + 900, text=f"Line {k}\\Nand on") for k in range(3)
    )
    subs.save(str(tmp_path / "b.ttml"))
    assert rows(script.load(tmp_path / "b.ttml")) == [
        (k, k + 0.9, None, f"Line {k} and on") for k in range(3)
    ]


def test_lrc_is_lines_that_last_until_the_next(tmp_path: Path) -> None:
    text = (
        "[ti:Film]\n[offset:+500]\n[la:fr]\n[00:01.50]ANNA: Bonjour.\n[00:03.00]<00:03.00>Ça <00:03.40>va ?\n"
        "[00:04.00]\n[00:30.00][00:06:50]Oui.\nwho wrote this\n"
    )
    found = read(tmp_path, "a.lrc", text)
    assert rows(found) == [
        (1.0, 2.5, "ANNA", "Bonjour."), (2.5, 3.5, None, "Ça va ?"), (6.0, 16.0, None, "Oui."),
        (29.5, 39.5, None, "Oui."),
    ]  # fmt: skip
    assert found.language == "fr"
    assert [fault.split(": ", 1)[0].rpartition("/")[2] for fault in found.faults] == ["a.lrc:8:1"]


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("my dub.scc", "as with: ffmpeg -i '.*my dub.scc' '.*my dub'.srt"),
        ("dub.STL", "as with: SubtitleEdit /convert .*dub.STL subrip"), ("dub.docx", "soffice --headless"),
        ("dub.pdf", "pdftotext -layout"), ("dub.fdx", "save it as one of .*.srt .*.txt"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_what_to_type(tmp_path: Path, name: str, command: str) -> None:
    with pytest.raises(ConfigError, match=command):
        read(tmp_path, name, "x")
