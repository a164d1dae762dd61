"""Ordinary films and dubs: which are finished right, which are refused at once, which are wrong.

    python -m bench.films ../shared/footage [NAME…]

Each row of `films.yaml` makes a film and a dub by ffmpeg from a clip of a talking face, runs `dubcli run`
on them, and reads the result back with PyAV: number and times of the frames, the average rate, the dub's
place by correlation, the channels, the flags of the picture, and that pixels changed at all. Refused is right
where the row says so: exit 3 with nothing done but to read the film. The last line counts.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from dubcli.media import source
from dubcli.media.ffmpeg import binary

_SECONDS = "2.4"
_SHORTEST = 0.5  # seconds of sound whose place can be told
_DUBCLI = "import sys; from dubcli.cli.main import main; sys.exit(main())"
_CLIP, _SPEECH = "talk/downing_5s.mp4", "speech/fr_librivox_7s.wav"
_OPTIONS = {
    "+x264": "-c:v libx264 -preset veryfast -g 25 -bf 2",
    # NTSC DV: 4:1:1, 720x480, pixels of 8:9.
    "+dv": "-vf scale=480:480,pad=720:480:120:0,setsar=8/9 -r 30000/1001 -c:v dvvideo -pix_fmt yuv411p -ac 2",
}


@dataclass(frozen=True)
class Row:
    """A film, a dub, and what must come of them; options are as one types them.

    Attributes:
        film: its file name.
        picture: output options that make it.
        dub: the dub's file name.
        sound: output options that make the dub.
        out: name of the result, "" for dubcli's own choice.
        options: more of the command line.
        before: input options of the film.
        joined: output options of its second half, whose bytes are put behind the first's; "" for one film.
        cut: bytes that are taken off its beginning and its end.
        refused: whether `probe` or `scan` must refuse it.
        pixels: whether the picture must change: the clip's face is in it.
    """

    film: str
    picture: str
    dub: str = "dub_fr.wav"
    sound: str = "-ar 48000 -ac 1"
    out: str = ""
    options: str = ""
    before: str = ""
    joined: str = ""
    cut: tuple[int, int] = (0, 0)
    refused: bool = False
    pixels: bool = True


def rows() -> dict[str, Row]:
    """The rows of `films.yaml`."""
    text = Path(__file__).with_suffix(".yaml").read_text("utf-8")
    return {name: Row(**fields) for name, fields in yaml.safe_load(text).items()}


def _words(options: str) -> list[str]:
    for short, long in _OPTIONS.items():
        options = options.replace(short, long)
    return shlex.split(options)


def made(row: Row, footage: Path, folder: Path) -> tuple[Path, Path]:
    """The row's film and dub."""
    film, dub = folder / row.film, folder / row.dub
    base = folder / "base.mp4"
    good = ["-c:v", "libx264", "-crf", "14", "-preset", "fast", "-g", "25", "-c:a", "aac"]
    _ffmpeg("-i", footage / _CLIP, "-t", _SECONDS, *good, base)
    half = ["-t", "1.2"] if row.joined else []
    _ffmpeg(*_words(row.before), "-i", base, *half, *_words(row.picture), film)
    data = film.read_bytes()
    if row.joined:
        later = folder / f"later{film.suffix}"
        _ffmpeg("-ss", "1.2", "-i", base, "-output_ts_offset", "1.28", *_words(row.joined), later)
        data += later.read_bytes()
        later.unlink()
    film.write_bytes(data[row.cut[0] : len(data) - row.cut[1]])
    _ffmpeg("-i", footage / _SPEECH, "-t", "2", *_words(row.sound), dub)
    base.unlink()
    return film, dub


def _ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(
        [binary(), "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL
    )


def judged(row: Row, film: Path, dub: Path) -> str:
    """Run the job; "right", "refused" or what is wrong."""
    command = [sys.executable, "-c", _DUBCLI, "run", film.name, "--audio", dub.name, *_words(row.options)]
    out = film.parent / row.out if row.out else None
    if out:
        command += ["-o", str(row.out)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        command, cwd=film.parent, env=environment, capture_output=True, text=True, check=False
    )
    if row.refused:
        worked = {line.split("/")[0] for path in film.parent.glob("*/refs.tsv") for line in path.open()}
        worked -= {"probe", "align"}
        refused = done.returncode == 3 and not worked and done.stderr.count(": error: ") == 1
        return (
            "refused" if refused else f"wrong: exit {done.returncode}, after {sorted(worked)}: {done.stderr}"
        )
    if done.returncode:
        return f"wrong: exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}"
    found = (p for p in film.parent.iterdir() if p.suffix in (".mp4", ".mov", ".mkv"))
    result = out or next(p for p in found if p not in (film, dub))
    faults = list(_faults(row, film, dub, result))
    return f"wrong: {'; '.join(faults)}" if faults else "right"


def _faults(row: Row, film: Path, dub: Path, result: Path) -> Any:
    before, after = _pictures(film), _pictures(result)
    if len(before[0]) != len(after[0]):
        yield f"{len(after[0])} frames instead of {len(before[0])}"
        return
    coarse = 2e-3 if ".mkv" in (result.suffix,) else 2e-5
    moved = np.ptp(after[0] - before[0])
    if film.suffix != ".avi" and moved > coarse:  # AVI has no presentation times
        yield f"times move by {moved:.4f} s"
    steps = np.diff(before[0])
    even = len(steps) and np.ptp(steps) < coarse  # of others the containers' rates are guesses
    if even and abs(after[1] / before[1] - 1) > 1e-3 and film.suffix not in (".dv",):
        yield f"rate {float(after[1]):.3f} instead of {float(before[1]):.3f}"
    change = np.abs(after[2] - before[2]).max(axis=(1, 2))
    if row.pixels and (change > 40).mean() < 0.3:
        yield f"only {(change > 40).mean():.0%} of the frames changed"
    if before[3] != after[3]:
        yield f"shown as {after[3]} instead of {before[3]}"
    (was, _, channels), (now, begin, count) = _sound(dub), _sound(result)
    late = begin + _lag(was, now) / 48000 - after[0][0]
    if abs(late) > 2e-3 and len(now) > _SHORTEST * 48000:
        yield f"the dub is {late:.4f} s late"
    if begin + len(now) / 48000 > after[0][-1] + max(steps, default=2) + _SHORTEST:
        yield "the dub goes on after the film"
    if channels != count:
        yield f"{count} channels instead of {channels}"


def _pictures(path: Path) -> tuple[NDArray[np.float64], Fraction, NDArray[np.int16], tuple[Any, ...]]:
    """Times in seconds, average rate, small grey pictures (N, h, w), and how they are shown."""
    times: list[float] = []
    small = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or Fraction(25)
        shown: tuple[Any, ...] = ()
        for frame in _decoded(container, stream):
            shown = (frame.width, frame.height, stream.sample_aspect_ratio or 1, frame.rotation)
            times.append(frame.time if frame.time is not None else len(times) / float(rate))
            small.append(frame.reformat(width=256, height=256, format="gray").to_ndarray().astype(np.int16))
    return np.array(times), rate, np.array(small), shown


def _decoded(container: Any, stream: Any) -> Any:
    """Pictures, as a player shows them: damaged packets are left out."""
    for packet in container.demux(stream):
        with suppress(av.error.InvalidDataError):
            yield from packet.decode()


def _sound(path: Path) -> tuple[NDArray[np.float32], float, int]:
    """Mono samples at 48 kHz, when the first one sounds in seconds, and the number of channels."""
    parts, start, count = [], 0.0, 0
    with source.opened(path) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        for frame in container.decode(container.streams.audio[0]):
            if not count:
                start, count = float(frame.time or 0), len(frame.layout.channels)
            frame.pts = None
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts), start, count


def _lag(one: NDArray[np.float32], two: NDArray[np.float32]) -> int:
    """Samples by which the second is later than the first."""
    size = 1 << int(np.ceil(np.log2(len(one) + len(two))))
    found = np.fft.irfft(np.fft.rfft(two, size) * np.conj(np.fft.rfft(one, size)), size)
    at = int(np.abs(found).argmax())
    return at - size if at > size // 2 else at


def main() -> None:
    """Run all rows, or those named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("names", nargs="*", help="words of rows; all by default")
    chosen = parser.parse_args()
    counts: dict[str, int] = {}
    for name, row in tqdm(rows().items(), desc="films", disable=None):
        if chosen.names and not any(word in name for word in chosen.names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                verdict = judged(row, *made(row, chosen.footage.resolve(), Path(folder)))
            except subprocess.CalledProcessError:
                verdict = "cannot be made by this ffmpeg"
        counts[verdict.split(":")[0]] = counts.get(verdict.split(":")[0], 0) + 1
        with tqdm.external_write_mode():
            print(f"{name:24} {verdict}", flush=True)
    total = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    sys.stdout.write(f"{sum(counts.values())} films: {total}\n")


if __name__ == "__main__":
    main()
