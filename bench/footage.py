"""Dub every clip of a footage folder and say how each one ended.

    python bench/footage.py ../shared/footage [--keep DIR] [NAME…]

A row per clip: exit code, seconds, frames a second, and whether the film has the source's frame times.
Ends with 1 if any run raised a traceback, gave a code outside the documented ones, or moved a frame.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
from tqdm import tqdm

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
SUFFIXES = {".mp4", ".mpg", ".mov", ".mkv"}


def times(path: Path) -> list[Fraction]:
    """Presentation time of every picture, in seconds from the first."""
    with av.open(f"file:{path}") as box:
        found = [f.pts * f.time_base for f in box.decode(video=0) if f.pts is not None and f.time_base]
    return [t - found[0] for t in found]


def dub(clip: Path, audio: Path, folder: Path) -> tuple[str, bool]:
    """Run one job; returns the row and whether it is well."""
    out = folder / f"{clip.stem}.{audio.stem}{clip.suffix if clip.suffix != '.mpg' else '.mp4'}"
    began = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "run", str(clip), "--audio", str(audio), "-o", str(out), "--progress", "none"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - began
    logs = [p.read_text(errors="replace") for p in out.with_suffix(".dub").glob("logs/*.log")]
    traced = any("Traceback" in text for text in [done.stderr, *logs])
    source = times(clip)
    # Half a millisecond: the grid of the coarsest container.
    same = (
        out.exists()
        and all(abs(a - b) < Fraction(1, 1900) for a, b in zip(source, times(out), strict=False))
        and len(source) == len(times(out))
    )
    row = f"{clip.name:40} exit {done.returncode} {seconds:6.1f} s {len(source) / seconds:6.1f} fps"
    row += f"  {'same times' if same else 'TIMES DIFFER'}{'  TRACEBACK' if traced else ''}"
    if done.stderr.strip():
        row += "\n    " + done.stderr.strip().replace("\n", "\n    ")
    return row, same and not traced and done.returncode == 0


def main() -> int:
    """Run all clips; 1 if any is not well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose name holds one of these")
    parser.add_argument("--keep", type=Path, help="keep jobs and films here")
    args = parser.parse_intermixed_args()
    clips = sorted(p for p in args.footage.rglob("*") if p.suffix in SUFFIXES)
    audios = sorted(p for p in (args.footage / "speech").iterdir() if p.suffix in {".wav", ".mp3"})
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        well = True
        for number, clip in enumerate(tqdm(clips, desc="clips", disable=None)):
            if args.names and not any(name in clip.name for name in args.names):
                continue
            row, good = dub(clip, audios[number % len(audios)], folder)
            with tqdm.external_write_mode():
                print(row, flush=True)
            well &= good
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
