"""Visemes of timed phones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.phones import INDEX, PHONES
from dubcli.artifacts.speech import Phone
from dubcli.speech import visemes


def rows(*phones: tuple[str, float, float], seconds: float = 1.0) -> NDArray[np.float32]:
    return visemes.from_phones([Phone(phone=p, start=a, end=b) for p, a, b in phones], round(seconds * 100))


def test_every_phone_of_the_model_has_a_class() -> None:
    for phone in PHONES:
        assert np.allclose(visemes.passage(phone).sum(1), 1)


def test_lips_close_for_p_b_m_and_for_no_other_sound() -> None:
    closed = visemes.table("closed")
    shut = {p for p in PHONES if visemes.passage(p)[1] @ closed == 1}
    assert shut == {"P", "B", "M"}


def test_teeth_touch_the_lip_for_f_and_v_only() -> None:
    teeth = visemes.table("teeth")
    assert {p for p in PHONES if (visemes.passage(p) @ teeth).any()} == {"F", "V"}


def test_rows_sum_to_one_and_time_without_phones_is_silence() -> None:
    out = rows(("AA", 0.3, 0.6))
    assert np.allclose(out.sum(1), 1, atol=1e-5)
    assert out[5, INDEX["sil"]] > 0.99
    assert out[45, INDEX["aa"]] > 0.99


def test_a_diphthong_moves_from_one_class_to_another() -> None:
    out = rows(("AY", 0.2, 0.8))
    assert out[25, INDEX["aa"]] > 0.9
    assert out[75, INDEX["ih"]] > 0.9


def test_lips_move_before_the_sound() -> None:
    out = rows(("AA", 0.2, 0.5), ("M", 0.5, 0.6), ("AA", 0.6, 0.9))
    closing = out[:, INDEX["PP"]]
    assert 0.05 < closing[48] < 0.5 < closing[55]


def test_zero_seconds_have_no_rows() -> None:
    assert rows(seconds=0).shape == (0, len(visemes.VISEMES))
