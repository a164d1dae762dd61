"""The network: mouth shape and texture encoded apart, decoded from coarse to fine.

All pictures are (B, C, S, S), values around 0, S = 64 · 2^k. The body works on the view reduced to 64 pixels;
each finer level adds what it sees at twice the resolution to what the level below has understood, and is
trained after it. The output corrects what `exemplar` draws: a flow that moves its pixels, which keeps them
sharp, a residual, and weights by which the other references replace the one that `exemplar` chose. All that
is written last starts at zero, so an untrained network changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dubcli.engines.lips.produb import view
from dubcli.engines.lips.produb.losses import luma
from dubcli.engines.lips.produb.pairs import REFERENCES

BASE = 64  # pixels of a side that the body sees
TOKENS = 16  # width of the vector that stands for a person
_BODY = (32, 48, 64, 80)  # channels at 32, 16, 8 and 4 pixels
_FINE = (16, 12, 8)  # channels of the levels at 128, 256 and 512 pixels
_TEXTURE = 16  # channels of each texture encoder
_SHAPE = 16  # channels of each shape encoder
_GROUPS = 4  # of channels, normalised together
_FLOW = 0.1  # of a side of the view, that an output of 1 moves: outputs stay small


@dataclass(frozen=True)
class Inputs:
    """What the network sees of B frames, around 0.

    Attributes:
        context: (B, 4, S, S) the masked source and its mask.
        shape: (B, MAPS, S, S) the wanted mouth.
        references: (B, 1 + REFERENCES, 3, S, S), the one that `exemplar` chose first.
        person: (B,) int64.
    """

    context: Tensor
    shape: Tensor
    references: Tensor
    person: Tensor

    def halved(self) -> Inputs:
        """The same at half the resolution."""

        def half(pictures: Tensor) -> Tensor:
            return functional.avg_pool2d(pictures, 2)

        many = split(half(self.references.flatten(0, 1)), len(self.person))
        return Inputs(half(self.context), half(self.shape), many, self.person)

    def bfloat16(self) -> Inputs:
        """The same in 16 bits."""
        context, shape, references = (t.bfloat16() for t in (self.context, self.shape, self.references))
        return Inputs(context, shape, references, self.person)


def split(pictures: Tensor, batch: int) -> Tensor:
    """(B · N, …) to (B, N, …)."""
    return pictures.reshape(batch, -1, *pictures.shape[1:])


def folded(pictures: Tensor) -> Tensor:
    """(B, C, S, S) to (B, 4 C, S / 2, S / 2): wide convolutions of few pixels are fast, thin ones are not."""
    return functional.pixel_unshuffle(pictures, 2).contiguous(memory_format=torch.channels_last)


def doubled(x: Tensor) -> Tensor:
    """(B, C, s, s) to (B, C, 2 s, 2 s), each value four times, whose gradient is exact on CUDA as well."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def smooth(fields: Tensor) -> Tensor:
    """(B, C, S, S) without what alternates from pixel to pixel, by the binomial filter 1 2 1 both ways.

    Left to itself, a network that is unsure draws checkerboards there, which pass for detail.
    """
    wide = functional.avg_pool2d(functional.pad(fields, (1, 1, 1, 1)), 2, 1)
    return functional.avg_pool2d(wide, 2, 1)


class Block(nn.Module):
    """Two convolutions around which the input is carried: (B, C, s, s) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(_GROUPS, width), width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)  # a deep sum would grow

    def forward(self, x: Tensor) -> Tensor:
        """The input and what was found in it."""
        found: Tensor = self.second(functional.silu(self.first(functional.silu(self.norm(x)))))
        return x + found


class ShapeEncoder(nn.Module):
    """The wanted mouth: (B, MAPS, S, S) to (B, width, S / 2, S / 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * view.MAPS, width, 3, padding=1)
        self.block = Block(width)

    def forward(self, inputs: Inputs) -> Tensor:
        """Features of the shape alone; no texture enters here."""
        found: Tensor = self.block(self.stem(folded(inputs.shape)))
        return found


class TextureEncoder(nn.Module):
    """The references: (B, 1 + REFERENCES, 3, S, S) to (B, 2 · width, S / 2, S / 2).

    All are encoded alike, and no shape enters here: they are warped to the wanted one already. The one that
    `exemplar` chose is kept; of the others each place of the mouth takes those whose features score highest
    there. Scores that the wanted shape asks for too (a dot product) drew no better, and flickered more.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.score = nn.Conv2d(width, 1, 1, bias=False)  # which the softmax would take out again

    def forward(self, inputs: Inputs) -> Tensor:
        """Texture features."""
        many = inputs.references
        features = self.second(functional.silu(self.stem(folded(many.flatten(0, 1)))))
        each = split(features, len(many))
        weight = split(self.score(features), len(many))[:, 1:].softmax(1)
        taken = (weight * each[:, 1:]).sum(1).contiguous(memory_format=torch.channels_last)
        return torch.cat([each[:, 0], taken], 1)


class Level(nn.Module):
    """One resolution: encoders of shape and texture, and as they are the context and the luma of the chosen
    reference, joined: Inputs to (B, width, S / 2, S / 2).
    """

    def __init__(self, width: int, coarse: int, thin: int) -> None:
        super().__init__()
        shape, texture = _SHAPE // thin, _TEXTURE // thin
        self.shape, self.texture = ShapeEncoder(shape), TextureEncoder(texture)
        own = shape + 2 * texture + 4 * (4 + 1)
        self.join = nn.Conv2d(own + coarse, width, 3, padding=1)

    def forward(self, inputs: Inputs, coarse: Tensor | None = None) -> Tensor:
        """Joined features, with those of the coarser level (B, coarse, S / 4, S / 4)."""
        parts = [
            self.shape(inputs),
            self.texture(inputs),
            folded(torch.cat([inputs.context, luma(inputs.references[:, 0])], 1)),
        ]
        if coarse is not None:
            parts.append(doubled(coarse))
        joined: Tensor = self.join(torch.cat(parts, 1))
        return joined


class Token(nn.Module):
    """Scales and shifts (B, C, s, s) features by the person's token (B, TOKENS)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(TOKENS, 2 * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        """The features as that person has them."""
        scale, shift = self.linear(token)[..., None, None].chunk(2, 1)
        adapted: Tensor = x * (1 + scale) + shift
        return adapted


class Body(nn.Module):
    """A U-Net on the coarsest level: (B, widths[0], 32, 32) to the same (Ronneberger et al. 2015)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        wide = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in wide)
        self.inward = nn.ModuleList(Block(width) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in wide)
        self.outward = nn.ModuleList(Block(width) for width in widths[:-1])
        self.tokens = nn.ModuleList(Token(width) for width in widths)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        """Features that have seen the whole view."""
        kept = []
        for k, block in enumerate(self.inward):
            x = self.tokens[k](block(x), token)
            if k < len(self.down):
                kept.append(x)
                x = self.down[k](x)
        for k in range(len(self.up) - 1, -1, -1):
            wide = doubled(self.up[k](x))
            x = self.outward[k](wide + kept[k])
        return x


@dataclass(frozen=True)
class Correction:
    """What the network changes; both are 0 for a network that has learnt nothing.

    Attributes:
        flow: (B, 2, S, S) pixels of the view, x and y, from where what `exemplar` draws is taken.
        residual: (B, 3, S, S) what is then added to it.
    """

    flow: Tensor
    residual: Tensor


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures (B, 3, S, S) taken from where a flow (B, 2, S, S) points, bilinear.

    Only the flow has a gradient; unlike that of `grid_sample` it is exact on CUDA.
    """
    b, c, h, w = pictures.shape
    rows = torch.arange(h, device=flow.device, dtype=flow.dtype)[None, :, None]
    columns = torch.arange(w, device=flow.device, dtype=flow.dtype)[None, None]
    x, y = (columns + flow[:, 0]).clamp(0, w - 1), (rows + flow[:, 1]).clamp(0, h - 1)
    left, top = x.detach().floor().clamp(max=w - 2), y.detach().floor().clamp(max=h - 2)
    across, down = (x - left)[:, None], (y - top)[:, None]
    at = (top * w + left).long().flatten(1)[:, None].expand(-1, c, -1)
    flat = pictures.flatten(2)
    corner = [flat.gather(2, at + k).view(b, c, h, w) for k in (0, 1, w, w + 1)]
    upper = corner[0] + across * (corner[1] - corner[0])
    lower = corner[2] + across * (corner[3] - corner[2])
    return upper + down * (lower - upper)


class Head(nn.Module):
    """(B, width, S / 2, S / 2) to residual, weights and flow (B, 5 + REFERENCES, S, S), at first 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Conv2d(width, 4 * (5 + REFERENCES), 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """The correction of this level."""
        return functional.pixel_shuffle(self.out(functional.silu(x)), 2)


class Refinement(nn.Module):
    """What a finer level makes of its joined features: (B, width, s, s) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.person, self.second = Block(width), Token(width), Block(width)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        """Refined features of that person."""
        refined: Tensor = self.second(self.person(self.first(x), token))
        return refined


class Network(nn.Module):
    """Inputs to the correction of what `exemplar` draws.

    Args:
        people: number of persons.
        levels: how many resolutions; the finest has 64 · 2^(levels - 1) pixels.
        thin: what all widths are divided by.
    """

    def __init__(self, people: int, levels: int, thin: int = 1) -> None:
        super().__init__()
        self.token = nn.Embedding(people, TOKENS)
        body = tuple(width // thin for width in _BODY)
        self.body = Body(body)
        widths = (body[0], *(width // thin for width in _FINE))[:levels]
        self.levels = nn.ModuleList(
            Level(width, widths[k - 1] if k else 0, thin) for k, width in enumerate(widths)
        )
        self.blocks = nn.ModuleList(Refinement(width) for width in widths[1:])
        self.heads = nn.ModuleList(Head(width) for width in widths)

    def forward(self, inputs: Inputs) -> Correction:
        """The correction at the resolution of the inputs, which may be coarser than the finest level."""
        size = inputs.context.shape[-1]
        pyramid = [inputs]
        while pyramid[-1].context.shape[-1] > BASE:
            pyramid.append(pyramid[-1].halved())
        token = self.token(inputs.person)
        x: Any = self.body(self.levels[0](pyramid[-1]), token)
        out = self.heads[0](x)
        for k, finer in enumerate(pyramid[-2::-1], 1):
            x = self.blocks[k - 1](self.levels[k](finer, x), token)
            out = doubled(out) + self.heads[k](x)
        out = smooth(out.float())
        others = inputs.references[:, 1:] - inputs.references[:, :1]
        residual = out[:, :3] + (out[:, 5:, None] * others.float()).sum(1)
        return Correction(out[:, 3:5] * (_FLOW * size), residual)


def placed(network: Network, device: torch.device) -> Network:
    """The network on a device, its weights laid out as convolutions take them fastest."""
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
