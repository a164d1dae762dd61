"""A proof: one stretch of a film, done before the rest, and shown before and after side by side.

Only shots in the stretch are tracked and rendered, from what is known of people so far: from the stretch
itself, and from all shots that are done already. What is made is kept as in any run, so shots, tracks and
sound count for the whole film; mouths are made again where more footage teaches them better.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.core import runner, takelist, takes
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
    found, named = [], []
    for option, text in (("--from", start), ("--to", stop)):
        try:
            found.append(moment(text, seconds, clock))
        except ConfigError as error:
            raise UsageError(f"{option}: {error}") from None
        named.append(f"{option} {text}" + ("" if text.isdecimal() else f" (frame {found[-1]})"))
    if found[0] >= found[1]:
        mixed = start.isdecimal() != stop.isdecimal()
        hint = (
            "a number alone is a frame: write seconds as 4s"
            if mixed
            else "exchange them, or name a later end"
        )
        raise UsageError(f"{named[0]} is not before {named[1]}; {hint}")
    return found[0], found[1]


def _write(
    job: Job, view: JobView, media: MediaInfo, frames: Frames, span: tuple[int, int], events: Events
) -> Path:
    from dubcli.artifacts.patches import PatchFacts
    from dubcli.artifacts.shots import Shots

    shots = Shots.load(view.one("split").path).named()
    faces = []
    for name, artifact in view.all("lips").items():
        shot = shots[name.split(".")[0]]
        if shot.start < span[1] and span[0] < shot.stop and PatchFacts.load(artifact.path).changed:
            faces.append((shot.name, artifact.path))
    out = _clip(job, media, frames, span, [("dubbed", faces)], f"{span[0]}-{span[1]}")
    events("proof", path=str(out), start=span[0], stop=span[1])
    return out


def compare(job: Job, shot: str, numbers: Sequence[int]) -> Path:
    """Write a clip of a shot with several of its takes side by side.

    Args:
        job: the job, whose film was published.
        shot: the shot's name.
        numbers: of the takes.

    Returns:
        The clip.

    Raises:
        UsageError: the job has no such take, or it is no longer in the store.
        DubError: as the exit-code table says.
    """
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.patches import PatchFacts
    from dubcli.artifacts.shots import Frames, Shots

    known = takelist.load(job.root).get(shot, takelist.Takes([{}])).takes
    sides = []
    for number in numbers:
        if not 0 < number < len(known):
            raise UsageError(f"shot {shot} has {len(known) - 1} takes, not {number}; 0 is shown anyway")
        take = {unit: key for unit, key in sorted(known[number].items()) if unit.startswith("lips/")}
        found = [job.store.get(key) for key in take.values()]
        if not takes.is_whole(job, take):
            raise UsageError(f"take {number} of shot {shot} is no longer in the store; leave it out")
        faces = [(shot, one.path) for one in found if one and PatchFacts.load(one.path).changed]
        sides.append((f"take {number}", faces))
    probe, split = (job.require(f"{stage}/film", "shots") for stage in ("probe", "split"))
    span = Shots.load(split.path).named()[shot]
    name = f"{shot}.takes-{'-'.join(map(str, numbers))}"
    media, frames = MediaInfo.load(probe.path), Frames.load(split.path)
    return _clip(job, media, frames, (span.start, span.stop), sides, name)


def _clip(
    job: Job,
    media: MediaInfo,
    frames: Frames,
    span: tuple[int, int],
    sides: Sequence[tuple[str, Sequence[tuple[str, Path]]]],
    name: str,
) -> Path:
    """Write a clip into the job's folder of proofs, in one step."""
    from dubcli.media import proof

    folder = job.root / FOLDER
    folder.mkdir(exist_ok=True)
    out = folder / f"{job.out.stem}.{name}.mp4"
    unfinished = out.with_name(f".{out.name}")
    own = proof.Sound(job.dub, job.settings.align.offset, job.film if media.audio else None)
    try:
        proof.write(job.film, media.film, frames, span, sides, own, unfinished)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return out
