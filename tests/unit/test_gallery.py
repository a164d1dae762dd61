"""The film as footage of its own actors."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import gallery as footage
from dubcli.artifacts.shots import Shot
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import gallery
from dubcli.face import mesh as regions

VIDEO = cast(Any, SimpleNamespace(width=320, height=240, bit_depth=8, rate=25))
SHOT = Shot(name="00000000", start=0, stop=10_000, picture="made")


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

            yield SimpleNamespace(index=k, rgb=rgb, around=lambda at: (0, 0, 320, 240))


@pytest.fixture
def film(monkeypatch: pytest.MonkeyPatch) -> Film:
    return Film(monkeypatch)


def _same(track: FaceTrack) -> FaceTrack:
    return track


def built(tracks: list[FaceTrack], cap: int = 10**9, keys: Sequence[int] = range(10_000)) -> footage.Gallery:
    faces, pts = [partial(_same, track) for track in tracks], np.arange(10_000)
    return gallery.build(Path("film"), VIDEO, pts, None, faces, [SHOT] * len(faces), cap, keys=keys)


def per_frame(found: footage.Gallery) -> int:
    """Bytes of the file for each frame, pixels and all."""
    width, height = found.crop[0].shape[1::-1]
    return 3 * width * height + gallery._ROW_BYTES


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
def test_occluded_blurred_and_turned_frames_are_left_out(film: Film, field: str, value: float) -> None:
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
    footage.save(tmp_path, found)
    assert len(footage.load(tmp_path)) == 0


def test_a_long_film_keeps_within_its_room_and_reads_only_what_it_keeps(film: Film) -> None:
    gaps = np.full(3000, 0.01)
    gaps[1700:1730] = 0.25
    one = [track(gaps)]
    each = per_frame(built([track(gaps[:10])]))
    film.read.clear()
    found = built(one, cap=400 * each)
    assert 390 < len(found) <= 400
    assert film.read == found.frames.tolist()
    # The only open mouth of the film is there, in one piece.
    assert set(range(1700, 1730)) <= set(found.frames.tolist())


def test_footage_of_one_group_of_pictures_is_decoded_once(film: Film) -> None:
    """Which begins at frames 0 and 60: to seek into it again would decode its beginning again."""
    one = track(np.zeros(100))
    one.reason[20:30] = one.reason[50:80] = Reason.PROFILE
    found = built([one], keys=(0, 60))
    assert found.frames.tolist() == [*range(20), *range(30, 50), *range(80, 100)]
    assert film.read == [*range(50), *range(80, 100)]
    assert found.crop[25][0, 0, 0] == (35 + found.origin[25, 0]) % 256


def test_a_choice_keeps_something_of_every_shot(film: Film) -> None:
    shots = [track(np.full(200, 0.05), first=1000 * k) for k in range(5)]
    found = built(shots, cap=400 * per_frame(built([track(np.zeros(10))])))
    assert {int(f) // 1000 for f in found.frames} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("frames", [3, 12, 60])
def test_a_gallery_smaller_than_a_span_cuts_it_and_drops_nothing(
    frames: int, film: Film, tmp_path: Path
) -> None:
    one = track(np.linspace(0, 0.3, 100))
    budget = frames * per_frame(built([one]))
    found = built([one], budget)
    assert frames - gallery.SHORTEST_RUN < len(found) <= frames
    footage.save(tmp_path, found)
    assert (tmp_path / "gallery.npz").stat().st_size < budget + 20_000, "but for headers and one head"


def test_a_small_gallery_holds_several_moments(film: Film) -> None:
    found = built([track(np.linspace(0, 0.3, 100))], 40 * per_frame(built([track(np.zeros(10))])))
    assert len(np.unique(found.run)) >= 4


def test_crops_are_as_large_as_the_faces_of_their_own_span(film: Film) -> None:
    near, far = track(np.zeros(10)), track(np.zeros(10), first=50)
    far.mesh[:] = (far.mesh - (160, 60, 0)) / 4 + (160, 60, 0)
    found = built([near, far])
    large, small = found.crop[0].shape, found.crop[-1].shape
    assert large == built([near]).crop[0].shape
    assert small == built([far]).crop[0].shape
    assert small[0] < large[0] / 2
    assert found.crop[12][0, 0, 0] == (52 + found.origin[12, 0]) % 256


def test_a_close_up_in_4k_at_10_bits_is_kept_at_full_resolution_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    video: Any = SimpleNamespace(width=3840, height=2160, bit_depth=10, rate=24)

    def decoded(path: Path, video: Any, pts: Any, start: int, stop: int, digests: Any) -> Any:
        for k in range(start, stop):
            yield SimpleNamespace(
                index=k,
                rgb=lambda rect: np.full((rect[3], rect[2], 3), 1 << 15, np.uint16),
                around=lambda at: (0, 0, 3840, 2160),
            )

    monkeypatch.setattr("dubcli.media.decode.frames", decoded)
    one = track(np.tile(np.linspace(0, 0.3, 50), 10))
    one.mesh[:] = (one.mesh - (160, 60, 0)) * 12 + (1920, 500, 0)
    found = gallery.build(Path("film"), video, np.arange(500), None, [lambda: one], [SHOT], 250_000_000)
    assert isinstance(found.crop, footage.Crops)
    assert found.crop.pixels.dtype == np.uint16
    assert found.crop.pixels.nbytes <= 250_000_000
    assert found.crop[0].shape[1] > 1000, "960 pixels lie between the outer corners of its eyes"
    assert len(found) >= 15
    assert np.ptp(found.shape[:, 0]) > 0


def test_a_film_of_many_shots_is_chosen_from_in_little_memory() -> None:
    shots = [partial(track, np.linspace(0, 0.3, 20), 100 * k) for k in range(800)]
    spans = [gallery.Span(k, 0, 20, (100, 100), 30_000) for k in range(800)]
    tracemalloc.start()
    chosen = gallery.choose(spans, shots, regions.head(), 200 * 30_000, 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(chosen) == 10
    assert peak < 20e6, "no table of shots times parts, and one track at a time"


def test_what_is_saved_is_loaded_and_pictures_stay_on_disk(film: Film, tmp_path: Path) -> None:
    found = built([track(np.linspace(0, 0.2, 30))])
    footage.save(tmp_path, found)
    first = (tmp_path / "gallery.npz").read_bytes()
    footage.save(tmp_path, found)
    assert (tmp_path / "gallery.npz").read_bytes() == first
    back = footage.load(tmp_path)
    assert isinstance(back.crop, footage.Crops)
    assert isinstance(back.crop.pixels, np.memmap)
    assert all((a == b).all() for a, b in zip(back.crop, found.crop, strict=True))
    for field in (f for f in fields(footage.Gallery) if f.name != "crop"):
        assert (np.asarray(getattr(back, field.name)) == np.asarray(getattr(found, field.name))).all(), field


def test_joined_galleries_keep_their_runs_apart(film: Film) -> None:
    first, second = built([track(np.zeros(10))]), built([track(np.zeros(20), first=100)])
    both = footage.joined(first, second)
    assert both.run.tolist() == [0] * 10 + [1] * 20
    assert (both.crop[12] == second.crop[2]).all()


def test_beyond_the_picture_its_edge_is_repeated(film: Film) -> None:
    frame = next(iter(film.frames(Path("film"), VIDEO, None, 0, 1)))
    whole, inside = gallery.cut(frame, (-6, 230), (20, 30))
    assert inside == (slice(0, 10), slice(6, 20))
    assert whole.shape == (30, 20, 3)
    assert (whole[:, :6] == 0).all()
    assert whole[-1, 19, 0] == 13
    far, inside = gallery.cut(frame, (400, 300), (10, 10))
    assert (far == 319 % 256).all()
    assert far[inside].size == 0


def test_over_a_bar_the_edge_of_the_picture_is_repeated(film: Film) -> None:
    frame = next(iter(film.frames(Path("film"), VIDEO, None, 0, 1)))
    frame.around = lambda at: (20, 0, 320, 200)
    letterboxed, inside = gallery.cut(frame, (10, 180), (40, 40))
    assert inside == (slice(0, 20), slice(10, 40))
    assert (letterboxed[:, :10] == 20).all()
    np.testing.assert_array_equal(letterboxed[20:], np.broadcast_to(letterboxed[19], (20, 40, 3)))
