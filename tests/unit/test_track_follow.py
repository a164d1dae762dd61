"""Tracking: every face one track, from its first frame to its last, and never two faces in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import follow, mesh, steady
from dubcli.face.crop import Image
from dubcli.face.follow import Observation
from dubcli.face.roi import Roi, roi_of

Path = Callable[[int], tuple[float, float] | None]
SIZE = 60.0  # pixels between the eyes of the faces here


@dataclass
class Stage:
    """A finder with ground truth: faces on paths, over pictures that hold only their number."""

    paths: list[Path]
    blind: set[int] = field(default_factory=set)  # frames in which no mesh is found
    searches: list[tuple[int, bool]] = field(default_factory=list)

    def detect(self, rgb: Image, tiles: bool) -> list[Roi]:
        self.searches.append((_number(rgb), tiles))
        positions = [path(_number(rgb)) for path in self.paths]
        return [roi_of(_mesh(position)) for position in positions if position]

    def observe(self, rgb: Image, roi: Roi) -> Observation | None:
        number = _number(rgb)
        if number in self.blind:
            return None
        here = [(k, path(number)) for k, path in enumerate(self.paths)]
        near = [(float(np.hypot(*(np.array(p) - roi.centre + (0, 20)))), k, p) for k, p in here if p]
        best = min(near, default=(np.inf, 0, None))
        if best[2] is None or best[0] > SIZE:
            return None
        return Observation(_mesh(best[2]), 1.0, 0.005, _colour(best[1]), 1.0)

    def thumb(self, rgb: Image, mesh: NDArray[np.float32]) -> Image:
        return np.zeros((96, 96, 3), np.uint8)


def _number(rgb: Image) -> int:
    return int(rgb[0, 0, 0])


def _mesh(position: tuple[float, float]) -> NDArray[np.float32]:
    return (mesh.head() * SIZE + (*position, 0)).astype(np.float32)


def _colour(person: int) -> NDArray[np.uint8]:
    return np.random.default_rng(person).integers(40, 220, (468, 3)).astype(np.uint8)


def followed(stage: Stage, frames: int) -> list[follow.Trace]:
    follower = follow.Follower(stage)
    for number in range(frames):
        follower.feed(number, np.full((48, 64, 3), number, np.uint8))
    return follower.traces()


def spans(traces: list[follow.Trace]) -> list[tuple[int, int]]:
    return sorted((trace.first, trace.stop) for trace in traces)


def person(trace: follow.Trace) -> set[int]:
    return {
        next(k for k in range(3) if (observation.colour == _colour(k)).all())
        for observation in trace.observations
        if observation is not None
    }


def test_a_moving_face_is_one_track() -> None:
    assert spans(followed(Stage([lambda n: (200 + 9 * n, 150)]), 40)) == [(0, 40)]


def test_a_face_that_comes_in_between_detections_is_followed_back_to_its_first_frame() -> None:
    stage = Stage([lambda n: (300, 200) if n >= 17 else None])
    assert spans(followed(stage, 40)) == [(17, 40)]


def test_a_face_that_leaves_ends() -> None:
    assert spans(followed(Stage([lambda n: (300, 200) if n < 21 else None]), 40)) == [(0, 21)]


def test_a_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    short = followed(Stage([lambda n: (300, 200)], blind={20, 21, 22}), 50)
    assert spans(short) == [(0, 50)]
    assert [k for k, observation in enumerate(short[0].observations) if observation is None] == [20, 21, 22]
    long = followed(Stage([lambda n: (300, 200)], blind=set(range(10, 10 + follow.BRIDGE + 1))), 60)
    assert spans(long) == [(0, 10), (10 + follow.BRIDGE + 1, 60)]


def test_two_people_who_cross_stay_themselves() -> None:
    stage = Stage([lambda n: (100 + 8 * n, 200), lambda n: (500 - 8 * n, 260)])
    traces = followed(stage, 50)
    assert all(len(person(trace)) == 1 for trace in traces)
    assert len({frozenset(person(trace)) for trace in traces}) == 2


def test_another_face_in_the_same_place_is_another_track() -> None:
    stage = Stage([lambda n: (300, 200) if n < 25 else None, lambda n: (330, 190) if n >= 25 else None])
    traces = followed(stage, 50)
    assert spans(traces) == [(0, 25), (25, 50)]
    assert [person(trace) for trace in traces] == [{0}, {1}]


def test_two_tracks_never_share_a_face() -> None:
    stage = Stage([lambda n: (300, 200), lambda n: (600, 200) if n < 20 else None])
    for number in range(50):
        here = [trace for trace in followed(stage, number + 1) if trace.at(number)]
        assert len(here) == (2 if number < 20 else 1)
        if number > 22:
            break


def test_most_frames_need_no_detection() -> None:
    stage = Stage([lambda n: (300, 200)])
    followed(stage, 48)
    assert len(stage.searches) == 48 // follow.DETECT_EVERY
    assert sum(tiles for _, tiles in stage.searches) == 48 // follow.TILES_EVERY


def test_the_look_does_not_depend_on_the_jaw() -> None:
    closed, open_ = _mesh((300, 200)), _mesh((300, 200))
    open_[sorted({*mesh.MOUTH, *mesh.JAW}), 1] += 15
    one, two = roi_of(closed), roi_of(open_)
    np.testing.assert_allclose(one.centre, two.centre, atol=1e-4)
    assert abs(one.side - two.side) < 1e-4


def test_displacements_are_those_of_their_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is of a frame and the one before it, also of a face that is followed back."""

    def between(previous: Image, current: Image, *observations: Any) -> NDArray[np.float64]:
        return np.array([_number(previous), _number(current), 0, 0], np.float64)

    monkeypatch.setattr(follow, "_displacement", between)
    late = Stage([lambda n: (200 + n, 150) if n >= 5 else None, lambda n: (500, 150)])
    for trace in followed(late, 30):
        frames = np.arange(trace.first + 1, trace.stop)
        found = np.array(trace.displacements)
        assert (found[0] == steady.NONE).all()
        assert found[1:, :2].tolist() == np.stack([frames - 1, frames], axis=1).tolist()


def test_where_one_person_dissolves_into_another_a_track_ends_and_one_begins() -> None:
    one, two = (np.random.default_rng(seed).normal(128, 50, (60, 80, 1)) for seed in (1, 2))
    follower = follow.Follower(Stage([lambda number: (40.0, 30.0)]))
    for number, share in enumerate(np.interp(np.arange(90), [30, 50], [0, 1])):
        picture = np.repeat(((1 - share) * one + share * two).clip(0, 255), 3, axis=2).astype(np.uint8)
        picture[0, 0, 0] = number
        follower.feed(number, picture)
    earlier, later = sorted(follower.traces(), key=lambda trace: trace.first)
    assert earlier.first == 0
    assert 25 < earlier.stop <= 35
    assert 45 <= later.first < 55
    assert later.stop == 90
    for part in (earlier, later):
        assert len(part.displacements) == len(part.observations)
        assert any(each.thumb is not None for each in part.observations if each is not None)
    np.testing.assert_array_equal(later.displacements[0], steady.NONE)
