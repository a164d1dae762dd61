"""`dubcli shots show|edit|import|export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import UsageError, counted, typed

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Shots
    from dubcli.core.job import Job

HELP = """
Show the shots of a film, correct them, exchange them with editors.

Shots are detected. A list of an editing program can take the place of the detection, and shots.yaml in the
job directory can merge, split and skip shots: a skipped shot is never touched.
"""

From = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The list: .edl (CMX 3600), .otio, .otioz, .otiod, .xml, .fcpxml or .fcpxmld (Final Cut Pro "
        "7, X), .aaf, or .csv of PySceneDetect.",
    ),
]
Side = Annotated[
    Literal["auto", "record", "source"],
    typer.Option(
        "--side", metavar="auto|record|source", rich_help_panel=options.SETTINGS,
        help="What counts along the film: the record side of the list, where it is the film's own cut, or "
        "the source side, where it cuts up the film; auto is source where events name the film or its reel.",
    ),
]  # fmt: skip
Wanted = Annotated[
    str,
    typer.Option(
        "--timeline", metavar="NAME", rich_help_panel=options.SETTINGS,
        help="Which timeline of the list, by its name or its number, where it holds several.",
    ),
]  # fmt: skip
Start = Annotated[
    str,
    typer.Option(
        "--start", metavar="HH:MM:SS:FF", rich_help_panel=options.SETTINGS,
        help="Timecode of the film's first frame, where its file has none or another; HH:MM:SS;FF for drop "
        "frame.",
    ),
]  # fmt: skip
To = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="FILE", rich_help_panel=options.FILES,
        help="The list to write: .edl (CMX 3600), .otio, .xml (Final Cut Pro 7), .aaf, or .csv of "
        "PySceneDetect.",
    ),
]  # fmt: skip


def show(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the shots with their frames and source timecode.

    The shots are those of the last run; later edits are not in them yet.
    """
    from dubcli.edits import shotfile

    job = find_job(job_dir, job_named)
    found, clock = _shots(job), shotfile.clock(job.root, _media(job))
    skipped, rate = set(found.skipped or ()), float(clock.rate)
    rows = [
        {
            "shot": shot.name,
            "start": shot.start,
            "stop": shot.stop,
            "from": clock.at(shot.start) if clock.counts else None,
            "to": clock.at(shot.stop) if clock.counts else None,
            "seconds": round((shot.stop - shot.start) / rate, 3),
            "skipped": shot.name in skipped,
        }
        for shot in found.shots
    ]
    if json:
        out.document({"job": str(job.root), "shots": rows})
        return
    table = [
        (
            row["shot"], row["start"], row["stop"], row["from"], row["to"], row["seconds"],
            "no: shots.yaml skips it" if row["skipped"] else "yes",
        )
        for row in rows
    ]  # fmt: skip
    out.table(("shot", "start", "stop", "from", "to", "seconds", "touched"), table)


def edit(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Correct the shots: open the job's shots.yaml in an editor.

    The file is made where there is none, and the next run applies it: merge, split and skip name shots by
    their first frame, or its timecode. The editor is VISUAL or EDITOR; without one, or without a terminal,
    the path of the file is printed. A mistake in the file is reported with its line and column, and ends
    with 4.
    """
    from dubcli.cli import editor
    from dubcli.edits import shotfile
    from dubcli.files import write_atomically

    job = find_job(job_dir, job_named)
    path = job.root / shotfile.NAME
    if not path.exists():
        starts = [shot.start for shot in _shots(job).shots]
        write_atomically(path, shotfile.template(starts).encode())
    editor.open_file(path)
    shotfile.load(path)
    out.path(path)
    out.note(f"to apply it, type: dubcli run {typed(job.root)}")


def import_(
    file: From,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    side: Side = "auto",
    start: Start = "",
    timeline: Wanted = "",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Take the shots from a list, in place of the detected ones.

      dubcli run film.mp4 --audio fr.wav --stage probe   makes the job only
      dubcli shots import cut.edl --job film.fr.dub

    Positions are source timecode, drop frame included; the film's first frame has the timecode of its file.
    What is between the events of a list is a shot, too; of several tracks, what is seen counts. A dissolve
    is cut where it begins in an EDL, and at its cut in the others. The list is kept in the job's shots.yaml,
    and the next run applies it. A list at another rate, with overlapping events, of another reel, or outside
    of the film is refused with 4, all that is wrong is named, and nothing is changed.
    """
    from dubcli.edits import shotfile, shotlist
    from dubcli.edits.timecode import Clock, tag
    from dubcli.files import write_atomically

    job = find_job(job_dir, job_named)
    path, info = job.root / shotfile.NAME, _media(job)
    before = shotfile.load(path)[1] if path.is_file() else shotfile.ShotFile()
    clock = Clock.of(info, start or before.start)
    count = _count(job)
    longest = _longest(job, float(clock.rate)) if count is None else count
    film = shotlist.Film(job.film.name, clock, count, longest, tag(info, "reel_name"))
    found = shotlist.read(file, film, side, timeline)
    if before.merge or before.split:
        out.warn(f"merge and split of {path} are replaced by the list")
    kept = [at for at in before.skip if (clock.frame(at) if isinstance(at, str) else at) in found.starts]
    if len(kept) < len(before.skip):
        out.warn(
            f"{len(before.skip) - len(kept)} skipped shots of {path} are not in the list; skip them again"
        )
    new = shotfile.ShotFile(start=start or before.start, cuts=found.starts[1:], skip=tuple(kept))
    write_atomically(path, shotfile.text(new).encode())
    for line in found.warnings:
        out.warn(line)
    out.path(path)
    out.note(
        f"{counted(len(found.starts), 'shot')}, from the {found.side} side; "
        f"to apply them, type: dubcli run {typed(job.root)}"
    )


def export(
    out_file: To,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the shots as a list for editing programs.

    Each shot is an event whose source and record side are the film's own timecode. An EDL holds 999 events.
    """
    from dubcli.delivery import timeline
    from dubcli.edits import scenes, shotfile
    from dubcli.edits.timecode import tag

    suffix, known = out_file.suffix.lower(), (*timeline.SUFFIXES, ".csv")
    if suffix not in known:
        raise UsageError(f"{out_file.name} is no list that can be written; use one of {', '.join(known)}")
    job = find_job(job_dir, job_named)
    found, info = _shots(job), _media(job)
    clock = shotfile.clock(job.root, info)
    if suffix == ".csv":
        spans = [(shot.start, shot.stop) for shot in found.shots]
        out.export(scenes.text(spans, float(clock.rate)), out_file)
        return
    reel, whole = tag(info, "reel_name"), (0, found.count)
    clips = [timeline.Clip(s.name, job.film, s.start, s.stop, whole, reel) for s in found.shots]
    timeline.write(out_file, job.film.stem, [clips], clock)
    out.path(out_file)


def _shots(job: Job) -> Shots:
    """The shots of the last run.

    Raises:
        UsageError: there are none yet.
    """
    from dubcli.artifacts.shots import Shots

    return Shots.load(job.require("split/film", "shots").path)


def _count(job: Job) -> int | None:
    """Frames of the film, None where it was not scanned yet."""
    return _shots(job).count if job.result("split/film") else None


def _longest(job: Job, rate: float) -> int | None:
    """Frames that the film has at most, by its header, which may round; None where it does not say."""
    from dubcli.media import length

    seconds = length.of_picture(job.film) if job.film.is_file() else 0.0
    return round((seconds + length.SLACK_SECONDS) * rate) if seconds else None


def _media(job: Job) -> MediaInfo:
    """What the film is, from the job or from its file."""
    from dubcli.artifacts.media import MediaInfo

    artifact = job.result("probe/film")
    if artifact is not None:
        return MediaInfo.load(artifact.path)
    from dubcli.media.probe import probe

    return probe(job.film, whole=False)


COMMANDS = {"show": show, "edit": edit, "import": import_, "export": export}
