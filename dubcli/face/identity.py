"""Who is who, without downloaded weights: a descriptor from a face's shape and its aligned picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

APART = 0.25  # cosine distance over which two tracks are two people


def describe(
    thumbs: NDArray[np.uint8], meshes: list[NDArray[np.float32]], head: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Descriptors of upright pictures (n, 96, 96, 3) of one face: (n, D), unit length."""
    small = thumbs.reshape(len(thumbs), 12, 8, 12, 8, 3).mean(axis=(2, 4, 5)).reshape(len(thumbs), -1)
    small = small - small.mean(axis=1, keepdims=True)
    return np.asarray(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6), np.float32)


def cluster(
    descriptors: Sequence[NDArray[np.float32]],
    weights: Sequence[float],
    apart: set[tuple[int, int]],
    limit: float = APART,
) -> list[list[int]]:
    """Group tracks into people, by average linkage under constraints.

    Splitting a person in two costs a click in `cast.yaml`; merging two people puts one's mouth on the other.
    So what is in doubt stays apart.

    Args:
        descriptors: one (n, D) array per track.
        weights: one per track: how much it says (its eligible frames, say).
        apart: pairs (i, j), i < j, that are certainly two people: seen in one frame.
        limit: cosine distance up to which groups are merged.

    Returns:
        Groups of track numbers, heaviest first.
    """
    count = len(descriptors)
    between = np.full((count, count), np.inf)
    for i in range(count):
        for j in range(i + 1, count):
            between[i, j] = between[j, i] = _distance(descriptors[i], descriptors[j])
    groups = [[k] for k in range(count)]
    while True:
        best = (limit, -1, -1)
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                pairs = [(min(i, j), max(i, j)) for i in groups[a] for j in groups[b]]
                if not any(pair in apart for pair in pairs):
                    best = min(best, (float(np.mean([between[pair] for pair in pairs])), a, b))
        if best[1] < 0:
            break
        groups[best[1]] += groups.pop(best[2])
    return sorted((sorted(group) for group in groups), key=lambda g: (-sum(weights[k] for k in g), g))


def _distance(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Between the two tracks' best-matching pictures, so that one shared pose is enough: lower quartile."""
    return float(np.quantile(1 - one @ two.T, 0.25)) if len(one) and len(two) else np.inf
