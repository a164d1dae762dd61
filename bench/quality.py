"""Dub footage whose truth is known, and score the final picture.

    python bench/quality.py same     FOOTAGE SCORE [--priors DIR] [--lips E] [CLIP…]
    python bench/quality.py silence  FOOTAGE SCORE [--lips E] [CLIP…]
    python bench/quality.py own      FOOTAGE SCORE [--lips E] [CLIP…]
    python bench/quality.py other    FOOTAGE SCORE [--priors DIR]

`same`: the film is the first 75 % of a clip, the dub the sound of its last 25 %, the truth the mouth in it.
`silence`: the dub is silent; what is left of movement must not follow the film's own.
`own`: the dub is the film's own sound; the whole face, brought to 416×320 as published measures are, against
the film's.
`other`: a film dubbed with the sound of another clip, whose own mouth is the truth.

A clip that the shipped prior was trained on is judged with a prior that was not trained on it (and, for
`other`, nor on the voice): `--priors DIR` holds `<clip>.safetensors` as
`tools/train_prior.py --without <clip>` writes them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import av
import cv2
import numpy as np
from skimage.metrics import structural_similarity
from tqdm import tqdm

from dubcli.media.ffmpeg import binary

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
OTHER = [
    ("woman_outdoors", "address_hill"),
    ("woman_outdoors", "museum_speech_64s"),
    ("woman_outdoors", "man_stool"),
    ("man_stool", "woman_outdoors"),
    ("man_stool", "address_hill"),
    ("address_hill", "woman_outdoors"),
    ("address_hill", "man_stool"),
    ("museum_speech_64s", "woman_outdoors"),
    ("museum_speech_64s", "man_stool"),
    ("museum_speech_64s", "address_hill"),
    ("man_front_15s", "woman_outdoors"),
    ("man_front_15s", "address_hill"),
]
"""Film and voice: the four clips whose sync and tracking can be trusted give the truth."""


def three_quarters(path: Path) -> float:
    """Seconds, down to a millisecond, at which the first picture after three quarters of a clip is shown.

    A cut between two pictures would leave the truth later than the sound.
    """
    with av.open(f"file:{path}") as box:
        stream = box.streams.video[0]
        if not stream.duration or not stream.time_base:
            raise SystemExit(f"{path.name} does not say how long its picture is")
        shown = (packet.pts for packet in box.demux(stream) if packet.pts is not None)
        first = min(at for at in shown if 4 * at >= 3 * stream.duration)
        return int(1000 * first * stream.time_base) / 1000


def ffmpeg(*arguments: object) -> None:
    """Run the ffmpeg that dubcli runs."""
    subprocess.run(
        [binary(), "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL
    )


@dataclass(frozen=True)
class Asked:
    """What is measured.

    Attributes:
        footage: the folder of clips; tool: the scoring tool.
        names: clips to take, all where it is empty.
        priors: folder of priors by clip, if they are not the one that ships.
        work: jobs and films are kept here; lips: the lip engine.
    """

    footage: Path
    tool: Path
    names: list[str]
    priors: Path | None
    work: Path
    lips: str

    def dub(self, film: Path, audio: Path, *clips: str) -> Path:
        """Run a job as a user would, with the first clip's prior that there is; returns the film it made."""
        out = film.with_name(f"{film.stem}.{audio.stem}.{self.lips}.mp4")
        command = [*COMMAND, "run", film, "--audio", audio, "-o", out, "--progress", "none", "-q"]
        command += [
            "--engine",
            f"lips={self.lips}",
            "--store",
            self.work / "store",
            "--set",
            "report.measure=0",
        ]
        paths = (self.priors / f"{clip}.safetensors" for clip in clips) if self.priors else ()
        if prior := next((path for path in paths if path.exists()), None):
            command += ["--set", f"learn.prior={prior}"]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
        return out

    def score(self, *arguments: object) -> dict[str, Any]:
        """Figures of the scoring tool."""
        return score(self.tool, *arguments)


def score(tool: Path, *arguments: object) -> dict[str, Any]:
    """Figures of the scoring tool."""
    done = subprocess.run(
        [sys.executable, str(tool), *map(str, arguments)], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def listed(footage: Path, name: str) -> list[Path]:
    """Clips that the footage's README lists on its line `name:`."""
    line = re.search(rf"^{name}: (.*)$", (footage / "README.md").read_text("utf-8"), re.MULTILINE)
    return [p for word in (line.group(1).split() if line else []) for p in sorted(footage.glob(word))]


def same(asked: Asked) -> Iterator[dict[str, Any]]:
    """Same voice, unseen speech."""
    for clip in listed(asked.footage, "same-voice"):
        if asked.names and clip.stem not in asked.names:
            continue
        cut = f"{three_quarters(clip):.3f}"
        film, audio = asked.work / f"{clip.stem}.mp4", asked.work / f"{clip.stem}_rest.wav"
        if not film.exists():
            sharp = ["-c:v", "libx264", "-crf", 12, "-c:a", "aac", "-b:a", "192k"]
            ffmpeg("-i", clip, "-t", cut, *sharp, film)
            ffmpeg("-ss", cut, "-i", clip, "-vn", audio)
        out = asked.dub(film, audio, clip.stem)
        row = asked.score("speech", out, clip, "--truth-start", cut)
        yield {"clip": clip.stem, **row, **asked.score("sharp", out, film)}


def silence(asked: Asked) -> Iterator[dict[str, Any]]:
    """A dub without a sound; `source` is the correlation of what is left of movement with the film's own."""
    audio = asked.work / "silence.wav"
    with wave.open(str(audio), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(bytes(2 * 48000 * 70))
    for clip in listed(asked.footage, "same-voice"):
        if asked.names and clip.stem not in asked.names:
            continue
        film = asked.work / f"{clip.stem}_whole{clip.suffix}"
        film.write_bytes(clip.read_bytes())
        out = asked.dub(film, audio)
        source = asked.score("speech", out, clip)["corr"]
        yield {"clip": clip.stem, **asked.score("silence", out, clip), "source": source}


def own(asked: Asked) -> Iterator[dict[str, Any]]:
    """A film dubbed with its own sound."""
    for clip in listed(asked.footage, "same-voice"):
        if asked.names and clip.stem not in asked.names:
            continue
        film, audio = asked.work / f"{clip.stem}_whole{clip.suffix}", asked.work / f"{clip.stem}_own.wav"
        film.write_bytes(clip.read_bytes())
        ffmpeg("-i", clip, "-vn", audio)
        out = asked.dub(film, audio)
        yield {
            "clip": clip.stem,
            **asked.score("picture", out, film),
            "face": whole_face(asked.tool, out, film),
        }


def whole_face(tool: Path, out: Path, film: Path) -> float:
    """Mean SSIM of the face, brought to 416×320 (height and width), of every fifth frame."""
    spec = importlib.util.spec_from_file_location("score", tool)
    assert spec
    assert spec.loader
    scoring = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scoring)
    find, found = scoring.Face(), []
    for was, now in islice(zip(scoring.frames(str(film)), scoring.frames(str(out)), strict=True), 0, None, 5):
        marks = find(was)
        if np.isnan(marks[0, 0]):
            continue
        (x0, y0), (x1, y1) = np.maximum(marks.min(0), 0).astype(int), marks.max(0).astype(int)
        both = [cv2.cvtColor(f[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY) for f in (was, now)]
        one, two = (cv2.resize(f, (320, 416), interpolation=cv2.INTER_AREA) for f in both)
        found.append(float(structural_similarity(one, two)))  # type: ignore[no-untyped-call]
    return round(mean(found), 4)


def other(asked: Asked) -> Iterator[dict[str, Any]]:
    """Another voice."""
    for face, voice in OTHER:
        if asked.names and face not in asked.names:
            continue
        source, spoken = (asked.footage / "talk" / f"{name}.mp4" for name in (face, voice))
        film, audio = asked.work / f"{face}_whole.mp4", asked.work / f"{voice}.wav"
        film.write_bytes(source.read_bytes())
        if not audio.exists():
            ffmpeg("-i", spoken, "-vn", audio)
        out = asked.dub(film, audio, f"{face}+{voice}", voice)
        yield {"clip": f"{face} < {voice}", **asked.score("speech", out, spoken)}


KINDS: dict[str, Callable[[Asked], Iterator[dict[str, Any]]]] = {
    "same": same,
    "silence": silence,
    "own": own,
    "other": other,
}


def main() -> None:
    """Print a JSON row per clip, then the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=list(KINDS))
    parser.add_argument("footage", type=Path)
    parser.add_argument("score", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--priors", type=Path)
    parser.add_argument("--work", type=Path, default=Path("quality-out"), help="jobs and films are kept here")
    parser.add_argument("--lips", default="exemplar", help="the lip engine")
    args = parser.parse_intermixed_args()
    args.work.mkdir(parents=True, exist_ok=True)
    asked = Asked(args.footage, args.score, args.names, args.priors, args.work, args.lips)
    rows = []
    for row in tqdm(KINDS[args.what](asked), disable=None):
        with tqdm.external_write_mode():
            print(json.dumps(row), flush=True)
        rows.append(row)
    numbers = [k for k, v in rows[0].items() if isinstance(v, int | float)]
    print(json.dumps({"mean": {k: round(mean(row[k] for row in rows), 3) for k in numbers}}))


if __name__ == "__main__":
    main()
