"""What stages ask of a sound's record, which is of a whole film, shot by shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import speech
from dubcli.artifacts.speech import Phone, Record

PHONES = tuple(Phone(start=k * 0.07, end=k * 0.07 + 0.06, phone="AA") for k in range(2000))


@pytest.mark.parametrize("offset", [0.0, 0.52, -0.52])
@pytest.mark.parametrize(
    ("start", "stop"), [(0.0, 1.0), (12.34, 17.0), (139.9, 500.0), (-3.0, -1.0), (7.1, 7.1)]
)
def test_phones_of_a_span_are_those_that_touch_it(
    start: float, stop: float, offset: float, tmp_path: Path
) -> None:
    Record(engine="phones", seconds=140, offset=offset, phones=PHONES).save(tmp_path)
    found = speech.phones(tmp_path, start, stop)
    touching = [p for p in PHONES if start <= p.end + offset and p.start + offset <= stop]
    assert [(p.start, p.end) for p in found] == [(p.start + offset, p.end + offset) for p in touching]


def test_the_record_of_a_film_is_read_once_however_many_shots_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dubcli.stages.measure import _sound
    from dubcli.stages.motion import _features_at

    class Prior:
        """A model that expects a mouth to stand still."""

        def project(self, features: object) -> Prior:
            return self

        def windows(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
            return at

        def __call__(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.zeros((len(at), 1))

    Record(engine="phones", seconds=140, phones=PHONES).save(tmp_path)
    np.savez(
        tmp_path / "features.npz",
        speech=np.zeros(14000, np.float32),
        encoded=np.zeros((5800, 288), np.float16),
    )
    read: list[Path] = []
    load = Record.load

    def counted(folder: Path) -> Record:
        read.append(folder)
        return load(folder)

    monkeypatch.setattr(Record, "load", counted)
    for shot in range(10):
        seconds = np.arange(shot * 12.0, shot * 12.0 + 4, 0.04)
        _features_at(tmp_path, seconds)
        assert len(_sound(tmp_path, seconds, Prior()).phones) > 50
    assert read == [tmp_path]
