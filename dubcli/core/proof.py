"""A proof: one stretch of a film, done before the rest, and shown before and after side by side.

Only shots in the stretch are tracked and rendered, from what is known of people so far: from the stretch
itself, and from all shots that are done already. What is made is kept as in any run, so shots, tracks and
sound count for the whole film; mouths are made again where more footage teaches them better.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.core import runner
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.core.plan import Selection
from dubcli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames

FOLDER = "proof"
"""Of the job directory, for the clips."""


def run(job: Job, events: Events, start: str, stop: str) -> Path:
    """Make a proof.

    Args:
        job: the job.
        events: what receives the events.
        start, stop: the moments between which, as a user writes them (`edits.timecode`).

    Returns:
        The clip.

    Raises:
        UsageError: the moments are none, or not in the film, or in the wrong order.
        DubError: as the exit-code table says.
    """
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames

    view = runner.run(job, events, Selection(until="split"), overwrite=True)
    media, frames = MediaInfo.load(view.one("probe").path), Frames.load(view.one("split").path)
    span = _span(job, start, stop, media, frames)
    view = runner.run(job, events, Selection(until="lips", frames=span), overwrite=True)
    return _write(job, view, media, frames, span, events)


def _span(job: Job, start: str, stop: str, media: MediaInfo, frames: Frames) -> tuple[int, int]:
    from dubcli.edits import shotfile
    from dubcli.edits.timecode import moment

    clock, seconds = shotfile.clock(job.root, media), frames.seconds.tolist()
    found = []
    for option, text in (("--from", start), ("--to", stop)):
        try:
            found.append(moment(text, seconds, clock))
        except ConfigError as error:
            raise UsageError(f"{option}: {error}") from None
    if found[0] >= found[1]:
        raise UsageError(f"--from {start} is not before --to {stop}; exchange them, or name a later end")
    return found[0], found[1]


def _write(
    job: Job, view: JobView, media: MediaInfo, frames: Frames, span: tuple[int, int], events: Events
) -> Path:
    from dubcli.artifacts.patches import PatchFacts
    from dubcli.artifacts.shots import Shots
    from dubcli.media import proof

    shots = Shots.load(view.one("split").path).named()
    faces = []
    for name, artifact in view.all("lips").items():
        shot = shots[name.split(".")[0]]
        if shot.start < span[1] and span[0] < shot.stop and PatchFacts.load(artifact.path).changed:
            faces.append(artifact.path)
    folder = job.root / FOLDER
    folder.mkdir(exist_ok=True)
    out = folder / f"{job.out.stem}.{span[0]}-{span[1]}.mp4"
    unfinished = out.with_name(f".{out.name}")
    own = proof.Sound(job.dub, job.settings.align.offset, job.film if media.audio else None)
    try:
        proof.write(job.film, media.film, frames, span, faces, own, unfinished)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    events("proof", path=str(out), start=span[0], stop=span[1])
    return out
