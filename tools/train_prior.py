"""Train the prior that ships as `dubcli/speech/prior.safetensors`; see docs/prior.md.

    train_prior.py --cache DIR [--without CLIP]... [--out FILE] CLIP...

Clips whose terms do not allow it must not be named; what taught the committed weights is in docs/prior.md.
`--without` leaves a clip out by its stem: a figure on a clip that the prior has seen does not count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from gather import Clip, gather
from numpy.typing import NDArray
from safetensors.numpy import save_file

from dubcli.speech import model
from dubcli.speech.basis import measures

PENALTY = 30.0
ROUNDS = 3  # of fitting and of finding each clip's lag


def targets(clip: Clip) -> NDArray[np.float32]:
    """Measures in standard deviations, (T, 3)."""
    values = measures(clip.shape)
    return np.asarray((values - values.mean(0)) / np.maximum(values.std(0), 1e-4), np.float32)


def train(clips: list[Clip]) -> model.Ridge:
    """Fit the prior, pictures shifted against sound as each clip's own others-trained prior finds best."""
    lags = dict.fromkeys((c.name for c in clips), 0.0)
    for _ in range(ROUNDS):
        each = {c.name: _moments(c, lags[c.name]) for c in clips}
        total = model.Moments(*each[clips[0].name].xy.shape)
        for one in each.values():
            model.merge(total, one)
        for clip in clips:
            model.merge(total, each[clip.name], -1.0)
            lags[clip.name] = model.lag(total.solve(PENALTY), clip.features, clip.seconds, clip.shape)
            model.merge(total, each[clip.name])
    total = model.Moments(*total.xy.shape)
    for clip in clips:
        model.merge(total, _moments(clip, lags[clip.name]))
    return total.solve(PENALTY)


def _moments(clip: Clip, lag: float) -> model.Moments:
    x = model.windows(model.inputs(clip.features), clip.seconds - lag)
    y = targets(clip)
    out = model.Moments(x.shape[1], y.shape[1])
    out.add(x, y)
    return out


def main() -> None:
    """Read the command line, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--without", action="append", default=[], metavar="CLIP")
    parser.add_argument("--out", type=Path, default=model.PRIOR)
    args = parser.parse_args()
    clips = [gather(p, args.cache) for p in sorted(args.clips) if p.stem not in args.without]
    prior = train(clips)
    save_file(
        {"prior/centre": prior.centre, "prior/weight": prior.weight, "prior/mean": prior.mean}, args.out
    )


if __name__ == "__main__":
    main()
