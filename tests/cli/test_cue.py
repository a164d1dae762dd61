"""`dubcli cue`: whose mouth moves as a table, and the list in which a person corrects it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from dubcli.core.job import Job
from dubcli.demo import film as demo
from tests.cli.conftest import Dubcli
from tests.cli.test_run import events_of
from tests.conftest import once


@pytest.fixture(scope="session")
def three_shots(shared: Path) -> Path:
    """The end of the sample film's first shot, the second without a face, and the beginning of the third."""
    span = (demo.CUTS[0] - 20, demo.CUTS[1] + 20)
    folder = shared / "three"
    once(folder, lambda folder: demo.make(folder, span=span, height=240))
    return folder / "film.mp4"


def test_an_edited_cue_runs_again_in_its_own_shot_only(
    tmp_path: Path, three_shots: Path, one_store: tuple[str, str], dubcli: Dubcli
) -> None:
    """One job, as at a desk. Nobody hears the dub here, so every cue is one that a person has set."""
    words = (three_shots, "-a", three_shots.with_name("dub_fr.wav"), "-o", "out.mp4", "--job", "job")
    settings = ("--engine", "aligner=passthrough", "--set", "track.views=1", "--set", "report.measure=0")
    assert dubcli("run", *words, *settings, *one_store).returncode == 0
    units = [unit for unit, _ in Job.open(tmp_path / "job").refs() if unit.startswith("track/")]
    first, third = (units[k].removeprefix("track/") for k in (0, 2))
    start = int(third)
    list_ = tmp_path / "cues.csv"
    list_.write_text(
        f"shot,track,kind,start,stop\n{int(first)},0,speak,2,18\n{third},0,speak,{start},{start + 16}\n"
    )
    told = dubcli("cue", "import", list_, "--job", "job")
    assert (told.returncode, told.stdout.strip()) == (0, "job/cues.json"), told.stderr
    assert "2 shots changed" in told.stderr
    assert dubcli("run", "job").returncode == 0

    assert dubcli("cue", "export", "job", "-o", "again.csv").returncode == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "again.csv").read_text())))
    assert [(row["shot"], row["start"], row["stop"], row["why"]) for row in rows] == [
        (first, "2", "18", "edited by hand"),
        (third, str(start), str(start + 16), "edited by hand"),
    ]
    assert "nothing in it differs" in dubcli("cue", "import", "again.csv", "--job", "job").stderr

    edited = (tmp_path / "again.csv").read_text().replace(f"{start},{start + 16}", f"{start},{start + 12}")
    (tmp_path / "again.csv").write_text(edited)
    assert "1 shot changed" in dubcli("cue", "import", "again.csv", "--job", "job").stderr
    before = len(events_of(tmp_path / "job"))
    assert dubcli("run", "job").returncode == 0
    ran = {
        (event["stage"], event["unit"])
        for event in events_of(tmp_path / "job")[before:]
        if event["type"] == "unit.start"
    }
    shot = {("motion", f"{third}.0"), ("lips", f"{third}.0"), ("compose", third)}
    assert ran == {("cue", "film"), *shot, ("remux", "film"), ("report", "film")}

    shown = dubcli("cue", "show", "job")
    assert "edited by hand" in shown.stdout.splitlines()[1]
    found = json.loads(dubcli("cue", "show", "job", "--json").stdout)
    assert [cue["stop"] for cue in found["cues"]] == [18, start + 12]

    exported = json.loads(dubcli("cue", "export", "job").stdout)
    del exported["cues"][0]
    (tmp_path / "less.json").write_text(json.dumps(exported, indent="\t"))
    assert "1 shot changed" in dubcli("cue", "import", "less.json", "--job", "job").stderr
    assert dubcli("run", "job").returncode == 0
    left = json.loads(dubcli("cue", "show", "job", "--json").stdout)["cues"]
    assert [cue["shot"] for cue in left] == [third], "a face whose cue was deleted is left alone"

    kept = (tmp_path / "job" / "cues.json").read_text()
    (tmp_path / "bad.json").write_text(
        '{"cues": [\n  {"shot": "0", "track": 0, "kind": "speak",\n "start": 1'
    )
    for name, place in (("bad.json", "bad.json:3:"), ("none.csv", "none.csv: No such file")):
        refused = dubcli("cue", "import", name, "--job", "job")
        assert refused.returncode == 4
        assert place in refused.stderr
    assert (tmp_path / "job" / "cues.json").read_text() == kept

    (tmp_path / "job" / "cues.json").write_text(kept.replace('"track": 0', '"track": 5', 1))
    refused = dubcli("run", "job")
    assert refused.returncode == 4, "also one that only the film can tell, and without another try"
    assert "there is no track 5" in refused.stderr
    assert "again" not in refused.stderr
    (tmp_path / "job" / "cues.json").write_text('{"cues": [{"shot": [7]}]}')
    refused = dubcli("run", "job")
    assert refused.returncode == 4
    assert "cues.json:1:12" in refused.stderr


def test_a_job_without_cues_says_what_to_type(tmp_path: Path, three_shots: Path, dubcli: Dubcli) -> None:
    words = (three_shots, "-a", three_shots.with_name("dub_fr.wav"), "-o", "out.mp4", "--job", "job")
    assert dubcli("run", *words, "--stage", "probe").returncode == 0
    for asked in (("cue", "show", "job"), ("motion", "export", "0/0", "--job", "job")):
        refused = dubcli(*asked)
        assert refused.returncode == 2
        assert "type: dubcli run job" in refused.stderr


def test_stems_are_heard_hashed_and_checked(
    tmp_path: Path, three_shots: Path, one_store: tuple[str, str], dubcli: Dubcli
) -> None:
    """The dub itself as the stem of the one person there; then a name that nobody has, and broken sound."""
    dub = shutil.copy(three_shots.with_name("dub_fr.wav"), tmp_path / "anna.wav")
    words = (three_shots, "-a", three_shots.with_name("dub_fr.wav"), "-o", "out.mp4", "--job", "job")
    fast = ("--set", "track.views=1", "--set", "report.measure=0", "--engine", "lips=passthrough")
    done = dubcli("run", *words, *fast, *one_store, "--stem", "p01=anna.wav")
    assert done.returncode == 0, done.stderr
    found = json.loads(dubcli("cue", "show", "job", "--json").stdout)["cues"]
    assert {one["person"] for one in found if one["kind"] == "speak"} == {"p01"}
    assert all("stem" in one["evidence"] for one in found if one["kind"] == "speak")

    plan = json.loads(dubcli("plan", "job", "--json").stdout)["units"]
    assert ("align", "stem:p01", "done") in {(u["stage"], u["unit"], u["state"]) for u in plan}
    with open(dub, "r+b") as file:
        file.seek(5000)
        file.write(bytes(2000))
    plan = json.loads(dubcli("plan", "job", "--json").stdout)["units"]
    runs = {u["unit"]: u["reasons"] for u in plan if u["stage"] == "align" and u["state"] == "run"}
    assert runs == {"stem:p01": ["input:audio"]}

    shutil.copy(three_shots.with_name("dub_fr.wav"), tmp_path / "anna.wav")
    for options, code, text in (
        (("--stem", "Carl=anna.wav"), 4, "--stem Carl: nobody in the cast is called that; there are: p01"),
        (("--stem", "p01=bad.wav"), 3, "bad.wav"),
        (("--stem", "p01=none.wav"), 3, "--stem p01: there is no file none.wav"),
        (("--stem", "p01"), 2, "write it as NAME=FILE"),
        (("--stem", "p01=anna.wav", "--stem", "p01=anna.wav"), 2, "there is a stem of p01 already"),
    ):
        (tmp_path / "bad.wav").write_bytes(b"RIFF no wave at all")
        refused = dubcli("run", *words, *fast, *options)
        assert refused.returncode == code, refused.stderr
        assert text in refused.stderr
