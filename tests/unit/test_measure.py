"""A dubbed face with a defect measures worse than without, the more so the stronger the defect is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.measures import PIXELS_EVERY, Measure, Measures
from dubcli.artifacts.speech import Phone
from dubcli.artifacts.tracks import FaceTrack
from dubcli.core.model import Artifact, JobView, Task
from dubcli.engines.trackers.mediapipe import VIEWS, Finder, MediapipeTracker
from dubcli.errors import MediaError
from dubcli.face import mesh
from dubcli.media import decode, spans
from dubcli.media.patches import Placed
from dubcli.media.probe import probe
from dubcli.quality import face, likeness, observe
from dubcli.quality.subject import Sound, Subject
from dubcli.quality.verdict import Judgement, judge, place
from dubcli.settings.config import QualitySettings, Settings
from dubcli.stages import measure
from tests.conftest import Sample
from tests.unit.reports import InputsOf, exchanged
from tests.unit.reports import pts_of as timestamps

SIDE = 96  # pixels of a patch
PER_FRAME = ("mesh", "pose", "size", "sharp", "occlusion", "reason")  # fields of a track with a row a frame
Change = Callable[["Talker", int, Placed], Placed]


@dataclass
class Talker:
    """The face of the tiny film's first shot, "dubbed" with its own mouth."""

    subject: Subject
    frames: list[decode.Frame]
    patches: dict[int, Placed]
    own: list[NDArray[np.float64]]
    finder: Finder

    def rearranged(self, order: NDArray[np.int64]) -> Talker:
        """The same face in frames that stand in another order, numbered anew."""
        was, first = self.subject, self.frames[0].index
        track = dataclasses.replace(
            was.track,
            frames=np.arange(first, first + len(order), dtype=np.int32),
            **{name: getattr(was.track, name)[order] for name in PER_FRAME},
        )
        sound = Sound(was.dub.aperture[order], was.dub.speech[order], was.dub.phones)
        frames = [dataclasses.replace(self.frames[k], index=first + n) for n, k in enumerate(order)]
        patches = {first + n: self.patches[self.frames[k].index] for n, k in enumerate(order)}
        subject = Subject(
            track, np.arange(len(order)) / was.rate, was.rate, was.target[order], was.closed[order],
            was.weight[order], was.still[order], sound, sound,
        )  # fmt: skip
        return dataclasses.replace(self, subject=subject, frames=frames, patches=patches)

    def measured(
        self, change: Change | None = None, ranges: Sequence[observe.Window] | None = None
    ) -> Measures:
        """What is measured where every patch is changed: in all frames, or in some."""
        made = {k: change(self, k, patch) if change else patch for k, patch in self.patches.items()}

        class Table:
            def at(self, index: int) -> Placed | None:
                return made.get(index)

        first = self.frames[0].index
        ranges = ranges or [(first, self.frames[-1].index + 1)]
        seen = observe.observe(
            self.subject,
            ranges,
            [frame for start, stop in ranges for frame in self.frames[start - first : stop - first]],
            Table(),
            self.finder,
            self.own,
        )
        return face.measures(self.subject, seen)


@pytest.fixture(scope="module")
def talker(tiny: Sample) -> Iterator[Talker]:
    info, pts = probe(tiny.film), timestamps(tiny.film)
    frames = list(decode.frames(tiny.film, info.film, pts, 0, 41))
    (track,) = MediapipeTracker().track(iter(frames), views=1)  # type: ignore[arg-type]
    aperture = mesh.aperture(track.mesh)
    ones = np.ones(len(aperture), np.float32)
    closed = (aperture <= np.percentile(aperture, 10)).astype(np.float32)
    phones = tuple(Phone(start=0.1 * k, end=0.1 * k + 0.08, phone="AA") for k in range(15))
    dub = Sound(aperture, ones, phones)
    seconds = np.arange(len(aperture)) / 23.976
    subject = Subject(track, seconds, 23.976, aperture, closed, ones, np.zeros(len(aperture), bool), dub, dub)
    patches = {frame.index: _patch(frame, track) for frame in frames}
    own = [
        likeness.describe(np.asarray(f.eight_bit()), m)
        for f, m in zip(frames[::5], track.mesh[::5], strict=True)
    ]
    with Finder(views=VIEWS[:1]) as finder:
        yield Talker(subject, frames, patches, own, finder)


@pytest.fixture(scope="module")
def clean(talker: Talker) -> Measures:
    return talker.measured()


def _patch(frame: decode.Frame, track: FaceTrack) -> Placed:
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = np.clip((46 - np.hypot(x - 48, y - 48)) / 10, 0, 1)
    left, top = (2 * round(float(v) / 2) for v in track.mesh[frame.index, mesh.UPPER_LIP, :2] - 40)
    return np.asarray(frame.rgb((left, top, SIDE, SIDE))), (255 * mask).astype(np.uint8), left, top


def _verdict(found: Measures) -> Judgement:
    return judge(found, None, QualitySettings())


def test_a_face_dubbed_with_itself_measures_as_its_source(clean: Measures) -> None:
    assert clean.frames == clean.picture_frames == 41
    assert clean.changed_outside == 0
    assert clean.offset_ms.dubbed == pytest.approx(0, abs=5)
    assert (clean.follows.dubbed or 0) > 0.97
    assert clean.amplitude.dubbed == pytest.approx(1, abs=0.1)
    for name in ("flicker", "sharpness", "grain", "articulation", "identity"):
        pair = getattr(clean, name)
        assert pair.dubbed == pytest.approx(pair.source, rel=0.06), name
    assert clean.seam.dubbed == 0
    assert clean.colour.dubbed == pytest.approx(0, abs=0.01)  # both are converted by the same equations
    assert _verdict(clean).verdict == "good"


def _blurred(sigma: float) -> Change:
    return lambda talker, index, patch: (cv2.GaussianBlur(patch[0], (0, 0), sigma), *patch[1:])


def _flickering(gain: float) -> Change:
    return lambda talker, index, patch: (_gained(patch[0], 1 + gain * (-1) ** index), *patch[1:])


def _hard(gain: float) -> Change:
    return lambda talker, index, patch: (
        _gained(patch[0], 1 + gain),
        np.where(patch[1] > 20, 255, 0).astype(np.uint8),
        *patch[2:],
    )


def _tinted(gain: float) -> Change:
    return lambda talker, index, patch: (
        np.clip(patch[0] * np.array([1 + gain, 1, 1 - gain]), 0, 255).astype(np.uint8),
        *patch[1:],
    )


def _held(frames: float) -> Change:
    def change(talker: Talker, index: int, patch: Placed) -> Placed:
        source = index - index % int(frames)
        step = talker.subject.track.mesh[[source, index], mesh.NOSE_BASE, :2]
        x, y = (step[1] - step[0]).round().astype(int)
        rgb, mask, left, top = talker.patches[source]
        return rgb, mask, left + int(x), top + int(y)

    return change


def _gained(rgb: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    return np.clip(rgb * gain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("defect", "strengths", "measure", "worse", "reason"),
    [
        (_blurred, (0.8, 2.0, 4.0), "sharpness", -1, "sharpness"),
        (_flickering, (0.01, 0.03, 0.08), "brightness", 1, "brightness"),
        (_hard, (0.02, 0.1, 0.3), "seam", 1, "colour"),
        (_tinted, (0.02, 0.06, 0.15), "colour", 1, "colour"),
        (_held, (2, 5, 41), "follows", -1, "follows"),
    ],
)
def test_a_defect_measures_worse_the_stronger_it_is(
    talker: Talker,
    clean: Measures,
    defect: Callable[[float], Change],
    strengths: tuple[float, ...],
    measure: str,
    worse: int,
    reason: str,
) -> None:
    found = [clean, *(talker.measured(defect(strength)) for strength in strengths)]
    values = [worse * (getattr(one, measure).dubbed or 0.0) for one in found]
    assert values == sorted(values)
    assert values[0] < values[1]
    judged = _verdict(found[-1])
    assert judged.verdict != "good"
    assert reason in {one.measure for one in judged.reasons}


def test_a_shifted_dub_measures_as_shifted(talker: Talker) -> None:
    dub = talker.subject.dub
    for late in (-3, 2, 5):
        shifted = dataclasses.replace(dub, aperture=np.roll(dub.aperture, -late))
        subject = dataclasses.replace(talker.subject, dub=shifted)
        other = dataclasses.replace(talker, subject=subject)
        assert other.measured().offset_ms.dubbed == pytest.approx(1000 * late / 23.976, abs=15)


def test_a_mouth_that_moves_in_silence_is_seen_the_more_the_longer_it_does(talker: Talker) -> None:
    silent = dataclasses.replace(talker.subject.dub, speech=np.zeros(41, np.float32))
    still = dataclasses.replace(talker, subject=dataclasses.replace(talker.subject, dub=silent))
    found = [still.measured(_held_from(frame)).still_motion.dubbed or 0.0 for frame in (0, 14, 27, 41)]
    assert found == sorted(found)
    assert found[-1] > 2 * found[0]
    assert found[-1] > QualitySettings().still_motion[0]


def _held_from(stop: int) -> Change:
    """The mouth of one frame in all from a frame on."""
    return lambda talker, index, patch: patch if index < stop else _held(41)(talker, index, patch)


def test_dropped_closures_are_counted(talker: Talker) -> None:
    long = talker.rearranged(np.tile(np.r_[:41, 39:0:-1], 2))
    first = long.frames[0].index
    runs = spans.runs_of_true(long.subject.closed > 0.5)
    widest = first + int(np.argmax(long.subject.target))

    def dropped(part: float) -> Change:
        lost = runs[: round(part * len(runs))]

        def change(talker: Talker, index: int, patch: Placed) -> Placed:
            near = any(start - 2 <= index - first < stop + 2 for start, stop in lost)
            rgb, mask, _, _ = talker.patches[widest]
            return (rgb, mask, *patch[2:]) if near else patch

        return change

    found = [long.measured(dropped(part)) for part in (0.0, 0.5, 1.0)]
    hits = [one.closure_hits.dubbed or 0.0 for one in found]
    assert found[0].closures == len(runs) >= 3
    assert hits[0] == 1
    assert hits[0] > hits[1] > hits[2]
    assert "closure_hits" in {one.measure for one in _verdict(found[2]).reasons}


def test_another_persons_mouth_is_seen_the_more_the_more_of_it_there_is(
    talker: Talker, footage: Path, clean: Measures
) -> None:
    clip = footage / "talk" / "whitehouse_5s.mp4"
    stranger = list(decode.frames(clip, probe(clip).film, timestamps(clip), 0, 12))
    (other, *_) = MediapipeTracker().track(iter(stranger), views=1)  # type: ignore[arg-type]
    picture, theirs = np.asarray(stranger[0].eight_bit()), other.mesh[0, list(mesh.RIGID), :2]

    def theirs_by(share: float) -> Change:
        def change(talker: Talker, index: int, patch: Placed) -> Placed:
            rgb, mask, left, top = patch
            ours = talker.subject.track.mesh[index, list(mesh.RIGID), :2] - (left, top)
            move, _ = cv2.estimateAffinePartial2D(theirs, ours)
            laid = cv2.warpAffine(picture, move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
            mixed = (1 - share) * rgb + share * laid
            return np.rint(mixed).astype(np.uint8), mask, left, top

        return change

    found = [clean, *(talker.measured(theirs_by(share)) for share in (0.4, 0.7, 1.0))]
    likenesses = [one.identity.dubbed or 0.0 for one in found]
    assert likenesses == sorted(likenesses, reverse=True)
    assert likenesses[3] < likenesses[0] - 0.02
    assert _verdict(found[3]).verdict != "good"


def test_windows_are_evenly_spread_and_take_the_frames_that_speak() -> None:
    patched = np.arange(100, 1100, dtype=np.int32)
    speech = np.zeros(1100)
    speech[[*range(200, 236), *range(900, 936)]] = 1
    found = observe.windows(patched, 72, lambda a, b: float(speech[a:b].sum()))
    assert found == [(200, 236), (900, 936)]
    assert observe.windows(patched[:50], 72, lambda a, b: 0.0) == [(100, 150)]
    assert observe.windows(patched, 0, lambda a, b: 0.0) == []


def test_between_windows_single_frames_are_looked_at() -> None:
    patched = np.array([*range(100, 300), *range(500, 520)], np.int32)
    sampled = observe.sampled(patched, [(140, 176)])
    alone = [start for start, stop in sampled if stop - start == 1]
    assert (140, 176) in sampled
    assert sampled == sorted(sampled)
    assert max(np.diff([100, *alone[:5], 140])) <= PIXELS_EVERY
    assert [frame for frame in alone if frame >= 500] == [500, 508, 516]
    assert observe.sampled(patched, []) == []


@pytest.mark.parametrize(
    ("defect", "strength", "reason"), [(_tinted, 0.15, "colour"), (_blurred, 4.0, "sharpness")]
)
def test_a_defect_in_a_tenth_of_a_long_shot_is_seen(
    talker: Talker, defect: Callable[[float], Change], strength: float, reason: str
) -> None:
    there_and_back = np.tile(np.r_[:41, 39:0:-1], 5)  # the 41 frames, forwards and backwards
    long = talker.rearranged(there_and_back)
    frames = [int(long.subject.track.frames[0]) + k for k in range(len(there_and_back))]
    spoiled = range(frames[280], frames[320])

    def change(talker: Talker, index: int, patch: Placed) -> Placed:
        return defect(strength)(talker, index, patch) if index in spoiled else patch

    ranges = observe.windows(np.array(frames, np.int32), 36, lambda start, stop: -start)
    assert ranges[0][1] <= spoiled.start
    sampled = observe.sampled(np.array(frames, np.int32), ranges)
    clean, found = long.measured(ranges=sampled), long.measured(change, ranges=sampled)
    assert _verdict(clean).verdict == "good"
    judged = _verdict(found)
    assert judged.verdict != "good"
    assert reason in {one.measure for one in judged.reasons}
    assert place(found, [reason]) in spoiled


@pytest.mark.parametrize(
    ("frames", "moved", "verdict"), [(19, 9.3, "redo"), (19, 1.0, "good"), (40, 1.0, "redo")]
)
def test_a_picture_that_does_not_follow_its_target_is_told_by_few_frames_where_it_moves(
    frames: int, moved: float, verdict: str
) -> None:
    facts: dict[str, Any] = {
        **{name: Measure() for name, kind in Measures.model_fields.items() if kind.annotation is Measure},
        "frames": frames, "picture_frames": frames, "speech_frames": frames, "rest_frames": 0, "closures": 0,
        "sounds": 0, "changed_outside": 0, "violations": (), "worst": None, "follows": Measure(dubbed=0.01),
        "articulation": Measure(dubbed=moved), "amplitude": Measure(dubbed=1.0),
    }  # fmt: skip
    assert judge(Measures(**facts), None, QualitySettings()).verdict == verdict


def test_a_gate_gives_back_what_is_to_be_redone_but_never_an_approved_shot(tmp_path: Path) -> None:
    bad = Measure()
    facts: dict[str, Any] = {
        **{name: bad for name, kind in Measures.model_fields.items() if kind.annotation is Measure},
        "frames": 40, "picture_frames": 40, "speech_frames": 40, "rest_frames": 0, "closures": 0, "sounds": 0,
        "changed_outside": 7, "violations": (), "worst": None,
    }  # fmt: skip
    Measures(**facts).save(tmp_path)
    made = Artifact("k", tmp_path, "c")
    settings = Settings(quality=QualitySettings(gate="source"))
    view = JobView(sources={}, settings=settings)
    view.artifacts = {stage: {"00000000.0": made, "00000050.0": made} for stage in ("lips", "measure")}
    assert list(measure.shown(view)) == []
    view.pins["00000050"] = {}
    assert measure.given_back(view) == ["00000000.0"]
    assert list(measure.shown(view)) == ["00000050.0"]


def test_a_film_that_was_exchanged_is_noticed(
    talker: Talker, inputs_of: InputsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures would be compared with mouths of another film."""
    made = inputs_of()
    roles = {"track": "tracks/00000000", "motion": "motion/00000000.0", "patch": "patch/00000000.0"}
    inputs = {role: made[name] for role, name in roles.items()} | {
        "film": exchanged(made["film"], tmp_path / "other"), "split": made["split"], "probe": made["probe"],
        "gallery": tmp_path,
    }  # fmt: skip
    monkeypatch.setattr(measure, "_subject", lambda *_: talker.subject)
    monkeypatch.setattr(measure, "_own", lambda folder: [])
    with pytest.raises(MediaError, match="changed since it was read"):
        measure.run(Task("00000000.0", inputs, {"frames": 12}, {"track": 0}, "", tmp_path))
