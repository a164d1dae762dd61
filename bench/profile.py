"""Where the time of a job goes: core-milliseconds a frame by stage and kind of work, beside the floor.

    python -m bench.profile FILM AUDIO [--seconds S] [--size WxH] [--depth 8|10] [--dubs AUDIO]

With `--seconds` film and dub are cut to that length, with `--size` or `--depth` the film is brought to
that size and depth first (H.264, CRF 15). The floor is one decode and one encode by ffmpeg of the same
film with the settings that `compose` uses, in the same call: on a busy machine the ratio of processor
times holds better than that of the clock. With `--dubs` the film is then dubbed once more, with a second
track, from the same store.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import av
import ffmpeg

from bench import timers
from bench.job import COMMAND, used
from dubcli.artifacts.media import MediaInfo
from dubcli.media.encode import encoding
from dubcli.media.ffmpeg import arguments, binary
from dubcli.settings.config import ComposeSettings
from dubcli.stages import ORDER

_COLUMNS = ("all", "clock", "waits", "fsync")  # of a stage; all else are kinds of work

_HOOK = (
    "import sys; sys.path.insert(1, {root!r})\nfrom bench import timers; timers.install(); sys.path.pop(1)\n"
)


def prepared(film: Path, folder: Path, seconds: float, size: str, depth: int) -> Path:
    """The film cut to a length and brought to a size and depth, in square pixels: its middle, undistorted."""
    if not (seconds or size or depth):
        return film
    out = folder / "film.mp4"
    given = ffmpeg.input(str(film), **({"t": seconds} if seconds else {}))
    form = "yuv420p10le" if depth == 10 else "yuv420p"
    box = size.replace("x", ":")
    fill = f"scale={box}:force_original_aspect_ratio=increase,crop={box},setsar=1"
    extra = {"vf": fill} if size else {}
    made = ffmpeg.output(
        given,
        str(out),
        **extra,
        pix_fmt=form,
        **{"c:v": "libx264", "crf": 15, "preset": "veryfast", "c:a": "aac"},
    )
    subprocess.run([binary(), *arguments(made), "-v", "error"], check=True)
    return out


def heard(audio: Path, out: Path, seconds: float) -> Path:
    """The sound of a file cut to a length: a dub is about as long as its film."""
    if not seconds:
        return audio
    made = ffmpeg.output(ffmpeg.input(str(audio), t=seconds).audio, str(out))
    subprocess.run([binary(), *arguments(made), "-v", "error"], check=True)
    return out


def transcode(film: Path, media: MediaInfo, folder: Path) -> list[str]:
    """The command of a plain transcode with the settings of `compose`."""
    how = encoding(media.film, ComposeSettings())
    made = ffmpeg.output(
        ffmpeg.input(str(film)).video,
        str(folder / "floor.nut"),
        pix_fmt=how.pix_fmt,
        threads=4,
        **how.options,
    )
    return [binary(), *arguments(made), "-y", "-v", "error"]


def table(folder: Path, frames: int) -> str:
    """Rows of stages: core-milliseconds a frame, by kind of work too, and a worker's peak megabytes.

    `waits` is how long the thread that does a unit waited: for native threads, programs and the disk, of that
    `fsync` until files are on the disk.
    """
    stages: dict[str, Counter[str]] = defaultdict(Counter)
    peaks: Counter[str] = Counter()
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            stage, kinds = stages[row["stage"]], row["kinds"]
            stage.update(kinds)
            stage["programs (encode)"] += row["children"]
            named = sum(kinds.values())
            other = max(0.0, row["thread"] - named)
            stage["other"] += other
            stage["native threads"] += max(0.0, row["process"] - named - other)
            stage["all"] += row["process"] + row["children"]
            stage["clock"] += row["wall"]
            stage["waits"] += row["wall"] - row["thread"]
            stage["fsync"] += row["fsync"]
            peaks[row["stage"]] = max(peaks[row["stage"]], row["peak"])
    lines = []
    for name in sorted(stages, key=ORDER.index):
        kinds = stages[name]
        parts = ", ".join(
            f"{kind} {1000 * value / frames:.1f}"
            for kind, value in kinds.most_common()
            if kind not in _COLUMNS and 1000 * value / frames >= 0.05
        )
        columns = " ".join(f"{1000 * kinds[kind] / frames:7.1f}" for kind in _COLUMNS)
        lines.append(f"{name:8} {columns} {peaks[name] / 1e6:7.0f}   {parts}")
    total = sum(kinds["all"] for kinds in stages.values())
    lines.append(f"{'workers':8} {1000 * total / frames:7.1f}")
    heads = " ".join(f"{head:>7}" for head in ("core-ms", *_COLUMNS[1:], "peak MB"))
    return "\n".join([f"{'stage':8} {heads}   a frame", *lines])


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--size", default="")
    parser.add_argument("--depth", type=int, default=0, choices=(0, 8, 10))
    parser.add_argument("--dubs", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        film = prepared(args.film, folder, args.seconds, args.size, args.depth)
        audio = heard(args.audio, folder / "dub.flac", args.seconds)
        (folder / "hook").mkdir()
        (folder / "times").mkdir()
        root = str(Path(__file__).resolve().parents[1])
        (folder / "hook" / "sitecustomize.py").write_text(_HOOK.format(root=root))
        path = os.pathsep.join(filter(None, [str(folder / "hook"), os.environ.get("PYTHONPATH", "")]))
        hooks = {"PYTHONPATH": path, timers.FOLDER: str(folder / "times")}
        out = folder / "dubbed.mp4"
        run = [*COMMAND, "run", str(film), "--progress", "none", "-q", "--store", str(folder / "store")]
        seconds, busy, peak = used([*run, "--audio", str(audio), "-o", str(out)], **hooks)
        with av.open(str(out)) as box:
            frames = sum(1 for packet in box.demux(video=0) if packet.size)
        print(table(folder / "times", frames))
        stores = folder / "store"
        media = next(MediaInfo.load(p.parent) for p in stores.rglob("media.json"))
        floor, floor_busy, _ = used(transcode(film, media, folder))
        found = {
            "frames": frames,
            "picture": f"{media.film.width}x{media.film.height} {media.film.pix_fmt}",
            "job": {"seconds": round(seconds, 1), "fps": round(frames / seconds, 2)},
            "core_ms_a_frame": round(1000 * busy / frames, 1),
            "cores_busy": round(busy / seconds, 2),
            "peak_gb": round(peak / 1e9, 2),
            "floor": {"seconds": round(floor, 1), "core_ms_a_frame": round(1000 * floor_busy / frames, 1)},
            "clock_over_floor": round(seconds / floor, 2),
            "cores_over_floor": round(busy / floor_busy, 2),
        }
        if args.dubs:
            second = heard(args.dubs, folder / "second.flac", args.seconds)
            again, again_busy, _ = used([*run, "--audio", str(second), "-o", str(folder / "second.mp4")])
            found["second_over_first"] = round(again / seconds, 2)
            found["second_over_first_cores"] = round(again_busy / busy, 2)
        print(json.dumps(found))


if __name__ == "__main__":
    main()
