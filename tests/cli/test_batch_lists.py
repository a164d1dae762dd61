"""Films of a batch from a list or a pattern, in place of a manifest."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from dubcli.batch.manifest import globbed
from dubcli.cli.batch import Films
from dubcli.cli.main import main
from dubcli.errors import ConfigError
from tests.cli.conftest import Dubcli, listed_entries


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
    found, _ = globbed("**/*.mp4", "{stem}_*.wav", Path("s"), None, {})
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
    found, _ = globbed(f"{media}/films/*.mp4", dubs.replace("FOLDER", str(media)), media / "s", None, {})
    assert len(found) == 1
    assert found[0].dub.stem in ("one_de", "de")


def test_a_dub_is_of_the_film_with_the_longest_name_that_fits(media: Path) -> None:
    """`one.mp4` was dubbed with what was recorded for `one_extra.mp4`, too."""
    for name in ("one_extra.mp4", "one_extra_fr.wav", "one_extra_de.wav"):
        (media / name).write_bytes(b"x")
    found, _ = globbed(f"{media}/one*.mp4", "{stem}_*.wav", media / "s", None, {})
    assert [entry.out.name for entry in found] == [
        "one.one_de.mp4", "one.one_fr.mp4", "one_extra.one_extra_de.mp4", "one_extra.one_extra_fr.mp4"
    ]  # fmt: skip


def test_links_to_nothing_are_told_and_not_left_out(media: Path) -> None:
    """A film, or a language, was missing in the morning, without a word."""
    (media / "one_it.wav").symlink_to("away.wav")
    (media / "three.mp4").symlink_to("away.mp4")
    (media / "three_fr.wav").write_bytes(b"x")
    with pytest.raises(ConfigError) as caught:
        globbed(f"{media}/*.mp4", "{stem}_*.wav", media / "s", None, {})
    told = str(caught.value).splitlines()[1:]
    assert [line.split("; ")[0].rpartition("/")[2] for line in told] == [
        "one_it.wav is a link to away.wav, where there is no file",
        "three.mp4 is a link to away.mp4, where there is no file",
    ]


def test_what_jobs_have_written_is_no_dub_of_a_pattern(media: Path, contents: dict[str, bytes]) -> None:
    (media / "one.one_fr.dub").mkdir()
    job = json.dumps({"film": "../one.mp4", "dub": "../one_fr.wav", "out": "../one.one_fr.mp4"})
    (media / "one.one_fr.dub" / "job.json").write_text(job)
    (media / "one.one_fr.mp4").write_bytes(contents[".mp4"])
    found, _ = globbed(f"{media}/one.mp4", "{stem}*", media / "s", None, {})
    assert [entry.dub.name for entry in found] == ["one_de.wav", "one_fr.wav"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--glob", "one.mp4", "two.mkv"), "write it in quotes"),
        (("--glob", "one.mp4", "two.mkv", "three.mkv"), "write it in quotes"),
        (("--glob", "*.mp4", "--dubs", "{film}_*"), "write {stem} for the film's name"),
        (("--glob", "."), "type: dubcli batch --glob '*.mp4'"),
        (("--glob", "*.mxf"), "no film matches; check its folder and suffix"),
    ],
)
def test_a_pattern_that_is_mistyped_is_told_how_to_type_it(
    words: tuple[str, ...],
    told: str,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(media)
    with pytest.raises(SystemExit) as ended:
        main(["batch", *words, "-n"])
    assert ended.value.code in (2, 4)
    assert told in capsys.readouterr().err


def test_a_closed_standard_input_is_an_empty_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was "a bug"."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SystemExit) as ended:
        main(["batch", "-", "-n"])
    assert ended.value.code == 4
    assert "the list names no film" in capsys.readouterr().err


def test_one_channel_of_a_dub_in_several_files_is_told_of(
    media: Path,
    contents: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`dubcli run` said so, and a batch did not."""
    for side in "LR":
        (media / f"one_it.{side}.wav").write_bytes(contents[".wav"])
    monkeypatch.chdir(media)
    with pytest.raises(SystemExit):
        main(["batch", "--glob", "one.mp4", "--dubs", "{stem}_it.*", "-n"])
    assert "one_it.L.wav is one channel of several files" in capsys.readouterr().err


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
    lone = "three [b].mp4: no file beside it matches {stem}_*.wav; name its dub with --dubs"
    with pytest.raises(ConfigError) as caught:
        globbed("*.m*", "{stem}_*.wav", media / "s", None, {}, fail_fast=True)
    assert str(caught.value) == lone
    found, told = globbed("*.m*", "{stem}_*.wav", media / "s", None, {})  # the night goes on without it
    assert ([entry.dub.name for entry in found], told) == (["one_de.wav", "one_fr.wav", "two_fr.wav"], [lone])
    with pytest.raises(ConfigError, match=r"^three \[b\].mp4: no file beside it"):  # nothing is left
        globbed("three*.m*", "{stem}_*.wav", media / "s", None, {})
    (media / "two.two_fr.dub").write_bytes(b"another's")
    with pytest.raises(ConfigError) as caught:  # all is told at once
        globbed("*.m*", "{stem}_*.wav", media / "s", None, {})
    (media / "two.two_fr.dub").unlink()
    head, other, *rest = str(caught.value).splitlines()
    assert head == "2 problems; nothing was begun"
    assert "two.two_fr.dub" in other
    assert rest == [lone]
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
        (" no.mp4\tone_fr.wav", "line 1: there is no file .*; names stand without spaces around them"),
    ):
        with pytest.raises(ConfigError, match=problem):
            listed_entries(text, media)


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
    found, _ = Films(manifest=Path("-")).entries({}, overwrite=True, fail_fast=False)
    assert [entry.dub.name for entry in found] == ["one_fr.wav", "one_de.wav"]
    # Signs that no name can have, as where an encoding was mistaken, are no bug either.
    assert listed_entries("one.mp4\0\tone_fr.wav", media)[0].film.name == "one.mp4"


@pytest.mark.parametrize(
    ("one", "other"), [("O.mp4", "o.mp4"), ("caf\u00e9.mp4", "cafe\u0301.mp4"), ("new/O.mov", "NEW/o.mov")]
)
def test_outputs_that_most_disks_take_for_one_are_refused(one: str, other: str, media: Path) -> None:
    """On such a disk the second replaced the first, after a night's work."""
    with pytest.raises(ConfigError, match=r"^line 2: .* are one file on disks that take upper"):
        listed_entries(f"one.mp4\tone_fr.wav\t{one}\none.mp4\tone_de.wav\t{other}\n", media)
    with pytest.raises(ConfigError, match=r"^line 2: .* would have one job directory"):
        listed_entries("one.mp4\tone_fr.wav\tO.mp4\none.mp4\tone_de.wav\to.mov\n", media)


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
