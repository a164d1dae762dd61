"""How good the prior is on voices it was not trained on, by how much speech it was trained on.

    python -m bench.prior FOOTAGE --cache DIR

Priors are trained on shares of the clips that allow it, drawn several times, always without the clip that is
judged: the correlation of its aperture with the prior's prediction at its best lag. Clips that no prior may
be trained on are judged as well; GRID sentences, of three seconds each, are only trained on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.quality import listed
from dubcli.quality import curves
from dubcli.speech import basis, prior
from dubcli.speech.prior import Prior, Speech

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import train_prior
from gather import Clip, gather

SHARES = (0.125, 0.25, 0.5, 0.75, 1.0)
DRAWS = 6
LAGS = np.arange(-20, 21, 2) / 100  # seconds


def fits(known: Prior, speech: Speech, clip: Clip) -> list[float]:
    """Correlation with the clip's aperture at each lag."""
    true = basis.aperture(clip.shape)
    told = (known(speech.windows(clip.seconds - lag))[:, 0] for lag in LAGS)
    return [curves.correlation(one, true) or 0.0 for one in told]


def main() -> None:
    """Print a line for each share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    args = parser.parse_args()
    allowed = listed(args.footage, "prior")
    others = [p for p in sorted((args.footage / "talk").iterdir()) if p not in allowed]
    clips = [gather(p, args.cache, train_prior.SPEEDS) for p in tqdm(allowed, desc="clips", disable=None)]
    whole = prior.load(prior.SHIPPED)
    sums = {}
    for clip in clips:
        heard = {s: whole.project(f) for s, f in ({1.0: clip.features} | clip.faster).items()}
        lag = float(LAGS[int(np.argmax(fits(whole, heard[1.0], clip)))])
        sums[clip.name] = train_prior.statistics(clip, heard, lag)
    long = [c for c in [*clips, *(gather(p, args.cache) for p in others)] if not c.name.startswith("grid")]
    judged = [(clip, whole.project(clip.features)) for clip in long]
    seconds = sum(float(np.ptp(c.seconds)) for c in clips)
    random = np.random.default_rng(0)
    for share in SHARES:
        found = []
        draws = judged * (DRAWS if share < 1 else 1)
        for clip, speech in tqdm(draws, desc=f"{share:.1%}", leave=False, disable=None):
            rest = [name for name in sums if name != clip.name]
            kinds = [[n for n in rest if n.startswith("grid") == grid] for grid in (True, False)]
            drawn = [random.permutation(kind)[: max(1, round(share * len(kind)))] for kind in kinds]
            known = train_prior.summed([sums[name] for name in np.concatenate(drawn)]).solve()
            found.append(max(fits(Prior(whole.directions, known), speech, clip)))
        print(f"{share * seconds:4.0f} s of speech: {np.mean(found):.3f}")


if __name__ == "__main__":
    main()
