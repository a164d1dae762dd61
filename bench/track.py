"""Tracking: speed, steadiness, and faces against scenes marked by hand (`tests/truth`, `tests/truth/track`).

    python bench/track.py ../shared/footage [--keep DIR] [NAME…]

A row per clip: frames, frames a second of the stage (decoding included; processor and wall clock), tracks,
share of face frames that may be dubbed, and for a one-face clip how far the placed face moves from frame to
frame against the picture itself (pixels, root mean square; found by ECC over eyes and nose, so blinks count).
A row per marked face: share of its frames that a track has, how often its track changes, how many other faces
its tracks were on, and of the frames in which something occludes the mouth and of the others the share that
is detected as occluded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dubcli import stages
from dubcli.artifacts import tracks
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Frames, Shots
from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.face import pose
from dubcli.face.crop import reduced
from dubcli.face.roi import Roi
from dubcli.media import decode
from dubcli.settings.config import Settings

TRUTH = Path(__file__).parents[1] / "tests" / "truth"
SIDE = 224  # pixels of the aligned picture in which trembling is measured
STEADY_FRAMES = 120


def prepared(clip: Path, folder: Path) -> tuple[JobView, float, float]:
    """Run the stages up to `track`; also the processor and wall seconds that `track` took."""
    source = Source(clip, hashlib.sha256(clip.read_bytes()).hexdigest())
    view = JobView({"film": source}, Settings())
    busy = wall = 0.0
    for name in ("probe", "scan", "split", "track"):
        module = stages.module(name)
        view.artifacts[name] = {}
        for unit in module.units(view):
            out = folder / name / unit.name
            out.mkdir(parents=True, exist_ok=True)
            engine = unit.engine.name if unit.engine else ""
            began = time.process_time(), time.perf_counter()
            module.run(Task(unit.name, unit.paths, unit.params, unit.facts, engine, out))
            if name == "track":
                busy += time.process_time() - began[0]
                wall += time.perf_counter() - began[1]
            view.artifacts[name][unit.name] = Artifact("", out, name)
    return view, busy, wall


def tremble(view: JobView, track: FaceTrack) -> float:
    """Root mean square of what the placed face still moves from frame to frame, in pixels."""
    video = MediaInfo.load(view.one("probe").path).film
    pts = Frames.load(view.one("split").path).pts
    count = min(len(track.frames), STEADY_FRAMES)
    fitted = pose.canonical_transform(track.mesh[:count])
    place = pose.from_canonical(np.array([[0.0, 0.1, -0.2]]), fitted)[:, 0, :2]
    start = int(track.frames[0])
    before: NDArray[np.float32] | None = None
    moved = []
    for k, frame in enumerate(decode.frames(view.sources["film"].path, video, pts, start, start + count)):
        axis = fitted.rotation[k, 0]
        roi = Roi(place[k].astype(float), 1.3 * float(fitted.scale[k]), float(np.arctan2(axis[1], axis[0])))
        crop, _ = reduced(frame.eight_bit(), roi, SIDE).cut(roi, SIDE)
        grey = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (0, 0), 1.5).astype(np.float32)
        if before is not None:
            shift = np.eye(2, 3, dtype=np.float32)
            criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
            _, found = cv2.findTransformECC(before, grey, shift, cv2.MOTION_TRANSLATION, criteria)
            moved.append(np.asarray(found)[:, 2] * roi.side / SIDE)
        before = grey
    return float(np.sqrt(np.mean(np.square(moved))))


def marked(truth: dict[str, Any], found: list[FaceTrack]) -> list[str]:
    """One row per face of a marked clip."""
    on: dict[str, NDArray[np.int64]] = {}
    rows = []
    for face in truth["faces"]:
        at = np.array(face["at"], float)
        first, stop = face.get("frames", (0, truth["frames"]))
        owner = np.full(truth["frames"], -1)
        for k, track in enumerate(found):
            place = np.stack([np.interp(track.frames, at[:, 0], at[:, j]) for j in (1, 2)], axis=1)
            near = np.hypot(*(track.mesh[:, :, :2].mean(1) - place).T) < 1.3 * track.size
            owner[track.frames[near & (track.frames >= first) & (track.frames < stop)]] = k
        on[face["name"]] = owner
    for face in truth["faces"]:
        owner = on[face["name"]]
        first, stop = face.get("frames", (0, truth["frames"]))
        mine = owner[first:stop]
        held = mine[mine >= 0]
        others = {
            name for name, other in on.items() if name != face["name"] and set(held) & set(other[other >= 0])
        }
        row = (
            f"    {face['name']:22} seen {np.mean(mine >= 0):5.3f}  changes {int((np.diff(held) != 0).sum())}"
        )
        row += f"  on others {len(others)}"
        if "covered" in face and len(held):
            told = np.zeros(truth["frames"], bool)
            for k in set(held.tolist()):
                hidden = found[k].frames[found[k].reason == Reason.OCCLUDED]
                told[hidden[owner[hidden] == k]] = True
            true = np.zeros(truth["frames"], bool)
            for a, b in face["covered"]:
                true[a:b] = True
            here = owner >= 0
            if (here & true).any():
                row += f"  occluded detected {told[here & true].mean():.2f}"
            row += f"  free detected occluded {told[here & ~true].mean():.3f}"
        rows.append(row)
    return rows


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose name holds one of these")
    parser.add_argument("--keep", type=Path, help="keep the work here")
    args = parser.parse_args()
    truths: dict[str, list[dict[str, Any]]] = {}
    for path in sorted([*TRUTH.glob("*.json"), *TRUTH.glob("track/*.json")]):
        truth = json.loads(path.read_bytes())
        truths.setdefault(truth["clip"], []).append(truth)
    with tempfile.TemporaryDirectory() as temporary:
        clips = sorted([*args.footage.glob("talk/*"), *args.footage.glob("scenes/*")])
        for clip in tqdm(clips, desc="clips", disable=None):
            if args.names and not any(name in clip.stem for name in args.names):
                continue
            view, busy, wall = prepared(clip, (args.keep or Path(temporary)) / clip.stem)
            found = [t for shot, a in view.all("track").items() for t in tracks.load(a.path, shot)]
            count = Shots.load(view.one("split").path).count
            row = f"{clip.name:42} {count:5} frames {count / busy:6.1f} fps cpu {count / wall:6.1f} wall"
            faces = sum(len(track.frames) for track in found)
            share = sum(int(track.eligible.sum()) for track in found) / max(faces, 1)
            row += f"  {len(found)} tracks, eligible {share:.2f}"
            if len(found) == 1:
                row += f"  trembles {tremble(view, found[0]):.2f} px of {np.median(found[0].size):.0f}"
            for truth in truths.get(f"{clip.parent.name}/{clip.name}", []):
                row += "\n" + "\n".join(marked(truth, found))
            with tqdm.external_write_mode():
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
