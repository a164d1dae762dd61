"""What a run has to do, planned in parts: shots that go on while others end a stage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dubcli.artifacts.shots import Groups
from dubcli.core import keys, plan
from dubcli.core.backlog import Backlog, Work
from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.core.plan import Selection
from dubcli.errors import EngineError, MediaError
from dubcli.settings.config import Settings
from dubcli.stages import BY_SHOT, compose
from tests.unit import made_up

SHOTS, PEOPLE = 7, 2
AGAIN = ("lips", "measure", "compose", "remux", "report")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job whose store has all up to `motion`."""
    job = made_up.finished(tmp_path, SHOTS, PEOPLE)
    for unit, key in list(job.refs()):
        if unit.split("/")[0] in AGAIN:
            job.store.remove(key)
    return job


def work_off(job: Job, backlog: Backlog, slowest: str, fails: str = "") -> list[str]:
    """Do all that a backlog has with two workers, the unit called `slowest` for as long as there is another.

    Returns:
        Ids of the units in the order in which they ended.
    """
    hands: list[Work] = []
    ended: list[str] = []
    while True:
        backlog.plan_ready()
        while backlog.waiting and len(hands) < 2:
            hands.append(backlog.waiting.pop(0))
        if len(hands) == 1 and backlog.plan_ahead():
            continue
        if not hands:
            return ended
        hands.sort(key=lambda work: work.unit.id == slowest)
        unit = hands.pop(0).unit
        ended.append(unit.id)
        if unit.id == fails:
            backlog.failures.add(unit, EngineError("no"), "no")
            backlog.close(unit)
            continue
        made = job.store.workspace()
        made_up.leave(unit, made, SHOTS, PEOPLE)
        backlog.done(unit, job.store.put(keys.preimage(unit), made, {"unit": unit.id}), cached=False)


def test_complete_shots_go_on_while_one_is_slow(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dubcli.core.backlog.PLANNING_SHARE", 1e9)
    told: list[dict[str, Any]] = []
    listen: Any = lambda kind, **fields: told.append({"type": kind, **fields})  # noqa: E731
    slow = "lips/00000140.0"
    ended = work_off(job, Backlog(job, listen, Selection()), slow)
    before = ended[: ended.index(slow)]
    speaking = {f"{number * made_up.FRAMES:08d}" for number in range(1, SHOTS)}  # nobody speaks in the first
    others = speaking - {"00000140"}
    for stage, suffix in (("lips", ".0"), ("measure", ".0"), ("compose", "")):
        assert {name for name in before if name.startswith(stage)} == {
            f"{stage}/{one}{suffix}" for one in others
        }
    assert ended[ended.index(slow) :] == [
        slow,
        "measure/00000140.0",
        "compose/00000140",
        "remux/film",
        "report/film",
    ]
    assert all(count == 1 for count in Counter(ended).values())
    assert {row.state for row in plan.plan(job)} == {plan.DONE}, "made from other inputs than a whole plan's"
    for stage in AGAIN:
        own = [event for event in told if event.get("stage") == stage]
        assert [e["type"] for e in own if e["type"] in ("stage.start", "stage.done")] == [
            "stage.start",
            "stage.done",
        ]
        assert own[-1]["type"] == "stage.done"
        last = [event for event in own if event["type"] == "stage.plan"][-1]
        assert last["run"] == sum(event["type"] == "unit.done" for event in own)


def test_a_shot_that_fails_while_others_went_on(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dubcli.core.backlog.PLANNING_SHARE", 1e9)
    slow = "lips/00000140.0"
    ended = work_off(job, Backlog(job, lambda kind, **fields: None, Selection()), slow, fails=slow)  # type: ignore[arg-type]
    assert not [unit for unit in ended if "00000140" in unit and unit != slow]
    assert "remux/film" not in ended, "no film without a shot that failed"
    assert sum(unit.startswith("compose/") for unit in ended) == SHOTS - 2


def planned(job: Job, monkeypatch: pytest.MonkeyPatch, frames: int, **settings: Any) -> JobView:
    """A finished job's view with groups of so many frames, of which copies may begin at the first alone."""
    starts = tuple(range(0, SHOTS * made_up.FRAMES, frames))
    groups = Groups(starts=starts, keys=starts, fixed=(False,) * len(starts))
    monkeypatch.setattr(Groups, "load", classmethod(lambda cls, folder: groups))
    view = plan.view(job)
    view.settings = Settings.model_validate({"compose": settings})
    for unit, key in job.refs():
        stage, _, name = unit.partition("/")
        if stage != "compose" and (artifact := job.store.get(key)):
            view.artifacts.setdefault(stage, {})[name] = artifact
    return view


@pytest.mark.parametrize("video", ["copy-untouched", "encode"])
@pytest.mark.parametrize("frames", [30, 70, 100, 10_000])
def test_what_is_encoded_ahead_is_what_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, video: str
) -> None:
    """Groups of pictures reach from shot to shot: one whose neighbour is not known yet has to wait."""
    view = planned(made_up.finished(tmp_path, SHOTS, PEOPLE), monkeypatch, frames, video=video)
    whole = {unit.name: keys.preimage(unit) for unit in compose.units(view)}
    names = [f"{number * made_up.FRAMES:08d}" for number in range(SHOTS)]
    early = 0
    for number in range(1, SHOTS):
        for late in ({names[number]}, set(names[number:]), set(names[1 : number + 1])):
            part = view.without(late, BY_SHOT)
            part.awaited = frozenset(late)
            found = {unit.name: keys.preimage(unit) for unit in compose.units(part)}
            assert all(whole[name] == image for name, image in found.items())
            assert not late & found.keys()
            early += len(found)
    assert (early > 0) == (frames < 10_000 or video == "encode")


def test_what_cannot_be_encoded_is_told_once_all_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = planned(made_up.finished(tmp_path, SHOTS, PEOPLE), monkeypatch, 70, video="copy")
    part = view.without({"00000140"}, BY_SHOT)
    part.awaited = frozenset({"00000140"})
    assert not list(compose.units(part))
    with pytest.raises(MediaError, match=f"^{55 * (SHOTS - 1)} frames are changed"):
        list(compose.units(view))
