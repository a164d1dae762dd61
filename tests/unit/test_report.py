"""The report says what was done, what was not and why, and measures the finished film beside its source."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dubcli.artifacts import measures as measured
from dubcli.artifacts import report as model
from dubcli.artifacts import tracks
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.measures import Measure, Violation
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.mouth import MouthFacts
from dubcli.artifacts.patches import PatchFacts, Placement, pictures
from dubcli.artifacts.phones import INDEX
from dubcli.artifacts.remux import Remuxed
from dubcli.artifacts.shots import Frames, Groups, Shot, Shots
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.core.model import Task
from dubcli.demo import film as demo
from dubcli.demo import speech
from dubcli.engines.trackers.mediapipe import MediapipeTracker
from dubcli.face import mesh
from dubcli.media import decode
from dubcli.media.probe import probe
from dubcli.report import assemble, gather
from dubcli.settings.config import QualitySettings
from dubcli.speech import visemes
from dubcli.stages import report as stage
from tests.conftest import Sample
from tests.unit.reports import GOOD, hostile, shots

FIRST = 104  # frame of the sample film that the tiny film begins with


CUT = demo.CUTS[0] - FIRST


FRAMES = 180 - FIRST


GROUPS = Groups(starts=(0, 40), keys=(0, 40), fixed=(False, False))


FACTS: dict[str, Any] = {
    "suffix": ".mp4",
    "preset": "film",
    "settings": {"motion.amplitude": 1.2},
    "given_back": [],
    "start": "",
    "engines": [["tracker", "mediapipe"], ["lips", "exemplar"]],
    "keep_matching": False,
    "edited": [],
    "failed": [],
}


VOWELS = dict.fromkeys("aɑæʌɐəɜ", "aa") | dict.fromkeys("ɛeɪi", "ih") | dict.fromkeys("ɔouʊ", "oh")


@pytest.fixture(scope="module")
def face(tiny: Sample) -> FaceTrack:
    """The face of the tiny film's first shot, as the default tracker sees it."""
    info, pts = probe(tiny.film), _pts(tiny.film)
    pictures: Any = decode.frames(tiny.film, info.film, pts, 0, CUT)
    (found,) = MediapipeTracker().track(pictures, views=2)
    return found


@pytest.fixture
def job(tiny: Sample, face: FaceTrack, tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """Folders as the stages leave them: the tiny film dubbed with its own speech, finished as it was."""

    def made(result: Path = tiny.film, track: FaceTrack = face, **cues: Any) -> dict[str, Path]:
        return _job(tmp_path / "job", tiny.film, result, track, cues)

    return made


def _job(root: Path, film: Path, result: Path, face: FaceTrack, cues: dict[str, Any]) -> dict[str, Path]:
    def folder(role: str, **files: Any) -> Path:
        path = root / role
        path.mkdir(parents=True)
        for name, content in files.items():
            stem, _, suffix = name.rpartition("_")
            if suffix == "npz":
                np.savez_compressed(path / f"{stem}.npz", **content)
            else:
                (path / f"{stem}.json").write_text(json.dumps(content), "utf-8")
        return path

    said = speech.load("en")
    rows = np.zeros((round(100 * FRAMES / float(demo.RATE)), len(visemes.VISEMES)), np.float32)
    rows[:, INDEX["sil"]] = 1
    begin = FIRST / float(demo.RATE)
    for phone in said.phones:
        kind = "PP" if phone.name[0] in "pbm" else VOWELS.get(phone.name[0], "DD")
        here = slice(max(0, round(100 * (phone.start - begin))), max(0, round(100 * (phone.end - begin))))
        rows[here] = 0
        rows[here, INDEX[kind]] = 1
    heard = {"engine": "phones", "seconds": 3.17, "regions": [{"start": 0.0, "end": 2.1}]}
    shots = [
        Shot(name="00000000", start=0, stop=CUT, picture="a"),
        Shot(name=f"{CUT:08}", start=CUT, stop=FRAMES, picture="b"),
    ]
    cue = {
        "shot": "00000000",
        "track": 0,
        "start": 0,
        "stop": CUT,
        "kind": "speak",
        "confidence": 0.9,
        "person": "p01",
    }
    said_cues = {"cues": [cue], "offscreen": [{"start": 2.7, "end": 3.1}], "skipped": []} | cues
    info, pts = probe(film), _pts(film)
    info.save(folder("probe"))
    Shots(shots=tuple(shots)).save(folder("split"))
    Frames(pts, np.zeros((len(pts), 16), np.uint8), info.film.tick).save(root / "split")
    Cast(persons=(Person(id="p01", faces=(("00000000", 0),)),)).save(folder("cast"))
    Remuxed(encoded=FRAMES, copied=0, why="", left_out=()).save(folder("remux"))
    GROUPS.save(root / "split")
    aperture = mesh.aperture(face.mesh)
    closed, weight = (aperture < 0.02).astype(np.float32), np.ones(len(face.frames), np.float32)
    shape = np.zeros((len(face.frames), len(mesh.MOUTH), 3), np.float32)
    Motion(face.frames, shape, weight, aperture, closed).save(folder("motion"))
    paths = {
        "film": film,
        "probe": root / "probe",
        "split": root / "split",
        "cast": root / "cast",
        "cue": folder("cue", cues_json=said_cues),
        "learn": folder("learn"),
        "measure/00000000.0": folder("measure"),
        "speech/film": folder("speech-film", speech_json=heard, features_npz={"viseme": rows}),
        "speech/dub": folder("speech-dub", speech_json=heard, features_npz={"viseme": rows}),
        "motion/00000000.0": root / "motion",
        "patch/00000000.0": _patches(folder("patch"), film, face),
        "remux": root / "remux",
    }
    MouthFacts(kind="prior", why="", lag=0.0, people={}).save(root / "learn")
    GOOD.save(root / "measure")
    measured.save_aperture(root / "measure", face.frames, aperture)
    shutil.copy(result, root / "remux" / "film.mp4")
    for shot, found in ((shots[0], [face]), (shots[1], [])):
        tracks.save(folder(f"tracks-{shot.name}"), found, shot.name)
        paths[f"tracks/{shot.name}"] = root / f"tracks-{shot.name}"
    return paths


def _patches(folder: Path, film: Path, face: FaceTrack) -> Path:
    """Patches that show the source itself inside a soft disc over the mouth."""
    info, pts = probe(film), _pts(film)
    y, x = np.mgrid[:96, :96]
    mask = np.clip((46 - np.hypot(x - 48, y - 48)) / 10, 0, 1)
    origins = []
    with av.open(str(pictures(folder)), "w") as box:
        stream = box.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 96
        stream.pix_fmt = "bgra"
        for frame, points in zip(decode.frames(film, info.film, pts, 0, CUT), face.mesh, strict=True):
            left, top = (2 * round(float(v) / 2) for v in points[mesh.UPPER_LIP, :2] - 48)
            crop = frame.rgb((left, top, 96, 96))
            picture = np.dstack([crop[..., ::-1], (255 * mask).astype(np.uint8)])
            box.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgra")))
            origins.append((left, top))
        box.mux(stream.encode(None))
    confidence = np.full(len(face.frames), 0.8, np.float32)
    Placement(face.frames, np.array(origins, np.int32), confidence).save(folder)
    first, last, count = int(face.frames[0]), int(face.frames[-1]), len(face.frames)
    PatchFacts(engine="exemplar", frames=count, changed=count, spans=((first, last + 1),), given_back=0).save(
        folder
    )
    return folder


def _pts(film: Path) -> Any:
    with av.open(str(film), "r") as box:
        return np.array(sorted(p.pts for p in box.demux(video=0) if p.pts is not None and p.size), np.int64)


def _run(inputs: dict[str, Path], out: Path, **more: Any) -> model.Report:
    report, _ = _warned(inputs, out, **more)
    return report


def _warned(inputs: dict[str, Path], out: Path, **more: Any) -> tuple[model.Report, list[str]]:
    """The report, and what the user is warned of while it is made."""
    out.mkdir()
    lines: list[str] = []
    params = {"quality": QualitySettings().model_dump()}
    task = Task("film", inputs, params, FACTS | more, "", out, warn=lines.append)
    stage.run(task)
    stage.check(task)
    return model.Report.load(out), lines


def _measured(inputs: dict[str, Path], **changes: Any) -> None:
    GOOD.model_copy(update=changes).save(inputs["measure/00000000.0"])


def test_a_good_shot_is_told_with_its_measures_and_pictures(
    job: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    report = _run(job(), tmp_path / "out")
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
    assert {row[5] for row in shown["rows"]} >= {"70 frames of speech", "4 closures", "18 frames"}
    for mark in (model.OUTPUT, model.DATE, model.VERSION, model.TIMINGS, "preset film with 1 setting"):
        assert mark in text


def test_a_bad_shot_says_why_and_what_to_do_and_stands_in_the_summary(
    job: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    inputs = job()
    _measured(inputs, offset_ms=Measure(dubbed=240.0), sharpness=Measure(dubbed=0.5, source=1.0))
    report = _run(inputs, tmp_path / "out")
    face = report.shots[0].faces[0]
    assert (face.verdict, report.shots[0].verdict) == ("redo", "redo")
    assert [(one.measure, one.verdict) for one in face.reasons] == [
        ("offset_ms", "redo"),
        ("sharpness", "look"),
    ]
    assert face.reasons[0].text == "the mouth is 240 ms away from the dub"
    assert "align.offset" in face.reasons[0].advice
    assert "redo, for offset_ms: shot 00000000" in report.warnings
    assert (report.totals.redo, report.totals.look, report.totals.good) == (1, 0, 0)


def test_a_face_given_back_to_the_source_is_unchanged_and_says_so(
    job: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    inputs = job()
    _measured(inputs, offset_ms=Measure(dubbed=240.0))
    report = _run(inputs, tmp_path / "out", given_back=["00000000.0"])
    face = report.shots[0].faces[0]
    assert (face.state, face.verdict, face.frames_changed) == ("untouched", "redo", 0)
    assert [skip.reason for skip in face.skipped] == [gather.REJECTED]


def test_encoding_that_changes_the_upper_face_is_measured(
    job: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    other, _ = demo.make(tmp_path / "late", span=(FIRST - 3, FIRST - 3 + FRAMES), height=240)
    face = _run(job(result=other), tmp_path / "out").shots[0].faces[0]
    assert face.encoded is not None
    assert face.encoded > 1


def test_a_sound_without_its_mouth_is_told_with_its_frame(
    job: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    inputs = job()
    _measured(
        inputs,
        violations=(Violation(frame=24, seconds=1.0, phone="P", kind="closure", measured=0.2, limit=0.05),),
    )
    _run(inputs, tmp_path / "out")
    (shown,) = shots((tmp_path / "out" / "report.html").read_text())[0]["faces"]
    assert shown["missed"] == [[24, "p", "closure", 0.2, 0.05]]


def test_same_bytes_every_time(job: Callable[..., dict[str, Path]], tmp_path: Path) -> None:
    inputs = job()
    for name in ("one", "two"):
        _run(inputs, tmp_path / name)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_reasons_stand_where_frames_were_left_alone(
    job: Callable[..., dict[str, Path]], face: FaceTrack, tmp_path: Path
) -> None:
    reason = np.array(face.reason)
    reason[10:20] = Reason.PROFILE
    inputs = job(track=dataclasses.replace(face, reason=reason))
    patch = inputs["patch/00000000.0"] / "patch.npz"
    with np.load(patch) as box:
        rest = {name: np.delete(box[name], range(10, 20), axis=0) for name in box.files}
    _rewrite(patch, **rest)
    report = _run(inputs, tmp_path / "out")
    skipped = report.shots[0].faces[0].skipped
    assert [(skip.start, skip.stop, skip.reason) for skip in skipped] == [(10, 20, "the head is turned away")]
    assert report.totals.skipped == {"the head is turned away": 10}


def test_a_face_without_a_line_is_untouched_and_says_so(
    job: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    inputs = job(cues=[])
    del inputs["patch/00000000.0"], inputs["motion/00000000.0"], inputs["measure/00000000.0"]
    report = _run(inputs, tmp_path / "out")
    face = report.shots[0].faces[0]
    assert (face.state, face.measures) == ("untouched", None)
    assert face.skipped[0].reason == "no line of the dub is this face's"


def test_a_face_that_failed_is_told(job: Callable[..., dict[str, Path]], tmp_path: Path) -> None:
    inputs = job()
    del inputs["patch/00000000.0"]
    report = _run(inputs, tmp_path / "out", failed=["lips/00000000.0"])
    assert report.shots[0].state == "failed"
    assert report.totals.faces_failed == 1
    assert "1 faces failed; the source's picture is kept there" in report.warnings


def test_a_film_without_faces_is_told(job: Callable[..., dict[str, Path]], tmp_path: Path) -> None:
    inputs = job(cues=[])
    for role in ("patch/00000000.0", "motion/00000000.0", "measure/00000000.0"):
        del inputs[role]
    Cast(persons=()).save(inputs["cast"])
    tracks.save(inputs["tracks/00000000"], [], "00000000")
    report = _run(inputs, tmp_path / "out")
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
    job: Callable[..., dict[str, Path]], face: FaceTrack, tmp_path: Path
) -> None:
    """0-9 given back, 10-19 changed, 20-21 in profile, 22-29 matching, 30-33 too short, then no line."""
    reason = np.array(face.reason)
    reason[20:22] = Reason.PROFILE
    row = {"shot": "00000000", "track": 0}
    cue = row | {"start": 0, "stop": 30, "kind": "speak", "confidence": 0.9, "person": "p01"}
    inputs = job(
        track=dataclasses.replace(face, reason=reason),
        cues=[cue],
        skipped=[row | {"start": 30, "stop": 34, "reason": "short"}],
    )
    weight = np.zeros(len(face.frames), np.float32)
    weight[:20] = 1
    _rewrite(inputs["motion/00000000.0"] / "motion.npz", weight=weight)
    with np.load(inputs["patch/00000000.0"] / "patch.npz") as box:
        shown = {name: box[name][10:20] for name in box.files}
    _rewrite(inputs["patch/00000000.0"] / "patch.npz", **shown)
    report = _run(inputs, tmp_path / "out", keep_matching=True)
    found = report.shots[0].faces[0]
    assert found.changed == report.shots[0].changed == report.changed == ((10, 20),)
    assert (found.frames_changed, report.totals.frames_changed) == (10, 10)
    assert [(skip.start, skip.stop, skip.reason) for skip in found.skipped] == [
        (0, 10, "no footage comes near what is wanted"),
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
        ("empty patch", {"engines": [["lips", "passthrough"]]}, "the engine passthrough changes no picture"),
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
    job: Callable[..., dict[str, Path]], tmp_path: Path, change: str, more: dict[str, Any], reason: str
) -> None:
    inputs = job()
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
        if change == "empty motion":
            _rewrite(path, **{name: rows[:0] for name, rows in arrays.items()})
        elif change == "weight":
            _rewrite(path, weight=0 * arrays["weight"])
    report, lines = _warned(inputs, tmp_path / "out", **more)
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
    assert assemble.unmoved([spoken, silent, extra, silent]) == [
        "Ben was to speak, but 0 of 2 faces were changed: lost (18 frames)"
    ]
    assert assemble.unmoved([spoken, extra]) == []


def test_pictures_are_spread_over_more_faces_than_there_are_pictures(
    job: Callable[..., dict[str, Path]], face: FaceTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 240 faces some have pictures, evenly spread."""
    monkeypatch.setattr(assemble, "_DECODED_MEGAPIXELS", 100)
    monkeypatch.setattr(assemble, "_LOOP_FRAMES", 4)
    inputs, count, size = job(), 240, 12
    per_frame = {field.name for field in dataclasses.fields(face)} - {"thumbs", "descriptor"}
    small = dataclasses.replace(face, **{name: getattr(face, name)[:size] for name in per_frame})
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
