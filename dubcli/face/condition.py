"""Measures of a tracked face frame by frame, and whether its mouth may be changed there.

Constants are set by hand on real clips where no other source is named; `bench/track.py` measures the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import mesh as regions
from dubcli.face import overlay, pose
from dubcli.face.follow import DETECT_EVERY, Observation, Trace
from dubcli.face.identity import describe
from dubcli.face.steady import steadied

THUMBS = 8  # pictures kept of a track, at most
SMALLEST = (
    10.0  # pixels between the outer eye corners: below, a mesh is not reliable, and the face is dropped
)
MIN_SCORE = 0.9  # median face score of a track under which it is a false detection: shoulders, hair, crowds
MAX_SPREAD = (
    0.045  # median spread, outer-eye distances, over which it is one; faces 0.003–0.02, profiles to 0.04
)
FEWEST = 4  # observations of a track in a short shot; shorter ones are dropped
CONFIRMED = DETECT_EVERY  # the same in others: what the next search does not find again was no face
SPREAD_BOUNDS = (0.004, 0.01)  # outer-eye distances; bounds of a track's typical spread
HALF_OUT = 0.25  # share of the oval beyond the border from which a face is half outside, not just its chin
CLOSING = 8  # frames on either side over which an occlusion is one event
_STILL = 12  # frames on either side for which a face may be still under what is written over it
WIDENING = 11  # frames; length of the maximum filter: an occluder affects the mesh before it is detected
_AGREED = 2.0  # disagreement of the views, over the track's typical, up to which lips are taken to be free
SHADED = (0.2, 0.5)  # log of blue over red, over log of luminance: occluders are below, folds of skin above
DEEPEST = 0.7  # log of luminance (natural) that a fold of skin takes at most; darker is an occluder


def finished(traces: Iterable[Trace], frames: int, shape: Sequence[int], turn: int) -> list[FaceTrack]:
    """Face tracks from traces, without false detections; `judge` then marks where they are eligible.

    Args:
        traces: from `follow.Follower`.
        frames: of the shot.
        shape: height and width of the raster.
        turn: clockwise quarter turns that bring the raster upright.
    """
    fewest = max(FEWEST, min(CONFIRMED, frames // 2))
    tracks = (_finish(trace, shape, turn) for trace in traces if _is_face(trace, fewest))
    return [track for track in tracks if np.median(track.size) >= SMALLEST]


def judge(track: FaceTrack, limits: Mapping[str, float], shape: Sequence[int]) -> None:
    """Fill in `reason` from the track's measures.

    Args:
        track: whose `reason` has gaps and borders already; the first reason found stays.
        limits: `min_size` pixels, `max_yaw` and `max_pitch` degrees, `min_sharp` and `max_occlusion` 0–1.
        shape: height and width of the raster.
    """
    # Where much of the face is beyond the border, that is what makes the views disagree on the lips.
    occluded = track.occlusion > limits["max_occlusion"]
    outside = _beyond(track.mesh, shape, regions.FACE_OVAL) > HALF_OUT
    yaw, pitch = np.abs(track.pose[:, 0]), np.abs(track.pose[:, 1])
    for bad, reason in (
        ((yaw > limits["max_yaw"]) | (pitch > limits["max_pitch"]), Reason.PROFILE),
        (track.size < limits["min_size"], Reason.SMALL),
        (occluded & outside, Reason.EDGE),
        (occluded, Reason.OCCLUDED),
        (track.sharp < limits["min_sharp"], Reason.BLURRED),
    ):
        track.reason[(track.reason == Reason.OK) & bad] = reason


def _is_face(trace: Trace, fewest: int) -> bool:
    """Whether a trace is a face: high score, views that agree, and enough observations."""
    observations = [observation for observation in trace.observations if observation is not None]
    sure = np.median([observation.score for observation in observations]) >= MIN_SCORE
    agreed = np.median([observation.spread for observation in observations]) <= MAX_SPREAD
    return bool(sure and agreed) and len(observations) >= fewest


def _finish(trace: Trace, shape: Sequence[int], turn: int) -> FaceTrack:
    frames = np.arange(trace.first, trace.stop, dtype=np.int32)
    observed = np.array([observation is not None for observation in trace.observations])
    observations = [observation for observation in trace.observations if observation is not None]
    position = np.arange(len(frames))

    def filled(values: list[float]) -> NDArray[np.float64]:
        return np.interp(position, position[observed], values)

    mesh = _interpolated(np.stack([observation.mesh for observation in observations]), observed)
    mesh = steadied(mesh, np.stack(trace.displacements))
    fitted = pose.canonical_transform(_upright(mesh, shape, turn))
    sharp = filled([observation.sharp for observation in observations])
    reason = np.where(observed, Reason.OK, Reason.NO_MESH).astype(np.uint8)
    reason[(reason == Reason.OK) & (_beyond(mesh, shape, regions.LIPS_OUTER) > 0)] = Reason.EDGE
    angles = pose.angles(fitted)
    occluded = occlusion(observations, observed, angles)
    occluded[_written_over(trace)] = 1
    thumbs, chosen = _thumbs(observations, angles[observed], occluded[observed])
    return FaceTrack(
        frames=frames,
        mesh=mesh,
        pose=angles,
        size=fitted.scale.astype(np.float32),
        sharp=(sharp / max(float(np.median(sharp)), 1e-6)).astype(np.float32),
        occlusion=occluded,
        reason=reason,
        thumbs=thumbs,
        descriptor=describe(thumbs, [observation.mesh for observation in chosen]),
    )


def occlusion(
    observations: list[Observation], observed: NDArray[np.bool_], angles: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Occlusion of the lower face, (T,) 0–1: about 0 where it is free, over 0.5 where it is occluded.

    Two cues: skin around the mouth has another colour than this face has there at this pose, and the views
    disagree on the lips more than is typical of the track, allowing for a turned head.
    """
    turned = angles[observed].astype(np.float64)
    spread = np.array([observation.spread for observation in observations]) / (1 + (turned[:, 0] / 20) ** 2)
    typical = np.clip(np.quantile(spread, 0.2), *SPREAD_BOUNDS)
    relative = spread / typical
    disagreement = ndimage.gaussian_filter1d(relative, 4)
    free = disagreement <= max(_AGREED, float(np.quantile(disagreement, 0.2)))
    if free.mean() >= 0.5:  # a median of all frames is that of the free ones then
        free[:] = True
    colours = np.stack([observation.colour for observation in observations])
    outliers = _colour_outliers(colours, turned, free)
    # Slopes and offsets were set by hand between the values of free and of occluded faces of real clips.
    # Disagreement alone is not enough: views also disagree on lips that are round or blurred. Nor is colour:
    # lines around a mouth in speech are shadows; with an occluder the views disagree for a while as well.
    evidence = np.clip((disagreement - 1) / 0.8, 0, 1) * np.clip((outliers - 0.1) / 0.38, 0, 1)
    evidence += np.clip((relative - 2) / 5, 0, 0.4)
    position = np.arange(len(observed))
    occluded = ndimage.median_filter(np.interp(position, position[observed], evidence), 5, mode="nearest")
    # A hand that passes is one event: fill the frames in which it is missed.
    occluded = ndimage.grey_closing(occluded, 2 * CLOSING + 1, mode="nearest")
    return np.asarray(np.minimum(ndimage.maximum_filter1d(occluded, WIDENING), 1), np.float32)


def _written_over(trace: Trace) -> NDArray[np.bool_]:
    """Frames in which words or logos lie over the lower face, (T,) bool."""
    found = [0.0 if each is None else each.overlay or 0.0 for each in trace.observations]
    written = np.array(found) >= overlay.SMALLEST
    # What lies there in one frame was there `LAG` frames earlier, and stays while the face is still.
    written = ndimage.maximum_filter1d(written, 2 * overlay.LAG + 1)
    return np.asarray(ndimage.binary_closing(np.pad(written, _STILL), np.ones(2 * _STILL + 1)))[
        _STILL:-_STILL
    ]


def _colour_outliers(
    colours: NDArray[np.uint8], angles: NDArray[np.float64], free: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of outliers in the most deviant patch of skin around the mouth, given the pose, (T,) 0–1.

    What is typical of the skin is that of the frames in `free` (T,): a hand may be there most of the time.
    """
    upper, around, near = _patches()
    colour = np.log(colours.astype(np.float32) + 16)
    colour -= np.median(colour[:, upper], axis=1, keepdims=True)  # the light on the face
    skin = colour[:, around]
    yaw, pitch = angles[:, 0] / 30, angles[:, 1] / 30
    regressors = np.stack([np.ones_like(yaw), yaw, yaw**2, pitch], axis=1).astype(np.float32)
    typical = np.broadcast_to(np.median(skin[free], axis=0), skin.shape)
    outliers = np.zeros(len(skin))
    for _ in range(3):
        change = skin - typical
        rest = np.abs(change)
        deviations = (rest / np.maximum(1.48 * np.median(rest[free], axis=0), 0.12)).max(axis=2)
        scores = np.clip(deviations - 3, 0, 1) * (1 - _shaded(change))
        outliers = scores[:, near].mean(axis=2).max(axis=1)
        # Colour explained by pose, a ridge regression weighted towards frames without outliers.
        weighted = regressors * (free * (1 - outliers))[:, None].astype(np.float32)
        ridge = np.diag([1e-3, 1, 1, 1]).astype(np.float32)
        normal = weighted.T @ regressors + ridge
        typical = (regressors @ np.linalg.solve(normal, weighted.T @ skin.reshape(len(skin), -1))).reshape(
            skin.shape
        )
    return np.asarray(outliers, np.float64)


def _shaded(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score 0–1 that changes (..., 3) of the log of colour are folds of the skin itself or its shine.

    In a fold light is reflected from skin to skin and reddens as it fades, and skin turned to the light pales
    as it brightens. An occluder mostly changes the colour otherwise.
    """
    light, cool = change.mean(axis=-1), change[..., 2] - change[..., 0]
    low, high = SHADED
    along = np.sign(light) * cool / np.maximum(np.abs(light), 1e-3)
    return np.asarray(np.clip((along - low) / (high - low), 0, 1) * (np.abs(light) < DEEPEST), np.float32)


@lru_cache(maxsize=1)
def _patches() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Points of the upper face (U,), the lower without the inner lips (L,), patches of those (L, 14)."""
    head = regions.head()[:468]
    x, y = np.abs(head[:, 0]), head[:, 1]
    oval, jaw = np.isin(np.arange(468), regions.FACE_OVAL), np.isin(np.arange(468), regions.JAW)
    upper = np.flatnonzero((y < 0.3) & ~oval)
    around = np.flatnonzero((y > 0.45) & ~jaw & ~((x < 0.3) & (y > 0.74) & (y < 0.9)))
    relative = np.linalg.norm(head[around][:, None] - head[around][None], axis=2)
    return upper, around, np.argsort(relative, axis=1, kind="stable")[:, :14]


def _interpolated(mesh: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.float32]:
    position = np.arange(len(observed))
    known = position[observed]
    later = np.clip(np.searchsorted(known, position), 0, len(known) - 1)
    earlier = np.maximum(later - (known[later] > position), 0)
    span = np.maximum(known[later] - known[earlier], 1)
    weight = ((position - known[earlier]) / span).astype(np.float32)[:, None, None]
    return np.asarray(mesh[earlier] * (1 - weight) + mesh[later] * weight, np.float32)


def _upright(mesh: NDArray[np.float32], shape: Sequence[int], turn: int) -> NDArray[np.float32]:
    """The mesh in pixels of the upright picture."""
    height, width = shape[:2]
    x, y, z = mesh[..., 0], mesh[..., 1], mesh[..., 2]
    turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[turn]
    return np.stack([*turned, z], axis=-1)


def _beyond(mesh: NDArray[np.float32], shape: Sequence[int], points: Sequence[int]) -> NDArray[np.float64]:
    """Share of the points that are beyond the picture's border, (T,) 0–1."""
    height, width = shape[:2]
    found = mesh[:, list(points), :2]
    return np.asarray(((found < 0) | (found > (width, height))).any(axis=2).mean(axis=1))


def _thumbs(
    observations: list[Observation], angles: NDArray[np.float32], occluded: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], list[Observation]]:
    """Up to `THUMBS` pictures spread over the track, of frames that show the face well if there are any."""
    pictured = [k for k, observation in enumerate(observations) if observation.thumb is not None]
    hidden = np.abs(angles[pictured, 0]) / 90 + occluded[pictured]
    good = [k for k, bad in zip(pictured, hidden, strict=True) if bad <= max(0.4, float(np.median(hidden)))]
    pick = np.unique(np.linspace(0, len(good) - 1, THUMBS).round().astype(int))
    chosen = [observations[good[k]] for k in pick]
    return np.stack([observation.thumb for observation in chosen if observation.thumb is not None]), chosen
