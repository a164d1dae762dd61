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

from bench.produb import face_of, footage
from dubcli.engines.lips import TrainWork
from dubcli.engines.lips.produb.batches import Recipe
from dubcli.engines.lips.produb.engine import START, WEIGHTS, ProdubEngine
from dubcli.settings.config import TrainSettings
from dubcli.stages.train import engine_settings

FIRST = Recipe(begun=False, mirrored=True, rate=2e-4)
ONWARD = Recipe(mirrored=True, rate=2e-4)


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
        clip.stem: footage(clip, args.work / clip.stem, *face_of(clip, args.work / clip.stem))
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
