"""`learn`: the mouth model of a film's people, and the footage that shows them again."""

from __future__ import annotations

from collections.abc import Mapping
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
    from dubcli.speech.model import MouthModel, Stretch

STAGE = Stage("learn", 8, after=("cast", "align"))

_PRIOR = Path(__file__).parents[1] / "speech" / "prior.safetensors"


def units(job: JobView) -> list[Unit]:
    """One unit for the film."""
    shots, split = job.all("track"), job.one("split")
    inputs = {f"tracks/{shot}": artifact.content for shot, artifact in shots.items()}
    paths = {f"tracks/{shot}": artifact.path for shot, artifact in shots.items()}
    cast = Cast.load(job.one("cast").path)
    # Names, notes and sheets change no mouth: only who is who counts.
    who = keys.digest([[person.id, person.faces] for person in cast.persons])
    inputs |= {"cast": who, "picture": split.content}
    paths |= {"cast": job.one("cast").path, "picture": split.path}
    paths |= {"film": job.sources["film"].path, "probe": job.one("probe").path}
    heard = job.artifacts.get("align", {}).get("film")
    if heard:
        inputs["speech/film"], paths["speech/film"] = heard.content, heard.path
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
    """Write the mouth model, everybody's mouth shapes, and a `gallery-<id>.npz` for each person."""
    from dubcli.artifacts import mouth
    from dubcli.artifacts import speech as sound
    from dubcli.speech import basis, model, prior, style

    shots = _shots(task)
    faces = _faces(task, shots)
    people = {name: _person(own) for name, own in faces.items()}
    styles: dict[str, dict[str, Any]] = {}
    kind: mouth.Kind = "prior"
    why = "the film has no sound to learn from"
    facts: dict[str, dict[str, float]] = {}
    learnt = model.unlearnt(prior.load(task.inputs["prior"]))
    source = task.params["source"]
    if source != "film":
        kind, why = source, "the settings ask for it"
        learnt = model.unlearnt(learnt.prior, ruled=source == "rules")
    elif "speech/film" in task.inputs:
        features = sound.features(task.inputs["speech/film"])
        stretches = _stretches(task, faces, people)
        learnt, facts = model.fit(learnt.prior, people, stretches, features, task.params["least_speech"])
        kind, why = ("film", "learnt from the film's own speech") if facts else ("prior", _why(features))
        styles = _styles(task, shots, {name: faces[name] for name in facts}, people, learnt)
    for name in set(people) - set(styles):
        styles[name] = {"style": style.usual(people[name]).model_dump()}
    mouth.save_weights(task.out, learnt.members())
    mouth.save_persons(task.out, basis.save(people))
    told = {name: mouth.Learnt.model_validate({**facts.get(name, {}), **styles[name]}) for name in people}
    mouth.MouthFacts(kind=kind, why=why, lag=round(learnt.lag, 3), people=told).save(task.out)
    _galleries(task, faces, people)


def check(task: Task) -> None:
    """Every person has shapes, weights are finite, and a gallery is there for each.

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
        if not (task.out / f"gallery-{name}.npz").is_file():
            raise CheckError(f"the footage of {name} is missing; run it again")


def _shots(task: Task) -> dict[str, list[FaceTrack]]:
    """Tracks of each shot."""
    from dubcli.artifacts import tracks

    shots = {role[7:]: path for role, path in task.inputs.items() if role.startswith("tracks/")}
    return {shot: tracks.load(path) for shot, path in sorted(shots.items())}


def _faces(task: Task, shots: Mapping[str, list[FaceTrack]]) -> dict[str, list[FaceTrack]]:
    """Tracks of each person of the cast."""
    persons = Cast.load(task.inputs["cast"]).persons
    return {person.id: [shots[shot][track] for shot, track in person.faces] for person in persons}


def _person(own: list[FaceTrack]) -> Person:
    import numpy as np

    from dubcli.face import pose
    from dubcli.speech import basis

    head = np.asarray(pose.mean_head([t.mesh for t in own]), np.float32)
    shapes = [_shape(t, head)[t.eligible] for t in own]
    return basis.person(head, np.concatenate(shapes))


def _shape(track: FaceTrack, head: Any) -> Any:
    """Canonical mouths of a track, (T, P, 3)."""
    from dubcli.face import mesh, pose

    fitted = pose.canonical_transform(track.mesh, head)
    return pose.to_canonical(track.mesh, fitted)[:, list(mesh.MOUTH)]


def _stretches(
    task: Task, faces: Mapping[str, list[FaceTrack]], people: Mapping[str, Person]
) -> list[Stretch]:
    """Runs of consecutive eligible frames with their times in the film's own sound."""
    from dubcli.artifacts import speech
    from dubcli.artifacts.shots import Frames
    from dubcli.face.gallery import stretches
    from dubcli.speech.model import Stretch

    seconds = Frames.load(task.inputs["picture"]).seconds
    offset = speech.Record.load(task.inputs["speech/film"]).offset
    out = []
    for name, own in faces.items():
        for track in own:
            shape = _shape(track, people[name].head)
            for a, b in stretches(track.eligible):
                out.append(Stretch(name, seconds[track.frames[a:b]] - offset, shape[a:b]))
    return out


def _styles(
    task: Task,
    shots: Mapping[str, list[FaceTrack]],
    faces: Mapping[str, list[FaceTrack]],
    people: Mapping[str, Person],
    learnt: MouthModel,
) -> dict[str, dict[str, Any]]:
    """Styles of those of some people who talk enough, and the seconds for which they do.

    Of a long film an even part of a person's tracks is looked at, and who talks in their shots.
    """
    import numpy as np

    from dubcli.artifacts import speech
    from dubcli.artifacts.shots import Frames
    from dubcli.cueing import speaker
    from dubcli.face.gallery import stretches
    from dubcli.speech import basis, model, style

    features = speech.features(task.inputs["speech/film"])
    offset = speech.Record.load(task.inputs["speech/film"]).offset
    seconds = Frames.load(task.inputs["picture"]).seconds
    place = {id(track): (shot, k) for shot, tracks in shots.items() for k, track in enumerate(tracks)}
    told: dict[str, list[speaker.Evidence]] = {}
    found = {}
    for name, own in faces.items():
        frames = sum(len(track.frames) for track in own)
        some = [own[k] for k in basis.spread(len(own), max(1, len(own) * model.LESSON // frames))]
        talks = []
        for track in some:
            shot, k = place[id(track)]
            if shot not in told:
                told[shot] = speaker.evidence(shots[shot], seconds, speaker.Sound(features, offset))
            talks += [told[shot][k].talks[a:b] > 0.5 for a, b in stretches(track.eligible)]
        seen = list(zip(_stretches(task, {name: some}, people), talks, strict=True))
        part = sum(float(np.gradient(stretch.seconds)[spoken].sum()) for stretch, spoken in seen)
        whole = part * frames / sum(len(track.frames) for track in some)
        if part >= task.params["least_speech"]:
            lent = style.observed(learnt.prior, people[name], seen, features, learnt.lag)
            found[name] = {"talks": round(whole, 2), "style": lent.model_dump()}
    return found


def _why(features: Mapping[str, Any]) -> str:
    if not (features["speech"] > 0.5).any():
        return "there is no speech in the film's sound"
    return "no one is seen speaking long enough to learn from"


def _galleries(task: Task, faces: Mapping[str, list[FaceTrack]], people: Mapping[str, Person]) -> None:
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames
    from dubcli.face import gallery

    video, frames = MediaInfo.load(task.inputs["probe"]).film, Frames.load(task.inputs["picture"])
    cap = task.params["gallery_mb"] * 1_000_000
    for done, (name, own) in enumerate(sorted(faces.items()), 1):
        built = gallery.build(
            task.inputs["film"], video, frames.pts, frames.digest, own, cap, people[name].head
        )
        gallery.save(task.out / f"gallery-{name}.npz", built)
        task.report(done, len(faces))
