"""Trains the weights that `produb` begins with, on clips of people who are in no film of yours.

    python -m tools.train_produb --work DIR [--steps N] [--onward] [-o FILE] CLIP…

Each clip is tracked, its longest face's footage becomes the gallery of one person, and all people are learnt
from together, as the people of one film are. All that is made is kept in DIR, so that a training that was
stopped goes on. The same clips give the same bytes on the same kind of processor.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from bench.track import prepared
from dubcli.artifacts import gallery, tracks
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Frames, Shots
from dubcli.engines.lips import TrainWork
from dubcli.engines.lips.produb.batches import Recipe
from dubcli.engines.lips.produb.engine import WEIGHTS, ProdubEngine
from dubcli.face.gallery import build
from dubcli.settings.config import TrainSettings
from dubcli.stages.train import engine_settings

BUDGET = 400_000_000  # bytes of a gallery
FIRST = Recipe(begun=False, mirrored=True, rate=2e-4)
ONWARD = Recipe(grown=False, mirrored=True, rate=2e-4)
START = Path(__file__).parents[1] / "dubcli" / "engines" / "lips" / "produb" / "start.safetensors"


def footage(clip: Path, folder: Path) -> Path:
    """The gallery of the face that is longest in a clip, made once."""
    found = folder / "gallery"
    if found.is_dir():
        return found
    view, _, _ = prepared(clip, folder / "stages")
    video = MediaInfo.load(view.one("probe").path).film
    pts = Frames.load(view.one("split").path).pts
    all_of = [t for name in view.all("track") for t in tracks.load(view.one("track", name).path, name)]
    longest = max(all_of, key=lambda track: len(track.frames))
    shots = Shots.load(view.one("split").path).shots
    (shot,) = (s for s in shots if s.start <= longest.frames[0] < s.stop)
    made = build(clip, video, pts, None, [lambda: longest], [shot], BUDGET)
    found.mkdir()
    gallery.save(found, made)
    return found


def main() -> int:
    """Track, learn and write the weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="all that is made is kept here")
    parser.add_argument("--size", type=int, default=TrainSettings().size)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument(
        "--onward", action="store_true", help="from the weights there are, at full size alone"
    )
    parser.add_argument("-o", "--out", type=Path, default=START)
    args = parser.parse_args()
    people = {
        clip.stem: footage(clip, args.work / clip.stem)
        for clip in tqdm(sorted(args.clips), desc="clips", disable=None)
    }
    scratch, out = args.work / "scratch", args.work / "out"
    for folder in (scratch, out):
        folder.mkdir(exist_ok=True)
    with tqdm(desc="steps", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        settings = engine_settings(args.size, args.steps, "cpu")
        learnt = ProdubEngine(ONWARD if args.onward else FIRST).train(
            TrainWork(people, None, 8, settings, scratch, out, report=progress)
        )
    for person, gain in sorted(learnt.gain.items()):
        print(f"{person}: 1 - SSIM of held-out frames {gain:+.4f} lower")
    shutil.copyfile(out / WEIGHTS, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
