"""What training minimises: how the corrected picture differs from the truth, most on the lips and between them.

Pictures are (B, 3, S, S), 0–1; weights (B, 1, S, S). Every loss is a mean over its weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_C1, _C2 = 0.01**2, 0.03**2  # of SSIM (Wang et al. 2004) for values 0–1
_SOFT = 1e-3  # difference below which the absolute value is rounded off
_PATCH = 7  # pixels of a side in which structure is compared


@dataclass(frozen=True)
class Weights:
    """Of each loss in the sum."""

    absolute: float = 1.0
    structure: float = 0.5
    gradient: float = 1.0
    temporal: float = 0.5


def mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of values (B, C, S, S)."""
    return (values.mean(1, keepdim=True) * weight).sum() / weight.sum().clamp(min=1.0)


def absolute(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference, smooth at 0."""
    return mean(((drawn - truth) ** 2 + _SOFT**2).sqrt(), weight)


def luma(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) to (B, 1, S, S), BT.601."""
    by = pictures.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]
    return (pictures * by).sum(1, keepdim=True)


def structure(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """1 - SSIM of luma, at full and at half resolution (Wang et al. 2004).

    For a given correlation it is least where both vary equally, so unlike differences it does not reward blur.
    """
    total = drawn.new_zeros(())
    a, b = luma(drawn), luma(truth)
    for _ in range(2):
        total = total + 0.5 * mean(1 - _similarity(a, b), functional.avg_pool2d(weight, _PATCH, 1, _PATCH // 2))
        a, b, weight = (functional.avg_pool2d(t, 2) for t in (a, b, weight))
    return total


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    def local(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, _PATCH, 1, _PATCH // 2, count_include_pad=False)

    ma, mb = local(a), local(b)
    va, vb, cov = local(a * a) - ma * ma, local(b * b) - mb * mb, local(a * b) - ma * mb
    bright = (2 * ma * mb + _C1) / (ma * ma + mb * mb + _C1)
    return bright * (2 * cov + _C2) / (va + vb + _C2)


def gradient(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of steps from pixel to pixel."""
    total = drawn.new_zeros(())
    for axis in (2, 3):
        step = torch.diff(drawn, dim=axis) - torch.diff(truth, dim=axis)
        total = total + mean(step.abs(), weight.narrow(axis, 1, weight.shape[axis] - 1))
    return total


def temporal(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Difference of what changes from one frame to the next; B is pairs of consecutive frames."""
    change = (drawn[0::2] - drawn[1::2]) - (truth[0::2] - truth[1::2])
    return mean(change.abs(), weight[0::2])


def total(drawn: Tensor, truth: Tensor, weight: Tensor, by: Weights) -> Tensor:
    """Their weighted sum."""
    parts = ((absolute, by.absolute), (structure, by.structure), (gradient, by.gradient), (temporal, by.temporal))
    sum_ = drawn.new_zeros(())
    for loss, share in parts:
        if share:
            sum_ = sum_ + share * loss(drawn, truth, weight)
    return sum_
