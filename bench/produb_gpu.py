"""Speed of the learnt lip engine's network on one device; needs no footage.

    python -m bench.produb_gpu [--device cuda] [--sizes 256 512] [--seconds 20]

For each size, on pictures of noise: minutes that a training of the default number of steps takes, frames a
second that the network corrects in batches (the batch is found by trying), peak memory, and the fraction
of the device's bfloat16 speed that both reach. That speed is measured, as the best of large matrix products.
`--device cpu --sizes 64` tries the script where there is no other device.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from dubcli.engines.lips.produb import batches, losses, pairs, training, view
from dubcli.engines.lips.produb.engine import device_of
from dubcli.engines.lips.produb.network import Inputs, Network, placed
from dubcli.settings.config import TrainSettings

ROWS = 32  # pairs of noise
BATCHES = (64, 32, 16, 8, 4, 2, 1)


def noise(size: int) -> pairs.Pairs:
    """Pairs without meaning."""
    random, square = np.random.default_rng(0), (ROWS, size, size)

    def some(*shape: int) -> Any:
        return random.integers(0, 256, shape, dtype=np.uint8)

    return pairs.Pairs(
        context=some(*square, 3),
        visible=some(*square),
        maps=some(*square, view.MAPS),
        references=some(ROWS, 1 + pairs.REFERENCES, size, size, 3),
        window=some(*square),
        drawn=some(*square, 3),
        truth=some(*square, 3),
        next=np.minimum(np.arange(ROWS) + 1, ROWS - 1),
        person=np.zeros(ROWS, np.int64),
        held=np.zeros(ROWS, np.bool_),
    )


def settled(device: torch.device) -> float:
    """The time, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak(device: torch.device, seconds: float) -> float:
    """Floating-point operations a second of the best of large bfloat16 matrix products."""
    side, best = (8192 if device.type == "cuda" else 1024), 0.0
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    until = settled(device) + seconds
    while settled(device) < until:
        began = settled(device)
        for _ in range(8):
            a @ b
        best = max(best, 8 * 2 * side**3 / (settled(device) - began))
    return best


def measured(size: int, device: torch.device, seconds: float, top: float) -> dict[str, Any]:
    """The row of one size."""
    made = noise(size)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with training.exact(device), tempfile.TemporaryDirectory() as folder:
        network = placed(Network(1, training.levels(size)), device)
        trainer = training.Trainer(
            network, {size: made}, 10**9, 0, Path(folder) / "checkpoint", {}, batches.Recipe()
        )
        with FlopCounterMode(display=False) as counter:
            one = batches.batch(made, 0, 0, device, trainer.recipe)
            losses.total(
                training.result(network, one, device), one.truth, one.weight, losses.Weights()
            ).backward()  # type: ignore[no-untyped-call]
        step_flops, steps = counter.get_total_flops(), 0
        for _ in range(2):
            trainer.advance()
        began = settled(device)
        while settled(device) - began < seconds:
            trainer.advance()
            steps += 1
        step = (settled(device) - began) / steps
        row = {
            "size": size,
            "step_ms": round(1000 * step, 2),
            "minutes": round(step * TrainSettings().steps / 60, 2),
            "train_of_peak": round(step_flops / step / top, 4),
            **rendering(network.eval(), one.inputs, device, seconds, top),
        }
    if device.type == "cuda":
        row["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return row


def rendering(
    network: torch.nn.Module, inputs: Inputs, device: torch.device, seconds: float, top: float
) -> dict[str, Any]:
    """Frames a second in the largest batch that fits."""
    for count in BATCHES:
        try:
            with torch.inference_mode():
                at = torch.arange(count, device=device) % batches.PART
                parts = inputs.context, inputs.shape, inputs.references, inputs.person
                many = Inputs(*(part[at] for part in parts))
                with FlopCounterMode(display=False) as counter:
                    training.corrected(network, many, device)
                began, done = settled(device), 0
                while settled(device) - began < seconds:
                    training.corrected(network, many, device)
                    done += count
                taken = settled(device) - began
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            continue
        flops = counter.get_total_flops() / count * done / taken
        return {"fps": round(done / taken, 1), "batch": count, "render_of_peak": round(flops / top, 4)}
    return {"fps": 0.0, "batch": 0, "render_of_peak": 0.0}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--seconds", type=float, default=20.0, help="that each figure is measured for")
    args = parser.parse_args()
    device = device_of({"device": args.device})
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU"
    top = peak(device, min(args.seconds, 5.0))
    print(
        json.dumps({"device": name, "torch": torch.__version__, "bf16_tflops": round(top / 1e12, 2)}),
        flush=True,
    )
    for size in tqdm(args.sizes, desc="sizes", disable=None):
        row = measured(size, device, args.seconds, top)
        with tqdm.external_write_mode():
            print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
