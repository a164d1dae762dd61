"""A batch's forecast, on batches that are made up: films, a machine, and how long each unit takes on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from dubcli.batch.entry import Entry
from dubcli.batch.forecast import FOUND, SECONDS, START, SURE, Forecast
from dubcli.core.plan import Row
from dubcli.media.length import Length
from dubcli.stages import ORDER

LENGTH = Length(5000, 2.0, 10_000_000)
Takes = Callable[[str, str], float]
"""Film and stage → how many times longer than expected it takes."""


def batch(films: Sequence[str], dubs: int) -> tuple[list[Entry], dict[Path, Length]]:
    """The entries of films with so many dubs each, and the films' lengths."""
    found = [
        Entry((), Path(film), Path(f"{dub}.wav"), None, {}, Path(f"{film}.{dub}.mp4"), None, Path("store"))
        for film in films
        for dub in range(dubs)
    ]
    return found, {entry.film: LENGTH for entry in found}


def played(
    entries: Sequence[Entry], takes: Takes, shots: Sequence[int] = (500,) * 10, failed: Sequence[int] = ()
) -> Iterator[tuple[float, int, dict[str, Any]]]:
    """The events of a batch, one job after the other, on one worker: seconds, number of the job, event.

    Args:
        entries: the jobs.
        takes: how much longer than expected stages take.
        shots: frames of each film's shots.
        failed: jobs that end before `lips`.
    """
    clock, known = 0.0, set()
    for number, entry in enumerate(entries):
        yield clock, number, {"type": "run.start"}
        for stage in ORDER:
            if stage == "lips" and number in failed:
                break
            once, frame, pixels = SECONDS[stage]
            whole = once + LENGTH.frames * (frame + pixels * LENGTH.megapixels)
            factor = takes(entry.film.name, stage)
            costs = sorted(shots, reverse=True) if stage in ("track", "lips", "compose") else [1] * 10
            costs = costs if whole and factor else []
            run = round(len(costs) * (1.0 - FOUND.get(stage, 0.0))) if entry.film in known else len(costs)
            plan = {"type": "stage.plan", "stage": stage, "units": len(costs), "run": run}
            yield clock, number, {**plan, "cost": sum(costs[:run])}
            for cost in costs[:run]:
                seconds = whole * factor * cost / sum(costs)
                clock += seconds
                yield clock, number, {"type": "unit.done", "stage": stage, "seconds": seconds, "cost": cost}
        clock += START
        known.add(entry.film)
        yield clock, number, {"type": "exit", "code": 6 if number in failed else 0}


def errors(
    films: Sequence[str], dubs: int, takes: Takes, **how: Any
) -> tuple[list[tuple[float, float]], Forecast]:
    """By how much each forecast of a batch is wrong, with the part that was done by then."""
    found, lengths = batch(films, dubs)
    forecast = Forecast(found, lengths, 1)
    events = list(played(found, takes, **how))
    said = []
    for clock, number, event in events:
        forecast.take(number, event)
        said.append((forecast.fraction, forecast.seconds(clock) / events[-1][0] - 1.0))
    return said, forecast


def test_a_batch_forecasts_what_its_films_train_once() -> None:
    found, lengths = batch("ab", 2)
    plain = Forecast(found, lengths, 1).seconds(0.0)
    training: list[Mapping[str, float]] = [{"train": 600.0, "adapt": 60.0}] * 4
    trained = Forecast(found, lengths, 1, training=training).seconds(0.0)
    assert trained == pytest.approx(plain + 2 * 660.0)


def test_a_forecast_learns_how_fast_the_machine_is() -> None:
    said, forecast = errors("ab", 2, lambda film, stage: 2.0)
    assert said[0][1] == pytest.approx(-0.5, abs=0.01)
    assert forecast.fraction == 1.0
    assert max(abs(error) for fraction, error in said if fraction >= SURE) < 0.05


def test_the_longest_shots_come_first_and_say_no_more_than_they_weigh() -> None:
    """Without their weight, one shot of three minutes among forty of a second counts as one of 41."""
    said, _ = errors("ab", 2, lambda film, stage: 1.0, shots=[4000] + [25] * 40)
    assert max(abs(error) for _, error in said) < 0.02


def test_a_films_next_dub_takes_what_its_first_took() -> None:
    """One film is all wide shots, so that no mouth is drawn: neither is it for the eight other languages."""
    said, _ = errors("a", 9, lambda film, stage: 0.0 if stage in ("lips", "measure", "compose") else 1.0)
    first = next(k for k, (fraction, _) in enumerate(said) if fraction > 1 / 9)
    assert max(abs(error) for _, error in said[first:]) < 0.05


def test_one_film_says_little_about_many() -> None:
    """The first of eight has twice the faces of the others."""
    said, _ = errors("abcdefgh", 1, lambda film, stage: 2.0 if (film, stage) == ("a", "lips") else 1.0)
    assert max(abs(error) for _, error in said) < 0.35


def test_a_small_sample_says_little_about_a_machine() -> None:
    """The first stage waits four seconds for a disk that was asleep."""
    said, _ = errors("abcd", 1, lambda film, stage: 3.0 if (film, stage) == ("a", "probe") else 1.0)
    assert max(abs(error) for fraction, error in said if fraction >= SURE) < 0.1


def test_a_film_without_a_cut_says_that_the_next_ones_shots_are_long() -> None:
    """A shot follows its faces from frame to frame: a second worker has nothing to do there."""
    found, lengths = batch("ab", 1)
    one, two = (Forecast(found, lengths, workers) for workers in (1, 2))
    assert two.seconds(0.0) < 0.85 * one.seconds(0.0)
    for forecast in (one, two):
        forecast.take(
            0, {"type": "stage.plan", "stage": "track", "units": 1, "run": 1, "cost": LENGTH.frames}
        )
    assert two.seconds(0.0) == pytest.approx(one.seconds(0.0), rel=0.02)


def test_workers_share_the_cores_with_the_threads_of_a_unit() -> None:
    found, lengths = batch("a", 1)
    alone = Forecast(found, lengths, 1).seconds(0.0)
    assert 0.5 * alone < Forecast(found, lengths, 2).seconds(0.0) < 0.85 * alone


def test_jobs_side_by_side_share_the_time() -> None:
    found, lengths = batch("abcd", 1)
    alone = Forecast(found, lengths, 1).seconds(0.0)
    assert Forecast(found, lengths, 1, jobs=2).seconds(0.0) == pytest.approx(alone / 2)
    assert Forecast(found, lengths, 1, jobs=9).seconds(0.0) == pytest.approx(alone / 4)


def test_a_job_that_fails_says_nothing_about_stages_it_did_not_reach() -> None:
    said, forecast = errors("a", 4, lambda film, stage: 1.0, failed=[0])
    first = next(k for k, (fraction, _) in enumerate(said) if fraction > 0.35)
    assert max(abs(error) for _, error in said[first:]) < 0.1
    assert forecast.fraction == 1.0
    forecast.take(0, {"type": "run.start"})  # it is tried again
    assert forecast.fraction < 0.9


def test_what_an_earlier_batch_did_is_no_work_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that was finished was forecast like a new one, and so were its films."""
    found, lengths = batch("ab", 2)
    alone = Forecast(*batch("a", 1), 1)
    job, unit = MagicMock(), MagicMock()

    def finished(state: str = "done", last: str = "report") -> Iterator[Row]:
        """The plan of a job without units of `train` and `adapt`, in which one stage is not done."""
        for stage in ORDER[: ORDER.index(last)]:
            yield Row(stage, unit, state="done")
        yield Row(last, unit, state=state)
        yield from (Row(stage) for stage in ORDER[ORDER.index(last) + 1 :])

    forecast = Forecast(found, lengths, 1)
    monkeypatch.setattr("dubcli.batch.forecast.plan", lambda job: finished())
    for number in range(4):
        forecast.find(number, job)
    assert forecast.seconds(0.0) == 4 * START
    assert forecast.bytes() == 0

    # One of two dubs is done: the other finds what it left about the picture, though it stands before it.
    one = Forecast(found[:2], lengths, 1)
    assert one.seconds(0.0) > 1.2 * alone.seconds(0.0)
    one.find(1, job)
    assert START + 0.2 * alone.seconds(0.0) < one.seconds(0.0) < START + 0.75 * alone.seconds(0.0)

    # One was stopped at `lips`: that and what comes after it is left.
    stopped = Forecast(*batch("a", 1), 1)
    monkeypatch.setattr("dubcli.batch.forecast.plan", lambda job: finished("run", "lips"))
    stopped.find(0, job)
    assert START < stopped.seconds(0.0) < 0.7 * alone.seconds(0.0)
    assert 0 < stopped.bytes() < alone.bytes()
