"""The mouth model: what it learns from speech, and what it makes of a dub."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import mouth
from dubcli.artifacts.phones import INDEX, PHONES
from dubcli.errors import ConfigError
from dubcli.face import mesh
from dubcli.speech import basis, encoder, model, motion, prior, rules, visemes

Array = NDArray[Any]
STEP = 0.04


def speech(seed: int, seconds: float = 16.0) -> dict[str, Array]:
    """Features of made-up speech: a phone every 120 ms, all of it voiced."""
    rng = np.random.default_rng(seed)
    count = round(seconds * 100)
    phone = np.zeros((count, len(PHONES)), np.float32)
    for start in range(0, count, 12):
        phone[start : start + 12, rng.integers(1, phone.shape[1])] = 1
    table = np.stack([visemes.passage(p).mean(0) for p in PHONES])
    return {
        "viseme": visemes.soften((phone @ table).astype(np.float32)),
        "logmel": rng.normal(0, 0.1, (count, 80)).astype(np.float32),
        "loudness": np.zeros(count, np.float32),
        "speech": np.ones(count, np.float32),
        "colour": np.zeros((2, 80), np.float32),
        "encoded": encoded(phone),
    }


def encoded(phone: Array) -> Array:
    """A code for each phone, at the encoder's rate."""
    codes = np.random.default_rng(0).normal(0, 1, (phone.shape[1], encoder.WIDTH))
    rows = np.arange(int(len(phone) / 100 * encoder.HZ))
    return np.asarray(
        (phone @ codes)[(encoder.seconds(rows) * 100).astype(int).clip(0, len(phone) - 1)], np.float16
    )


def mouths(features: dict[str, Array], seconds: Array, seed: int = 0) -> Array:
    """Mouths that open as the phones ask, with the tracker's noise."""
    rows = np.clip((seconds * 100).astype(int), 0, len(features["viseme"]) - 1)
    wanted = motion_of(features)[rows]
    shape = np.repeat(mesh.head()[None, list(mesh.MOUTH)], len(seconds), axis=0).astype(np.float32)
    below = np.isin(mesh.MOUTH, (*mesh.JAW, 14, 17, 87, 317, 84, 314, 200, 199, 152))
    shape[:, below, 1] += 0.25 * wanted[:, None]
    return shape + np.random.default_rng(seed).normal(0, 0.002, shape.shape).astype(np.float32)


def motion_of(features: dict[str, Array]) -> Array:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(features["viseme"] @ visemes.table("aperture"), 4))


@pytest.fixture(scope="module")
def learnt() -> tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]]:
    audio, seconds = speech(1), np.arange(0, 16, STEP)
    shape = mouths(audio, seconds)
    person = basis.person(mesh.head(), shape)
    found, facts = model.fit(
        prior.load(prior.SHIPPED), {"a": person}, [model.TrackSpan("a", seconds, shape)], audio, 2.0
    )
    return found, person, facts


def test_a_model_adapted_to_a_film_predicts_its_actors_mouth(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
) -> None:
    found, person, facts = learnt
    dub, seconds = speech(2), np.arange(0.5, 15.5, STEP)
    estimate = basis.aperture(found.predict("a", person, dub, seconds)[0])
    true = basis.aperture(mouths(dub, seconds, seed=3))
    assert np.corrcoef(estimate, true)[0, 1] > 0.6  # each phone is thrice in the training set
    # To the prior made-up speech is noise: with a film of 16 s against it, mouths move less than they might.
    assert 0.4 < estimate.std() / true.std() < 1.3
    assert facts["a"]["seconds"] == pytest.approx(16, abs=0.1)


def test_fitting_twice_gives_the_same_bytes(
    tmp_path: Path, learnt: tuple[model.MouthModel, object, object]
) -> None:
    audio, seconds = speech(1), np.arange(0, 16, STEP)
    shape = mouths(audio, seconds)
    again, _ = model.fit(
        prior.load(prior.SHIPPED),
        {"a": basis.person(mesh.head(), shape)},
        [model.TrackSpan("a", seconds, shape)],
        audio,
        2.0,
    )
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, made in ((one, learnt[0]), (two, again)):
        folder.mkdir()
        mouth.save_weights(folder, made.members())
    assert [path.read_bytes() for path in one.iterdir()] == [path.read_bytes() for path in two.iterdir()]


def test_a_saved_model_predicts_the_same(
    tmp_path: Path, learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]]
) -> None:
    found, person, _ = learnt
    mouth.save_weights(tmp_path, found.members())
    dub, seconds = speech(2), np.arange(0, 5, STEP)
    again = model.load(mouth.weights(tmp_path)).predict("a", person, dub, seconds)
    for one, other in zip(again, found.predict("a", person, dub, seconds), strict=True):
        assert np.allclose(one, other, atol=1e-5)


def test_someone_who_hardly_speaks_is_left_to_the_prior() -> None:
    audio, seconds = speech(1), np.arange(0, 1.5, STEP)
    shape = mouths(audio, seconds)
    person = basis.person(mesh.head(), shape)
    found, facts = model.fit(
        prior.load(prior.SHIPPED), {"a": person}, [model.TrackSpan("a", seconds, shape)], audio, 2.0
    )
    assert not facts
    assert all(np.isfinite(part).all() for part in found.predict("a", person, audio, seconds))


def test_the_lag_of_the_film_is_kept_for_sound_of_its_own_recording_alone(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
) -> None:
    found, _, _ = learnt
    late = dataclasses.replace(found, lag=0.04)
    dub, seconds = speech(2), np.arange(0.5, 15.5, STEP)
    other = dub | {"colour": np.stack([8 * np.linspace(-1, 1, 80, dtype=np.float32), dub["colour"][1]])}
    assert np.allclose(found.times(dub, seconds), seconds - found.lag)
    assert np.allclose(late.times(dub, seconds), seconds - 0.04)
    assert np.allclose(late.times(other, seconds), seconds)
    beyond = dataclasses.replace(found, lag=0.4).times(dub, seconds)
    assert np.allclose(beyond, seconds - 0.045)  # as far as viewers do not notice


def test_the_lag_of_the_film_is_estimated() -> None:
    known, seconds = prior.load(prior.SHIPPED), np.arange(0.5, 15.5, STEP)
    audio = known.project(speech(4))
    z = known(audio.windows(seconds - 0.08))
    shape = np.repeat(mesh.head()[None, list(mesh.MOUTH)], len(seconds), axis=0).astype(np.float32)
    shape[:, list(mesh.MOUTH).index(14), 1] += 0.1 * z[:, 0]
    assert model.lag(known, [(audio, seconds)], shape) == pytest.approx(0.08, abs=0.021)


def test_a_prior_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prior").write_bytes(b"no weights at all")
    with pytest.raises(ConfigError, match="leave learn"):
        prior.load(tmp_path / "prior")


def test_frame_times_do_not_depend_on_the_rate(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
) -> None:
    found, person, _ = learnt
    dub = speech(2)
    slow, _ = found.predict("a", person, dub, np.arange(0, 4, 0.04))
    fast, _ = found.predict("a", person, dub, np.arange(0, 4, 0.02))
    assert np.allclose(slow, fast[::2], atol=1e-5)


def test_a_silent_dub_closes_the_mouth_and_keeps_it_still(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
) -> None:
    found, person, _ = learnt
    seconds = np.arange(0, 4, STEP)
    dub = {name: np.zeros_like(rows[:400]) for name, rows in speech(2).items()}
    shape, closed = motion.speak(
        person, *found.predict("a", person, dub, seconds), dub, seconds, np.zeros(len(seconds), np.float32)
    )
    assert np.allclose(shape, person.closed, atol=1e-5)
    assert (closed == 1).all()


def test_lips_that_hardly_ever_meet_are_closed_at_rest() -> None:
    shape = np.repeat(mesh.head()[None, list(mesh.MOUTH)], 200, axis=0).astype(np.float32)
    lower, upper = list(mesh.MOUTH).index(14), list(mesh.MOUTH).index(13)
    gap = np.where(np.arange(200) % 25 == 0, 0.0, 0.03 + 0.1 * np.random.default_rng(0).random(200))
    shape[:, lower, 1] = shape[:, upper, 1] + gap
    assert -0.005 < basis.aperture(basis.person(mesh.head(), shape).closed) < 0


def test_lips_meet_at_p_b_and_m(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
) -> None:
    found, person, _ = learnt
    dub, seconds = speech(2), np.arange(0.5, 15.5, STEP)
    dub["viseme"] = dub["viseme"].copy()
    dub["viseme"][500:520] = np.eye(len(visemes.VISEMES))[INDEX["PP"]]
    shape, closed = motion.speak(
        person, *found.predict("a", person, dub, seconds), dub, seconds, np.zeros(len(seconds), np.float32)
    )
    at = np.abs(seconds + 0.04 - 5.1) < 0.05  # lips are there before the sound is
    assert np.allclose(basis.aperture(shape)[at], basis.aperture(person.closed), atol=1e-3)
    assert (closed[at] > 0.9).all()


@pytest.mark.parametrize(("viseme", "measure"), [("FF", basis.aperture), ("ou", basis.width)])
def test_the_lower_lip_comes_to_the_teeth_at_f_and_v_and_lips_round_at_u(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
    viseme: str,
    measure: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> None:
    _, person, _ = learnt
    seconds = np.arange(0.5, 8, STEP)
    dub = speech(2)
    rows = np.zeros_like(dub["viseme"])
    rows[:, INDEX["aa"]] = 1
    rows[500:520] = np.eye(len(visemes.VISEMES))[INDEX[viseme]]
    wide = np.repeat(person.mean.reshape(1, -1, 3), len(seconds), axis=0)
    apart, still = np.zeros(len(seconds), np.float32), np.zeros(len(seconds), np.float32)
    dub |= {"viseme": rows, "speech": np.ones(len(rows), np.float32)}
    shape, closed = motion.speak(person, wide, apart, dub, seconds, still)
    at, away = np.abs(seconds + 0.04 - 5.1) < 0.05, np.abs(seconds - 5.1) > 0.3
    made, seen = measure(shape), measure(person.decode(person.coefficients))
    assert np.allclose(made[away], measure(wide)[0], atol=1e-3)
    assert (made[at] < np.quantile(seen, 0.3)).all()
    assert not closed.any()


def test_lips_that_meet_in_speech_stay_nearly_as_wide_as_the_sound_asks(
    learnt: tuple[model.MouthModel, basis.Person, dict[str, dict[str, float]]],
) -> None:
    _, person, _ = learnt
    dub, seconds = speech(2), np.arange(0.5, 8, STEP)
    dub |= {"viseme": np.zeros_like(dub["viseme"]), "speech": np.ones(1600, np.float32)}
    narrow = person.decode(np.repeat(person.coefficients[:1], len(seconds), 0))
    lips = np.stack([basis.aperture(narrow), basis.width(narrow) - 0.03], axis=1)
    narrow = basis.reshaped(person, narrow, lips, basis.lips)
    still = np.zeros(len(seconds), np.float32)
    free, shut = (
        motion.speak(person, narrow, np.full(len(seconds), sure, np.float32), dub, seconds, still)[0][20]
        for sure in (0, 1)
    )
    assert basis.aperture(shut) < 0 < basis.aperture(free)
    moved, rest = basis.width(shut) - basis.width(free), basis.width(person.closed) - basis.width(free)
    assert abs(moved) < 0.5 * abs(rest)


def test_rules_round_lips_before_the_vowel_and_open_for_it() -> None:
    rows = np.zeros((200, len(visemes.VISEMES)), np.float32)
    rows[:, INDEX["DD"]] = 1
    rows[100:115] = np.eye(len(visemes.VISEMES))[INDEX["ou"]]
    rows[160:175] = np.eye(len(visemes.VISEMES))[INDEX["aa"]]
    estimate = rules.measures({"viseme": rows}, np.arange(0, 2, 0.01))
    assert estimate[95, 2] > estimate[60, 2] + 0.2  # the lips are on their way before the sound
    assert estimate[167, 0] > estimate[60, 0] + 0.5
