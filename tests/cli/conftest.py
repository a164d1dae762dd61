"""The command as users meet it: a process of its own, with a home and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dubcli.batch.entry import Entry
from dubcli.batch.manifest import listed
from dubcli.cli.main import main
from tests.conftest import once
from tests.forked import Forked
from tests.media import films

Result = subprocess.CompletedProcess[str]
Dubcli = Callable[..., Result]
Refused = Callable[[list[str]], tuple[int, str]]
COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
SECONDS = 300


@pytest.fixture
def one_store(shared: Path) -> tuple[str, str]:
    """Words for a store that tests share which dub the same film: its shots and faces are found once."""
    return ("--store", str(shared / "store"))


def own_environment(home: Path) -> dict[str, str]:
    """An environment without the developer's own settings, and one worker a job: two tests run at once."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DUBCLI_", "XDG_"))}
    clean.pop("NO_COLOR", None)
    return {**clean, "HOME": str(home), "COLUMNS": "80", "DUBCLI_RUN_WORKERS": "1"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a test's commands."""
    return own_environment(tmp_path / "home")


@pytest.fixture
def dubcli(tmp_path: Path, environment: dict[str, str], forked: Forked) -> Dubcli:
    """Run `dubcli WORDS...` in a temporary folder."""

    def run(*words: object, cwd: Path = tmp_path, **variables: str) -> Result:
        typed, own = [str(word) for word in words], {**environment, **variables}
        if not any(name.startswith("PYTHON") for name in variables):
            return forked.run(typed, cwd, own, SECONDS)
        return subprocess.run(
            [*COMMAND, *typed],
            cwd=cwd,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=SECONDS,
        )

    return run


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


def listed_entries(text: str, folder: Path, *, overwrite: bool = True) -> list[Entry]:
    """The entries of a list."""
    return listed(text, folder, folder / "batch.store", None, {}, overwrite=overwrite)


@pytest.fixture
def refused(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Refused:
    """The exit code and the only line of a command that leaves nothing behind, where odd files lie.

    In this process, since there are many; `main` is all that the console script calls.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", environment)
    (tmp_path / "film.mp4").write_bytes(b"no film")
    (tmp_path / "dub.wav").write_bytes(b"no sound")
    (tmp_path / "bad.yaml").write_text("run:\n  wrkers: 3\n")
    (tmp_path / "odd.yaml").write_text("lips: {engine: wave}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "letter.txt").touch()
    (tmp_path / "torn.dub").mkdir()
    (tmp_path / "torn.dub" / "job.json").write_text('{"film":')
    before = sorted(tmp_path.rglob("*"))

    def run(words: list[str]) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("dubcli: error: ")
        assert told.err.count("\n") == 1
        assert sorted(path for path in tmp_path.rglob("*") if path.name != "home") == before
        return int(str(ended.value.code)), told.err

    return run
