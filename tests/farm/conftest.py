"""A job to hand to a farm, and the same film dubbed by one run of one machine."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import dubcli as dubcli  # a fixture
from tests.cli.conftest import environment as environment  # a fixture
from tests.conftest import Sample
from tests.crash.harness import Place

PASS = [word for kind in ("tracker", "aligner", "lips") for word in ("--engine", f"{kind}=passthrough")]
"""Engines that do nothing: what is tested here is the way of the work, not the work."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dubcli` as a program of one name, as a farm's machines have it."""
    path = tmp_path_factory.mktemp("bin") / "dubcli"
    code = "from dubcli.cli.main import main; main()"
    path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{code}' \"$@\"\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="session")
def probed(tiny: Sample, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The tiny film's job, of which nothing but `probe` is done; to be copied."""
    place = Place.make(tmp_path_factory.mktemp("probed"), tiny.film, tiny.dub)
    done = place.run(*PASS, "--stage", "probe")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def begun(probed: Place, tmp_path: Path) -> Place:
    """A job of its own, of which nothing but `probe` is done."""
    folder = tmp_path / "shared"
    shutil.copytree(probed.folder, folder)
    return Place(folder, folder / probed.film.name, folder / probed.dub.name, probed.environment)


@pytest.fixture(scope="session")
def thorough() -> None:
    """For tests that take minutes: `make farm-test` runs them."""
    if not os.environ.get("DUBCLI_FARM_TEST"):
        pytest.skip("takes minutes; make farm-test runs it")


def moved(place: Place, folder: Path) -> Place:
    """The place as another machine sees it, under another path."""
    shutil.move(place.folder, folder)
    return Place(folder, folder / place.film.name, folder / place.dub.name, place.environment)
