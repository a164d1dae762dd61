"""Which footage is shown when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.gallery import Crops, Gallery
from dubcli.engines.lips import retrieval
from dubcli.face import mesh as regions
from dubcli.face import occlusion

MOUTH = list(regions.MOUTH)


def mouths(gaps: NDArray[np.float64]) -> NDArray[np.float32]:
    shape = np.repeat(regions.head()[None, MOUTH], len(gaps), axis=0).astype(np.float32)
    for upper, lower in ((13, 14), (82, 87), (312, 317)):
        a, b = MOUTH.index(upper), MOUTH.index(lower)
        middle = shape[:, [a, b], 1].mean(axis=1)
        shape[:, a, 1], shape[:, b, 1] = middle - gaps / 2, middle + gaps / 2
    return shape


def gallery(gaps: NDArray[np.float64], run: NDArray[np.int32], yaw: float = 0.0) -> Gallery:
    count = len(gaps)
    one = Gallery(
        frames=np.arange(count, dtype=np.int64),
        shots=("picture",),
        origin=np.zeros((count, 2), np.int32),
        crop=Crops(np.zeros(count * 12, np.uint8), np.full((count, 2), 2, np.int32)),
        mesh=np.zeros((count, 478, 3), np.float32),
        shape=mouths(gaps),
        pose=np.repeat(np.array([[yaw, 0, 0]], np.float32), count, axis=0),
        run=run,
        sharp=np.ones(count, np.float32),
        texture=np.full((count, occlusion.ROWS, occlusion.COLUMNS, 3), 128, np.uint8),
        occlusion=np.zeros((count, occlusion.ROWS, occlusion.COLUMNS), np.uint8),
        head=regions.head(),
    )
    one.texture[:, 14:20, 18:30] = (gaps * 500).astype(np.uint8)[
        :, None, None, None
    ]  # the wider, the brighter
    return one


def wanted(gaps: NDArray[np.float64]) -> retrieval.Target:
    count = len(gaps)
    return retrieval.Target(
        mouths(gaps), np.zeros((count, 3)), np.full(count, 100.0), np.full((count, 4, 3), 0.5)
    )


def path(gaps: NDArray[np.float64], footage: Gallery, start: int = -1) -> list[int]:
    cost = retrieval.mismatch(wanted(gaps), footage, np.full(len(footage), 100.0))
    return [int(k) for k in retrieval.choose(cost, footage, start)]


def speech(count: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    steps = np.convolve(rng.standard_normal(count + 8), np.hanning(9), "valid")
    return np.abs(steps) * 0.04


def test_footage_that_is_lit_from_the_same_side_is_chosen() -> None:
    footage = gallery(np.full(2, 0.1), np.arange(2, dtype=np.int32))
    half = occlusion.COLUMNS // 2
    for row, (left, right) in enumerate(((190, 80), (80, 190))):
        footage.texture[row, :, :half], footage.texture[row, :, half:] = left, right
    asked = replace(wanted(np.array([0.1])), light=occlusion.light(footage.texture[1:]))
    other, same = retrieval.mismatch(asked, footage, np.full(2, 100.0))[0]
    assert same < 0.01
    assert other > 3


def test_footage_of_the_very_words_is_found_and_shown_in_one_run() -> None:
    gaps = speech(400, 0)
    footage = gallery(gaps, np.repeat(np.arange(4, dtype=np.int32), 100))
    assert path(gaps[120:160], footage) == list(range(120, 160))


def test_runs_of_footage_are_favoured_over_the_nearest_frame_each_time() -> None:
    gaps = speech(600, 1)
    footage = gallery(gaps, np.repeat(np.arange(6, dtype=np.int32), 100))
    cost = retrieval.mismatch(wanted(speech(100, 2)), footage, np.full(600, 100.0))
    chosen = retrieval.choose(cost, footage)
    steps = np.diff(chosen)
    assert (np.isin(steps, (-1, 0, 1, 2))).mean() > 0.6
    assert np.isin(np.diff(cost.argmin(axis=1)), (-1, 0, 1, 2)).mean() < 0.4
    nearest = cost.min(axis=1).mean()
    assert cost[np.arange(100), chosen].mean() < nearest + 1.0


def test_a_cut_between_runs_is_never_taken_for_a_run() -> None:
    gaps = np.full(20, 0.1)
    footage = gallery(gaps, np.arange(20, dtype=np.int32))
    chosen = path(np.full(10, 0.1), footage)
    assert len(set(chosen)) == 1


def test_closed_lips_are_taken_from_closed_lips() -> None:
    gaps = np.array([0.0, 0.03, 0.06, 0.2, 0.23])
    footage = gallery(gaps, np.arange(5, dtype=np.int32))
    cost = retrieval.mismatch(wanted(np.array([0.0, 0.23])), footage, np.full(5, 100.0))
    assert cost[0].argmin() == 0
    # The same difference of aperture matters more between closed lips than between open ones.
    assert cost[0, 1] > 2 * cost[1, 3]


@pytest.mark.parametrize("yaw", [25.0, -25.0])
def test_a_turned_head_is_used_only_where_there_is_no_other(yaw: float) -> None:
    straight, turned = (
        gallery(np.array([0.08]), np.zeros(1, np.int32)),
        gallery(np.array([0.1]), np.zeros(1, np.int32), yaw),
    )
    one = wanted(np.array([0.1]))
    size = np.full(1, 100.0)
    assert retrieval.mismatch(one, straight, size) < retrieval.mismatch(one, turned, size)


def test_small_faces_are_not_enlarged_where_larger_ones_are_there() -> None:
    footage = gallery(np.array([0.1, 0.1]), np.arange(2, dtype=np.int32))
    small, large = retrieval.mismatch(wanted(np.array([0.1])), footage, np.array([50.0, 200.0]))[0]
    assert large < small


def test_blurred_footage_is_passed_over() -> None:
    footage = gallery(np.array([0.1, 0.1]), np.arange(2, dtype=np.int32))
    footage.sharp[0] = 0.6
    blurred, sharp = retrieval.mismatch(wanted(np.array([0.1])), footage, np.full(2, 100.0))[0]
    assert sharp < blurred - 0.5


def test_lips_that_their_movement_smears_are_not_shown_where_lips_hardly_move() -> None:
    aperture, still = [0.0, 0.1, 0.2], [0.1, 0.1, 0.1]
    footage = gallery(np.array(aperture + still), np.repeat(np.arange(2, dtype=np.int32), 3))
    size = np.full(6, 100.0)
    slow, fast = (
        retrieval.mismatch(wanted(np.array(g)), footage, size)[1, [1, 4]] for g in (still, aperture)
    )
    assert slow[1] < slow[0] - 1
    assert fast[0] < 0.01
    assert fast[1] < 0.01


def test_lips_that_have_just_met_or_turned_back_are_not_smeared() -> None:
    speed = retrieval.speed(mouths(np.array([0.2, 0.1, 0.0, 0.0, 0.1, 0.0])), np.array([0, 0, 0, 0, 0, 1]))
    assert speed == pytest.approx([0, 0.1, 0, 0, 0, 0], abs=1e-6)


def test_occluded_footage_is_passed_over() -> None:
    footage = gallery(np.array([0.1, 0.1]), np.arange(2, dtype=np.int32))
    footage.occlusion[0, 25:] = 255
    hidden, clear = retrieval.mismatch(wanted(np.array([0.1])), footage, np.full(2, 100.0))[0]
    assert clear < hidden - 1


def test_footage_may_be_occluded_where_the_target_frame_is() -> None:
    footage = gallery(np.array([0.1, 0.1]), np.arange(2, dtype=np.int32))
    footage.occlusion[0, 25:], footage.occlusion[1, :10] = 255, 255
    covered = (footage.occlusion[:1] / 255).astype(np.float32)
    asked = replace(wanted(np.array([0.1])), occlusion=covered)
    same, other = retrieval.mismatch(asked, footage, np.full(2, 100.0))[0]
    assert same < 0.01
    assert other > 1


def test_a_new_path_continues_the_previous_one() -> None:
    gaps = np.full(60, 0.1)
    footage = gallery(gaps, np.zeros(60, np.int32))
    assert path(np.full(5, 0.1), footage, start=30) == [31, 32, 33, 34, 35]


def test_few_candidates_are_evaluated_and_the_path_is_nearly_the_best() -> None:
    gaps, footage = speech(40, 4), gallery(speech(600, 3), np.repeat(np.arange(6, dtype=np.int32), 100))
    cost = retrieval.mismatch(wanted(gaps), footage, np.full(600, 100.0))

    def price(rows: NDArray[np.int64]) -> float:
        appearance = occlusion.mouth(footage.texture)
        cuts = [
            float(retrieval._transition(rows[[k]], rows[[k + 1]], footage.run, appearance)[0, 0])
            for k in range(39)
        ]
        return float(cost[np.arange(40), rows].sum()) + sum(cuts)

    few = price(retrieval.choose(cost, footage))
    whole = retrieval.CANDIDATES
    try:
        retrieval.CANDIDATES = 600
        best = price(retrieval.choose(cost, footage))
    finally:
        retrieval.CANDIDATES = whole
    assert few <= 1.1 * best


def test_a_mouth_at_rest_is_one_picture_and_a_moving_one_is_footage() -> None:
    footage = gallery(np.zeros(60), np.zeros(60, np.int32))
    asked = wanted(np.zeros(30))
    cost = retrieval.mismatch(asked, footage, np.full(60, 100.0))
    assert len(set(retrieval.choose(cost, footage, 5, retrieval.resting(asked)).tolist())) == 1
    assert retrieval.choose(cost, footage, 5).tolist() == list(range(6, 36))


def test_a_mouth_rests_where_its_wanted_shape_stays() -> None:
    gaps = np.repeat([0.1, 0.2], 5)
    assert retrieval.resting(wanted(gaps)).tolist() == [False, *[True] * 4, False, *[True] * 4]


def test_a_mouth_at_rest_keeps_its_picture_though_another_would_fit_a_little_better() -> None:
    footage = gallery(np.zeros(60), np.repeat(np.arange(2, dtype=np.int32), 30))
    asked = wanted(np.zeros(30))
    cost = retrieval.mismatch(asked, footage, np.full(60, 100.0))
    cost[:10, 30:], cost[20:, 30:] = 99, 99
    cost[10:20, :30] += (
        0.8  # there the other run is cheaper, by as much as two cuts and more of a moving mouth
    )
    rests = retrieval.resting(asked)
    assert len(set(retrieval.choose(cost, footage, 5, rests).tolist())) == 1
    assert (retrieval.choose(cost, footage, 5) >= 30).any()
    cost[10:20, :30] += 5
    assert len(set(retrieval.choose(cost, footage, 5, rests).tolist())) > 1


def test_further_paths_are_of_other_moments_and_move_as_film_does() -> None:
    said = speech(40, 5)
    gaps = np.concatenate([said, speech(60, 6), said + 0.004, speech(60, 7), said - 0.004])
    runs = np.repeat(np.arange(5, dtype=np.int32), [40, 60, 40, 60, 40])
    footage = gallery(gaps, runs)
    cost = retrieval.mismatch(wanted(said), footage, np.full(len(footage), 100.0))
    found = retrieval.paths(cost, footage, 4)
    assert found[:, 0].tolist() == path(said, footage) == list(range(40))
    assert {tuple(np.diff(row)) for row in found[:, 1:3].T} == {(1,) * 39}, "the same words, said again"
    apart = np.abs(found[:, :, None] - found[:, None])[:, ~np.eye(4, dtype=bool)]
    assert apart.min() >= retrieval.APART
    few = retrieval.paths(cost[:, :20], gallery(gaps[:20], runs[:20]), 4)
    assert (few[:, 3] == few[:, 0]).all(), "where there is no other moment, the first stands in"


def test_an_edit_leaves_further_paths_as_they_were_elsewhere() -> None:
    said, footage = speech(40, 5), gallery(speech(200, 8), np.zeros(200, np.int32))
    size = np.full(len(footage), 100.0)
    before = retrieval.paths(retrieval.mismatch(wanted(said), footage, size), footage, 4)
    near = (np.arange(40) >= 15) & (np.arange(40) < 25)
    cost = retrieval.mismatch(wanted(np.where(near, 0.15 - said, said)), footage, size)
    assert (retrieval.paths(cost, footage, 4)[~near] != before[~near]).any()
    after = retrieval.paths(cost, footage, 4, earlier=(before, near))
    assert (after[~near] == before[~near]).all()
    assert (after[near] != before[near]).any()
