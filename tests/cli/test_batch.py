"""Batch: the manifest is right as a whole, or nothing begins."""

from __future__ import annotations

import errno
import io
import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dubcli.batch.manifest import Entry, Outcome, entries, globbed, job_of, listed
from dubcli.cli.batch import Films, How, _finish, _write_page, result
from dubcli.cli.batchprogress import forecast_of, unreadable
from dubcli.cli.main import main
from dubcli.cli.status import _look, _look_among, _roots, _show, _table
from dubcli.errors import ConfigError, ExitCode, PartialError, UsageError
from tests.cli.conftest import Dubcli
from tests.conftest import once
from tests.media import films


@pytest.fixture(scope="session")
def contents(shared: Path) -> dict[str, bytes]:
    """By suffix, the smallest films and dubs: what is seen and heard in them does not matter here."""
    folder = shared / "smallest"

    def write_them(folder: Path) -> None:
        folder.mkdir()
        for suffix in (".mp4", ".mkv"):
            films.make(folder / f"film{suffix}", "-c:v", "mpeg4", seconds=0.2, size="32x32", sound="")
        films.ffmpeg("-f", "lavfi", "-t", "0.2", "-i", films.TONE, str(folder / "dub.wav"))

    once(folder, write_them)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def media(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    """A folder with films and dubs of several names."""
    for name in ("one.mp4", "two.mkv", "one_fr.wav", "one_de.wav", "two_fr.wav"):
        (tmp_path / name).write_bytes(contents[Path(name).suffix])
    (tmp_path / "delivery").mkdir()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    """A manifest in the folder."""
    path = folder / "series.yaml"
    path.write_text(text)
    return path


def test_films_times_dubs_times_presets(media: Path) -> None:
    path = write(
        media,
        "presets: [draft, film]\n"
        "films:\n"
        "  - film: one.mp4\n"
        "    dubs: [one_fr.wav, one_de.wav]\n"
        "  - film: two.mkv\n"
        "    presets: [series]\n"
        "    dubs:\n"
        "      - {audio: two_fr.wav, out: delivery/two.mov, stems: {ANNA: one_fr.wav}}\n",
    )
    found = entries(path, {})
    assert [(e.film.name, e.dub.name, e.preset, str(e.out.relative_to(media))) for e in found] == [
        ("one.mp4", "one_fr.wav", "draft", "one.one_fr.draft.mp4"),
        ("one.mp4", "one_fr.wav", "film", "one.one_fr.film.mp4"),
        ("one.mp4", "one_de.wav", "draft", "one.one_de.draft.mp4"),
        ("one.mp4", "one_de.wav", "film", "one.one_de.film.mp4"),
        ("two.mkv", "two_fr.wav", "series", "delivery/two.mov"),
    ]
    assert [entry.stems for entry in found] == 4 * [{}] + [{"ANNA": media / "one_fr.wav"}]
    assert {entry.store for entry in found} == {media / "series.store"}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("films: []", ["series.yaml:1:1: films: "]),
        ("film: one.mp4", ["'films' is missing", "unknown key 'film'; did you mean 'films'?"]),
        ("films:\n  - film: one.mp4", ["series.yaml:2:5: 'films.0.dubs' is missing"]),
        ("films:\n  - film: on.mp4\n    dubs: [one_fr.wav]", ["series.yaml:2:5: there is no file"]),
        ("films:\n  - film: one.mp4\n    dubs: [x.wav]", ["series.yaml:3:12: there is no file"]),
        (
            "films:\n  - film: one.mp4\n    dubs:\n      - {audio: one_fr.wav, stems: {A: no.wav}}",
            ["series.yaml:4:37: there is no file"],
        ),
        ("films:\n  - film: one.mp4\n    dubs: ['']", ["series.yaml:3:12: films.0.dubs.0: must have"]),
        ("films:\n  - film: one.mp4\n    dubs: [3]", ["series.yaml:3:12: films.0.dubs.0: must be a mapping"]),
        ("store: ''\nfilms:\n  - {film: one.mp4, dubs: [one_fr.wav]}", ["series.yaml:1:1: store: must have"]),
        ("presets: ['']\nfilms:\n  - {film: one.mp4, dubs: [one_fr.wav]}", ["presets.0: must have"]),
        (
            "films:\n  - film: one.mp4\n    dubs: [{audio: one_fr.wav, stems: {a/b: one_de.wav}}]",
            ["series.yaml:3:"],
        ),
        ("films:\n  - {film: one.mp4, dubs: [one_fr.wav, one_fr.wav]}", ["is written twice"]),
        ("presets: [flim]\nfilms:\n  - {film: one.mp4, dubs: [one_fr.wav]}", ["did you mean 'film'?"]),
        (
            "films:\n  - film: one.mp4\n    dubs: [{audio: one_fr.wav, out: one.mp4/x.mp4}]",
            ["one.mp4 is no folder"],
        ),
        (
            "films:\n  - film: one.mp4\n"
            "    dubs: [{audio: one_fr.wav, out: o.mp4}, {audio: one_de.wav, out: o.mov}]",
            ["series.yaml:3:", "o.mov and ", "o.mp4 would have one job directory, o.dub"],
        ),
        (
            "films:\n  - {film: a.mp4, dubs: [b.wav]}\n  - {film: one.mp4, dubs: [c.wav]}",
            ["3 problems; nothing was begun", "a.mp4", "b.wav", "c.wav"],
        ),
    ],
)
def test_every_problem_is_named_before_work_starts(text: str, problems: list[str], media: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        entries(write(media, text), {})
    for problem in problems:
        assert problem in str(caught.value)


def test_what_jobs_have_written_is_no_film_of_a_pattern(
    media: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second batch with other dubs was refused for the films of the first, and for those in stores."""
    monkeypatch.chdir(media)
    (media / "one.one_fr.dub").mkdir()
    (media / "one.one_fr.dub" / "job.json").write_text(
        json.dumps({"film": "../one.mp4", "dub": "../one_fr.wav", "out": "../one.one_fr.mp4"})
    )
    for path in ("one.one_fr.mp4", "s/objects/a/film.mp4", "one.one_fr.dub/proof/0.mp4", "two.mp4"):
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        (media / path).write_bytes(contents[".mp4"])
    found = globbed("**/*.mp4", "{stem}_*.wav", Path("s"), None, {})
    assert [(entry.film.name, entry.dub.name) for entry in found] == [
        ("one.mp4", "one_de.wav"), ("one.mp4", "one_fr.wav"), ("two.mp4", "two_fr.wav")
    ]  # fmt: skip


@pytest.mark.parametrize("dubs", ["dubs/{stem}_*", "{stem}/*.wav", "../{stem}_de*", "FOLDER/{stem}_d?.wav"])
def test_dubs_may_lie_in_other_folders_than_their_film(
    dubs: str, media: Path, contents: dict[str, bytes]
) -> None:
    """Each was "a bug"."""
    for path in ("films/one.mp4", "films/dubs/one_de.wav", "films/one/de.wav"):
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        (media / path).write_bytes(contents[Path(path).suffix])
    found = globbed(f"{media}/films/*.mp4", dubs.replace("FOLDER", str(media)), media / "s", None, {})
    assert len(found) == 1
    assert found[0].dub.stem in ("one_de", "de")


def test_where_nothing_can_be_written_is_told_before_work(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job ended so when its turn came, at night."""
    denied = media / "denied"
    denied.mkdir()
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != denied)
    for text, told in (
        (
            f"one.mp4\tone_fr.wav\t{denied}/x.mp4",
            "cannot write to the folder .*denied; choose another output",
        ),
        (
            f"one.mp4\tone_fr.wav\t{denied}/new/x.mp4",
            "cannot write to the folder .*denied; choose another output",
        ),
    ):
        with pytest.raises(ConfigError, match=told):
            listed_entries(text, media)
    with pytest.raises(ConfigError, match=r"cannot write to the folder .*denied; name another store"):
        listed("one.mp4\tone_fr.wav", media, denied / "store", None, {})
    (media / "one.dub").mkdir()
    (media / "one.dub" / "job.json").touch()
    with pytest.raises(ConfigError, match=r"one\.dub is a job; name another folder for the store"):
        listed("one.mp4\tone_fr.wav", media, media / "one.dub", None, {})


def test_what_may_not_be_read_is_told_with_its_line(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first such folder hid all other problems, and the line was not named."""
    real = Path.is_file

    def is_file(path: Path) -> bool:
        if "closed" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    with pytest.raises(ConfigError) as caught:
        listed_entries("closed/one.mp4\tone_fr.wav\nno.mp4\tone_de.wav\n", media)
    told = str(caught.value).splitlines()[1:]
    assert told[0].startswith("line 1: ")
    assert told[0].endswith("closed/one.mp4 may not be read; check the permissions of its folder")
    assert "line 2: there is no file" in told[1]
    look = _look_among(Path("closed/a.dub"), Path("closed/one.mp4"), Path("a.wav"), Path("closed/a.mp4"))
    assert "permission denied" in look.state


def test_patterns_and_lists_are_checked_as_a_manifest_is(
    media: Path, dubcli: Dubcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = json.loads(dubcli("batch", "--glob", "*.m*", "-n", "--json").stdout)["jobs"]
    assert [(job["film"], job["dub"]) for job in jobs] == [
        ("one.mp4", "one_de.wav"), ("one.mp4", "one_fr.wav"), ("two.mkv", "two_fr.wav")
    ]  # fmt: skip
    (media / "one.one_fr.mp4").write_bytes(b"x")  # what the first batch wrote is no film of the second
    (media / "three [b].mp4").write_bytes(b"x")
    monkeypatch.chdir(media)
    with pytest.raises(ConfigError, match=r"^three \[b\].mp4: no file beside it matches") as caught:
        globbed("*.m*", "{stem}_*.wav", media / "s", None, {})
    assert "one.one_fr" not in str(caught.value)
    with pytest.raises(ConfigError, match="no film matches"):
        globbed("*.mxf", "{stem}_*.wav", media / "s", None, {})
    with pytest.raises(SystemExit) as ended:
        main(["batch", "--glob", "*.m*", "--reserve", "inf", "-n"])
    assert ended.value.code == 2

    found = listed_entries("one.mp4\tone_fr.wav\n\n# later\ntwo.mkv\ttwo_fr.wav\tdelivery/two.mov\n", media)
    assert [entry.out.name for entry in found] == ["one.one_fr.mp4", "two.mov"]
    for text, problem in (
        ("one.mp4", "line 1: write it as FILM, a tab and DUB"),
        ("", "the list names no film"),
        ("one.mp4\tone_fr.wav\n\nno.mp4\tone_fr.wav", "line 3: there is no file"),
        ("one.mp4\tone_fr.wav\none.mp4\tone_fr.wav", "line 2: .*is written twice"),
    ):
        with pytest.raises(ConfigError, match=problem):
            listed_entries(text, media)


def listed_entries(text: str, folder: Path, *, overwrite: bool = True) -> list[Entry]:
    """The entries of a list."""
    return listed(text, folder, folder / "batch.store", None, {}, overwrite=overwrite)


def test_a_list_may_come_from_any_program(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\ufeffone.mp4\tone_fr.wav\r\n  # later\r\n\t\r\none.mp4\tone_de.wav\t\r\n"
    for way in (text, text.replace("\r\n", "\r")):  # the last as a spreadsheet on a Mac writes it
        assert [entry.dub.name for entry in listed_entries(way, media)] == ["one_fr.wav", "one_de.wav"]
    # Names are bytes to the system, but text to a job.
    odd = os.fsencode(media) + b"/f\xe9.mp4"
    for name in (odd, odd.replace(b".mp4", b"_fr.wav")):
        with open(name, "wb") as file:
            file.write(b"x")
    with pytest.raises(ConfigError, match=r"^line 1: the name .* is not UTF-8; rename"):
        listed_entries("f\udce9.mp4\tf\udce9_fr.wav", media)
    monkeypatch.chdir(media)
    with pytest.raises(ConfigError, match=r"^f\udce9\.mp4: the name .* is not UTF-8; rename"):
        globbed("f*.mp4", "{stem}_*.wav", media / "s", None, {})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_a_spreadsheets_list_is_read_in_its_encoding(
    encoding: str, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "one.mp4\tone_fr.wav\r\none.mp4\tone_de.wav\r\n"
    monkeypatch.chdir(media)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(rows.encode(encoding))))
    found = Films(manifest=Path("-")).entries({}, overwrite=True)
    assert [entry.dub.name for entry in found] == ["one_fr.wav", "one_de.wav"]
    # Signs that no name can have, as where an encoding was mistaken, are no bug either.
    assert listed_entries("one.mp4\0\tone_fr.wav", media)[0].film.name == "one.mp4"


def test_all_that_is_wrong_with_a_list_is_told_at_once(media: Path) -> None:
    (media / "there.mp4").write_bytes(b"x")
    text = (
        'one.mp4\n"one.mp4"\tone_fr.wav\none.mp4\tno.wav\none.mp4\tone_fr.wav\ttwo.mkv\n'
        "one.mp4\tone_fr.wav\tone_de.wav\none.mp4\tone_fr.wav\ty.wav\none.mp4\tone_fr.wav\tthere.mp4\n"
        "one.mp4\tone_fr.wav\tdelivery\none.mp4\tone_de.wav\tx.mp4\ntwo.mkv\tone_de.wav\tx.mp4\n"
    )
    with pytest.raises(ConfigError) as caught:
        listed_entries(text, media, overwrite=False)
    told = str(caught.value).splitlines()
    assert told[0] == "9 problems; nothing was begun"
    for line, words in zip(
        told[1:],
        (
            "line 1: write it as FILM, a tab and DUB",
            "line 2: there is no file .*; names stand without quotes",
            "line 3: there is no file",
            "line 4: the output would overwrite .*two.mkv",
            "line 5: the output would overwrite .*one_de.wav",  # which is dubbed in line 9
            "line 6: y.wav is no film that can be written",
            "line 7: .*there.mp4 exists and is not this job's; add --force",
            "line 8: .*delivery is a folder",
            "line 10: .*x.mp4 is written twice",
        ),
        strict=True,
    ):
        assert re.search(words, line), line
    assert not list(media.glob("*.dub"))


def test_a_command_that_is_not_there_is_refused_before_work() -> None:
    with pytest.raises(UsageError, match="there is no program no-such-program"):
        How(command="no-such-program {}").policy(force=False)
    for command in ("echo {}", "{job}/../after.sh {}", "sh -c 'echo ${out} | awk {print}'", None):
        How(command=command).policy(force=False)


@pytest.mark.parametrize(
    ("command", "told"),
    [("cp {} x | cat", "no shell runs it"), ("cp {film} x", "{film} stands for nothing")],
)
def test_a_command_for_a_shell_is_refused_before_work(command: str, told: str) -> None:
    """It was run with words such as a bar, after hours of work."""
    with pytest.raises(UsageError, match=told):
        How(command=command).policy(force=False)


def test_what_cannot_be_read_is_told_before_work(media: Path, dubcli: Dubcli) -> None:
    """The batch began without a word of it, and without a forecast for all others."""
    (media / "torn.mp4").write_bytes(b"x")
    text = "one.mp4\tone.mp4\ntorn.mp4\tone_fr.wav\ntorn.mp4\tone_de.wav\ntwo.mkv\ttwo_fr.wav\n"
    found = listed_entries(text, media)
    told = unreadable(found)
    assert [re.sub("[ ,;].*", "", Path(line).name) for line in told] == ["one.mp4", "torn.mp4"]
    assert "has no sound" in told[0]
    assert 0 < forecast_of(found, 1, 1, {}).seconds(0.0) < 60
    (media / "list").write_text("films: [{film: torn.mp4, dubs: [one_fr.wav]}]")
    checked = dubcli("batch", "list", "-n")
    assert checked.returncode == 3
    assert "1 films or dubs cannot be read" in checked.stderr


def test_images_are_told_to_be_made_a_film(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was taken for a film "of no format that is read here", and their folder for a wrong name."""
    monkeypatch.chdir(media)
    Path("scans").mkdir()
    for number in range(3):
        Path(f"scans/a.{number:04}.dpx").write_bytes(b"SDPX")
    told = r"scans is an image sequence; type: dubcli conform scans --rate FPS -o film\.mkv, and dub that"
    with pytest.raises(ConfigError, match="^line 1: " + told):
        listed_entries("scans\tone_fr.wav", Path())
    with pytest.raises(ConfigError, match=r"^scans/a.0000.dpx: " + told):
        globbed("scans/*.dpx", "../one_*.wav", Path("s"), None, {})


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


def test_what_is_no_manifest_is_told_what_to_type(media: Path) -> None:
    (media / "one.dub").mkdir()
    (media / "one.dub" / "job.json").touch()
    for place, told in (
        (media / "one.dub", f"dubcli run {media / 'one.dub'}"),
        (media / "one.mp4", f"dubcli run {media / 'one.mp4'} --audio DUB"),
        (media, f"dubcli batch --glob '{media}/*.mp4'"),
    ):
        with pytest.raises(ConfigError) as caught:
            entries(place, {})
        assert str(caught.value) == f"{place} is no manifest; type: {told}"


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
        with pytest.raises(PartialError, match="1 of 1 jobs are not done; type the same command") as caught:
            _finish([Outcome(entry, code, "stopped", 1.0)], "stopped", json=False)
        assert caught.value.exit_code == code
        assert capsys.readouterr().err.count("\n") == 1


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
    path = _write_page(outcomes)
    assert path
    text = path.read_text("utf-8")
    assert "2 of 4 films are done." in text
    assert re.findall(r'class="result (\w+)">([^<]*)<', text) == [
        ("good", "done earlier"), ("good", "done"), ("bad", "failed (3)"), ("soft", "not begun"),
    ]  # fmt: skip
    for name, value in (("shots redo", "3"), ("shots look", "12"), ("shots good", "85")):
        assert re.findall(rf'data-is="{name}">([^<]*)<', text) == [value] * 4
    assert re.findall(r'data-is="time, this run">([^<]*)<', text) == ["–", "3 min 20 s", "2 s", "–"]
