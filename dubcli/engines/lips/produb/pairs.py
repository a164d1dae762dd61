"""What the network learns from: frames of a gallery as the truth, and what would be seen of them in a dub.

Each frame of a run is drawn by `exemplar` with its own true mouth, from footage at least `retrieval.APART`
frames away, so that nothing of the truth is lent to it; several times, each time from other footage. Pairs
are made once and kept in the scratch folder; training reads them from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from dubcli.artifacts.gallery import Gallery, load
from dubcli.engines.lips import exemplar, meshes, render, retrieval
from dubcli.engines.lips.produb import view
from dubcli.engines.lips.produb.forecast import MOST_FRAMES, ROUNDS
from dubcli.face import mesh as regions
from dubcli.face import occlusion, pose
from dubcli.files import write_atomically
from dubcli.media import ahead, spans

Floats = NDArray[np.floating[Any]]

# References beside that which `exemplar` chose: what would fit next best, warped, and very different mouths,
# laid skull on skull.
WARPED, STILL = 4, 1
REFERENCES = WARPED + STILL
_HELD_SHARE = 0.1  # of a person's frames, the last ones, that are not learnt from: they say what it was worth
_PIECE = 300  # frames whose path through the gallery is found at once
_BANK = 24  # reference frames that those of a frame are chosen from
_SHARP = (
    0.8  # sharpness that a reference has at least, where there are enough, in units of the track's median
)
_AHEAD = 3  # frames prepared ahead of those written, on one thread: small steps wait for Python's lock
VERSION = 6  # of what is in the scratch folder


@dataclass(frozen=True)
class Pairs:
    """M frames as the network sees them, and what it is to draw; arrays may be mapped from disk.

    Attributes:
        context, visible, maps, references, window: (M, …) as in `view.Seen`.
        drawn: (M, S, S, 3) uint8 what `exemplar` draws.
        truth: (M, S, S, 3) uint8 what the film shows.
        next: (M,) the pair of the frame after each, in its run and round; of the last, itself.
        person: (M,) number of the person.
        held: (M,) bool, whether it is held out of the training.
    """

    context: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    references: NDArray[np.uint8]
    window: NDArray[np.uint8]
    drawn: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    next: NDArray[np.int64]
    person: NDArray[np.int64]
    held: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.person)


def fingerprint(galleries: Mapping[str, Path]) -> str:
    """Digest of the footage, by content: meshes and textures change whenever its pixels do."""
    digest = blake3()
    for person in sorted(galleries):
        gallery = load(galleries[person])
        digest.update(person.encode())
        for array in (gallery.frames, gallery.mesh, gallery.texture, gallery.head):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def build(
    galleries: Mapping[str, Path],
    footage: str,
    size: int,
    scratch: Path,
    progress: Callable[[int, int], None],
) -> Pairs:
    """The pairs of some people, numbered by their sorted names; read from `scratch` where they are there.

    Args:
        galleries: person → folder.
        footage: their `fingerprint`.
        size: pixels of a side.
        scratch: folder to keep them in.
        progress: called with the number of frames made and their total.
    """
    made_of = {"version": VERSION, "size": size, "footage": footage}
    folder, index = scratch / f"pairs-{size}", scratch / f"pairs-{size}.json"
    if _kept(index) == {**made_of, "digest": _digest(folder)}:
        return _read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    people = [load(galleries[name]) for name in sorted(galleries)]
    plans = [paths(gallery) for gallery in people]
    total = sum(len(rows) for plan in plans for rows, _, _ in plan)
    arrays = {
        name: _empty(folder, name, (total, *shape), kind) for name, (shape, kind) in _fields(size).items()
    }
    at = 0
    for number, (gallery, plan) in enumerate(zip(people, plans, strict=True)):
        smoothed, stock = meshes.smoothed_runs(gallery), bank(gallery)
        for rows, chosen, held in plan:
            last = at + len(rows) - 1
            for pair in _drawn(gallery, smoothed, stock, rows, chosen, size):
                for name, value in pair.items():
                    arrays[name][at] = value
                arrays["next"][at], arrays["person"][at], arrays["held"][at] = min(at + 1, last), number, held
                at += 1
                progress(at, total)
    for array in arrays.values():
        array.flush()
    write_atomically(index, json.dumps({**made_of, "digest": _digest(folder)}).encode())
    return _read(folder)


def pyramid(pairs: Pairs, size: int, least: int, scratch: Path) -> dict[int, Pairs]:
    """The pairs of `size` pixels and of all halves of it down to `least`, by pixels of a side."""
    found = {size: pairs}
    while size > least:
        size //= 2
        folder, whole = scratch / f"pairs-{size}", found[2 * size]
        folder.mkdir(parents=True, exist_ok=True)
        for name in _fields(1):
            array = getattr(whole, name)
            small = _empty(folder, name, _half(array.shape, 2 * size), array.dtype)
            for row in range(len(array)):
                small[row] = _halved(array[row], 2 * size)
            small.flush()
        found[size] = _read(folder)
    return found


def _half(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    return tuple(n // 2 if n == size and k else n for k, n in enumerate(shape))


def _halved(values: Any, size: int) -> Any:
    """Bytes of one pair with every two by two pixels as one; anything else stays."""
    sides = [k for k, n in enumerate(np.shape(values)) if n == size]
    if len(sides) != 2:
        return values
    a = sides[0]
    split = np.asarray(values).reshape(*values.shape[:a], size // 2, 2, size // 2, 2, *values.shape[a + 2 :])
    return np.rint(split.mean(axis=(a + 1, a + 3), dtype=np.float32)).astype(values.dtype)


def bank(gallery: Gallery) -> NDArray[np.int64]:
    """Rows of a gallery to borrow from, the most different mouths first (farthest point; sharp ones only)."""
    sharp = np.flatnonzero(gallery.sharp >= min(_SHARP, float(np.median(gallery.sharp))))
    if not len(sharp):
        return sharp
    shapes = retrieval.descriptor(gallery.shape[sharp])
    picked = [int(_aperture(gallery)[sharp].argmax())]
    distance = ((shapes - shapes[picked[0]]) ** 2).sum(axis=1)
    while len(picked) < min(_BANK, len(sharp)):
        picked.append(int(distance.argmax()))
        distance = np.minimum(distance, ((shapes - shapes[picked[-1]]) ** 2).sum(axis=1))
    return np.asarray(sharp[picked])


def borrowed(gallery: Gallery, rows: NDArray[np.int64], frame: int, own: int) -> list[int]:
    """The first `STILL` rows of a bank that are of another moment than a frame, by its number in a gallery.

    Where there are fewer, `own` stands in for them.
    """
    far = [int(r) for r in rows if abs(int(gallery.frames[r]) - frame) >= retrieval.APART]
    return (far + [own] * STILL)[:STILL]


def faces(
    gallery: Gallery,
    mesh: Floats,
    head_pose: pose.Transform,
    chosen: Sequence[int],
    borrow: Sequence[int],
) -> tuple[list[render.Face], list[tuple[render.Face, pose.Transform]]]:
    """References as `view.seen` takes them: to warp, and to lay skull on skull, with their head poses.

    Args:
        gallery: the footage.
        mesh: (N, 478, 3) and `head_pose` (N), as `meshes.smoothed_runs` gives them.
        chosen: rows to warp, the one that `exemplar` chose first.
        borrow: rows of `borrowed`.
    """

    def placed(row: int) -> pose.Transform:
        return inside(head_pose[np.array([row])], gallery.origin[row])

    warped = [meshes.face_of(gallery, mesh, row) for row in chosen]
    return warped, [(meshes.face_of(gallery, mesh, row), placed(row)) for row in borrow]


def paths(gallery: Gallery) -> list[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
    """Stretches of consecutive rows (M,), rows (M, 1 + WARPED) to draw them from, and whether held out.

    `exemplar` draws from the first; the network sees all.
    """
    _, head_pose = meshes.smoothed_runs(gallery)
    light, size = occlusion.light(gallery.texture), head_pose.scale
    found = []
    kept = round((1 - _HELD_SHARE) * len(gallery))
    for rows in _pieces(gallery):
        target = retrieval.Target(gallery.shape[rows], gallery.pose[rows], size[rows], light[rows])
        cost = retrieval.mismatch(target, gallery, size)
        near = np.abs(gallery.frames[rows][:, None] - gallery.frames) < retrieval.APART
        cost[near] = retrieval.BARRED
        for _ in range(ROUNDS):
            chosen = retrieval.paths(cost, gallery, 1 + WARPED, rests=retrieval.resting(target))
            good = cost[np.arange(len(rows)), chosen[:, 0]] < retrieval.BARRED
            for held, which in ((False, rows < kept), (True, rows >= kept)):
                found += [(rows[a:b], chosen[a:b], held) for a, b in spans.runs_of_true(good & which)]
            used = gallery.frames[chosen[:, :1]]
            cost[np.abs(used - gallery.frames) < retrieval.APART] = retrieval.BARRED
    return found


def _pieces(gallery: Gallery) -> list[NDArray[np.int64]]:
    """Runs of a gallery cut into pieces; where there are too many frames, evenly chosen ones."""
    found = []
    for number in np.unique(gallery.run):
        rows = np.flatnonzero(gallery.run == number)
        found += [rows[k : k + _PIECE] for k in range(0, len(rows), _PIECE)]
    total = sum(map(len, found))
    share = min(1.0, MOST_FRAMES / max(total, 1))
    return [rows[: max(1, int(share * len(rows)))] for rows in found]


def _drawn(
    gallery: Gallery,
    smoothed: tuple[Floats, pose.Transform],
    stock: NDArray[np.int64],
    rows: NDArray[np.int64],
    chosen: NDArray[np.int64],
    size: int,
) -> Iterator[dict[str, Any]]:
    """Arrays of one pair after the other, from a gallery's smoothed runs and its `bank`."""
    mesh, head_pose = smoothed
    steady = exemplar.Steady()

    def one(row: int, others: list[int]) -> tuple[render.Layers, view.Seen, pose.Transform, render.Face]:
        face = meshes.face_of(gallery, mesh, row)
        here = inside(head_pose[np.array([row])], gallery.origin[row])
        borrow = borrowed(gallery, stock, int(gallery.frames[row]), others[0])
        references, still = faces(gallery, mesh, head_pose, others, borrow)
        target, depth = np.asarray(face.mesh[:, :2], np.float32), np.asarray(face.mesh[:, 2], np.float32)
        seen = view.seen(face.picture, target, depth, references, still, gallery.head, here, size)
        return render.layers(face, target, references[0]), seen, here, face

    jobs = zip(rows.tolist(), chosen.tolist(), strict=True)
    for row, other, (layers, seen, here, face) in zip(
        rows.tolist(), chosen[:, 0].tolist(), ahead.each(one, jobs, _AHEAD, 1), strict=True
    ):
        picture, _ = steady.joined(layers, other, float(head_pose.scale[row]))
        full = np.iinfo(face.picture.dtype).max
        drawn = np.rint(picture * np.float32(full)).astype(face.picture.dtype)
        yield {
            "context": seen.context, "visible": seen.visible, "maps": seen.maps,
            "references": seen.references, "window": seen.window,
            "drawn": view.truth(drawn, here, size), "truth": view.truth(face.picture, here, size),
        }  # fmt: skip


def inside(head_pose: pose.Transform, origin: Sequence[int] | NDArray[np.integer[Any]]) -> pose.Transform:
    """Head poses in pixels of a picture whose first pixel lies at `origin` of the raster."""
    return pose.Transform(head_pose.scale, head_pose.rotation, head_pose.shift - np.array([*origin, 0.0]))


def _aperture(gallery: Gallery) -> NDArray[np.float32]:
    upper, lower = (regions.MOUTH.index(k) for k in (regions.UPPER_LIP, regions.LOWER_LIP))
    return np.asarray(gallery.shape[:, lower, 1] - gallery.shape[:, upper, 1], np.float32)


def _fields(size: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    square = (size, size)
    return {
        "context": ((*square, 3), np.uint8), "visible": (square, np.uint8),
        "maps": ((*square, view.MAPS), np.uint8),
        "references": ((1 + REFERENCES, *square, 3), np.uint8), "window": (square, np.uint8),
        "drawn": ((*square, 3), np.uint8), "truth": ((*square, 3), np.uint8),
        "next": ((), np.int64), "person": ((), np.int64), "held": ((), np.bool_),
    }  # fmt: skip


def _empty(folder: Path, name: str, shape: tuple[int, ...], kind: Any) -> Any:
    if 0 in shape:
        np.save(folder / f"{name}.npy", np.zeros(shape, kind))
        return np.memmap(folder / f"{name}.empty", kind, "w+", shape=(1,))
    return np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        folder / f"{name}.npy", "w+", np.dtype(kind), shape
    )


def _kept(index: Path) -> Any:
    """What an index file says, None where there is none or it is damaged."""
    try:
        return json.loads(index.read_bytes())
    except (OSError, ValueError):
        return None


def _digest(folder: Path) -> str:
    """Digest of the arrays in a folder, as far as they are there."""
    digest = blake3()
    for name in sorted(_fields(1)):
        path = folder / f"{name}.npy"
        if path.is_file():
            digest.update_mmap(path)
    return digest.hexdigest()


def _read(folder: Path) -> Pairs:
    return Pairs(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _fields(1)})
