"""Lips: speed, and how truly the default engine renders a mouth whose every position is known.

    python -m bench.lips ../shared/footage [NAME…]

Of each one-face clip the first three quarters are the film; the mouths of the last quarter are asked for, as
tracked, with no speech in between. The rendered faces are tracked again. A row per clip: frames, frames a
second of the stage with FFV1 (by the clock, and per second of processor time), correlation and articulation
of the aperture against what was asked for, sharpness and flicker of the mouth against the film, and mean
confidence.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.track import prepared
from dubcli.artifacts import gallery, tracks
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts
from dubcli.artifacts.shots import Frames, Shots
from dubcli.artifacts.tracks import FaceTrack
from dubcli.core.model import Task
from dubcli.engines.trackers.mediapipe import MediapipeTracker
from dubcli.face import mask, pose
from dubcli.face import mesh as regions
from dubcli.face.gallery import build
from dubcli.media import decode
from dubcli.media.patches import Patches
from dubcli.quality import curves, pixels
from dubcli.stages import lips

CLIPS = (
    "address_hill",
    "woman_outdoors",
    "man_stool",
    "whitehouse_5s",
    "head_2",
    "head_3",
    "head_4",
    "man_moustache",
)
FILM = 0.75  # share of a clip that is the film
VIEWS = 4  # of the tracker that judges


@dataclass
class Drawn:
    """A rendered picture, as trackers take them."""

    index: int
    picture: NDArray[np.uint8]

    def eight_bit(self) -> NDArray[np.uint8]:
        """The whole picture."""
        return self.picture


def part(track: FaceTrack, start: int, stop: int) -> FaceTrack:
    """Frames [start, stop) of a track."""
    once = ("thumbs", "descriptor")
    rows = {f.name: getattr(track, f.name)[start:stop] for f in fields(track) if f.name not in once}
    return replace(track, **rows)


def measured(clip: Path, folder: Path) -> dict[str, Any] | None:
    """The row of one clip; None where it has not one face all through."""
    view, _, _ = prepared(clip, folder)
    found = [t for name in view.all("track") for t in tracks.load(view.one("track", name).path, name)]
    video = MediaInfo.load(view.one("probe").path).film
    pts = Frames.load(view.one("split").path).pts
    one = Shots.load(view.one("split").path).shots[0]
    whole = [t for t in found if len(t.frames) == len(pts)]
    if len(whole) != 1:
        return None
    cut = int(len(pts) * FILM)
    film, rest = part(whole[0], 0, cut), part(whole[0], cut, len(pts))
    count = min(len(rest.frames), cut)
    made = build(clip, video, pts, None, [lambda: film], [one], 400_000_000)
    place = pose.canonical_transform(rest.mesh, made.head)
    asked = pose.to_canonical(rest.mesh, place)[:count, list(regions.MOUTH)]

    parts = {name: folder / name for name in ("driven", "motion", "out")}
    for path in parts.values():
        path.mkdir()
    tracks.save(parts["driven"], [film], "00000000")
    (folder / "gallery").mkdir()
    gallery.save(folder / "gallery", made)
    weight = np.ones(count, np.float32)
    zero = np.zeros(count, np.float32)
    Motion(film.frames[:count], asked, weight, zero, zero).save(parts["motion"], one.name)
    inputs = {"film": clip, "split": view.one("split").path, "probe": view.one("probe").path}
    inputs |= {"track": parts["driven"], "motion": parts["motion"], "gallery": folder / "gallery"}
    began, busy = time.perf_counter(), time.process_time()
    lips.run(Task("00000000.0", inputs, {}, {"track": 0}, "exemplar", parts["out"]))
    wall, busy = time.perf_counter() - began, time.process_time() - busy

    stored, before, after = Patches(parts["out"], one.name), [], []
    for frame in decode.frames(clip, video, pts, 0, count):
        picture = frame.rgb((0, 0, video.width, video.height))
        before.append(picture)
        patch = stored.at(frame.index)
        after.append(picture if patch is None else mixed(picture, *patch))
    seen = MediapipeTracker().track([Drawn(k, p) for k, p in enumerate(after)], views=VIEWS)[0]
    upper, lower = (regions.MOUTH.index(k) for k in (regions.UPPER_LIP, regions.LOWER_LIP))
    want = (asked[:, lower, 1] - asked[:, upper, 1])[seen.frames]
    got = regions.aperture(seen.mesh)
    return {
        "clip": clip.stem,
        "frames": count,
        "fps": round(count / wall, 1),
        "cpu_fps": round(count / busy, 1),
        "corr": rounded(curves.correlation(got, want)),
        "articulation": rounded(curves.articulation(got, want)),
        "sharpness": rounded(
            ratio(pixels_of(after, seen.mesh), pixels_of(before, film.mesh), pixels.sharpness)
        ),
        "flicker": rounded(flicker(after, seen.mesh) / flicker(before, film.mesh)),
        "confidence": PatchFacts.load(parts["out"]).confidence,
    }


def mixed(picture: NDArray[Any], rgb: NDArray[Any], alpha: NDArray[Any], x: int, y: int) -> NDArray[Any]:
    """The picture with a patch over it."""
    height, width = picture.shape[:2]
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(alpha.shape[0], height - y), min(alpha.shape[1], width - x)
    out = picture.copy()
    rows, columns = slice(y + top, y + bottom), slice(x + left, x + right)
    share = alpha[top:bottom, left:right, None] / np.iinfo(alpha.dtype).max
    out[rows, columns] = np.rint(out[rows, columns] * (1 - share) + share * rgb[top:bottom, left:right])
    return out


def pixels_of(pictures: list[NDArray[Any]], mesh: NDArray[np.float32]) -> list[tuple[Any, Any]]:
    """Luma of each picture and its mouth region, both cut to the mouth's surroundings."""
    found = []
    for picture, points in zip(pictures, mesh[:, list(mask.EDGE), :2], strict=False):
        low = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
        high = np.ceil(points.max(axis=0)).astype(int)
        piece = pixels.luma(picture[low[1] : high[1], low[0] : high[0]])
        found.append((piece, mask.polygon(points - low, (piece.shape[1], piece.shape[0])) > 0.5))
    return found


def ratio(after: list[tuple[Any, Any]], before: list[tuple[Any, Any]], measure: Any) -> float:
    """Median of a measure over pictures, after over before."""
    a, b = ([m for m in (measure(*one) for one in side) if m is not None] for side in (after, before))
    return float(np.median(a) / np.median(b))


def flicker(pictures: list[NDArray[Any]], mesh: NDArray[np.float32]) -> float:
    """`pixels.flicker` of the mouths, each brought to one size."""
    import cv2

    pieces = [
        cv2.resize(piece, (64, 48), interpolation=cv2.INTER_AREA) for piece, _ in pixels_of(pictures, mesh)
    ]
    return float(pixels.flicker(np.stack(pieces)) or np.nan)


def rounded(value: float | None) -> float | None:
    """Three decimals."""
    return None if value is None else round(float(value), 3)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("names", nargs="*", default=CLIPS)
    args = parser.parse_args()
    for name in tqdm(args.names, desc="clips", disable=None):
        clip = next(p for p in sorted((args.footage / "talk").iterdir()) if p.stem.startswith(name))
        with tempfile.TemporaryDirectory() as folder:
            row = measured(clip, Path(folder))
        with tqdm.external_write_mode():
            print(json.dumps(row or {"clip": name, "skipped": "not one face all through"}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
