"""Make the mouth patches of one face in one shot: pixels, mask, placement and confidence per frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dubcli.core.model import Artifact, JobView, Stage, Task, Unit
from dubcli.engines.registry import engine
from dubcli.errors import CheckError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from av.video.stream import VideoStream as Track

    from dubcli.engines.lips import LipWork, Patch

STAGE = Stage("lips", 3, after=("motion",))


def units(job: JobView) -> list[Unit]:
    """One unit per face and shot that has a motion."""
    split, probe, learn, tracks = (job.one(name) for name in ("split", "probe", "learn", "cast"))
    shots = {shot["name"]: shot for shot in json.loads((split.path / "shots.json").read_text("utf-8"))}
    cast = json.loads((tracks.path / "cast.json").read_text("utf-8"))
    persons = {(shot, number): p["id"] for p in cast["persons"] for shot, number in p["faces"]}
    galleries = _digests(learn)
    settings = job.settings.lips
    found = []
    for name, motion in job.all("motion").items():
        shot, _, number = name.partition(".")
        track = job.one("track", shot)
        gallery = f"gallery-{persons[shot, int(number)]}.npz"
        if gallery not in galleries:
            continue
        found.append(
            Unit(
                STAGE,
                name,
                inputs={
                    "picture": shots[shot]["picture"],
                    "track": track.content,
                    "motion": motion.content,
                    "gallery": galleries[gallery],
                },
                paths={
                    "film": job.sources["film"].path,
                    "split": split.path,
                    "probe": probe.path,
                    "track": track.path,
                    "motion": motion.path,
                    "gallery": learn.path / gallery,
                },
                params=settings.model_dump(exclude={"engine"}),
                facts={"track": int(number)},
                engine=engine("lips", settings.engine),
                cost=shots[shot]["stop"] - shots[shot]["start"],
            )
        )
    return found


def run(task: Task) -> None:
    """Write `patch.nut`, `patch.npz` and `lips.json`; no `patch.nut` where nothing is changed."""
    import numpy as np

    from dubcli.engines.lips import LipWork
    from dubcli.face import tracks
    from dubcli.media.probe import MediaInfo

    media = MediaInfo.model_validate_json((task.inputs["probe"] / "media.json").read_bytes())
    with np.load(task.inputs["split"] / "frames.npz", allow_pickle=False) as box:
        pts = box["pts"]
    with np.load(task.inputs["motion"] / "motion.npz", allow_pickle=False) as box:
        frames, shape, weight = box["frames"], box["shape"], box["weight"]
    work = LipWork(
        film=task.inputs["film"],
        video=media.film,
        pts=pts,
        track=tracks.load(task.inputs["track"] / "tracks.npz")[task.facts["track"]],
        frames=frames,
        shape=shape,
        weight=weight,
        gallery=task.inputs["gallery"],
        settings=task.params,
        batch=task.batch,
        report=task.report,
    )
    numbers, origins, confidence = _write(
        task.out / "patch.nut", engine("lips", task.engine).load().patches(work), work
    )
    np.savez_compressed(
        task.out / "patch.npz",
        frames=np.array(numbers, np.int32),
        origin=np.array(origins, np.int32).reshape(-1, 2),
        confidence=np.array(confidence, np.float32),
    )
    facts = {
        "engine": task.engine,
        "frames": len(frames),
        "changed": len(numbers),
        "confidence": round(float(np.mean(confidence)), 4) if confidence else None,
    }
    (task.out / "lips.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def check(task: Task) -> None:
    """Patches are whole pictures of one even size, at even places, in order, for all frames or none.

    Raises:
        CheckError: there is not.
    """
    import av
    import numpy as np

    with np.load(task.out / "patch.npz", allow_pickle=False) as box:
        frames, origin, confidence = box["frames"], box["origin"], box["confidence"]
    with np.load(task.inputs["motion"] / "motion.npz", allow_pickle=False) as box:
        asked = int((box["weight"] > 0).sum())
    if len(frames) not in (0, asked):
        made = f"{len(frames)} of {asked} patches of {task.unit}"
        raise CheckError(f"the lip engine made {made}; choose another with --engine")
    count, size = 0, (0, 0)
    if len(frames):
        try:
            with av.open(str(task.out / "patch.nut")) as container:
                stream = container.streams.video[0]
                size = (stream.width, stream.height)
                count = sum(1 for _ in container.demux(stream) if _.size)
        except av.error.FFmpegError as error:
            raise CheckError(f"the patches of {task.unit} cannot be read; type: dubcli run again") from error
    placed = origin.shape == (len(frames), 2) and not (origin % 2).any() and not any(v % 2 for v in size)
    if count != len(frames) or len(confidence) != count or not placed or (np.diff(frames) <= 0).any():
        raise CheckError(f"the patches of {task.unit} are not whole; type: dubcli run again")


def _write(
    path: Path, patches: Iterable[Patch], work: LipWork
) -> tuple[list[int], list[tuple[int, int]], list[float]]:
    """Encode patches losslessly; returns their frames, origins and confidences.

    Raises:
        EngineError: the engine's patches are not what the contract asks.
    """
    import av

    deep = work.video.bit_depth > 8
    numbers: list[int] = []
    origins: list[tuple[int, int]] = []
    confidence: list[float] = []
    container, stream = None, None
    allowed = set(work.frames.tolist())
    try:
        for patch in patches:
            if container is None:
                container = av.open(str(path), "w", format="nut", container_options={"fflags": "+bitexact"})
                stream = _stream(container, patch, deep)
            assert stream is not None
            late = numbers and patch.frame <= numbers[-1]
            if late or patch.frame not in allowed or patch.rgb.shape != (stream.height, stream.width, 3):
                raise EngineError(
                    "the lip engine's patches are out of order or change their size; report a bug"
                )
            for packet in stream.encode(_picture(patch, len(numbers), "gbrap16le" if deep else "gbrap")):
                container.mux(packet)
            numbers.append(patch.frame)
            origins.append(patch.origin)
            confidence.append(patch.confidence)
        if container is not None and stream is not None:
            container.mux(stream.encode(None))
    finally:
        if container is not None:
            container.close()
    return numbers, origins, confidence


def _stream(container: Any, patch: Patch, deep: bool) -> Track:
    """A lossless stream for patches of this size whose bytes depend on nothing but them."""
    # Ut Video is five times as fast as FFV1 for a little more space, but knows only 8 bits.
    stream: Track = container.add_stream("ffv1" if deep else "utvideo", rate=25)
    stream.height, stream.width = patch.rgb.shape[:2]
    stream.pix_fmt = "gbrap16le" if deep else "gbrap"
    # Version 3 with checksums per slice; slices and threads are fixed, so are the bytes.
    ffv1 = {"level": "3", "slices": "4", "slicecrc": "1", "context": "0"}
    stream.options = {**(ffv1 if deep else {"pred": "median"}), "flags": "+bitexact"}
    stream.codec_context.thread_count = 1
    return stream


def _picture(patch: Patch, number: int, form: str) -> Any:
    """The patch as a picture in planes, black where nothing of it shows: that takes no space and no time."""
    import av
    import numpy as np

    height, width = patch.mask.shape
    frame = av.VideoFrame(width, height, form)
    shown = (patch.mask > 0).astype(patch.rgb.dtype)
    for plane, k in zip(frame.planes, (1, 2, 0), strict=False):
        samples = np.frombuffer(memoryview(plane), shown.dtype).reshape(height, -1)[:, :width]
        np.multiply(patch.rgb[..., k], shown, out=samples)
    np.frombuffer(memoryview(frame.planes[3]), shown.dtype).reshape(height, -1)[:, :width] = patch.mask
    frame.pts = number
    return frame


def _digests(artifact: Artifact) -> dict[str, str]:
    """File → sha256 of an artifact."""
    manifest = json.loads((artifact.path / "artifact.json").read_text("utf-8"))
    return {name: entry["sha256"] for name, entry in manifest["files"].items()}
