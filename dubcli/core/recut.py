"""A film that was cut anew: what was decided about its shots follows their pictures to where they are now.

The mouths of a recut film come out a little different even in shots that nobody touched: its sound and the
dub are levelled and read as a whole, and mouth models are learnt from all of the film. So an approved shot
keeps its take where its pictures, and what the dub says over them, are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dubcli.core import plan, runner, takelist, takes
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.plan import Selection
from dubcli.edits import decisions
from dubcli.edits.decisions import Decision
from dubcli.errors import UsageError, typed
from dubcli.files import write_atomically
from dubcli.settings.document import read_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.shots import Shot

_WINDOW = 20  # rows of 10 ms over which sounds are compared: a short syllable
# Bels between two sounds where they differ most: in dubs cut anew the same words were apart by 0.04 at most,
# words that come 10 ms later by 0.42 at least, other words by 0.8 at least.
_SAME = 0.3
_SILENCE = -4.0  # bels (`speech.features`)
_NEAR_SILENCE, _FAINT = -3.5, -2.5  # bels up to which a band may be cut off, and is not compared


@dataclass(frozen=True)
class Carried:
    """Shots of a recut film about which something had been decided.

    Attributes:
        kept: approved ones that keep their take.
        reopened: approved ones that are open again: the dub says something else there, or the take is lost.
        noted: others, whose notes and settings go along.
        gone: those of the earlier cut, by their names there, whose pictures are no shot here.
    """

    kept: tuple[str, ...]
    reopened: tuple[str, ...]
    noted: tuple[str, ...]
    gone: tuple[str, ...] = ()


def check(job: Job, before: Job) -> None:
    """Check that a job can take over shots of another.

    Raises:
        UsageError: it is the same one, its store is another, or it has no shots.
    """
    if job.root.resolve() == before.root.resolve():
        raise UsageError(f"{job.root} is the job itself; name that of the earlier cut with --recut-of")
    if job.store.root.resolve() != before.store.root.resolve():
        raise UsageError(
            f"the shots of {before.root} are in the store {before.store.root}; "
            f"add --store {typed(before.store.root)}"
        )
    if any(before.result(unit) is None for unit in ("split/film", "align/dub")):
        raise UsageError(f"{before.root} has no shots to take over; type: dubcli run {typed(before.root)}")


def carry(job: Job, before: Job, events: Events, *, overwrite: bool = False) -> Carried:
    """Carry over what was decided about the shots of another cut; the film and its dub are read for that.

    Shots that have takes, or decisions of their own, are left alone.

    Args:
        job: the job of the recut film.
        before: that of the earlier cut.
        events: what receives the events.
        overwrite: as for `runner.run`.

    Raises:
        UsageError: see `check`.
        DubError: as the exit-code table says.
    """
    check(job, before)
    runner.run(job, events, Selection(until="align"), overwrite=overwrite)
    now, then = _Cut.of(job), _Cut.of(before)
    own, path = takelist.load(job.root), job.root / decisions.FILE
    own_decisions = decisions.load(path)[1].shots
    told = decisions.load(before.root / decisions.FILE)[1].shots
    pins = plan.view(before).pins
    alike: dict[str, list[Shot]] = {}
    for name in told.keys() & then.shots.keys():
        alike.setdefault(then.shots[name].picture, []).append(then.shots[name])
    found: dict[str, list[str]] = {"kept": [], "reopened": [], "noted": []}
    made: dict[str, Decision] = {}
    lines: list[str] = []
    for shot in now.shots.values():
        olds = sorted(alike.get(shot.picture, ()), key=lambda old: old.start)
        if not olds or shot.name in own or shot.name in own_decisions:
            continue
        same = next((old for old in olds if now.sounds_as(shot, then, old)), None)
        decision = told[(same or olds[0]).name]
        group, take = "noted" if decision.state != "approved" else "reopened", None
        if same and decision.state == "approved":
            take = {_renamed(unit, same, shot): key for unit, key in pins[same.name].items()}
            if takes.is_whole(job, take):
                group = "kept"
                lines += [takelist.line(shot.name, take)] if take else []
        found[group].append(shot.name)
        made[shot.name] = Decision(
            state="open" if group == "reopened" else decision.state,
            take=int(bool(take)) if group == "kept" else None,
            stop=shot.stop if group == "kept" else None,
            note=decision.note,
            settings=decision.settings,
        )
    if made:
        with open(job.root / takelist.FILE, "a", encoding="utf-8") as file:
            file.writelines(lines)
        text = read_text(path) if path.is_file() else ""
        write_atomically(path, decisions.changed(text, made).encode())
    here = {shot.picture for shot in now.shots.values()}
    found["gone"] = sorted(old.name for olds in alike.values() for old in olds if old.picture not in here)
    return Carried(**{group: tuple(shots) for group, shots in found.items()})


def _renamed(unit: str, old: Shot, new: Shot) -> str:
    """The id of a shot's unit where the shot has another name."""
    return unit.replace(f"/{old.name}.", f"/{new.name}.")


@dataclass(frozen=True)
class _Cut:
    """A cut of a film, as far as it must be known here.

    Attributes:
        shots: by name.
        seconds: (N,) times of its frames.
        logmel: (F, 80) of its dub, at 100 Hz.
        offset: seconds in the film at which the dub begins.
    """

    shots: Mapping[str, Shot]
    seconds: NDArray[np.float64]
    logmel: NDArray[np.float32]
    offset: float

    @classmethod
    def of(cls, job: Job) -> _Cut:
        """The cut of a job that has got as far as `align`."""
        from dubcli.artifacts import speech
        from dubcli.artifacts.shots import Frames, Shots

        split, dub = job.result("split/film"), job.result("align/dub")
        assert split
        assert dub
        shots, seconds = Shots.load(split.path).named(), Frames.load(split.path).seconds
        logmel, offset = speech.features(dub.path)["logmel"], speech.offset(dub.path)
        return cls(shots, seconds, logmel, offset)

    def sounds_as(self, shot: Shot, other: _Cut, its: Shot) -> bool:
        """Whether the dub over a shot is that over a shot with the same pictures in another cut."""
        import numpy as np

        length = max(1, round(100 * float(self.seconds[shot.stop - 1] - self.seconds[shot.start])))
        one, two = self._heard(shot, length), other._heard(its, length)
        # Each is relative to the average spectrum of its own dub.
        known = (one > _NEAR_SILENCE) & (two > _NEAR_SILENCE)
        shift = np.ma.median(np.ma.masked_array(one - two, ~known), axis=0).filled(0)  # type: ignore[no-untyped-call]
        apart = np.abs(np.maximum(one, _FAINT) - np.maximum(two + shift, _FAINT)).mean(axis=1)
        window = np.ones(min(_WINDOW, length)) / min(_WINDOW, length)
        return bool(np.convolve(apart, window, "valid").max() <= _SAME)

    def _heard(self, shot: Shot, length: int) -> NDArray[np.float32]:
        """(length, 80) log-mel from a shot's first frame on, between rows where frames begin there."""
        import numpy as np

        first = 100 * (float(self.seconds[shot.start]) - self.offset)
        whole, part = int(first // 1), first % 1
        rows = np.full((length + 1, self.logmel.shape[1]), _SILENCE, np.float32)
        a, b = max(0, whole), max(0, min(whole + length + 1, len(self.logmel)))
        rows[a - whole : b - whole] = self.logmel[a:b]
        return np.asarray((1 - part) * rows[:-1] + part * rows[1:], np.float32)
