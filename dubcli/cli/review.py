"""`dubcli review list|approve|reject|note|reopen|takes|compare`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dubcli.cli import options
from dubcli.cli.output import out
from dubcli.errors import UsageError

if TYPE_CHECKING:
    from dubcli.core.takes import Takes
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

    Shots that were never changed are listed where something was decided about them. Of a rejected shot
    that has run again since, the take in the film is shown as new.
    """
    review = _Review(job_dir)
    rows = [row for row in review.rows() if state in (None, row["state"])]
    if json:
        out.document({"job": str(review.root), "shots": rows})
        return
    out.table(
        ("shot", "time", "verdict", "state", "take", "of", "settings", "note"),
        [
            (
                row["shot"], row["time"], row["verdict"],
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
    review = _Review(job_dir)

    def approved(shot: str, before: Decision) -> dict[str, Any]:
        own = review.takes(shot)
        number = own.current if take is None else take
        if number >= len(own.takes):
            raise UsageError(
                f"shot {shot} has {len(own.takes) - 1} takes, not {number}; type: dubcli review takes {shot}"
            )
        return {"state": "approved", "take": number}

    changed = review.decide(review.named(shots), approved, note)
    again = [shot for shot in changed if changed[shot].take != review.takes(shot).current]
    review.tell(changed, f"to put {'it' if len(again) == 1 else 'them'} into the film" if again else "")


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
    review = _Review(job_dir)

    def rejected(shot: str, before: Decision) -> dict[str, Any]:
        return {
            "state": "rejected",
            "take": review.takes(shot).current,
            "settings": {**before.settings, **settings},
        }

    changed = review.decide(review.named(shots), rejected, note)
    review.tell(changed, "to make what is to be different")


def note(
    shot: Shot,
    text: Text,
    job_dir: JobOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write a note on a shot, and decide nothing."""
    review = _Review(job_dir)
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
    review = _Review(job_dir)
    taken_back: dict[str, Any] = {"state": "open", "take": None, "settings": {}}
    review.tell(review.decide(review.named(shots), lambda shot, before: taken_back), "to apply it")


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

    review = _Review(job_dir)
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
        out.document({"job": str(review.root), "shot": name, "takes": rows})
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
    from dubcli.core import proof

    review = _Review(job_dir)
    (name,) = review.named([shot])
    last = len(review.takes(name).takes)
    chosen = numbers or list(range(max(1, last - _COMPARED), last))
    if not chosen:
        raise UsageError(f"shot {name} has no takes: it was never changed in a finished film")
    review.job.read_sources()
    out.path(proof.compare(review.job, name, chosen))


class _Review:
    """A job under review: its shots, their takes, and what was decided."""

    def __init__(self, job_dir: Path | None) -> None:
        from dubcli.artifacts.shots import Shots
        from dubcli.cli.jobs import find_job
        from dubcli.core import takes
        from dubcli.core.job import Job
        from dubcli.edits import decisions

        self.job = Job.open(find_job(job_dir))
        self.root = self.job.root
        self.path = self.root / decisions.FILE
        key = self.job.ref("split/film")
        artifact = self.job.store.get(key) if key else None
        if artifact is None:
            raise UsageError(f"{self.root} has no shots yet; type: dubcli run {self.root}")
        self.split = artifact.path
        self.shots = Shots.load(self.split).named()
        self.known = takes.load(self.root)
        self.document, self.file = decisions.load(self.path)

    def takes(self, shot: str) -> Takes:
        """The takes of a shot."""
        from dubcli.core.takes import Takes

        return self.known.get(shot) or Takes([{}])

    def named(self, words: Iterable[str]) -> list[str]:
        """Names of shots from the words of a command.

        Raises:
            UsageError: there is no such shot.
        """
        from dubcli.edits.decisions import nearest

        found: dict[str, None] = {}
        for word in words:
            first, dash, last = word.partition("-")
            if not (first.isdecimal() and (not dash or last.isdecimal())):
                raise UsageError(f"{word!r} is no shot; name one by its first frame, such as 120, or 120-480")
            if dash:
                inside = [shot for shot in self.shots if int(first) <= int(shot) <= int(last)]
                if not inside:
                    raise UsageError(f"no shot begins in {word}; type: dubcli review list")
                found |= dict.fromkeys(inside)
                continue
            name = f"{int(first):08d}"
            if name not in self.shots:
                raise UsageError(f"there is no shot {name}{nearest(name, self.shots)}")
            found[name] = None
        return list(found)

    def decide(
        self, shots: Iterable[str], change: Callable[[str, Decision], dict[str, Any]], note: str | None = None
    ) -> dict[str, Decision]:
        """Change the decisions about shots and write them down.

        Raises:
            UsageError: a decision would not be valid.
        """
        from pydantic import ValidationError

        from dubcli.edits import decisions
        from dubcli.files import write_atomically

        made: dict[str, Decision] = {}
        for shot in shots:
            before = self.file.shots.get(shot, decisions.Decision())
            fields = before.model_dump() | change(shot, before) | ({} if note is None else {"note": note})
            try:
                made[shot] = decisions.Decision.model_validate(fields)
            except ValidationError as error:
                raise UsageError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
        self.check_engines(made)
        text = self.path.read_text("utf-8-sig") if self.path.is_file() else ""
        write_atomically(self.path, decisions.changed(text, made).encode())
        self.job.refresh_report()
        return made

    def check_engines(self, made: dict[str, Decision]) -> None:
        """Check that the engines of shots can be used."""
        from dubcli.core import takes

        for decision in made.values():
            if decision.settings:
                takes.own_settings(self.job, decision, "--set")

    def tell(self, changed: dict[str, Decision], purpose: str) -> None:
        """Say what was written, and what to type next."""
        out.path(self.path)
        count = f"{len(changed)} shot{'' if len(changed) == 1 else 's'}"
        out.note(f"{count} decided" + (f"; {purpose}, type: dubcli run {self.root}" if purpose else ""))

    def rows(self) -> list[dict[str, Any]]:
        """Shots that have takes or decisions, in the order of the film."""
        from dubcli.artifacts.shots import Frames
        from dubcli.edits import decisions
        from dubcli.edits.cuefile import clock

        decisions.check_shots(self.document, self.file, self.shots)
        verdicts = self._verdicts()
        seconds = Frames.load(self.split).seconds
        found = []
        for shot, span in self.shots.items():
            decision = self.file.shots.get(shot)
            if decision is None and shot not in self.known:
                continue
            own, decision = self.takes(shot), decision or decisions.Decision()
            found.append(
                {
                    "shot": shot,
                    "time": clock(float(seconds[span.start])),
                    "start": span.start,
                    "stop": span.stop,
                    "verdict": verdicts.get(shot),
                    "state": decision.state,
                    "take": own.current,
                    "takes": len(own.takes) - 1,
                    "decided": decision.take,
                    "new": decision.state == "rejected" and decision.take != own.current,
                    "settings": decision.settings,
                    "note": decision.note,
                }
            )
        return found

    def _verdicts(self) -> dict[str, str]:
        """Shot → its verdict in the report, where there is a report of this version."""
        from dubcli.artifacts.report import Report
        from dubcli.errors import StoreError

        try:
            shots = Report.load(self.root).shots
        except (OSError, StoreError):
            return {}
        return {shot.name: shot.verdict for shot in shots if shot.verdict}


def _spelt(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_,
    "approve": approve,
    "reject": reject,
    "note": note,
    "reopen": reopen,
    "takes": takes,
    "compare": compare,
}
