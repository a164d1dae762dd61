"""What training minimises: how the corrected picture differs from the truth, most in and between the lips.

Pictures are (B, 3, S, S), 0–1; weights (B, 1, S, S). Every loss is a mean over its weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_C1, _C2 = 0.01**2, 0.03**2  # of SSIM (Wang et al. 2004) for values 0–1
_SOFT = 1e-3  # difference below which the absolute value is rounded off
_NEAR = 9  # pixels of a side over which the strength of detail is compared
_FAINT = 0.01  # of full scale: detail that is nearly none
_PATCH = 7  # pixels of a side in which structure is compared


@dataclass(frozen=True)
class Weights:
    """Of each loss in the sum."""

    absolute: float = 0.5
    structure: float = 1.0
    detail: float = 0.1


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

    For a given correlation it is least where both vary equally: unlike differences it rewards no blur.
    """
    total = drawn.new_zeros(())
    a, b = luma(drawn), luma(truth)
    for _ in range(2):
        total = total + 0.5 * mean(1 - _similarity(a, b), near(weight, _PATCH))
        a, b, weight = (functional.avg_pool2d(t, 2) for t in (a, b, weight))
    return total


def near(values: Tensor, side: int) -> Tensor:
    """Means of squares of `side` pixels around each; along one axis after the other, which is faster."""
    half = side // 2
    rows = functional.avg_pool2d(values, (side, 1), 1, (half, 0), count_include_pad=False)
    return functional.avg_pool2d(rows, (1, side), 1, (0, half), count_include_pad=False)


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    ma, mb, aa, bb, ab = near(torch.cat([a, b, a * a, b * b, a * b], 1), _PATCH).chunk(5, 1)
    va, vb, cov = aa - ma * ma, bb - mb * mb, ab - ma * mb
    bright = (2 * ma * mb + _C1) / (ma * ma + mb * mb + _C1)
    return bright * (2 * cov + _C2) / (va + vb + _C2)


def detail(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean difference of the strength of fine detail, as a logarithm: soft teeth cost what sharp ones do.

    Strength is the root mean square of the Laplacian of luma over some pixels; where it is does not matter.
    """
    total = drawn.new_zeros(())
    a, b = luma(drawn), luma(truth)
    for _ in range(2):
        total = total + 0.5 * mean((_strength(a) - _strength(b)).abs(), near(weight, _NEAR))
        a, b, weight = (functional.avg_pool2d(t, 2) for t in (a, b, weight))
    return total


def _strength(grey: Tensor) -> Tensor:
    by = grey.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    fine = functional.conv2d(grey, by, padding=1)
    return 0.5 * (near(fine * fine, _NEAR) + _FAINT**2).log()


def total(drawn: Tensor, truth: Tensor, weight: Tensor, by: Weights) -> Tensor:
    """Their weighted sum."""
    parts = (
        (absolute, by.absolute),
        (structure, by.structure),
        (detail, by.detail),
    )
    sum_ = drawn.new_zeros(())
    for loss, share in parts:
        if share:
            sum_ = sum_ + share * loss(drawn, truth, weight)
    return sum_
