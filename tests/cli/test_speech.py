"""`--script`, `dubcli speech` and `dubcli motion`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import dubcli.demo
from dubcli.speech import script
from tests.cli.conftest import Dubcli
from tests.cli.test_run import events_of
from tests.conftest import Sample

ENGLISH = Path(dubcli.demo.__file__).parent / "speech_en.flac"
SRT = """1
00:00:00,800 --> 00:00:02,500
ANNA: Hello. This is a sample film.

2
00:00:03,200 --> 00:00:06,200
BEN: A photograph moves its lips, a computer lends it a voice.
"""
BLIND = ("--engine", "tracker=passthrough", "--engine", "lips=passthrough")


def test_a_script_is_followed_and_comes_out_as_a_textgrid(
    tmp_path: Path, tiny: Sample, dubcli: Dubcli
) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    words = ("run", tiny.film, "-a", ENGLISH, "-o", "out.mp4", "--job", "job", *BLIND)
    first = dubcli(*words, "--script", "a.srt")
    assert first.returncode == 0, first.stderr
    report = json.loads((tmp_path / "job" / "report.json").read_text())
    assert "script" in [engine["name"] for engine in report["engines"]]
    assert dubcli("speech", "export", "job", "-o", "a.TextGrid").stdout.strip() == "a.TextGrid"
    found = script.load(tmp_path / "a.TextGrid")
    assert [line.text for line in found.lines[:3]] == ["Hello.", "This", "is"]
    assert found.phones
    heard = json.loads(dubcli("speech", "export", "job", "--format", "json").stdout)
    assert {word["speaker"] for word in heard["words"]} == {"ANNA", "BEN"}
    # The script belongs to the job; its words count, not its name.
    (tmp_path / "a.srt").rename(tmp_path / "b.srt")
    assert dubcli("plan", "job", "--script", "b.srt", "--json").returncode == 0
    before = len(events_of(tmp_path / "job"))
    assert dubcli("run", "job", "--script", "b.srt").returncode == 0
    ran = [e for e in events_of(tmp_path / "job")[before:] if e["type"] == "unit.start"]
    assert ran == []


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "a.srt:1:1: the script holds no words"),
        (b"1\n00:00:01 > 00:00:02\nhello\n", "a.srt:2:1: not a line of times"),
        ("1\n00:00:01,000 --> 00:00:02,000\nété\n".encode("latin-1"), "a.srt:3:1: not UTF-8"),
    ],
)
def test_a_bad_script_ends_with_4_before_anything_runs(
    tmp_path: Path, tiny: Sample, dubcli: Dubcli, data: bytes, told: str
) -> None:
    (tmp_path / "a.srt").write_bytes(data)
    done = dubcli("run", tiny.film, "-a", tiny.dub, "-o", "out.mp4", "--script", "a.srt", *BLIND)
    assert done.returncode == 4
    assert told in done.stderr


def test_an_edited_curve_runs_again_in_its_own_shot_only(
    tmp_path: Path, tiny: Sample, one_store: tuple[str, str], dubcli: Dubcli
) -> None:
    words = ("run", tiny.film, "-a", tiny.dub, "-o", "out.mp4", "--job", "job", *one_store)
    settings = ("--engine", "aligner=passthrough", "--set", "track.views=1", "--set", "report.measure=0")
    assert dubcli(*words, *settings).returncode == 0
    (tmp_path / "cues.csv").write_text("shot,track,kind,start,stop,amplitude\n0,0,speak,2,18,1.5\n")
    assert dubcli("cue", "import", "cues.csv", "--job", "job").returncode == 0
    assert dubcli("run", "job").returncode == 0
    face = "00000000/0"
    assert dubcli("motion", "export", face, "--job", "job", "-o", "a.csv").returncode == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [row["frame"] for row in rows][:2] == ["2", "3"]
    assert "nothing in it differs" in dubcli("motion", "import", face, "a.csv", "--job", "job").stderr

    (tmp_path / "b.csv").write_text("frame,aperture\n8,0.2\n9,0.2\n")
    told = dubcli("motion", "import", face, "b.csv", "--job", "job")
    assert told.stdout.strip() == "job/curves/00000000.0.csv"
    before = len(events_of(tmp_path / "job"))
    assert dubcli("run", "job").returncode == 0
    ran = [e["stage"] for e in events_of(tmp_path / "job")[before:] if e["type"] == "unit.start"]
    assert ran == ["motion", "lips", "compose", "remux", "report"]
    now = dubcli("motion", "export", face, "--job", "job").stdout.splitlines()
    assert [row.split(",")[2] for row in now if row.startswith(("8,", "9,"))] == ["0.2000", "0.2000"]

    (tmp_path / "b.csv").write_text("frame,aperture\n800,0.2\n")
    done = dubcli("motion", "import", face, "b.csv", "--job", "job")
    assert (done.returncode, "b.csv:2:1: frame 800 is out of range" in done.stderr) == (4, True)
    assert dubcli("motion", "export", "00000000/7", "--job", "job").returncode == 2


def test_after_a_script_was_refused_the_job_goes_on(tmp_path: Path, tiny: Sample, dubcli: Dubcli) -> None:
    (tmp_path / "bad.srt").write_text("no subtitle\n")
    words = ("run", tiny.film, "-a", tiny.dub, "-o", "out.mp4", "--job", "job", *BLIND)
    assert dubcli(*words, "--engine", "aligner=passthrough", "--stage", "probe").returncode == 0
    for refused in (words, ("run", "job")):
        assert dubcli(*refused, "--script", "bad.srt").returncode == 4
    for command in (("status", "job"), ("cache", "prune", "job"), ("plan", "job")):
        done = dubcli(*command)
        assert done.returncode == 0, done.stderr


def test_bad_cues_are_warned_of_and_the_rest_is_followed(
    tmp_path: Path, tiny: Sample, dubcli: Dubcli
) -> None:
    bad = "3\n00:00:05,000 --> 00:00:04,000\nBackwards.\n\n4\n00:00:aa,000 --> 00:00:04,000\nUnreadable.\n"
    (tmp_path / "a.srt").write_text(SRT + "\n" + bad)
    words = ("run", tiny.film, "-a", ENGLISH, "-o", "out.mp4", "--job", "job", *BLIND, "--script", "a.srt")
    done = dubcli(*words)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert "a.srt:10:1: it ends at 4 s, before it starts at 5 s; this cue is left out" in told
    assert "a.srt:14:1: not a line of times" in told
    heard = json.loads(dubcli("speech", "export", "job", "--format", "json").stdout)
    assert {word["speaker"] for word in heard["words"]} == {"ANNA", "BEN"}


def test_phones_that_were_exported_without_words_are_a_script(
    tmp_path: Path, tiny: Sample, dubcli: Dubcli
) -> None:
    words = ("run", tiny.film, "-a", ENGLISH, "-o", "out.mp4", "--job", "job", *BLIND)
    assert dubcli(*words).returncode == 0
    assert dubcli("speech", "export", "job", "-o", "a.TextGrid").returncode == 0
    before = json.loads(dubcli("speech", "export", "job", "--format", "json").stdout)
    again = dubcli("run", "job", "--script", "a.TextGrid")
    assert again.returncode == 0, again.stderr
    after = json.loads(dubcli("speech", "export", "job", "--format", "json").stdout)
    assert (before["engine"], after["engine"], after["words"]) == ("phones", "script", [])
    assert [p["phone"] for p in after["phones"]] == [p["phone"] for p in before["phones"]]
