"""Scripts: all formats give the same script, and mistakes are reported with their place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dubcli.artifacts.speech import Phone, Record, Word
from dubcli.errors import ConfigError
from dubcli.speech import pronunciation, script, textgrid
from dubcli.speech.lines import Script

SRT = """1
00:00:00,500 --> 00:00:02,000
ANNA: Hello, <i>my</i> friend.

2
00:00:02,500 --> 00:00:04,000
[a door] - Hello.
"""
VTT = """WEBVTT

NOTE this is a note
of two lines

00:00.500 --> 00:02.000 line:0
<v Anna>Hello, <c.loud>my</c> friend.

two
00:02.500 --> 00:04.000
Hello.
"""
CTM = ";; made by hand\ndub 1 0.50 0.30 hello 0.9\ndub 1 0.90 0.10 <eps>\ndub 1 1.00 0.30 my 0.8 lex anna\n"
JSON = {
    "segments": [
        {
            "start": 0.5,
            "end": 2.0,
            "text": " Room 7 now",
            "words": [
                {"word": "Room", "start": 0.5, "end": 0.9, "score": 0.8, "speaker": "SPEAKER_01"},
                {"word": "7"},
                {"word": "now", "start": 1.5, "end": 2.0, "score": 0.7},
            ],
        }
    ],
    "language": "en",
    "word_segments": [],
}


def read(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Script:
    (folder / name).write_text(text, encoding=encoding)
    return script.load(folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.srt", SRT), ("a.SRT", SRT.replace("\n", "\r\n")), ("a.vtt", VTT), ("a.srt.txt", SRT)],
)
def test_subtitles_are_lines_with_times_and_speakers(tmp_path: Path, name: str, text: str) -> None:
    one, two = read(tmp_path, name, text).lines
    assert (one.text, one.start, one.end) == ("Hello, my friend.", 0.5, 2.0)
    assert (one.speaker or "").casefold() == "anna"
    assert (two.text, two.start, two.speaker) == ("Hello.", 2.5, None)


def test_two_people_in_one_subtitle_are_two_lines(tmp_path: Path) -> None:
    found = read(tmp_path, "a.srt", "1\n00:00:01,000 --> 00:00:02,000\n- ANNA: Yes.\n- DR. NO: No,\nno.\n")
    assert [(line.speaker, line.text) for line in found.lines] == [("ANNA", "Yes."), ("DR. NO", "No, no.")]


def test_plain_text_has_speakers_and_no_times(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "ANNA: Yes.\nYes!\n\nBEN: He said: no.\n")
    lines = [(line.speaker, line.text, line.start) for line in found.lines]
    assert lines == [("ANNA", "Yes.", None), ("ANNA", "Yes!", None), ("BEN", "He said: no.", None)]


@pytest.mark.parametrize(
    "rows",
    [
        "00:00:00:05 00:00:01:05\nHello there.\n\n00:00:01:07 00:00:02:07\nHow are you?\n",
        "1 00:00:00:05 00:00:01:05 Hello there.\n2 00:00:01:07 00:00:02:07 How are you?\n",
        "01:00:00:05\tHello there.\n01:00:01;07\tHow are you?\n",
        "[00:00.200 --> 00:01.200]  Hello there.\n[00:01.300 --> 00:02.300]  How are you?\n",
        "0:00\nHello there.\n0:01\nHow are you?\n",
        "0.200000\t1.200000\tHello there.\n1.300000\t2.300000\tHow are you?\n",  # labels of Audacity
        "0,200000\t1,200000\tHello there.\n1,300000\t2,300000\tHow are you?\n",  # where decimals have a comma
        # ELAN's text with tabs: tier, participant, begin, end, value
        "Ann\t\t00:00:00.200\t0.2\t00:00:01.200\t1.2\tHello there.\n"
        "Ann\t\t00:00:01.300\t1.3\t00:00:02.300\t2.3\tHow are you?\n",
    ],
)
def test_times_at_the_heads_of_lines_are_no_words(rows: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(rows)
    found = script.load(tmp_path / "a.txt")
    assert [line.text for line in found.lines] == ["Hello there.", "How are you?"]
    assert re.search(r"a\.txt:1:1: times such as .* are not read", found.faults[0])
    (tmp_path / "b.txt").write_text("Meet me at 3:30.\n3:30 it is.\nFine.\n10 of us?\nYes.\n")
    assert script.load(tmp_path / "b.txt").lines[1].text == "3:30 it is."


def test_captions_of_youtube_are_lines_with_times(tmp_path: Path) -> None:
    rows = "0:00:00.200,0:00:01.200\n>> ANNA: Hello.\n\n0:01:01.300,0:01:02.300\nYes.\n"
    (tmp_path / "a.sbv").write_text(rows)
    found = script.load(tmp_path / "a.sbv")
    assert [(line.start, line.end, line.speaker, line.text) for line in found.lines] == [
        (0.2, 1.2, "ANNA", "Hello."),
        (61.3, 62.3, None, "Yes."),
    ]


@pytest.mark.parametrize("colon", [":", " :", "\u00a0:", "\u202f:", " (V.O.):", " (off) :", " :\n"])
@pytest.mark.parametrize("name", ["ANNA", "ÉLODIE", "DR. NO"])
def test_names_of_speakers_are_written_in_many_ways(name: str, colon: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{name}{colon} Well : go on.\n", encoding="utf-8")
    (line,) = script.load(tmp_path / "a.txt").lines
    assert (line.speaker, line.text) == (name, "Well : go on.")


@pytest.mark.parametrize("name", ["Anna", "Élodie", "Dr. No", "Speaker 2", "O'Hara", "Jean-Luc"])
@pytest.mark.parametrize("form", ["{}: {}", "{} : {}", "{} (off): {}", "{}:\n{}"])
def test_names_in_mixed_case_that_come_back_are_speakers(name: str, form: str, tmp_path: Path) -> None:
    rows = [(name, "Well: go on."), ("Ben", "He said: no."), (name, "Remember: it is late."), ("Zoé", "Yes.")]
    text = "\n".join(form.format(who, words) for who, words in rows) + "\nAnd so on.\n"
    found = read(tmp_path, "a.txt", text)
    assert [(line.speaker, line.text) for line in found.lines] == [*rows, ("Zoé", "And so on.")]
    assert not found.faults
    cues = "".join(
        f"{k}\n00:00:0{k},000 --> 00:00:0{k},900\n- {form.format(*row)}\n\n" for k, row in enumerate(rows)
    )
    assert [(line.speaker, line.text) for line in read(tmp_path, "a.srt", cues).lines] == rows


def test_a_name_in_mixed_case_that_does_not_come_back_is_told_of(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "Anna: Hello there.\nBen: Yes.\n")
    assert [(line.speaker, line.text) for line in found.lines] == [
        (None, "Anna: Hello there."), (None, "Ben: Yes."),
    ]  # fmt: skip
    assert "a.txt:1:1: 'Anna:' may name a speaker, and is read as words; write 'ANNA:'" in found.faults[0]
    found = read(tmp_path, "b.txt", "Hello.\nRemember: it is late.\nYes.\nNo.\nRemember: no.\n" + "Go.\n" * 5)
    assert not found.faults
    assert all(line.speaker is None for line in found.lines)


def test_ctm_words_have_exact_times(tmp_path: Path) -> None:
    one, two = read(tmp_path, "a.ctm", CTM).lines
    assert (one.text, one.start, one.end) == ("hello", 0.5, 0.8)
    assert two.speaker == "anna"


def test_a_whisperx_word_without_times_lies_between_its_neighbours(tmp_path: Path) -> None:
    found = read(tmp_path, "a.json", json.dumps(JSON))
    assert found.language == "en"
    assert [(line.text, line.start, line.end) for line in found.lines] == [
        ("Room", 0.5, 0.9), ("7", 0.9, 1.5), ("now", 1.5, 2.0),
    ]  # fmt: skip
    assert found.lines[0].speaker == "SPEAKER_01"


GRID = Record(
    engine="script",
    seconds=2.0,
    words=(Word(start=0.5, end=1.1, text='ma "pa" 2'),),
    phones=(Phone(phone="M", start=0.5, end=0.7), Phone(phone="AA", start=0.7, end=1.1)),
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_textgrid_is_the_same_when_read_back(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, "a.TextGrid", textgrid.dump(GRID), encoding)
    assert [(line.text, line.start, line.end) for line in found.lines] == [('ma "pa" 2', 0.5, 1.1)]
    assert [(s.phone, s.start, s.end) for s in found.phones] == [("M", 0.5, 0.7), ("AA", 0.7, 1.1)]


def test_a_short_textgrid_with_stress_ipa_and_pauses_is_read(tmp_path: Path) -> None:
    text = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n2\n'
        '"IntervalTier"\n"anna - phones"\n0\n2\n4\n0\n0.5\n"sil"\n0.5\n0.7\n"M"\n0.7\n1\n"AA1"\n1\n2\n"ʃ"\n'
        '"IntervalTier"\n"anna - words"\n0\n2\n1\n0.5\n2\n"mash"\n'
    )
    found = read(tmp_path, "a.TextGrid", text)
    assert [sound.phone for sound in found.phones] == ["M", "AA", "SH"]
    assert found.lines[0].speaker == "anna"


def test_tiers_named_after_speakers_are_their_lines(tmp_path: Path) -> None:
    tier = textgrid.dump(GRID).replace('"words"', '"Anna"').replace('"phones"', '"notes"')
    assert {line.speaker for line in read(tmp_path, "a.TextGrid", tier).lines} == {"Anna", "notes"}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.srt", "", "a.srt:1:1: the script holds no words"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n[music]\n", "a.srt:1:1: the script holds no words"),
        ("a.srt", "1\n00:00:01,000 > 00:00:02,000\nhello\n", "a.srt:2:1: not a line of times"),
        ("a.vtt", "WEBVTT\n\nhello there\nyou\n", "a.vtt:3:1: no times"),
        ("a.ctm", "dub 1 0.5 x hello\n", "a.ctm:1:1"),
        ("a.ctm", "dub 1 nan 1 hello\n", "a.ctm:1:1"),
        ("a.json", '{"segments": [}', "a.json:1:15"),
        ("a.json", '{"segments": [{"start": -1}]}', "a.json:1:1: it lies before the beginning"),
        ("a.json", "[]", "not a transcript of WhisperX"),
        ("a.TextGrid", "hello", "a.TextGrid:1:1: not a TextGrid"),
        ("a.TextGrid", textgrid.dump(GRID)[:700], r"a.TextGrid:\d+:\d+: .*ends before"),
        ("a.jpeg", "hello", "not a script, by its suffix"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_with_their_place(tmp_path: Path, name: str, text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        read(tmp_path, name, text)


@pytest.mark.parametrize("text", ["Где она?\n", "Дома.\n"])
def test_another_encoding_is_reported_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"1\n" + text.encode("cp1251"))
    with pytest.raises(ConfigError, match=r"a\.txt:2:1: not UTF-8"):
        script.load(tmp_path / "a.txt")


def test_windows_1252_is_read_and_reported(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Bonjour à tous.\nC’était l'été dernier, à la mer.\n".encode("cp1252"))
    found = script.load(tmp_path / "a.txt")
    assert found.lines[1].text == "C’était l'été dernier, à la mer."
    assert "a.txt:1:9: not UTF-8, so it is read as Windows-1252" in found.faults[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\r\r\n"])
def test_byte_order_marks_and_line_endings_make_no_difference(
    tmp_path: Path, encoding: str, newline: str
) -> None:
    (tmp_path / "a.srt").write_bytes(SRT.replace("\n", newline).encode(encoding))
    one, two = script.load(tmp_path / "a.srt").lines
    assert (one.text, one.speaker, two.text) == ("Hello, my friend.", "ANNA", "Hello.")


def test_a_missing_script_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.srt"):
        script.load(tmp_path / "no.srt")


def test_english_words_have_the_pronunciation_of_the_dictionary() -> None:
    say = pronunciation.Pronunciation("en")
    assert say("“Bob’s”") == ("B", "AA", "B", "Z")
    assert say("—") == ()
    assert say("bzzp")[0] == "B"  # in no dictionary


def test_ipa_is_mapped_without_stress_length_and_tone() -> None:
    assert pronunciation.from_ipa(["ˈɑ̃ː", "tʃ", "aɪ", "pʰ", "ç", "ɲ", "ts.", "ˌɪ"]) == (
        "AA", "CH", "AY", "P", "HH", "N", "Y", "CH", "IH",
    )  # fmt: skip
