"""Batch: the manifest is right as a whole, or nothing begins."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dubcli.batch.manifest import entries, globbed, listed
from dubcli.cli.batch import How
from dubcli.cli.batchprogress import forecast_of, unreadable
from dubcli.cli.status import _look_among
from dubcli.errors import ConfigError, UsageError
from tests.cli.conftest import Dubcli, listed_entries, write


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
            "cannot write to the folder .*denied; choose another output in a manifest or a list$",
        ),
        (f"one.mp4\tone_fr.wav\t{media}", "is a folder; name the film to write in a manifest or a list$"),
        (
            f"one.mp4\tone_fr.wav\t{denied}/new/x.mp4",
            "cannot write to the folder .*denied; choose another output",
        ),
    ):
        with pytest.raises(ConfigError, match=told):
            listed_entries(text, media)
    with pytest.raises(ConfigError, match=r"cannot write to the folder .*denied; name another store"):
        listed("one.mp4\tone_fr.wav", media, denied / "store", None, {})
    with pytest.raises(ConfigError, match=r"two\.mkv is no folder; name one for the store with --store DIR"):
        listed("one.mp4\tno.wav", media, media / "two.mkv", None, {})
    (media / "one.dub").mkdir()
    (media / "one.dub" / "job.json").touch()
    with pytest.raises(ConfigError, match=r"one\.dub is a job; name another folder for the store"):
        listed("one.mp4\tone_fr.wav", media, media / "one.dub", None, {})


def test_what_may_not_be_read_is_told_with_its_line(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first such folder hid all other problems, and the line was not named."""

    def closed(real: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: Path, *given: Any) -> Any:
            if "closed" in path.parts:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *given)

        return refuse

    for name in ("is_file", "read_text"):
        monkeypatch.setattr(Path, name, closed(getattr(Path, name)))
    with pytest.raises(ConfigError) as caught:
        listed_entries("closed/one.mp4\tone_fr.wav\nno.mp4\tone_de.wav\n", media)
    told = str(caught.value).splitlines()[1:]
    assert told[0].startswith("line 1: ")
    assert told[0].endswith("closed/one.mp4 may not be read; check the permissions of its folder")
    assert "line 2: there is no file" in told[1]
    look = _look_among(Path("closed/a.dub"), Path("closed/one.mp4"), Path("a.wav"), Path("closed/a.mp4"))
    assert "permission denied" in look.state


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
    assert "1 file cannot be dubbed; mend or leave out" in checked.stderr


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


def test_what_is_no_manifest_is_told_what_to_type(media: Path) -> None:
    with pytest.raises(ConfigError, match=r"two\.mkv is no folder; name one for the store with --store DIR"):
        listed("one.mp4\tno.wav", media, media / "two.mkv", None, {})
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
