"""Train the prior that ships as `dubcli/speech/prior.safetensors`; see docs/prior.md.

    train_prior.py --cache DIR [--without CLIP]... [--out FILE] CLIP...

Clips whose terms do not allow it must not be named; what taught the committed weights is in docs/prior.md.
`--without` leaves a clip out by its stem: a figure on a clip that the prior has seen does not count.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
from gather import Clip, gather
from numpy.typing import NDArray
from scipy.linalg import block_diag

from dubcli.speech import model, prior
from dubcli.speech.basis import measures, together
from dubcli.speech.prior import DIRECTIONS, Linear, Prior, Speech

PENALTY = 300.0
ENCODED = 0.5  # how much each layer of the encoder counts beside the log-mel
VELOCITY = 1.0  # weight of how a mouth changes from frame to frame, against where it is
ROUNDS = 3  # of fitting and of finding each clip's lag
SPEEDS = tuple(Fraction(n, 25) for n in (21, 23, 27, 30))  # pitch and formants move with them


class Sums:
    """What a ridge regression needs of its data; sums can be added up and taken apart again."""

    def __init__(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        both = np.concatenate([x, y], axis=1).astype(np.float64)
        change = np.diff(both, axis=0)
        self.inputs = x.shape[1]
        self.parts = [np.array(float(len(both))), both.sum(0), both.T @ both, change.T @ change]

    def added(self, other: Sums, sign: float = 1.0) -> Sums:
        """The sums of both, or of this without the other (sign -1)."""
        out = object.__new__(Sums)
        out.inputs = self.inputs
        out.parts = [a + sign * b for a, b in zip(self.parts, other.parts, strict=True)]
        return out

    def solve(self) -> Linear:
        """Weights that fit the targets and their change from frame to frame."""
        count, total, square, change = self.parts
        mean, n = total / count, self.inputs
        both = square - count * np.outer(mean, mean) + VELOCITY * change
        weight = np.linalg.solve(both[:n, :n] + PENALTY * np.eye(n), both[:n, n:])
        return Linear(*(np.asarray(v, np.float32) for v in (mean[:n], weight, mean[n:])))


def train(clips: list[Clip]) -> Prior:
    """Fit the prior, each clip shifted against its sound as a prior of the others finds best."""
    directions = _directions(clips)
    ears = Prior(directions, Linear(*(np.zeros(0, np.float32) for _ in range(3))))
    heard = {c.name: {s: ears.project(f) for s, f in ({1.0: c.features} | c.faster).items()} for c in clips}
    lags = dict.fromkeys(heard, 0.0)
    for _ in range(ROUNDS):
        each = {c.name: lesson(c, heard[c.name], lags[c.name]) for c in clips}
        total = summed(list(each.values()))
        for clip in clips:
            others = Prior(directions, total.added(each[clip.name], -1.0).solve())
            lags[clip.name] = model.lag(others, [(heard[clip.name][1.0], clip.seconds)], clip.shape)
        # Only differences between clips can be known: taken together, they are in sync.
        middle = float(np.average([lags[c.name] for c in clips], weights=[len(c.seconds) for c in clips]))
        lags = {name: lag - middle for name, lag in lags.items()}
    return Prior(directions, summed([lesson(c, heard[c.name], lags[c.name]) for c in clips]).solve())


def _directions(clips: list[Clip]) -> Linear:
    """Chief directions of each of the encoder's layers where there is speech, half whitened."""
    rows = np.concatenate([np.asarray(c.features["encoded"], np.float64) for c in clips])
    rows = rows[np.abs(rows).sum(1) > 0]
    each = [_chief(layer) for layer in np.split(rows, 2, axis=1)]
    return Linear(
        *(np.asarray(v, np.float32) for v in (rows.mean(0), block_diag(*each), np.zeros(DIRECTIONS)))
    )


def _chief(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    spread, axes = np.linalg.eigh(np.cov(rows.T))
    spread, axes = np.sqrt(spread[::-1][: DIRECTIONS // 2]), axes[:, ::-1][:, : DIRECTIONS // 2]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(DIRECTIONS // 2)])
    return np.asarray(ENCODED * axes / np.sqrt(spread * spread[0]))


def lesson(clip: Clip, heard: dict[float, Speech], lag: float) -> Sums:
    """What a clip teaches, heard at several speeds, its pictures so many seconds after its sound."""
    values = measures(clip.shape)
    even = (values - values.mean(0)) / np.maximum(values.std(0), 1e-4)
    y = np.column_stack([even, together(values[:, 0])]).astype(np.float32)
    return summed([Sums(speech.windows((clip.seconds - lag) / s), y) for s, speech in heard.items()])


def summed(sums: list[Sums]) -> Sums:
    """All of them together."""
    out = sums[0]
    for one in sums[1:]:
        out = out.added(one)
    return out


def main() -> None:
    """Read the command line, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--without", action="append", default=[], metavar="CLIP")
    parser.add_argument("--out", type=Path, default=prior.SHIPPED)
    args = parser.parse_args()
    names = [p for p in sorted(args.clips) if p.stem not in args.without]
    prior.save(args.out, train([gather(p, args.cache, SPEEDS) for p in names]))


if __name__ == "__main__":
    main()
