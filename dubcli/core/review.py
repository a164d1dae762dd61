"""A job under review: its shots, their takes, and what was decided about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dubcli.core import takelist, takes
from dubcli.core.job import Job
from dubcli.core.takelist import Takes
from dubcli.edits import decisions, shotname
from dubcli.edits.decisions import Decision
from dubcli.errors import StoreError, UsageError, typed
from dubcli.files import write_atomically
from dubcli.settings.document import attempt, read_text

if TYPE_CHECKING:
    from dubcli.artifacts.report import Shot


class Review:
    """The review of a job.

    Attributes:
        job: the job.
        path: the file of its decisions.
        shots: name → row of every shot, in the order of the film.

    Raises:
        UsageError: the job has no shots yet.
        ConfigError: the file of decisions is not valid.
    """

    def __init__(self, job: Job) -> None:
        from dubcli.artifacts.shots import Shots

        self.job = job
        self.path = job.root / decisions.FILE
        self._split = job.require("split/film", "shots").path
        self.shots = Shots.load(self._split).named()
        self._takes = takelist.load(job.root)
        self._document, self.file = decisions.load(self.path)

    def takes(self, shot: str) -> Takes:
        """The takes of a shot."""
        return self._takes.get(shot) or Takes([{}])

    def take(self, shot: str, number: int) -> int:
        """The number of a take, if the shot has it.

        Raises:
            UsageError: it has not.
        """
        count = len(self.takes(shot).takes)
        if number >= count:
            raise UsageError(
                f"shot {shot} has {count - 1} takes, not {number}; "
                f"type: dubcli review {typed(self.job.root)} takes {shot}"
            )
        return number

    def shown(self, shot: str) -> int:
        """The number of the take that the last film shows.

        Raises:
            UsageError: no film shows the shot yet. Its take would be the film's own picture, so that
                approving it would keep it from being dubbed.
        """
        if shot not in self._takes and shot not in self._reported:
            raise UsageError(
                f"no finished film shows shot {shot} yet; type: dubcli run {typed(self.job.root)}, "
                "or to keep the film's own picture: "
                f"dubcli review {typed(self.job.root)} approve {shot} --take 0"
            )
        return self.takes(shot).current

    def named(self, words: Iterable[str]) -> list[str]:
        """Names of shots from the words of a command: first frames, or ranges of them.

        Raises:
            UsageError: there is no such shot.
        """
        found: dict[str, None] = {}
        for word in words:
            first, dash, last = word.partition("-")
            if not (first.isdecimal() and (not dash or last.isdecimal())):
                raise UsageError(f"{word!r} is no shot; name one by its first frame, such as 120, or 120-480")
            if dash:
                inside = [shot for shot in self.shots if int(first) <= int(shot) <= int(last)]
                if not inside:
                    raise UsageError(
                        f"no shot begins in {word}; type: dubcli shots show {typed(self.job.root)}"
                    )
                found |= dict.fromkeys(inside)
                continue
            name = shotname.named(int(first))
            if name not in self.shots:
                raise UsageError(f"there is no shot {name}{shotname.nearest(name, self.shots)}")
            found[name] = None
        return list(found)

    def decide(
        self, shots: Iterable[str], change: Callable[[str, Decision], dict[str, Any]], note: str | None = None
    ) -> dict[str, Decision]:
        """Change the decisions about shots and write them down.

        Args:
            shots: their names.
            change: from a shot and what was decided before to the fields that change.
            note: a note on each of them; None leaves those there are.

        Returns:
            Shot → what is decided now.

        Raises:
            UsageError: a decision would not be valid.
            ConfigError, DependencyError: a shot's own engine cannot be used.
        """
        made: dict[str, Decision] = {}
        for shot in shots:
            before = self.file.shots.get(shot, Decision())
            fields = before.model_dump() | change(shot, before) | ({} if note is None else {"note": note})
            fields["stop"] = self.shots[shot].stop if fields["state"] == "approved" else None
            decided = attempt(fields, Decision)
            if isinstance(decided, list):
                raise UsageError(decided[0][1])
            if decided.settings:
                takes.own_settings(self.job, decided, "--set")
            made[shot] = decided
        text = read_text(self.path) if self.path.is_file() else ""
        write_atomically(self.path, decisions.changed(text, made).encode())
        self.job.refresh_report()
        return made

    def rows(self) -> list[dict[str, Any]]:
        """Shots that have takes or decisions, in the order of the film, as `review list` shows them.

        Raises:
            ConfigError: something is decided about a shot that does not exist.
        """
        from dubcli.artifacts.shots import Frames
        from dubcli.edits.cuefile import clock

        decisions.check_shots(self._document, self.file, self.shots)
        seconds = Frames.load(self._split).seconds
        found = []
        for shot, span in self.shots.items():
            if shot not in self.file.shots and shot not in self._takes:
                continue
            own, decision = self.takes(shot), self.file.shots.get(shot, Decision())
            told = self._reported.get(shot)
            reasons = [r.measure for face in told.faces for r in face.reasons] if told else []
            found.append(
                {
                    "shot": shot,
                    "time": clock(float(seconds[span.start])),
                    "start": span.start,
                    "stop": span.stop,
                    "verdict": told.verdict if told else None,
                    "reasons": list(dict.fromkeys(reasons)),
                    "state": decision.state,
                    "take": own.current,
                    "takes": len(own.takes) - 1,
                    "decided": decision.take,
                    "new": decision.state == "rejected" and decision.take not in (None, own.current),
                    "settings": decision.settings,
                    "note": decision.note,
                }
            )
        return found

    @cached_property
    def _reported(self) -> dict[str, Shot]:
        """The shots of the last report, by name; {} where there is none of this version."""
        from dubcli.artifacts.report import Report

        try:
            return {shot.name: shot for shot in Report.load(self.job.root).shots}
        except (OSError, StoreError):
            return {}
