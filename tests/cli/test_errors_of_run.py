"""Errors of `run`: one line that says what to do, the right code, and nothing on stdout."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from dubcli.cli.main import main
from dubcli.errors import ExitCode
from tests.cli.conftest import Dubcli, Refused


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["run", "none.mp4", "--audio", "none.wav"], 3, "there is no file none.mp4"),
        (["run", "none.mp4"], 2, "--audio FILE"),
        (["run", "film.mp4", "--audio", "none.wav"], 3, "none.wav"),
        (["run", "film.mp4", "-a", "dub.wav", "-p", "flim"], 4, "did you mean 'film'?"),
        (["run", "film.mp4", "-a", "dub.wav", "-p", "bad.yaml"], 4, "bad.yaml:2:3: unknown key 'run.wrkers'"),
        (["run", "film.mp4", "-a", "dub.wav", "--set", "run.wrkers=1"], 2, "did you mean 'run.workers'?"),
        (["run", "film.mp4", "-a", "dub.wav", "--engine", "lips=wave"], 2, "exemplar, passthrough"),
        (["run", "film.mp4", "-a", "dub.wav", "--engine", "exemplar"], 2, "KIND=NAME"),
        (["run", "film.mp4", "-a", "dub.wav", "-p", "odd.yaml"], 4, "no lips engine is called 'wave'"),
        (["run", "film.mp4", "-a", "dub.wav", "--progress", "loud"], 2, "'auto', 'bar'"),
        (["run", "film.mp4", "-a", "dub.wav", "--workers", "0"], 2, "--workers"),
        (["run", "film.mp4", "-a", "dub.wav", "--stage", "lip"], 2, "did you mean 'lips'?"),
        (["run", "film.mp4", "-a", "dub.wav", "--shots", "9-3"], 2, "FIRST-LAST"),
        (["run", "film.mp4", "-a", "dub.wav", "-o", "out.txt"], 2, "out.txt"),
        (["run", "film.mp4", "-a", "dub.wav", "-o", "film.mp4"], 2, "overwrite"),
        (["run", "film.mp4", "-a", "dub.wav", "-o", "dub.wav/out.mp4"], 2, "dub.wav is no folder"),
        (["run", "film.mp4", "-a", "dub.wav", "--preset", ""], 2, "what follows --preset is empty"),
        (["run", "film.mp4", "-a", "dub.wav", "--store="], 2, "--store is empty"),
        (["run", "", "-a", "dub.wav"], 2, "word 2 is empty"),
        (["run", "film.mp4", "-a", "dub.wav", "--store", "dub.wav"], 2, "dub.wav is no folder; name one for"),
        (
            ["run", "film.mp4", "-a", "dub.wav", "--store", "dub.wav/x"],
            2,
            "dub.wav is no folder; name one for",
        ),
        (["run", "film.mp4", "--dub", "dub.wav"], 2, "there is no option --dub; write --audio"),
        (["run", "film.mp4", "-a", "dub.wav", "--lang", "fr"], 2, "write --set remux.language=VALUE"),
        (["run", "film.mp4", "dub.wav"], 2, "type: dubcli run FILM --audio dub.wav"),
        (["film.mp4", "-a", "dub.wav"], 2, "film.mp4 is no command; type: dubcli run film.mp4 -a dub.wav"),
        (["run", "film.mp4", "-a", "dub.wav", "--audio", "other.wav"], 2, "--audio stands there twice"),
        (["run", "film.mp4", "-a", "dub.wav", "--script=a.srt", "--script", "b.srt"], 2, "--script stands"),
        (["run", "film.mp4", "--audio"], 2, "requires an argument; type: dubcli run --help"),
        (["run", "empty"], 2, "empty is not a job directory"),
        (["run", "empty", "-a", "dub.wav"], 2, "--audio goes with a film"),
        (["run", "empty", "--store", "x"], 2, "empty is not a job directory"),
        (["run", "torn.dub"], 4, "job.json"),
        (["run", "film.mp4", "-a", "dub.wav", "--job", "dub.wav"], 2, "dub.wav is not a job directory"),
        (["run", "film.mp4", "-a", "dub.wav", "--job", "mail"], 2, "mail is not a job directory"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    words: list[str], code: int, hint: str, refused: Refused
) -> None:
    ended, told = refused(words)
    assert ended == code
    assert hint in told


def test_run_ends_its_events_even_where_it_could_not_begin(dubcli: Dubcli) -> None:
    done = dubcli("run", "none.mp4", "--audio", "none.wav", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert (events[-1]["type"], events[-1]["code"]) == ("exit", 3)
    assert "none.mp4" in events[-1]["text"]


@pytest.mark.parametrize("name", ["film.mp4", "a film's.mp4", "-film.mp4", "$(film) ü.mp4"])
def test_what_to_type_can_be_typed_whatever_a_file_is_called(
    name: str, dubcli: Dubcli, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    told = dubcli("run", f"./{name}" if name.startswith("-") else name).stderr
    word, *words = shlex.split(told.partition("type: ")[2])
    assert word == "dubcli"
    assert words[:1] == ["run"]
    assert (tmp_path / words[1]).samefile(tmp_path / name)
    assert not words[1].startswith("-")


@pytest.mark.parametrize("name", [b"\xe9.mp4", b"\xe9/film.mp4"])
def test_names_that_are_no_text_are_refused_before_anything_is_written(
    name: bytes, dubcli: Dubcli, tmp_path: Path
) -> None:
    film = tmp_path / os.fsdecode(name)
    film.parent.mkdir(exist_ok=True)
    for path in (film, film.with_suffix(".wav")):
        path.touch()
    words = os.fsdecode(name), "--audio", os.fsdecode(name[:-4] + b".wav")
    for command in (
        ("run", *words),
        ("plan", *words),
        ("batch", "--glob", "**/*.mp4", "--dubs", "{stem}.wav"),
    ):
        done = dubcli(*command)
        assert done.returncode == (4 if command[0] == "batch" else 2)
        assert "is not UTF-8; rename" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.dub"))


def test_a_file_that_looks_like_an_option_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-film.mp4").touch()
    with pytest.raises(SystemExit) as ended:
        main(["run", "-film.mp4", "--audio", "dub.wav"])
    assert ended.value.code == ExitCode.USAGE
    assert "write ./-film.mp4" in capsys.readouterr().err
