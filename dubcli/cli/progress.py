"""Progress for people and schedulers: listeners to the events of a run, all writing to one text stream."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, TextIO

from dubcli.cli.output import printable
from dubcli.core.events import Event, Listener, line
from dubcli.stages import LEARNING

if TYPE_CHECKING:
    from rich.progress import TaskID

QUIET_SECONDS = 60.0
"""Plain progress prints a line at least this often; set by hand."""

SHARES = {
    "probe": 1,
    "scan": 5,
    "split": 1,
    "track": 30,
    "cast": 1,
    "align": 6,
    "cue": 1,
    "gallery": 12,
    "learn": 3,
    "train": 60,
    "adapt": 20,
    "motion": 2,
    "lips": 21,
    "measure": 4,
    "compose": 10,
    "remux": 3,
    "report": 1,
}
"""Usual share of each stage in a run's time, per cent of a run that trains nothing; measured on the sample
film. What training takes is foretold when it is planned, since it does not depend on how long the film is."""


class Tally:
    """How far a run is; of several, as where a recut film is read before, each goes on where one ended."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._total: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._partial: dict[tuple[str, str], float] = {}
        self._before: dict[str, float] = {}
        self._skipped: set[str] = set()
        self._only = ""
        self._shares: dict[str, float] = SHARES | dict.fromkeys(LEARNING, 0.0)

    def __call__(self, event: Event) -> None:
        """Take an event into account."""
        stage, unit = event.get("stage", ""), event.get("unit", "")
        match event["type"]:
            case "run.start":
                self._before = dict(self._done)
                if only := event.get("only"):
                    self._only = only
                    self._shares = {only: float(SHARES[only])}
            case "stage.plan" if self._only in ("", stage):
                if event.get("seconds") and not self._only:
                    self._shares[stage] = self._share_of(event["seconds"])
                # Told again where some shots go on before others.
                self._total[stage] = self._before.get(stage, 0.0) + event["run"]
                (self._skipped.discard if self._total[stage] else self._skipped.add)(stage)
            case "progress":
                self._partial[stage, unit] = event["done"] / max(1, event["total"])
            case "unit.done" | "unit.failed":
                self._partial.pop((stage, unit), None)
                self._done[stage] = self._done.get(stage, 0.0) + 1

    @property
    def fraction(self) -> float:
        """Part of the run's own work that is done, 0–1."""
        shares = sum(share for stage, share in self._shares.items() if stage not in self._skipped)
        return min(1.0, self._work() / max(1.0, shares))

    def _work(self) -> float:
        """Sum of the shares that are done."""
        done = 0.0
        for stage, total in self._total.items():
            if total:
                partial = sum(part for (name, _), part in self._partial.items() if name == stage)
                done += self._shares[stage] * min(1.0, (self._done.get(stage, 0.0) + partial) / total)
        return done

    def _share_of(self, seconds: float) -> float:
        """The share of what takes so many seconds, by what was done in how many so far."""
        done, elapsed = self._work(), time.monotonic() - self.began
        return seconds * done / elapsed if done and elapsed > 1 else float(SHARES["train"])

    @property
    def remaining(self) -> float | None:
        """Seconds left, None while it cannot be estimated."""
        fraction = self.fraction
        elapsed = time.monotonic() - self.began
        return elapsed * (1 - fraction) / fraction if fraction > 0.02 else None


class Plain:
    """One line per finished shot, per stage of the whole film, and at least one a minute.

    The latter comes from a thread: a run may read a film or plan for minutes without an event. Between two
    runs it is silent.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.tally = Tally()
        self._lock = threading.RLock()  # a signal's notice may come in the midst of another line
        self._wrote = threading.Event()
        self._ended = self._over = False
        self._running: dict[str, float] = {}
        self._quiet_seconds = QUIET_SECONDS
        threading.Thread(target=self._keep_talking, daemon=True).start()

    def __call__(self, event: Event) -> None:
        """Write a line for events that people need."""
        with self._lock:
            self.tally(event)
            name = f"{event.get('stage', '')} {event.get('unit', '')}"
            if event["type"] == "unit.start":
                self._running[name] = time.monotonic()
            elif event["type"] in ("unit.done", "unit.failed"):
                self._running.pop(name, None)
            self._ended, self._over = event["type"] in ("run.stop", "exit"), event["type"] == "exit"
            if text := describe(event):
                self._write(text)
            elif self._ended:
                self._wrote.set()

    def _write(self, text: str) -> None:
        left = self.tally.remaining
        clock = f"{100 * self.tally.fraction:3.0f} %" + (f", {duration(left)} left" if left else "")
        self.stream.write(f"[{clock}] {text}\n")
        self.stream.flush()
        self._wrote.set()

    def _keep_talking(self) -> None:
        while not self._over:
            if self._wrote.wait(self._quiet_seconds):
                self._wrote.clear()
                continue
            with self._lock:
                if self._ended:
                    continue
                name = min(self._running, key=self._running.__getitem__, default="")
                since = f" for {duration(time.monotonic() - self._running[name])}" if name else ""
                try:
                    self._write(f"{name or 'the run'} works{since}")
                except (OSError, ValueError):  # the stream is closed: nobody listens any more
                    return


class Bar:
    """A bar that redraws itself, for a terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.tally = Tally()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(file=stream),
            transient=True,
        )
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        """Redraw; warnings and failures stay above the bar."""
        self.tally(event)
        if self._task is None and event["type"] == "run.start":
            self._task = self._progress.add_task("starting", total=1.0, left="")
        if event["type"] == "run.start":
            self._progress.start()
        if self._task is None:
            return
        left = self.tally.remaining
        self._progress.update(
            self._task,
            completed=self.tally.fraction,
            description=f"{event['stage']:8}{event.get('shot', '')}".ljust(18) if "stage" in event else None,
            left=f"{duration(left)} left" if left else "",
        )
        text = describe(event)
        if text and event["type"] not in ("unit.done", "stage.done"):
            self._progress.console.print(text, highlight=False, markup=False)
        if event["type"] in ("run.stop", "exit"):
            self._progress.stop()


class OpenJD:
    """Lines that Open Job Description agents read: `openjd_progress` and `openjd_status`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.tally = Tally()

    def __call__(self, event: Event) -> None:
        """Write progress after each unit, and notices and warnings as status."""
        self.tally(event)
        if event["type"] in ("unit.done", "unit.failed", "progress", "run.stop"):
            self.stream.write(f"openjd_progress: {100 * self.tally.fraction:.1f}\n")
        if text := describe(event):
            self.stream.write(f"openjd_status: {text}\n")
        self.stream.flush()


class Json:
    """Every event as a line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __call__(self, event: Event) -> None:
        """Write the event."""
        self.stream.write(line(event))
        self.stream.flush()


def listener(kind: str, stream: TextIO) -> Listener | None:
    """The listener of a kind; `auto` is a bar on a terminal and plain lines elsewhere."""
    if kind == "auto":
        kind = "bar" if stream.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    makers: dict[str, type[Plain | Bar | OpenJD | Json]] = {
        "bar": Bar,
        "plain": Plain,
        "openjd": OpenJD,
        "json": Json,
    }
    return makers[kind](stream) if kind in makers else None


def describe(event: Event) -> str | None:
    """An event in a line of words, None for events that people do not need."""
    text = _words(event)
    return text if text is None else printable(text)


def _words(event: Event) -> str | None:
    name = f"{event.get('stage', '')} {event.get('unit', '')}"
    match event["type"]:
        case "unit.done":
            return f"{name} done in {event['seconds']:.1f} s"
        case "unit.retry":
            return f"{name} again (attempt {event['attempt']}): {event['text']}"
        case "unit.failed":
            # What ends the run is told at its end.
            return f"{name} failed" if event.get("fatal") else f"{name} failed: {event['text']}"
        case "warning":
            return f"{name} warning: {event['text']}"
        case "notice":
            return str(event["text"])
        case "forecast":
            return f"{name} will take about {duration(event['seconds'])}: {event['because']}"
        case "published" if event["new"]:
            return f"wrote {event['path']}"
    return None


def duration(seconds: float) -> str:
    """Seconds as `1 h 02 min`, `3 min 20 s` or `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"
