"""`dubcli style lend|show`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import MediaError, UsageError

if TYPE_CHECKING:
    from dubcli.core.job import Job

HELP = """
Measure the speaking style of a clip, and give it to people.

A style is the mean and the range of a mouth's movement in speech: a few numbers in a file in the
job's folder styles, to be edited. Give it to a person in cast.yaml (dubcli cast edit), or to a line in the
cues (dubcli cue export), by its name.
"""

_SHORT_S = 5.0  # of speech, set by hand; with less, a style depends on the words as much as on the speaker

Clip = Annotated[Path, typer.Argument(metavar="CLIP", help="A film in which somebody speaks that way.")]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="What to call the style. Without it: as the clip is called."),
]
Person = Annotated[
    str | None,
    typer.Option(
        "--person", metavar="ID", help="Whose style, where several speak. Without it: whoever speaks most."
    ),
]


def lend(
    clip: Clip,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    name: Name = None,
    person: Person = None,
    progress: options.Progress = "auto",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure a style on a clip with its own sound.

    The clip is analysed like a film, up to the stage learn; the results are kept in the job's store.
    Half a minute of speech gives a good estimate, ten seconds mostly suffice.
    """
    from dubcli.edits import stylefile
    from dubcli.files import write_atomically

    job = find_job(job_dir, job_named)
    name = clip.stem if name is None else name
    if not name or name == stylefile.OWN or not re.fullmatch(stylefile.NAME, name):
        raise UsageError(f"no style can be called {name!r}; give another --name, of letters and digits")
    path = job.root / stylefile.FOLDER / f"{name}.json"
    if path.exists():
        raise UsageError(f"{path} is there already; give another --name, or delete it")
    people = {one: facts for one, facts in _learn_clip(job, clip, progress).items() if "talks" in facts}
    if not people:
        raise MediaError(f"nobody visible speaks long enough in {clip}; name another clip")
    who = max(people, key=lambda one: float(people[one]["talks"])) if person is None else person
    speakers = [f"{one} ({facts['talks']:g} s)" for one, facts in people.items()]
    if who not in people:
        raise UsageError(
            f"--person {who}: nobody who speaks in {clip} is called that; there are: {', '.join(speakers)}"
        )
    found = people[who]
    text = stylefile.dump(
        stylefile.StyleFile(film=clip.name, person=who, seconds=round(found["talks"], 1), **found["style"])
    )
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, text.encode())
    out.path(path)
    if found["talks"] < _SHORT_S:
        out.warn(f"{who} speaks for {found['talks']:g} s only; a longer clip gives a better estimate")
    if len(speakers) > 1:
        out.note(f"it is the style of {who}; there are: {', '.join(speakers)}")
    out.note(f"to use it, write style: {name} for a person (dubcli cast edit) or a cue (dubcli cue export)")


def show(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """List the styles of a job, and how the film's own people speak.

    Of the aperture, the width and the protrusion of the lips: the mean above the mouth at rest, and the
    standard deviation, in distances between the outer eye corners.
    """
    from dubcli.edits import stylefile

    job = find_job(job_dir, job_named)
    styles = {name: stylefile.load(path).model_dump() for name, path in stylefile.files(job.root).items()}
    own = {one: facts["style"] for one, facts in _people(job).items()}
    if json:
        out.document({"job": str(job.root), "styles": styles, "people": own})
        return
    rows = [
        (name, f"{one['person']} in {one['film']}" if one["film"] else None, *_cells(one))
        for name, one in styles.items()
    ]
    rows += [(stylefile.OWN, one, *_cells(found)) for one, found in own.items()]
    out.table(("style", "of", "aperture", "width", "protrusion"), rows)


def _cells(found: dict[str, Any]) -> list[str]:
    parts = (found[name] for name in ("aperture", "width", "protrusion"))
    return [f"{part['middle']:+.3f} ±{part['reach']:.3f}" for part in parts]


def _learn_clip(job: Job, clip: Path, progress: str) -> dict[str, dict[str, Any]]:
    """The facts of `learn` about the people of a clip, by a job of its own over the same store."""
    from dubcli.cli.run import listeners
    from dubcli.core import runner
    from dubcli.core.events import FILE, Events
    from dubcli.core.job import Job
    from dubcli.core.plan import Selection
    from dubcli.settings.layers import resolve

    # The lock keeps a run of the same job from sweeping the store meanwhile.
    settings = resolve(base=job.settings).settings
    learn = settings.learn.model_copy(update={"source": "film"})
    with job.lock(), tempfile.TemporaryDirectory(prefix="dubcli-style-") as folder:
        reference = Job.create_or_open(
            clip,
            job.dub,  # which that job has aligned, or will have to
            settings.model_copy(update={"learn": learn}),
            out=Path(folder) / "clip.mp4",
            root=Path(folder) / "job",
            store=job.store.root,
            script=job.script,
        )
        with Events(reference.root / FILE, *listeners(progress, json=False)) as events:
            runner.run(reference, events, Selection(until="learn"))
        return _people(reference)


def _people(job: Job) -> dict[str, dict[str, Any]]:
    """The last facts of `learn` about a job's people; empty where no run got so far."""
    from dubcli.artifacts.mouth import MouthFacts

    artifact = job.result("learn/film")
    if artifact is None:
        return {}
    people = MouthFacts.load(artifact.path).people
    return {name: learnt.model_dump(exclude_none=True) for name, learnt in people.items()}


COMMANDS = {"lend": lend, "show": show}
