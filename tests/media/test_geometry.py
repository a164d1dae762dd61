"""Turned, mirrored and widened pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from dubcli.media import decode, square
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe as probed
from dubcli.stages import track
from tests.media import films

TURNS = {  # how the raster's own axes (right, down) are shown: clockwise turns that bring it upright
    (1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3,
    (-1, 0, 0, 1): 0, (1, 0, 0, -1): 2, (0, 1, 1, 0): 1, (0, -1, -1, 0): 3,
}  # fmt: skip


@pytest.mark.parametrize("matrix", list(TURNS))
def test_all_eight_orientations_are_turned_upright(
    matrix: tuple[int, int, int, int], tmp_path: Path, dub: Path
) -> None:
    """What is shown below must be below in the turned raster, and in thumbnails; the flag stays."""
    films.make(tmp_path / "plain.mov", *films.x264("-g", "8"), sound="")
    film = tmp_path / "film.mov"
    a, b, c, d = (65536 * value for value in matrix)
    with av.open(str(tmp_path / "plain.mov")) as before, av.open(str(film), "w") as out:
        stream = out.add_stream_from_template(before.streams.video[0], opaque=True)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for packet in before.demux(before.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    video = probed(film).film
    assert video.quarter_turns == TURNS[matrix]
    # A raster whose sample at (x, y) is (x, y), shown: going right on the screen is x' = ax + cy.
    y, x = np.mgrid[0:4, 0:6]
    shown = video.displayed(np.stack([x, y], axis=-1))
    at = shown.reshape(-1, 2) - (2.5, 1.5)
    screen = at @ np.array(matrix, float).reshape(2, 2)
    height, width = shown.shape[:2]
    v, u = np.mgrid[0:height, 0:width]
    want = np.stack([u - (width - 1) / 2, v - (height - 1) / 2], axis=-1).reshape(-1, 2)
    assert np.allclose(screen, want)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert probed(done.path).film.display == video.display


@pytest.mark.parametrize("sar", [(2, 1), (64, 45), (16, 15), (8, 9), (1, 2)])
def test_pictures_in_square_pixels_and_back(sar: tuple[int, int], tmp_path: Path) -> None:
    """A circle on the screen is one in the picture; a patch goes back to its place alone."""
    wide, high = 192, 128
    film = tmp_path / "film.mp4"
    ring = f"geq=lum='if(lt(hypot((X-80)*{sar[0]}/{sar[1]},Y-60),30),200,50)':cb=128:cr=128"
    films.ffmpeg(
        "-f", "lavfi", "-i", f"color=s={wide}x{high}:r=25:d=0.2,{ring},setsar={sar[0]}/{sar[1]}",
        *films.x264("-qp", "0"), url(film),
    )  # fmt: skip
    video = probed(film).film
    assert min(a / b for a, b in zip(video.square, (wide, high), strict=True)) >= 1
    pts = np.arange(5, dtype=np.int64) * 512
    frame = next(decode.frames(film, video, pts, 0, 1))
    rgb = frame.eight_bit()
    assert rgb.shape == (video.square[1], video.square[0], 3)
    ys, xs = np.nonzero(rgb[..., 1] > 125)
    assert np.ptp(xs) == pytest.approx(np.ptp(ys), abs=3)
    x, y, w, h = 20, 16, 60, 50
    assert np.abs(frame.rgb((x, y, w, h)).astype(int) - rgb[y : y + h, x : x + w]).mean() < 3
    mask = np.zeros((h, w), np.uint8)
    mask[10:40, 15:45] = 255
    back, there, left, top = frame.square.to_raster((frame.rgb((x, y, w, h)), mask, x, y))
    own = frame.colour.rgb(frame.planes, (0, 0, wide, high))
    part = own[top : top + there.shape[0], left : left + there.shape[1]]
    solid = there == 255
    assert solid.sum() * np.prod(frame.square.factor) == pytest.approx(900, rel=0.2)
    assert np.abs(back[solid].astype(int) - part[solid]).mean() < 4  # only as soft as one resampling
    rows, columns = np.nonzero(there)
    fx, fy = frame.square.factor
    assert (left + columns.min()) * fx >= x + 15 - fx
    assert (left + columns.max() + 1) * fx <= x + 45 + fx
    assert (top + rows.min()) * fy >= y + 10 - fy


def test_square_films_are_left_alone() -> None:
    plain = square.Square((64, 48), (64, 48))
    patch = (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.uint8), -2, 7)
    assert plain.is_square
    assert plain.to_raster(patch) is patch


def test_a_tracker_sees_square_pixels_upright_and_then_the_raster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody is found as the film is shown, its flag may be wrong: the raster is searched as it is."""
    films.make(tmp_path / "plain.mov", *films.x264("-vf", "setsar=2/1"), sound="", seconds=0.5)
    film = tmp_path / "film.mov"
    films.ffmpeg("-display_rotation", "180", "-i", url(tmp_path / "plain.mov"), "-c", "copy", url(film))
    stages = films.Stages(tmp_path / "job", film)
    stages.read()
    seen: list[tuple[int, int, tuple[int, ...]]] = []

    class Blind:
        def track(self, pictures: Any, *, turn: int, **_: Any) -> list[Any]:
            shapes = [picture.eight_bit().shape for picture in pictures]
            seen.append((turn, len(shapes), shapes[0]))
            return []

    monkeypatch.setattr(track, "engine", lambda *_: SimpleNamespace(load=Blind))
    stages.run(track)
    assert seen == [(2, 13, (64, 192, 3)), (0, 13, (64, 192, 3))]
