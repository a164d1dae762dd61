"""Train the prior that ships as `dubcli/speech/prior.safetensors`; see docs/prior.md.

    train_prior.py --cache DIR [--without CLIP]... [--out FILE] CLIP...

Name only clips whose terms allow training; docs/prior.md lists those of the committed weights. `--without`
leaves a clip out by its stem: a measure on a clip of the training set does not count.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
from gather import Clip, gather
from numpy.typing import NDArray
from scipy.linalg import block_diag
from tqdm import tqdm

from dubcli.speech import model, prior
from dubcli.speech.basis import measures, together
from dubcli.speech.prior import DIRECTIONS, Linear, Prior, Speech

# Set by hand; no sweep of any single one is on record (bench/prior.py measures the prior as a whole).
PENALTY = 300.0  # of the ridge regression, in squared units of the inputs
ENCODED = 0.5  # scale of each layer of the encoder, relative to the log-mel
VELOCITY = 1.0  # weight of errors in the change from frame to frame, relative to errors of the measures
ROUNDS = 3  # of alternately fitting the prior and estimating the lag of each clip
SPEEDS = tuple(Fraction(n, 25) for n in (21, 23, 27, 30))  # augmentation; pitch and formants scale with them


class Sums:
    """Sufficient statistics of a ridge regression, which can be added and subtracted."""

    def __init__(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        both = np.concatenate([x, y], axis=1).astype(np.float64)
        change = np.diff(both, axis=0)
        self.inputs = x.shape[1]
        self.moments = [np.array(float(len(both))), both.sum(0), both.T @ both, change.T @ change]

    def added(self, more: Sums, sign: float = 1.0) -> Sums:
        """The statistics of both, or of this without `more` (sign -1)."""
        out = object.__new__(Sums)
        out.inputs = self.inputs
        out.moments = [a + sign * b for a, b in zip(self.moments, more.moments, strict=True)]
        return out

    def solve(self) -> Linear:
        """Weights that fit the targets and their change from frame to frame."""
        count, total, square, change = self.moments
        mean, n = total / count, self.inputs
        both = square - count * np.outer(mean, mean) + VELOCITY * change
        weight = np.linalg.solve(both[:n, :n] + PENALTY * np.eye(n), both[:n, n:])
        return Linear(*(np.asarray(v, np.float32) for v in (mean[:n], weight, mean[n:])))


def train(clips: list[Clip]) -> Prior:
    """The prior of clips, each shifted by the lag that the prior of all other clips estimates for it."""
    directions = _directions(clips)
    projection = Prior(directions, Linear(*(np.zeros(0, np.float32) for _ in range(3))))
    inputs = {
        c.name: {s: projection.project(f) for s, f in ({1.0: c.features} | c.faster).items()} for c in clips
    }
    lags = dict.fromkeys(inputs, 0.0)
    for _ in range(ROUNDS):
        each = {c.name: statistics(c, inputs[c.name], lags[c.name]) for c in clips}
        total = summed(list(each.values()))
        for clip in clips:
            others = Prior(directions, total.added(each[clip.name], -1.0).solve())
            lags[clip.name] = model.lag(others, [(inputs[clip.name][1.0], clip.seconds)], clip.shape)
        # Only differences of lag between clips are observable, so their mean is set to zero.
        middle = float(np.average([lags[c.name] for c in clips], weights=[len(c.seconds) for c in clips]))
        lags = {name: lag - middle for name, lag in lags.items()}
    return Prior(directions, summed([statistics(c, inputs[c.name], lags[c.name]) for c in clips]).solve())


def _directions(clips: list[Clip]) -> Linear:
    """Principal directions of each of the encoder's layers over speech, partly whitened."""
    rows = np.concatenate([np.asarray(c.features["encoded"], np.float64) for c in clips])
    rows = rows[np.abs(rows).sum(1) > 0]
    each = [_principal(layer) for layer in np.split(rows, 2, axis=1)]
    return Linear(
        *(np.asarray(v, np.float32) for v in (rows.mean(0), block_diag(*each), np.zeros(DIRECTIONS)))
    )


def _principal(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    spread, axes = np.linalg.eigh(np.cov(rows.T))
    spread, axes = np.sqrt(spread[::-1][: DIRECTIONS // 2]), axes[:, ::-1][:, : DIRECTIONS // 2]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(DIRECTIONS // 2)])
    return np.asarray(ENCODED * axes / np.sqrt(spread * spread[0]))


def statistics(clip: Clip, inputs: dict[float, Speech], lag: float) -> Sums:
    """The statistics of a clip at several speeds, whose picture is `lag` seconds later than its audio."""
    values = measures(clip.shape)
    standard = (values - values.mean(0)) / np.maximum(values.std(0), 1e-4)
    y = np.column_stack([standard, together(values[:, 0])]).astype(np.float32)
    return summed([Sums(speech.windows((clip.seconds - lag) / s), y) for s, speech in inputs.items()])


def summed(sums: list[Sums]) -> Sums:
    """The sum of all statistics."""
    out = sums[0]
    for one in sums[1:]:
        out = out.added(one)
    return out


def main() -> None:
    """Train a prior as the command line asks, and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--without", action="append", default=[], metavar="CLIP")
    parser.add_argument("--out", type=Path, default=prior.SHIPPED)
    args = parser.parse_args()
    names = [p for p in sorted(args.clips) if p.stem not in args.without]
    clips = [gather(p, args.cache, SPEEDS) for p in tqdm(names, desc="clips", disable=None)]
    prior.save(args.out, train(clips))


if __name__ == "__main__":
    main()
