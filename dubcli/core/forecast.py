"""How long a batch will take and how much disk it will fill: first from its films' lengths, then from itself.

A stage of a job is expected to take seconds by the frame and by the megapixel (`SECONDS`), on as many
workers as its units allow. What was measured corrects that: each stage by its own seconds so far, a stage
that was not run yet by all others', and everything by how the clock went. Bytes in the store go the same
way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubcli import stages
from dubcli.core.batch import Entry
from dubcli.core.events import Event
from dubcli.core.store import Store
from dubcli.media.length import Length

SECONDS: Mapping[str, tuple[float, float, float]] = {
    "probe": (2.5, 0.0, 0.0),
    "scan": (0.5, 0.003, 0.0075),
    "split": (0.2, 0.0, 0.0),
    "track": (1.0, 0.028, 0.019),
    "cast": (0.1, 0.0003, 0.0),
    "align": (1.0, 0.0045, 0.0),
    "cue": (0.2, 0.0003, 0.0),
    "gallery": (0.5, 0.006, 0.006),
    "learn": (0.2, 0.0016, 0.0),
    "train": (0.0, 0.0, 0.0),
    "adapt": (0.0, 0.0, 0.0),
    "motion": (0.1, 0.0009, 0.0),
    "lips": (1.0, 0.027, 0.006),
    "measure": (1.0, 0.012, 0.0),
    "compose": (0.5, 0.012, 0.037),
    "remux": (0.5, 0.0015, 0.0045),
    "report": (2.0, 0.006, 0.0),
}
"""Worker-seconds of a stage: at all, by the frame, by the frame and megapixel. Measured on two cores, on five
clips of 320x180 to 1920x1080 in which somebody speaks all the time. What training takes, an engine foretells
(`core.training`)."""
BYTES: Mapping[str, tuple[float, float, float]] = {
    "track": (7000.0, 0.0, 0.0),
    "cast": (700.0, 0.0, 0.0),
    "align": (6500.0, 0.0, 0.0),
    "gallery": (150_000.0, 600_000.0, 0.0),
    "learn": (2500.0, 0.0, 0.0),
    "motion": (1800.0, 0.0, 0.0),
    "lips": (40_000.0, 200_000.0, 0.0),
    "compose": (0.0, 0.0, 0.7),
    "measure": (3000.0, 0.0, 0.0),
    "remux": (0.0, 0.0, 1.0),
    "report": (1000.0, 0.0, 0.0),
}
"""Bytes that a stage leaves: by the frame, and by its megapixels where the second figure makes that less; by
the byte of the film. Measured on the same; how large faces are counts as much as how large frames are."""
GALLERY_BYTES = 100e6
"""What a person's reference bank holds at most, about."""
PICTURE = frozenset({"probe", "scan", "split", "track", "cast", "gallery", "learn", "train", "adapt"})
"""Stages that a film's second dub finds done."""
SHOT_FRAMES = 75.0
"""Frames of a shot until some film's shots are known; set by hand: three seconds."""
SURE = 0.05
"""Part of the work after which a forecast is given again."""


@dataclass
class _Part:
    """A stage of a job: its expected worker-seconds and bytes, and how far it is."""

    stage: str
    seconds: float
    size: float
    units: int = 0
    ended: int = 0
    done: float = 0.0

    def close(self) -> None:
        """Count what did not run, since it was not needed or the job failed, as not expected either."""
        self.seconds, self.size = self.seconds * self.done, self.size * self.done
        self.done = 1.0


class Forecast:
    """The forecast of a batch.

    Args:
        entries: its jobs.
        lengths: of their films, by path.
        workers: worker processes of each job.
        training: stage → seconds that each job trains (`core.training`), in the order of the jobs; none by
            default.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        lengths: Mapping[Path, Length],
        workers: int,
        training: Sequence[Mapping[str, float]] = (),
    ) -> None:
        self._workers = workers
        self._films = [entry.film for entry in entries]
        self._frames = {film: length.frames for film, length in lengths.items()}
        self._shots: dict[Path, int] = {}
        self._parts: list[dict[str, _Part]] = []
        self._spent: dict[str, float] = defaultdict(float)
        self._sizes: dict[str, float] = defaultdict(float)
        self._counted: set[str] = set()
        known: set[tuple[Path, str | None]] = set()
        for entry, trains in zip(entries, training or [{}] * len(entries), strict=True):
            length = lengths[entry.film]
            first = (entry.film, entry.preset) not in known
            known.add((entry.film, entry.preset))
            self._parts.append({name: _part(name, length, first) for name in stages.ORDER})
            for stage, seconds in trains.items() if first else ():
                self._parts[-1][stage].seconds = seconds
        self._outputs = sum(lengths[entry.film].size for entry in entries)

    def take(self, number: int, event: Event) -> None:
        """Take an event of the job with this number into account."""
        part = self._parts[number].get(event.get("stage", ""))
        match event["type"]:
            case "stage.plan" if part:
                part.units, part.ended = event["run"], 0
                if not part.units:
                    part.seconds = part.size = 0.0
                if part.stage == "track":
                    self._shots[self._films[number]] = event["units"]
            case "unit.done" if part and part.units:
                self._spent[part.stage] += event["seconds"]
                part.ended += 1
                part.done = min(1.0, part.ended / part.units)
            case "exit":
                for one in self._parts[number].values():
                    one.close()

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
        factors = self._factors()
        done = whole = 0.0
        for part, wall in self._walls():
            whole += wall * factors[part.stage]
            done += wall * factors[part.stage] * part.done
        return done / whole if whole else 1.0

    def seconds(self, elapsed: float) -> float:
        """Seconds that the batch takes from its start to its end, of which some have gone by."""
        fraction = self.fraction
        if fraction > 0.0 and elapsed:
            return elapsed / fraction
        return sum(wall for _, wall in self._walls())

    def bytes(self) -> int:
        """Bytes that the batch will have written at its end: its store and its films."""
        expected: dict[str, float] = defaultdict(float)
        ready: dict[str, float] = defaultdict(float)
        for job in self._parts:
            for part in job.values():
                expected[part.stage] += part.size
                ready[part.stage] += part.size * part.done
        factors = {s: self._sizes[s] / ready[s] for s in ready if ready[s] and self._sizes.get(s)}
        store = sum(size * factors.get(stage, 1.0) for stage, size in expected.items())
        return round(store + self._outputs * factors.get("remux", 1.0))

    def _walls(self) -> Iterator[tuple[_Part, float]]:
        """Each part, and the seconds it is expected to take: a film of one shot keeps one worker busy."""
        seen = sum(self._frames[film] for film in self._shots)
        shot = seen / max(1, sum(self._shots.values())) if seen else SHOT_FRAMES
        for film, job in zip(self._films, self._parts, strict=True):
            shots = self._shots.get(film) or max(1.0, self._frames[film] / shot)
            for part in job.values():
                yield (
                    part,
                    part.seconds / (min(self._workers, shots) if part.stage in stages.BY_SHOT else 1.0),
                )

    def _factors(self) -> dict[str, float]:
        """Stage → how many times longer than expected it takes, as measured."""
        expected: dict[str, float] = defaultdict(float)
        for job in self._parts:
            for part in job.values():
                expected[part.stage] += part.seconds * part.done
        whole = sum(expected.values())
        overall = sum(self._spent.values()) / whole if whole else 1.0
        return {
            name: self._spent[name] / expected[name] if expected[name] and self._spent[name] else overall
            for name in stages.ORDER
        }


def _part(name: str, length: Length, first: bool) -> _Part:
    if name in PICTURE and not first:
        return _Part(name, 0.0, 0.0)
    once, frame, pixels = SECONDS[name]
    seconds = once + length.frames * (frame + pixels * length.megapixels)
    by_frame, bound, by_byte = BYTES.get(name, (20.0, 0.0, 0.0))
    by_frame = min(by_frame, bound * length.megapixels or by_frame)
    size = by_frame * length.frames + by_byte * length.size
    if name == "gallery":
        size = min(size, GALLERY_BYTES)
    if name == "align" and not first:  # the film's own sound is aligned once
        seconds, size = seconds / 2, size / 2
    return _Part(name, seconds, size)
