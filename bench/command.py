"""How long the command line takes to answer.

    python bench/command.py [JOB]

Prints the best of ten runs, in milliseconds, of `dubcli --help` (to stay below 200) and, where a finished
job is named, of running that job again (to stay below 2000).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from tqdm import trange

RUNS = 10


def best(words: list[str]) -> float:
    """Milliseconds of the fastest run."""
    taken = []
    for _ in trange(RUNS, desc=words[0], leave=False, disable=None):
        began = time.perf_counter()
        subprocess.run([Path(sys.executable).with_name("dubcli"), *words], check=True, capture_output=True)
        taken.append(1000 * (time.perf_counter() - began))
    return min(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", nargs="?", help="a finished job")
    job = parser.parse_args().job
    for words in [["--help"], *([["run", job]] if job else [])]:
        sys.stdout.write(f"dubcli {' '.join(words)}: {best(words):.0f} ms\n")


if __name__ == "__main__":
    main()
