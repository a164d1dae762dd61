"""`learn`: the mouth model of a film's people, the prior adapted to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.shots import Shots
from dubcli.core import keys
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.core.store import sha256
from dubcli.errors import CheckError, ConfigError

if TYPE_CHECKING:
    from dubcli.artifacts.tracks import FaceTrack
    from dubcli.speech.basis import Person
    from dubcli.speech.model import MouthModel, TrackSpan

STAGE = Stage("learn", 13, after=("cast", "align"))

_SHAPES = 40_000  # frames that a person's space of shapes is fitted to: half an hour of one face; set by hand
_STYLE_TRACKS = 64  # tracks that a style is estimated from: twice the chunks of a training set; set by hand
_KEPT = 256  # tracks that stay open, mapped from disk: more than a person has in most films; set by hand
_PRIOR = Path(__file__).parents[1] / "speech" / "prior.safetensors"


def units(job: JobView) -> list[Unit]:
    """One unit for the film."""
    shots, split = job.all("track"), job.one("split")
    inputs = {f"tracks/{shot}": artifact.content for shot, artifact in shots.items()}
    paths = {f"tracks/{shot}": artifact.path for shot, artifact in shots.items()}
    cast = Cast.load(job.one("cast").path)
    # Names, notes and sheets change no mouth: only identities count.
    who = keys.digest([[person.id, person.faces] for person in cast.persons])
    inputs |= {"cast": who, "picture": split.content}
    paths |= {"cast": job.one("cast").path, "picture": split.path}
    film_speech = job.artifacts.get("align", {}).get("film")
    if film_speech:
        inputs["speech/film"], paths["speech/film"] = film_speech.content, film_speech.path
    settings = job.settings.learn
    paths["prior"] = Path(settings.prior) if settings.prior else _PRIOR
    if not paths["prior"].is_file():
        raise ConfigError(
            f"learn.prior: {settings.prior} is not there; name a prior.safetensors or leave it out"
        )
    inputs["prior"] = sha256(paths["prior"])
    params = settings.model_dump(exclude={"prior"})
    frames = Shots.load(split.path).count
    return [Unit(STAGE, "film", inputs=inputs, paths=paths, params=params, cost=frames)]


def run(task: Task) -> None:
    """Write the mouth model, and everybody's mouth shapes."""
    from dubcli.artifacts import mouth
    from dubcli.artifacts import speech as sound
    from dubcli.speech import basis, model, prior, style

    faces, footage = _faces(task), _footage(task)
    people = {}
    for done, (name, own) in enumerate(faces.items()):
        people[name] = _person(own, footage[name])
        task.report(done, 2 * len(faces))
    styles: dict[str, dict[str, Any]] = {}
    kind: mouth.Kind = "prior"
    why = "the film has no sound to learn from"
    facts: dict[str, dict[str, float]] = {}
    mouth_model = model.unadapted(prior.load(task.inputs["prior"]))
    source = task.params["source"]
    if source != "film":
        kind, why = source, "the settings ask for it"
        mouth_model = model.unadapted(mouth_model.prior, ruled=source == "rules")
    elif "speech/film" in task.inputs:
        features = sound.features(task.inputs["speech/film"])
        track_spans = _track_spans(task, faces, people)
        mouth_model, facts = model.fit(
            mouth_model.prior, people, track_spans, features, task.params["least_speech"]
        )
        kind, why = ("film", "learnt from the film's own speech") if facts else ("prior", _why(features))
        styles = _styles(task, features, {name: faces[name] for name in facts}, people, mouth_model)
    for name in set(people) - set(styles):
        styles[name] = {"style": style.usual(people[name]).model_dump()}
    mouth.save_weights(task.out, mouth_model.members())
    mouth.save_persons(task.out, basis.save(people))
    fits = {name: mouth.PersonFit.model_validate({**facts.get(name, {}), **styles[name]}) for name in people}
    mouth.MouthFacts(kind=kind, why=why, lag=round(mouth_model.lag, 3), people=fits).save(task.out)
    _loaded.cache_clear()  # a worker lives longer than its unit


def check(task: Task) -> None:
    """Every person has shapes, and weights are finite.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.artifacts import mouth

    if not all(np.isfinite(rows).all() for rows in mouth.weights(task.out).values()):
        raise CheckError("the mouth model holds values that are no numbers; run it again")
    box = mouth.persons(task.out)
    for name in mouth.MouthFacts.load(task.out).people:
        if not np.isfinite(box[f"{name}/basis"]).all() or not np.isfinite(box[f"{name}/mean"]).all():
            raise CheckError(f"the mouth shapes of {name} are no numbers; run it again")


@dataclass(frozen=True)
class _Face:
    """A track on disk, loaded when it is called: those of a film are gigabytes.

    Attributes:
        shot: the shot it is in.
        number: which of the shot's tracks it is.
        path: the artifact of the shot's tracks.
    """

    shot: str
    number: int
    path: Path

    def __call__(self) -> FaceTrack:
        return _loaded(self)


@lru_cache(maxsize=_KEPT)
def _loaded(face: _Face) -> FaceTrack:
    """The track of a face: a person's are asked for several times, one after the other."""
    from dubcli.artifacts import tracks

    return tracks.load_one(face.path, face.shot, face.number)


@dataclass(frozen=True)
class _Mouths:
    """Canonical mouths (T, P, 3) of frames [start, stop) of a track, computed slice by slice."""

    face: _Face
    head: Any
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> Any:
        a, b, _ = rows.indices(len(self))
        return _shape(self.face().mesh[self.start + a : self.start + b], self.head)


def _faces(task: Task) -> dict[str, list[_Face]]:
    """Tracks of each person of the cast, in the order of the film."""
    cast = Cast.load(task.inputs["cast"])
    return {person.id: [_face(task, *face) for face in person.faces] for person in cast.persons}


def _footage(task: Task) -> dict[str, list[_Face]]:
    """The same as `gallery` takes them for its heads."""
    cast, shots = Cast.load(task.inputs["cast"]), Shots.load(task.inputs["picture"]).named()
    return {person.id: [_face(task, *face) for face in person.footage(shots)] for person in cast.persons}


def _face(task: Task, shot: str, track: int) -> _Face:
    return _Face(shot, track, task.inputs[f"tracks/{shot}"])


def _person(own: Sequence[_Face], footage: Sequence[_Face]) -> Person:
    """A person's space of mouth shapes, from an even part of their eligible frames."""
    import numpy as np

    from dubcli.face.gallery import canonical_head
    from dubcli.speech import basis

    head = canonical_head(footage)
    eligible = [np.flatnonzero(face().eligible) for face in own]
    owner = np.repeat(np.arange(len(own)), [len(rows) for rows in eligible])
    rows = np.concatenate(eligible)
    some = basis.spread(len(rows), _SHAPES) if len(rows) else np.zeros(0, np.int64)
    owner, rows = owner[some], rows[some]
    shapes = [_shape(own[k]().mesh[rows[owner == k]], head) for k in np.unique(owner)]
    empty = np.zeros((0, basis.POINTS, 3), np.float32)
    return basis.person(head, np.concatenate([empty, *shapes]))


def _shape(mesh: Any, head: Any) -> Any:
    """Canonical mouths (T, P, 3) of meshes (T, 478, 3)."""
    from dubcli.face import mesh as regions
    from dubcli.face import pose

    fitted = pose.canonical_transform(mesh, head)
    return pose.to_canonical(mesh[:, list(regions.MOUTH)], fitted)


def _track_spans(
    task: Task, faces: Mapping[str, Sequence[_Face]], people: Mapping[str, Person]
) -> list[TrackSpan]:
    """Runs of consecutive eligible frames with their times in the film's own sound."""
    from dubcli.artifacts import speech
    from dubcli.artifacts.shots import Frames
    from dubcli.face.gallery import runs
    from dubcli.speech.model import TrackSpan

    seconds = Frames.load(task.inputs["picture"]).seconds
    offset = speech.offset(task.inputs["speech/film"])
    out = []
    for name, own in faces.items():
        for face in own:
            track = face()
            for a, b in runs(track.eligible):
                shape = _Mouths(face, people[name].head, a, b)
                out.append(TrackSpan(name, seconds[track.frames[a:b]] - offset, shape))
    return out


def _styles(
    task: Task,
    features: Mapping[str, Any],
    faces: Mapping[str, Sequence[_Face]],
    people: Mapping[str, Person],
    mouth_model: MouthModel,
) -> dict[str, dict[str, Any]]:
    """Styles of the people with enough speech, and its seconds.

    Of a long film an even part of a person's tracks is read, with the active speaker in their shots.
    """
    import numpy as np

    from dubcli.artifacts import speech, tracks
    from dubcli.artifacts.shots import Frames
    from dubcli.cueing import evidence
    from dubcli.face.gallery import runs
    from dubcli.speech import basis, model, style

    offset = speech.offset(task.inputs["speech/film"])
    seconds = Frames.load(task.inputs["picture"]).seconds
    audio = evidence.FilmAudio(features, offset)
    by_shot: dict[str, list[evidence.Evidence]] = {}
    found = {}
    for done, (name, own) in enumerate(faces.items()):
        lengths = [len(face().frames) for face in own]
        frames = sum(lengths)
        most = min(_STYLE_TRACKS, len(own) * model.TRAINING_FRAMES // frames)
        chosen = basis.spread(len(own), max(1, most))
        some = [own[k] for k in chosen]
        talks = []
        for face in some:
            if face.shot not in by_shot:
                own_tracks = tracks.load(face.path, face.shot, pictures=False)
                by_shot[face.shot] = evidence.estimate(own_tracks, seconds, audio)
            eligible = face().eligible
            talks += [by_shot[face.shot][face.number].talking[a:b] > 0.5 for a, b in runs(eligible)]
        seen = list(zip(_track_spans(task, {name: some}, people), talks, strict=True))
        part = sum(float(np.gradient(span.seconds)[spoken].sum()) for span, spoken in seen)
        whole = part * frames / sum(lengths[k] for k in chosen)
        if part >= task.params["least_speech"]:
            observed = style.observed(mouth_model.prior, people[name], seen, features, mouth_model.lag)
            found[name] = {"talks": round(whole, 2), "style": observed.model_dump()}
        task.report(len(faces) + done, 2 * len(faces))
    return found


def _why(features: Mapping[str, Any]) -> str:
    if not (features["speech"] > 0.5).any():
        return "there is no speech in the film's sound"
    return "no one is seen speaking long enough to learn from"
