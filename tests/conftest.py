"""Films, footage and engines that tests share."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dubcli.demo import film
from dubcli.engines import registry
from tests.crash.harness import ENGINES
from tests.engines import learner
from tests.forked import Forked

# Tests start hundreds of processes; where nothing compiled is kept, each compiles the whole package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass(frozen=True)
class Sample:
    """A film that the project makes itself, and its dub. Copy them before changing anything beside them."""

    film: Path
    dub: Path


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real clips, which are no part of the project; tests that need it are skipped without."""
    folder = Path(os.environ.get("DUBCLI_FOOTAGE") or Path(__file__).parents[2] / "shared" / "footage")
    if not folder.is_dir():
        pytest.skip("no footage: set DUBCLI_FOOTAGE to a folder of clips")
    return folder.resolve()


@pytest.fixture(scope="session")
def sample(shared: Path) -> Sample:
    """The sample film: 345 frames of 640x480 in three shots, 23.976 fps; takes about 12 s to make, once."""
    folder = shared / "sample"
    once(folder, film.make)
    return Sample(folder / "film.mp4", folder / "dub_fr.wav")


@pytest.fixture(scope="session")
def tiny(shared: Path) -> Sample:
    """A part of the sample film for tests that run the whole job often: 76 frames of 320x240, one cut."""
    folder = shared / "tiny"
    once(folder, lambda folder: film.make(folder, span=(104, 180), height=240))
    return Sample(folder / "film.mp4", folder / "dub_fr.wav")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of one test session see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def forked() -> Iterator[Forked]:
    """What starts commands for all tests of a worker."""
    with Forked(os.environ) as server:
        yield server


def once(folder: Path, make: Callable[[Path], object]) -> None:
    """Let the first worker make what all of them use, and the others wait for it."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            make(folder)
            done.touch()


@pytest.fixture
def learning_engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine that learns is registered, and stands in for the one that `auto` chooses as well."""
    monkeypatch.syspath_prepend(str(ENGINES))
    others = tuple(info for info in registry.BUILTIN if info.name != "produb")
    monkeypatch.setattr(
        registry, "BUILTIN", (*others, learner.mean, dataclasses.replace(learner.mean, name="produb"))
    )
    registry.engines.cache_clear()
    yield
    registry.engines.cache_clear()
