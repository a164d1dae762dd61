"""Mutates small media files and lets the media stages read them.

`python -m tests.media.fuzz FOLDER CASES [FIRST]` prints how many were read and how many refused; anything but
a `DubError` of one line ends it with a traceback.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from dubcli.errors import DubError
from dubcli.media import sound
from dubcli.media.ffmpeg import url
from tests.media import films

KINDS: dict[str, list[str]] = {
    "h264.mp4": films.x264("-g", "4", "-bf", "2"),
    "h264.mkv": films.x264("-g", "4", "-bf", "2"),
    "h264.ts": films.x264("-g", "4"),
    "hevc.mp4": ["-c:v", "libx265", "-x265-params", "keyint=4:log-level=none:pools=1:frame-threads=1"],
    "prores.mov": ["-c:v", "prores_ks", "-c:a", "pcm_s16le"],
    "mjpeg.avi": ["-c:v", "mjpeg", "-c:a", "pcm_s16le"],
    "mpeg2.mpg": ["-c:v", "mpeg2video", "-c:a", "mp2"],
    "ffv1.mkv": ["-c:v", "ffv1", "-c:a", "flac"],
    "sound.wav": ["-vn"],
    "sound.mp3": ["-vn"],
    "sound.flac": ["-vn"],
    "sound.m4a": ["-vn"],
}
WHOLE = 10  # of so many cases, one goes on to a finished film


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three of: bits turned, a range zeroed, cut out, doubled or made noise, the end cut off."""
    for _ in range(rng.integers(1, 4)):
        size = len(data)
        a = int(rng.integers(0, max(1, size - 1)))
        b = min(size, a + int(rng.integers(1, max(2, size // 8))))
        kind = rng.integers(0, 6)
        if kind == 0:
            turned = bytearray(data)
            for at in rng.integers(0, max(1, size), 8):
                turned[at] ^= 1 << int(rng.integers(0, 8))
            data = bytes(turned)
        elif kind == 1:
            data = data[:a] + bytes(b - a) + data[b:]
        elif kind == 2:
            data = data[:a] + data[b:]
        elif kind == 3:
            data = data[:b] + data[a:]
        elif kind == 4:
            data = data[:a] + rng.bytes(b - a) + data[b:]
        else:
            data = data[: max(64, a)]
        if not data:
            return bytes(64)
    return data


def main(folder: Path, cases: int, first: int = 0) -> dict[str, float]:
    """Run all cases; see the module."""
    whole = {}
    for name, options in KINDS.items():
        path = films.make(folder / name, *options, rate="24000/1001", seconds=0.5, size="64x48")
        whole[name] = path.read_bytes()
    films.ffmpeg("-f", "lavfi", "-t", "0.5", "-i", films.TONE, url(folder / "dub.wav"))
    counts: dict[str, float] = {"cases": 0, "read": 0, "refused": 0, "slowest": 0}
    names = list(whole)
    for case in range(first, first + cases):
        rng = np.random.default_rng(case)
        name = names[case % len(names)]
        path = folder / f"case-{name}"
        path.write_bytes(mutated(whole[name], rng))
        began = time.monotonic()
        try:
            read(folder / "job", path, folder / "dub.wav", case)
            counts["read"] += 1
        except DubError as error:
            if "\n" in str(error):
                raise RuntimeError(f"case {case}: more than one line: {error}") from error
            counts["refused"] += 1
        except BaseException:
            print(f"case {case} ({name})", file=sys.stderr)
            raise
        counts["cases"] += 1
        counts["slowest"] = max(counts["slowest"], time.monotonic() - began)
    return counts


def read(root: Path, path: Path, dub: Path, case: int) -> None:
    """Read a file as far as a job would."""
    if "sound" in path.name:
        sound.audio(path)
        return
    shutil.rmtree(root, ignore_errors=True)
    stages = films.Stages(root, path, dub, ".mkv" if path.suffix in (".mkv", ".avi") else ".mov")
    stages.read()
    if case % WHOLE == 0:
        stages.touch([0, 1])
        stages.finish()


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int((sys.argv[3:] or ["0"])[0]))))
