"""The cast: who is who, and what a person says about it in `cast.yaml`."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import cast as artifact
from dubcli.artifacts import tracks
from dubcli.artifacts.cast import Cast
from dubcli.artifacts.shots import Shot, Shots
from dubcli.artifacts.tracks import FaceTrack
from dubcli.core import keys
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.edits import castfile, shotfile
from dubcli.errors import ConfigError
from dubcli.face import identity, mesh
from dubcli.face.roi import portrait
from dubcli.settings.config import Settings
from dubcli.settings.document import Document, parse_yaml
from dubcli.stages import learn, module

cast = module("cast")


def descriptor(person: int, appearance: int = 0, noise: float = 0.15) -> NDArray[np.float32]:
    """Descriptors like those of one person in some scene."""
    centre = np.random.default_rng(person).normal(size=64)
    rows = centre + noise * np.random.default_rng((person, appearance)).normal(size=(4, 64)) * np.sqrt(4)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def track(person: int, first: int = 0, frames: int = 10, appearance: int = 0) -> FaceTrack:
    return FaceTrack(
        frames=np.arange(first, first + frames, dtype=np.int32),
        mesh=np.zeros((frames, 478, 3), np.float32),
        pose=np.zeros((frames, 3), np.float32),
        size=np.full(frames, 80, np.float32),
        sharp=np.ones(frames, np.float32),
        occlusion=np.zeros(frames, np.float32),
        reason=np.zeros(frames, np.uint8),
        thumbs=np.full((4, 96, 96, 3), 40 * person, np.uint8),
        descriptor=descriptor(person, appearance),
    )


def run(folder: Path, shots: dict[str, list[FaceTrack]], edits: str | None = None) -> list[dict[str, object]]:
    """The cast of these shots, as `cast.json` tells it."""
    inputs = {}
    for shot, found in shots.items():
        inputs[f"tracks/{shot}"] = folder / "in" / shot
        inputs[f"tracks/{shot}"].mkdir(parents=True, exist_ok=True)
        tracks.save(inputs[f"tracks/{shot}"], found, shot)
    if edits is not None:
        inputs["edits"] = folder / "cast.yaml"
        inputs["edits"].write_text(edits, encoding="utf-8")
    out = folder / f"out{len(list(folder.iterdir()))}"
    out.mkdir()
    task = Task("film", inputs, Settings().cast.model_dump(), {}, "", out)
    cast.run(task)
    cast.check(task)
    persons: list[dict[str, object]] = json.loads((out / "cast.json").read_text(encoding="utf-8"))["persons"]
    assert {path.name for path in out.glob("*.png")} == {f"sheet-{person['id']}.png" for person in persons}
    return persons


@pytest.fixture
def film() -> dict[str, list[FaceTrack]]:
    """Person 1 in two shots, with person 2 in the second, and person 3 alone in the third."""
    return {
        "00000000": [track(1, 0, 30)],
        "00000030": [track(2, 30, 20), track(1, 30, 20, appearance=1)],
        "00000050": [track(3, 50, 10)],
    }


def faces(persons: list[dict[str, object]]) -> dict[str, list[list[object]]]:
    return {str(person["id"]): person["faces"] for person in persons}  # type: ignore[misc]


def test_tracks_of_two_trackers_are_never_one_person() -> None:
    rows = [np.ones((2, size), np.float32) for size in (4, 6, 4, 6)]
    assert identity.cluster(rows, [1, 5, 1, 1], {(0, 2)}, 0.5) == [[1, 3], [0], [2]]


def test_one_person_in_two_shots_is_one_and_the_most_seen_comes_first(
    tmp_path: Path, film: dict[str, list[FaceTrack]]
) -> None:
    assert faces(run(tmp_path, film)) == {
        "p01": [["00000000", 0], ["00000030", 1]],
        "p02": [["00000030", 0]],
        "p03": [["00000050", 0]],
    }


def test_two_faces_in_one_frame_are_two_people_however_alike() -> None:
    twins = [descriptor(1), descriptor(1, appearance=1), descriptor(1, appearance=2)]
    assert identity.cluster(twins, [5, 3, 1], set(), 0.5) == [[0, 1, 2]]
    for pair in ((0, 1), (1, 2), (0, 2)):
        groups = identity.cluster(twins, [5, 3, 1], {pair}, 0.5)
        assert len(groups) == 2
        assert not any(set(pair) <= set(group) for group in groups)


def test_uncertain_pairs_stay_apart() -> None:
    people = [descriptor(person) for person in range(8)]
    assert len(identity.cluster(people, [1.0] * 8, set(), Settings().cast.apart)) == 8


def test_groups_do_not_depend_on_the_order_of_tracks() -> None:
    rows = [descriptor(person, appearance) for appearance in range(3) for person in range(5)]
    order = np.random.default_rng(3).permutation(len(rows))
    plain = identity.cluster(rows, [1.0] * len(rows), set(), 0.3)
    mixed = identity.cluster([rows[k] for k in order], [1.0] * len(rows), set(), 0.3)
    assert {frozenset(g) for g in plain} == {frozenset(int(order[k]) for k in g) for g in mixed}


def test_no_face_is_an_empty_cast(tmp_path: Path) -> None:
    assert run(tmp_path, {"00000000": []}) == []


def test_the_same_tracks_give_the_same_bytes(tmp_path: Path, film: dict[str, list[FaceTrack]]) -> None:
    run(tmp_path, film)
    run(tmp_path, film)
    one, two = sorted(tmp_path.glob("out*"))
    assert [(p.name, p.read_bytes()) for p in sorted(one.iterdir())] == [
        (p.name, p.read_bytes()) for p in sorted(two.iterdir())
    ]


def test_a_person_may_name_forbid_merge_and_split(tmp_path: Path, film: dict[str, list[FaceTrack]]) -> None:
    edits = """
persons:
  p01: {name: Ännchen, consent: signed, face: 00000000/0}
  p02: {touch: false}
merge:
  - [p02, p03]
split:
  - [00000030/1]
"""
    persons = run(tmp_path, film, edits)
    assert faces(persons) == {
        "p01": [["00000000", 0]],
        "p02": [["00000030", 0], ["00000050", 0]],
        "p01b": [["00000030", 1]],
    }
    by_id = {person["id"]: person for person in persons}
    assert (by_id["p01"]["name"], by_id["p01"]["touch"]) == ("Ännchen", True)
    assert by_id["p02"]["touch"] is False
    assert "never" in str(by_id["p02"]["why"])


def test_a_consent_record_leaves_its_state_and_digest_but_not_its_text(
    tmp_path: Path, film: dict[str, list[FaceTrack]]
) -> None:
    one = run(tmp_path, film, "persons: {p01: {consent: release 118}, p02: {consent: {state: refused}}}")
    other = run(tmp_path, film, "persons: {p01: {consent: {document: release 118, languages: [fr]}}}")
    assert [person["touch"] for person in one] == [True, False, True]
    assert "consent" in str(one[1]["why"])
    records = [person["consent"] for person in (*one, *other)]
    assert [dict(record)["state"] if record else None for record in records] == [  # type: ignore[call-overload]
        "given", "refused", None, "given", None, None,
    ]  # fmt: skip
    assert records[0] != records[3]
    assert not any("118" in path.read_text("utf-8") for path in tmp_path.glob("out*/*.json"))


@pytest.mark.parametrize(
    ("edits", "place", "words"),
    [
        ("persons:\n  p09: {name: X}\n", "2:3", "no person 'p09'"),
        ("persons:\n  p01: {name: X, face: 00000050/0}\n", "2:18", "00000050/0 is no face of p01"),
        ("persons:\n  p01: {nmae: X}\n", "2:9", "did you mean 'name'"),
        ("persons:\n  p01: {touch: maybe}\n", "2:9", "true or false"),
        ("merge:\n  - [p01, p07]\n", "2:11", "no person 'p07'"),
        ("merge:\n  - [p01]\n", "2:5", "at least two"),
        ("merge:\n  - [p01, p01]\n", "2:11", "itself"),
        ("split:\n  - [00000999/0]\n", "2:6", "no face 00000999/0"),
        ("split:\n  - [face three]\n", "2:6", "shot/track"),
        ("split:\n  - [00000030/1]\n  - [00000030/1]\n", "3:6", "twice"),
        ("split:\n  - [00000030/1, 00000030/1]\n", "2:18", "twice"),
        ("merge:\n  - [p01, p02, p02]\n", "2:16", "itself"),
        ("merge:\n  - [p01, p02]\n  - [p03, p02]\n", "3:11", "p02 was merged into p01"),
        ("merge:\n  - [p01, p02]\n  - [p02, p03]\n", "3:6", "p02 was merged into p01"),
        ("persons:\n  p02: {touch: false}\nmerge:\n  - [p01, p02]\n", "2:3", "write p01 in its place"),
        (
            "persons:\n  p01: {name: X, face: 00000030/1}\nsplit:\n  - [00000030/1]\n",
            "2:18",
            "00000030/1 is no face of p01 but was split off as p01b",
        ),
        (
            "persons:\n  p03: {touch: false}\nsplit:\n  - [00000050/0]\n",
            "2:3",
            "p03 has no face left, all were split off; write p03b in its place",
        ),
        ("persons: [\n", "2:1", ""),
    ],
)
def test_a_wrong_edit_is_refused_with_its_place(
    tmp_path: Path, film: dict[str, list[FaceTrack]], edits: str, place: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, film, edits)
    text = str(caught.value)
    assert f"cast.yaml:{place}: " in text
    assert words in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("edits", "left"),
    [
        ("merge:\n  - [p01, p02]\n", {"p01", "p03"}),
        ("merge:\n  - [p03, p01, p02]\n", {"p03"}),
        ("split:\n  - [00000050/0]\n", {"p01", "p02", "p03b"}),
        ("split:\n  - [50/0]\n", {"p01", "p02", "p03b"}),
        ("split:\n  - [00000050.0]\n", {"p01", "p02", "p03b"}),
        ("split:\n  - [00000000/0]\n", {"p01", "p01b", "p02", "p03"}),
        ("split:\n  - [00000000/0]\nmerge:\n  - [p03, p01b]\n", {"p01", "p02", "p03"}),
    ],
)
def test_the_templates_own_entries_may_stay_beside_a_merge_and_a_split(
    tmp_path: Path, film: dict[str, list[FaceTrack]], edits: str, left: set[str]
) -> None:
    untouched = castfile.template(run(tmp_path, film))
    persons = run(tmp_path, film, untouched + edits)
    assert {person["id"] for person in persons} == left
    assert sum(len(found) for found in faces(persons).values()) == 4


def test_splitting_all_faces_of_a_person_leaves_only_the_new_one() -> None:
    document, file = _parsed("split:\n  - [00000000/0, 00000030/1]\n")
    persons = castfile.apply_edits([[("00000000", 0), ("00000030", 1)]], document, file)
    assert [(person.id, person.faces) for person in persons] == [("p01b", [("00000000", 0), ("00000030", 1)])]


def test_a_frontal_picture_shows_the_face_without_its_pose() -> None:
    """A striped face, turned in the picture, comes out with its stripes upright again."""
    points = mesh.head() * 100
    angle = np.radians(20)
    turn = np.array(((np.cos(angle), np.sin(angle), 0), (-np.sin(angle), np.cos(angle), 0), (0, 0, 1)))
    turned = (points @ turn + (300, 300, 0)).astype(np.float32)
    roi = portrait(turned)
    back = roi.into(96)
    y, x = np.mgrid[0:96, 0:96] + 0.5
    scale = float(np.hypot(back[0, 0], back[0, 1]))
    raster = np.stack([x - back[0, 2], y - back[1, 2]], axis=-1) @ back[:, :2] / scale**2
    own = (raster - (300, 300)) @ turn[:2, :2].T
    stripes = np.repeat((np.sin(own[..., 0] / 8) * 100 + 128)[..., None], 3, axis=2).astype(np.uint8)
    picture = identity.frontal(stripes, turned)[8:56, 8:56, 0].astype(float)
    assert np.abs(np.diff(picture, axis=0)).mean() < 0.15 * np.abs(np.diff(picture, axis=1)).mean()


def test_descriptors_have_unit_length_and_know_a_face_again() -> None:
    random = np.random.default_rng(0)
    face = (mesh.head() * 100 + (300, 300, 0)).astype(np.float32)
    one, two = (
        random.integers(0, 255, (8, 8, 3)).astype(np.uint8).repeat(12, 0).repeat(12, 1) for _ in range(2)
    )
    darker = (one * 0.6).astype(np.uint8)
    rows = identity.describe(np.stack([one, darker, two]), [face, face * 1.5, face])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1


def _parsed(text: str) -> tuple[Document, castfile.CastFile]:
    document = parse_yaml(text, "cast.yaml")
    return document, document.model(castfile.CastFile)


def test_a_job_takes_cast_yaml_as_a_source_as_long_as_it_is_there(tmp_path: Path) -> None:
    film, dub = tmp_path / "film.mp4", tmp_path / "dub.wav"
    film.write_bytes(b"film")
    dub.write_bytes(b"dub")
    job = Job.create_or_open(film, dub, Settings())
    assert set(job.read_sources()) == {"film", "dub"}
    edits = job.root / "cast.yaml"
    edits.write_text("persons: {p01: {name: Anna}}", encoding="utf-8")
    first = job.read_sources()["cast"].sha256
    edits.write_text("persons: {p01: {name: Berta}}", encoding="utf-8")
    assert job.read_sources()["cast"].sha256 != first
    edits.write_text("persons: {p01: {name: [3]}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cast\.yaml:1:\d+: "):
        job.read_sources()
    edits.write_text(castfile.template([{"id": "p01", "name": "", "frames": 9, "faces": [["00000000", 0]]}]))
    (job.root / "shots.yaml").write_text(shotfile.template([0, 40]))
    (job.root / "cues.json").write_text('{"shots": [], "cues": []}')
    assert set(job.read_sources()) == {"film", "dub"}, "files that change nothing run nothing again"
    (job.root / "curves").mkdir()
    (job.root / "curves" / "120.0.csv").write_text("frame,aperture\n120,0.1\n")
    with pytest.raises(ConfigError, match=r"curves are called by their face, such as 00000120\.0\.csv"):
        job.read_sources()


def test_naming_a_person_fits_no_model_anew(tmp_path: Path) -> None:
    """The key of `learn` knows who is who, not what they are called."""

    def key(name: str, faces: tuple[artifact.Face, ...]) -> str:
        folder = tmp_path / f"{name}{len(faces)}"
        for stage in ("cast", "split", "probe"):
            (folder / stage).mkdir(parents=True)
        Cast(persons=(artifact.Person(id="p01", name=name, faces=faces),)).save(folder / "cast")
        Shots(shots=(Shot(name="00000000", start=0, stop=9, picture=""),)).save(folder / "split")
        view = JobView({"film": Source(folder / "film.mp4", "")}, Settings())
        view.artifacts = {
            stage: {"film": Artifact("", folder / stage, name if stage == "cast" else stage)}
            for stage in ("cast", "split", "probe")
        }
        return keys.digest(keys.preimage(learn.units(view)[0]))

    one, other = ("00000000", 0), ("00000000", 1)
    unnamed = key("", (one,))
    assert unnamed == key("Anna", (one,))
    assert unnamed != key("Anna", (one, other))


def test_a_long_film_is_grouped_across_batches_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_BATCH", 150)
    chance = np.random.default_rng(5)
    faces = chance.normal(size=(12, 64))
    who = chance.integers(0, 12, 900)
    tracks_ = [(faces[k] + 0.2 * chance.normal(size=(4, 64))).astype(np.float32) for k in who]
    # The same face twice in one picture, across the border of two reels: they are two people.
    who[149] = who[150] = 3
    tracks_[149] = tracks_[150] = tracks_[int(np.flatnonzero(who == 3)[0])]
    tracemalloc.start()
    groups = identity.cluster(tracks_, [10.0] * 900, {(149, 150)}, 0.25)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(k for group in groups for k in group) == list(range(900))
    assert all(len(set(who[group])) == 1 for group in groups)
    assert not any({149, 150} <= set(group) for group in groups)
    assert len(groups) == 13
    assert peak < 3e6, "no table of all pairs"
