"""Takes retouched layers back: an EXR sequence of RGBA or of a matte becomes the patches of a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import patches as artifact
from dubcli.delivery import exr
from dubcli.edits.layerfile import Retouch
from dubcli.errors import ConfigError
from dubcli.media import patches, spans
from dubcli.media.square import Square

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.shots import Shot

_CONFIDENCE = 1.0  # of pixels that a person has made
# By how much a colour may exceed its alpha, for rounding and highlights, and in what share of the soft edge;
# set by hand: colours that are not multiplied by alpha do so in half of it.
_BRIGHTER, _BRIGHT_SHARE = 1 / 64, 0.05
_Layer = tuple[NDArray[np.float32], NDArray[np.float32], int, int]


def take(
    sequence: Path,
    before: Sequence[Path],
    shot: Shot,
    video: VideoStream,
    over: Mapping[str, str],
    folder: Path,
    first: int = 0,
) -> int:
    """Write retouched patches into a new folder; returns the number of retouched frames.

    Args:
        sequence: folder of EXR files: RGBA multiplied by alpha, or a matte alone (`A` or `Y`).
        before: the face's patches: as generated, and as retouched earlier. Frames without a file keep the
            last ones, and a matte may show again what an earlier one has hidden.
        shot: the shot of the face.
        video: the film's picture.
        over: digests of the face's unit of `lips`, kept to tell whether the layers still fit.
        folder: where to.
        first: number of the film's first frame in names of files.

    Raises:
        ConfigError: a file is not of this film, its frame not of the shot, or a matte reaches where there are
            no generated pixels.
        DependencyError: OpenEXR is not installed.
    """
    if not Square.of(video).is_square:
        raise ConfigError(
            "layers of a film whose pixels are not square cannot be taken back; retouch the film"
        )
    exr.library()
    files = {number - first: path for number, path in exr.sequence(sequence).items()}
    outside = [str(first + frame) for frame in files if not shot.start <= frame < shot.stop]
    if outside:
        raise ConfigError(
            f"{sequence}: frames {', '.join(outside[:5])} are not in shot {shot.name}, which has "
            f"{first + shot.start} to {first + shot.stop - 1}"
        )
    full = 65535 if video.bit_depth > 8 else 255
    known = [_present(lips, shot.name) for lips in before]
    layers = dict(known[-1])
    for frame, path in files.items():
        own = [there[frame] for there in known if frame in there]
        layers[frame] = _quantised(_layer(path, own, (video.width, video.height), full), full)
    boxes = {frame: _box(layer) for frame, layer in layers.items()}
    width = max((x2 - x1 for x1, _, x2, _ in boxes.values()), default=2)
    height = max((y2 - y1 for _, y1, _, y2 in boxes.values()), default=2)
    size = width + 2 + width % 2, height + 2 + height % 2
    made = (_patch(frame, layers[frame], boxes[frame], size, full) for frame in sorted(layers))
    asked = np.arange(shot.start, shot.stop, dtype=np.int32)
    placed, given_back = patches.write(artifact.pictures(folder), made, asked, video)
    placed.save(folder, shot.name)
    artifact.PatchFacts(
        engine=artifact.PatchFacts.load(before[-1]).engine,
        frames=len(layers),
        changed=len(placed.frames),
        in_shot=tuple(spans.runs((placed.frames - shot.start).tolist())),
        given_back=given_back,
        confidence=_CONFIDENCE if len(placed.frames) else None,
    ).save(folder)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    Retouch(over=dict(over), sizes=sizes).save(folder)
    return len(files)


def _present(lips: Path, shot: str) -> dict[int, tuple[NDArray[Any], NDArray[Any], int, int]]:
    """Frame → RGB, mask and position of the patches of a face."""
    reader = patches.Patches(lips, shot)
    found = {}
    for frame in map(int, reader.frames):
        placed = reader.at(frame)
        assert placed is not None
        found[frame] = placed
    return found


def _layer(
    path: Path,
    before: Sequence[tuple[NDArray[Any], NDArray[Any], int, int]],
    size: tuple[int, int],
    full: int,
) -> _Layer:
    """RGB (h, w, 3) not multiplied by alpha, alpha (h, w), and the position of a file's picture.

    Raises:
        ConfigError: see `take`.
    """
    window = exr.read(path, size)
    channels = dict(window.channels)
    alpha = channels.get("A", channels.get("Y"))
    if alpha is None:
        raise ConfigError(f"{path} has no alpha and is no matte; write the channels R, G, B and A, or A or Y")
    alpha = np.clip(alpha, 0, 1)
    if {"R", "G", "B"} <= set(channels):
        colour = np.stack([channels[name] for name in "RGB"], axis=-1)
        soft = (alpha > 0) & (alpha < 1)
        bright = int((soft & (colour.max(axis=-1) > alpha + _BRIGHTER)).sum())
        if bright > _BRIGHT_SHARE * soft.sum():
            raise ConfigError(
                f"{path}: {bright} pixels are brighter than their alpha allows; multiply the colours by "
                "alpha (premultiply) and write them again"
            )
        safe = np.where(alpha > 0, alpha, 1)[..., None]
        return np.clip(colour / safe, 0, 1), alpha, window.x, window.y
    colour = np.zeros((*alpha.shape, 3), np.float32)
    known = np.zeros(alpha.shape, bool)
    for rgb, mask, x, y in before:
        target, source = _overlap(alpha.shape, (window.x, window.y), mask.shape, (x, y))
        there = mask[source] > 0
        colour[target][there] = rgb[source][there].astype(np.float32) / np.float32(full)
        known[target] |= there
    beyond = int(((alpha >= 0.5 / full) & ~known).sum())
    if beyond:
        raise ConfigError(
            f"{path}: the matte covers {beyond} pixels that were not generated; give them back as RGBA"
        )
    return colour, alpha, window.x, window.y


def _overlap(
    one: tuple[int, ...], one_at: tuple[int, int], other: tuple[int, ...], other_at: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where two rectangles, (h, w) at (x, y), meet: rows and columns of each."""
    left, top = max(one_at[0], other_at[0]), max(one_at[1], other_at[1])
    right = max(left, min(one_at[0] + one[1], other_at[0] + other[1]))
    low = max(top, min(one_at[1] + one[0], other_at[1] + other[0]))

    def within(at: tuple[int, int]) -> tuple[slice, slice]:
        return slice(top - at[1], low - at[1]), slice(left - at[0], right - at[0])

    return within(one_at), within(other_at)


def _quantised(layer: _Layer, full: int) -> tuple[NDArray[Any], NDArray[Any], int, int]:
    """A layer in the integers of the film's depth."""
    kind = np.uint16 if full > 255 else np.uint8
    colour, alpha, x, y = layer
    return np.rint(colour * full).astype(kind), np.rint(alpha * full).astype(kind), x, y


def _box(layer: tuple[NDArray[Any], NDArray[Any], int, int]) -> tuple[int, int, int, int]:
    """The raster rectangle (left, top, right, bottom) that a layer shows; left and top are even."""
    _, mask, x, y = layer
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return x // 2 * 2, y // 2 * 2, x // 2 * 2, y // 2 * 2
    left, top = (x + int(columns[0])) // 2 * 2, (y + int(rows[0])) // 2 * 2
    return left, top, x + int(columns[-1]) + 1, y + int(rows[-1]) + 1


def _patch(
    frame: int,
    layer: tuple[NDArray[Any], NDArray[Any], int, int],
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    full: int,
) -> patches.Patch:
    rgb, mask, x, y = layer
    shape = size[1], size[0]
    out = np.zeros((*shape, 3), rgb.dtype), np.zeros(shape, mask.dtype)
    target, source = _overlap(shape, (box[0], box[1]), mask.shape, (x, y))
    out[0][target], out[1][target] = rgb[source], mask[source]
    return patches.Patch(frame, (box[0], box[1]), *out, _CONFIDENCE)
