"""Wave files of many programs, which SciPy carries to test its own reader with."""

from __future__ import annotations

import shutil
import warnings
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from dubcli.errors import MediaError
from dubcli.media import sound, soundtrack
from dubcli.media.probe import probe
from tests.media import films

FOLDER = Path(str(resources.files("scipy.io"))) / "tests" / "data"
REFUSED = {
    "test-44100Hz-2ch-32bit-float-be": "is a big-endian WAV",
    "test-44100Hz-be-1ch-4bytes": "is a big-endian WAV",
    "test-8000Hz-be-3ch-5S-24bit": "is a big-endian WAV",  # noise by FFmpeg
    "test-44100Hz-le-1ch-4bytes-early-eof-no-data": "cannot be read",
    "test-44100Hz-le-1ch-4bytes-incomplete-chunk": "cannot be read",
    "test-8000Hz-le-3ch-5S-36bit": "no sound that can be decoded",
    "test-8000Hz-le-3ch-5S-45bit": "no sound that can be decoded",
    "test-8000Hz-le-3ch-5S-53bit": "no sound that can be decoded",
}
UNKNOWN = {"test-8000Hz-le-1ch-1byte-ulaw", "test-8000Hz-le-3ch-5S-24bit-inconsistent"}  # to SciPy


def by_scipy(path: Path) -> NDArray[np.float64]:
    """The samples (C, S) as SciPy reads them, full scale 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of chunks that it does not know, and files cut short
        _, data = wavfile.read(path)
    samples = np.asarray(np.atleast_2d(data.T), np.float64)
    if data.dtype.kind == "f":
        return samples
    half = 2.0 ** (8 * data.dtype.itemsize - 1)
    return np.asarray((samples - half * (data.dtype.kind == "u")) / half)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.wav")), ids=lambda path: path.stem)
def test_waves_of_many_programs_are_read_as_scipy_reads_them_or_refused(path: Path, tmp_path: Path) -> None:
    if path.stem in REFUSED:
        with pytest.raises(MediaError, match=REFUSED[path.stem]) as refused:
            sound.audio(path)
        if "-be" not in path.stem:
            return
        original = by_scipy(path)
        path = films.advised(str(refused.value), Path(shutil.copy(path, tmp_path)))
        np.testing.assert_array_equal(by_scipy(path), original)
    sound.audio(path, rate=probe(path, whole=False).audio[0].rate)
    if path.stem not in UNKNOWN:
        heard, _, _ = films.sound(path)
        np.testing.assert_allclose(heard, by_scipy(path), atol=1e-6)


def test_of_two_blocks_of_sound_the_first_is_read(tmp_path: Path) -> None:
    """As of a recorder that was stopped and went on; FFmpeg and SciPy read no more."""
    path = films.wav(tmp_path / "dub.wav", films.noise(0.1))
    data = path.read_bytes()
    path.write_bytes(data + data[data.index(b"data") :])
    heard, _, _ = films.sound(path)
    np.testing.assert_allclose(heard, by_scipy(path), atol=1e-6)
    assert soundtrack.duration(path, probe(path).audio[0]) == 0.1
