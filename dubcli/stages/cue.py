"""`cue`: the active speaker of each span of the dub; all other faces stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dubcli.artifacts.cast import Cast
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError, ConfigError

if TYPE_CHECKING:
    from dubcli.artifacts.speech import Record, Region
    from dubcli.cueing.assignment import Heard
    from dubcli.edits.cuefile import Edit

_SHORTEST_OFFSCREEN_S = 0.2  # of the dub that nobody visible speaks; less is an edge of a line: set by hand

STAGE = Stage("cue", version=6, after=("cast", "align"))


def units(job: JobView) -> list[Unit]:
    """One unit for the film."""
    used = {f"tracks/{shot}": artifact for shot, artifact in job.all("track").items()}
    used |= {f"speech/{name}": artifact for name, artifact in job.all("align").items()}
    used |= {"cast": job.one("cast"), "split": job.one("split")}
    inputs = {role: artifact.content for role, artifact in used.items()}
    paths = {role: artifact.path for role, artifact in used.items()}
    cast = Cast.load(job.one("cast").path)
    edits = job.sources.get("cues")
    if edits is not None:
        inputs["edits"], paths["edits"] = edits.sha256, edits.path
    return [
        Unit(
            STAGE,
            "film",
            inputs=inputs,
            paths=paths,
            params=job.settings.cue.model_dump(),
            facts={"stems": _stems(job, cast)},
            cost=len(used),
        )
    ]


def run(task: Task) -> None:
    """Write `cues.json`."""
    import numpy as np

    from dubcli.artifacts import tracks
    from dubcli.artifacts.cues import Cue, Cues, Skip, Span
    from dubcli.artifacts.shots import Shots
    from dubcli.cueing import assignment
    from dubcli.media import spans

    cast, split = Cast.load(task.inputs["cast"]), Shots.load(task.inputs["split"])
    heard = _heard(task, cast)
    owners, untouchable = cast.owners, set(split.skipped or ())
    limits, edits = assignment.Limits(**task.params), _edits(task)
    cues: list[Cue] = []
    skipped: list[Skip] = []
    onscreen = np.zeros(len(heard.seconds), bool)
    for done, row in enumerate(split.shots):
        task.report(done, len(split.shots))
        role = f"tracks/{row.name}"
        faces = tracks.load(task.inputs[role], row.name, pictures=False) if role in task.inputs else []
        if not faces:
            continue
        people = [owners.get((row.name, k)) for k in range(len(faces))]
        for track, person in zip(faces, people, strict=True):
            if person and not person.touch:
                track.reason[:] = tracks.Reason.FORBIDDEN
            if row.name in untouchable:
                track.reason[:] = tracks.Reason.SKIPPED
        ids = [person.id if person else "" for person in people]
        shot = assignment.Shot(row.name, row.start, row.stop, faces, ids)
        if row.name in edits:
            own, left, dub_frames = assignment.decided(shot, edits[row.name])
        else:
            own, left, dub_frames = assignment.cues(shot, heard, limits)
        cues += own
        skipped += left
        onscreen[row.start : row.stop] = dub_frames
    seconds = heard.seconds
    edges = np.append(seconds, seconds[-1] + (np.median(np.diff(seconds)) if len(seconds) > 1 else 0.04))
    off = [
        Span(start=round(float(edges[a]), 3), end=round(float(edges[b]), 3))
        for a, b in spans.runs_of_true(heard.dub & ~onscreen)
        if edges[b] - edges[a] >= _SHORTEST_OFFSCREEN_S
    ]
    result = Cues(cues=tuple(cues), offscreen=tuple(off), skipped=tuple(skipped), stems=task.facts["stems"])
    result.save(task.out)


def _heard(task: Task, cast: Cast) -> Heard:
    """What is heard in the film, its dub and its stems; warns where they do not belong together."""
    import numpy as np

    from dubcli.artifacts import speech
    from dubcli.artifacts.shots import Frames
    from dubcli.cueing import assignment, fit
    from dubcli.cueing.evidence import FilmAudio

    def frames(record: Record) -> Any:
        return assignment.speech_frames(record.regions, seconds, record.offset)

    seconds = Frames.load(task.inputs["split"]).seconds
    dub = speech.Record.load(task.inputs["speech/dub"])
    film, audio = np.zeros(len(seconds), bool), None
    if "speech/film" in task.inputs:
        original = speech.Record.load(task.inputs["speech/film"])
        film = frames(original)
        if told := fit.misplaced(original, dub):
            task.warn(told)
        if film.any():
            features = speech.features(task.inputs["speech/film"])
            used = {name: features[name] for name in ("loudness", "speech", "viseme")}
            audio = FilmAudio(used, original.offset)
    stems = {}
    for person, unit in task.facts["stems"].items():
        stem = speech.Record.load(task.inputs[f"speech/{unit}"])
        stems[person] = frames(stem)
        if told := fit.misfit(unit.removeprefix("stem:"), stem, dub):
            task.warn(told)
    return assignment.Heard(seconds, film, frames(dub), audio, stems, _named(dub, cast, seconds))


def _stems(job: JobView, cast: Cast) -> dict[str, str]:
    """Person → the unit of `align` of their stem.

    Raises:
        ConfigError: a stem's name is nobody's in the cast, or two are the same person's.
    """
    from dubcli.edits.persons import called

    persons = cast.names
    found: dict[str, str] = {}
    for role in sorted(role for role in job.sources if role.startswith("stem:")):
        name = role.removeprefix("stem:")
        own = called(name, persons)
        if len(own) > 1:
            raise ConfigError(f"--stem {name}: {' and '.join(own)} are called that; write the id of one")
        if not own:
            known = [f"{one} ({word})" if word else one for one, word in persons.items()]
            there = f"there are: {', '.join(known)}" if known else "nobody was found in the film"
            raise ConfigError(
                f"--stem {name}: nobody in the cast is called that; {there}; to name them: dubcli cast edit"
            )
        (person,) = own
        if person in found:
            other = found[person].removeprefix("stem:")
            raise ConfigError(f"--stem {name}: {person} is {other} already; mix the two into one file")
        if role in job.artifacts["align"]:
            found[person] = role
    return found


def _named(dub_speech: Record, cast: Cast, seconds: Any) -> dict[str, Any]:
    """Person → frames (N,) of the words that the script assigns to them; unknown names are ignored."""
    from dubcli.cueing import assignment
    from dubcli.edits.persons import find_person

    persons = cast.names
    words: dict[str, list[Region]] = {}
    for word in dub_speech.words:
        person = find_person(word.speaker, persons) if word.speaker else None
        if person is not None:
            words.setdefault(person, []).append(word)
    return {one: assignment.word_frames(own, seconds, dub_speech.offset) for one, own in words.items()}


def _edits(task: Task) -> dict[str, list[Edit]]:
    """Edits of cues, by shot."""
    from dubcli.edits import cuefile

    if "edits" not in task.inputs:
        return {}
    shots = {role[7:]: path for role, path in task.inputs.items() if role.startswith("tracks/")}
    film = cuefile.film(task.inputs["split"], shots, task.inputs["cast"])
    return cuefile.resolve(*cuefile.load(task.inputs["edits"]), film)


def check(task: Task) -> None:
    """The cues are valid, inside their shots and ordered.

    Raises:
        CheckError: they are not.
    """
    from dubcli.artifacts.cues import Cues
    from dubcli.artifacts.shots import Shots

    shots = Shots.load(task.inputs["split"]).named()
    found = Cues.load(task.out)
    for row in (*found.cues, *found.skipped):
        shot = shots.get(row.shot)
        if shot is None or row.start < shot.start or row.stop > shot.stop:
            raise CheckError(f"a cue leaves shot {row.shot} at frame {row.start}; run it again")
