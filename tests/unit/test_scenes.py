"""Scenes of PySceneDetect, as it and spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dubcli.edits import scenes
from dubcli.errors import ConfigError
from tests.unit.test_interchange import read

ROWS = scenes.text([(0, 40), (40, 300)], 25.0)


@pytest.mark.parametrize(
    "text",
    [
        "Timecode List:,00:00:01.600\n" + ROWS,
        ROWS.replace(",", ";"),
        ROWS.replace(",", ";").replace(".", ","),
        ROWS.replace(",", "\t"),
        "\ufeff" + ROWS.replace("\n", "\r\n"),
        ROWS.replace(",", " , ").replace("Scene", "scene"),
        ROWS + ",,,,,,,,,\n\n",
        ROWS.replace("300,", "300.0,"),
        ROWS.replace("\n1,1,", "\n1,0,").replace("\n2,41,", "\n2,40,"),  # before version 0.6
    ],
)
def test_scenes_may_come_from_a_spreadsheet(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode())
    assert read(path).starts == (0, 40)


def test_a_cell_without_end_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(ROWS + '"' + "x" * 200_000)
    with pytest.raises(ConfigError, match="is no table"):
        read(path)


def test_every_row_that_is_no_scene_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(ROWS + "3,x\n4,10,a,b,5\n")
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert [line.split(": ")[0][-2:] for line in str(caught.value).splitlines()] == [":4", ":5"]
