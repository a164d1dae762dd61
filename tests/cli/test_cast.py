"""`dubcli cast`: people of a job as a table, and the file in which a person corrects them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dubcli.cli import cast as command
from dubcli.core.job import Job
from dubcli.core.model import Artifact
from dubcli.edits import castfile
from dubcli.errors import ConfigError, UsageError
from dubcli.settings.config import Settings
from dubcli.settings.document import parse_yaml

PERSONS: list[dict[str, Any]] = [
    {
        "id": "p01", "name": "Ann: \"A\"", "consent": None, "touch": True, "why": "", "frames": 40,
        "faces": [["00000000", 0], ["00000030", 1]],
    },
    {
        "id": "p02", "name": "", "consent": {"state": "given", "sha256": "0" * 64}, "touch": False,
        "why": "cast.yaml says: never touch",
        "frames": 12, "faces": [["00000030", 0]],
    },
]  # fmt: skip


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job whose last cast is `PERSONS`."""
    film, dub = tmp_path / "film.mp4", tmp_path / "dub.wav"
    film.touch()
    dub.touch()
    made = Job.create_or_open(film, dub, Settings())
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "cast.json").write_text(json.dumps({"persons": PERSONS}), encoding="utf-8")
    made.set_ref("cast/film", "k" * 64)
    monkeypatch.setattr("dubcli.core.store.Store.get", lambda self, key: Artifact(key, folder, "content"))
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    return made


def test_show_lists_people_with_their_pictures(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    command.show(job.root)
    lines = capsys.readouterr().out.splitlines()
    assert "never touch" in lines[2]
    assert "given" in lines[2]
    assert all(f"sheet-p0{k}.png" in lines[k] for k in (1, 2))
    command.show(job.root, json=True)
    found = json.loads(capsys.readouterr().out)["persons"]
    assert [person["id"] for person in found] == ["p01", "p02"]
    assert found[0]["sheet"].endswith("sheet-p01.png")


def test_edit_makes_a_file_that_changes_nothing_yet(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    command.edit(job.root)
    path = job.root / "cast.yaml"
    assert Path(capsys.readouterr().out.strip()) == path
    document, file = castfile.load(path)
    assert file.persons["p01"].name == 'Ann: "A"'
    groups = [[(shot, track) for shot, track in person["faces"]] for person in PERSONS]
    plain, after = castfile.number_persons(groups), castfile.apply_edits(groups, document, file)
    assert [(person.id, person.faces) for person in after] == [(p.id, p.faces) for p in plain.values()]
    assert all(person.note.touch for person in after)


def test_edit_keeps_what_is_there_and_tells_mistakes(job: Job) -> None:
    path = job.root / "cast.yaml"
    path.write_text("persons:\n  p01: {nam: X}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cast\.yaml:2:9: "):
        command.edit(job.root)
    assert "nam: X" in path.read_text(encoding="utf-8")


def test_a_job_without_a_cast_says_what_to_type(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dubcli.core.store.Store.get", lambda self, key: None)
    for act in (command.show, command.edit):
        with pytest.raises(UsageError, match="type: dubcli run"):
            act(job.root)
    assert not (job.root / "cast.yaml").exists()


def test_an_empty_cast_makes_a_valid_file() -> None:
    document = parse_yaml(castfile.template([]), "cast.yaml")
    assert document.model(castfile.CastFile) == castfile.CastFile()
