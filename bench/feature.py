"""A feature film: time and peak memory of every stage.

    python -m bench.feature made [--shots 2500] [--people 40] [--hours 2] [--keep DIR]
    python -m bench.feature film ../shared/footage [--minutes 90] [--keep DIR]

`made` makes up the tracks and the sound of a film of that many shots and people, and runs scan, cast, cue,
gallery, learn, motion and report on them as `dubcli run` does; what lies between them (patches, encoded
shots) is made up as well. `film` cuts a film of eleven shots a minute together from the clips of a footage
folder at 640×360, 25 frames a second, and dubs it from end to end; runs of several lengths tell what a minute
costs. Stopped and typed again with the same `--keep`, it goes on.

A row per stage: units, seconds from its first unit's start to its last one's end, processor seconds in that
time, and the peak megabytes, sampled ten times a second, of one process and of all together. Pages of mapped
files count. Processor seconds tell more where others use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.made import Made, fill, picture, timestamps
from dubcli import stages
from dubcli.core import keys, plan
from dubcli.core.job import Job
from dubcli.core.model import Unit
from dubcli.media import source
from dubcli.media.ffmpeg import binary, url
from dubcli.settings.config import Settings

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
REAL = ("scan", "cast", "cue", "gallery", "learn", "motion", "report")
EVERY = 0.1  # seconds between two looks at memory
PAUSE = 10.0  # seconds without a look: the run was stopped
SHOTS_A_MINUTE = 11
RATE = 25


@dataclass
class Usage:
    """What a command took.

    Attributes:
        seconds: by the clock.
        samples: (time, bytes of the largest process, bytes of all, processor seconds so far).
    """

    seconds: float = 0.0
    samples: list[tuple[float, int, int, float]] = field(default_factory=list)

    def peak(self, start: float, stop: float) -> tuple[int, int]:
        """Megabytes at most between two times, of one process and of all."""
        inside = [s for s in self.samples if start - EVERY <= s[0] <= stop + EVERY] or [(0.0, 0, 0, 0.0)]
        return round(max(s[1] for s in inside) / 1e6), round(max(s[2] for s in inside) / 1e6)

    def busy(self, start: float, stop: float) -> float:
        """Processor seconds between two times."""
        until = [max([s[3] for s in self.samples if s[0] <= at] or [0.0]) for at in (start, stop + EVERY)]
        return round(until[1] - until[0], 1)


def processes(pid: int) -> Iterator[tuple[int, float]]:
    """Bytes resident in a process and in each one below it, and processor seconds of each.

    Those of children that have ended are their parent's.
    """
    try:
        size = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        yield size, sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from processes(int(child))
    except (OSError, IndexError):
        return


def measured(words: Sequence[str], log: Path = Path(os.devnull)) -> Usage:
    """Run the command line and watch it; what was seen is added to a log, so that a run may go on later."""
    usage = Usage()
    for line in log.read_text().splitlines() if log.exists() else ():
        usage.samples.append(tuple(json.loads(line)))
    before = usage.samples[-1][3] if usage.samples else 0.0
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL)
    with log.open("a", buffering=1) as file:
        while process.poll() is None:
            sizes, busy = zip(*(list(processes(process.pid)) or [(0, 0.0)]), strict=True)
            usage.samples.append((time.time(), max(sizes), sum(sizes), before + sum(busy)))
            file.write(json.dumps(usage.samples[-1]) + "\n")
            time.sleep(EVERY)
    if process.returncode:
        raise SystemExit(f"dubcli {' '.join(words)} ended with {process.returncode}")
    times = [sample[0] for sample in usage.samples]
    usage.seconds = sum(b - a for a, b in pairwise(times) if b - a < PAUSE)
    return usage


def rows(job: Path, usage: Usage) -> list[dict[str, Any]]:
    """A row per stage that did something, from the job's own events."""
    spans: dict[str, list[float]] = {}
    units: dict[str, int] = {}
    for line in (job / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        at = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        if event["type"] in ("unit.start", "unit.done") and at >= usage.samples[0][0]:
            spans.setdefault(event["stage"], []).append(at)
            units[event["stage"]] = units.get(event["stage"], 0) + (event["type"] == "unit.done")
    out = []
    for stage, times in spans.items():
        one, together = usage.peak(min(times), max(times))
        out.append(
            {
                "stage": stage,
                "units": units[stage],
                "seconds": round(max(times) - min(times), 1),
                "cpu": usage.busy(min(times), max(times)),
                "one_mb": one,
                "all_mb": together,
            }
        )
    return out


def tell(row: Mapping[str, Any]) -> None:
    """Print a row."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def finish(job: Path, words: Sequence[str]) -> None:
    """Say how long planning and running the finished job once more take."""
    for name, command in (("plan", ["plan", *words]), ("again", ["run", *words, "-q"])):
        began = time.perf_counter()
        subprocess.run([*COMMAND, *command], check=True, stdout=subprocess.DEVNULL)
        tell({"command": name, "seconds": round(time.perf_counter() - began, 2)})
    store = sum(path.stat().st_size for path in (job / "store").rglob("*") if path.is_file())
    tell({"store_mb": round(store / 1e6)})


def made_up(folder: Path, shots: int, people: int, hours: float) -> None:
    """Make the job up where it is not measured, and measure the rest, stage by stage."""
    film, dub = folder / "film.mp4", folder / "dub.flac"
    seconds = 3600 * hours
    picture(film, seconds)
    subprocess.run(
        [binary(), "-v", "error", "-y", "-f", "lavfi", "-i", f"sine=r=16000:d={seconds}", url(dub)],
        check=True,
    )
    words = [str(film), "--audio", str(dub), "-o", str(folder / "out.mp4"), "--job", str(folder / "job")]
    measured(["run", *words, "--stage", "probe", "-q", "--progress", "none"])
    job = Job.open(folder / "job", Settings())
    job.read_sources()
    view = plan.view(job)
    pts = timestamps(film)
    made = Made.of(len(pts), shots, people)
    makers: dict[str, Callable[[Unit, Path], None]] = {}
    for name in stages.ORDER:
        if name in REAL:
            usage = measured(["run", *words, "--stage", name, "-q", "--progress", "none"])
            for row in rows(folder / "job", usage):
                tell(row)
        found = plan.rows(job, view, name, plan.Selection())
        view.artifacts[name] = {row.unit.name: row.artifact for row in found if row.unit and row.artifact}
        if name == "probe":
            makers = fill(view, made, pts)
        if name not in makers:
            continue
        for row in tqdm([row for row in found if not row.artifact], desc=name, disable=None):
            assert row.unit
            out = job.store.workspace()
            makers[name](row.unit, out)
            artifact = job.store.put(keys.preimage(row.unit), out, {})
            job.set_ref(row.unit.id, artifact.key)
            view.artifacts[name][row.unit.name] = artifact
    finish(folder / "job", words)


# A film that is cut together.


def cut_together(footage: Path, minutes: float, folder: Path) -> tuple[Path, Path, float]:
    """A film of parts of talking people's clips, a dub of its length, and its minutes."""
    film, dub = folder / "film.mp4", folder / "dub_fr.wav"
    if film.exists() and dub.exists():
        with source.opened(film) as box:
            return film, dub, box.streams.video[0].frames / RATE / 60
    clips = sorted(p for p in (footage / "talk").iterdir() if p.suffix in (".mp4", ".mpg"))
    voices = sorted((footage / "speech").glob("*.wav"))
    chance = np.random.default_rng(7)
    length = 60 / SHOTS_A_MINUTE
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    fit = "scale=640:360:force_original_aspect_ratio=decrease:out_color_matrix=bt709:out_range=tv"
    one = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"  # as films have
    look = f"{fit},pad=640:360:(ow-iw)/2:(oh-ih)/2,setsar=1,fps={RATE},format=yuv420p,{one}"
    sound = "aresample=48000,aformat=channel_layouts=mono"
    bar, frames = tqdm(total=round(minutes * 60 * RATE), desc="cut", unit="frames", disable=None), 0
    while frames < minutes * 60 * RATE:
        part = parts / f"{frames:08d}.mkv"
        clip = clips[int(chance.integers(len(clips)))]
        with source.opened(clip) as box:
            seconds = (box.duration or 0) / 1e6
        start = float(chance.uniform(0, max(0.0, seconds - length)))
        lit = f"eq=brightness={chance.uniform(-0.05, 0.05):.5f}"  # else a whole clip's shot would come again
        subprocess.run(
            [binary(), "-v", "error", "-y", "-ss", f"{start:.2f}", "-t", f"{length:.2f}", "-i", url(clip),
             "-vf", f"{look},{lit}", "-af", sound, "-map", "0:v:0", "-map", "0:a:0?", "-c:v", "libx264",
             "-preset", "veryfast", "-crf", "18", "-g", "50", "-c:a", "pcm_s16le", url(part)],
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with source.opened(part) as box:
            frames += round((box.duration or 0) / 1e6 * RATE)
        bar.update(frames - bar.n)
    bar.close()
    (parts / "list.txt").write_text("".join(f"file '{p.name}'\n" for p in sorted(parts.glob("*.mkv"))))
    subprocess.run(
        [binary(), "-v", "error", "-y", "-f", "concat", "-i", url(parts / "list.txt"), "-c:v", "copy",
         "-c:a", "aac", "-b:a", "128k", url(film)],
        check=True,
    )  # fmt: skip
    with source.opened(film) as box:
        seconds = box.streams.video[0].frames / RATE
    (folder / "voices.txt").write_text(
        "".join(f"file '{voices[k % len(voices)].resolve()}'\n" for k in range(int(minutes * 12) + 1))
    )
    subprocess.run(
        [binary(), "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", url(folder / "voices.txt"),
         "-t", f"{seconds:.3f}", "-ar", "48000", "-ac", "1", url(dub)],
        check=True,
    )  # fmt: skip
    shutil.rmtree(parts)
    return film, dub, seconds / 60


def dubbed(footage: Path, minutes: float, folder: Path) -> None:
    """Dub a film cut together from clips, and say what each stage and each of its minutes took."""
    film, dub, length = cut_together(footage, minutes, folder)
    words = [str(film), "--audio", str(dub), "-o", str(folder / "out.mp4"), "--job", str(folder / "job")]
    usage = measured(["run", *words, "-q", "--progress", "none"], folder / "usage.jsonl")
    for row in rows(folder / "job", usage):
        tell(row)
    one, together = usage.peak(0.0, time.time())
    tell(
        {
            "minutes": round(length, 2),
            "seconds": round(usage.seconds, 1),
            "seconds_a_minute": round(usage.seconds / length, 1),
            "cpu_a_minute": round(usage.busy(0.0, time.time()) / length, 1),
            "one_mb": one,
            "all_mb": together,
        }
    )
    finish(folder / "job", words)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    made = kinds.add_parser("made")
    made.add_argument("--shots", type=int, default=2500)
    made.add_argument("--people", type=int, default=40)
    made.add_argument("--hours", type=float, default=2.0)
    real = kinds.add_parser("film")
    real.add_argument("footage", type=Path)
    real.add_argument("--minutes", type=float, default=90.0)
    for one in (made, real):
        one.add_argument("--keep", type=Path, help="keep the film and the job here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if args.kind == "made":
            made_up(folder, args.shots, args.people, args.hours)
        else:
            dubbed(args.footage, args.minutes, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
