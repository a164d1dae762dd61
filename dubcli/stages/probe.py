"""`probe`: what the film is made of."""

from __future__ import annotations

from collections.abc import Iterable

from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError, StoreError

STAGE = Stage("probe", version=1)


def units(job: JobView) -> Iterable[Unit]:
    """One unit: the film."""
    film = job.sources["film"]
    yield Unit(STAGE, "film", {"film": film.sha256}, {"film": film.path})


def run(task: Task) -> None:
    """Write `media.json`, a `artifacts.media.MediaInfo`."""
    from dubcli.media.probe import probe

    info = probe(task.inputs["film"])
    video = info.film
    for name in video.dynamic:
        task.warn(f"the film carries {name} metadata; frames that are encoded anew lose it")
    info.save(task.out)


def check(task: Task) -> None:
    """The file must say what was read."""
    from dubcli.artifacts.media import MediaInfo

    try:
        MediaInfo.load(task.out)
    except StoreError as error:
        raise CheckError(f"probe left no description of the film ({error})") from error
