"""`measure`: how good each changed face is, beside its source, before anything is encoded."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.cues import Cues
from dubcli.artifacts.measures import PIXELS_EVERY, Measures
from dubcli.artifacts.patches import PatchFacts
from dubcli.artifacts.shots import Shots
from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.core.store import sha256
from dubcli.engines.registry import engine
from dubcli.errors import CheckError
from dubcli.quality.verdict import judge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.tracks import FaceTrack
    from dubcli.quality.subject import Sound, Subject

STAGE = Stage("measure", version=5, after=("lips",), along="lips")
REFERENCES = 24  # pictures of a person's own footage that their dubbed mouth is compared with; set by hand
_PRIOR = Path(__file__).parents[1] / "speech" / "prior.safetensors"


def units(job: JobView) -> list[Unit]:
    """One unit per face and shot that was changed; none where `report.measure` is 0."""
    most = job.settings.report.measure
    if not most:
        return []
    frames = {name: PatchFacts.planned(made.path).changed for name, made in job.all("lips").items()}
    changed = {name: made for name, made in job.all("lips").items() if frames[name]}
    if not changed:
        return []
    split, probe, cues = job.one("split"), job.one("probe"), Cues.load(job.one("cue").path)
    shots, owners = Shots.load(split.path).named(), Cast.load(job.one("cast").path).owners
    measured_by = engine("tracker", "mediapipe")  # whatever tracker the job used
    networks = {f"networks/{name}": digest for name, digest in measured_by.digests().items()}
    prior = sha256(_PRIOR)
    still: dict[str, list[list[int]]] = {}
    for cue in cues.cues:
        rows = still.setdefault(f"{cue.shot}.{cue.track}", [])
        rows += [[cue.start, cue.stop]] if cue.kind == "still" else []
    found = []
    for name, made in changed.items():
        shot, _, number = name.partition(".")
        person = owners[shot, int(number)].id
        used = {
            "track": job.one("track", shot),
            "motion": job.one("motion", name),
            "patch": made,
            "gallery": job.one("gallery", person),
            "speech/dub": job.one("align", cues.stems.get(person, "dub")),
        }
        if film := job.artifacts["align"].get("film"):
            used["speech/film"] = film
        found.append(
            Unit(
                STAGE,
                name,
                inputs={role: artifact.content for role, artifact in used.items()}
                | {"picture": shots[shot].picture, "prior": prior, **networks},
                paths={role: artifact.path for role, artifact in used.items()}
                | {
                    "film": job.sources["film"].path,
                    "split": split.path,
                    "probe": probe.path,
                    "prior": _PRIOR,
                },
                params={"frames": most},
                facts={
                    "track": int(number),
                    "start": shots[shot].start,
                    "still": still.get(name, []),
                    "measured_by": [measured_by.name, measured_by.algorithm],
                },
                cost=min(most, frames[name]) + frames[name] // PIXELS_EVERY,
                needs=job.picture_needs,
            )
        )
    return found


def given_back(job: JobView) -> list[str]:
    """Faces that `quality.gate` gives back to the source because they are to be redone, in order."""
    if job.settings.quality.gate != "source":
        return []
    return [
        name
        for name, made in job.all("measure").items()
        if name.split(".")[0] not in job.pins  # an approved shot keeps its picture
        and judge(Measures.load(made.path), None, job.settings.quality).verdict == "redo"
    ]


def shown(job: JobView) -> dict[str, Artifact]:
    """Face → the patches that the film shows of it: all that were made but those that are given back."""
    rejected = given_back(job)
    return {name: made for name, made in job.all("lips").items() if name not in rejected}


def run(task: Task) -> None:
    """Write the measures of one face, and its aperture as it was measured."""
    import cv2

    from dubcli.artifacts import measures, tracks
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.shots import Frames, Groups
    from dubcli.engines.trackers.mediapipe import VIEWS, Finder
    from dubcli.media import decode
    from dubcli.media.patches import Patches
    from dubcli.quality import face, observe

    cv2.setNumThreads(1)  # the pictures are small: dividing them costs more than it saves
    frames, video = Frames.load(task.inputs["split"]), MediaInfo.load(task.inputs["probe"]).film
    track = tracks.load_one(task.inputs["track"], task.shot, task.facts["track"])
    subject = _subject(task, track, frames.seconds[track.frames], float(video.rate))
    patches = Patches(task.inputs["patch"], task.shot)
    first = int(track.frames[0])

    def wanted(start: int, stop: int) -> float:
        here = slice(start - first, stop - first)
        return float(subject.speaks[here].sum() + subject.closed[here].sum())

    ranges = observe.windows(patches.frames, task.params["frames"], wanted)
    sampled, keys = observe.sampled(patches.frames, ranges), Groups.load(task.inputs["split"]).keys
    pictures = decode.selected(task.inputs["film"], video, frames.pts, sampled, keys, frames.digest)
    with Finder(views=VIEWS[:1]) as finder:
        seen = observe.observe(subject, sampled, pictures, patches, finder, _own(task.inputs["gallery"]))
    face.measures(subject, seen).save(task.out)
    measures.save_aperture(task.out, track.frames, seen.aperture)


def _subject(task: Task, track: FaceTrack, seconds: NDArray[np.float64], rate: float) -> Subject:
    import numpy as np

    from dubcli.artifacts.motion import Motion
    from dubcli.quality.subject import Subject
    from dubcli.speech import prior

    motion = Motion.load(task.inputs["motion"], task.shot)
    at = motion.frames - track.frames[0]
    target = np.full(len(track.frames), np.nan, np.float32)
    closed, weight = np.zeros((2, len(track.frames)), np.float32)
    target[at], closed[at], weight[at] = motion.aperture, motion.closed, motion.weight
    still = np.zeros(len(track.frames), bool)
    for start, stop in task.facts["still"]:
        still |= (track.frames >= start) & (track.frames < stop)
    model = prior.load(task.inputs["prior"])
    own = _sound(task.inputs["speech/film"], seconds, model) if "speech/film" in task.inputs else None
    dub = _sound(task.inputs["speech/dub"], seconds, model)
    return Subject(track, seconds, rate, target, closed, weight, still, dub, own)


def _sound(folder: Path, seconds: NDArray[np.float64], model: Any) -> Sound:
    """What a sound asks of a mouth at some times of the film."""
    import numpy as np

    from dubcli.artifacts import speech
    from dubcli.quality.subject import Sound, silence
    from dubcli.speech.features import part

    at = seconds - speech.offset(folder)
    features, begin = part(speech.features(folder), float(at[0]), float(at[-1]))
    at = at - begin
    rows = silence(np.asarray(features["speech"], np.float32), 100)
    row = np.floor(at * 100).astype(int)
    inside = (row >= 0) & (row < len(rows))
    spoken = np.where(inside, rows[np.clip(row, 0, max(0, len(rows) - 1))] if len(rows) else 0, 0)
    phones = speech.phones(folder, float(seconds[0]), float(seconds[-1]))
    aperture = model(model.project(features).windows(at))[:, 0]
    return Sound(aperture.astype(np.float32), spoken.astype(np.float32), phones)


@lru_cache(maxsize=64)
def _own(folder: Path) -> list[Any]:
    """Descriptors of a person's own footage, evenly spread over it; a person is in many shots."""
    import numpy as np

    from dubcli.artifacts import gallery
    from dubcli.media.samples import eight_bit
    from dubcli.quality.likeness import describe

    bank = gallery.load(folder)
    rows = np.unique(np.linspace(0, len(bank) - 1, min(len(bank), REFERENCES)).round().astype(int))
    corner = np.zeros(3, np.float32)
    out = []
    for row in rows.tolist() if len(bank) else []:
        corner[:2] = bank.origin[row]
        out.append(describe(eight_bit(bank.crop[row]), bank.mesh[row] - corner))
    return out


def check(task: Task) -> None:
    """The measures are valid, and the aperture is known in as many frames as they say.

    Raises:
        CheckError: it is not so.
    """
    import numpy as np

    from dubcli.artifacts import measures

    found = Measures.load(task.out)
    _, aperture = measures.aperture(task.out)
    if int(np.isfinite(aperture).sum()) != found.frames:
        raise CheckError(f"the measures of {task.unit} are not whole; type: dubcli run again")
