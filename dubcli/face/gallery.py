"""The reference bank of an actor: runs of consecutive lower faces of one person, cut out of the film."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.gallery import Crops, Gallery, numbers
from dubcli.artifacts.tracks import FaceTrack
from dubcli.face import mesh as regions
from dubcli.face import occlusion, pose
from dubcli.media import spans

if TYPE_CHECKING:
    from dubcli.artifacts.media import VideoStream
    from dubcli.artifacts.shots import Shot
    from dubcli.media.decode import Frame

Floats = NDArray[np.floating[Any]]
Face = Callable[[], FaceTrack]
"""Loads a track of the person. The meshes of a whole film do not fit into memory."""

RUN_SECONDS = 2  # longest run that is kept whole where not all footage fits; set by hand
_FEWEST_PARTS = 8  # that the budget holds at least, so that more than one moment is in it; set by hand
SHORTEST_RUN = 5  # frames; shorter ones mostly are next to an occlusion or a turn of the head; set by hand
_MARGIN = 0.12  # outer-eye distances around the lower face; set by hand
_MIN_SHARPNESS = 0.5  # in units of the track's median; set by hand
_MAX_OCCLUSION = 0.15  # share of the lower face; set by hand
_LOWER = [i for i in range(468) if regions.head()[i, 1] > 0.10]
_MOUTH = list(regions.MOUTH)
_ROW_BYTES = 4 * (
    478 * 3 + len(_MOUTH) * 3 + occlusion.ROWS * occlusion.COLUMNS
)  # of a frame besides its crop


def canonical_head(faces: Sequence[Face]) -> NDArray[np.float32]:
    """The canonical head (478, 3) of the person whose tracks these are: `artifacts.cast.Person.footage`.

    `gallery` and `learn` both call this, so a person's footage and mouth model refer to one head, though
    neither stage depends on the other.
    """
    return np.asarray(pose.mean_head(lambda k: faces[k]().mesh, len(faces)), np.float32)


def build(
    film: Path,
    video: VideoStream,
    pts: NDArray[np.int64],
    digests: NDArray[np.uint8] | None,
    faces: Sequence[Face],
    shots: Sequence[Shot],
    cap: int,
    head: Floats | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    keys: Sequence[int] = (),
) -> Gallery:
    """A person's gallery, chosen and cut out; only the parts of the film that are kept are decoded.

    Args:
        film: the film.
        video: its picture stream.
        pts: (frames of the film,) presentation times.
        digests: (frames of the film, 16) digests of its pictures, checked when they are read,
            or None.
        faces: all tracks of the person, each loaded when it is needed and released again.
        shots: the shot of each.
        cap: bytes to keep at most; all usable frames are kept while they fit.
        head: the person's canonical head; that of these tracks where None.
        progress: called with the number of frames cut out and their total, as a progress report.
        keys: frames of the film from which decoding can start, rising from 0; () for the first alone.
    """
    from dubcli.media import decode

    head = canonical_head(faces) if head is None else head
    kind = np.dtype(np.uint16 if video.bit_depth > 8 else np.uint8)
    chosen = choose(_spans(faces, kind.itemsize), faces, head, cap, round(RUN_SECONDS * video.rate))
    sizes = np.repeat([s.size for s in chosen] or np.zeros((0, 2)), [len(s) for s in chosen], axis=0)
    sizes = sizes.astype(np.int32)
    crop = Crops(np.zeros(int(3 * np.prod(sizes, axis=1, dtype=np.int64).sum()), kind), sizes)
    known = tuple(dict.fromkeys(shot.picture for shot in shots))
    rows: list[Rows] = []
    row = 0
    for track, group in _by_face(faces, chosen):
        first = int(track.frames[0])
        ranges = [(first + span.start, first + span.stop) for _, span in group]
        pictures = decode.selected(film, video, pts, ranges, keys, digests)
        for _, span in group:
            part = slice(span.start, span.stop)
            mesh = track.mesh[part]
            origin = crop_origin(mesh, span.size)
            for frame, (x, y) in zip(islice(pictures, len(span)), origin, strict=True):
                crop[row][:], _ = cut(frame, (int(x), int(y)), span.size)
                row += 1
                progress(row, len(crop))
            frames = numbers(known, shots[span.face], track.frames[part])
            rows.append(Rows(frames, mesh, track.sharp[part], origin))
    return assemble(rows, crop, head, known)


def cut(
    frame: Frame, origin: tuple[int, int], size: tuple[int, int]
) -> tuple[NDArray[Any], tuple[slice, slice]]:
    """A rectangle (h, w, 3) of a decoded frame whose edge is replicated beyond the picture, and over bars.

    Returns:
        The rectangle, and the rows and columns of it that are the frame's own.
    """
    left, top, right, bottom = frame.around((origin[0] + size[0] / 2, origin[1] + size[1] / 2))
    low, high = (left, top), (right, bottom)
    near = [min(max(at, first), last - 1) for at, first, last in zip(origin, low, high, strict=True)]
    far = [
        max(min(at + span, last), start + 1)
        for at, span, last, start in zip(origin, size, high, near, strict=True)
    ]
    picture = np.asarray(frame.rgb((near[0], near[1], far[0] - near[0], far[1] - near[1])))
    columns, rows = (
        slice(a - at, b - at) if a - at < span and b > at else slice(0)
        for a, b, at, span in zip(near, far, origin, size, strict=True)
    )
    if picture.shape[:2] != (size[1], size[0]):
        y = np.clip(np.arange(origin[1], origin[1] + size[1]), near[1], far[1] - 1) - near[1]
        x = np.clip(np.arange(origin[0], origin[0] + size[0]), near[0], far[0] - 1) - near[0]
        picture = np.asarray(picture[y][:, x])
    return picture, (rows, columns)


@dataclass(frozen=True)
class Span:
    """Frames [start, stop) of a track whose crops are of one size.

    Attributes:
        face: number of the track among the person's.
        size: width and height of the crops, pixels.
        bytes: of each frame in the gallery.
    """

    face: int
    start: int
    stop: int
    size: tuple[int, int]
    bytes: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Rows:
    """Arrays of one run of frames besides its crops, as in `Gallery`."""

    frames: NDArray[np.int64]
    mesh: NDArray[np.float32]
    sharp: NDArray[np.float32]
    origin: NDArray[np.int32]


def usable(track: FaceTrack) -> NDArray[np.bool_]:
    """(T,) bool: frames whose mouth can be a reference: eligible, sharp, not occluded."""
    return track.eligible & (track.sharp > _MIN_SHARPNESS) & (track.occlusion < _MAX_OCCLUSION)


def runs(good: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive true values that are at least `SHORTEST_RUN` long."""
    return spans.runs_of_true(good, SHORTEST_RUN)


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


def _spans(faces: Sequence[Face], depth: int) -> list[Span]:
    """All usable footage, `depth` bytes a sample: each run has crops that hold its own largest face."""
    found = []
    for number, face in enumerate(faces):
        track = face()
        for a, b in runs(usable(track)):
            size = crop_size([track.mesh[a:b]])
            found.append(Span(number, a, b, size, 3 * depth * size[0] * size[1] + _ROW_BYTES))
    return found


def _by_face(
    faces: Sequence[Face], spans: Sequence[Span]
) -> Iterator[tuple[FaceTrack, list[tuple[int, Span]]]]:
    """Each track that spans in film order belong to, loaded once, with its spans and their indices."""
    for number, group in groupby(enumerate(spans), key=lambda pair: pair[1].face):
        yield faces[number](), list(group)


def choose(spans: Sequence[Span], faces: Sequence[Face], head: Floats, cap: int, longest: int) -> list[Span]:
    """Spans of at most `cap` bytes together that cover the most mouth shapes and poses, in film order.

    Where not all fits, spans are cut into parts of `longest` frames, or fewer where a few such parts would
    fill the budget. Every cell of shape × pose × shot counts for the square root of its frames, so the tenth
    picture of a closed mouth is worth less than the first of an open one; parts are taken greedily by gain
    per frame, and the last is cut to the room that is left.
    """
    if sum(len(s) * s.bytes for s in spans) <= cap:
        return list(spans)
    parts = []
    for s in spans:
        most = min(longest, max(SHORTEST_RUN, cap // (_FEWEST_PARTS * s.bytes)))
        parts += [replace(s, start=a, stop=min(a + most, s.stop)) for a in range(s.start, s.stop, most)]
    owner, cell, count = _cells(parts, faces, head)
    have = np.zeros(cell.max() + 1)
    each = np.array([p.bytes for p in parts], np.float64)
    lengths = np.array([len(p) for p in parts], np.float64)
    left = np.ones(len(parts), bool)
    chosen: list[int] = []
    while True:
        fits = left & (lengths * each <= cap)
        if not fits.any():
            break
        more = np.sqrt(have[cell] + count) - np.sqrt(have[cell])
        worth = np.bincount(owner, more, len(parts))
        best = int(np.where(fits, worth / lengths, -1).argmax())
        chosen.append(best)
        left[best] = False
        taken = owner == best
        have[cell[taken]] += count[taken]
        cap -= len(parts[best]) * parts[best].bytes
    found = [parts[k] for k in chosen]
    room = np.where(left, np.minimum(cap // each, lengths), 0)
    if room.max() >= (SHORTEST_RUN if found else 1):
        rest = int(room.argmax())
        found.append(replace(parts[rest], stop=parts[rest].start + int(room[rest])))
    return sorted(found, key=lambda s: (s.face, s.start))


def _cells(
    parts: Sequence[Span], faces: Sequence[Face], head: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Frames of parts by cell of mouth, pose and track: part, cell and number, (M,) each.

    A film has thousands of parts and of cells, and a part falls into a few dozen.
    """
    rows = []
    owner = []
    for track, group in _by_face(faces, parts):
        for k, part in group:
            mesh = track.mesh[part.start : part.stop]
            fit = pose.canonical_transform(mesh, head)
            canonical = pose.to_canonical(mesh, fit)
            aperture = np.linalg.norm(
                canonical[:, regions.UPPER_LIP] - canonical[:, regions.LOWER_LIP], axis=1
            )
            width = np.linalg.norm(
                canonical[:, regions.CORNER_LEFT] - canonical[:, regions.CORNER_RIGHT], axis=1
            )
            angles = pose.angles(fit)
            mouth = np.floor(aperture / 0.05).clip(0, 7) * 8 + np.floor((width - 0.4) / 0.05).clip(0, 7)
            turn = np.floor(angles[:, 0] / 12).clip(-4, 4) * 9 + np.floor(angles[:, 1] / 12).clip(-4, 4)
            # Two sets of cells: each mouth at each pose, and each mouth in each track, for its own light.
            rows.append(
                (
                    np.stack([np.zeros_like(mouth), mouth, turn], 1),
                    np.stack([np.full_like(mouth, part.face + 1), mouth, 0 * turn], 1),
                )
            )
            owner.append(np.full(2 * len(part), k))
    keys = np.concatenate([np.concatenate(pair) for pair in rows]).astype(np.int64)
    _, cell = np.unique(keys, axis=0, return_inverse=True)
    pairs, count = np.unique(np.stack([np.concatenate(owner), cell.ravel()], 1), axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], count


def assemble(rows: Sequence[Rows], crop: Crops, head: Floats, shots: tuple[str, ...]) -> Gallery:
    """The gallery of runs whose pixels are cut out already, from shots of these picture digests."""
    head = np.asarray(head, np.float32)
    mesh = np.concatenate([np.zeros((0, 478, 3), np.float32), *(r.mesh for r in rows)])
    origin = np.concatenate([np.zeros((0, 2), np.int32), *(r.origin for r in rows)])
    fit = pose.canonical_transform(mesh, head) if len(mesh) else None
    shape = pose.to_canonical(mesh, fit)[:, _MOUTH] if fit else np.zeros((0, len(_MOUTH), 3), np.float32)
    texture = np.zeros((len(mesh), occlusion.ROWS, occlusion.COLUMNS, 3), np.uint8)
    masks = np.zeros(texture.shape[:3], np.uint8)
    for k, (picture, points) in enumerate(zip(crop, mesh[:, :, :2] - origin[:, None], strict=True)):
        texture[k] = occlusion.unwrapped(picture, points)
    appearance = occlusion.fit(texture)
    for k, flat in enumerate(texture):
        masks[k] = np.rint(255 * occlusion.estimate(flat, appearance))
    return Gallery(
        frames=np.concatenate([np.zeros(0, np.int64), *(r.frames for r in rows)]),
        shots=shots,
        origin=origin,
        crop=crop,
        mesh=mesh,
        shape=shape,
        pose=pose.angles(fit) if fit else np.zeros((0, 3), np.float32),
        run=np.repeat(np.arange(len(rows), dtype=np.int32), [len(r.frames) for r in rows]),
        sharp=np.concatenate([np.zeros(0, np.float32), *(r.sharp for r in rows)]),
        texture=texture,
        occlusion=masks,
        head=head,
    )
