"""The film as footage of its own actors."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import gallery
from dubcli.face import mesh as regions
from dubcli.media.square import Square

VIDEO = cast(Any, SimpleNamespace(width=320, height=240, bit_depth=8, rate=25))


def track(gaps: NDArray[np.float64], first: int = 0) -> FaceTrack:
    """A still head whose mouth opens by `gaps` outer-eye distances."""
    count = len(gaps)
    mesh = np.repeat(regions.head()[None], count, axis=0).astype(np.float32)
    middle = mesh[:, [13, 14], 1].mean(axis=1)
    mesh[:, 13, 1], mesh[:, 14, 1] = middle - gaps / 2, middle + gaps / 2
    mesh = mesh * 80 + np.array([160, 60, 0], np.float32)
    ones = np.ones(count, np.float32)
    return FaceTrack(
        frames=np.arange(first, first + count, dtype=np.int32),
        mesh=mesh,
        pose=np.zeros((count, 3), np.float32),
        size=80 * ones,
        sharp=ones.copy(),
        occlusion=0 * ones,
        reason=np.zeros(count, np.uint8),
        thumbs=np.zeros((0, 96, 96, 3), np.uint8),
        descriptor=np.zeros((0, 8), np.float32),
    )


class Film:
    """Stands in for a decoder: frame k is a picture of grey value k + its column."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[int] = []
        monkeypatch.setattr("dubcli.media.decode.frames", self.frames)

    def frames(self, path: Path, video: Any, pts: Any, start: int, stop: int, digests: Any = None) -> Any:
        for k in range(start, stop):
            self.read.append(k)
            plane = np.broadcast_to((k + np.arange(320)) % 256, (240, 320)).astype(np.uint8)
            picture = np.repeat(plane[..., None], 3, axis=2)

            def rgb(rect: tuple[int, int, int, int], picture: NDArray[np.uint8] = picture) -> Any:
                x, y, w, h = rect
                assert x >= 0
                assert y >= 0
                assert x + w <= 320
                assert y + h <= 240
                return picture[y : y + h, x : x + w]

            yield SimpleNamespace(rgb=rgb, square=Square((320, 240), (320, 240)))


@pytest.fixture
def film(monkeypatch: pytest.MonkeyPatch) -> Film:
    return Film(monkeypatch)


def built(tracks: list[FaceTrack], cap: int = 10**9) -> gallery.Gallery:
    return gallery.build(Path("film"), VIDEO, np.arange(10_000), None, tracks, cap)


def test_a_short_film_is_kept_whole(film: Film) -> None:
    found = built([track(np.linspace(0, 0.2, 30)), track(np.zeros(20), first=50)])
    assert found.frames.tolist() == [*range(30), *range(50, 70)]
    assert found.run.tolist() == [0] * 30 + [1] * 20
    assert found.crop[3][0, 0, 0] == (3 + found.origin[3, 0]) % 256


def test_the_crop_holds_the_lower_face_from_under_the_eyes_to_below_the_chin(film: Film) -> None:
    found = built([track(np.linspace(0, 0.2, 30))])
    h, w = found.crop[0].shape[:2]
    inside = found.mesh[..., :2] - found.origin[:, None]
    chin, cheek = inside[:, regions.CHIN], inside[:, 117]
    assert (chin[:, 1] < h).all()
    assert (cheek[:, 1] > 0).all()
    assert (inside[:, list(regions.MOUTH)] > 0).all()
    assert (inside[:, list(regions.MOUTH)] < (w, h)).all()


@pytest.mark.parametrize(
    ("field", "value"), [("reason", Reason.OCCLUDED), ("sharp", 0.2), ("occlusion", 0.6), ("reason", 1)]
)
def test_covered_blurred_and_turned_frames_are_left_out(film: Film, field: str, value: float) -> None:
    one = track(np.linspace(0, 0.2, 40))
    getattr(one, field)[15:18] = value
    found = built([one])
    assert not set(found.frames.tolist()) & {15, 16, 17}
    assert found.run[found.frames == 14] != found.run[found.frames == 18]


def test_nothing_is_no_error(film: Film, tmp_path: Path) -> None:
    one = track(np.zeros(10))
    one.reason[:] = Reason.PROFILE
    found = built([one])
    assert len(found) == 0
    gallery.save(tmp_path / "gallery.npz", found)
    assert len(gallery.load(tmp_path / "gallery.npz")) == 0


def test_a_long_film_keeps_within_its_room_and_reads_only_what_it_keeps(film: Film) -> None:
    gaps = np.full(3000, 0.01)
    gaps[1700:1730] = 0.25
    one = [track(gaps)]
    h, w = built([track(gaps[:10])]).crop[0].shape[:2]
    film.read.clear()
    found = built(one, cap=200 * w * h * 3)
    assert len(found) <= 200
    assert film.read == found.frames.tolist()
    # The only open mouth of the film is there, in one piece.
    assert set(range(1700, 1730)) <= set(found.frames.tolist())


def test_a_choice_keeps_something_of_every_shot(film: Film) -> None:
    shots = [track(np.full(200, 0.05), first=1000 * k) for k in range(5)]
    h, w = built([track(np.zeros(10))]).crop[0].shape[:2]
    found = built(shots, cap=400 * w * h * 3)
    assert {int(f) // 1000 for f in found.frames} == {0, 1, 2, 3, 4}


def test_a_film_of_many_shots_is_chosen_from_in_little_memory() -> None:
    shots = [track(np.linspace(0, 0.3, 20), first=100 * k) for k in range(800)]
    pieces = [gallery._Piece(one, 0, 20) for one in shots]
    tracemalloc.start()
    chosen = gallery.choose(pieces, regions.head(), 200, 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(chosen) == 10
    assert peak < 20e6, "no table of shots times pieces"


def test_what_is_saved_is_loaded_and_pictures_stay_on_disk(film: Film, tmp_path: Path) -> None:
    found = built([track(np.linspace(0, 0.2, 30))])
    gallery.save(tmp_path / "a.npz", found)
    gallery.save(tmp_path / "b.npz", found)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = gallery.load(tmp_path / "a.npz")
    assert isinstance(back.crop, np.memmap)
    for field in fields(gallery.Gallery):
        assert (np.asarray(getattr(back, field.name)) == np.asarray(getattr(found, field.name))).all(), field


def test_joined_galleries_keep_their_runs_apart(film: Film) -> None:
    first, second = built([track(np.zeros(10))]), built([track(np.zeros(20), first=100)])
    both = gallery.joined(first, second)
    assert both.run.tolist() == [0] * 10 + [1] * 20
    assert (both.crop[12] == second.crop[2]).all()


def test_beyond_the_picture_its_edge_is_repeated(film: Film) -> None:
    frame = next(iter(film.frames(Path("film"), VIDEO, None, 0, 1)))
    whole = gallery.cut(frame, (-6, 230), (20, 30))
    assert whole.shape == (30, 20, 3)
    assert (whole[:, :6] == 0).all()
    assert whole[-1, 19, 0] == 13
    far = gallery.cut(frame, (400, 300), (10, 10))
    assert (far == 319 % 256).all()
