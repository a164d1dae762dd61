"""The film as footage of its own actors: runs of consecutive lower faces of one person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.arrays import mapped
from dubcli.artifacts.tracks import FaceTrack
from dubcli.face import cover, pose
from dubcli.face import mesh as regions

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.media.decode import Frame

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

RUN_SECONDS = 2  # longest run chosen as one piece where not all footage fits
SHORTEST_RUN = 5  # frames; shorter ones are mostly trouble around an occlusion or a turn
_MARGIN = 0.12  # outer-eye distances around the lower face
_BLURRED = 0.5  # of the track's median sharpness
_COVERED = 0.15  # occlusion
_LOWER = [i for i in range(468) if regions.head()[i, 1] > 0.10]
_MOUTH = list(regions.MOUTH)


@dataclass
class Gallery:
    """Footage of one person's lower face, N frames in runs.

    Attributes:
        frames: (N,) int32 film-wide frame numbers.
        origin: (N, 2) int32 position (x, y) of the crop's first pixel in square pixels.
        crop: N pictures (h, w, 3) uint8 or uint16 RGB, all of one size in a file; the raster's edge is
            replicated beyond it.
        mesh: (N, 478, 3) float32 raster pixels.
        shape: (N, P, 3) float32 canonical mouth.
        pose: (N, 3) float32 degrees.
        run: (N,) int32; equal numbers are consecutive footage.
        sharp: (N,) float32 sharpness relative to the track's median.
        texture: (N, 36, 48, 3) uint8 the lower face laid flat (`face.cover`).
        cover: (N, 36, 48) uint8 how surely something lies before each texel of it, 255 is sure.
        head: (478, 3) float32 the canonical head that `shape` and `pose` refer to.
    """

    frames: NDArray[np.int32]
    origin: NDArray[np.int32]
    crop: Sequence[NDArray[Any]] | NDArray[Any]
    mesh: NDArray[np.float32]
    shape: NDArray[np.float32]
    pose: NDArray[np.float32]
    run: NDArray[np.int32]
    sharp: NDArray[np.float32]
    texture: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    head: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frames)


def save(path: Path, gallery: Gallery) -> None:
    """Write a gallery as an uncompressed `.npz`, so that its pictures can be mapped and not read."""
    np.savez(path, **{f.name: getattr(gallery, f.name) for f in fields(Gallery)})


def load(path: Path) -> Gallery:
    """Read what `save` wrote; `crop` stays on disk until its frames are looked at."""
    box = mapped(path)
    rest = {f.name: np.array(box[f.name]) for f in fields(Gallery) if f.name != "crop"}
    return Gallery(crop=box["crop"], **rest)


def joined(first: Gallery, second: Gallery) -> Gallery:
    """Two galleries of one person under one head as one; pictures may differ in size."""
    run = np.concatenate([first.run, second.run + first.run.max(initial=-1) + 1])
    rest = {
        f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)])
        for f in fields(Gallery)
        if f.name not in ("crop", "run", "head")
    }
    return Gallery(crop=[*first.crop, *second.crop], run=run.astype(np.int32), head=first.head, **rest)


def build(
    film: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    digests: NDArray[np.uint8] | None,
    tracks: Sequence[FaceTrack],
    cap: int,
    head: Floats | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Gallery:
    """Choose and cut out a person's footage, reading only the parts of the film that are kept.

    Args:
        film: the film.
        video: its picture stream.
        pts: (frames of the film,) presentation times.
        digests: (frames of the film, 16) digests of its pictures, checked when they are read,
            or None.
        tracks: all tracks of the person.
        cap: bytes of pixels to keep at most; everything eligible is kept while it fits.
        head: the person's canonical head; by default the mean of the tracks' meshes.
        alive: called after every frame, to show that work goes on.
    """
    from dubcli.media.decode import frames as decode

    head = pose.mean_head([t.mesh for t in tracks]) if head is None else head
    pieces = [_Piece(track, a, b) for track in tracks for a, b in stretches(usable(track))]
    size = crop_size([p.mesh for p in pieces])
    depth = 2 if video.bit_depth > 8 else 1
    room = cap // (size[0] * size[1] * 3 * depth)
    pieces = choose(pieces, head, room, round(RUN_SECONDS * video.rate))
    count = sum(len(p) for p in pieces)
    crop: NDArray[Any] = np.zeros((count, size[1], size[0], 3), np.uint16 if depth == 2 else np.uint8)
    origins = [crop_origin(p.mesh, size) for p in pieces]
    row = 0
    for piece, origin in zip(pieces, origins, strict=True):
        first = int(piece.frames[0])
        pictures = decode(film, video, pts, first, first + len(piece), digests)
        for frame, (x, y) in zip(pictures, origin, strict=True):
            crop[row] = cut(frame, (int(x), int(y)), size)
            row += 1
            alive()
    return assemble(pieces, origins, crop, head)


def cut(frame: Frame, origin: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
    """A rectangle (h, w, 3) of a decoded frame whose edge is replicated beyond the picture."""
    near = [min(max(at, 0), full - 1) for at, full in zip(origin, frame.square.size, strict=True)]
    far = [
        max(min(at + span, full), start + 1)
        for at, span, full, start in zip(origin, size, frame.square.size, near, strict=True)
    ]
    picture = np.asarray(frame.rgb((near[0], near[1], far[0] - near[0], far[1] - near[1])))
    if picture.shape[:2] == (size[1], size[0]):
        return picture
    rows = np.clip(np.arange(origin[1], origin[1] + size[1]), near[1], far[1] - 1) - near[1]
    columns = np.clip(np.arange(origin[0], origin[0] + size[0]), near[0], far[0] - 1) - near[0]
    return np.asarray(picture[rows][:, columns])


@dataclass(frozen=True)
class _Piece:
    """Frames [start, stop) of a track."""

    track: FaceTrack
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def frames(self) -> NDArray[np.int32]:
        return self.track.frames[self.start : self.stop]

    @property
    def mesh(self) -> NDArray[np.float32]:
        return self.track.mesh[self.start : self.stop]


def usable(track: FaceTrack) -> NDArray[np.bool_]:
    """(T,) bool: frames whose mouth is worth showing again: eligible, sharp, not covered."""
    return track.eligible & (track.sharp > _BLURRED) & (track.occlusion < _COVERED)


def stretches(good: NDArray[np.bool_], shortest: int = SHORTEST_RUN) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive true values, at least `shortest` long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= shortest]


def lower_box(mesh: Floats) -> NDArray[np.float64]:
    """Box (T, 4: x0, y0, x1, y1) of the lower face with its margin, from meshes (T, 478, 3)."""
    points = np.asarray(mesh, np.float64)[:, _LOWER, :2]
    eyes = np.linalg.norm(mesh[:, regions.EYE_LEFT] - mesh[:, regions.EYE_RIGHT], axis=1)[:, None]
    return np.concatenate([points.min(axis=1) - _MARGIN * eyes, points.max(axis=1) + _MARGIN * eyes], axis=1)


def crop_size(meshes: Sequence[Floats]) -> tuple[int, int]:
    """Even width and height in pixels that hold the lower face of every mesh."""
    spans = [np.zeros((1, 2)), *(box[:, 2:] - box[:, :2] for box in map(lower_box, meshes))]
    width, height = np.ceil(np.concatenate(spans).max(axis=0) / 2).astype(int) * 2 + 2
    return int(width), int(height)


def crop_origin(mesh: Floats, size: tuple[int, int]) -> NDArray[np.int32]:
    """Raster position (T, 2) of the crop of that size centred on each lower face."""
    box = lower_box(mesh)
    return np.asarray(np.floor((box[:, :2] + box[:, 2:] - size) / 2), np.int32)


def choose(pieces: Sequence[_Piece], head: Floats, room: int, longest: int) -> list[_Piece]:
    """Pieces of at most `room` frames together that cover the most mouth shapes and poses, in film order.

    Every cell of shape × pose × shot counts for the square root of its frames, so the tenth picture of a
    closed mouth is worth less than the first of an open one; pieces are taken greedily.
    """
    if sum(map(len, pieces)) <= room:
        return list(pieces)
    parts = [
        _Piece(p.track, a, min(a + longest, p.stop)) for p in pieces for a in range(p.start, p.stop, longest)
    ]
    owner, cell, count = _cells(parts, head)
    have = np.zeros(cell.max() + 1)
    lengths = np.array([len(p) for p in parts], np.float64)
    left = np.ones(len(parts), bool)
    chosen: list[int] = []
    while (left & (lengths <= room)).any():
        more = np.sqrt(have[cell] + count) - np.sqrt(have[cell])
        worth = np.bincount(owner, more, len(parts))
        worth = np.where(left & (lengths <= room), worth / lengths, -1)
        best = int(worth.argmax())
        chosen.append(best)
        left[best] = False
        taken = owner == best
        have[cell[taken]] += count[taken]
        room -= len(parts[best])
    return [parts[k] for k in sorted(chosen)]


def _cells(
    parts: Sequence[_Piece], head: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Frames of pieces by cell of mouth, pose and track: piece, cell and number, (M,) each.

    A film has thousands of pieces and of cells, and a piece falls into a few dozen.
    """
    rows = []
    tracks: dict[int, int] = {}
    for part in parts:
        fit = pose.canonical_transform(part.mesh, head)
        canonical = pose.to_canonical(part.mesh, fit)
        gap = np.linalg.norm(canonical[:, regions.UPPER_LIP] - canonical[:, regions.LOWER_LIP], axis=1)
        width = np.linalg.norm(canonical[:, regions.CORNER_LEFT] - canonical[:, regions.CORNER_RIGHT], axis=1)
        angles = pose.angles(fit)
        number = tracks.setdefault(id(part.track), len(tracks))
        mouth = np.floor(gap / 0.05).clip(0, 7) * 8 + np.floor((width - 0.4) / 0.05).clip(0, 7)
        turn = np.floor(angles[:, 0] / 12).clip(-4, 4) * 9 + np.floor(angles[:, 1] / 12).clip(-4, 4)
        # Two sets of cells: each mouth at each pose, and each mouth in each track, for its own light.
        rows.append(
            (
                np.stack([np.zeros_like(mouth), mouth, turn], 1),
                np.stack([np.full_like(mouth, number + 1), mouth, 0 * turn], 1),
            )
        )
    keys = np.concatenate([np.concatenate(pair) for pair in rows]).astype(np.int64)
    _, cell = np.unique(keys, axis=0, return_inverse=True)
    owner = np.concatenate([np.full(2 * len(part), k) for k, part in enumerate(parts)])
    pairs, count = np.unique(np.stack([owner, cell.ravel()], 1), axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], count


def assemble(
    pieces: Sequence[_Piece],
    origins: Sequence[NDArray[np.int32]],
    crop: NDArray[Any],
    head: Floats,
) -> Gallery:
    """The gallery of pieces whose pixels are cut out already."""
    head = np.asarray(head, np.float32)
    empty = [np.zeros((0, 478, 3), np.float32)]
    mesh = np.concatenate([*empty, *(p.mesh for p in pieces)])
    origin = np.concatenate([np.zeros((0, 2), np.int32), *origins])
    fit = pose.canonical_transform(mesh, head) if len(mesh) else None
    shape = pose.to_canonical(mesh, fit)[:, _MOUTH] if fit else np.zeros((0, len(_MOUTH), 3), np.float32)
    texture = np.zeros((len(mesh), cover.ROWS, cover.COLUMNS, 3), np.uint8)
    covered = np.zeros(texture.shape[:3], np.uint8)
    for k, (picture, points) in enumerate(zip(crop, mesh[:, :, :2] - origin[:, None], strict=True)):
        texture[k] = cover.unrolled(picture, points)
    look = cover.learn(texture)
    for k, flat in enumerate(texture):
        covered[k] = np.rint(255 * cover.covered(flat, look))
    return Gallery(
        frames=np.concatenate([np.zeros(0, np.int32), *(p.frames for p in pieces)]).astype(np.int32),
        origin=origin,
        crop=crop,
        mesh=mesh,
        shape=shape,
        pose=pose.angles(fit) if fit else np.zeros((0, 3), np.float32),
        run=np.repeat(np.arange(len(pieces), dtype=np.int32), [len(p) for p in pieces]),
        sharp=np.concatenate([np.zeros(0, np.float32), *(p.track.sharp[p.start : p.stop] for p in pieces)]),
        texture=texture,
        cover=covered,
        head=head,
    )
