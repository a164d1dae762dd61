"""A lip engine that learns, small enough for tests: the mean look of the mouths it was shown, step by step.

It keeps to the whole contract: checkpoints that may be damaged or gone, the same weights however often it is
killed, a gain on held-out footage. Found by dubcli through its entry point like anybody's.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.engines.lips import LipWork, Trained, TrainWork
from dubcli.engines.registry import EngineInfo
from dubcli.errors import CheckError, MemoryFullError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.media.patches import Patch

SPEED = "DUBCLI_TEST_STEP_SECONDS"
"""Names the seconds that a step takes."""
FAILS = "DUBCLI_TEST_TRAINING"
"""Names what goes wrong in training: `nan`, `memory`, `memory-once` or `junk`."""
EVERY = 5
"""Steps between checkpoints."""

mean = EngineInfo(
    "lips",
    "mean",
    1,
    "learner:Mean",
    "draws the mean of all mouths",
    "Apache-2.0",
    training="learner:seconds",
)

ENTRY_POINTS = """[dubcli.engines]
mean = learner:mean
"""


def install(folder: Path) -> Path:
    """Make a folder for PYTHONPATH in which this engine is an installed distribution."""
    made = folder / "learner-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: learner\nVersion: 1.0\n")
    (made / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def seconds(frames: int, settings: Mapping[str, Any]) -> float:
    """Seconds that training takes: its steps, and a millisecond for each frame."""
    return float(os.environ.get(SPEED, "0")) * int(settings["steps"]) + frames / 1000


class Mean:
    """The engine."""

    def train(self, work: TrainWork) -> Trained:
        """Move a picture towards one texture after the other, drawn by lot."""
        import numpy as np
        from safetensors.numpy import save_file

        from dubcli.artifacts import gallery

        self._misbehave(work)
        shown = np.concatenate([np.array(gallery.load(path).texture) for path in work.galleries.values()])
        steps = int(work.settings["steps"])
        picture, step = self._continued(work.scratch, shown.shape[1:])
        if step == 0 and work.base:
            picture = _weights(work.base)
        while step < steps:
            row = np.random.default_rng(step).integers(len(shown))
            picture += (shown[row] - picture) / (step + 2)
            step += 1
            time.sleep(float(os.environ.get(SPEED, "0")))
            if step % EVERY == 0 and work.scratch.is_dir():
                unfinished = work.scratch / "unfinished"
                save_file({"picture": picture, "step": np.array([step])}, unfinished)
                unfinished.replace(work.scratch / "checkpoint.safetensors")
            work.report(step, steps)
        save_file({"picture": picture.astype(np.float32)}, work.out / "mean.safetensors")
        error = float(np.abs(shown - picture).mean())
        return Trained(steps, error, dict.fromkeys(work.galleries, 10.0 - error / 100))

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """The default engine's patches, tinted with the mean of what was learnt."""
        from dubcli.engines.lips.exemplar import ExemplarEngine

        if not work.weights:
            yield from ExemplarEngine().patches(work)
            return
        tint = _weights(work.weights[-1]).mean(axis=(0, 1)) / 255
        for patch in ExemplarEngine().patches(work):
            yield dataclasses.replace(patch, rgb=(patch.rgb * (0.5 + 0.5 * tint)).astype(patch.rgb.dtype))

    @staticmethod
    def _continued(scratch: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], int]:
        """Picture and step of the last checkpoint that is whole; the start where there is none."""
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(scratch / "checkpoint.safetensors")
            if found["picture"].shape == shape and np.isfinite(found["picture"]).all():
                return found["picture"].astype(np.float64), int(found["step"][0])
        except (OSError, SafetensorError, KeyError):
            pass
        return np.full(shape, 128.0), 0

    @staticmethod
    def _misbehave(work: TrainWork) -> None:
        match os.environ.get(FAILS):
            case "nan":
                raise CheckError("the loss is no number, again, after going back to step 20")
            case "memory":
                raise MemoryFullError(f"training needs 9 GB at a batch of {work.batch:g}, and 8 GB are free")
            case "memory-once" if work.batch == 1.0:
                raise MemoryFullError("training needs 9 GB, and 8 GB are free")
            case "junk":
                (work.out / "notes.txt").write_text("x")


def _weights(folder: Path) -> NDArray[np.float64]:
    import numpy as np
    from safetensors.numpy import load_file

    return np.asarray(load_file(folder / "mean.safetensors")["picture"], np.float64)
