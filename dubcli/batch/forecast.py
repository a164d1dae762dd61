"""How long a batch will take and how much disk it will fill: first from its films' lengths, then from itself.

A stage of a job is expected to take seconds by the frame and by the megapixel (`SECONDS`), on as many
workers as its units allow. What was measured corrects that, the nearer the more: a film's next dub takes what
the one before took; a stage that has run takes what it took so far; one that has not is as much slower or
faster as all others were; and the clock says how much goes by between units. As long as little was
measured, it moves the expectation by little (`CALM`). Bytes in the store go by stage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubcli import stages
from dubcli.batch.entry import Entry
from dubcli.core.events import Event
from dubcli.core.job import Job
from dubcli.core.plan import RUN, Row, plan
from dubcli.core.store import Store
from dubcli.media.length import Length

SECONDS: Mapping[str, tuple[float, float, float]] = {
    "probe": (1.5, 0.0, 0.001),
    "scan": (0.1, 0.005, 0.003),
    "split": (0.1, 0.0, 0.0),
    "track": (0.5, 0.018, 0.006),
    "cast": (0.1, 0.0001, 0.0),
    "align": (1.2, 0.001, 0.0),
    "cue": (0.1, 0.0001, 0.0),
    "gallery": (0.4, 0.003, 0.004),
    "learn": (0.2, 0.0008, 0.0),
    "train": (0.0, 0.0, 0.0),
    "adapt": (0.0, 0.0, 0.0),
    "motion": (0.1, 0.0003, 0.0),
    "lips": (0.8, 0.015, 0.006),
    "measure": (0.7, 0.004, 0.002),
    "compose": (0.1, 0.0015, 0.035),
    "remux": (0.4, 0.0006, 0.0035),
    "report": (0.5, 0.0003, 0.005),
}
"""Seconds of a stage's only unit at work: at all, by the frame, by the frame and megapixel. Measured on two
cores, on eight clips of one shot each, 320x180 to 1920x1080, in which somebody speaks all the time. What
training takes, an engine foretells (`core.training`)."""
BUSY: Mapping[str, float] = {"track": 1.2, "lips": 1.15, "compose": 1.7}
"""Cores that a unit of a stage keeps busy by itself, so that as many workers as cores gain less: what two
processes gained over one on two cores (`bench.shard`; of `track`, more for small pictures), of `compose` by
the threads of its encoder."""
BYTES: Mapping[str, tuple[float, float, float]] = {
    "track": (7000.0, 0.0, 0.0),
    "cast": (700.0, 0.0, 0.0),
    "align": (5000.0, 0.0, 0.0),
    "gallery": (185_000.0, 750_000.0, 0.0),
    "learn": (4500.0, 0.0, 0.0),
    "motion": (1800.0, 0.0, 0.0),
    "lips": (60_000.0, 300_000.0, 0.0),
    "compose": (0.0, 0.0, 1.1),
    "remux": (0.0, 0.0, 1.3),
    "report": (1400.0, 0.0, 0.0),
}
"""Bytes that a stage leaves: by the frame, and by its megapixels where the second figure makes that less; by
the byte of the film. Measured on the same; how large faces are counts as much as how large frames are."""
GALLERY_BYTES = 100e6
"""What a person's reference bank holds at most, about."""
FOUND: Mapping[str, float] = {
    **dict.fromkeys(("scan", "split", "track", "cast", "gallery", "learn", "train", "adapt"), 1.0),
    "probe": 0.5,
    "align": 0.5,
}
"""Part of a stage that a film's next dub finds done: of `probe` and `align`, what is about the film alone."""
SHOT_FRAMES = 75.0
"""Frames of a shot until films' shots are known, beside which it counts as one; set by hand."""
START = 2.0
"""Seconds of a job that are no unit's: its process starts, plans and ends."""
SURE = 0.05
"""Part of the work after which a forecast is given again."""
CALM = 3.0
"""Seconds of work that count for as much as what was expected of the machine."""
CALM_FILMS = 1.0
"""Films that count for as much as what was expected of a stage: one film shows more faces than the next."""


@dataclass
class _Part:
    """A stage of a job: what is expected of it and how far it is.

    Attributes:
        stage: its name.
        whole: worker-seconds that `SECONDS` expects of all its units.
        size: bytes that `BYTES` expects of them.
        share: part of it that must run, and is not found done, 0–1.
        units: how many it has; None until it is planned.
        run: how many of them must run.
        cost: of those.
        ended: how many of those have ended.
        paid: cost of those that have ended.
        spent: worker-seconds that these took.
        closed: nothing more of it will run.
    """

    stage: str
    whole: float
    size: float
    share: float
    units: int | None = None
    run: int = 0
    cost: float = 0.0
    ended: int = 0
    paid: float = 0.0
    spent: float = 0.0
    closed: bool = False

    @property
    def done(self) -> float:
        """Part of it that has ended, 0–1: by cost, since the longest shots come first."""
        if self.ended >= self.run:
            return float(bool(self.ended))
        return self.paid / self.cost if self.cost else self.ended / self.run

    @property
    def seconds(self) -> float:
        """Worker-seconds that are expected of what must run."""
        return self.whole * self.share

    @property
    def factor(self) -> float | None:
        """How many times longer than expected it took; None while that is not known."""
        if self.units == 0:
            return 0.0
        ended = bool(self.run) and self.ended >= self.run
        return self.spent / self.seconds if ended and self.seconds else None


class Forecast:
    """The forecast of a batch.

    Args:
        entries: its jobs.
        lengths: of their films, by path.
        workers: worker processes of each job.
        jobs: how many jobs run at once.
        training: stage → seconds that each job trains (`core.training`), in the order of the jobs; none by
            default.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        lengths: Mapping[Path, Length],
        workers: int,
        jobs: int = 1,
        training: Sequence[Mapping[str, float]] = (),
    ) -> None:
        self._workers = workers
        self._jobs = min(jobs, len(entries))
        self._films = [(entry.film, entry.preset) for entry in entries]
        self._frames = {film: length.frames for film, length in lengths.items()}
        self._shots: dict[Path, int] = {}
        self._parts: list[dict[str, _Part]] = []
        self._sizes: dict[str, float] = defaultdict(float)
        self._counted: set[str] = set()
        self._ended: set[int] = set()
        known: set[tuple[Path, str | None]] = set()
        for entry, trains in zip(entries, training or [{}] * len(entries), strict=True):
            length = lengths[entry.film]
            first = (entry.film, entry.preset) not in known
            known.add((entry.film, entry.preset))
            self._parts.append({name: _part(name, length, first) for name in stages.ORDER})
            for stage, seconds in trains.items() if first else ():
                self._parts[-1][stage].whole = seconds
        self._outputs = [BYTES["remux"][2] * lengths[entry.film].size for entry in entries]

    def find(self, number: int, job: Job) -> None:
        """Leave out what the store holds already of the job with this number, which was begun before.

        Raises:
            DubError: it cannot be planned.
        """
        job.read_sources()
        found: dict[str, list[Row]] = {name: [] for name in stages.ORDER}
        for row in plan(job):
            found[row.stage].append(row)
        film = self._films[number]
        others = [own for one, own in zip(self._films, self._parts, strict=True) if one == film]
        for name, rows in found.items():
            if any(row.unit is None for row in rows):  # it waits for what is before it
                continue
            part = self._parts[number][name]
            part.share = sum(row.state == RUN for row in rows) / len(rows) if rows else 0.0
            if not part.share:
                for other in others:
                    other[name].share = min(other[name].share, 1.0 - FOUND.get(name, 0.0))
        if found["track"] and found["track"][0].unit:
            self._shots[film[0]] = len(found["track"])

    def take(self, number: int, event: Event) -> None:
        """Take an event of the job with this number into account."""
        part = self._parts[number].get(event.get("stage", ""))
        match event["type"]:
            case "run.start":  # of a job that is tried again, too
                self._ended.discard(number)
                for one in self._parts[number].values():
                    one.closed = False
            case "stage.start" if part:
                part.ended, part.paid, part.spent = 0, 0.0, 0.0
            case "stage.plan" if part:  # again, where some shots go on before others
                part.units, part.run, part.cost = event["units"], event["run"], event["cost"]
                part.share = part.run / part.units if part.units else 0.0
                part.closed = part.ended >= part.run
                if part.stage == "track":
                    self._shots[self._films[number][0]] = event["units"]
            case "unit.done" if part and part.run:
                part.spent += event["seconds"]
                part.ended, part.paid = part.ended + 1, part.paid + event["cost"]
                part.closed = part.ended >= part.run
            case "exit":  # what did not run was not needed, or will not be, since the job failed
                self._ended.add(number)
                for one in self._parts[number].values():
                    one.closed = True

    def look(self, store: Store, *, count: bool = True) -> None:
        """Measure what the stages have left since the last look.

        Args:
            store: of the batch.
            count: whether it is the batch's; without it, what is there is left out from then on.
        """
        new = set(store.keys()) - self._counted
        self._counted.update(new)
        if count:
            for stage, size in store.sizes_of(new):
                self._sizes[stage] += size

    @property
    def fraction(self) -> float:
        """Part of the work that is done, 0–1."""
        done, left = self._walls()
        return done / (done + left) if done + left else 1.0

    def seconds(self, elapsed: float) -> float:
        """Seconds that the batch takes from its start to its end, of which some have gone by."""
        done, left = self._walls()
        return elapsed + left * (CALM + elapsed) / (CALM + done)

    def bytes(self) -> int:
        """Bytes that the batch will have written at its end: its store and its films."""
        expected: dict[str, float] = defaultdict(float)
        ready: dict[str, float] = defaultdict(float)
        for job in self._parts:
            for part in job.values():
                size = part.size * part.share
                expected[part.stage] += size * (part.done if part.closed else 1.0)
                ready[part.stage] += size * part.done
        factors = {s: self._sizes[s] / ready[s] for s in ready if ready[s] and self._sizes.get(s)}
        store = sum(size * factors.get(stage, 1.0) for stage, size in expected.items())
        outputs = sum(size * job["remux"].share for size, job in zip(self._outputs, self._parts, strict=True))
        return round(store + outputs * factors.get("remux", 1.0))

    def _walls(self) -> tuple[float, float]:
        """Seconds of the clock that have gone into units, and that are expected still."""
        seen = sum(self._frames[film] for film in self._shots)
        cuts = sum(self._shots.values()) - len(self._shots)
        # By cuts: a film without any says how long a shot is at least.
        shot = (SHOT_FRAMES + seen) / (1 + cuts)
        factors, known = self._factors(), self._known()
        done = left = 0.0
        for number, (film, job) in enumerate(zip(self._films, self._parts, strict=True)):
            shots = self._shots.get(film[0]) or max(1.0, self._frames[film[0]] / shot)
            done += START * (number in self._ended)
            left += START * (number not in self._ended)
            for part in job.values():
                at_once = shots if part.stage in stages.BY_SHOT else 1.0
                hands = max(1.0, min(at_once, self._workers / BUSY.get(part.stage, 1.0)))
                factor = known.get((film, part.stage), factors[part.stage])
                done += part.spent / hands
                left += 0.0 if part.closed else part.seconds * factor * (1.0 - part.done) / hands
        return done / self._jobs, left / self._jobs

    def _factors(self) -> dict[str, float]:
        """Stage → how many times longer than expected it takes, as measured."""
        expected: dict[str, float] = defaultdict(float)
        spent: dict[str, float] = defaultdict(float)
        whole: dict[str, float] = defaultdict(float)
        for job in self._parts:
            for part in job.values():
                whole[part.stage] += part.whole / len(self._parts)
                expected[part.stage] += part.seconds * part.done
                spent[part.stage] += part.spent
        ran = [name for name in stages.ORDER if spent[name] and expected[name]]
        # The mean of ratios, not of seconds: one stage that takes four times as long says little of others.
        logs = sum(expected[name] * math.log(spent[name] / expected[name]) for name in ran)
        overall = math.exp(logs / (CALM + sum(expected[name] for name in ran)))
        calm = {name: CALM_FILMS * whole[name] for name in stages.ORDER}
        return {
            name: (calm[name] * overall + spent[name]) / (calm[name] + expected[name]) if whole[name] else 1.0
            for name in stages.ORDER
        }

    def _known(self) -> dict[tuple[tuple[Path, str | None], str], float]:
        """Film and stage → how many times longer than expected it took with the film's first dub."""
        known: dict[tuple[tuple[Path, str | None], str], float] = {}
        for film, job in zip(self._films, self._parts, strict=True):
            for part in job.values():
                if part.factor is not None:
                    known.setdefault((film, part.stage), part.factor)
        return known


def _part(name: str, length: Length, first: bool) -> _Part:
    once, frame, pixels = SECONDS[name]
    seconds = once + length.frames * (frame + pixels * length.megapixels)
    by_frame, bound, by_byte = BYTES.get(name, (20.0, 0.0, 0.0))
    by_frame = min(by_frame, bound * length.megapixels or by_frame)
    size = by_frame * length.frames + by_byte * length.size
    if name == "gallery":
        size = min(size, GALLERY_BYTES)
    share = 1.0 if first else 1.0 - FOUND.get(name, 0.0)
    return _Part(name, seconds, size, share)
