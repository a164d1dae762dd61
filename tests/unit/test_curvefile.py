"""Mouths edited frame by frame, and how far they move."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dubcli.edits import curvefile, facename
from dubcli.edits.curvefile import Curves
from dubcli.errors import ConfigError
from dubcli.face import mesh
from dubcli.speech import basis, motion
from tests.unit.test_model_mouth import mouths, speech


def curves(count: int = 5) -> Curves:
    rows = np.linspace(0.1, 0.2, count, dtype=np.float32)
    return Curves(np.arange(50, 50 + count, dtype=np.int32), rows, rows + 0.3, np.ones(count, np.float32))


def written(folder: Path, text: str, name: str = "a.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_what_is_left_out_or_empty_stays(tmp_path: Path) -> None:
    path = written(tmp_path, "frame,aperture,weight\n51,,0.5\n53,0.01,\n")
    now = curves()
    new = curvefile.apply_edits(*curvefile.load(path), now)
    assert new.weight.tolist() == [1, 0.5, 1, 1, 1]
    assert new.aperture[3] == np.float32(0.01)
    assert np.delete(new.aperture, 3).tolist() == np.delete(now.aperture, 3).tolist()
    assert (new.width == now.width).all()


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_table_comes_back_from_a_spreadsheet_of_another_country(mark: str, tmp_path: Path) -> None:
    rows = [{"frame": 51, "seconds": 2.0, "aperture": 0.1, "width": None, "weight": 1.0}]
    text = curvefile.to_csv(rows)
    there = text.replace(",", mark).replace(".", ",")
    assert curvefile.load(written(tmp_path, there))[1] == curvefile.load(written(tmp_path, text, "b.csv"))[1]


def test_a_mistake_in_every_row_is_not_told_of_every_row(tmp_path: Path) -> None:
    path = written(tmp_path, "frame,aperture\n" + "".join(f"{k},wide\n" for k in range(5000)))
    with pytest.raises(ConfigError) as told:
        curvefile.load(path)
    first, *_, last = str(told.value).splitlines()
    assert "a.csv:2:3: " in first
    assert last.endswith("a.csv: 4980 more like these")


def test_json_and_a_table_are_read_alike(tmp_path: Path) -> None:
    rows = [{"frame": 51, "seconds": 2.0, "aperture": 0.1, "width": None, "weight": 1.0}]
    one = curvefile.load(written(tmp_path, curvefile.to_csv(rows)))[1]
    two = curvefile.load(written(tmp_path, curvefile.to_json(rows), "a.json"))[1]
    assert one == two
    assert json.loads(curvefile.to_json(rows))["curves"] == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,aperture\n51,wide\n", r"a\.csv:2:4: .*number"),
        ("frame,aperture\n51,nan\n", r"a\.csv:2:4"),
        ("frame,aperture\n51,9\n", r"a\.csv:2:4"),
        ("frame,weight\n51,1.5\n", r"a\.csv:2:4"),
        ("frame,opening\n51,9\n", r"a\.csv:2:4"),
        ("frame,opening,aperture\n51,0.1,0.2\n", r"a\.csv:2:4: .*opening"),
        ("frame,mouth\n51,1\n", r"a\.csv:.*mouth"),
        ("frame,aperture\n51,0.1\n51,0.2\n", r"a\.csv:3:1: frame 51 is given twice"),
        (
            "frame,aperture\n99,0.1\n",
            r"a\.csv:2:1: frame 99 is out of range; this mouth is changed from 50 to 54",
        ),
    ],
)
def test_mistakes_are_reported_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        curvefile.apply_edits(*curvefile.load(written(tmp_path, text)), curves())


@pytest.mark.parametrize("text", ["frame,{0}\n53,0.01\n", '{{"curves": [{{"frame": 53, "{0}": 0.01}}]}}'])
def test_files_with_the_older_name_of_the_aperture_are_read(tmp_path: Path, text: str) -> None:
    name = "a.csv" if text.startswith("frame") else "a.json"
    both = [
        curvefile.apply_edits(*curvefile.load(written(tmp_path, text.format(column), name)), curves())
        for column in ("opening", "aperture")
    ]
    assert both[0].aperture[3] == np.float32(0.01)
    assert (both[0].aperture == both[1].aperture).all()


def test_only_what_differs_is_kept_and_earlier_edits_stay(tmp_path: Path) -> None:
    def file(text: str) -> curvefile.CurveFile:
        return curvefile.load(written(tmp_path, text))[1]

    head = "frame,aperture,width,weight\n"
    now = [{"frame": frame, "aperture": 0.1, "width": 0.4, "weight": 1.0} for frame in (50, 51, 52)]
    kept = curvefile.merge_edits(file(head + "52,,0.3,\n"), now, file(head + "50,0.1,0.4,1\n51,0.2,0.4,1\n"))
    assert [(row["frame"], row["aperture"], row["width"]) for row in kept] == [
        (51, 0.2, None),
        (52, None, 0.3),
    ]


def test_a_shape_takes_the_target_aperture_and_width() -> None:
    shape = mouths(speech(1), np.arange(0, 8, 0.04))
    person = basis.person(mesh.head(), shape)
    aperture, width = basis.aperture(shape), basis.width(shape)
    target = aperture.copy()
    target[3] = 0.0
    moved = curvefile.reshape(person, shape, target, width)
    assert np.allclose(basis.aperture(moved), target, atol=2e-3)
    assert np.allclose(basis.width(moved), width, atol=2e-3)
    assert (np.delete(moved, 3, 0) == np.delete(shape, 3, 0)).all()


def test_a_cue_of_more_amplitude_opens_wider_without_a_step() -> None:
    frames = np.arange(100, 160, dtype=np.int32)
    cues = [
        {"start": 100, "stop": 130, "amplitude": 1.0},
        {"start": 130, "stop": 140, "amplitude": 1.5},
        {"start": 140, "stop": 160, "amplitude": 1.0},
    ]
    gains = motion.gains(frames, cues)
    assert gains[35] == pytest.approx(1.5, abs=0.01)
    assert gains[[10, 55]] == pytest.approx(1, abs=0.01)
    assert np.abs(np.diff(gains)).max() < 0.25
    assert (motion.gains(frames, cues[:1]) == 1).all()


@pytest.mark.parametrize("text", ["00000120/0", "120/0", "00000120.0", "motion/00000120.0"])
def test_faces_are_found_as_lists_and_folders_call_them(text: str) -> None:
    assert facename.named(text) == "00000120/0"


@pytest.mark.parametrize("text", ["120", "p01", "../120/0", "120/0/0", "anna.csv", ""])
def test_what_is_no_face_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a face is written shot/track"):
        facename.named(text)
