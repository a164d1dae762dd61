"""Audio features: the same at any level, silent for silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

import dubcli.demo
from dubcli.artifacts import arrays
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.media.sound import audio
from dubcli.speech import encoder, prior
from dubcli.speech import features as features_module
from dubcli.speech.alignment import Alignment
from dubcli.speech.features import FLOOR_DB, features, levelled, part

Floats = NDArray[np.float32]


def _features(wave: Floats) -> dict[str, Floats]:
    return features(wave, PhoneAligner().align(levelled(wave)))


@pytest.fixture(scope="module")
def speech() -> Floats:
    return audio(Path(dubcli.demo.__file__).with_name("speech_en.flac"))[0][: 16000 * 7]


@pytest.fixture(scope="module")
def alignment(speech: Floats) -> Alignment:
    return PhoneAligner().align(levelled(speech))


@pytest.fixture(scope="module")
def found(speech: Floats, alignment: Alignment) -> dict[str, Floats]:
    return features(speech, alignment)


def test_all_rows_are_a_hundredth_of_a_second(speech: Floats, found: dict[str, Floats]) -> None:
    even = {name: rows for name, rows in found.items() if name not in ("encoded", "colour")}
    assert {len(rows) for rows in even.values()} == {len(speech) // 160}
    assert {str(rows.dtype) for rows in even.values()} == {"float32"}


def test_the_encoder_embeds_speech_and_nothing_else(found: dict[str, Floats], alignment: Alignment) -> None:
    at = encoder.seconds(np.arange(len(found["encoded"])))
    said = np.any([(at > r.start) & (at < r.end) for r in alignment.record.regions], axis=0)
    far = np.all([(at < r.start - 0.41) | (at > r.end + 0.41) for r in alignment.record.regions], axis=0)
    assert found["encoded"][said].any(axis=1).all()
    assert not found["encoded"][far].any()


def test_colour_separates_recordings_and_not_levels(speech: Floats, found: dict[str, Floats]) -> None:
    def apart(wave: Floats) -> float:
        (one, doubt), (two, more) = _features(wave)["colour"], found["colour"]
        return float(np.mean((one - two) ** 2 - doubt - more))

    half = len(speech) // 2
    assert apart(0.25 * speech) < 0
    assert max(apart(speech[:half]), apart(speech[half:])) < 2.5**2
    tinny = np.asarray(lfilter([1.0, -0.95], [1.0], speech), np.float32)
    assert apart(tinny) > 3.5**2


def test_12_db_less_changes_nothing(speech: Floats, found: dict[str, Floats]) -> None:
    quiet = _features((speech / 4).astype(np.float32))
    for name, rows in quiet.items():
        assert np.abs(rows - found[name]).mean() < 0.002 * max(1, np.abs(found[name]).mean()), name


def test_a_16_bit_file_12_db_down_gives_nearly_the_same(speech: Floats, found: dict[str, Floats]) -> None:
    quiet = _features((np.round(speech / 4 * 32768) / 32768).astype(np.float32))
    assert np.corrcoef(quiet["logmel"].ravel(), found["logmel"].ravel())[0, 1] > 0.99
    assert (quiet["viseme"].argmax(1) == found["viseme"].argmax(1)).mean() > 0.95


def test_silence_is_silence() -> None:
    out = _features(np.zeros(16000, np.float32))
    assert (out["loudness"] == FLOOR_DB).all()
    assert not out["speech"].any()
    assert not out["pitch"].any()
    assert (out["viseme"].argmax(1) == 0).all()
    assert out["logmel"].max() == out["logmel"].min()


def test_hiss_is_not_speech() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    out = _features(noise)
    assert (out["loudness"] == FLOOR_DB).all()
    assert (out["viseme"].argmax(1) == 0).all()


def test_music_between_lines_is_silence_to_a_mouth(speech: Floats) -> None:
    time = np.arange(3 * 16000) / 16000
    chord = sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.2, 329.6)) * 0.05
    mixed = np.concatenate([speech[: 3 * 16000], chord.astype(np.float32)])
    out = _features(mixed)
    assert out["loudness"][350:].max() == FLOOR_DB


@pytest.mark.parametrize("hertz", [90.0, 140.0, 220.0, 330.0])
def test_pitch_of_a_buzz_is_its_frequency(hertz: float, alignment: Alignment) -> None:
    time = np.arange(len(alignment.speech) * 160) / 16000
    buzz = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 12)) * 0.1
    pitch = features(buzz.astype(np.float32), alignment)["pitch"]
    inside = pitch[60:270]  # within the first line, where the voice is
    assert np.median(np.abs(inside - hertz)) < 0.01 * hertz


def test_too_short_for_a_row() -> None:
    assert all(
        len(rows) == 0 for name, rows in _features(np.zeros(100, np.float32)).items() if name != "colour"
    )


def test_a_part_of_the_features_is_as_in_the_whole(found: dict[str, Floats]) -> None:
    known = prior.load(prior.SHIPPED)
    seconds = np.arange(5.0, 6.5, 0.04)
    near, begin = part(found, 5.0, 6.5)
    assert len(near["speech"]) < len(found["speech"])
    whole = known.project(found).windows(seconds)
    assert np.allclose(known.project(near).windows(seconds - begin), whole, atol=1e-4)


@pytest.mark.parametrize("start", [-9.0, -1.0, 12.0, 40.0])
def test_a_part_beyond_either_end_is_the_end(found: dict[str, Floats], start: float) -> None:
    near, begin = part(found, start, start + 1)
    assert len(near["speech"])
    assert 0 <= begin < len(found["speech"]) / 100


def test_a_quieter_dub_gives_the_same_features_but_for_its_rounding(footage: Path) -> None:
    """A quarter of each sample is the same to the bit; 12 dB less at 16 bits is nearly so."""
    step = np.float32(1 / 32768)
    wave = np.rint(audio(footage / "speech" / "fr_librivox_7s.wav")[0] / step) * step
    same = _features(wave)
    for name, rows in _features(wave / 4).items():
        np.testing.assert_array_equal(rows, same[name], err_msg=name)
    quiet = _features((np.rint(wave * 10 ** (-12 / 20) / step) * step).astype(np.float32))
    most = {"logmel": 0.02, "loudness": 0.01, "speech": 0.005, "viseme": 0.1, "encoded": 0.05}
    for name, part_ in most.items():
        off = np.linalg.norm(quiet[name].astype(float) - same[name])
        assert off < part_ * np.linalg.norm(same[name].astype(float)), name


def test_features_do_not_know_the_size_of_blocks(
    speech: Floats,
    alignment: Alignment,
    found: dict[str, Floats],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for block in (64, 1000):
        monkeypatch.setattr(features_module, "_BLOCK", block)
        again = features(speech, alignment)
        assert [name for name, rows in found.items() if again[name].tobytes() != rows.tobytes()] == []
    arrays.write(tmp_path / "blocks.npz", features_module.made(levelled(speech), alignment))
    np.savez(tmp_path / "whole.npz", **found)
    assert (tmp_path / "blocks.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
