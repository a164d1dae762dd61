"""A finished job in a supervisor's hands, which its tests share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dubcli.cli.main import main
from tests.conftest import Sample, once

SHOT = "00000000"
FAST = ["--set", "report.measure=0", "--set", "track.views=1"]


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


Dubcli = Callable[..., Answer]


@pytest.fixture
def dubcli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dubcli:
    """Run `dubcli WORDS...` in this process, without the developer's own settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def run(*words: object) -> Answer:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        caught = capfd.readouterr()
        return Answer(int(end.value.code or 0), caught.out, caught.err)

    return run


@pytest.fixture(scope="session")
def finished(shared: Path, tiny: Sample) -> Path:
    """A folder with the tiny film dubbed after a proof of its beginning, to be copied."""

    def make(folder: Path) -> None:
        folder.mkdir()
        shutil.copy(tiny.film, folder / "film.mp4")
        shutil.copy(tiny.dub, folder / "dub_fr.wav")
        words = ["run", str(folder / "film.mp4"), "--audio", str(folder / "dub_fr.wav"), "-q", *FAST]
        for proof in (["--from", "8", "--to", "0:01.334"], []):
            with pytest.raises(SystemExit) as end:
                main([*words, *proof])
            assert end.value.code == 0

    once(shared / "finished", make)
    return shared / "finished"


@pytest.fixture
def job(finished: Path, tmp_path: Path) -> Path:
    """The job directory of a copy of the finished film."""
    shutil.copytree(finished, tmp_path / "work")
    return tmp_path / "work" / "film.dub_fr.dub"


def listed(dubcli: Dubcli, job: Path) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(dubcli("review", job, "list", "--json").out)["shots"]
    assert [row["shot"] for row in rows] == [SHOT]
    return rows[0]
