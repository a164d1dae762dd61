"""`dubcli review list|approve|reject|note|reopen|takes|compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import UsageError, counted, typed

if TYPE_CHECKING:
    from dubcli.core.review import Review
    from dubcli.edits.decisions import Decision

HELP = """
Decide shot by shot: approve, reject, note.

An approved shot keeps its picture through all later runs, whatever settings become. A rejected one runs
again alone, with settings of its own (--set). Every picture that a published film showed of a shot is a
take, and earlier takes stay. Decisions are kept in decisions.yaml in the job directory, which may be edited.

  dubcli review JOB list                   what was decided, and what is new
  dubcli review JOB reject 361 --set motion.amplitude=0.8
                                           the next run makes shot 361 again
  dubcli review JOB compare 361            a clip with its takes side by side
  dubcli review JOB approve 361 --take 1   goes back to its first take

JOB may be left out where this folder is a job, or holds one.
"""

JobOption = Annotated[
    Path | None,
    typer.Option(
        "--job", metavar="DIR", rich_help_panel=options.FILES,
        help="The job directory; the same as JOB before the command.",
    ),
]  # fmt: skip
Shots = Annotated[
    list[str],
    typer.Argument(
        metavar="SHOT", show_default=False,
        help="A shot by its name, the number of its first frame; or several, such as 120-480.",
    ),
]  # fmt: skip
Shot = Annotated[str, typer.Argument(metavar="SHOT", show_default=False, help="A shot by its name.")]
Text = Annotated[
    str, typer.Argument(metavar="TEXT", show_default=False, help="The note; empty to delete it.")
]
Note = Annotated[
    str | None,
    typer.Option("--note", metavar="TEXT", rich_help_panel=options.SETTINGS, help="A note on the shot."),
]
TakeNumber = Annotated[
    int | None,
    typer.Option(
        "--take", metavar="N", min=0, rich_help_panel=options.SETTINGS,
        help="Which take, by the number that review takes shows; 0 is the film's own picture. Without it: "
        "the one in the last film.",
    ),
]  # fmt: skip
Compared = Annotated[
    list[int] | None,
    typer.Option(
        "--take", metavar="N", min=1, rich_help_panel=options.SETTINGS,
        help="A take to show, by the number that review takes shows; may be repeated.",
    ),
]  # fmt: skip
Own = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", rich_help_panel=options.SETTINGS,
        help="A setting of motion or lips for this shot alone, such as motion.amplitude=0.8.",
    ),
]  # fmt: skip
State = Annotated[
    Literal["open", "approved", "rejected"] | None,
    typer.Option(
        "--state", metavar="open|approved|rejected", rich_help_panel=options.OUTPUT,
        help="Only shots in this state.",
    ),
]  # fmt: skip

_COMPARED = 3  # takes that are shown beside the film's own picture by default; set by hand


def list_(
    job_dir: JobOption = None,
    state: State = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """List the changed shots with their verdicts, takes and decisions.

    Behind a verdict that is not good stand the measures that it is for. Shots that were never changed are
    listed where something was decided about them. Of a rejected shot that has run again since, the take in
    the film is shown as new.
    """
    review = _open(job_dir)
    rows = [row for row in review.rows() if state in (None, row["state"])]
    if json:
        out.document({"job": str(review.job.root), "shots": rows})
        return
    out.table(
        ("shot", "time", "verdict", "state", "take", "of", "settings", "note"),
        [
            (
                row["shot"], row["time"],
                ": ".join(filter(None, (row["verdict"], ", ".join(row["reasons"])))) or None,
                row["state"] + (", new take" if row["new"] else ""), row["take"], row["takes"],
                _spelt(row["settings"]) or None, row["note"] or None,
            )
            for row in rows
        ],
    )  # fmt: skip


def approve(
    shots: Shots,
    take: TakeNumber = None,
    note: Note = None,
    job_dir: JobOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Approve shots: they keep their picture through all later runs."""
    review = _open(job_dir)

    def approved(shot: str, before: Decision) -> dict[str, Any]:
        return {"state": "approved", "take": review.shown(shot) if take is None else review.take(shot, take)}

    changed = review.decide(review.named(shots), approved, note)
    again = [shot for shot in changed if changed[shot].take != review.takes(shot).current]
    _tell(
        review, list(changed), f"to put {'it' if len(again) == 1 else 'them'} into the film" if again else ""
    )


def reject(
    shots: Shots,
    assignments: Own = None,
    note: Note = None,
    job_dir: JobOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Reject shots; with --set each runs again alone, in its own way.

    Settings given earlier for the shot stay, unless they are given anew.
    """
    from dubcli.settings.layers import assigned

    settings = assigned(tuple(assignments or ()))
    review = _open(job_dir)

    def rejected(shot: str, before: Decision) -> dict[str, Any]:
        return {
            "state": "rejected",
            "take": review.takes(shot).current,
            "settings": {**before.settings, **settings},
        }

    changed = review.decide(review.named(shots), rejected, note)
    _tell(review, list(changed), "to make what is to be different")


def note(
    shot: Shot,
    text: Text,
    job_dir: JobOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write a note on a shot, and decide nothing."""
    review = _open(job_dir)
    review.decide(review.named([shot]), lambda shot, before: {}, text)


def reopen(
    shots: Shots,
    job_dir: JobOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Take decisions back; notes stay.

    The shots follow the settings of the film again.
    """
    review = _open(job_dir)
    taken_back: dict[str, Any] = {"state": "open", "take": None, "settings": {}}
    changed = review.decide(review.named(shots), lambda shot, before: taken_back)
    _tell(review, list(changed), "to apply it")


def takes(
    shot: Shot,
    job_dir: JobOption = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """List the takes of a shot, and what differs from each to the next.

    Take 0 is the film's own picture.
    """
    from dubcli.core.takes import differences

    review = _open(job_dir)
    (name,) = review.named([shot])
    own, decision = review.takes(name), review.file.shots.get(name)
    rows = []
    for number, take in enumerate(own.takes):
        before = own.takes[number - 1] if number else {}
        marks = ["in the film"] if number == own.current else []
        marks += [decision.state] if decision and decision.take == number else []
        rows.append(
            {
                "take": number,
                "is": ", ".join(marks),
                "differs": "; ".join(differences(review.job, before, take))
                if number
                else "the film's own picture",
                "units": take,
            }
        )
    if json:
        out.document({"job": str(review.job.root), "shot": name, "takes": rows})
        return
    out.table(("take", "is", "differs"), [(row["take"], row["is"] or None, row["differs"]) for row in rows])


def compare(
    shot: Shot,
    numbers: Compared = None,
    job_dir: JobOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write a clip of a shot with its takes side by side.

    Without --take: the last takes, three at most. The clip goes into the job's folder proof.
    """
    from dubcli.core import consent, plan, proof

    review = _open(job_dir)
    (name,) = review.named([shot])
    review.job.read_sources()
    if text := consent.recheck(review.job, plan.view(review.job)):
        out.warn(text)
    last = len(review.takes(name).takes)
    chosen = numbers or list(range(max(1, last - _COMPARED), last))
    if not chosen:
        raise UsageError(f"shot {name} has no takes: it was never changed in a finished film")
    out.path(proof.compare(review.job, name, chosen))


def _spelt(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def _open(job_dir: Path | None) -> Review:
    from dubcli.core.review import Review

    return Review(find_job(job_dir))


def _tell(review: Review, changed: Sequence[str], purpose: str) -> None:
    """Say what was written, and what to type next."""
    out.path(review.path)
    then = f"; {purpose}, type: dubcli run {typed(review.job.root)}" if purpose else ""
    out.note(f"{counted(len(changed), 'shot')} decided{then}")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_,
    "approve": approve,
    "reject": reject,
    "note": note,
    "reopen": reopen,
    "takes": takes,
    "compare": compare,
}
