"""Wave files of many programs, which SciPy carries to test its own reader with."""

from __future__ import annotations

import warnings
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from dubcli.errors import MediaError
from dubcli.media import sound
from dubcli.media.probe import probe
from tests.media import films

FOLDER = Path(str(resources.files("scipy.io"))) / "tests" / "data"
REFUSED = {
    "test-44100Hz-2ch-32bit-float-be": "is a big-endian WAV .* sox DUB NEW",
    "test-44100Hz-be-1ch-4bytes": "is a big-endian WAV .* sox DUB NEW",
    "test-8000Hz-be-3ch-5S-24bit": "is a big-endian WAV .* sox DUB NEW",  # noise by FFmpeg
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
def test_waves_of_many_programs_are_read_as_scipy_reads_them_or_refused(path: Path) -> None:
    if path.stem in REFUSED:
        with pytest.raises(MediaError, match=REFUSED[path.stem]):
            sound.audio(path)
        return
    sound.audio(path, rate=probe(path, whole=False).audio[0].rate)
    if path.stem not in UNKNOWN:
        heard, _, _ = films.sound(path)
        np.testing.assert_allclose(heard, by_scipy(path), atol=1e-6)
