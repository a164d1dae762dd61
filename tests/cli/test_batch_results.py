"""How a batch stands and how it ended: its status, its results and its page."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dubcli.batch.entry import Outcome, job_of
from dubcli.cli.batchprogress import Listening, forecast_of
from dubcli.cli.batchresults import _finish, _write_page, result
from dubcli.cli.status import _look, _look_among, _roots, _show, _table
from dubcli.errors import ExitCode, PartialError
from tests.cli.conftest import COMMAND, listed_entries, write


def test_a_batch_is_looked_at_though_its_films_are_gone(media: Path) -> None:
    """One film that was moved away hid how far all others are."""
    manifest = write(media, "films:\n  - {film: one.mp4, dubs: [one_fr.wav, one_de.wav]}\n").rename(
        media / "a"
    )
    (media / "one.one_fr.dub").mkdir()
    (media / "one.one_fr.dub" / "job.json").write_text("{")
    (media / "one.mp4").unlink()
    looks = [_look_among(*place) for place in _roots([manifest])]
    assert "job.json is not valid" in looks[0].state
    assert "there is no file" in looks[1].state
    assert [one.fraction for one in looks] == [0.0, 0.0]
    # On a narrow terminal a table had a letter a line.
    assert (
        str(_table(looks, alone=False, columns=24)).splitlines()[1].startswith("one.mp4 + one_de.wav: there")
    )
    assert looks[1].as_json()["problem"] == looks[1].state


def test_nobody_is_shown_a_batch_for_ever(media: Path, environment: dict[str, str]) -> None:
    """`dubcli status --watch | head -1` went on, unseen, until somebody stopped it."""
    manifest = write(media, "films:\n  - {film: one.mp4, dubs: [one_fr.wav]}\n")
    words = [*COMMAND, "status", str(manifest), "--watch"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as watching:
        assert watching.stdout
        assert b"one.mp4 + one_fr.wav: not begun" in watching.stdout.readline()
        watching.stdout.close()
        try:
            assert watching.wait(30) == 0
        finally:
            watching.kill()


def test_another_file_at_a_films_place_is_told(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was "not written yet", and a finished job "stopped"."""
    (entry,) = listed_entries("one.mp4\tone_fr.wav", media)
    job_of(entry, {})
    entry.out.write_bytes(b"another program's")
    one = _look(entry.root, entry.film, entry.dub, entry.out)
    assert one.state == "stopped"  # as long as there is work
    assert (
        replace(one, counts={"probe": Counter(done=1)}).state == f"{entry.out} exists and is not this job's"
    )
    _show(one)
    assert "exists and is not this job's; to replace it, type: dubcli run" in capsys.readouterr().out


def test_a_quiet_batch_says_whose_warning_one_is(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a night's log nobody could tell which film "no language" was said of."""
    found = listed_entries("one.mp4\tone_fr.wav", media)
    forecast = forecast_of(found, 1, 1, {})
    for alone in (True, False):
        heard = Listening(found, "none", json=False, alone=alone, forecast=forecast, began=0.0)
        for listener in heard.listeners(found[0]):
            listener({"type": "warning", "stage": "probe", "unit": "output", "text": "no language"})
        told = capsys.readouterr().err.splitlines()[-1]
        assert told == "dubcli: warning: one.one_fr.mp4: probe output: no language"


def test_a_job_that_was_stopped_has_not_failed(media: Path) -> None:
    (entry,) = listed_entries("one.mp4\tone_fr.wav", media)
    ends = {
        None: "not begun", ExitCode.OK: "done", ExitCode.MEDIA: "failed (3)",
        ExitCode.INTERRUPTED: "stopped (130)", ExitCode.TEMPORARY: "stopped (75)",
    }  # fmt: skip
    for code, words in ends.items():
        assert result(Outcome(entry, code, "not begun", 0.0)) == words


def test_a_batch_that_was_stopped_says_so_once(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Typer makes a message of its own of 130."""
    (entry,) = listed_entries("one.mp4\tone_fr.wav", media)
    for code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        with pytest.raises(PartialError, match="1 of 1 job is not done; type the same command") as caught:
            _finish([Outcome(entry, code, "stopped", 1.0)], "stopped", 0, json=False)
        assert caught.value.exit_code == code
        assert capsys.readouterr().err.count("\n") == 1


def test_a_film_without_a_dub_is_not_forgotten_at_the_end(media: Path) -> None:
    (entry,) = listed_entries("one.mp4\tone_fr.wav", media)
    with pytest.raises(PartialError, match=r"^1 film had no dub; put it beside the film") as caught:
        _finish([Outcome(entry, ExitCode.OK, "", 1.0)], "", 1, json=False)
    assert caught.value.exit_code == ExitCode.PARTIAL


@pytest.mark.parametrize("ending", [False, True])
def test_a_batch_that_ends_before_its_time_forecasts_nothing(
    ending: bool, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After --fail-fast had ended it, minutes were left."""
    found = listed_entries("one.mp4\tone_fr.wav\ntwo.mkv\ttwo_fr.wav", media)
    forecast = forecast_of(found, 1, 1, {})
    heard = Listening(
        found, "none", json=False, alone=True, forecast=forecast, began=0.0, ending=lambda: ending
    )
    heard.ended(Outcome(found[0], ExitCode.MEDIA, "no film", 1.0))
    assert ("forecast: about" in capsys.readouterr().err) is not ending


def test_the_page_after_a_stop_counts_what_is_done_and_shows_verdicts_and_times(media: Path) -> None:
    (entry,) = listed_entries("one.mp4\tone_fr.wav", media)
    root = entry.out.with_suffix(".dub")
    root.mkdir()
    totals = {"redo": 3, "look": 12, "good": 85, "shots": 120, "shots_changed": 100}
    (root / "report.json").write_text(json.dumps({"totals": totals}))
    outcomes = [
        Outcome(entry, None, "done earlier", 0.0, earlier=True),
        Outcome(entry, ExitCode.OK, "", 200.0),
        Outcome(entry, ExitCode.MEDIA, "no film", 2.0),
        Outcome(entry, None, "not begun", 0.0),
    ]
    path = _write_page(outcomes, "")
    assert path
    text = path.read_text("utf-8")
    assert "2 of 4 films are done." in text
    assert re.findall(r'class="result (\w+)">([^<]*)<', text) == [
        ("good", "done earlier"), ("good", "done"), ("bad", "failed (3)"), ("soft", "not begun"),
    ]  # fmt: skip
    for name, value in (("shots redo", "3"), ("shots look", "12"), ("shots good", "85")):
        assert re.findall(rf'data-is="{name}">([^<]*)<', text) == [value] * 4
    assert re.findall(r'data-is="time, this run">([^<]*)<', text) == ["–", "3 min 20 s", "2 s", "–"]
