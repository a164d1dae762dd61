"""Layers for compositing over a film of RGB, where laying over is one line of arithmetic, and back."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts, Placement
from dubcli.artifacts.shots import Shots
from dubcli.core.model import Artifact
from dubcli.delivery import exr, layers, retouch
from dubcli.edits import layerfile
from dubcli.edits.timecode import Clock
from dubcli.errors import ConfigError
from dubcli.face.mesh import MOUTH
from dubcli.media.patches import Patches
from tests.media import films

TOUCHED = range(5, 15)
SECONDS = np.arange(25) / 25
SIZE = (96, 64)
OVER = {"picture": "a" * 64, "motion": "b" * 64}


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> films.Stages:
    """A film of 25 frames in 10-bit RGB, ten of them with a patch that reaches over the picture's edge."""
    root = tmp_path_factory.mktemp("layers")
    film = films.make(root / "film.mkv", "-c:v", "ffv1", "-pix_fmt", "gbrp10le", "-c:a", "flac")
    made = films.Stages(root / "job", film, films.wav(root / "dub.wav", films.noise(1.0)))
    made.read()
    made.touch(TOUCHED, at=(-6, 12))
    return made


@pytest.fixture
def face(stages: films.Stages, tmp_path: Path) -> layers.Face:
    """The face of the patches, of whose motion nothing is known."""
    folder = tmp_path / "motion"
    folder.mkdir()
    none = np.zeros(0, np.float32)
    shape = np.zeros((0, len(MOUTH), 3), np.float32)
    (name, lips), nothing = next(iter(stages.view.artifacts["lips"].items())), Artifact("", folder, "")
    Motion(np.zeros(0, np.int32), shape, none, none, none).save(folder, name.split(".")[0])
    return layers.Face(name, lips, nothing, nothing, nothing)


@pytest.fixture
def exported(stages: films.Stages, face: layers.Face, tmp_path: Path) -> Path:
    """The layers of the face."""
    info = MediaInfo.load(stages.view.one("probe").path)
    layers.write(face, tmp_path / "out", info.film, SECONDS, Clock.of(info, "10:00:00:00"))
    return tmp_path / "out" / face.name


def rgb(frame: av.VideoFrame) -> NDArray[np.float64]:
    """Code values (h, w, 3) of a planar RGB frame."""
    planes = [
        np.frombuffer(memoryview(plane), "<u2").reshape(-1, plane.line_size // 2) for plane in frame.planes
    ]
    return np.asarray(np.stack([planes[k][:, : frame.width] for k in (2, 0, 1)], axis=-1), np.float64)


def layer(path: Path) -> NDArray[np.float32]:
    """RGBA (h, w, 4) of an EXR file over the whole raster, read by FFmpeg."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.width, frame.height) == ("gbrapf32le", *SIZE)
    planes = [
        np.frombuffer(memoryview(plane), "<f4").reshape(SIZE[1], -1)[:, : SIZE[0]] for plane in frame.planes
    ]
    return np.stack([planes[k] for k in (2, 0, 1, 3)], axis=-1)


def test_layers_over_the_source_are_the_dubbed_picture(
    stages: films.Stages, face: layers.Face, exported: Path
) -> None:
    dubbed = stages.finish().path
    with av.open(str(stages.view.sources["film"].path)) as one, av.open(str(dubbed)) as two:
        pairs = list(zip(one.decode(video=0), two.decode(video=0), strict=True))
        changed = 0
        for number, (before, after) in enumerate(pairs):
            source, wanted = rgb(before), rgb(after)
            path = exported / "rgba" / f"{face.name}.{number:08d}.exr"
            assert path.is_file() == (number in TOUCHED)
            if path.is_file():
                over = layer(path).astype(np.float64)
                comp = np.floor(over[..., :3] * 1023 + (1 - over[..., 3:]) * source + 0.5)
                changed += int((comp != source).sum())
                source = comp
            np.testing.assert_array_equal(source, wanted)
    assert changed > 1000


def test_a_file_knows_its_frame_and_timecode(face: layers.Face, exported: Path) -> None:
    with exr.library().File(str(exported / "matte" / f"{face.name}.00000007.exr")) as file:
        header = dict(file.header())
    assert header["dubcli/frame"] == "7"
    assert header["dubcli/timecode"] == "10:00:00:07"
    assert header["displayWindow"][1].tolist() == [SIZE[0] - 1, SIZE[1] - 1]
    assert (exported / "curve.csv").read_text() == "frame,seconds,aperture,width,weight\n"


def taken(stages: films.Stages, face: layers.Face, sequence: Path, folder: Path, *earlier: Path) -> Path:
    """Patches made of a sequence, over the face's own and those that were taken earlier."""
    folder.mkdir()
    video = MediaInfo.load(stages.view.one("probe").path).film
    (shot,) = Shots.load(stages.view.one("split").path).shots
    retouch.take(sequence, [face.lips.path, *earlier], shot, video, OVER, folder)
    return folder


@pytest.mark.parametrize("kind", ["rgba", "matte"])
def test_untouched_layers_come_back_bit_for_bit(
    stages: films.Stages, face: layers.Face, exported: Path, tmp_path: Path, kind: str
) -> None:
    """Where the picture shows them: what reaches over its edge is cut off."""
    back = taken(stages, face, exported / kind, tmp_path / "back")
    before, after = Patches(face.lips.path, face.shot), Patches(back, face.shot)
    assert after.frames.tolist() == before.frames.tolist() == list(TOUCHED)
    for number in TOUCHED:
        canvas = []
        for reader in (before, after):
            placed = reader.at(number)
            assert placed is not None
            colour, mask, x, y = placed
            whole = np.zeros((SIZE[1] + 64, SIZE[0] + 64, 4), np.uint16)
            whole[y + 32 : y + 32 + len(mask), x + 32 : x + 32 + mask.shape[1], 3] = mask
            part = np.where(mask[..., None] > 0, colour, 0)
            whole[y + 32 : y + 32 + len(mask), x + 32 : x + 32 + mask.shape[1], :3] = part
            canvas.append(whole)
        np.testing.assert_array_equal(canvas[0], canvas[1])


def written(path: Path, x: int, y: int, size: tuple[int, int] = SIZE, **channels: float) -> None:
    """An EXR file with a rectangle of 10x8 pixels of one value for each channel."""
    path.parent.mkdir(exist_ok=True)
    values = {name: np.full((8, 10), value, np.float32) for name, value in channels.items()}
    exr.write(path, exr.Window(x, y, values), size, {})


def test_a_retouched_frame_and_a_new_one_are_taken(
    stages: films.Stages, face: layers.Face, tmp_path: Path
) -> None:
    """Frame 7 is painted anew elsewhere, 8 is emptied, 20 had no patch; the others keep theirs."""
    for frame, x, alpha in ((7, 61, 0.5), (8, 61, 0.0), (20, 30, 1.0)):
        written(tmp_path / "fix" / f"comp_v2.{frame:04d}.exr", x, 33, R=0.25 * alpha, G=0, B=alpha, A=alpha)
    back = taken(stages, face, tmp_path / "fix", tmp_path / "back")
    frames = [frame for frame in TOUCHED if frame != 8] + [20]
    assert Placement.load(back, face.shot).frames.tolist() == frames
    assert PatchFacts.load(back).in_shot == ((5, 8), (9, 15), (20, 21))
    placed = Patches(back, face.shot).at(7)
    assert placed is not None
    colour, mask, x, y = placed
    shown = np.argwhere(mask > 0)
    assert [low + at for low, at in zip(shown.min(axis=0), (y, x), strict=True)] == [33, 61]
    assert [top + at for top, at in zip(shown.max(axis=0), (y, x), strict=True)] == [40, 70]
    assert set(mask[mask > 0].tolist()) == {32768}
    assert colour[mask > 0][0].tolist() == [16384, 0, 65535]


def test_a_matte_that_was_wrong_is_corrected_by_the_next(
    stages: films.Stages, face: layers.Face, exported: Path, tmp_path: Path
) -> None:
    """An empty matte of all frames is taken, then the right one of frame 7 alone: the others stay empty."""
    (wrong, right) = tmp_path / "wrong", tmp_path / "right"
    right.mkdir()
    for path in sorted((exported / "matte").iterdir()):
        window = exr.read(path, SIZE)
        empty = {name: 0 * values for name, values in window.channels.items()}
        wrong.mkdir(exist_ok=True)
        exr.write(wrong / path.name, exr.Window(window.x, window.y, empty), SIZE, {})
        if path.stem.endswith("7"):
            shutil.copy(path, right)
    first = taken(stages, face, wrong, tmp_path / "first")
    assert Placement.load(first, face.shot).frames.tolist() == []
    second = taken(stages, face, right, tmp_path / "second", first)
    assert Placement.load(second, face.shot).frames.tolist() == [7]
    one, two = Patches(face.lips.path, face.shot).at(7), Patches(second, face.shot).at(7)
    assert one is not None
    assert two is not None
    assert one[0][one[1] > 0].tolist() == two[0][two[1] > 0].tolist()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another size": ({"frame": 7, "size": (48, 32), "A": 1.0}, "48×32 pixels, the film 96×64"),
    "another shot": ({"frame": 25, "A": 1.0}, "frames 25 are not in shot 00000000"),
    "no alpha": ({"frame": 7, "R": 1.0}, "no alpha"),
    "no number": ({"frame": 7, "A": float("nan")}, "no numbers"),
    "a matte where nothing was generated": (
        {"frame": 7, "A": 1.0},
        "covers 80 pixels that were not generated",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_sequence_that_does_not_fit_is_refused(
    stages: films.Stages, face: layers.Face, tmp_path: Path, name: str
) -> None:
    given, match = BAD[name]
    channels = {key: given[key] for key in given if key not in ("frame", "size")}
    size = given.get("size", SIZE)
    written(tmp_path / "fix" / f"a.{given['frame']}.exr", 70, 50, size, **channels)
    with pytest.raises(ConfigError, match=match):
        taken(stages, face, tmp_path / "fix", tmp_path / "back")


def test_damaged_and_missing_files_are_refused(
    stages: films.Stages, face: layers.Face, exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="no EXR sequence"):
        taken(stages, face, tmp_path / "none", tmp_path / "a")
    with pytest.raises(ConfigError, match=f"such as {exported}/rgba"):
        taken(stages, face, exported, tmp_path / "d")
    (tmp_path / "none" / "00000006_fixed.exr").touch()
    with pytest.raises(ConfigError, match="comes last in a file's name"):
        taken(stages, face, tmp_path / "none", tmp_path / "e")
    fix = tmp_path / "fix"
    shutil.copytree(exported / "rgba", fix)
    first = sorted(fix.iterdir())[0]
    first.write_bytes(first.read_bytes()[:-40])
    with pytest.raises(ConfigError, match="cannot be read"):
        taken(stages, face, fix, tmp_path / "b")
    shutil.copyfile(sorted(fix.iterdir())[1], fix / "other.6.exr")
    with pytest.raises(ConfigError, match="same frame"):
        taken(stages, face, fix, tmp_path / "c")


def test_colours_that_are_not_multiplied_by_alpha_are_refused(
    stages: films.Stages, face: layers.Face, exported: Path, tmp_path: Path
) -> None:
    """Divided by alpha, as a compositor that unpremultiplies has them, edges would come out too bright."""
    for path in sorted((exported / "rgba").iterdir()):
        window = exr.read(path, SIZE)
        alpha = window.channels["A"]
        straight = {name: window.channels[name] / np.where(alpha > 0, alpha, 1) for name in "RGB"}
        (tmp_path / "fix").mkdir(exist_ok=True)
        exr.write(
            tmp_path / "fix" / path.name, exr.Window(window.x, window.y, {**straight, "A": alpha}), SIZE, {}
        )
    with pytest.raises(ConfigError, match="brighter than their alpha"):
        taken(stages, face, tmp_path / "fix", tmp_path / "back")


def test_a_retouch_over_something_else_is_refused(
    stages: films.Stages, face: layers.Face, exported: Path, tmp_path: Path
) -> None:
    folder = taken(stages, face, exported / "rgba", tmp_path / "back")
    layerfile.check(face.name, folder, {**OVER, "gallery": "c" * 64})
    with pytest.raises(ConfigError, match="another motion"):
        layerfile.check(face.name, folder, {**OVER, "motion": "d" * 64})


@pytest.mark.parametrize("name", ["retouch.json", "lips.json", "patch.npz", "patch.nut"])
@pytest.mark.parametrize("gone", [True, False])
def test_layers_that_are_damaged_are_told_what_to_type(
    name: str, gone: bool, stages: films.Stages, face: layers.Face, exported: Path, tmp_path: Path
) -> None:
    folder = taken(stages, face, exported / "rgba", tmp_path / "my back")
    layerfile.load(folder)
    if gone:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    with pytest.raises(ConfigError, match=f"type: rm -r '{folder}', .* dubcli layers import"):
        layerfile.load(folder)


@pytest.mark.parametrize("killed_at", [None, 1, 2, 3, 4])
def test_a_kill_while_layers_are_replaced_loses_neither(
    killed_at: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier ones were removed before the new were in their place."""

    def made(folder: Path, what: str) -> Path:
        folder.mkdir(parents=True)
        (folder / "patch.npz").write_text(what)
        layerfile.Retouch(over=OVER, sizes={"patch.npz": len(what)}).save(folder)
        return folder

    def held() -> list[str]:
        return [f"{name} {(at / 'patch.npz').read_text()}" for name, at in layerfile.files(tmp_path).items()]

    target, name = tmp_path / layerfile.FOLDER / "00000000.0", "00000000.0"
    layerfile.put(made(tmp_path / "first", "earlier"), made(target, "earliest"))
    assert held() == [f"{name} earlier"]
    steps = 0

    def step(real: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(*given: Any, **how: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == killed_at:
                raise KeyboardInterrupt
            return real(*given, **how)

        return maybe

    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", step(shutil.rmtree))
        patched.setattr(Path, "rename", step(Path.rename))
        layerfile.put(made(tmp_path / "second", "new"), target)
    assert held() == [f"{name} {'new' if killed_at in (None, 4) else 'earlier'}"]
    layerfile.put(made(tmp_path / "third", "last"), target)
    assert held() == [f"{name} last"]
    assert [path.name for path in target.parent.iterdir()] == [name]
