"""Time and memory of `learn`, for a clip as it is and for a film as long as a feature.

    python -m bench.learn CLIP [--minutes M…] [--cache DIR] [--keep DIR]

The stages before it run on the clip once. For `--minutes` their results are repeated to that length, cut into
shots of four seconds; `learn` decodes no pictures, so no film of that length is made. Prints seconds, their
ratio to the film's length, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.cue import prepared
from dubcli.artifacts import speech, tracks
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.shots import Frames
from dubcli.core.model import Task, Unit
from dubcli.speech.features import hz
from dubcli.stages import learn

SHOT_SECONDS = 4


def repeated(unit: Unit, minutes: float, folder: Path) -> dict[str, Path]:
    """Inputs of `learn` for the clip again and again."""
    paths = dict(unit.paths)
    clip_frames = Frames.load(paths["picture"])
    count, tick = len(clip_frames.pts), clip_frames.tick
    once = clip_frames.pts - clip_frames.pts[0]
    period = int(once[-1] + np.median(np.diff(once)))
    times = max(1, round(60 * minutes / float(tick * period)))
    pts = (once + period * np.arange(times)[:, None]).ravel()
    starts = (pts[::count] - pts[0]) * float(tick)
    out = {"prior": paths["prior"]}
    for role in ("picture", "cast", "speech/film"):
        out[role] = folder / role
        out[role].mkdir(parents=True)
    Frames(pts, np.zeros((len(pts), 16), np.uint8), tick).save(out["picture"])

    clip = {role[7:]: tracks.load(path, role[7:]) for role, path in paths.items() if "tracks/" in role}
    persons = Cast.load(paths["cast"]).persons
    faces: list[list[tuple[str, int]]] = [[] for _ in persons]
    step = round(SHOT_SECONDS * count / (starts[1] - starts[0])) if len(starts) > 1 else count
    for first in range(0, count, step):
        cut = {
            (shot, k): part(track, first, first + step)
            for shot, own in clip.items()
            for k, track in enumerate(own)
            if track.frames[0] < first + step and track.frames[-1] >= first
        }
        for shift in range(0, len(pts), count):
            name = f"{first + shift:08d}"
            out[f"tracks/{name}"] = folder / name
            out[f"tracks/{name}"].mkdir()
            moved = [dataclasses.replace(t, frames=t.frames + np.int32(shift)) for t in cut.values()]
            tracks.save(out[f"tracks/{name}"], moved, name)
            for one, found in zip(persons, faces, strict=True):
                found += [(name, k) for k, face in enumerate(cut) if face in one.faces]
    rows = [Person(id=one.id, faces=tuple(sorted(found))) for one, found in zip(persons, faces, strict=True)]
    Cast(persons=tuple(rows)).save(out["cast"])

    heard = speech.features(paths["speech/film"])
    seconds = (pts[-1] - pts[0]) * float(tick)
    speech.save_features(out["speech/film"], lengthened(heard, starts, seconds).items())
    speech.Record.load(paths["speech/film"]).save(out["speech/film"])
    return out


def part(track: tracks.FaceTrack, start: int, stop: int) -> tracks.FaceTrack:
    """The frames of a track within a range of the film's."""
    kept = slice(*np.searchsorted(track.frames, [start, stop]).tolist())
    names = ("frames", "mesh", "pose", "size", "sharp", "occlusion", "reason")
    return dataclasses.replace(track, **{name: getattr(track, name)[kept] for name in names})


def lengthened(heard: Mapping[str, Any], starts: NDArray[np.float64], seconds: float) -> dict[str, Any]:
    """Features that begin anew at every start."""
    found = {}
    for name, rows in heard.items():
        rate = hz(name)
        if not rate:
            found[name] = rows
            continue
        at = np.arange(round(seconds * rate)) / rate
        since = at - starts[np.searchsorted(starts, at, side="right") - 1]
        found[name] = rows[np.clip((since * rate).round().astype(int), 0, len(rows) - 1)]
    return found


def measured(paths: Mapping[str, Path], params: Mapping[str, Any], out: Path) -> tuple[float, float]:
    """Run `learn`; seconds it takes, and peak gigabytes of this process."""
    began = time.monotonic()
    task = Task("film", paths, params, {}, "", out)
    learn.run(task)
    learn.check(task)
    return time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Print a line for the clip, and one for the long film."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, nargs="*", default=[])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--keep", type=Path, help="keep what learn makes, by length")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        view = prepared(args.clip.resolve(), args.cache or Path(temporary) / "clip")
        (unit,) = learn.units(view)
        for minutes in tqdm((0.0, *args.minutes), desc="lengths", disable=None):
            folder = Path(temporary) / f"{minutes:g}"
            folder.mkdir()
            paths = repeated(unit, minutes, folder) if minutes else dict(unit.paths)
            out = (args.keep or folder) / f"learnt-{minutes:g}"
            out.mkdir(parents=True)
            # A process of its own, as in a run, so that its memory is its own.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak = pool.apply(measured, (paths, dict(unit.params), out))
            at = Frames.load(paths["picture"]).seconds
            length = float(at[-1])
            took = f"{seconds:6.1f} s, {seconds / length:.3f} of its length, {peak:.2f} GB"
            with tqdm.external_write_mode():
                print(f"{length:7.1f} s, {len(at)} frames: {took}; {os.cpu_count()} cores", flush=True)


if __name__ == "__main__":
    main()
