"""Cues as a person edits them: JSON or a table, frames or times, checked against the film to the column."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dubcli.edits import cuefile
from dubcli.edits.cuefile import Edit, Face, Film
from dubcli.edits.persons import find_person
from dubcli.errors import ConfigError

FILM = Film(
    shots={"00000000": (0, 100), "00000100": (100, 200)},
    faces={"00000000": [Face(0, 100, "p01"), Face(20, 60, "p02")], "00000100": [Face(100, 200, "p02")]},
    persons={"p01": "Ann", "p02": "Bob, the \"tall\""},
    seconds=[k / 25 for k in range(200)],
)  # fmt: skip


def decided(text: str, folder: Path, name: str = "cues.csv") -> dict[str, list[Edit]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return cuefile.resolve(*cuefile.load(path), FILM)


def test_what_is_exported_is_what_is_imported(tmp_path: Path) -> None:
    edits = {
        "00000000": [Edit(0, 5, 30, "speak"), Edit(1, 20, 60, "still")],
        "00000100": [Edit(0, 100, 110, "speak")],
    }
    rows = [
        {"shot": shot, "track": e.track, "person": FILM.faces[shot][e.track].person, "kind": e.kind,
         "start": e.start, "stop": e.stop, "time": cuefile.clock(e.start / 25), "confidence": 0.5,
         "name": FILM.persons[FILM.faces[shot][e.track].person], "why": "because, \"so\""}
        for shot, own in edits.items() for e in own
    ]  # fmt: skip
    assert decided(cuefile.to_csv(rows), tmp_path) == edits
    assert decided(cuefile.to_json(rows), tmp_path, "cues.json") == edits
    kept = cuefile.job_file(edits)
    assert decided(kept, tmp_path, "cues.json") == edits
    (tmp_path / "cues.json").write_text(kept)
    merged = replace(
        FILM, faces={shot: [replace(f, person="p03") for f in own] for shot, own in FILM.faces.items()}
    )
    found = cuefile.resolve(*cuefile.load(tmp_path / "cues.json"), merged)
    assert found == edits, "whose faces these are may change afterwards"


def test_a_list_is_about_all_shots_or_those_it_names(tmp_path: Path) -> None:
    assert decided("shot,track,kind,start,stop\n", tmp_path) == {"00000000": [], "00000100": []}
    assert decided('{"shots": ["00000100"], "cues": []}', tmp_path, "c.json") == {"00000100": []}


def test_people_write_times_names_and_bare_shot_numbers(tmp_path: Path) -> None:
    head = "shot;person;kind;start;stop"
    found = decided(f"{head}\n100;p02;speak;0:00:04.4;0:00:07.999\n", tmp_path)
    assert found["00000100"] == [Edit(0, 110, 200, "speak")]
    assert decided("shot,person,kind,start,stop\n0,ANN,still,3,9\n", tmp_path)["00000000"] == [
        Edit(0, 3, 9, "still")
    ]


def test_times_as_exported_come_back_as_the_same_frames(tmp_path: Path) -> None:
    times = [f"100,0,speak,{cuefile.clock(k / 25)},{k + 1}" for k in range(100, 200)]
    found = decided("\n".join(["shot,track,kind,start,stop", *times]), tmp_path)
    assert found["00000100"] == [Edit(0, k, k + 1, "speak") for k in range(100, 200)]


@pytest.mark.parametrize(
    ("rows", "place", "text"),
    [
        ("0,0,,speak,5,20\n0,0,,still,19,30", "3:12", "overlaps the cue of the same face at .*:2:1"),
        ("0,0,,speak,90,101", "2:15", "101 is out of range; face 00000000/0 is tracked from 0 to 100"),
        ("0,1,,speak,19,30", "2:12", "19 is out of range"),
        ("0,0,,speak,30,30", "2:15", "not after its start"),
        ("0,0,,speak,0:00:03,0:00:99", "2:20", "is not a time"),
        ("0,0,Carl,speak,5,20", "2:5", "no person 'Carl' in the cast; there are: Ann"),
        ("0,0,p02,speak,5,20", "2:5", "face 00000000/0 is p01, not p02"),
        ("0,7,,speak,5,20", "2:3", "has 2 faces; there is no track 7"),
        ("100,,Ann,speak,105,120", "2:6", "Ann is not in shot 00000100"),
        ("0,,,speak,5,20", "2:1", "give a track or a person"),
        ("50,0,,speak,5,20", "2:1", "no shot 00000050; the nearest is 00000000"),
        ("0,0,,shout,5,20", "2:6", "must be 'speak' or 'still'"),
        ("0,0,,speak,soon,20", "2:12", "must be a frame"),
        ("0,0,,speak,5,20,x", "2:17", "more cells than columns"),
    ],
)
def test_a_mistake_is_reported_with_line_and_column(rows: str, place: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        decided(f"shot,track,person,kind,start,stop\n{rows}\n", tmp_path)
    line = str(caught.value)
    assert re.search(rf"cues\.csv:{place}: .*{text}", line), line


def test_json_mistakes_are_told_with_line_and_column(tmp_path: Path) -> None:
    row = '{"shot": "00000000", "track": 0, "kind": "speak",\n "start": 5, "stop": %s}'
    with pytest.raises(ConfigError, match=r"c\.json:3:14: .*out of range"):
        decided('{"cues": [\n' + row % 400 + "]}", tmp_path, "c.json")
    with pytest.raises(ConfigError, match=r"c\.json:3:26: unknown key 'cues\.0\.wy'"):
        decided('{"cues": [\n' + row % '20, "wy": 1' + "]}", tmp_path, "c.json")
    with pytest.raises(ConfigError, match=r"c\.json:1:12: there is no shot 00000001"):
        decided('{"shots": ["00000001"], "cues": []}', tmp_path, "c.json")
    with pytest.raises(ConfigError, match="the column 'shot' is given twice"):
        decided("shot,shot\n", tmp_path)
    with pytest.raises(ConfigError, match="must name the columns"):
        decided("", tmp_path)
    with pytest.raises(ConfigError, match="must name the columns, and names no 'shot'"):
        decided("<html>a table of a web page</html>\n", tmp_path)
    with pytest.raises(
        ConfigError, match=r"cues\.csv:1:28: unknown column 'amplitud'; did you mean 'amplitude'"
    ):
        decided("shot,track,kind,start,stop,amplitud\n0,0,speak,5,20,2\n", tmp_path)
    (tmp_path / "cues.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ConfigError, match="a spreadsheet or an archive; save it as CSV"):
        cuefile.load(tmp_path / "cues.xlsx")


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("cues.csv", "sep=;\r\nShot;Track;Kind;Start;Stop;;\r\n0,0;0;Speak;5,0;20.0;;\r\n", "utf-8-sig"),
        ("cues.csv", "\nshot,track,kind,start,stop,,\n0,0,speak,5.0,20,,\n,,,,,,\n", "utf-8"),
        ("cues.txt", "shot\ttrack\tkind\tstart\tstop\n0\t0\tspeak\t5\t20\n", "utf-16"),
        ("cues", '{"cues": [{"shot": 0, "track": 0, "kind": "speak", "start": 5.0, "stop": 20}]}', "utf-8"),
    ],
)
def test_tables_come_back_as_programs_write_them(name: str, text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding=encoding, newline="")
    found = cuefile.resolve(*cuefile.load(tmp_path / name), FILM)
    assert found["00000000"] == [Edit(0, 5, 20, "speak")]


def test_people_are_found_by_name_however_it_is_encoded() -> None:
    persons = {"p01": "\u00c5se", "p02": "Ben", "p03": "ben"}
    assert find_person("A\u030ase", persons) == "p01"
    assert find_person("Ben", persons) is None
    with pytest.raises(ValueError, match="p02 and p03 are called 'Ben'; write the id of one"):
        replace(FILM, persons=persons).person("Ben")
