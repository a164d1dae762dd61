"""How well mouths are predicted from a dub that is not clean speech.

    python -m bench.robust FOOTAGE --cache DIR [--priors DIR] [CLIP…]

As in `bench.motion`, the model is fitted to three quarters of a clip and the sound of the fourth is the dub;
here it is also 12 dB quieter, and mixed with music or noise so many dB below it. The aperture asked for is
compared with the clip's own, and with what the clean dub asks for. Music is made up: chords, a bass and a
beat. All are taken for the film's own recording, as the clean dub is, lest its lag be what is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.motion import arguments, known_for, wanted
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.media.sound import audio
from dubcli.quality import curves
from dubcli.speech.features import features, levelled

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from gather import gather

Wave = NDArray[np.float32]
RATE = 16000
ROOTS = (220.0, 174.6, 261.6, 196.0)  # of the chords, Hz; four beats each
BEAT_S = 0.5


def music(count: int) -> Wave:
    """So many samples of it, of level 1 (root mean square)."""
    random, out = np.random.default_rng(0), np.zeros(count)
    for beat, start in enumerate(range(0, count, round(BEAT_S * RATE))):
        time = np.arange(min(count - start, round(1.2 * RATE))) / RATE
        chord = [ROOTS[beat // 4 % 4] * tone for tone in (1, 1.26, 1.5, random.choice([2, 2.25, 2.52, 3]))]
        notes = sum(np.sin(2 * np.pi * k * note * time) / k for note in chord for k in range(1, 7))
        drum = (0.6, 1.5)[beat % 2] * np.exp(-30 * time) * random.normal(0, 1, len(time))
        bass = 2 * (beat % 2 == 0) * np.exp(-12 * time) * np.sin(2 * np.pi * 60 * time)
        out[start : start + len(time)] += 0.25 * np.exp(-3 * time) * notes + drum + bass
    return _level(out)


def noise(count: int) -> Wave:
    """White noise, the same."""
    return _level(np.random.default_rng(1).normal(0, 1, count))


def _level(wave: NDArray[np.float64]) -> Wave:
    return np.asarray(wave / np.sqrt((wave**2).mean()), np.float32)


def sounds(dub: Wave) -> Iterator[tuple[str, Wave]]:
    """The dub as it may come."""
    yield "clean", dub
    yield "12 dB quieter", np.float32(10 ** (-12 / 20)) * dub
    level = np.sqrt((dub**2).mean())
    mixed: tuple[tuple[str, Callable[[int], Wave]], ...] = (("music", music), ("noise", noise))
    for name, make in mixed:
        for below in (20, 10, 5):
            yield f"{name} {below} dB below", dub + level * np.float32(10 ** (-below / 20)) * make(len(dub))


def main() -> None:
    """Print the table of means."""
    args = arguments(__doc__).parse_intermixed_args()
    rows: dict[str, list[list[float]]] = {}
    clips = list(known_for(args.footage, args.priors, args.clips))
    for path, known in tqdm(clips, desc="clips", disable=None):
        clip, (wave, _) = gather(path, args.cache), audio(path)
        part = 0.75 * len(wave) / RATE, len(wave) / RATE
        clean, own = None, dict[str, Wave]()
        for name, dub in sounds(wave[3 * len(wave) // 4 :]):
            heard = features(dub, PhoneAligner().align(levelled(dub))) | own
            made, true = (curve[:, 0] for curve in wanted(clip, known, part, heard, clip.features, {}))
            if clean is None:
                clean, own = made, {"colour": heard["colour"]}
            if curves.correlation(clean, true) is None:
                break  # nothing is said in that quarter
            found = [curves.correlation(made, other) or 0.0 for other in (true, clean)]
            rows.setdefault(name, []).append([*found, curves.articulation(made, true) or 0.0])
    print("| dub | corr | with what clean speech asks | articulation |\n|---|---|---|---|")
    for name, each in rows.items():
        print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in np.mean(each, axis=0)) + " |")


if __name__ == "__main__":
    main()
