"""Dub footage whose truth is known, and score the final picture.

    python bench/quality.py same     ../shared/footage ../shared/eval/score.py [--priors DIR] [CLIP…]
    python bench/quality.py silence  ../shared/footage ../shared/eval/score.py [CLIP…]
    python bench/quality.py other    ../shared/footage ../shared/eval/score.py [--priors DIR]

`same`: the film is the first 75 % of a clip, the dub the sound of its last 25 %, the truth the mouth in it.
`silence`: the dub is silent.
`other`: a film dubbed with the sound of another clip, whose own mouth is the truth.

A clip that the shipped prior was trained on is judged with a prior that was not trained on it (and, for
`other`, nor on the voice): `--priors DIR` holds `<clip>.safetensors` as
`tools/train_prior.py --without <clip>` writes them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import wave
from pathlib import Path
from statistics import mean
from typing import Any

import av
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


def dub(film: Path, audio: Path, prior: Path | None) -> Path:
    """Run a job as a user would; returns the film it made."""
    out = film.with_name(f"{film.stem}.{audio.stem}.mp4")
    command = [*COMMAND, "run", str(film), "--audio", str(audio), "-o", str(out), "--progress", "none", "-q"]
    command += ["--store", str(film.parent / "store"), "--set", "report.measure=0"]
    if prior:
        command += ["--set", f"learn.prior={prior}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


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


def same(
    footage: Path, tool: Path, names: list[str], priors: Path | None, work: Path
) -> list[dict[str, Any]]:
    """Same voice, unseen speech."""
    rows = []
    for clip in tqdm(listed(footage, "same-voice"), desc="clips", disable=None):
        if names and clip.stem not in names:
            continue
        cut = three_quarters(clip)
        film, audio = work / f"{clip.stem}.mp4", work / f"{clip.stem}_rest.wav"
        if not film.exists():
            ffmpeg(
                "-i",
                clip,
                "-t",
                f"{cut:.3f}",
                "-c:v",
                "libx264",
                "-crf",
                12,
                "-c:a",
                "aac",
                "-b:a",
                "192k",
                film,
            )
            ffmpeg("-ss", f"{cut:.3f}", "-i", clip, "-vn", audio)
        out = dub(film, audio, _prior(priors, clip.stem))
        row = score(tool, "speech", out, clip, "--truth-start", f"{cut:.3f}")
        rows.append({"clip": clip.stem, **row, **score(tool, "sharp", out, film)})
        with tqdm.external_write_mode():
            print(json.dumps(rows[-1]), flush=True)
    return rows


def silence(footage: Path, tool: Path, names: list[str], work: Path) -> list[dict[str, Any]]:
    """A dub without a sound."""
    audio = work / "silence.wav"
    with wave.open(str(audio), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(bytes(2 * 48000 * 70))
    rows = []
    for clip in tqdm(listed(footage, "same-voice"), desc="clips", disable=None):
        if names and clip.stem not in names:
            continue
        film = work / f"{clip.stem}_whole{clip.suffix}"
        film.write_bytes(clip.read_bytes())
        rows.append({"clip": clip.stem, **score(tool, "silence", dub(film, audio, None), clip)})
        with tqdm.external_write_mode():
            print(json.dumps(rows[-1]), flush=True)
    return rows


def other(
    footage: Path, tool: Path, names: list[str], priors: Path | None, work: Path
) -> list[dict[str, Any]]:
    """Another voice."""
    rows = []
    for face, voice in tqdm(OTHER, desc="pairs", disable=None):
        if names and face not in names:
            continue
        source, spoken = (footage / "talk" / f"{name}.mp4" for name in (face, voice))
        film, audio = work / f"{face}_whole.mp4", work / f"{voice}.wav"
        film.write_bytes(source.read_bytes())
        if not audio.exists():
            ffmpeg("-i", spoken, "-vn", audio)
        out = dub(film, audio, _prior(priors, f"{face}+{voice}") or _prior(priors, voice))
        rows.append({"clip": f"{face} < {voice}", **score(tool, "speech", out, spoken)})
        with tqdm.external_write_mode():
            print(json.dumps(rows[-1]), flush=True)
    return rows


def _prior(priors: Path | None, name: str) -> Path | None:
    path = priors / f"{name}.safetensors" if priors else None
    return path if path and path.exists() else None


def main() -> None:
    """Print a JSON row per clip, then the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["same", "silence", "other"])
    parser.add_argument("footage", type=Path)
    parser.add_argument("score", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--priors", type=Path)
    parser.add_argument("--work", type=Path, default=Path("quality-out"), help="jobs and films are kept here")
    args = parser.parse_intermixed_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.what == "silence":
        rows = silence(args.footage, args.score, args.names, args.work)
    else:
        kinds = {"same": same, "other": other}
        rows = kinds[args.what](args.footage, args.score, args.names, args.priors, args.work)
    numbers = [k for k, v in rows[0].items() if isinstance(v, int | float)]
    print(json.dumps({"mean": {k: round(mean(row[k] for row in rows), 3) for k in numbers}}))


if __name__ == "__main__":
    main()
