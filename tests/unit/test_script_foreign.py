"""Scripts of other programs in plain text and JSON, and files that are called otherwise than they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dubcli.errors import ConfigError
from dubcli.speech import script
from dubcli.speech.lines import Script

SAID = [("ANNA", "Hello there."), ("BEN", "Yes, I am here."), ("ANNA", "Good.")]
NAMED = [(f"Speaker {number}", text) for number, (_, text) in zip((1, 2, 1), SAID, strict=True)]


def read(folder: Path, name: str, text: str) -> Script:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return script.load(folder / name)


def spoken(found: Script) -> list[tuple[str | None, str]]:
    return [(line.speaker, line.text) for line in found.lines]


@pytest.mark.parametrize(
    "form",
    ["- {}: {}\n", "12. {}: {}\n", "• {} – {}\n", "{}:{}\n", "{} | {}\n", "01:00:00:05 | {} | {}\n",
     "{}\t01:00:00:05\t{}\n", "[00:00:01] {}: {}\n\n", "{}: [00:00:01] {}\n\n", "{} (00:01):\n{}\n\n",
     "{}\t{}\n", "{} – {}\n", "{} (off) - {}\n", "{}\n{}\n\n", "**{}:** {}\n\n", "## {}\n{}\n\n",
     "({}): {}\n", "[{}] : {}\n", "12\t01:00:00:05\t01:00:01:05\t{}\t{}\n",
     "00:00:01:05 - 00:00:02:05\n{}\n{}\n\n",
     "[00:00:01:05 - 00:00:02:05]\n{}\n{}\n\n", "{}  0:03  \n{}\n\n",
     "                {} (CONT'D)\n        (smiles)\n    {}\n\n"],
)  # fmt: skip
@pytest.mark.parametrize("rows", [SAID, NAMED])
def test_names_stand_before_a_tab_or_a_dash_or_over_what_is_said(
    form: str, rows: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert spoken(read(tmp_path, "a.txt", "".join(form.format(*row) for row in rows))) == rows


def test_a_screenplay_may_have_one_line(tmp_path: Path) -> None:
    assert spoken(read(tmp_path, "a.fountain", "EXT. ROAD - NIGHT\n\nANNA\nHello there.\n")) == SAID[:1]


def test_names_in_scripts_that_know_no_case(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "安娜：你好。\n本：是的。\n安娜：好。\n")
    assert spoken(found) == [("安娜", "你好。"), ("本", "是的。"), ("安娜", "好。")]
    found = read(tmp_path, "b.txt", "他说：不。\n")
    assert spoken(found) == [(None, "他说：不。")]
    assert not found.faults


def test_of_a_screenplay_only_the_dialogue_is_said(tmp_path: Path) -> None:
    text = (
        "INT. HOUSE - DAY\n\nAnna enters. She looks\nat the clock.\n\n    ANNA\n  Hello there.\n\n    BEN\n"
        "  Yes, I\n  am here.\n\n    ANNA\n  Good.\n\nFADE OUT.\n"
    )
    found = read(tmp_path, "a.txt", text)
    assert spoken(found) == SAID
    assert "a.txt:1:1: 3 paragraphs of this screenplay stand under no name" in found.faults[0]
    assert len(found.faults) == 1


@pytest.mark.parametrize(
    "text",
    ["Hello\nthere you are.\n\nYes\nI am here.\n\nHello\nagain.\n\nNo\nmore.\n\nThe End of it\nall.\n" * 2,
     "Hello – it is me.\nGood.\n", "CHAPTER ONE\nIt was late.\n\nNobody came.\n", "One.\n\nTwo\nthree.\n"],
)  # fmt: skip
def test_what_is_no_name_is_said(text: str, tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", text)
    words = [word for line in found.lines for word in line.text.split()]
    assert words == text.replace("–", "").split() or all(line.speaker for line in found.lines)


def test_paragraphs_under_no_name_are_the_last_ones_where_it_is_no_screenplay(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "ANNA\nHello.\n\nAre you there?\n\nBEN\nYes.\n\nANNA\nGood.\n")
    assert spoken(found) == [
        ("ANNA", "Hello."),
        ("ANNA", "Are you there?"),
        ("BEN", "Yes."),
        ("ANNA", "Good."),
    ]


WORDS = [{"word": "Oui,", "start": 0.2, "end": 0.5}, {"word": "vite", "start": 0.6, "end": 1.2}]
ENTRIES = [[0.2, 0.5, "Oui,"], [0.6, 1.2, "vite"], [1.2, None, "x"], [3, 2, "y"], [2.0, 3.0, ""]]


@pytest.mark.parametrize(
    ("data", "language"),
    [
        (
            {
                "segments": [{"start": 0.2, "end": 1.2, "text": " Oui, vite", "words": WORDS}],
                "language": "french",
            },
            "fr",
        ),
        ({"task": "transcribe", "language": "french", "text": "Oui, vite", "words": WORDS}, "fr"),
        ({"transcript": "Oui, vite", "words": [{**word, "case": "success"} for word in WORDS]}, ""),
        (
            {
                "result": {"language": "fr"},
                "transcription": [
                    {"offsets": {"from": 200, "to": 500}, "text": " Oui,"},
                    {"offsets": {"from": 600, "to": 1200}, "text": " vite"},
                ],
            },
            "fr",
        ),
        ({"start": 0, "end": 3, "tiers": {"words": {"type": "interval", "entries": ENTRIES}}}, ""),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_json_of_many_recognisers_is_read(name: str, data: Any, language: str, tmp_path: Path) -> None:
    found = read(tmp_path, name, json.dumps(data))
    assert [(line.text, line.start, line.end) for line in found.lines] == [
        ("Oui,", 0.2, 0.5),
        ("vite", 0.6, 1.2),
    ]
    assert found.language == language


@pytest.mark.parametrize(
    "data",
    [{"events": []}, {"results": {}}, {"transcription": {}}, {"words": 3},
     {"tiers": {"words": 3, "phones": None}}, {"transcription": [3, {"offsets": {"from": "x"}}]}],
)  # fmt: skip
def test_other_json_is_refused_in_words(data: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"save it as \.srt|no words|left out"):
        read(tmp_path, "a.json", json.dumps(data))


@pytest.mark.parametrize("form", ["Man {}: Yes.\n", "Man {}\tYes.\n", "Man {}\nYes.\n\n"])
def test_no_number_of_names_takes_long(form: str, tmp_path: Path) -> None:
    text = "".join(form.format(number) for number in [*range(6_000), 0])
    begun = time.process_time()
    found = read(tmp_path, "a.txt", text)
    assert time.process_time() - begun < 3
    assert len({line.speaker for line in found.lines}) == 6_000


SUBSTATION = (
    "[Script Info]\nTitle: x\n[Events]\nFormat: Start, End, Name, Text\n"
    "Dialogue: 0:00:00.20,0:00:01.20,Anna,Oui, vite\nDialogue: 0:00:02.00\n"
)


def test_fields_of_substation_may_be_in_another_order(tmp_path: Path) -> None:
    found = read(tmp_path, "a.ass", SUBSTATION)
    assert [(line.start, line.end, line.speaker, line.text) for line in found.lines] == [
        (0.2, 1.2, "Anna", "Oui, vite")
    ]
    assert "a.ass:6:1: not a row of ten fields" in found.faults[0]


@pytest.mark.parametrize("name", ["a.srt", "a.txt", "a.vtt"])
@pytest.mark.parametrize(
    "text",
    [SUBSTATION, "WEBVTT\n\n00:00.200 --> 00:01.200\n<v Anna>Oui, vite\n",
     '<?xml version="1.0"?><tt><body><p begin="0.2s" end="1.2s">ANNA: Oui, vite</p></body></tt>'],
)  # fmt: skip
def test_a_file_that_is_called_otherwise_than_it_is(name: str, text: str, tmp_path: Path) -> None:
    (line,) = read(tmp_path, name, text).lines
    assert (line.start, line.end, line.text, (line.speaker or "").upper()) == (0.2, 1.2, "Oui, vite", "ANNA")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{\\rtf1\\ansi Hello there.}", "a.txt:1:1: this is RTF"),
        ("<!DOCTYPE html><p>404", "this is a web page"),
    ],
)
def test_what_is_no_script_is_called_by_what_it_is(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=why):
        read(tmp_path, "a.txt", text)
