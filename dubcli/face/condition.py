"""What state a followed face is in, frame by frame, and whether its mouth may be changed there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import mesh as regions
from dubcli.face import pose
from dubcli.face.follow import Sight, Trace
from dubcli.face.identity import describe
from dubcli.face.steady import steadied

THUMBS = 8  # pictures kept of a track
TINY = 10.0  # pixels between the outer eye corners: below, a mesh is guesswork, and the face is dropped
SURE = 0.9  # face score under which the typical mesh of a track is no face: shoulders, hair, blurred crowds
AGREED = 0.045  # spread over which it is none; faces have 0.003–0.02, profiles up to 0.04
FLASH = 4  # frames; what is seen for less is no face, or no loss
SPREAD_USUAL = (0.004, 0.01)  # bounds of a track's usual spread
SPAN = 8  # frames over which an occlusion is one event
MARGIN = 11  # frames around each frame that are as covered as it is: what comes is felt before it is told
SHADED = (0.2, 0.5)  # blue lost against red, over light lost: things before skin have less, folds of it more
DEEPEST = 0.7  # log of light that a fold of skin takes at most; darker is something else


def finished(traces: Iterable[Trace], shape: Sequence[int], turn: int) -> list[FaceTrack]:
    """Tracks of what was followed, without false faces; `judge` then says where they are eligible.

    Args:
        traces: what `follow.Follower` found.
        shape: height and width of the raster.
        turn: clockwise quarter turns that bring the raster upright.
    """
    tracks = (_finish(trace, shape, turn) for trace in traces if _believed(trace))
    return [track for track in tracks if np.median(track.size) >= TINY]


def judge(track: FaceTrack, limits: Mapping[str, float]) -> None:
    """Fill in `reason` from the track's measures.

    Args:
        track: with `reason` telling gaps and borders already; the first reason found stays.
        limits: `min_size` pixels, `max_yaw` and `max_pitch` degrees, `min_sharp` and `max_occlusion` 0–1.
    """
    yaw, pitch = np.abs(track.pose[:, 0]), np.abs(track.pose[:, 1])
    for bad, reason in (
        ((yaw > limits["max_yaw"]) | (pitch > limits["max_pitch"]), Reason.PROFILE),
        (track.size < limits["min_size"], Reason.SMALL),
        (track.occlusion > limits["max_occlusion"], Reason.OCCLUDED),
        (track.sharp < limits["min_sharp"], Reason.BLURRED),
    ):
        track.reason[(track.reason == Reason.OK) & bad] = reason


def _believed(trace: Trace) -> bool:
    """Whether it was a face at all: sure, agreed upon by all views, and more than a flash."""
    sights = [sight for sight in trace.sights if sight is not None]
    sure = np.median([sight.score for sight in sights]) >= SURE
    agreed = np.median([sight.spread for sight in sights]) <= AGREED
    return bool(sure and agreed) and len(sights) >= FLASH


def _finish(trace: Trace, shape: Sequence[int], turn: int) -> FaceTrack:
    frames = np.arange(trace.first, trace.stop, dtype=np.int32)
    there = np.array([sight is not None for sight in trace.sights])
    sights = [sight for sight in trace.sights if sight is not None]
    position = np.arange(len(frames))

    def filled(values: list[float]) -> NDArray[np.float64]:
        return np.interp(position, position[there], values)

    mesh = _interpolated(np.stack([sight.mesh for sight in sights]), there)
    mesh = steadied(mesh, np.stack(trace.slips))
    fitted = pose.canonical_transform(_upright(mesh, shape, turn))
    sharp = filled([sight.sharp for sight in sights])
    reason = np.where(there, Reason.OK, Reason.NO_MESH).astype(np.uint8)
    reason[(reason == Reason.OK) & _at_border(mesh, shape)] = Reason.EDGE
    angles = pose.angles(fitted)
    covered = occlusion(sights, there, angles)
    thumbs, chosen = _thumbs(sights, angles[there], covered[there])
    return FaceTrack(
        frames=frames,
        mesh=mesh,
        pose=angles,
        size=fitted.scale.astype(np.float32),
        sharp=(sharp / max(float(np.median(sharp)), 1e-6)).astype(np.float32),
        occlusion=covered,
        reason=reason,
        thumbs=thumbs,
        descriptor=describe(thumbs, [sight.mesh for sight in chosen]),
    )


def occlusion(
    sights: list[Sight], there: NDArray[np.bool_], angles: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How much something covers the lower face, (T,): about 0 where it is free, over 0.5 where it is not.

    Two signs: skin around the mouth has another colour than this face has there at this pose, and the views
    disagree on the lips more than they usually do, allowing for a turned head.
    """
    turned = angles[there].astype(np.float64)
    strange = _strange(np.stack([sight.colour for sight in sights]), turned)
    spread = np.array([sight.spread for sight in sights]) / (1 + (turned[:, 0] / 20) ** 2)
    usual = np.clip(np.quantile(spread, 0.2), *SPREAD_USUAL)
    apart = spread / usual
    # Slopes and offsets lie between what free and what covered faces of real clips show.
    # Disagreement alone is not enough: views also disagree on lips that are round or blurred. Nor is colour:
    # lines around a mouth that speaks are shadows; what covers it has views disagree for a while as well.
    both = np.clip((ndimage.gaussian_filter1d(apart, 4) - 1) / 0.8, 0, 1)
    signs = both * np.clip((strange - 0.1) / 0.38, 0, 1) + np.clip((apart - 2) / 5, 0, 0.4)
    position = np.arange(len(there))
    covered = ndimage.median_filter(np.interp(position, position[there], signs), 5, mode="nearest")
    # A hand that passes is one event: fill the moments in which it is not noticed, and its beginning and end.
    covered = ndimage.grey_closing(covered, 2 * SPAN + 1, mode="nearest")
    return np.asarray(np.minimum(ndimage.maximum_filter1d(covered, MARGIN), 1), np.float32)


def _strange(colours: NDArray[np.uint8], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the strangest patch of skin around the mouth that is unlike itself at this pose, (T,) 0–1."""
    upper, around, near = _places()
    tint = np.log(colours.astype(np.float32) + 16)
    tint -= np.median(tint[:, upper], axis=1, keepdims=True)  # the light on the face
    skin = tint[:, around]
    yaw, pitch = angles[:, 0] / 30, angles[:, 1] / 30
    causes = np.stack([np.ones_like(yaw), yaw, yaw**2, pitch], axis=1).astype(np.float32)
    usual = np.broadcast_to(np.median(skin, axis=0), skin.shape)
    strange = np.zeros(len(skin))
    for _ in range(3):
        change = skin - usual
        rest = np.abs(change)
        unlike = (rest / np.maximum(1.48 * np.median(rest, axis=0), 0.12)).max(axis=2)
        odd = np.clip(unlike - 3, 0, 1) * (1 - _shaded(change))
        strange = odd[:, near].mean(axis=2).max(axis=1)
        # What the pose explains, fitted to the frames that are not strange.
        weighted = causes * (1 - strange)[:, None].astype(np.float32)
        ridge = np.diag([1e-3, 1, 1, 1]).astype(np.float32)
        normal = weighted.T @ causes + ridge
        usual = (causes @ np.linalg.solve(normal, weighted.T @ skin.reshape(len(skin), -1))).reshape(
            skin.shape
        )
    return np.asarray(strange, np.float64)


def _shaded(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """How surely changes (..., 3) of the log of colour are folds of the skin itself or its shine, 0–1.

    In a fold light is thrown from skin to skin and reddens as it fades, and skin turned to the light pales
    as it brightens. What comes before a face mostly changes its colour otherwise.
    """
    light, cool = change.mean(axis=-1), change[..., 2] - change[..., 0]
    low, high = SHADED
    along = np.sign(light) * cool / np.maximum(np.abs(light), 1e-3)
    return np.asarray(np.clip((along - low) / (high - low), 0, 1) * (np.abs(light) < DEEPEST), np.float32)


@lru_cache(maxsize=1)
def _places() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Points of the upper face (U,), the lower without the inner lips (L,), patches of those (L, 14)."""
    head = regions.head()[:468]
    x, y = np.abs(head[:, 0]), head[:, 1]
    oval, jaw = np.isin(np.arange(468), regions.FACE_OVAL), np.isin(np.arange(468), regions.JAW)
    upper = np.flatnonzero((y < 0.3) & ~oval)
    around = np.flatnonzero((y > 0.45) & ~jaw & ~((x < 0.3) & (y > 0.74) & (y < 0.9)))
    apart = np.linalg.norm(head[around][:, None] - head[around][None], axis=2)
    return upper, around, np.argsort(apart, axis=1, kind="stable")[:, :14]


def _interpolated(mesh: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float32]:
    position = np.arange(len(there))
    known = position[there]
    after = np.clip(np.searchsorted(known, position), 0, len(known) - 1)
    before = np.maximum(after - (known[after] > position), 0)
    span = np.maximum(known[after] - known[before], 1)
    weight = ((position - known[before]) / span).astype(np.float32)[:, None, None]
    return np.asarray(mesh[before] * (1 - weight) + mesh[after] * weight, np.float32)


def _upright(mesh: NDArray[np.float32], shape: Sequence[int], turn: int) -> NDArray[np.float32]:
    """The mesh as it is in the upright picture."""
    height, width = shape[:2]
    x, y, z = mesh[..., 0], mesh[..., 1], mesh[..., 2]
    turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[turn]
    return np.stack([*turned, z], axis=-1)


def _at_border(mesh: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Frames in which the lips reach over the picture's border, (T,)."""
    height, width = shape[:2]
    mouth = mesh[:, list(regions.LIPS_OUTER), :2]
    return np.asarray(((mouth < 0) | (mouth > (width, height))).any(axis=(1, 2)))


def _thumbs(
    sights: list[Sight], angles: NDArray[np.float32], covered: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], list[Sight]]:
    """Up to `THUMBS` pictures spread over the track, of frames that show the face well if there are any."""
    pictured = [k for k, sight in enumerate(sights) if sight.thumb is not None]
    hidden = np.abs(angles[pictured, 0]) / 90 + covered[pictured]
    good = [k for k, bad in zip(pictured, hidden, strict=True) if bad <= max(0.4, float(np.median(hidden)))]
    pick = np.unique(np.linspace(0, len(good) - 1, THUMBS).round().astype(int))
    chosen = [sights[good[k]] for k in pick]
    return np.stack([sight.thumb for sight in chosen if sight.thumb is not None]), chosen
