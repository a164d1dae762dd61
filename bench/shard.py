"""One stage by one process and by several that share its units, each with one worker.

    python -m bench.shard ../shared/footage [--minutes 1] [--shares 2] [--stages track lips] [--bound]

A film of eleven shots a minute is cut together from the clips of a footage folder and dubbed; then each stage
is done anew, from the same store, once by one process and once by as many as there are shares. Prints seconds
of both and their ratio: at best the number of shares, or of cores where these are fewer. Processor seconds
tell how much of a miss is the machine's: where they rise, the cores are not each other's equals. One process
draws on more than one core where it can; `--bound` gives every process one core of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from tqdm import tqdm

from bench.feature import cut_together
from bench.job import COMMAND, busy

ONE_WORKER = ["--workers", "1"]


def together(commands: list[list[str]], *, bound: bool = False) -> tuple[float, float]:
    """Seconds and processor seconds of commands that run beside each other, each on one core if `bound`."""
    before, began = busy(), time.monotonic()
    nothing = subprocess.DEVNULL
    cores = sorted(os.sched_getaffinity(0))
    running = []
    for number, command in enumerate(commands):
        pin = partial(os.sched_setaffinity, 0, {cores[number % len(cores)]}) if bound else None
        running.append(subprocess.Popen(command, stdin=nothing, stdout=nothing, preexec_fn=pin))
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit("a share ended with an error")
    return time.monotonic() - began, busy() - before


def main() -> None:
    """Print a JSON row for each stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--shares", type=int, default=2)
    parser.add_argument("--stages", nargs="+", default=["track", "lips"])
    parser.add_argument("--bound", action="store_true", help="every process has one core of its own")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        film, dub, _ = cut_together(args.footage, args.minutes, folder)
        job = folder / "job"
        words = ["run", str(film), "--audio", str(dub), "-o", str(folder / "out.mp4"), "--job", str(job)]
        together([[*COMMAND, *words, "-q", "--progress", "none"]])
        for stage in tqdm(args.stages, desc="stages", disable=None):
            again = [*COMMAND, "run", str(job), "-q", "--progress", "none", *ONE_WORKER, "--stage", stage]
            again += ["--redo", stage]
            alone, alone_busy = together([again], bound=args.bound)
            shares = [[*again, "--shard", f"{k + 1}/{args.shares}"] for k in range(args.shares)]
            shared, shared_busy = together(shares, bound=args.bound)
            row = {
                "stage": stage,
                "one": round(alone, 1),
                "shared": round(shared, 1),
                "times": round(alone / shared, 2),
                "one_busy": round(alone_busy, 1),
                "shared_busy": round(shared_busy, 1),
            }
            with tqdm.external_write_mode():
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
