"""The speech encoder: rows at the right times for any length, and features where there is speech only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.errors import DependencyError
from dubcli.models import onnx as network
from dubcli.models.packaged import packaged
from dubcli.speech import encoder
from dubcli.speech.features import features, levelled

RATE = 16000


def chirps(seconds: float) -> NDArray[np.float32]:
    """Sweeps, each of another length: no two spans are alike."""
    at = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(0.1 * np.sin(2 * np.pi * (200 * at + 150 * np.sin(3 * at**1.3))), np.float32)


@pytest.mark.parametrize("samples", [0, 100, 894, 895, 1278, 1279, RATE])
def test_there_is_a_row_for_every_hop_that_fits(samples: int) -> None:
    rows = encoder.encode(chirps(2)[:samples])
    assert rows.shape == (max(0, (samples - 895) // 384 + 1), encoder.WIDTH)
    assert np.isfinite(rows).all()


def test_rows_and_seconds_are_each_others_inverse() -> None:
    rows = np.arange(0, 1000, 7)
    assert encoder.row(encoder.seconds(rows)) == pytest.approx(rows)


def test_long_audio_is_encoded_in_pieces_without_gaps() -> None:
    wave = chirps(32)
    whole = encoder.encode(wave)
    assert len(whole) == encoder.count(len(wave)) > 2 * 640
    last = encoder.encode(wave[encoder.samples(1112, len(whole))])  # the third piece alone, without its lap
    assert np.allclose(whole[1154:], last[42:], atol=1e-3)


def test_a_later_sound_changes_later_rows() -> None:
    wave = np.zeros(4 * RATE, np.float32)
    wave[2 * RATE : 2 * RATE + 4000] = chirps(1)[:4000]
    loud = np.abs(np.diff(encoder.encode(wave), axis=0)).sum(1)
    assert abs(encoder.seconds(int(loud.argmax())) - 2.1) < 0.25


def test_embeddings_are_zero_where_there_is_no_speech() -> None:
    wave = np.random.default_rng(0).normal(0, 0.01, 3 * RATE).astype(np.float32)
    found = features(wave, PhoneAligner().align(levelled(wave)))["encoded"]
    assert len(found)
    assert not found.any()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_SHA256", "0" * 64)
    encoder._session.cache_clear()
    try:
        with pytest.raises(DependencyError, match="pip install moonshine-voice"):
            encoder.encode(chirps(1))
    finally:
        encoder._session.cache_clear()


def test_rows_are_an_inner_layer_and_the_last_one() -> None:
    assert tuple(one.name for one in encoder._session().get_outputs()) == encoder._LAYERS
    rows = encoder.encode(chirps(2))
    inner, last = rows[:, : encoder.WIDTH // 2], rows[:, encoder.WIDTH // 2 :]
    original = network.session(packaged("moonshine_voice", "assets/tiny-en/encoder_model.ort"))
    wave = chirps(2)[None, encoder.samples(0, len(rows))]
    answer = original.run(None, {"input_values": wave, "attention_mask": np.ones(wave.shape, np.int64)})[0]
    assert (last == answer[0]).all()
    assert inner.std() > 3 * last.std()
