"""The learnt lip engine against `exemplar`, on footage that neither has seen.

    python -m bench.produb ../shared/footage [--score ../shared/eval/score.py] [--work DIR] [NAME…]
    python -m bench.produb ../shared/footage --ablate [NAME…]
    python -m bench.produb ../shared/footage --start FILE [NAME…]

Of each one-face clip the first three quarters are the film: its gallery, and what is trained on. The frames
of the last quarter are drawn again, driven by their own true mouths; their pictures are in no gallery, and
`exemplar` is kept from adding them. The scoring tool compares both engines' pictures with the truth: SSIM
and PSNR around the mouth, error of the lip landmarks, sharpness of the mouth against the cheek, flicker.
`--sheet DIR` leaves contact sheets of consecutive frames: truth, exemplar, produb below each other.
`--ablate` trains once more for each part that can be left out. A clip that taught the weights to begin with
is left out; `--start` takes others, which `tools/train_produb.py` makes without it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.lips import mixed, part
from bench.quality import score
from bench.track import prepared
from dubcli.artifacts import gallery, tracks
from dubcli.artifacts.media import MediaInfo, VideoStream
from dubcli.artifacts.shots import Frames, Shot, Shots
from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines.lips import LipWork, TrainWork, exemplar, meshes
from dubcli.engines.lips.produb import checkpoint, engine
from dubcli.engines.lips.produb.batches import Recipe
from dubcli.engines.lips.produb.engine import WEIGHTS, ProdubEngine
from dubcli.engines.lips.produb.losses import Weights
from dubcli.face import mesh as regions
from dubcli.face.gallery import build
from dubcli.media import decode
from dubcli.media.patches import Patch
from dubcli.settings.config import TrainSettings
from dubcli.stages.train import engine_settings

CLIPS = ("man_front_15s", "woman_outdoors", "man_stool", "museum_speech_64s", "webcam_10s", "address_hill")
FILM = 0.75  # share of a clip that is the film
LEAST = 0.9  # share of a clip's frames that its one face is in
BUDGET = 400_000_000  # bytes of a gallery
PERSON = "p01"
ABLATIONS = {
    "nothing to begin with": Recipe(begun=False, rate=2e-4),
    "nothing to begin with, no growth": Recipe(begun=False, grown=False, rate=2e-4),
    "no references": Recipe(references=False),
    "blind to what it corrects": Recipe(chosen=False),
    "mirrored faces": Recipe(mirrored=True),
    "no structure": Recipe(losses=Weights(structure=0)),
    "no detail": Recipe(losses=Weights(detail=0)),
}
ADAPTED = 100  # steps of a person's adapters, where they are an ablation


@dataclass(frozen=True)
class Case:
    """A clip, its film part's gallery, and the unseen rest with its true mouths."""

    clip: Path
    folder: Path
    video: VideoStream
    pts: NDArray[np.int64]
    rest: FaceTrack
    shot: Shot
    gallery: Path
    shape: NDArray[np.float32]

    def work(self, weights: tuple[Path, ...] = ()) -> LipWork:
        """The rest as work for a lip engine."""
        ones = np.ones(len(self.rest.frames), np.float32)
        return LipWork(
            self.clip, self.video, self.pts, None, self.rest, self.shot, self.rest.frames, self.shape, ones,
            self.gallery, weights=weights, person=PERSON, settings={"device": "cpu"},
        )  # fmt: skip

    def first(self) -> Iterator[decode.Frame]:
        """The first picture of the rest, for which what is before it since a keyframe is decoded."""
        first = int(self.rest.frames[0])
        return decode.frames(self.clip, self.video, self.pts, first, first + 1)


def face_of(clip: Path, folder: Path) -> tuple[VideoStream, NDArray[np.int64], FaceTrack, Shot]:
    """A clip's picture and times, and its longest face with its shot; tracked once and kept."""
    stages = folder / "stages"
    if not (stages / "track").is_dir():
        prepared(clip, stages)
    probe, split = (next((stages / name).iterdir()) for name in ("probe", "split"))
    video, pts = MediaInfo.load(probe).film, Frames.load(split).pts
    found = [t for path in sorted((stages / "track").iterdir()) for t in tracks.load(path, path.name)]
    longest = max(found, key=lambda t: len(t.frames))
    (shot,) = (s for s in Shots.load(split).shots if s.start <= longest.frames[0] < s.stop)
    return video, pts, longest, shot


def footage(
    clip: Path, folder: Path, video: VideoStream, pts: NDArray[np.int64], track: FaceTrack, shot: Shot
) -> Path:
    """The folder of the gallery of a track, made once and kept."""
    path = folder / "gallery"
    if not path.is_dir():
        made = build(clip, video, pts, None, [lambda: track], [shot], BUDGET)
        path.mkdir()
        gallery.save(path, made)
    return path


def case_of(clip: Path, folder: Path) -> Case | None:
    """A clip, tracked once and kept; None where it has not one face nearly all through."""
    video, pts, longest, shot = face_of(clip, folder)
    if len(longest.frames) < LEAST * len(pts):
        return None
    cut = int(len(longest.frames) * FILM)
    film, rest = part(longest, 0, cut), part(longest, cut, len(longest.frames))
    path = footage(clip, folder, video, pts, film, shot)
    # Without the tracker's jitter, as the shapes are that the network learns from: lips do not tremble so.
    _, shape = meshes.own(rest, rest.frames, gallery.load(path).head)
    return Case(clip, folder, video, pts, rest, shot, path, shape[:, list(regions.MOUTH)])


def trained(case: Case, name: str, settings: TrainSettings, recipe: Recipe) -> tuple[tuple[Path, ...], float]:
    """Folders of the film's and the person's weights, trained if they are not there, and minutes taken."""
    learner = ProdubEngine(recipe)
    asked = {"film": settings.steps, "person": settings.person_steps}
    folders: list[Path] = []
    minutes = 0.0
    for who in [who for who, steps in asked.items() if steps]:
        out = case.folder / f"{name}-{who}"
        out.mkdir(exist_ok=True)
        if not (out / WEIGHTS).exists():
            scratch = case.folder / "scratch" / who
            scratch.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            with tqdm(desc=f"{case.clip.stem} {name} {who}", disable=None, leave=False) as bar:

                def progress(done: int, total: int, bar: Any = bar) -> None:
                    bar.total, bar.n = total, done
                    bar.refresh()

                base = folders[0] if folders else None
                learner.train(
                    TrainWork(
                        {PERSON: case.gallery},
                        base,
                        case.video.bit_depth,
                        engine_settings(settings.size, asked[who], settings.device),
                        scratch,
                        out,
                        report=progress,
                    )
                )
            (out / "minutes").write_text(str((time.monotonic() - began) / 60))
        minutes += float((out / "minutes").read_text())
        folders.append(out)
    return tuple(folders), minutes


def composed(case: Case, patches: Mapping[int, Patch]) -> Iterator[NDArray[Any]]:
    """Pictures of the rest with patches over them."""
    first, stop = int(case.rest.frames[0]), int(case.rest.frames[-1]) + 1
    for frame in decode.frames(case.clip, case.video, case.pts, first, stop):
        picture = frame.rgb((0, 0, case.video.width, case.video.height))
        patch = patches.get(frame.index)
        yield picture if patch is None else mixed(picture, patch.rgb, patch.mask, *patch.origin)


def written(path: Path, pictures: Iterator[NDArray[Any]]) -> Path:
    """Pictures as a film without loss."""
    with av.open(str(path), "w") as box:
        stream: Any = box.add_stream("ffv1", rate=25)
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            eight = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
            stream.height, stream.width = eight.shape[:2]
            box.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(eight), "rgb24")))
        box.mux(stream.encode(None))
    return path


def seconds(work: Callable[[], object]) -> float:
    """How long it takes by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def scored(
    case: Case, tool: Path, name: str, weights: tuple[Path, ...], recipe: Recipe | None = None
) -> dict[str, Any]:
    """Figures of one engine's pictures of the rest, drawn as it was trained."""
    kept, truth = case.folder / f"{name}.json", case.folder / "truth.mkv"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    if not truth.exists():
        written(truth, composed(case, {}))
    # A film's shots follow each other: what is decoded to get to the last quarter is not drawing.
    before = seconds(lambda: list(case.first()))
    patches: dict[int, Patch] = {}
    drawing = ProdubEngine(recipe).patches(case.work(weights))
    fps = len(case.rest.frames) / (
        seconds(lambda: patches.update((patch.frame, patch) for patch in drawing)) - before
    )
    out = written(case.folder / f"{name}.mkv", composed(case, patches))
    row = score(tool, "picture", out, truth) | score(tool, "sharp", out, truth)
    row = {"engine": name, **row, "fps": round(fps, 1)}
    kept.write_text(json.dumps(row))
    return row


def sheet(case: Case, names: list[str], path: Path, first: int, count: int) -> None:
    """Consecutive frames of the rest at full size, a row for each film."""
    import cv2

    rows = []
    low = high = None
    for name in names:
        with av.open(str(case.folder / f"{name}.mkv")) as box:
            pictures = [f.to_ndarray(format="rgb24") for f in box.decode(video=0)][first : first + count]
        if low is None:
            mesh = case.rest.mesh[first : first + count, list(regions.JAW), :2].reshape(-1, 2)
            room = 0.1 * float(np.ptp(mesh[:, 0]))
            low = np.maximum(mesh.min(axis=0) - room, 0).astype(int)
            high = (mesh.max(axis=0) + room).astype(int)
        assert high is not None
        rows.append(np.concatenate([p[low[1] : high[1], low[0] : high[0]] for p in pictures], axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1])


def main() -> int:
    """Train, draw, score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("names", nargs="*", default=CLIPS)
    parser.add_argument("--score", type=Path, default=Path("../shared/eval/score.py"))
    parser.add_argument("--work", type=Path, default=Path("produb-out"), help="all that is made is kept here")
    parser.add_argument("--size", type=int, default=TrainSettings().size)
    parser.add_argument("--steps", type=int, default=TrainSettings().steps)
    parser.add_argument("--person-steps", type=int, default=TrainSettings().person_steps)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--start", type=Path, default=engine.START, help="weights to begin with")
    parser.add_argument("--name", default="produb", help="of the weights, to keep several")
    parser.add_argument("--sheet", type=Path, help="folder for contact sheets")
    args = parser.parse_intermixed_args()
    exemplar.SHOT_BYTES = 0  # the shot's own frames are the truth here
    settings = TrainSettings(size=args.size, steps=args.steps, person_steps=args.person_steps)
    engine.START = args.start
    taught = checkpoint.read(args.start)[1]["people"]
    recipes = {args.name: Recipe(), **(ABLATIONS if args.ablate else {})}
    for name in tqdm(args.names, desc="clips", disable=None):
        clip = next(p for p in sorted((args.footage / "talk").iterdir()) if p.stem.startswith(name))
        if clip.stem in taught:
            print(json.dumps({"clip": name, "skipped": "it taught the weights to begin with"}), flush=True)
            continue
        folder = args.work / clip.stem
        folder.mkdir(parents=True, exist_ok=True)
        case = case_of(clip, folder)
        if case is None:
            print(json.dumps({"clip": name, "skipped": "not one face nearly all through"}), flush=True)
            continue
        rows = [scored(case, args.score, "exemplar", ())]
        for label, recipe in recipes.items():
            kept = label.replace(" ", "-")
            one = settings if label == args.name else with_adapters(settings, 0)
            weights, minutes = trained(case, kept, one, recipe)
            row = scored(case, args.score, kept, weights, recipe)
            rows.append(row | {"minutes": round(minutes, 2)})
        if args.ablate:
            weights, minutes = trained(case, args.name, with_adapters(settings, ADAPTED), Recipe())
            row = scored(case, args.score, "adapters", weights)
            rows.append(row | {"minutes": round(minutes, 2)})
        for row in rows:
            with tqdm.external_write_mode():
                print(json.dumps({"clip": name, **row}), flush=True)
        if args.sheet:
            middle = max(0, len(case.rest.frames) // 2 - 4)
            sheet(case, ["truth", "exemplar", args.name], args.sheet / f"{clip.stem}.png", middle, 8)
    return 0


def with_adapters(settings: TrainSettings, steps: int) -> TrainSettings:
    """The same with so many steps for each person."""
    return settings.model_copy(update={"person_steps": steps})


if __name__ == "__main__":
    sys.exit(main())
