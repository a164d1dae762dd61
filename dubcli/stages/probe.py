"""`probe`: what the film is made of."""

from __future__ import annotations

from collections.abc import Iterable

from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError

STAGE = Stage("probe", version=1)


def units(job: JobView) -> Iterable[Unit]:
    """One unit: the film."""
    film = job.sources["film"]
    yield Unit(STAGE, "film", {"film": film.sha256}, {"film": film.path})


def run(task: Task) -> None:
    """Write `media.json`, a `media.probe.MediaInfo`."""
    from dubcli.media.probe import probe

    info = probe(task.inputs["film"])
    video = info.film
    for name in video.dynamic:
        task.warn(f"the film carries {name} metadata; frames that are encoded anew lose it")
    (task.out / "media.json").write_text(info.model_dump_json(indent=1) + "\n")


def check(task: Task) -> None:
    """The file must say what was read."""
    from pydantic import ValidationError

    from dubcli.media.probe import MediaInfo

    try:
        MediaInfo.model_validate_json((task.out / "media.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise CheckError(f"probe left no valid media.json ({error.__class__.__name__})") from error
