"""Speaking styles: what they say of a speaker, and what they do to another's mouth."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import tracks
from dubcli.artifacts.base import Document
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.artifacts.mouth import MouthFacts, PersonFit
from dubcli.artifacts.shots import Frames, Shot, Shots
from dubcli.artifacts.speech import Record, save_features
from dubcli.artifacts.tracks import FaceTrack
from dubcli.core import keys
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.cueing import evidence
from dubcli.edits import castfile, cuefile, stylefile
from dubcli.errors import ConfigError
from dubcli.face import mesh
from dubcli.settings.config import Settings
from dubcli.speech import basis, model, prior, style
from dubcli.stages import learn
from dubcli.stages import motion as stage
from tests.unit.test_model_mouth import motion_of, speech

Array = NDArray[Any]
STEP = 0.04


def shapes(aperture: Array, width: Array, protrusion: Array) -> Array:
    """Mouths that open, widen and protrude by so much more than the canonical one, (T, P, 3)."""
    row = {point: k for k, point in enumerate(mesh.MOUTH)}
    out = np.repeat(mesh.head()[None, list(mesh.MOUTH)], len(aperture), axis=0).astype(np.float32)
    out[:, row[mesh.LOWER_LIP], 1] += aperture
    out[:, row[mesh.CORNER_LEFT], 0] -= width / 2
    out[:, row[mesh.CORNER_RIGHT], 0] += width / 2
    out[:, [row[mesh.UPPER_LIP], row[mesh.LOWER_LIP]], 2] -= protrusion[:, None]
    return out


def listener() -> prior.Prior:
    """The shipped prior, to which made-up speech is as loud and as lively as real speech."""
    shipped, audio = prior.load(prior.SHIPPED), speech(9, 60)
    estimate = shipped(shipped.project(audio).windows(np.arange(0, 60, STEP)))
    weight, mean = (
        shipped.linear.weight / estimate.std(0),
        (shipped.linear.mean - estimate.mean(0)) / estimate.std(0),
    )
    return prior.Prior(shipped.directions, prior.Linear(shipped.linear.centre, weight, mean))


KNOWN = listener()


def estimate_of_prior(audio: dict[str, Array], at: Array) -> Array:
    return KNOWN(KNOWN.project(audio).windows(at))[:, 0]


def estimate_of_visemes(audio: dict[str, Array], at: Array) -> Array:
    asked = motion_of(audio)[(at * 100).astype(int)]
    return np.asarray((asked - asked.mean()) / asked.std())


def speaker(
    seed: int, lively: float, seconds: float = 16, estimator: Callable[..., Array] = estimate_of_prior
) -> tuple[model.TrackSpan, dict[str, Array]]:
    """Mouths that open as far as estimated from their speech, times `lively`, and its features."""
    audio, at = speech(seed, seconds), np.arange(0, seconds, STEP)
    rng = np.random.default_rng(seed)
    estimate = estimator(audio, at)
    gap = np.maximum(0, 0.1 + lively * (0.05 * estimate + rng.normal(0, 0.01, len(at))))
    gap[::8] = 0  # closures
    width, protrusion = rng.normal(0, 0.01 * lively, (2, len(at)))
    return model.TrackSpan("a", at, shapes(gap, 0.02 + width, protrusion / 2)), audio


def measured(span: model.TrackSpan, audio: dict[str, Array], kept: Any) -> style.Style:
    part = model.TrackSpan("a", span.seconds[kept], span.shape[kept])
    own = [(part, np.ones(len(part.seconds), bool))]
    return style.observed(KNOWN, basis.person(mesh.head(), part.shape), own, audio, 0.0)


def made(aperture: tuple[float, float], width: float = 0.0) -> style.Style:
    other = style.Measure(middle=width, reach=0.02)
    return style.Style(
        aperture=style.Measure(middle=aperture[0], reach=aperture[1]),
        width=other,
        protrusion=style.Measure(middle=0.0, reach=0.02),
    )


def test_halves_of_a_clip_give_one_style_and_two_speakers_give_two() -> None:
    found = {}
    for lively in (0.5, 1.0):
        span, audio = speaker(1, lively, 48)
        half = len(span.seconds) // 2
        first, second = (measured(span, audio, part) for part in (slice(0, half), slice(half, None)))
        assert second.aperture.middle == pytest.approx(first.aperture.middle, abs=0.01)
        assert second.aperture.reach == pytest.approx(first.aperture.reach, rel=0.2)
        found[lively] = first
    assert found[1.0].aperture.reach / found[0.5].aperture.reach > 1.4
    assert found[1.0].width.reach / found[0.5].width.reach > 1.7


def test_a_middle_does_not_depend_on_the_words() -> None:
    span, audio = speaker(2, 1.0)
    gap = basis.aperture(span.shape)
    asked = KNOWN(KNOWN.project(audio).windows(span.seconds))[:, 0]
    wide, narrow = asked > np.median(asked), asked <= np.median(asked)
    own = [(span, wide)], [(span, narrow)]
    person = basis.person(mesh.head(), span.shape)
    open_, shut = (style.observed(KNOWN, person, o, audio, 0.0).aperture.middle for o in own)
    assert abs(open_ - shut) < 0.4 * abs(gap[wide].mean() - gap[narrow].mean())


@pytest.fixture(scope="module")
def actor() -> basis.Person:
    rng = np.random.default_rng(0)
    gap = np.abs(rng.normal(0.06, 0.03, 400))
    return basis.person(mesh.head(), shapes(gap, rng.normal(0, 0.02, 400), rng.normal(0, 0.01, 400)))


def test_a_transferred_style_moves_every_measure_to_its_own(actor: basis.Person) -> None:
    shape = actor.decode(actor.coefficients)
    above = basis.measures(shape) - basis.measures(actor.closed)
    own, lender = style.usual(actor), made((0.09, 0.045), width=0.03)
    estimate = style.transferred(actor, own, shape, [(lender, np.ones(len(shape), np.float32))])
    found = basis.measures(estimate) - basis.measures(actor.closed)
    for k, part in enumerate((lender.aperture, lender.width)):
        gain = np.clip(part.reach / above[:, k].std(), 0.5, 2)
        assert found[:, k].mean() == pytest.approx(part.middle, abs=0.004)
        assert found[:, k].std() == pytest.approx(gain * above[:, k].std(), rel=0.05)
    assert np.corrcoef(found[:, 0], above[:, 0])[0, 1] > 0.98, "what is said stays"


def test_a_style_acts_by_its_weight(actor: basis.Person) -> None:
    shape = actor.decode(actor.coefficients)
    own, lender = style.usual(actor), made((0.1, 0.03))
    share = np.linspace(0, 1, len(shape), dtype=np.float32)
    estimate = style.transferred(actor, own, shape, [(lender, share)])
    assert np.allclose(estimate[0], shape[0], atol=2e-4)
    assert np.allclose(style.transferred(actor, own, shape, [(own, share)]), shape, atol=1e-3), (
        "one's own is none"
    )
    full = style.transferred(actor, own, shape, [(lender, np.ones_like(share))])
    moved, all_ = (basis.aperture(x) - basis.aperture(shape) for x in (estimate, full))
    assert np.allclose(moved, share * all_, atol=1e-3)


def test_lips_do_not_go_through_each_other(actor: basis.Person) -> None:
    shape = actor.decode(actor.coefficients)
    estimate = style.transferred(
        actor, style.usual(actor), shape, [(made((0.0, 0.06)), np.ones(len(shape), np.float32))]
    )
    least = np.minimum(basis.aperture(shape), basis.aperture(actor.closed))
    assert (basis.aperture(estimate) > least - 1e-3).all()


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    file = stylefile.StyleFile(film="é.mp4", person="p01", seconds=3.2, **made((0.1, 0.03)).model_dump())
    path = tmp_path / "a.json"
    path.write_text(stylefile.dump(file), encoding="utf-8")
    assert stylefile.load(path) == file
    assert len(path.read_text(encoding="utf-8").splitlines()) == 8


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"reach": 0.03', '"reach": 0', r"a\.json:2:30: aperture\.reach: must be greater than 0"),
        ('"middle": 0.1', '"midle": 0.1', r"a\.json:2:15: unknown key .*; did you mean 'middle'"),
        ('"width"', '"with"', r"a\.json:3:2: unknown key 'with'; did you mean 'width'"),
        ("{", "[", r"a\.json:8:1: a comma or \] is missing"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_reported_with_their_place(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    path = tmp_path / "a.json"
    text = stylefile.dump(stylefile.StyleFile(**made((0.1, 0.03)).model_dump()))
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        stylefile.load(path)


def test_a_missing_style_is_reported_with_its_place(tmp_path: Path) -> None:
    cast, cues = tmp_path / "cast.yaml", tmp_path / "cues.csv"
    cast.write_text("persons:\n  p01: {style: own}\n  p02: {name: B, style: ancor}\n")
    cues.write_text("shot,track,kind,style,start,stop\n0,0,speak,anchor,1,5\n0,0,speak,ancor,5,9\n")
    for path, load, place in (
        (cast, castfile.load, r"cast\.yaml:3:18"),
        (cues, cuefile.load, r"cues\.csv:3:11"),
    ):
        document, file = load(path)
        stylefile.check(document, file.styles(), ["anchor", "ancor"])
        with pytest.raises(ConfigError, match=rf"{place}: there is no style 'ancor'; did you mean 'anchor'"):
            stylefile.check(document, file.styles(), ["anchor"])
        with pytest.raises(ConfigError, match="to make one: dubcli style lend"):
            stylefile.check(document, file.styles(), [])


def motion_units(folder: Path, styles: dict[str, str], cast: str = "", cue: str = "") -> dict[str, str]:
    """Keys of `motion` of two shots of one person; the second cue has a style of its own."""
    shots = [Shot(name=f"{k:08d}", start=k, stop=k + 50, picture="") for k in (0, 50)]
    cues = [
        Cue(
            shot=shot.name, track=0, person="p01", kind="speak", confidence=1.0,
            start=shot.start, stop=shot.stop, style=cue if cue and shot.start else None,
        )
        for shot in shots
    ]  # fmt: skip
    view = JobView({}, Settings())
    upstream: dict[str, Document | None] = {
        "cue": Cues(cues=tuple(cues)),
        "cast": Cast(persons=(Person(id="p01", style=cast or None),)),
        "split": Shots(shots=tuple(shots)),
        "learn": None,
        "probe": None,
    }
    for name, document in upstream.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        if document:
            document.save(folder / name)
        view.artifacts[name] = {"film": Artifact("", folder / name, name)}
    view.artifacts["align"] = {"dub": Artifact("", folder, "dub")}
    view.artifacts["track"] = {shot.name: Artifact("", folder, shot.name) for shot in shots}
    for name, text in styles.items():
        path = folder / f"{name}.json"
        path.write_text(text)
        view.sources = {**view.sources, f"style:{name}": Source(path, text)}
    return {unit.name: keys.digest(keys.preimage(unit)) for unit in stage.units(view)}


def test_a_style_is_part_of_the_keys_of_those_faces_only_that_have_it(tmp_path: Path) -> None:
    one, other = (
        stylefile.dump(stylefile.StyleFile(film="a.mp4", **made((0.1, r)).model_dump())) for r in (0.03, 0.04)
    )
    renamed = one.replace("a.mp4", "b.mp4")
    first, second = "00000000.0", "00000050.0"
    none = motion_units(tmp_path, {})
    assert motion_units(tmp_path, {"x": one}) == none, "a style that nobody has changes nothing"
    line = motion_units(tmp_path, {"x": one}, cue="x")
    assert (line[first] == none[first], line[second] == none[second]) == (True, False)
    assert motion_units(tmp_path / "elsewhere", {"y": renamed}, cue="y") == line, "neither does its name"
    edited = motion_units(tmp_path, {"x": other}, cue="x")
    assert (edited[first] == line[first], edited[second] == line[second]) == (True, False)
    whole = motion_units(tmp_path, {"x": one}, cast="x")
    assert whole[first] != none[first]
    assert whole[second] == line[second], "a person's style is that of all their lines"
    assert motion_units(tmp_path, {"x": one}, cast="x", cue="own")[second] == none[second], "a line's wins"


def test_a_word_may_have_its_own_style_without_a_step(tmp_path: Path, actor: basis.Person) -> None:
    learnt = PersonFit(style=style.usual(actor).model_dump())
    MouthFacts(kind="film", why="", lag=0.0, people={"p01": learnt}).save(tmp_path)
    frames = np.arange(100, 160, dtype=np.int32)
    shape = np.repeat(actor.decode(actor.coefficients[:1]), len(frames), axis=0)
    wide = made((0.24, 0.03)).model_dump()
    cues = [
        {"start": 100, "stop": 120, "amplitude": 1.0},
        {"start": 120, "stop": 126, "amplitude": 0.7, "style": wide},  # a word of a quarter of a second
        {"start": 126, "stop": 140, "amplitude": 1.0},
        {"start": 140, "stop": 150, "amplitude": 1.0, "style": wide},
        {"start": 150, "stop": 160, "amplitude": 1.0, "style": wide},
    ]
    task = Task("", {"model": tmp_path}, {}, {"cues": cues}, "", tmp_path)
    gap = basis.aperture(stage._styled(task, "p01", actor, frames, shape)) - basis.aperture(shape)
    assert gap[[5, 33]] == pytest.approx(0, abs=1e-3)
    assert (gap[[22, 23, 45, 50, 55]] > 0.9 * gap[45]).all()
    assert gap[45] > 0.03
    assert np.ptp(gap[43:]) < 1e-3, "cues of one style that touch are one"
    assert np.abs(np.diff(gap)).max() < 0.5 * gap[45]


def test_of_two_people_the_one_who_talks_has_a_style(tmp_path: Path) -> None:
    """Both are seen while there is speech; of a long film, an even part of their tracks is looked at."""
    span, audio = speaker(3, 1.0, seconds=24, estimator=estimate_of_visemes)
    count = len(span.seconds)
    still = np.repeat(span.shape[:1], count, axis=0)
    inputs = {name: tmp_path / name for name in ("speech/film", "picture")}
    for folder in inputs.values():
        folder.mkdir(parents=True)
    save_features(inputs["speech/film"], audio.items())
    Record(engine="phones", seconds=24).save(inputs["speech/film"])
    Frames(np.arange(count), np.zeros((count, 16), np.uint8), Fraction(1, 25)).save(inputs["picture"])
    faces: dict[str, list[learn._Face]] = {"talks": [], "listens": []}
    for k in range(0, count, 150):
        folder = tmp_path / f"{k:08d}"
        folder.mkdir()
        tracks.save(folder, [track(span.shape[k : k + 150], k), track(still[k : k + 150], k)], folder.name)
        for number, own in enumerate(faces.values()):
            own.append(learn._Face(folder.name, number, folder))
    people = {
        name: basis.person(mesh.head(), shape) for name, shape in (("talks", span.shape), ("listens", still))
    }
    learnt = model.unadapted(KNOWN)
    task = Task("", inputs, {"least_speech": 2.0}, {}, "", tmp_path)
    found = learn._styles(task, audio, faces, people, learnt)
    assert set(found) == {"talks"}
    assert 15 < found["talks"]["talks"] <= 24
    whole = style.Style.model_validate(found["talks"]["style"])
    judged = patch.object(evidence, "estimate", wraps=evidence.estimate)
    with patch.object(model, "TRAINING_FRAMES", count // 2), judged as calls:
        part = learn._styles(task, audio, faces, people, learnt)["talks"]
    assert calls.call_count == 2, "of four shots"
    assert part["talks"] == pytest.approx(found["talks"]["talks"], rel=0.3)
    assert part["style"]["aperture"]["reach"] == pytest.approx(whole.aperture.reach, rel=0.3)
    assert part["style"] != found["talks"]["style"]


def track(shape: Array, first: int) -> FaceTrack:
    """A face in the middle of the picture with these canonical mouths."""
    points = np.repeat(mesh.head()[None], len(shape), axis=0).astype(np.float32)
    points[:, list(mesh.MOUTH)] = shape
    ones = np.ones(len(shape), np.float32)
    return FaceTrack(
        frames=np.arange(first, first + len(shape), dtype=np.int32),
        mesh=points * 80 + np.array([160, 120, 0], np.float32),
        pose=np.zeros((len(shape), 3), np.float32),
        size=80 * ones,
        sharp=ones,
        occlusion=0 * ones,
        reason=np.zeros(len(shape), np.uint8),
        thumbs=np.zeros((0, 96, 96, 3), np.uint8),
        descriptor=np.zeros((0, 8), np.float32),
    )
