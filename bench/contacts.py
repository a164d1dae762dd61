"""What lip closures, labiodental contacts and rounding are worth, on sentences whose words are known.

    python -m bench.contacts FOOTAGE --cache DIR --prior FILE

The GRID sentences are predicted by a prior alone that was not trained on them (`tools/train_prior.py
--without`), from what a free phone loop recognises and from their own scripts, and compared with the mouths
as tracked. Then, by the bursts of their b and p: how long after it the lips part, which is the lag of the
picture on an absolute scale, and the lag that the prior estimates.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.align import known, words
from bench.motion import closures, f1, free
from dubcli.engines.aligners.base import AlignmentContext
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.engines.aligners.script import Scores, follow
from dubcli.media.sound import audio
from dubcli.quality import curves
from dubcli.speech import basis, model, motion, prior
from dubcli.speech.features import features, levelled
from dubcli.speech.lines import Line, Script

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from gather import Clip, gather

Features = dict[str, NDArray[np.float32]]
PARTED = 0.1  # of a mouth's range of aperture
BURST_S = 0.005  # step in which a burst is looked for


def heard(path: Path) -> tuple[Features, Features]:
    """Features of a sentence by the phone loop, and with its words."""
    wave = audio(path)[0]
    level = levelled(wave)
    scores = Scores(len(level) // 160)
    loop = PhoneAligner().align(level, keep=scores.keep)
    followed = follow(Script((Line(words(path)),)), loop, scores, AlignmentContext(language="en"), "script")
    return features(wave, loop), features(wave, followed)


def told(clip: Clip, dub: Features, known: prior.Prior, lag: float) -> list[float]:
    """Correlation of aperture, width and protrusion, and closure F1."""
    person = basis.person(clip.head, clip.shape)
    at, still = clip.seconds - lag, np.zeros(len(clip.seconds), np.float32)
    shape, together = model.unadapted(known).predict("", person, dub, at)
    shape, _ = motion.speak(person, shape, together, dub, at, still)
    made, true = basis.measures(shape), basis.measures(clip.shape)
    found = [curves.correlation(a, b) or 0.0 for a, b in zip(made.T, true.T, strict=True)]
    return [*found, f1(closures(made[:, 0]), closures(true[:, 0]))]


def parting(path: Path, clip: Clip) -> list[float]:
    """Seconds from the burst of each b and p to the parting of the lips."""
    wave, gap = levelled(audio(path)[0]), basis.aperture(clip.shape)
    step = round(16000 * BURST_S)
    level = np.array([np.log(np.mean(wave[max(0, at - step) : at + 2 * step] ** 2) + 1e-7)
                      for at in range(0, len(wave), step)])  # fmt: skip
    times, rise = (np.arange(len(level)) + 0.5) * BURST_S, np.gradient(level)
    out = []
    for phone in known(path.stem[-6:], wave):
        if phone.phone not in ("B", "P"):
            continue
        near = (times > phone.start - 0.03) & (times < phone.end + 0.06)
        burst = times[near][rise[near].argmax()]
        grid = np.arange(burst - 0.2, burst + 0.3, BURST_S)
        curve = np.interp(grid, clip.seconds, gap)
        shut = int(curve[grid < burst + 0.2].argmin())
        apart = np.flatnonzero(curve[shut:] > curve[shut] + PARTED * np.ptp(gap))
        if len(apart):
            out.append(float(grid[shut + apart[0]] - burst))
    return out


def main() -> None:
    """Print the table and the two figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument(
        "--prior", type=Path, required=True, help="one that was not trained on the GRID corpus"
    )
    args = parser.parse_args()
    before = prior.load(args.prior)
    paths = sorted((args.footage / "talk").glob("grid_*"))
    clips = [gather(path, args.cache) for path in tqdm(paths, desc="clips", disable=None)]
    lags = [model.lag(before, [(before.project(c.features), c.seconds)], c.shape) for c in clips]
    lag = float(np.median(lags))
    sounds = [heard(path) for path in tqdm(paths, desc="sounds", disable=None)]
    print("| | aperture | width | protrusion | closure F1 |\n|---|---|---|---|---|")
    for k, source in enumerate(("phone loop", "script")):
        for name, change in (
            ("", {"posed": motion.posed}),
            (", no poses", {"posed": free, "meeting": silent}),
        ):
            with patch.multiple(motion, **change):
                rows = [told(c, s[k], before, lag) for c, s in zip(clips, sounds, strict=True)]
            print(f"| {source}{name} | " + " | ".join(f"{v:.3f}" for v in np.mean(rows, axis=0)) + " |")
    after = [gap for path, clip in zip(paths, clips, strict=True) for gap in parting(path, clip)]
    print(f"lips part {np.median(after):+.3f} s after the burst (median of {len(after)})")
    print(f"by the prior, pictures come {lag:+.3f} s after their sound")


def silent(_: Features, seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """In place of `motion.meeting`: no sound asks lips to meet."""
    return np.zeros(len(seconds), np.float32)


if __name__ == "__main__":
    main()
