"""Make `dubcli/face/identity.safetensors`: `python bench/train_identity.py ../shared/footage`.

Is fitted only to the clips that the footage's README lists after `prior:`. What it writes: the mean gradient
histogram and the mean shape over these people, and the directions of shape in which they differ most compared
with how one person's measured shape varies from frame to frame (Fisher's discriminant).
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.linalg import eigh
from tqdm import tqdm

from dubcli.engines.trackers.mediapipe import Finder
from dubcli.face import follow, identity
from dubcli.media import decode, source
from dubcli.media.colour import Colour
from dubcli.media.probe import probe
from dubcli.media.swscale import to_rgb

FRAMES = 250  # of each clip
DIRECTIONS = 16
SAME = {"head_3": "address_ocasio", "grid_pwij3p": "grid_id2_vcd_swwp2s"}  # clips of one person, seen by eye


def main() -> None:
    """Track, learn, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--out", type=Path, default=Path(identity.__file__).with_name("identity.safetensors"))
    args = parser.parse_args()
    footage = args.footage
    lines = (footage / "README.md").read_text(encoding="utf-8").splitlines()
    patterns = next(line for line in lines if line.startswith("prior:")).split()[1:]
    people: dict[str, list[tuple[identity.Vector, identity.Vector]]] = {}
    clips = sorted(path for pattern in patterns for path in footage.glob(pattern))
    for path in tqdm(clips, desc="clips", disable=None):
        people.setdefault(SAME.get(path.stem, path.stem), []).extend(faces(path))
    textures = np.stack([np.mean([texture for texture, _ in seen], axis=0) for seen in people.values()])
    shapes = [np.stack([shape for _, shape in seen]) for seen in people.values()]
    typical = np.stack([np.median(rows, axis=0) for rows in shapes])
    within = np.concatenate([rows - middle for rows, middle in zip(shapes, typical, strict=True)])
    spread = within.T @ within / len(within)
    spread += (1e-5 + 0.3 * np.trace(spread) / len(spread)) * np.eye(len(spread))
    between = (typical - typical.mean(axis=0)).T @ (typical - typical.mean(axis=0)) / len(typical)
    _, directions = eigh(between, spread)
    directions = directions[:, ::-1][:, :DIRECTIONS]
    directions *= np.sign(directions.sum(axis=0))

    save_file(
        {
            "texture": textures.mean(axis=0).astype(np.float16),
            "shape": typical.mean(axis=0).astype(np.float16),
            "people": np.ascontiguousarray(directions, np.float16),
        },
        args.out,
    )


def faces(path: Path) -> list[tuple[identity.Vector, identity.Vector]]:
    """Texture and shape of the face seen longest, about twice a second."""
    video = probe(path).film
    with Finder() as finder, source.opened(path) as container:
        follower = follow.Follower(finder)
        stream = decode.open_stream(container, path, video.index)
        for index, frame in enumerate(islice(decode.pictures(container, stream, path, video), FRAMES)):
            follower.feed(index, to_rgb(frame, Colour.of(video)))
        trace = follower.traces()[0]
    seen = [
        observation
        for observation in trace.observations
        if observation is not None and observation.thumb is not None
    ]
    return [
        identity.features(observation.thumb, observation.mesh)
        for observation in seen
        if observation.thumb is not None
    ]


if __name__ == "__main__":
    main()
