"""What a step of the training sees: frames chosen by its number alone.

Constants are set by hand on real footage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dubcli.engines.lips.produb import losses
from dubcli.engines.lips.produb.network import Inputs, split
from dubcli.engines.lips.produb.pairs import Pairs

PART = 4  # frames that are computed at once, in pairs of consecutive ones, by which it flickers less
_LIPS, _INNER = 3.0, 2.0  # weights of the lips and of the inner mouth, beside 1 elsewhere


@dataclass(frozen=True)
class Recipe:
    """What can be left out, to find what it is worth (`bench/produb.py --ablate`).

    Without `begun` a training does not begin with the weights that ship; without `grown` it trains its full
    resolution alone, as one that begins with those weights does where they are for it; without `chosen` the
    network sees not what it corrects. `rate` is the learning rate of the film's weights, `thin` divides all
    widths.
    """

    losses: losses.Weights = field(default_factory=losses.Weights)
    grown: bool = True
    mirrored: bool = False
    references: bool = True
    chosen: bool = True
    begun: bool = True
    rate: float = 1e-4
    thin: int = 1

    def left(self, inputs: Inputs) -> Inputs:
        """What is left of the inputs, in training and in rendering."""
        references = inputs.references
        if not self.references:
            references = references[:, :1].expand_as(references)
        if not self.chosen:
            references = torch.cat([torch.zeros_like(references[:, :1]), references[:, 1:]], 1)
        return replace(inputs, references=references)


@dataclass(frozen=True)
class Batch:
    """B frames: what is seen, what `exemplar` draws, the truth (B, 3, S, S) 0–1, and weights (B, 1, S, S)."""

    inputs: Inputs
    drawn: Tensor
    truth: Tensor
    window: Tensor
    weight: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with all pictures and maps changed."""
        i = self.inputs
        inputs = Inputs(change(i.context), change(i.shape), change(i.references), i.person)
        rest = (self.drawn, self.truth, self.window, self.weight)
        return Batch(inputs, *(change(t) for t in rest))


def inputs_of(context: Tensor, visible: Tensor, maps: Tensor, references: Tensor, person: Tensor) -> Inputs:
    """What is seen, around 0, from bytes.

    Args:
        context: (B, S, S, 3).
        visible: (B, S, S).
        maps: (B, S, S, MAPS).
        references: (B, 1 + REFERENCES, S, S, 3).
        person: (B,).
    """
    shown = torch.cat([context, visible[..., None]], 3)
    many = _unit(references.flatten(0, 1).permute(0, 3, 1, 2))
    return Inputs(
        _unit(shown.permute(0, 3, 1, 2)),
        _unit(maps.permute(0, 3, 1, 2)),
        split(many, len(references)),
        person,
    )


def _unit(values: Tensor) -> Tensor:
    return values.float() / 255 - 0.5


def batch(pairs: Pairs, seed: int, number: int, device: torch.device, recipe: Recipe) -> Batch:
    """The frames of a part of a step, chosen by its number alone."""
    # As uint64: a list of a large and a small integer would become floats, and neighbouring seeds the same.
    random = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, number], np.uint64)))
    first = random.choice(np.flatnonzero(~pairs.held), PART // 2)
    rows = np.stack([first, pairs.next[first]], axis=1).reshape(-1)
    made = frames(pairs, rows, device, recipe)
    if recipe.mirrored:
        flip = torch.from_numpy(np.repeat(random.random(PART // 2) < 0.5, 2)).to(device)
        made = made.each(lambda t: torch.where(flip.view(-1, *[1] * (t.ndim - 1)), t.flip(-1), t))
    return made


def frames(pairs: Pairs, rows: NDArray[np.int64], device: torch.device, recipe: Recipe) -> Batch:
    """The frames of some rows."""

    def taken(array: Any, at: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array[at])).to(device)

    inputs = inputs_of(
        taken(pairs.context, rows),
        taken(pairs.visible, rows),
        taken(pairs.maps, rows),
        taken(pairs.references, rows),
        taken(pairs.person, rows),
    )
    drawn, truth = (taken(a, rows).permute(0, 3, 1, 2).float() / 255 for a in (pairs.drawn, pairs.truth))
    window = taken(pairs.window, rows)[:, None].float() / 255
    lips = inputs.shape[:, :2] + 0.5
    weight = (window > 0).float() * (1 + _LIPS * lips[:, :1] + _INNER * lips[:, 1:2])
    return Batch(recipe.left(inputs), drawn, truth, window, weight)
