"""Cues: the active speaker of the original speaks while the dub does, and nobody else's mouth moves."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import cues, tracks
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues, Skip
from dubcli.artifacts.phones import INDEX
from dubcli.artifacts.shots import Frames, Shot, Shots
from dubcli.artifacts.speech import Record, Region, Word, save_features
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.cueing import assignment
from dubcli.cueing.evidence import FilmAudio, estimate
from dubcli.errors import ConfigError, StoreError
from dubcli.face.mesh import head
from dubcli.settings.config import CueSettings, Settings
from dubcli.speech.visemes import VISEMES
from dubcli.stages import cue

FPS = 25
Times = list[tuple[float, float]]
LIMITS = assignment.Limits(**CueSettings().model_dump())


def beats(count: int, rate: float, first: float = 0.0) -> NDArray[np.float64]:
    """Four syllables a second, 0–1."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * 4 * (np.arange(count) / rate + first)))


def within(times: Times, count: int, rate: float) -> NDArray[np.bool_]:
    at = (np.arange(count) + 0.5) / rate
    return np.asarray(np.any([(at >= a) & (at < b) for a, b in times] or [np.zeros(count, bool)], axis=0))


def face(
    talks: Times, start: int = 0, count: int = 200, size: float = 100.0, left: float = 0.0, smile: float = 0.0
) -> FaceTrack:
    """A frontal face whose lips open in syllables while it talks; `smile` parts them for good."""
    mesh = np.repeat(head()[None], count, axis=0)
    gap = 0.25 * beats(count, FPS, start / FPS) * within(talks, count, FPS) + smile
    lower = [14, 87, 317, 17, 84, 314, 152, 148, 377]
    mesh[:, lower, 1] += gap[:, None].astype(np.float32)
    mesh = mesh * size + np.array([left + 300, 200, 0], np.float32)
    return FaceTrack(
        frames=np.arange(start, start + count, dtype=np.int32),
        mesh=mesh.astype(np.float32),
        pose=np.zeros((count, 3), np.float32),
        size=np.full(count, size, np.float32),
        sharp=np.ones(count, np.float32),
        occlusion=np.zeros(count, np.float32),
        reason=np.zeros(count, np.uint8),
        thumbs=np.zeros((1, 96, 96, 3), np.uint8),
        descriptor=np.ones((1, 4), np.float32) / 2,
    )


def sound(times: Times, seconds: float = 8.0) -> FilmAudio:
    """Audio features, as `align` makes them, of syllables at those times."""
    count = round(seconds * 100)
    voice = within(times, count, 100)
    beat = beats(count, 100) * voice
    viseme = np.zeros((count, len(VISEMES)), np.float32)
    viseme[:, INDEX["aa"]], viseme[:, INDEX["sil"]] = beat, 1 - beat
    loud = np.where(voice, -20 + 20 * beat, -60).astype(np.float32)
    return FilmAudio({"loudness": loud, "speech": voice.astype(np.float32), "viseme": viseme})


def regions(times: Times) -> list[Region]:
    return [Region(start=a, end=b) for a, b in times]


def cued(
    faces: list[FaceTrack], film: Times | None, dub: Times, count: int = 200
) -> tuple[list[Cue], list[Skip]]:
    """Cues of one shot; `film` None is a film without sound."""
    seconds = np.arange(count) / FPS
    shot = assignment.Shot("00000000", 0, count, faces, [f"p{k}" for k in range(len(faces))])
    film_speech = assignment.speech_frames(regions(film or []), seconds)
    said = assignment.speech_frames(regions(dub), seconds)
    heard = assignment.Heard(seconds, film_speech, said, sound(film) if film else None)
    found, left, _ = assignment.cues(shot, heard, LIMITS)
    return found, left


def frames(found: list[Cue], track: int, kind: str) -> NDArray[np.bool_]:
    out = np.zeros(200, bool)
    for one in found:
        if one.track == track and one.kind == kind:
            out[one.start : one.stop] = True
    return out


def test_a_talking_mouth_is_distinguished_from_a_still_one() -> None:
    talker, listener = estimate([face([(1, 7)]), face([], left=400)], np.arange(200) / FPS, sound([(1, 7)]))
    assert talker.talking[50:150].min() > 0.8
    assert listener.talking.max() < 0.2


def test_the_talker_says_the_dub_and_the_listener_is_left_alone() -> None:
    found, _ = cued([face([(1, 7)]), face([], left=400)], [(1, 7)], [(1.2, 6.5)])
    assert {one.track for one in found} == {0}
    assert frames(found, 0, "speak")[30:162].all()


def test_a_smile_is_not_talk() -> None:
    found, _ = cued([face([], smile=0.2)], [(1, 7)], [(1, 7)])
    assert found == []


def test_a_mouth_that_talked_is_still_while_the_dub_is_silent() -> None:
    found, _ = cued([face([(1, 7)])], [(1, 7)], [])
    assert {one.kind for one in found} == {"still"}
    assert frames(found, 0, "still")[25:175].all()


def test_a_cue_is_wider_than_its_talk_so_that_it_can_fade() -> None:
    found, _ = cued([face([(2, 6)])], [(2, 6)], [(2, 6)])
    assert found[0].start <= 50 - 5
    assert found[-1].stop >= 150 + 5
    assert found[0].start > 30
    assert found[-1].stop < 170


def test_gaps_of_less_than_a_second_between_changed_frames_are_changed_too() -> None:
    """Between two runs of talk the mouth rests in the film, for longer than the pads of both reach."""
    near, _ = cued([face([(1, 3), (4.3, 7)])], [(1, 3), (4.3, 7)], [])
    assert len(near) == 1
    apart, _ = cued([face([(1, 2.5), (5, 7)])], [(1, 2.5), (5, 7)], [])
    assert len(apart) == 2


def test_two_people_each_say_their_lines() -> None:
    found, _ = cued(
        [face([(0.5, 3)]), face([(4.5, 7)], left=400)], [(0.5, 3), (4.5, 7)], [(0.6, 2.9), (4.6, 6.9)]
    )
    assert frames(found, 0, "speak")[18:70].all()
    assert frames(found, 1, "speak")[118:170].all()
    assert not frames(found, 0, "speak")[100:].any()
    assert not frames(found, 1, "speak")[:90].any()


def test_a_dub_that_runs_longer_stays_with_its_speaker() -> None:
    found, _ = cued([face([(1, 4)]), face([], left=400)], [(1, 4)], [(1, 5.5)])
    assert frames(found, 0, "speak")[28:136].all()


def test_a_dub_that_runs_longer_stops_at_the_next_speaker() -> None:
    found, _ = cued([face([(0.5, 3)]), face([(3.4, 7)], left=400)], [(0.5, 3), (3.4, 7)], [(0.5, 7)])
    assert not frames(found, 0, "speak")[100:].any()
    assert frames(found, 1, "speak")[92:170].all()


def test_an_offscreen_voice_moves_no_mouth() -> None:
    found, _ = cued([face([]), face([], left=400)], [(1, 7)], [(1, 7)])
    assert found == []


def test_an_offscreen_answer_is_not_assigned_to_the_earlier_speaker() -> None:
    found, _ = cued([face([(0.5, 3)])], [(0.5, 3), (4, 7)], [(0.5, 3), (4, 7)])
    assert frames(found, 0, "speak")[18:70].all()
    assert not frames(found, 0, "speak")[115:].any()


def test_short_pauses_do_not_cut_a_cue() -> None:
    found, _ = cued([face([(1, 7)])], [(1, 7)], [(1, 3), (3.2, 5), (5.3, 7)])
    assert [one.kind for one in found] == ["speak"]


def test_the_only_face_of_a_silent_film_speaks() -> None:
    found, _ = cued([face([])], None, [(2, 4)])
    assert frames(found, 0, "speak")[50:100].all()


def test_of_two_equal_faces_in_a_silent_film_the_moving_one_speaks() -> None:
    found, _ = cued([face([]), face([(1, 7)], left=400)], None, [(2, 4)])
    assert {one.track for one in found} == {1}


def test_what_cannot_be_dubbed_is_cut_out_and_listed() -> None:
    one = face([(1, 7)])
    one.reason[80:110] = Reason.OCCLUDED
    found, left = cued([one], [(1, 7)], [(1, 7)])
    assert [(row.start, row.stop, row.reason) for row in left] == [(80, 110, "occluded")]
    assert not frames(found, 0, "speak")[80:110].any()
    assert frames(found, 0, "speak")[30:80].all()


def test_short_runs_between_ineligible_frames_are_left_alone() -> None:
    one = face([(1, 7)])
    one.reason[60:100] = Reason.PROFILE
    one.reason[78:81] = Reason.OK
    found, left = cued([one], [(1, 7)], [(1, 7)])
    assert (78, 81, "short") in [(row.start, row.stop, row.reason) for row in left]
    assert min(row.stop - row.start for row in found) >= LIMITS.shortest


def test_cues_of_one_face_never_overlap() -> None:
    with pytest.raises(ValueError, match="overlap at frame 15"):
        Cues(cues=(row(0, 20), row(15, 30)))


def row(start: int, stop: int) -> Cue:
    return Cue(shot="00000000", track=0, person="p01", start=start, stop=stop, kind="speak", confidence=1.0)


def test_a_damaged_file_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "cues.json"
    path.write_text('{"cues": [{"shot": "00000000", "track": 0, "start": 9, "stop": 3}]}')
    with pytest.raises(StoreError, match=r"cues\.json.*cues\.0"):
        cues.Cues.load(tmp_path)


def job(folder: Path, film: Times | None, dub: Times) -> Task:
    """Two shots, a talker in the first and nobody in the second, as the stages before leave them."""
    inputs = {}
    for shot, faces in (("00000000", [face([(1, 3)], count=100)]), ("00000100", [])):
        inputs[f"tracks/{shot}"] = made(folder / shot)
        tracks.save(inputs[f"tracks/{shot}"], faces, shot)
    inputs["split"] = made(folder / "split")
    shots = (
        Shot(name="00000000", start=0, stop=100, picture=""),
        Shot(name="00000100", start=100, stop=200, picture=""),
    )
    Shots(shots=shots).save(inputs["split"])
    digest = np.zeros((200, 16), np.uint8)
    Frames(500 + np.arange(200) * 40, digest, Fraction(1, 1000)).save(inputs["split"])
    inputs["cast"] = made(folder / "cast")
    Cast(persons=(Person(id="p07", faces=(("00000000", 0),)),)).save(inputs["cast"])
    for name, times in (("film", film), ("dub", dub)):
        if times is None:
            continue
        inputs[f"speech/{name}"] = made(folder / name)
        spoken = Record(engine="test", seconds=8.0, regions=tuple(regions(times)))
        spoken.save(inputs[f"speech/{name}"])
        save_features(inputs[f"speech/{name}"], sound(times).features.items())
    params = CueSettings().model_dump()
    return Task("film", inputs, params, {"stems": {}}, "", made(folder / "out"))


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("film", [[(1.0, 3.0), (5.0, 6.0)], None])
def test_the_stage_writes_cues_of_persons_and_lists_the_rest(tmp_path: Path, film: Times | None) -> None:
    task = job(tmp_path, film, [(1.0, 3.0), (5.0, 6.0)])
    cue.run(task)
    cue.check(task)
    found = cues.Cues.load(task.out)
    assert {(one.shot, one.person, one.kind) for one in found.cues} == {("00000000", "p07", "speak")}
    assert [(one.start, one.end) for one in found.offscreen] == [(5.0, 6.0)]


def test_a_person_who_must_not_be_touched_is_in_no_cue(tmp_path: Path) -> None:
    task = job(tmp_path, [(1.0, 3.0)], [(1.0, 3.0)])
    who = Person(id="p07", faces=(("00000000", 0),), touch=False)
    Cast(persons=(who,)).save(task.inputs["cast"])
    cue.run(task)
    found = cues.Cues.load(task.out)
    assert not found.cues
    assert {skip.reason for skip in found.skipped} == {"forbidden"}


def test_a_shot_that_must_not_be_touched_has_no_cue(tmp_path: Path) -> None:
    task = job(tmp_path, [(1.0, 3.0)], [(1.0, 3.0)])
    shots = Shots.load(task.inputs["split"])
    shots.model_copy(update={"skipped": ("00000000",)}).save(task.inputs["split"])
    cue.run(task)
    found = cues.Cues.load(task.out)
    assert not found.cues
    assert {skip.reason for skip in found.skipped} == {"skipped"}


def test_the_stage_leaves_the_same_bytes_each_time(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        task = job(tmp_path / name, [(1.0, 3.0)], [(1.0, 3.5)])
        cue.run(task)
        texts.append((task.out / "cues.json").read_bytes())
    assert texts[0] == texts[1]


def test_a_stem_decides_who_speaks_whatever_the_film_shows() -> None:
    """Both talk in the film; in the dub only the second has a voice, and the first keeps still."""
    seconds = np.arange(200) / FPS
    faces = [face([(1, 7)]), face([(1, 7)], left=400)]
    shot = assignment.Shot("00000000", 0, 200, faces, ["p01", "p02"])
    film, said = (assignment.speech_frames(regions([(1, 7)]), seconds) for _ in range(2))
    stems = {"p01": np.zeros(200, bool), "p02": assignment.speech_frames(regions([(2, 5)]), seconds)}
    heard = assignment.Heard(seconds, film, said, sound([(1, 7)]), stems)
    found, _, dub_frames = assignment.cues(shot, heard, LIMITS)
    assert not frames(found, 0, "speak").any()
    assert frames(found, 0, "still")[30:170].all()
    assert frames(found, 1, "speak")[50:125].all()
    assert frames(found, 1, "still")[145:170].all()
    assert dub_frames[50:125].all()
    assert not dub_frames[:50].any()
    spoken = next(one for one in found if one.kind == "speak")
    assert spoken.confidence >= 0.95
    assert spoken.evidence["stem"] > 0.5


def test_speech_in_no_stem_is_assigned_to_persons_without_a_stem() -> None:
    seconds = np.arange(200) / FPS
    shot = assignment.Shot("00000000", 0, 200, [face([(0.5, 3)]), face([(4, 7)], left=400)], ["p01", "p02"])
    film_speech = assignment.speech_frames(regions([(0.5, 3), (4, 7)]), seconds)
    stems = {"p01": assignment.speech_frames(regions([(0.5, 3)]), seconds)}
    heard = assignment.Heard(seconds, film_speech, film_speech, sound([(0.5, 3), (4, 7)]), stems)
    found, _, _ = assignment.cues(shot, heard, LIMITS)
    assert frames(found, 0, "speak")[18:70].all()
    assert frames(found, 1, "speak")[105:170].all()
    assert not frames(found, 1, "speak")[:80].any()


def test_a_stem_of_an_unknown_person_is_refused_with_the_known_persons(tmp_path: Path) -> None:
    cast = Cast(persons=(Person(id="p01", name="Anna"), Person(id="p02")))
    for named, expected in (
        (["ANNA", "p02"], {"p01": "stem:ANNA", "p02": "stem:p02"}),
        (["Bert"], "--stem Bert: nobody in the cast is called that; there are: p01 (Anna), p02"),
        (["Anna", "p01"], "--stem p01: p01 is Anna already"),
    ):
        view = JobView({f"stem:{name}": Source(tmp_path / name, name) for name in named}, Settings())
        view.artifacts = {"align": {role: Artifact("", tmp_path, role) for role in view.sources}}
        if isinstance(expected, dict):
            assert cue._stems(view, cast) == expected
        else:
            with pytest.raises(ConfigError, match=re.escape(expected)):
                cue._stems(view, cast)


def test_a_script_that_names_speakers_decides_who_speaks(tmp_path: Path) -> None:
    """The film's talker is not who the script gives the line to; a name that nobody has says nothing."""
    task = job(tmp_path, [(1.0, 3.0)], [(1.0, 3.0)])
    for speaker, expected in (("Anna", set()), ("Bert", {"speak"}), ("Carl", {"speak"})):
        bert = Person(id="p07", name="Bert", faces=(("00000000", 0),))
        Cast(persons=(bert, Person(id="p08", name="Anna"))).save(task.inputs["cast"])
        words = [Word(start=1 + 0.5 * k, end=1.4 + 0.5 * k, text="w", speaker=speaker) for k in range(4)]
        record = Record(engine="test", seconds=8.0, regions=tuple(regions([(1, 3)])), words=tuple(words))
        record.save(task.inputs["speech/dub"])
        cue.run(task)
        found = cues.Cues.load(task.out).cues
        assert {one.kind for one in found if one.kind == "speak"} == expected
        assert any("script" in one.evidence for one in found) == (speaker == "Bert")


def test_in_crosstalk_both_visible_talkers_say_the_dub() -> None:
    """Two voices in one track cannot be separated, so both faces that talked speak."""
    both = [face([(1, 7)]), face([(2, 5)], left=400)]
    found, _ = cued(both, [(1, 7)], [(1, 7)])
    assert frames(found, 0, "speak")[30:162].all()
    assert frames(found, 1, "speak")[50:120].all()
    assert not frames(found, 1, "speak")[150:].any()
