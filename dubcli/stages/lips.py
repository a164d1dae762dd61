"""Make the mouth patches of one face in one shot: pixels, mask, placement and confidence per frame."""

from __future__ import annotations

from dubcli.artifacts.cast import Cast
from dubcli.artifacts.shots import Shots
from dubcli.core.model import JobView, Needs, Stage, Task, Unit
from dubcli.edits import layerfile
from dubcli.engines.registry import EngineInfo, engine, learner
from dubcli.errors import CheckError
from dubcli.stages import train
from dubcli.stages.adapt import drawing

STAGE = Stage("lips", 12, after=("motion", "gallery", "adapt"), along="motion")


def units(job: JobView) -> list[Unit]:
    """One unit per face and shot that has a motion."""
    split, probe, cast = (job.one(name) for name in ("split", "probe", "cast"))
    shots, owners = Shots.load(split.path).named(), Cast.load(cast.path).owners
    found = []
    for name, motion in job.all("motion").items():
        shot, _, number = name.partition(".")
        track, settings = job.one("track", shot), job.settings_of(shot).lips
        person = owners[shot, int(number)].id
        gallery, drawn = job.one("gallery", person), drawing(job, shot, person)
        retouched = job.sources.get(f"{layerfile.ROLE}:{name}")
        edits = {layerfile.ROLE: retouched} if retouched else {}
        inputs = {
            "picture": shots[shot].picture,
            "track": track.content,
            "motion": motion.content,
            "gallery": gallery.content,
            **{role: artifact.content for role, artifact in drawn.weights.items()},
        }
        if retouched:
            layerfile.check(name, retouched.path, inputs)
        found.append(
            Unit(
                STAGE,
                name,
                inputs=inputs | {role: file.sha256 for role, file in edits.items()},
                paths={
                    "film": job.sources["film"].path,
                    "split": split.path,
                    "probe": probe.path,
                    "track": track.path,
                    "motion": motion.path,
                    "gallery": gallery.path,
                    **{role: artifact.path for role, artifact in drawn.weights.items()},
                    **{role: file.path for role, file in edits.items()},
                },
                params=settings.model_dump(exclude={"engine"}),
                facts={"track": int(number)} | ({"person": person} if drawn.weights else {}),
                engine=drawn.engine,
                cost=shots[shot].stop - shots[shot].start,
                needs=needs(job, drawn.engine),
            )
        )
    return found


def needs(job: JobView, info: EngineInfo) -> Needs:
    """What drawing with an engine needs: of one that learns, its device and memory as well."""
    pictures = job.picture_needs
    if learner(info) is None:
        return pictures
    network = train.needs(job.settings.train)
    return Needs(memory=pictures.memory + network.memory, device=network.device)


def run(task: Task) -> None:
    """Write the patches of one face; no pictures where nothing is changed.

    Where a compositor has retouched them, they are taken as they are.
    """
    import shutil

    from dubcli.artifacts import patches, tracks
    from dubcli.artifacts.media import MediaInfo
    from dubcli.artifacts.motion import Motion
    from dubcli.artifacts.shots import Frames, Groups
    from dubcli.engines.lips import LipWork
    from dubcli.media import ahead, spans
    from dubcli.media.patches import write

    if layerfile.ROLE in task.inputs:
        for name in patches.FILES:
            if (task.inputs[layerfile.ROLE] / name).is_file():
                shutil.copyfile(task.inputs[layerfile.ROLE] / name, task.out / name)
        return
    shot = Shots.load(task.inputs["split"]).named()[task.shot]
    motion, frames = Motion.load(task.inputs["motion"], shot.name), Frames.load(task.inputs["split"])
    weights, chosen = task.weights, patches.Choice(engine=task.engine, why="")

    def drawn_by(name: str, why: str) -> None:
        nonlocal chosen
        chosen = patches.Choice(engine=name, why=why)

    work = LipWork(
        film=task.inputs["film"],
        video=MediaInfo.load(task.inputs["probe"]).film,
        pts=frames.pts,
        digests=frames.digest,
        track=tracks.load_one(task.inputs["track"], shot.name, task.facts["track"]),
        shot=shot,
        frames=motion.frames,
        shape=motion.shape,
        weight=motion.weight,
        gallery=task.inputs["gallery"],
        keys=Groups.load(task.inputs["split"]).keys,
        found=motion.found,
        weights=tuple(weights[name] for name in ("film", "person") if name in weights),
        person=task.facts.get("person", ""),
        settings={**task.params, "device": train.DEVICES[task.device]},
        batch=task.batch,
        report=task.report,
        drawn_by=drawn_by,
    )
    active = motion.weight > 0
    # Where all weights are 0, as in a shot that matches the dub already, no engine is loaded.
    made = engine("lips", task.engine).load().patches(work) if active.any() else ()
    made = ahead.read(made, 1)  # one is stored while the next is made
    placed, given_back = write(patches.pictures(task.out), made, work.frames[active], work.video)
    placed.save(task.out, shot.name)
    if chosen.why:
        chosen.save(task.out)
    patches.PatchFacts(
        engine=chosen.engine,
        frames=len(motion.frames),
        changed=len(placed.frames),
        in_shot=tuple(spans.runs((placed.frames - shot.start).tolist())),
        given_back=given_back,
        confidence=round(float(placed.confidence.mean()), 4) if len(placed.frames) else None,
    ).save(task.out)


def check(task: Task) -> None:
    """Patches are whole pictures of one even size, at even places, in order, for all frames or none.

    Raises:
        CheckError: there is not.
    """
    import av
    import numpy as np

    from dubcli.artifacts import patches
    from dubcli.artifacts.motion import Motion

    rows = patches.Placement.load(task.out, task.shot)
    frames, origin, confidence = rows.frames, rows.origin, rows.confidence
    active = int((Motion.load(task.inputs["motion"], task.shot).weight > 0).sum())
    given_back = patches.PatchFacts.load(task.out).given_back
    if len(frames) + given_back not in (0, active) and layerfile.ROLE not in task.inputs:
        made = f"{len(frames) + given_back} of {active} patches of {task.unit}"
        raise CheckError(f"the lip engine made {made}; choose another with --engine")
    count, size = 0, (0, 0)
    if len(frames):
        try:
            with av.open(str(patches.pictures(task.out))) as container:
                stream = container.streams.video[0]
                size = (stream.width, stream.height)
                count = sum(1 for _ in container.demux(stream) if _.size)
        except av.error.FFmpegError as error:
            raise CheckError(f"the patches of {task.unit} cannot be read; type: dubcli run again") from error
    placed = origin.shape == (len(frames), 2) and not (origin % 2).any() and not any(v % 2 for v in size)
    if count != len(frames) or len(confidence) != count or not placed or (np.diff(frames) <= 0).any():
        raise CheckError(f"the patches of {task.unit} are not whole; type: dubcli run again")
