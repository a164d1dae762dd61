"""How changes of a mouth fade in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dubcli.artifacts.speech import Record
from dubcli.face import mesh
from dubcli.speech import basis, motion, visemes
from dubcli.stages.motion import _features_at


def test_a_change_fades_over_its_ramp_and_the_patch_is_earlier_than_the_movement() -> None:
    change = np.zeros(60, bool)
    change[10:50] = True
    picture, morph = motion.ramps(change, 6, open_start=False, open_stop=False)
    assert (picture[~change] == 0).all()
    assert (morph[~change] == 0).all()
    assert (picture[18:42] == 1).all()
    assert np.allclose(morph[18:42], 1)
    rising = morph[10:18]
    assert (np.diff(rising) >= 0).all()
    assert (rising > 0).sum() >= 4
    assert (picture[morph > 0] > 0.99).all()  # no mouth is seen double


def test_at_a_cut_nothing_fades() -> None:
    picture, morph = motion.ramps(np.ones(30, bool), 6, open_start=True, open_stop=True)
    assert (picture == 1).all()
    assert (morph == 1).all()


def test_a_span_that_is_not_eligible_stays_as_it_is_with_ramps_on_both_sides() -> None:
    change = np.ones(60, bool)
    change[25:30] = False
    picture, _ = motion.ramps(change, 6, open_start=True, open_stop=True)
    assert (picture[25:30] == 0).all()
    assert 0 < picture[24] < 1
    assert 0 < picture[30] < 1


def test_a_mouth_comes_to_rest_over_frames_and_not_at_once() -> None:
    speech = np.zeros(200, np.float32)
    speech[:80] = 1
    seconds = np.arange(0, 2, 0.04)
    rest = motion.resting(seconds > 0.8, seconds <= 0.8, {"speech": speech}, seconds)
    assert (rest[:20] == 0).all()
    assert rest[-1] == 1
    assert ((rest > 0) & (rest < 1)).sum() >= 4
    assert (np.diff(rest[20:]) >= 0).all()


def test_pauses_close_only_away_from_speech() -> None:
    speech = np.ones(400, np.float32)
    speech[100:130] = 0  # a breath
    speech[200:400] = 0  # a pause
    rest = motion.pauses(speech, np.arange(0, 4, 0.04))
    assert (rest[: 200 // 4] == 0).all()
    assert rest[70] == 1


def test_a_dub_without_speech_is_one_pause() -> None:
    assert (motion.pauses(np.zeros(100, np.float32), np.arange(0, 2, 0.04)) == 1).all()


@pytest.mark.parametrize("offset", [0.0, 0.52, -0.52])
def test_a_dub_that_begins_later_moves_mouths_later(offset: float, tmp_path: Path) -> None:
    count = 3000
    rows = np.arange(count, dtype=np.float32)
    encoded = np.zeros((1249, 288), np.float16)
    np.savez(tmp_path / "features.npz", speech=rows, encoded=encoded)
    Record(engine="phones", seconds=count / 100, offset=offset).save(tmp_path)
    features, at = _features_at(tmp_path, np.array([12.0, 12.04, 13.0]))
    times = features["speech"][(at * 100).astype(int)] / 100  # each row holds its time in the dub
    assert times == pytest.approx(np.array([12.0, 12.04, 13.0]) - offset, abs=0.011)
    assert len(features["speech"]) < 700


def test_a_mouth_closes_over_frames_when_the_dub_is_cut_off_in_a_word() -> None:
    shape = np.repeat(mesh.head()[None, list(mesh.MOUTH)], 100, axis=0).astype(np.float32)
    person = basis.person(mesh.head(), shape[:10])  # too few for a range of the aperture
    shape[:, list(mesh.MOUTH).index(mesh.LOWER_LIP), 1] += 0.1
    count = 200  # the dub's rows: it ends after two seconds, in the middle of a word
    features_of_dub = {
        "speech": np.ones(count, np.float32),
        "viseme": np.zeros((count, len(visemes.VISEMES)), np.float32),
    }
    seconds, still = np.arange(100) * 0.04, np.zeros(100, np.float32)
    still[62:] = 1
    made, _ = motion.speak(person, shape, np.zeros(100, np.float32), features_of_dub, seconds, still)
    gap = basis.aperture(made) - basis.aperture(person.closed)
    assert gap[:45] == pytest.approx(np.full(45, 0.1), abs=1e-3)
    assert gap[60:] == pytest.approx(np.zeros(40), abs=1e-3)
    assert np.abs(np.diff(gap)).max() < 0.1 / 3
