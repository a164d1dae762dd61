"""Sounds that tests of media share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media import films


@pytest.fixture(scope="session")
def dub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dub of one second."""
    return films.wav(tmp_path_factory.mktemp("dub") / "dub_fr.wav", films.noise(1.0))
