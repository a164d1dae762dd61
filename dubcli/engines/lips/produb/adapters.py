"""Low-rank adapters: what one person's mouth needs beyond the weights of the film (Hu et al. 2021, LoRA)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

RANK = 4  # of the change to a layer; Hu et al. found no more to be needed
_WIDEST = 3 * RANK  # narrower convolutions have no rank to spare


class LowRank(nn.Module):
    """A weight plus the product of two thin ones, of which the second is at first 0."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        out, rest = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.randn(RANK, rest, device=weight.device) / math.sqrt(rest))
        self.up = nn.Parameter(torch.zeros(out, RANK, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.change().view_as(weight)

    def change(self) -> Tensor:
        """What is added, (out, rest)."""
        return self.up @ self.down


def adapt(network: nn.Module) -> list[LowRank]:
    """Freeze a network and put adapters on its convolutions."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    found = []
    for module in list(network.modules()):
        if (
            isinstance(module, nn.Conv2d)
            and module.weight.shape[0] >= _WIDEST
            and module.kernel_size != (1, 1)
        ):
            adapter = LowRank(module.weight)
            parametrize.register_parametrization(module, "weight", adapter)
            found.append(adapter)
    return found


def departure(adapters: list[LowRank]) -> Tensor:
    """Mean square of what the adapters add: how far the person has gone from the film."""
    changes = [a.change() for a in adapters]
    squares = torch.stack([(change**2).sum() for change in changes]).sum()
    return squares / sum(change.numel() for change in changes)


def merge(network: nn.Module) -> None:
    """Write what the adapters add into the weights, so that drawing costs no more than without them."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
