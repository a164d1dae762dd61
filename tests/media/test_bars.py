"""Bars: letterbox, pillarbox and strips of graphics are no part of the picture around a face."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.media import bars, probe
from dubcli.media.colour import Colour
from dubcli.media.decode import Frame
from dubcli.media.square import Square
from tests.media.films import make, x264

Box = tuple[int, int, int, int]


def around(path: Path, at: tuple[float, float]) -> Box:
    """What the first frame of a film has around a place."""
    video = probe.probe(path).film
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return Frame(0, 0, frame, Colour.of(video), Square.of(video)).around(at)


@pytest.mark.parametrize(
    ("filters", "options", "box"),
    [
        ("null", x264(), (0, 0, 96, 64)),
        ("pad=96:96:0:16", x264(), (0, 18, 96, 78)),
        ("pad=160:64:32:0:white", x264(), (34, 0, 126, 64)),
        ("pad=96:96:0:16,setsar=2", x264(), (0, 18, 192, 78)),
        ("pad=96:96:0:16", ["-c:v", "libx264", "-pix_fmt", "yuv420p10le"], (0, 18, 96, 78)),
        ("pad=96:96:0:16", ["-c:v", "rawvideo", "-pix_fmt", "uyvy422"], (0, 18, 96, 78)),
        ("pad=96:96:0:16,drawbox=40:86:8:4:white:fill", x264(), (0, 18, 96, 78)),
    ],
    ids=["none", "letterbox", "pillarbox", "anamorphic", "10 bits", "packed", "words in a bar"],
)
def test_a_picture_ends_at_its_bars(tmp_path: Path, filters: str, options: list[str], box: Box) -> None:
    film = make(tmp_path / "film.mov", "-vf", f"noise=alls=40,{filters}", *options, seconds=0.2, sound="")
    found = around(film, (box[2] / 2, 48))
    np.testing.assert_allclose(found, box, atol=2)  # an encoder blurs their edge by a sample


def test_a_picture_of_one_colour_has_no_bars() -> None:
    assert bars.between(np.full((40, 60), 16, np.uint8), (30, 20), 255) == (0, 0, 60, 40)
