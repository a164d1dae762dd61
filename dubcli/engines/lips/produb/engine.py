"""The engine: `exemplar`'s frames, corrected by a network that was trained on the film."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dubcli.core import devices
from dubcli.engines.lips import LipWork, Trained, TrainWork, exemplar, retrieval
from dubcli.engines.lips.plan import Plan
from dubcli.engines.lips.produb import adapters, checkpoint, pairs, view
from dubcli.engines.lips.produb.batches import Recipe, inputs_of
from dubcli.engines.lips.produb.network import BASE, Inputs, Network, placed
from dubcli.engines.lips.produb.training import Trainer, corrected, exact, levels
from dubcli.errors import AwayError, CheckError, EngineError
from dubcli.media import ahead
from dubcli.media.patches import Patch

VERSION = 5  # of the weights' layout
WEIGHTS, _CHECKPOINT = "weights.safetensors", "checkpoint.safetensors"
START = Path(__file__).with_name("start.safetensors")
"""Weights that a training begins with, learnt from other people (`tools/train_produb.py`)."""
_THREADS = 2  # batches corrected at once
_AHEAD = 3  # frames whose view is made ahead, on one thread: its small steps wait for Python's lock
_TOGETHER = 4  # frames that the network corrects at once; PyTorch's fast convolutions want more than one


class ProdubEngine:
    """Corrects each frame that `exemplar` draws; without weights the frames stay as they are."""

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or Recipe()

    def train(self, work: TrainWork) -> Trained:
        """Write `weights.safetensors`: a network for the film's people, or one person's adapters to it."""
        device = device_of(work.settings)
        size, steps = (int(work.settings[name]) for name in ("size", "steps"))
        scratch, people = work.scratch, sorted(work.galleries)
        footage = pairs.fingerprint(work.galleries)
        made = pairs.build(work.galleries, footage, size, scratch, lambda done, total: work.report(0, steps))
        if not len(made):
            raise CheckError(
                f"{', '.join(people)}: no frame has footage of its own person {retrieval.APART} frames "
                "away to learn from; type: dubcli run again with --engine lips=exemplar"
            )
        made_of: dict[str, Any] = {"version": VERSION, "footage": footage, "device": device.type}
        seed = int(footage[:16], 16)
        with exact(device):
            torch.manual_seed(seed)
            fitted: list[adapters.LowRank] = []
            least = size  # that is trained, before the finer ones
            if work.base is None:
                network = Network(len(people), levels(size), self.recipe.thin)
                least = BASE if self.recipe.grown else size
                if self.recipe.begun:
                    made_of["start"], known = begin(network)
                    least = min(max(least, known), size)
            else:
                network, facts, digest = film_network(work.base)
                _of_size(facts, size)
                _one_token(network, facts, people[0])
                fitted = adapters.adapt(network)
                network.token.weight.requires_grad_(True)
                made_of["base"] = digest
            network = placed(network, device)
            path = scratch / _CHECKPOINT
            sizes = pairs.pyramid(made, size, least, scratch)
            trainer = Trainer(network, sizes, steps, seed, path, made_of, self.recipe, fitted)
            learnt = trainer.run(work.report)
            gain = trainer.gain()
        facts = {"version": VERSION, "size": size, "people": people, "adapted": work.base is not None}
        facts["thin"] = self.recipe.thin
        checkpoint.write(work.out / WEIGHTS, learnt, facts)
        return Trained(steps, trainer.loss, {people[number]: value for number, value in gain.items()})

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """Patches of all frames whose weight is above 0; none where the gallery is empty."""
        plan = exemplar.prepare(work, pairs.WARPED)
        if plan is None:
            return
        if not work.weights:
            for frame in exemplar.rendered(plan):
                yield exemplar.finished(plan, frame, frame.picture)
            return
        device = device_of(work.settings)
        network, size = network_of(work.weights, work.person)
        network = placed(network, device).eval()

        def several(frames: tuple[Framed, ...]) -> list[_Corrected]:
            # Always as many: then no frame depends on how many there are.
            filled = (frames + frames[-1:] * _TOGETHER)[:_TOGETHER]
            inputs = self.recipe.left(_inputs([seen for _, seen in filled], device))
            made = []
            for (frame, seen), *change in zip(frames, *_correction(network, inputs, device), strict=False):
                within = (seen.window.astype(np.float32) / 255)[..., None]
                flow, residual = (values * within for values in change)
                to_view = view.placement(_head_pose(plan, frame.t), size)
                picture = view.applied(frame.picture, flow, residual, seen.window, to_view)
                drawn = None if picture is frame.picture else view.crop(picture, to_view, size)
                made.append(_Corrected(frame, seen, to_view, picture, drawn))
            return made

        def finished(one: _Corrected, around: Sequence[_Corrected]) -> Patch:
            picture = one.picture
            if one.drawn is not None:
                beside = [(other.drawn, other.seen) for other in around if other.drawn is not None]
                picture = view.steadied(picture, one.drawn, beside, one.seen, one.to_view)
            return exemplar.finished(plan, one.frame, picture)

        with exact(device):
            frames = seen_frames(plan, size)
            groups = iter(lambda: tuple(islice(frames, _TOGETHER)), ())
            made = ahead.each(several, ((group,) for group in groups), _THREADS, _THREADS)
            yield from ahead.each(finished, _with_neighbours(chain.from_iterable(made)), _THREADS, _THREADS)


@dataclass(frozen=True)
class _Corrected:
    """A frame, what was seen of it, the map to its view, the corrected picture and its view, if it was."""

    frame: exemplar.Rendered
    seen: view.Seen
    to_view: NDArray[np.float64]
    picture: NDArray[np.float32]
    drawn: NDArray[np.uint8] | None


def _with_neighbours(frames: Iterable[_Corrected]) -> Iterator[tuple[_Corrected, list[_Corrected]]]:
    """Each frame with those that are right beside it in the film."""
    run: deque[_Corrected] = deque(maxlen=3)

    def beside(now: _Corrected) -> list[_Corrected]:
        return [other for other in run if abs(other.frame.t - now.frame.t) == 1]

    for frame in frames:
        run.append(frame)
        if len(run) > 1:
            yield run[-2], beside(run[-2])
    if run:
        yield run[-1], beside(run[-1])


Framed = tuple[exemplar.Rendered, view.Seen]
"""A frame that `exemplar` rendered, and what the network sees of it."""


def seen_frames(plan: Plan, size: int) -> Iterator[Framed]:
    """All frames to change, in order."""
    stock = pairs.bank(plan.gallery)
    numbers = plan.gallery.numbers(plan.work.shot, plan.work.frames).tolist()

    def one(frame: exemplar.Rendered) -> Framed:
        borrow = pairs.borrowed(plan.gallery, stock, numbers[frame.t], frame.row)
        mesh, poses = plan.gallery_mesh, plan.gallery_pose
        rows = (frame.row, *frame.others)
        references, still = pairs.faces(plan.gallery, mesh, poses, rows, borrow)
        here, head = _head_pose(plan, frame.t), plan.gallery.head
        source = frame.face.picture
        return frame, view.seen(source, frame.target, frame.depth, references, still, head, here, size)

    return ahead.each(one, ((frame,) for frame in exemplar.rendered(plan)), _AHEAD, 1)


def _head_pose(plan: Plan, t: int) -> Any:
    """Head pose of frame t in pixels of its patch (1)."""
    return pairs.inside(plan.head_pose[np.array([t])], plan.origin[t])


def _inputs(frames: Sequence[view.Seen], device: torch.device) -> Inputs:
    """What the network sees of frames."""

    def all_of(one: Callable[[view.Seen], NDArray[np.uint8]]) -> torch.Tensor:
        return torch.from_numpy(np.stack([one(seen) for seen in frames])).to(device)

    return inputs_of(
        all_of(lambda seen: seen.context),
        all_of(lambda seen: seen.visible),
        all_of(lambda seen: seen.maps),
        all_of(lambda seen: seen.references),
        torch.zeros(len(frames), dtype=torch.int64, device=device),
    )


def _correction(
    network: nn.Module, inputs: Inputs, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The network's flow (B, S, S, 2) and residual (B, S, S, 3)."""
    with torch.inference_mode():
        found = corrected(network, inputs, device)
    flow, residual = (t.permute(0, 2, 3, 1).cpu().numpy() for t in (found.flow, found.residual))
    return flow, residual


def device_of(settings: Mapping[str, Any]) -> torch.device:
    """The device that settings name.

    Raises:
        AwayError: it is CUDA, and there is none any more: a run asks for it before it begins (`core.gpu`).
    """
    name = str(settings.get("device", "cpu"))
    if name == "cuda":
        if not devices.has_cuda():
            raise AwayError(
                "there is no CUDA device any more; what is done is kept: see to it (nvidia-smi), and type "
                "the same again, or with --set train.device=cpu"
            )
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS sums in any order
    return torch.device(name)


def film_network(folder: Path) -> tuple[Network, dict[str, Any], str]:
    """The network of a film's weights, facts about it, and its file's digest.

    Raises:
        EngineError: it is damaged, of another version, or adapters.
    """
    tensors, facts = checkpoint.read(folder / WEIGHTS)
    if facts.get("version") != VERSION or facts.get("adapted"):
        raise EngineError(f"{folder.name} holds no weights of this version; type: dubcli run again")
    network = Network(len(facts["people"]), levels(int(facts["size"])), int(facts["thin"]))
    _load(network, tensors, folder)
    return network, facts, checkpoint.digest(tensors)


def begin(network: Network) -> tuple[str, int]:
    """Give a network the weights that ship, as far as it has the resolutions they are for.

    Each person begins as the mean of those whom they were learnt from.

    Returns:
        The weights' digest, and the pixels of a side that they are for.

    Raises:
        EngineError: they are damaged, or of another version.
    """
    tensors, facts = checkpoint.read(START)
    if facts.get("version") != VERSION:
        raise EngineError(f"{START.name} is of another version; type: make venv")
    digest = checkpoint.digest(tensors)
    mean = tensors.pop("token.weight").mean(0)
    own = network.state_dict()
    network.load_state_dict({name: tensors[name] for name in tensors if name in own}, strict=False)
    with torch.no_grad():
        network.token.weight.copy_(mean.expand_as(network.token.weight))
    return digest, int(facts["size"])


def network_of(folders: tuple[Path, ...], person: str) -> tuple[Network, int]:
    """The network for one person, and the pixels of a side that it draws.

    Args:
        folders: of the film's weights, then of the person's.
        person: their id.

    Raises:
        EngineError: they are damaged, or do not belong together.
    """
    network, facts, _ = film_network(folders[0])
    size = int(facts["size"])
    _one_token(network, facts, person)
    for folder in folders[1:]:
        tensors, own = checkpoint.read(folder / WEIGHTS)
        if own.get("version") != VERSION or not own.get("adapted") or own.get("size") != size:
            raise EngineError(f"{folder.name} holds no adapters to these weights; type: dubcli run again")
        adapters.adapt(network)
        _load(network, tensors, folder, whole=False)
        adapters.merge(network)
    return network, size


def _load(network: Network, tensors: checkpoint.Tensors, folder: Path, *, whole: bool = True) -> None:
    try:
        missing, foreign = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise EngineError(f"{folder.name} holds weights of another shape; type: dubcli run again") from error
    if foreign or (whole and missing):
        raise EngineError(f"{folder.name} holds other weights than these; type: dubcli run again")


def _of_size(facts: Mapping[str, Any], size: int) -> None:
    if facts["size"] != size:
        raise EngineError(f"weights of {facts['size']} pixels cannot be adapted at {size}")


def _one_token(network: Network, facts: Mapping[str, Any], person: str) -> None:
    """Keep one person's token alone; that of a stranger is the mean of all."""
    rows, people = network.token.weight.detach(), list(facts["people"])
    row = rows[people.index(person)] if person in people else rows.mean(0)
    network.token = nn.Embedding(1, len(row), _weight=row[None].clone())
