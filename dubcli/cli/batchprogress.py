"""What is shown while a batch runs: its jobs' progress, and its forecast."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.cli.output import out, printable

if TYPE_CHECKING:
    from dubcli.batch.entry import Entry, Flags, Outcome
    from dubcli.batch.forecast import Forecast
    from dubcli.core.events import Event, Listener


def unreadable(found: list[Entry]) -> list[str]:
    """What is wrong with films and dubs that cannot be read, each told once: their jobs will fail."""
    from dubcli.errors import MediaError
    from dubcli.media.length import check_sound, measure

    @cache  # a film has a dub for each language
    def problem(read: Callable[[Path], object], path: Path) -> str:
        try:
            read(path)
        except MediaError as error:
            return str(error)
        return ""

    told = (problem(measure, one.film) or problem(check_sound, one.dub) for one in found)
    return list(dict.fromkeys(filter(None, told)))


def forecast_of(found: list[Entry], workers: int | None, jobs: int, flags: Flags) -> Forecast:
    """The forecast; films that cannot be read count as a frame."""
    from dubcli.batch.entry import job_of
    from dubcli.batch.forecast import Forecast
    from dubcli.core.devices import cores
    from dubcli.core.training import seconds
    from dubcli.errors import DubError, MediaError
    from dubcli.media.length import Length, measure
    from dubcli.settings.layers import resolve

    lengths: dict[Path, Length] = {}
    for film in {entry.film for entry in found}:
        try:
            lengths[film] = measure(film)
        except MediaError:
            lengths[film] = Length(1, 0.0, 0)
    settings = (resolve(preset=one.preset, folder=one.film.parent, flags=flags).settings for one in found)
    training = [seconds(own) for own in settings]
    forecast = Forecast(found, lengths, workers or max(1, cores() // jobs), jobs, training)
    for number, entry in enumerate(found):
        if entry.root.is_dir():
            with contextlib.suppress(DubError, OSError):  # its job will say so
                forecast.find(number, job_of(entry, flags, save=False))
    return forecast


def forecast_line(forecast: Forecast, elapsed: float) -> str:
    from dubcli.cli.progress import duration

    seconds = forecast.seconds(elapsed)
    left = f"{duration(seconds - elapsed)} left of {duration(seconds)}" if elapsed else f"{duration(seconds)}"
    return f"forecast: about {left}, and {forecast.bytes() / 1e9:.2f} GB of disk"


class Named(io.StringIO):
    """Standard error, with a job's name before each line: several jobs write there at once."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def write(self, text: str) -> int:
        return sys.stderr.write(self._name + text)

    def flush(self) -> None:
        sys.stderr.flush()


class Listening:
    """What happens to the jobs' events: displays, JSON and the forecast hear them.

    Once the batch is `ending` before its time, nothing is forecast any more.
    """

    def __init__(
        self,
        found: list[Entry],
        progress: str,
        *,
        json: bool,
        alone: bool,
        forecast: Forecast,
        began: float,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._found = found
        self._json = json
        # One bar cannot show several jobs.
        self._alone = alone
        self._progress = "plain" if progress in ("auto", "bar") and not alone else progress
        self._forecast = forecast
        self._began = began
        self._ending = ending
        self._said = False

    def listeners(self, entry: Entry) -> list[Listener]:
        """Listeners for a job; its events on stdout name its output, and its `exit` is a `job.exit`."""
        from dubcli.cli.run import listeners

        number = self._found.index(entry)
        out.note(f"job {number + 1} of {len(self._found)}: {entry.film.name} + {entry.dub.name}")
        stream = None if self._alone else Named(f"{printable(entry.out.name)} ")
        shown = listeners(self._progress, json=False, stream=stream, name=f"{entry.out.name}: ")
        return [*([self._forward(entry)] if self._json else []), *shown, self._measure(number)]

    def ended(self, outcome: Outcome) -> None:
        """Forecast again after a job."""
        if outcome.code is not None and len(self._found) > 1:
            self._say(outcome.entry)

    def _forward(self, entry: Entry) -> Listener:
        from dubcli.core.events import line

        def forward(event: Event) -> None:
            kind = "job.exit" if event["type"] == "exit" else event["type"]
            sys.stdout.write(line({**event, "type": kind, "job": str(entry.out)}))
            sys.stdout.flush()

        return forward

    def _measure(self, number: int) -> Listener:
        def hear(event: Event) -> None:
            from dubcli.batch.forecast import SURE

            self._forecast.take(number, event)
            if not self._said and self._forecast.fraction >= SURE:
                self._said = True
                self._say(self._found[number])

        return hear

    def _say(self, entry: Entry) -> None:
        from dubcli.core.store import Store

        if self._forecast.fraction < 1.0 and not self._ending():
            self._forecast.look(Store(entry.store))
            out.note(forecast_line(self._forecast, time.monotonic() - self._began))
