"""Dissolves: where the pictures of a shot turn into others, each one a mixture of the two.

A tracker follows a face through a dissolve into another person's. In between, two faces lie over each other:
none of these frames may be changed, or be lent to others as footage.

In a dissolve the picture in the middle of a stretch is the mean of those at its ends, which have little in
common, and it is fainter than they are. Where things move, it is no such mixture; where light changes, the
ends agree.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face.crop import Image

# All set by hand on made dissolves of 8 to 100 frames, and on four clips without any, in which none is found.
_SIDE = 64  # pixels across at which pictures are compared: what grain there is has gone
_BLUR = 4.0  # pixels, standard deviation; coarser structure is light, and is taken out
_HALVES = (4, 8, 16, 32, 64)  # frames, halves of the stretches that are tried
_REST = 0.15  # of the ends' difference; more is left of the middle picture where things move: 0.75 of noise
_UNEVEN = 0.15  # by which the later end's share may differ from a half
_AGREED = 0.5  # correlation of the ends over which they show the same; at 25 % of the other it is 0.6
_BALANCE = 0.2  # energy of the fainter end over the other's; below, it is a fade
_WASHED = (
    0.85  # energy of the middle picture over the ends', mean; 0.5–0.75 of a mixture, 1 where a view pans
)
_FAINTEST = 2.0  # grey levels, standard deviation of an end's structure; below, it is black or a blank


def structure(rgb: Image) -> NDArray[np.float32]:
    """Structure of a picture (H, W, 3), without its light: (h · 64) grey levels around 0."""
    height, width = rgb.shape[:2]
    step = max(1, width // (4 * _SIDE))  # pixels between are averaged enough by those that stay
    size = (_SIDE, max(1, round(_SIDE * height / width)))
    some = cv2.resize(rgb, (width // step, max(1, height // step)), interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(some, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray((grey - cv2.GaussianBlur(grey, (0, 0), _BLUR)).ravel(), np.float32)


def dissolves(pictures: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Half-open ranges of frames in which one picture dissolves into another, in order.

    Args:
        pictures: (N, P), the `structure` of consecutive frames.
    """
    mixed = np.zeros(len(pictures), np.bool_)
    # The shortest stretch that shows a dissolve says best where it is: longer ones reach beyond it.
    for half in _HALVES:
        found = [t for t in _middles(pictures, half) if not mixed[t]]
        for t in found:
            mixed[t - half : t + half + 1] = True
    edges = np.flatnonzero(np.diff(mixed, prepend=False, append=False))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _middles(pictures: NDArray[np.float32], half: int) -> NDArray[np.intp]:
    """Frames that are a mixture of those `half` frames earlier and later."""
    if len(pictures) <= 2 * half:
        return np.zeros(0, np.intp)
    first, middle, last = pictures[: -2 * half], pictures[half:-half], pictures[2 * half :]
    energies = np.stack([_product(first, first), _product(last, last)])
    low, high = energies.min(axis=0), energies.max(axis=0)
    step, moved = last - first, middle - first
    distance = np.maximum(_product(step, step), 1e-6)
    share = _product(moved, step) / distance
    rest = moved - share[:, None] * step
    structured = (low > _BALANCE * high) & (low > _FAINTEST**2 * pictures.shape[1])
    differ = _product(first, last) < _AGREED * np.sqrt(low * high)
    washed = _product(middle, middle) < _WASHED * energies.mean(axis=0)
    mixture = (np.abs(share - 0.5) < _UNEVEN) & (_product(rest, rest) < _REST * distance) & washed
    return half + np.flatnonzero(structured & differ & mixture)


def _product(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((one * two).sum(axis=1), np.float32)
