"""How fast the media stages are.

    python bench/media.py [FILM] [--seconds S]

Prints, as JSON lines:
- `scan_fps`: frames a second of `scan` on 512×512 pictures, on one core;
- `transcode`, `compose_remux`: seconds for a 1080p film, encoded whole by ffmpeg with the same settings, and
  dubbed with 30 % of its frames touched (in three spans); `ratio` is the second over the first (to stay
  below 0.8);
- `copied`: frames of it that were copied;
- `peak_mb`: memory of composing and remuxing ten seconds and forty (flat).

FILM, if named, takes the place of the 1080p test picture.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from dubcli.artifacts.shots import Shots
from dubcli.media.ffmpeg import binary, url
from dubcli.settings.config import ComposeSettings
from dubcli.stages import probe, scan
from tests.media import films

SHARE = 0.3
SECONDS = 20  # three spans of two seconds, as lines last; groups of a second around them are encoded too


def picture(path: Path, size: str, seconds: int) -> Path:
    """A film with grain and motion, as a camera would make it: H.264, a group every second."""
    films.ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}",
        "-f", "lavfi", "-t", str(seconds), "-i", films.TONE,
        "-vf", "boxblur=4,noise=alls=6:allf=t,format=yuv420p",
        *films.x264("-g", "25", "-crf", "18"), url(path),
    )  # fmt: skip
    return path


def scanning(folder: Path) -> float:
    """Frames a second of `scan`."""
    stages = films.Stages(folder / "scan", picture(folder / "square.mp4", "512x512", 8))
    stages.run(probe)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    began = time.perf_counter()
    stages.run(scan)
    taken = time.perf_counter() - began
    os.sched_setaffinity(0, cores)
    return 200 / taken


def transcoding(film: Path, out: Path) -> float:
    """Seconds ffmpeg takes to encode the film with the settings of `compose`."""
    settings = ComposeSettings()
    began = time.perf_counter()
    subprocess.run(
        [binary(), "-v", "error", "-y", "-i", url(film), "-c:v", "libx264", "-preset", settings.preset,
         "-crf", str(settings.crf), "-g", "50", "-threads", "4", "-c:a", "copy", url(out)],
        check=True,
    )  # fmt: skip
    return time.perf_counter() - began


def dubbing(folder: Path, film: Path, dub: Path, large: bool = True) -> tuple[float, int, int]:
    """Seconds of compose and remux, frames copied, frames of the film."""
    stages = films.Stages(folder, film, dub)
    stages.read()
    spot: dict[str, Any] = {"size": (320, 280), "at": (700, 400)} if large else {}
    count = Shots.load(stages.view.one("split").path).count
    for k in range(3):
        start = round(count * (0.1 + 0.3 * k))
        stages.touch(range(start, start + round(count * SHARE / 3)), **spot)
    began = time.perf_counter()
    done = stages.finish()
    return time.perf_counter() - began, done.note["copied"], count


def memory(folder: Path, seconds: int) -> float:
    """Peak MB of a process that dubs a film of this length."""
    code = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path; from bench import media; "
        "f = Path(sys.argv[1]); media.dubbing(f / 'job', f / 'film.mp4', f / 'dub.wav', False); "
        "print(media.peak())"
    )
    place = folder / f"memory{seconds}"
    place.mkdir()
    picture(place / "film.mp4", "640x360", seconds)
    films.wav(place / "dub.wav", films.noise(seconds))
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return float(done.stdout)


def peak() -> float:
    """Most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tell(**found: object) -> None:
    """Print figures as soon as they are known."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", nargs="?", type=Path)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of the test picture and of the dub")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = args.film or picture(folder / "film.mp4", "1920x1080", args.seconds)
        dub = films.wav(folder / "dub.wav", films.noise(args.seconds))
        transcode = transcoding(film, folder / "plain.mp4")
        taken, copied, count = dubbing(folder / "job", film, dub)
        tell(transcode=round(transcode, 2), compose_remux=round(taken, 2), ratio=round(taken / transcode, 3))
        tell(copied=f"{copied} of {count}")
        tell(scan_fps=round(scanning(folder)))
        tell(peak_mb=[round(memory(folder, seconds)) for seconds in (10, 40)])


if __name__ == "__main__":
    main()
