"""The report says what was done, what was not and why, and measures the finished film beside its source."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dubcli.artifacts import report as model
from dubcli.artifacts import tracks
from dubcli.artifacts.cast import Cast
from dubcli.artifacts.measures import OUTSIDE_FRAMES, Measure, Violation
from dubcli.artifacts.patches import PatchFacts
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.demo import film as demo
from dubcli.errors import MediaError
from dubcli.report import assemble, gather, stills
from dubcli.report import pictures as chosen
from dubcli.report.warned import unmoved
from dubcli.settings.config import QualitySettings
from tests.unit.reports import (
    CUT,
    FACTS,
    FIRST,
    FRAMES,
    GOOD,
    InputsOf,
    exchanged,
    hostile,
    measure,
    run,
    shots,
    warned,
)


def test_a_good_shot_is_told_with_its_measures_and_pictures(inputs_of: InputsOf, tmp_path: Path) -> None:
    report = run(inputs_of(), tmp_path / "out")
    assert [(shot.state, shot.verdict, len(shot.faces)) for shot in report.shots] == [
        ("changed", "good", 1),
        ("untouched", None, 0),
    ]
    assert report.totals.frames_changed == CUT
    assert report.totals.offscreen_seconds == pytest.approx(0.4)
    face = report.shots[0].faces[0]
    assert (face.measures, face.reasons) == (GOOD, ())
    assert face.encoded == 0  # the "finished" film is its source
    assert face.curves is not None
    assert face.curves.dubbed[5] == pytest.approx(face.curves.source[5], abs=1e-3)
    assert model.Verdicts.load(tmp_path / "out").good == ("00000000",)
    text = (tmp_path / "out" / "report.html").read_text()
    (shown,) = shots(text)[0]["faces"]
    assert 12 in [frame for frame, _, _ in shown["stills"]]
    assert shown["worst"] == 12
    assert shown["loop"][1] == 24
    outside = f"{OUTSIDE_FRAMES} frames at most"
    assert {row[5] for row in shown["rows"]} >= {"70 frames of speech", "4 closures", "18 frames", outside}
    for mark in (model.OUTPUT, model.DATE, model.VERSION, model.TIMINGS, "preset film with 1 setting"):
        assert mark in text


def test_a_bad_shot_says_why_and_what_to_do_and_stands_in_the_summary(
    inputs_of: InputsOf, tmp_path: Path
) -> None:
    inputs = inputs_of()
    measure(inputs, offset_ms=Measure(dubbed=240.0), sharpness=Measure(dubbed=0.5, source=1.0))
    report = run(inputs, tmp_path / "out")
    face = report.shots[0].faces[0]
    assert (face.verdict, report.shots[0].verdict) == ("redo", "redo")
    assert [(one.measure, one.verdict) for one in face.reasons] == [
        ("offset_ms", "redo"),
        ("sharpness", "look"),
    ]
    assert face.reasons[0].text == "the mouth is 240 ms away from the dub"
    assert "align.offset" in face.reasons[0].advice
    assert "redo, shot 00000000: the mouth is 240 ms away from the dub" in report.warnings
    assert (report.totals.redo, report.totals.look, report.totals.good) == (1, 0, 0)


def test_a_face_given_back_to_the_source_is_unchanged_and_says_so(
    inputs_of: InputsOf, tmp_path: Path
) -> None:
    inputs = inputs_of()
    measure(inputs, offset_ms=Measure(dubbed=240.0))
    report = run(inputs, tmp_path / "out", given_back=["00000000.0"])
    face = report.shots[0].faces[0]
    assert (face.state, face.verdict, face.frames_changed) == ("untouched", "redo", 0)
    assert [skip.reason for skip in face.skipped] == [gather.REJECTED]


def test_a_film_that_was_exchanged_is_noticed(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of()
    with pytest.raises(MediaError, match="changed since it was read"):
        run(inputs | {"film": exchanged(inputs["film"], tmp_path / "other")}, tmp_path / "out")


def test_encoding_that_changes_the_upper_face_is_measured(inputs_of: InputsOf, tmp_path: Path) -> None:
    other, _ = demo.make(tmp_path / "late", span=(FIRST - 3, FIRST - 3 + FRAMES), height=240)
    face = run(inputs_of(result=other), tmp_path / "out").shots[0].faces[0]
    assert face.encoded is not None
    assert face.encoded > 1


def test_a_sound_without_its_mouth_is_told_with_its_frame(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of()
    measure(
        inputs,
        violations=(Violation(frame=24, seconds=1.0, phone="P", kind="closure", measured=0.2, limit=0.05),),
    )
    run(inputs, tmp_path / "out")
    (shown,) = shots((tmp_path / "out" / "report.html").read_text())[0]["faces"]
    assert shown["missed"] == [[24, "p", "closure", 0.2, 0.05]]


def test_only_speech_within_the_film_is_counted(inputs_of: InputsOf, tmp_path: Path) -> None:
    """The dub speaks until 4 s after the film, partly off screen, and once more later."""
    inputs = inputs_of(offscreen=[{"start": 2.7, "end": 7.0}, {"start": 9.0, "end": 9.5}])
    file = inputs["speech/dub"] / "speech.json"
    heard = json.loads(file.read_text())
    heard["regions"] = [{"start": 0.0, "end": 7.0}, {"start": 9.0, "end": 9.5}]
    file.write_text(json.dumps(heard))
    report = run(inputs, tmp_path / "out")
    length = report.film.seconds
    assert report.dub.speech_seconds == pytest.approx(length, abs=0.01)
    assert [(span.start, span.stop) for span in report.speech] == [(0.0, length)]
    assert [(span.start, span.stop) for span in report.offscreen] == [(2.7, length)]
    assert report.totals.offscreen_seconds == pytest.approx(length - 2.7, abs=0.01)


def test_same_bytes_every_time(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of()
    for name in ("one", "two"):
        run(inputs, tmp_path / name)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_reasons_stand_where_frames_were_left_alone(
    inputs_of: InputsOf, report_face: FaceTrack, tmp_path: Path
) -> None:
    reason = np.array(report_face.reason)
    reason[10:20] = Reason.PROFILE
    inputs = inputs_of(track=dataclasses.replace(report_face, reason=reason))
    patch = inputs["patch/00000000.0"] / "patch.npz"
    with np.load(patch) as box:
        rest = {name: np.delete(box[name], range(10, 20), axis=0) for name in box.files}
    _rewrite(patch, **rest)
    report = run(inputs, tmp_path / "out")
    skipped = report.shots[0].faces[0].skipped
    assert [(skip.start, skip.stop, skip.reason) for skip in skipped] == [(10, 20, "the head is turned away")]
    assert report.totals.skipped == {"the head is turned away": 10}


def test_a_face_without_a_line_is_untouched_and_says_so(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of(cues=[])
    del inputs["patch/00000000.0"], inputs["motion/00000000.0"], inputs["measure/00000000.0"]
    report = run(inputs, tmp_path / "out")
    face = report.shots[0].faces[0]
    assert (face.state, face.measures) == ("untouched", None)
    assert face.skipped[0].reason == "no line of the dub is this face's"


def test_a_face_that_failed_is_told(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of()
    del inputs["patch/00000000.0"]
    report = run(inputs, tmp_path / "out", failed=["lips/00000000.0"])
    assert report.shots[0].state == "failed"
    assert report.totals.faces_failed == 1
    assert "1 faces failed; the source's picture is kept there" in report.warnings


def test_a_film_without_faces_is_told(inputs_of: InputsOf, tmp_path: Path) -> None:
    inputs = inputs_of(cues=[])
    for role in ("patch/00000000.0", "motion/00000000.0", "measure/00000000.0"):
        del inputs[role]
    Cast(persons=()).save(inputs["cast"])
    tracks.save(inputs["tracks/00000000"], [], "00000000")
    report = run(inputs, tmp_path / "out")
    assert report.warnings == ("there is no face in the film; its picture is unchanged",)


def _rewrite(path: Path, **arrays: Any) -> None:
    """An `.npz` with some of its arrays replaced."""
    with np.load(path) as box:
        np.savez(path, **{**box, **arrays})


def _partition(face: model.Face) -> list[int]:
    """Frames of a face's changed and skipped ranges in order: each frame once, if the report is whole."""
    ranges = sorted([*face.changed, *((skip.start, skip.stop) for skip in face.skipped)])
    return [frame for start, stop in ranges for frame in range(start, stop)]


def test_every_changed_frame_is_named_and_every_other_has_its_reason(
    inputs_of: InputsOf, report_face: FaceTrack, tmp_path: Path
) -> None:
    """0-9 given back, 10-19 changed, 20-21 in profile, 22-29 matching, 30-33 too short, then no line."""
    reason = np.array(report_face.reason)
    reason[20:22] = Reason.PROFILE
    row = {"shot": "00000000", "track": 0}
    cue = row | {"start": 0, "stop": 30, "kind": "speak", "confidence": 0.9, "person": "p01"}
    inputs = inputs_of(
        track=dataclasses.replace(report_face, reason=reason),
        cues=[cue],
        skipped=[row | {"start": 30, "stop": 34, "reason": "short"}],
    )
    weight = np.zeros(len(report_face.frames), np.float32)
    weight[:20] = 1
    _rewrite(inputs["motion/00000000.0"] / "motion.npz", weight=weight)
    with np.load(inputs["patch/00000000.0"] / "patch.npz") as box:
        shown = {name: box[name][10:20] for name in box.files}
    _rewrite(inputs["patch/00000000.0"] / "patch.npz", **shown)
    report = run(inputs, tmp_path / "out", keep_matching=True)
    found = report.shots[0].faces[0]
    assert found.changed == report.shots[0].changed == report.changed == ((10, 20),)
    assert (found.frames_changed, report.totals.frames_changed) == (10, 10)
    assert [(skip.start, skip.stop, skip.reason) for skip in found.skipped] == [
        (0, 10, "no footage comes near what is wanted, or something is in front of the lips"),
        (20, 22, "the head is turned away"),
        (22, 30, "the mouth fits the dub already"),
        (30, 34, "the line is too short to be worth two fades"),
        (34, CUT, "no line of the dub is this face's"),
    ]
    assert _partition(found) == list(range(CUT))


@pytest.mark.parametrize(
    ("change", "more", "reason"),
    [
        ("no gallery", {}, "the film has no footage of this mouth to show"),
        ("empty patch", {}, "the film has no footage of this mouth to show"),
        ("given back", {}, "no footage comes near what is wanted, or something is in front of the lips"),
        ("empty motion", {}, "nothing is asked of the mouth"),
        ("empty motion", {"keep_matching": True}, "the mouth fits the dub already"),
        ("weight", {"edited": ["00000000.0"]}, "the edited curves leave it alone"),
        ("forbidden", {}, "no consent is recorded"),
        ("", {"failed": ["lips/00000000.0"]}, "it failed; the source's picture is kept"),
        ("", {"failed": ["compose/00000000"]}, "it failed; the source's picture is kept"),
        ("no gallery", {"failed": ["gallery/p01"]}, "it failed; the source's picture is kept"),
    ],
)
def test_a_film_in_which_no_mouth_moves_says_why_and_warns(
    inputs_of: InputsOf, tmp_path: Path, change: str, more: dict[str, Any], reason: str
) -> None:
    inputs = inputs_of()
    if change == "no gallery":
        del inputs["patch/00000000.0"]
    elif change == "forbidden":
        note = {"touch": False, "why": reason, "id": "p01", "faces": [["00000000", 0]]}
        (inputs["cast"] / "cast.json").write_text(json.dumps({"persons": [note]}))
        cues = json.loads((inputs["cue"] / "cues.json").read_text())
        (inputs["cue"] / "cues.json").write_text(json.dumps(cues | {"cues": []}))
        del inputs["patch/00000000.0"], inputs["motion/00000000.0"]
    elif change:
        patch, path = (inputs[f"{role}/00000000.0"] / f"{role}.npz" for role in ("patch", "motion"))
        with np.load(patch) as one, np.load(path) as other:
            none = {name: one[name][:0] for name in one.files}
            arrays = {name: other[name] for name in other.files}
        _rewrite(patch, **none)
        if change == "given back":
            facts = PatchFacts.load(patch.parent)
            facts.model_copy(update={"given_back": facts.frames, "changed": 0}).save(patch.parent)
        if change == "empty motion":
            _rewrite(path, **{name: rows[:0] for name, rows in arrays.items()})
        elif change == "weight":
            _rewrite(path, weight=0 * arrays["weight"])
    report, lines = warned(inputs, tmp_path / "out", **more)
    face = report.shots[0].faces[0]
    assert (face.changed, report.changed, face.frames_changed) == ((), (), 0)
    assert [(skip.start, skip.stop, skip.reason) for skip in face.skipped] == [(0, CUT, reason)]
    assert report.totals.skipped == {reason: CUT}
    assert lines == [f"no mouth was changed, 0 of 1 faces: {reason} ({CUT} frames)"]
    assert lines[0] in report.warnings
    assert (face.state == "failed") == bool(more.get("failed"))


def test_somebody_who_was_to_speak_and_never_does_is_named() -> None:
    spoken = hostile().shots[0].faces[0].model_copy(update={"person": "Anna"})
    lost = (model.Skip(start=0, stop=9, reason="lost"),)
    silent = spoken.model_copy(update={"person": "Ben", "changed": (), "skipped": lost})
    extra = silent.model_copy(update={"person": "an extra", "cues": ()})
    assert unmoved([spoken, silent, extra, silent]) == [
        "Ben was to speak, but 0 of 2 faces were changed: lost (18 frames)"
    ]
    assert unmoved([spoken, extra]) == []
    assert unmoved([]) == ["there is no face in the film; its picture is unchanged"]


def test_pictures_are_spread_over_more_faces_than_there_are_pictures(
    inputs_of: InputsOf, report_face: FaceTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 240 faces some have pictures, evenly spread."""
    monkeypatch.setattr(chosen, "_DECODED_MEGAPIXELS", 500)
    monkeypatch.setattr(chosen, "_LOOP_FRAMES", 4)
    inputs, count, size = inputs_of(), 240, 12
    per_frame = {field.name for field in dataclasses.fields(report_face)} - {"thumbs", "descriptor"}
    small = dataclasses.replace(
        report_face, **{name: getattr(report_face, name)[:size] for name in per_frame}
    )
    tracks.save(inputs["tracks/00000000"], [small] * count, "00000000")
    cues = json.loads((inputs["cue"] / "cues.json").read_text())
    rows = [cues["cues"][0] | {"track": k, "stop": size} for k in range(count)]
    (inputs["cue"] / "cues.json").write_text(json.dumps(cues | {"cues": rows}))
    people = [{"id": "p01", "faces": [["00000000", k] for k in range(count)]}]
    (inputs["cast"] / "cast.json").write_text(json.dumps({"persons": people}))
    for path in (inputs["motion/00000000.0"] / "motion.npz", inputs["patch/00000000.0"] / "patch.npz"):
        with np.load(path) as box:
            short = {name: box[name][:size] for name in box.files}
        _rewrite(path, **short)
    for k in range(1, count):
        for role in ("motion", "patch"):
            inputs[f"{role}/00000000.{k}"] = inputs[f"{role}/00000000.0"]
    del inputs["measure/00000000.0"]
    _, pictures = assemble.assemble(gather.Work(inputs, FACTS), QualitySettings(), lambda done, total: None)
    pictured = [k for k in range(count) if f"00000000.{k}" in pictures.faces]
    assert 20 <= len(pictured) <= 60
    assert max(np.diff([0, *pictured, count])) < 2.5 * count / len(pictured)


def test_a_loop_looks_the_same_where_its_face_is_much_of_the_picture(
    inputs_of: InputsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole picture is converted there, which takes less time; stills are measured, and stay exact."""
    inputs, exact, loops = inputs_of(), [], []
    for share in (0, 10_000):
        monkeypatch.setattr(stills, "_WHOLE_FROM", share)
        run(inputs, tmp_path / str(share))
        (shown,) = shots((tmp_path / str(share) / "report.html").read_text())[0]["faces"]
        exact.append(shown["stills"])
        loop = cv2.imdecode(np.frombuffer(base64.b64decode(shown["loop"][0]), np.uint8), cv2.IMREAD_COLOR)
        loops.append(np.asarray(loop, np.float64))
    assert exact[0] == exact[1]
    assert 0 < np.abs(loops[0] - loops[1]).mean() < 3


@pytest.mark.parametrize(
    ("keys", "read"),
    [
        ((0,), [(3, 91)]),  # one group: to seek would decode its beginning again
        ((0, 50), [(3, 31), (60, 91)]),
        (tuple(range(100)), [(3, 4), (20, 31), (60, 61), (90, 91)]),  # every frame by itself
    ],
)
def test_what_the_page_shows_is_decoded_once(keys: tuple[int, ...], read: list[tuple[int, int]]) -> None:
    asked = stills.Visit(stills=(3, 25, 60, 90), loop=(20, 31))
    assert asked.spans(keys) == read
    assert [k for k in range(100) if asked.shows(k)] == [3, *range(20, 31), 60, 90]
