"""The sample film is a complete film whose mouth follows its first audio track."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.demo import film, speech
from tests.conftest import Sample
from tests.mouths import aperture


def test_sample_film_is_23_976_with_two_sounds_and_subtitles(sample: Sample) -> None:
    with av.open(str(sample.film), "r") as box:
        picture = box.streams.video[0]
        assert picture.average_rate == Fraction(24000, 1001)
        assert (picture.width, picture.height) == (640, 480)
        assert picture.frames == film.FRAMES
        assert [stream.language for stream in box.streams.audio] == ["eng", "zxx"]
        assert [stream.language for stream in box.streams.subtitles] == ["eng"]
        assert len(box.chapters()) == 3


def test_dub_is_as_long_as_the_film(sample: Sample) -> None:
    with av.open(str(sample.dub), "r") as box:
        sound = box.streams.audio[0]
        assert sound.duration == round(film.FRAMES / film.RATE * 48000)


def test_same_bytes_every_time(tiny: Sample, tmp_path: Path) -> None:
    again = film.make(tmp_path / "again", span=(104, 180), height=240)
    assert [_digest(path) for path in again] == [_digest(tiny.film), _digest(tiny.dub)]


def test_dub_fits_the_cuts() -> None:
    """No line is spoken over a cut, in either language."""
    cuts = [float(frame / film.RATE) for frame in film.CUTS]
    for language in ("en", "fr"):
        for line in speech.load(language).lines:
            assert not any(line.start < cut < line.end for cut in cuts), line


@pytest.mark.parametrize("language", ["en", "fr"])
def test_speech_is_loud_at_phones_and_silent_elsewhere(language: str) -> None:
    said = speech.load(language)
    rate = 16000
    sound = speech.sound(language, rate)
    spoken = np.zeros(len(sound), bool)
    for phone in said.phones:
        spoken[int(phone.start * rate) : int(phone.end * rate)] = True
    assert np.square(sound[spoken]).mean() > 100 * np.square(sound[~spoken]).mean()


def test_lips_meet_at_every_bilabial() -> None:
    said = speech.load("en")
    middles = np.array(
        [(phone.start + phone.end) / 2 for phone in said.phones if phone.name in ("m", "b", "p")]
    )
    assert len(middles) >= 8
    assert speech.mouth(said.phones, middles).open.max() < 0.05


def test_mouth_of_the_picture_follows_its_speech(tiny: Sample) -> None:
    """An independent tracker measures the target aperture, and finds no face in the rocket's shot."""
    with av.open(str(tiny.film), "r") as box:
        frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in box.decode(video=0)]
    cut = film.CUTS[0] - 104
    measured = aperture(frames)
    target = speech.mouth(speech.load("en").phones, np.arange(104, 180) / float(film.RATE)).open
    assert not np.isnan(measured[:cut]).any()
    assert np.isnan(measured[cut:]).all()
    assert np.corrcoef(measured[:cut], target[:cut])[0, 1] > 0.9


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
