"""`dubcli cue show|export|import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import counted, typed

if TYPE_CHECKING:
    from dubcli.edits.cuefile import Film

HELP = """
Show which face speaks when, and correct it.

Each line of the dub goes to the visible face that spoke there in the film, or to nobody. A face that
spoke while the dub is silent is kept still. Export the list, edit it, and import it again.
"""

To = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", rich_help_panel=options.FILES,
        help="Write to this file, .json or .csv. Without it: to stdout.",
    ),
]  # fmt: skip
Format = Annotated[
    Literal["json", "csv"] | None,
    typer.Option(
        "--format", metavar="json|csv", rich_help_panel=options.OUTPUT,
        help="The format of the list. Without it: by the file's suffix, else JSON.",
    ),
]  # fmt: skip
From = Annotated[Path, typer.Argument(metavar="FILE", help="The edited list: a table, or JSON.")]


def show(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show which face speaks when, and why.

    Lines of the dub that no visible face speaks are listed as nobody's. With -v also the spans that were
    not changed because the face is turned away, occluded, small or blurred. The cues are those of the last
    run; a later import is not in them yet.
    """
    from dubcli.edits.cuefile import clock

    cued = _CuedJob(job_dir, job_named)
    rows = cued.rows()
    if json:
        rest = cued.found.model_dump(include={"offscreen", "skipped"})
        out.document({"job": str(cued.job.root), "cues": rows, **rest})
        return
    table: list[tuple[float, tuple[Any, ...]]] = []
    for row in rows:
        who = row["name"] or row["person"] or "?"
        face = f"{row['shot']}/{row['track']}"
        table.append(
            (
                cued.seconds(row["start"]),
                (
                    row["time"], clock(cued.seconds(row["stop"])), who, face, row["kind"],
                    f"{row['confidence']:.2f}", row["why"],
                ),
            )
        )  # fmt: skip
    for span in cued.found.offscreen:
        times = clock(span.start), clock(span.end)
        table.append((span.start, (*times, "nobody", None, None, None, "no visible face speaks it")))
    if out.verbose:
        for skip in cued.found.skipped:
            a, b = cued.seconds(skip.start), cued.seconds(skip.stop)
            face = f"{skip.shot}/{skip.track}"
            who = cued.whose(skip.shot, skip.track)
            table.append((a, (clock(a), clock(b), who, face, "left", None, skip.reason)))
    head = ("from", "to", "who", "face", "does", "sure", "why")
    out.table(head, [row for _, row in sorted(table, key=lambda pair: pair[0])])


def export(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    out_file: To = None,
    form: Format = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the list of cues, to be edited.

    A cue is a face (shot and track), speak or still, and its frames: start, and stop, the first frame after
    it. Both may also be times, such as 0:00:05.24. Amplitude is how far the mouth moves, 1 as in the film;
    style names the style it moves in (dubcli style). A cue may be cut in two, so that one word has its own. A
    line may be changed, added or deleted; a face without a cue is not changed. The columns time, name,
    confidence and why are for display only.
    """
    from dubcli.edits import cuefile

    written = options.form_of(out_file, form, {".json": "json", ".csv": "csv"})
    rows = _CuedJob(job_dir, job_named).rows()
    text = cuefile.to_csv(rows) if written == "csv" else cuefile.to_json(rows)
    out.export(text, out_file)


def import_(
    file: From,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Read an edited list of cues into the job.

    Only the shots in which it differs from what the job does now are kept, in the job's cues.json, and only
    they run again. To undo the edits, delete cues.json, or a shot in it.
    A mistake in the list is reported with its line and column, ends with 4, and changes nothing.
    """
    from dubcli.edits import cuefile, stylefile
    from dubcli.files import write_atomically

    cued = _CuedJob(job_dir, job_named)
    document, list_ = cuefile.load(file)
    stylefile.check(document, list_.styles(), stylefile.files(cued.job.root))
    wanted = cuefile.resolve(document, list_, cued.film)
    path = cued.job.root / "cues.json"
    before = cuefile.resolve(*cuefile.load(path), cued.film) if path.is_file() else {}
    now = cued.edits() | before
    changed = {shot: edits for shot, edits in wanted.items() if edits != now.get(shot, [])}
    if not changed:
        out.note("nothing in it differs from what the job does")
        return
    write_atomically(path, cuefile.job_file(before | changed).encode())
    out.path(path)
    out.note(f"{counted(len(changed), 'shot')} changed; to apply it, type: dubcli run {typed(cued.job.root)}")


class _CuedJob:
    """A job with cues, and the film they belong to."""

    def __init__(self, job_dir: Path | None, job_named: Path | None) -> None:
        from dubcli.artifacts.cues import Cues
        from dubcli.artifacts.shots import Shots
        from dubcli.edits import cuefile

        self.job = find_job(job_dir, job_named)

        def made(unit: str) -> Path:
            return self.job.require(unit, "cues").path

        split, cast, cue = (made(f"{name}/film") for name in ("split", "cast", "cue"))
        shots = Shots.load(split).named()
        tracks = {shot: made(f"track/{shot}") for shot in shots if self.job.ref(f"track/{shot}")}
        self.film: Film = cuefile.film(split, tracks, cast)
        self.found = Cues.load(cue)

    def rows(self) -> list[dict[str, Any]]:
        """The cues with their details, in the order of the film."""
        from dubcli.edits.cuefile import clock, why

        found = sorted(self.found.cues, key=lambda cue: (cue.start, cue.shot, cue.track))
        plain = {"shot", "track", "person", "kind", "start", "stop", "amplitude"}
        return [
            cue.model_dump(include=plain)
            | {
                "style": cue.style or "",
                "time": clock(self.seconds(cue.start)),
                "name": self.film.persons.get(cue.person, ""),
                "confidence": cue.confidence,
                "why": why(cue.kind, cue.evidence),
                "evidence": cue.evidence,
            }
            for cue in found
        ]

    def edits(self) -> dict[str, list[Any]]:
        """The cues as decisions, by shot."""
        from dubcli.edits.cuefile import Edit

        found: dict[str, list[Any]] = {}
        for cue in self.found.cues:
            edit = Edit(cue.track, cue.start, cue.stop, cue.kind, cue.amplitude, cue.style or "")
            found.setdefault(cue.shot, []).append(edit)
        return {shot: sorted(edits) for shot, edits in found.items()}

    def seconds(self, frame: int) -> float:
        """When a frame begins; the end of the film for the frame after the last."""
        times = self.film.seconds
        if frame < len(times):
            return times[frame]
        return times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0.04)

    def whose(self, shot: str, track: int) -> str:
        """The name, or else the id, of the person of a face."""
        person = self.film.faces[shot][track].person
        return self.film.persons.get(person) or person or "?"


COMMANDS = {"show": show, "export": export, "import": import_}
