"""Head pose comes from the skull alone, is exact, and means the same for everyone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import mesh, pose

Array = NDArray[np.float64]


def turned(yaw: float = 0, pitch: float = 0, roll: float = 0) -> Array:
    """Rotation for row vectors: the head looks to the picture's right, down, and leans clockwise."""
    y, p, r = np.radians((yaw, pitch, roll))
    about_y = np.array(((np.cos(y), 0, np.sin(y)), (0, 1, 0), (-np.sin(y), 0, np.cos(y))))
    about_x = np.array(((1, 0, 0), (0, np.cos(p), np.sin(p)), (0, -np.sin(p), np.cos(p))))
    about_z = np.array(((np.cos(r), np.sin(r), 0), (-np.sin(r), np.cos(r), 0), (0, 0, 1)))
    return np.asarray(about_y @ about_x @ about_z)


def seen(rotation: Array, scale: float = 150.0, place: tuple[float, float, float] = (640, 360, 0)) -> Array:
    return np.asarray(scale * mesh.head().astype(np.float64) @ rotation + place)


def talking(frames: int, noise: float = 0.0, seed: int = 0) -> Array:
    """A still head whose jaw drops and closes."""
    random = np.random.default_rng(seed)
    track = np.repeat(seen(np.eye(3))[None], frames, axis=0)
    drop = 40 * (1 - np.cos(np.arange(frames) / 3))
    moving = sorted(set(mesh.MOUTH) | set(mesh.JAW))
    track[:, moving, 1] += drop[:, None] * np.clip(mesh.head()[moving, 1] - 0.4, 0, 1)
    return np.asarray(track + random.normal(0, noise, track.shape))


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (25, 0, 0), (0, -15, 0), (0, 0, 30), (-40, 12, -8)]
)
def test_angles_are_those_of_the_head(yaw: float, pitch: float, roll: float) -> None:
    fitted = pose.canonical_transform(seen(turned(yaw, pitch, roll))[None], mesh.head())
    got = pose.angles(fitted)[0]
    np.testing.assert_allclose(got, (yaw, pitch, roll), atol=0.2)


def test_signs_are_as_the_picture_shows_them() -> None:
    right = seen(turned(yaw=30))
    assert right[mesh.NOSE_TIP, 0] > right[list(mesh.RIGID), 0].mean()
    down = seen(turned(pitch=20))
    assert down[mesh.NOSE_TIP, 1] > seen(np.eye(3))[mesh.NOSE_TIP, 1]
    leaning = seen(turned(roll=20))
    assert leaning[mesh.EYE_RIGHT, 1] > leaning[mesh.EYE_LEFT, 1]


def test_to_canonical_and_back_is_exact() -> None:
    track = np.stack([seen(turned(yaw, 5, yaw / 2), 90 + yaw) for yaw in range(-30, 31, 5)])
    fitted = pose.canonical_transform(track)
    there = pose.to_canonical(track, fitted)
    np.testing.assert_allclose(pose.from_canonical(there, fitted), track, atol=1e-2)
    assert abs(float(fitted[2:4].scale[0]) - 70) < 3


def test_the_canonical_head_is_one_eye_distance_wide_whatever_the_size() -> None:
    for scale in (20.0, 400.0):
        shape = pose.to_canonical(seen(turned(10, 5, 3), scale)[None].repeat(5, axis=0))
        eyes = np.linalg.norm(shape[0, mesh.EYE_LEFT] - shape[0, mesh.EYE_RIGHT])
        assert abs(eyes - 1) < 1e-3


def test_a_dropping_jaw_does_not_move_the_head() -> None:
    fitted = pose.canonical_transform(talking(40))
    mouth = pose.from_canonical(np.array([[0, 0.85, -0.2]]), fitted)[:, 0, :2]
    assert np.abs(np.diff(mouth, axis=0)).max() < 1e-3


def test_smoothing_takes_noise_but_keeps_a_nod_where_it_is() -> None:
    random = np.random.default_rng(1)
    when = np.arange(60)
    nod = 12 * np.exp(-0.5 * ((when - 30) / 4) ** 2)
    track = np.stack([seen(turned(pitch=angle), place=(600, 300 + 2 * angle, 0)) for angle in nod])
    noisy = track + random.normal(0, 1.0, track.shape)
    head = mesh.head()
    true = pose.angles(pose.canonical_transform(track, head))[:, 1]
    raw = pose.angles(pose.canonical_transform(noisy, head))[:, 1]
    smooth = pose.angles(pose.canonical_transform(noisy, head, smooth=1.5))[:, 1]
    assert np.abs(smooth - true).mean() < 0.75 * np.abs(raw - true).mean()
    assert abs(int(np.argmax(smooth)) - 30) <= 1, "zero phase"
    assert smooth.max() > 0.97 * true.max(), "the peak stays"


def test_a_track_of_one_frame_works() -> None:
    fitted = pose.canonical_transform(seen(np.eye(3))[None], smooth=2.0)
    assert len(fitted) == 1


def test_frames_without_a_mesh_do_not_spoil_the_mean_head() -> None:
    track = talking(10)
    track[3] = np.nan
    assert np.isfinite(pose.mean_head(track)).all()
    np.testing.assert_array_equal(pose.mean_head(np.full((2, 478, 3), np.nan)), mesh.head())
