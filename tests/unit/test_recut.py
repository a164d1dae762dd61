"""What does not depend on where in a film a shot is, and which shots of a recut film are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts, Placement
from dubcli.artifacts.shots import Shot
from dubcli.core import recut, takelist, takes
from dubcli.core.model import Artifact, Source
from dubcli.core.store import Store
from tests.unit.places import footage


def motion(first: int) -> Motion:
    one = np.linspace(0, 1, 9, dtype=np.float32)
    return Motion(np.arange(first, first + 9, dtype=np.int32), np.zeros((9, 4, 3), np.float32), one, one, one)


def placement(first: int) -> Placement:
    return Placement(
        np.arange(first, first + 9, dtype=np.int32), np.zeros((9, 2), np.int32), np.ones(9, np.float32)
    )


@pytest.mark.parametrize("make", [motion, placement])
def test_a_shot_that_moves_leaves_the_same_bytes_and_finds_its_frames_again(
    make: Callable[[int], Any], tmp_path: Path
) -> None:
    files = []
    for shot in (100, 2_000_000):
        folder, name = tmp_path / str(shot), f"{shot:08d}"
        folder.mkdir()
        made = make(shot + 3)
        made.save(folder, name)
        np.testing.assert_array_equal(type(made).load(folder, name).frames, made.frames)
        files.append(next(folder.iterdir()).read_bytes())
    assert files[0] == files[1]


def test_changed_frames_are_told_where_the_shot_is_now() -> None:
    facts = PatchFacts(engine="made", frames=9, changed=5, in_shot=((0, 3), (7, 9)), given_back=0)
    assert facts.spans("00000100") == [(100, 103), (107, 109)]


def test_footage_knows_a_frame_by_its_shots_pictures() -> None:
    own = footage(12, 0)
    here, there = (Shot(name=f"{k:08d}", start=k, stop=k + 50, picture="picture") for k in (0, 700))
    other = there.model_copy(update={"picture": "another"})
    frames = np.array([3, 4], np.int32)
    assert np.isin(own.numbers(here, frames), own.frames).all()
    assert np.isin(own.numbers(there, frames + 700), own.frames).all()
    assert not np.isin(own.numbers(other, frames + 700), own.frames).any()


@pytest.mark.parametrize(("version", "whole"), [(10, False), (11, True), (99, True)])
def test_a_take_whose_frames_count_from_the_films_first_one_is_not_shown(
    version: int, whole: bool, tmp_path: Path
) -> None:
    """It would be shown in the wrong frames."""
    store = Store(tmp_path / "store")
    made = store.workspace()
    (made / "lips.json").write_text("{}")
    artifact = store.put({"stage": "lips", "version": version}, made, {})
    job = cast(Any, SimpleNamespace(store=store))
    assert takes.is_whole(job, {"lips/00000000.0": artifact.key}) == whole
    assert not takes.is_whole(job, {"lips/00000000.0": "0" * 64})
    assert takes.is_whole(job, {})


@pytest.mark.parametrize(
    ("state", "now", "told"),
    [("approved", "another", True), ("approved", "first", False), ("open", "another", False)],
)
def test_an_approved_take_of_a_dub_that_is_another_now_is_known(
    state: str, now: str, told: bool, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")

    def put(stage: str, inputs: dict[str, str]) -> Artifact:
        made = store.workspace()
        (made / "a.json").write_text(stage)
        return store.put({"stage": stage, "version": 11, "inputs": inputs}, made, {})

    speech = put("align", {"audio": "first"})
    mouth = put("motion", {"speech/dub": speech.content})
    (tmp_path / "takes.tsv").write_text(takelist.line("00000120", {"motion/00000120.0": mouth.key}))
    (tmp_path / "decisions.yaml").write_text(f'shots:\n  "00000120": {{state: {state}, take: 1}}\n')
    job = cast(
        Any,
        SimpleNamespace(
            root=tmp_path, store=store, past_refs=lambda: iter([("align/dub", speech.key)]),
            sources={"dub": Source(tmp_path / "dub.wav", now)},
        ),
    )  # fmt: skip
    assert takes.of_other_dubs(job) == ["00000120"] * told


RATE = 1001 / 24000  # seconds a frame


def heard(at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Log-mel (F, 80) that changes as speech does, at times (F,)."""
    chance = np.random.default_rng(3)
    speeds, phases = chance.uniform(1, 8, 80), chance.uniform(0, 6, 80)
    return np.asarray(np.sin(2 * np.pi * at[:, None] * speeds + phases), np.float32)


def film(
    start: int, sound_later: float = 0.0, offset: float = 0.0, gap: tuple[int, int] = (0, 0)
) -> recut._Cut:
    """A film with one shot of 72 frames that begins at `start`, under it what a shot from 0 s on has."""
    rows = np.arange(1200)
    logmel = heard((rows + 0.5) / 100 + offset - start * RATE - sound_later)
    logmel[slice(*gap)] = -4
    shot = Shot(name=f"{start:08d}", start=start, stop=start + 72, picture="picture")
    return recut._Cut({shot.name: shot}, np.arange(200) * RATE, logmel, offset)


def same(one: recut._Cut, other: recut._Cut) -> bool:
    (own,), (its,) = one.shots.values(), other.shots.values()
    return one.sounds_as(own, other, its)


@pytest.mark.parametrize("start", [0, 5, 32, 101])
def test_the_same_words_are_found_between_rows_of_the_sound(start: int) -> None:
    assert same(film(0), film(start))
    assert same(film(start), film(0, offset=-0.3))


def test_a_louder_and_brighter_film_around_them_does_not_matter() -> None:
    one, other = film(0), film(32)
    other.logmel[:] += np.linspace(-0.3, 0.5, 80)
    assert same(one, other)


def test_words_that_come_later_or_are_others_are_not_the_same() -> None:
    assert not same(film(0), film(32, sound_later=0.04))
    assert not same(film(0), film(0, gap=(120, 140)))
    assert same(film(0, gap=(0, 1200)), film(101, gap=(0, 1200)))


def test_a_dub_that_ends_before_the_shot_is_silent_there() -> None:
    whole, short = film(0, gap=(100, 1200)), film(0)
    cut = recut._Cut(short.shots, short.seconds, short.logmel[:100], 0.0)
    assert same(whole, cut)
    assert not same(short, cut)


def test_decisions_on_shots_that_are_not_in_the_new_cut_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stayed behind without a word, where a copy only said its range of levels as well."""
    (tmp_path / "decisions.yaml").write_text('shots: {"00000075": {state: approved, take: 1, stop: 125}}\n')
    then, now = (SimpleNamespace(root=tmp_path / name) for name in ("", "now"))
    cuts = {
        then.root: SimpleNamespace(
            shots={"00000075": Shot(name="00000075", start=75, stop=125, picture="a")}
        ),
        now.root: SimpleNamespace(shots={"00000000": Shot(name="00000000", start=0, stop=50, picture="b")}),
    }
    monkeypatch.setattr(recut, "check", lambda job, before: None)
    monkeypatch.setattr("dubcli.core.runner.run", lambda *given, **more: None)
    monkeypatch.setattr("dubcli.core.plan.view", lambda job: SimpleNamespace(pins={}))
    monkeypatch.setattr(recut._Cut, "of", lambda job: cuts[job.root])
    found = recut.carry(cast(Any, now), cast(Any, then), cast(Any, None))
    assert found == recut.Carried((), (), (), ("00000075",))
