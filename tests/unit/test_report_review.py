"""What a review decided, as the report tells it: own settings, approved takes, the engines that drew them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dubcli.artifacts.measures import Measure
from dubcli.artifacts.patches import PatchFacts
from dubcli.report import gather
from tests.unit.reports import InputsOf, measure, run


def test_an_approved_shot_is_not_told_to_change_settings_that_it_does_not_follow(
    inputs_of: InputsOf, tmp_path: Path
) -> None:
    inputs = inputs_of()
    measure(inputs, offset_ms=Measure(dubbed=240.0))
    report = run(inputs, tmp_path / "out", approved=["00000000"])
    (reason,) = report.shots[0].faces[0].reasons
    assert reason.text == "the mouth is 240 ms away from the dub"
    assert "dubcli review reopen" in reason.advice
    assert (report.shots[0].approved, report.shots[1].approved) == (True, False)


def test_settings_of_a_shots_own_and_the_engine_that_drew_it_are_told(
    inputs_of: InputsOf, tmp_path: Path
) -> None:
    """The licence of what drew one shot alone counts for the film."""
    inputs = inputs_of()
    patches = PatchFacts.load(inputs["patch/00000000.0"])
    patches.model_copy(update={"engine": "produb"}).save(inputs["patch/00000000.0"])
    own = {"00000000": {"lips.engine": "produb"}}
    report = run(inputs, tmp_path / "out", own=own)
    assert report.shots[0].settings == {"lips.engine": "produb"}
    assert report.shots[0].faces[0].engine == "produb"
    assert [(one.kind, one.name) for one in report.engines][-2:] == [("lips", "exemplar"), ("lips", "produb")]
    assert "settings of its own" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_an_engine_that_is_gone_is_named_without_a_licence(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of()
    patches = PatchFacts.load(inputs["patch/00000000.0"])
    patches.model_copy(update={"engine": "studio"}).save(inputs["patch/00000000.0"])
    engine = run(inputs, tmp_path / "out", approved=["00000000"]).engines[-1]
    assert (engine.name, engine.commercial) == ("studio", False)
    assert "not known" in engine.licence


def test_a_shot_that_passthrough_was_asked_to_leave_alone_is_not_blamed_on_footage(
    inputs_of: InputsOf, tmp_path: Path
) -> None:
    inputs = inputs_of()
    patches = inputs["patch/00000000.0"]
    own = PatchFacts.load(patches).model_copy(update={"engine": "passthrough", "changed": 0, "spans": ()})
    own.save(patches)
    box = dict(np.load(patches / "patch.npz"))
    np.savez_compressed(patches / "patch.npz", **{name: rows[:0] for name, rows in box.items()})
    report = run(inputs, tmp_path / "out", own={"00000000": {"lips.engine": "passthrough"}})
    assert [skip.reason for skip in report.shots[0].faces[0].skipped] == [gather.PASSED]
    assert [one.name for one in report.engines] == ["mediapipe", "exemplar"]  # it changed nothing
