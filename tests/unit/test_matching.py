"""Selective dubbing, and mouths that rest while somebody else speaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh
from dubcli.speech import matching
from dubcli.speech import motion as curves
from dubcli.speech.basis import LIPS

STEP, LIMIT = 0.04, 0.015
HEAD = mesh.head()[list(mesh.MOUTH)]


def mouths(gap: NDArray[np.float64]) -> NDArray[np.float32]:
    """Mouths (T, P, 3) whose lower lip lies lower by `gap` (T,)."""
    out = np.repeat(HEAD[None], len(gap), axis=0)
    lower = [k for k in LIPS if HEAD[k, 1] > HEAD[LIPS, 1].mean()]
    out[:, lower, 1] += np.asarray(gap, np.float32)[:, None]
    return np.asarray(out, np.float32)


def test_a_matching_mouth_is_kept_and_any_other_is_changed() -> None:
    source, target = np.zeros(100), np.zeros(100)
    target[30:60] = 0.1
    kept = matching.matches(mouths(target), mouths(source), None, STEP, LIMIT)
    assert kept[:26].all()
    assert not kept[28:62].any()
    assert kept[64:].all()


def test_short_matches_are_not_kept() -> None:
    source, target = np.zeros(100), np.full(100, 0.1)
    target[40:55] = 0
    assert not matching.matches(mouths(target), mouths(source), None, STEP, LIMIT).any()


def test_equal_predictions_match_even_where_they_are_wrong() -> None:
    """Source and prediction differ everywhere; both predictions are equal in the first half."""
    rng = np.random.default_rng(0)
    source, predicted = rng.uniform(0, 0.3, 100), rng.uniform(0, 0.3, 100)
    target = np.where(np.arange(100) < 50, predicted, rng.uniform(0, 0.3, 100))
    kept = matching.matches(mouths(target), mouths(source), mouths(predicted), STEP, LIMIT)
    assert kept[:46].all()
    assert not kept[50:].any()


def test_a_face_that_is_to_be_still_rests_while_another_speaks_the_dub() -> None:
    seconds = (np.arange(100) + 0.5) / 25
    features = {"speech": np.ones(400, np.float32)}
    still = np.ones(100, bool)
    assert (curves.resting(still, np.zeros(100, bool), features, seconds) == 1).all()
    speaking = np.arange(100) < 50
    rest = curves.resting(~speaking, speaking, features, seconds)
    assert (rest[:54] == 0).all(), "beside its own speech it is still moving"
    assert (rest[62:] == 1).all()
