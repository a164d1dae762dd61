"""Training: the film's people together, from coarse to fine, then each person on top.

Every step is drawn from its own number, so a training that is continued from a checkpoint ends with the same
bits as one that was never stopped. Constants are set by hand on real footage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import deterministic

from dubcli.engines.lips.produb import adapters, checkpoint, losses
from dubcli.engines.lips.produb.batches import PART, Batch, Recipe, batch, frames
from dubcli.engines.lips.produb.network import BASE, Correction, Inputs, Network, moved
from dubcli.engines.lips.produb.pairs import Pairs
from dubcli.errors import CheckError, MemoryFullError

BATCH = 8  # frames of a step
_PARTS = 2  # parts computed at once on a CPU, each on one thread: faster than threads that share each sum
# Of the steps, that each resolution takes, by how many are trained: coarse ones cost little.
_SHARES = ((1,), (3, 1), (4, 2, 1), (5, 3, 2, 1))
_WARM = 20  # steps in which the rate rises
_PERSON_RATE, _LAST = 1e-4, 0.05  # learning rate of adapters, and the share that is left at the end
_DECAY = 0.98  # of the running mean of weights
_JUDGED = 48  # held-out frames of a person on which the training is judged, at most
_CLIP = 1.0  # norm of the gradient at most
SAVE_PIXELS = 100 * 128 * 128  # pixels of a side squared, times steps, between checkpoints: half a minute
_HOLD = 30.0  # weight of an adapter's departure with `_HOLD_FRAMES` frames of footage; more with fewer
_HOLD_FRAMES = 500.0  # twenty seconds; set by hand


def levels(size: int) -> int:
    """Number of resolutions up to a size."""
    return int(math.log2(size // BASE)) + 1


def corrected(network: nn.Module, inputs: Inputs, device: torch.device) -> Correction:
    """The network's correction, in float32, computed in the precision that is fastest on the device."""
    half = multiplies_bfloat16(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        found: Correction = network(inputs.bfloat16() if half else inputs)
    return found


@lru_cache
def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16, by which it is twice as fast as float32.

    A processor without them takes every number apart, and needs six times as long. Versions of PyTorch that
    do not tell what it has are taken for such.
    """
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type != "cpu" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """The same sums in the same order, every time, while it lasts."""
    threads, before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(1)  # sums of floats depend on it
    # Not by `use_deterministic_algorithms`, which imports PyTorch's compiler: seconds in every process.
    torch.set_deterministic_debug_mode("error")
    # A fifth of the time, against a fault that is not here.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.set_num_threads(threads)


def result(network: nn.Module, made: Batch, device: torch.device) -> Tensor:
    """The corrected pictures of a batch."""
    found = corrected(network, made.inputs, device)
    return moved(made.drawn, made.window * found.flow) + made.window * found.residual


class Trainer:
    """One training: a network, its optimiser, its running mean, and where it stands.

    Args:
        network: on its device.
        pairs: what it learns from, by pixels of a side, each trained after the one before; the largest is
            that of the network.
        steps: how many.
        seed: from the content of the footage.
        path: of the checkpoint.
        made_of: what the result depends on; a checkpoint of anything else is ignored.
        recipe: what is left out.
        fitted: adapters, where a person is trained; the network's own weights then stay.
    """

    def __init__(
        self,
        network: Network,
        pairs: Mapping[int, Pairs],
        steps: int,
        seed: int,
        path: Path,
        made_of: Mapping[str, Any],
        recipe: Recipe,
        fitted: Sequence[adapters.LowRank] = (),
    ) -> None:
        self.network, self.pairs, self.size, self.steps, self.seed = network, pairs, max(pairs), steps, seed
        self.path, self.recipe, self.fitted = path, recipe, list(fitted)
        self.made_of = {**made_of, "steps": steps, "size": self.size, "recipe": asdict(recipe)}
        self.device = next(network.parameters()).device
        self.learnt = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self.optimiser = torch.optim.AdamW(list(self.learnt.values()), betas=(0.9, 0.99), weight_decay=1e-4)
        self.mean = {n: p.detach().clone() for n, p in self.learnt.items()}
        self.step = self.returns = 0
        self.loss = 0.0  # of the last step
        self.every = max(1, SAVE_PIXELS // self.size**2)
        self.pool = ThreadPoolExecutor(_PARTS if self.device.type == "cpu" else 1)

    def run(self, report: Callable[[int, int], None]) -> dict[str, Tensor]:
        """Train to the end, from the checkpoint if there is one; the running mean of what was learnt.

        Raises:
            CheckError: the loss stayed without a number after going back.
            MemoryFullError: the device has too little memory.
        """
        found = checkpoint.resume(self.path, self.made_of)
        if found and self._fits(found[0]) and 0 <= found[1] <= self.steps:
            self._restore(*found)
        good = self._state(), self.step
        while self.step < self.steps:
            if self.step and self.step % self.every == 0 and self.step != good[1]:
                good = self._state(), self.step
                checkpoint.write(self.path, good[0], {"step": self.step, "made_of": self.made_of})
            if not self.advance():
                if self.returns:
                    raise CheckError(
                        f"training lost its numbers twice near step {self.step}; type: dubcli run "
                        "again with --engine lips=exemplar, and report a bug"
                    )
                self._restore(*good)
                self.returns += 1
                continue
            self.step += 1
            report(self.step, self.steps)
        return self.mean

    def resolution(self) -> int:
        """Pixels of a side that the current step trains."""
        sizes = sorted(self.pairs)
        shares = _SHARES[len(sizes) - 1]
        ends = (self.steps * sum(shares[: k + 1]) / sum(shares) for k in range(len(sizes)))
        return next((size for size, end in zip(sizes, ends, strict=True) if self.step < end), self.size)

    def rate(self) -> float:
        """Learning rate of the current step: a short rise, then half a cosine."""
        done = self.step / max(self.steps, 1)
        fall = _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * done))
        full = _PERSON_RATE if self.fitted else self.recipe.rate
        return full * fall * min(1.0, (self.step + 1) / _WARM) * 0.5**self.returns

    def advance(self) -> bool:
        """One step; whether its loss and gradient are numbers."""
        parts = range(self.step * (BATCH // PART), (self.step + 1) * (BATCH // PART))
        try:
            try:
                found = list(self.pool.map(self._gradients, parts))
            except (torch.OutOfMemoryError, MemoryError):
                # One part after the other needs half of it, and gives the same bits.
                found = [self._gradients(part) for part in parts]
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise MemoryFullError(
                f"training at {self.size} pixels needs more memory than {self.device.type} has left; "
                f"type: dubcli run again with --set train.size={max(self.size // 2, BASE)}"
            ) from error
        with torch.no_grad():
            for parameter, *grads in zip(self.learnt.values(), *(g for _, g in found), strict=True):
                parameter.grad = sum(grads[1:], grads[0]) / len(grads)
        self.loss = sum(loss for loss, _ in found) / len(found)
        norm = nn.utils.clip_grad_norm_(list(self.learnt.values()), _CLIP)
        if not math.isfinite(self.loss) or not torch.isfinite(norm):
            return False
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        keep = min(_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, parameter in self.learnt.items():
                self.mean[name].lerp_(parameter.detach(), 1 - keep)
        return True

    def gain(self) -> dict[int, float]:
        """Person → 1 - SSIM of what `exemplar` draws of held-out frames, minus that of the trained network.

        The running mean of the weights is put into the network. People without such frames are left out.
        """
        pairs, found = self.pairs[self.size], {}
        with torch.no_grad():
            for name, parameter in self.learnt.items():
                parameter.copy_(self.mean[name])
            for person in np.unique(pairs.person[pairs.held]).tolist():
                rows = np.flatnonzero(pairs.held & (pairs.person == person))
                rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _JUDGED)).round().astype(np.int64)]
                better = []
                for row in rows:
                    made = frames(pairs, np.array([row]), self.device, self.recipe)
                    both = made.drawn, result(self.network, made, self.device)
                    before, after = (float(losses.structure(p, made.truth, made.weight)) for p in both)
                    better.append(before - after)
                found[int(person)] = sum(better) / len(better)
        return found

    def _gradients(self, number: int) -> tuple[float, list[Tensor]]:
        """Loss of a part, and its gradient by each parameter that is learnt."""
        # After going back, other frames: the same ones would lose the numbers again.
        seed = self.seed + self.returns
        pairs = self.pairs[self.resolution()]
        made = batch(pairs, seed, number, self.device, self.recipe)
        loss = losses.total(
            result(self.network, made, self.device), made.truth, made.weight, self.recipe.losses
        )
        if self.fitted:
            loss = loss + _HOLD * _HOLD_FRAMES / int((~pairs.held).sum()) * adapters.departure(self.fitted)
        parameters = list(self.learnt.values())
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        return float(loss.detach()), [
            torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)
        ]

    def _state(self) -> dict[str, Tensor]:
        state = {"returns": torch.tensor(self.returns)}
        for name, parameter in self.learnt.items():
            state[f"now/{name}"], state[f"mean/{name}"] = parameter.detach().clone(), self.mean[name].clone()
            moments = self.optimiser.state.get(parameter, {})
            state |= {f"{key}/{name}": value.detach().clone() for key, value in moments.items()}
        return state

    def _fits(self, state: Mapping[str, Tensor]) -> bool:
        """Whether a checkpoint is of this network and optimiser: one of another version may not be."""
        shapes = {name: tensor.shape for name, tensor in state.items()}
        own = {"returns": torch.Size([])}
        for name, parameter in self.learnt.items():
            own |= dict.fromkeys((f"now/{name}", f"mean/{name}"), parameter.shape)
            if f"exp_avg/{name}" in shapes:
                own |= dict.fromkeys((f"exp_avg/{name}", f"exp_avg_sq/{name}"), parameter.shape)
                own[f"step/{name}"] = torch.Size([])
        return shapes == own

    def _restore(self, state: Mapping[str, Tensor], step: int) -> None:
        self.step, self.returns = step, int(state["returns"])
        with torch.no_grad():
            for name, parameter in self.learnt.items():
                parameter.copy_(state[f"now/{name}"])
                self.mean[name].copy_(state[f"mean/{name}"])
                keys = ("step", "exp_avg", "exp_avg_sq")
                if f"exp_avg/{name}" in state:
                    self.optimiser.state[parameter] = {
                        key: state[f"{key}/{name}"].to(parameter.device if key != "step" else "cpu").clone()
                        for key in keys
                    }
                else:
                    self.optimiser.state.pop(parameter, None)
