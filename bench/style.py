"""Whether a speaking style is the speaker's: styles of the two halves of each clip.

    python -m bench.style FOOTAGE --cache DIR [--least SECONDS]

Each clip is cut where half of its speech is over, and each half is measured as if it were all there is. A
row per clip: seconds of speech, and middles and reaches of aperture, width and protrusion in either half.
Then, for each number, how far halves of one clip lie apart, how far clips do (standard deviations; reaches in
logarithms), and the share of the variance that is the speaker's (intraclass correlation).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dubcli.speech import basis, model, prior, style

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from gather import Clip, gather


def spoken(clip: Clip) -> NDArray[np.bool_]:
    """Frames (T,) with speech."""
    rows = clip.features["speech"] > 0.5
    return np.asarray(rows[np.clip((clip.seconds * 100).astype(int), 0, len(rows) - 1)])


def numbers(clip: Clip, speaks: NDArray[np.bool_], kept: slice, known: prior.Prior) -> NDArray[np.float64]:
    """Middles and logarithms of reaches (6,) of a part of a clip."""
    part = model.TrackSpan("a", clip.seconds[kept], clip.shape[kept])
    person = basis.person(clip.head, part.shape)
    middle, reach = style.observed(known, person, [(part, speaks[kept])], clip.features, 0.0).columns()
    return np.asarray(np.concatenate([middle, np.log(reach)]), np.float64)


def main() -> None:
    """Print the rows and the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--least", type=float, default=2.0, help="seconds of speech")
    args = parser.parse_args()
    known, halves = prior.load(prior.SHIPPED), []
    for path in tqdm(sorted(args.footage.glob("talk/*")), desc="clips", disable=None):
        clip = gather(path, args.cache)
        speaks = spoken(clip)
        seconds = float(speaks.sum() * np.median(np.diff(clip.seconds))) if len(speaks) > 1 else 0.0
        if seconds < args.least:
            continue
        half = int(np.flatnonzero(speaks)[speaks.sum() // 2])
        found = [numbers(clip, speaks, part, known) for part in (slice(0, half), slice(half, None))]
        halves.append(found)
        shown = [np.round(np.concatenate([row[:3], np.exp(row[3:])]), 3).tolist() for row in found]
        with tqdm.external_write_mode():
            print(f"{path.stem:40} {seconds:5.1f} s  {shown[0]}  {shown[1]}", flush=True)
    first, second = np.moveaxis(np.array(halves), 1, 0)
    within = np.sqrt(((first - second) ** 2).mean(0) / 2)
    between = np.sqrt(np.maximum(((first + second) / 2).var(0, ddof=1) - within**2 / 2, 0))
    share = between**2 / (between**2 + within**2)
    print("| | aperture | width | protrusion |\n|---|---|---|---|")
    for what, rows in (("halves apart", within), ("clips apart", between), ("the speaker's share", share)):
        for name, part in (("middle", rows[:3]), ("reach", rows[3:])):
            print(f"| {name}: {what} | " + " | ".join(f"{value:.3f}" for value in part) + " |")


if __name__ == "__main__":
    main()
