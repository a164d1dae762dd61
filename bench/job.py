"""Time and memory of a whole job.

    python bench/job.py FILM AUDIO [--minutes M]

With `--minutes` the film is looped to that length first, its packets copied. Prints frames a second of the
whole job, processor time a frame (on a shared machine it says more than the clock), seconds of each stage,
the peak memory of all its processes together (their resident sets, sampled ten times a second; pages
they share count twice), and how long the same command takes once more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av

from dubcli.media.ffmpeg import binary

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]


def resident(pid: int) -> int:
    """Bytes resident in a process and all below it."""
    pids, total = [pid], 0
    while pids:
        one = pids.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * 4096
            for task in Path(f"/proc/{one}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total


def looped(film: Path, minutes: float, folder: Path) -> Path:
    """The film again and again, to a length."""
    out = folder / f"looped{film.suffix}"
    command = [binary(), "-v", "error", "-stream_loop", "-1", "-i", str(film), "-t", str(60 * minutes)]
    subprocess.run([*command, "-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", str(out)], check=True)
    return out


def run(film: Path, audio: Path, out: Path) -> tuple[float, float, int]:
    """Run the job; returns what `used` does."""
    words = ["run", str(film), "--audio", str(audio), "-o", str(out), "--progress", "none", "-q"]
    return used([*COMMAND, *words])


def used(command: list[str], **environment: str) -> tuple[float, float, int]:
    """Seconds, seconds of processor time, and peak resident bytes of a command and all below it."""
    before, began, peak = busy(), time.monotonic(), 0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **environment},
        )
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.1)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{said.read()}{' '.join(command[:5])} … ended with {process.returncode}")
    return time.monotonic() - began, busy() - before, peak


def busy() -> float:
    """Seconds of processor time of all commands that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--minutes", type=float, default=0.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.minutes:
            film = looped(args.film, args.minutes, folder)
        else:
            film = Path(shutil.copy(args.film, folder))
        out = folder / "dubbed.mp4"
        seconds, busy, peak = run(film, args.audio, out)
        again, _, _ = run(film, args.audio, out)
        spent: Counter[str] = Counter()
        for line in (out.with_suffix(".dub") / "events.jsonl").read_text().splitlines():
            event = json.loads(line)
            if event["type"] == "unit.done":
                spent[event["stage"]] += event["seconds"]
        with av.open(str(out)) as box:
            frames = sum(1 for packet in box.demux(video=0) if packet.size)
        print(
            json.dumps(
                {
                    "frames": frames,
                    "seconds": round(seconds, 1),
                    "fps": round(frames / seconds, 2),
                    "cpu_ms_per_frame": round(1000 * busy / frames, 1),
                    "peak_mb": round(peak / 1e6),
                    "again_seconds": round(again, 2),
                    "stages": {name: round(value, 1) for name, value in spent.items()},
                }
            )
        )


if __name__ == "__main__":
    main()
