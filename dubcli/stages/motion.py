"""`motion`: the target mouth shapes of one face in one shot, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.cues import Cues
from dubcli.artifacts.shots import Shots
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.edits import stylefile
from dubcli.errors import CheckError
from dubcli.speech import style

if TYPE_CHECKING:
    from pathlib import Path

    from dubcli.speech.basis import Person
    from dubcli.speech.model import MouthModel

STAGE = Stage("motion", 11, after=("cue", "learn"))


def units(job: JobView) -> list[Unit]:
    """One unit per face that has a cue, named `shot.track`."""
    found = Cues.load(job.one("cue").path)
    persons = {person.id: person for person in Cast.load(job.one("cast").path).persons}
    shots = Shots.load(job.one("split").path).named()
    rows: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for cue in sorted(found.cues, key=lambda cue: (cue.shot, cue.track, cue.start)):
        row = cue.model_dump(include={"person", "start", "stop", "kind"})
        person = persons[cue.person]
        row["amplitude"] = round(cue.amplitude * person.amplitude, 4)
        chosen = cue.style or person.style or stylefile.OWN
        if chosen != stylefile.OWN:
            # Its numbers, not its name, so that a shot runs again where they change.
            row["style"] = stylefile.load(job.sources[f"style:{chosen}"].path).style.model_dump()
        rows.setdefault((cue.shot, cue.track), []).append(row)
    out = []
    for (shot, track), own in rows.items():
        settings = job.settings_of(shot).motion
        params = settings.model_dump(exclude=set() if settings.keep_matching else {"matching"})
        film_speech = job.artifacts.get("align", {}).get("film") if settings.keep_matching else None
        used = {
            "track": job.one("track", shot),
            "speech/dub": job.one("align", found.stems.get(own[0]["person"], "dub")),
            "model": job.one("learn"),
            "picture": job.one("split"),
        }
        used |= {"speech/film": film_speech} if film_speech else {}
        curves = job.sources.get(f"curves:{shot}.{track}")
        edits = {"curves": curves} if curves else {}
        out.append(
            Unit(
                STAGE,
                f"{shot}.{track}",
                inputs={role: artifact.content for role, artifact in used.items()}
                | {role: source.sha256 for role, source in edits.items()},
                paths={role: artifact.path for role, artifact in used.items()}
                | {role: source.path for role, source in edits.items()},
                params=params,
                facts={"track": track, "shot": [shots[shot].start, shots[shot].stop], "cues": own},
                cost=sum(row["stop"] - row["start"] for row in own),
            )
        )
    return out


def run(task: Task) -> None:
    """Write the motion of one face."""
    import numpy as np

    from dubcli.artifacts import motion, mouth, tracks
    from dubcli.artifacts.shots import Frames
    from dubcli.face import pose
    from dubcli.face.mesh import MOUTH
    from dubcli.speech import basis, matching, model
    from dubcli.speech import motion as curves

    track = tracks.load_one(task.inputs["track"], task.shot, task.facts["track"])
    seconds = Frames.load(task.inputs["picture"]).seconds[track.frames]
    features, at = _features_at(task.inputs["speech/dub"], seconds)
    name = task.facts["cues"][0]["person"]
    person = basis.load(mouth.persons(task.inputs["model"]), name)
    fitted = pose.canonical_transform(track.mesh, person.head)
    own = pose.to_canonical(track.mesh, fitted)[:, list(MOUTH)]

    mouth_model = model.load(mouth.weights(task.inputs["model"], name))
    at = mouth_model.times(features, at)
    speaking, still = _kinds(track.frames, task.facts["cues"])
    predicted, together = mouth_model.predict(name, person, features, at)
    predicted = _styled(task, name, person, track.frames, predicted)
    rest = curves.resting(still, speaking, features, at)
    gain = task.params["amplitude"] * curves.gains(track.frames, task.facts["cues"])
    target, closed = curves.speak(person, predicted, together, features, at, rest, gain)
    first, last = task.facts["shot"]
    change = (speaking | still) & track.eligible
    if task.params["keep_matching"]:
        film_shape = _film_prediction(task, mouth_model, name, person, seconds)
        step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.04
        change &= ~matching.matches(target, own, film_shape, step, task.params["matching"])
    picture, morph = curves.ramps(
        change, task.params["ramp"], bool(track.frames[0] == first), bool(track.frames[-1] == last - 1)
    )
    shape = own + morph[:, None, None] * (target - own)
    keep = np.flatnonzero(picture > 0)
    a, b = (int(keep[0]), int(keep[-1]) + 1) if len(keep) else (0, 0)
    found = shape[a:b].astype(np.float32), picture[a:b].astype(np.float32)
    shape, picture = _edited(task, person, track.frames, shape, picture, slice(a, b))
    motion.Motion(
        frames=track.frames[a:b].astype(np.int32),
        shape=shape[a:b].astype(np.float32),
        weight=picture[a:b].astype(np.float32),
        aperture=basis.aperture(shape[a:b]),
        closed=closed[a:b].astype(np.float32),
        found_shape=found[0] if "curves" in task.inputs else None,
        found_weight=found[1] if "curves" in task.inputs else None,
    ).save(task.out, task.shot)


def _styled(task: Task, name: str, person: Person, frames: Any, shape: Any) -> Any:
    """Shapes (T, P, 3) in the styles of their cues."""
    from dubcli.artifacts.mouth import MouthFacts
    from dubcli.speech import motion as curves

    cues = task.facts["cues"]
    styled = [k for k, cue in enumerate(cues) if "style" in cue]
    if not styled:
        return shape
    known = MouthFacts.load(task.inputs["model"]).people[name].style
    styles = [
        (
            style.Style.model_validate(cues[k]["style"]),
            # A style fades into the next as an amplitude does.
            curves.gains(frames, [cue | {"amplitude": float(n == k)} for n, cue in enumerate(cues)]),
        )
        for k in styled
    ]
    return style.transferred(person, style.Style.model_validate(known), shape, styles)


def _edited(task: Task, person: Person, frames: Any, shape: Any, weight: Any, part: slice) -> tuple[Any, Any]:
    """Shapes and weights with what a person has edited in the curves of a part of the frames."""
    from dubcli.edits import curvefile
    from dubcli.speech import basis

    if "curves" not in task.inputs:
        return shape, weight
    own = shape[part].astype("float32")
    now = curvefile.Curves(frames[part], basis.aperture(own), basis.width(own), weight[part])
    new = curvefile.apply_edits(*curvefile.load(task.inputs["curves"]), now)
    shape, weight = shape.copy(), weight.copy()
    shape[part], weight[part] = curvefile.reshape(person, own, new.aperture, new.width), new.weight
    return shape, weight


def _film_prediction(task: Task, mouth_model: MouthModel, name: str, person: Person, seconds: Any) -> Any:
    """Mouths (T, P, 3) predicted from the film's own sound; None where it has none."""
    import numpy as np

    from dubcli.speech import motion as curves

    if "speech/film" not in task.inputs:
        return None
    features, at = _features_at(task.inputs["speech/film"], seconds)
    at = mouth_model.times(features, at)
    predicted, together = mouth_model.predict(name, person, features, at)
    free = np.zeros(len(at), np.float32)
    return curves.speak(person, predicted, together, features, at, free, task.params["amplitude"])[0]


def _features_at(folder: Path, seconds: Any) -> tuple[dict[str, Any], Any]:
    """Features of a sound around a face's frames, and the frames' times in them."""
    from dubcli.artifacts import speech
    from dubcli.speech.features import part

    at = seconds - speech.offset(folder)
    features, begin = part(speech.features(folder), float(at[0]), float(at[-1]))
    return features, at - begin


def check(task: Task) -> None:
    """Frames are consecutive, all numbers finite, weights within 0–1.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.artifacts.motion import Motion

    motion = Motion.load(task.out, task.shot)
    curves, weight = motion.arrays.values(), motion.weight
    whole = len({len(rows) for rows in curves}) == 1 and (np.diff(motion.frames) == 1).all()
    if not whole or not all(np.isfinite(rows).all() for rows in curves):
        raise CheckError(f"the motion of {task.unit} is not whole; type: dubcli run again")
    if len(weight) and (weight.min() < 0 or weight.max() > 1):
        raise CheckError(f"the weights of {task.unit} are not between 0 and 1; type: dubcli run again")


def _kinds(frames: Any, cues: list[dict[str, Any]]) -> tuple[Any, Any]:
    """(T,) bool each: frames that speak, frames that are to be still."""
    import numpy as np

    speaking, still = np.zeros(len(frames), bool), np.zeros(len(frames), bool)
    for cue in cues:
        inside = (frames >= cue["start"]) & (frames < cue["stop"])
        (speaking if cue["kind"] == "speak" else still)[inside] = True
    return speaking, still & ~speaking
