"""Where a face may be changed: gaps, borders, occlusion, blur, size and profile."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.tracks import FaceTrack, Reason
from dubcli.face import condition, mesh, steady
from dubcli.face.follow import Observation, Trace
from dubcli.settings.config import Settings

LIMITS = Settings().track.model_dump()
SHAPE = (720, 1280)
Array = NDArray[np.float64]


def skin(random: np.random.Generator) -> Array:
    """A face's colours: shaded skin, a beard, darker lips, a little noise."""
    tint = np.full((468, 3), (200.0, 150, 120)) + 25 * mesh.head()[:468, :1]
    tint[mesh.head()[:468, 1] > 0.65] *= 0.5
    tint[list(mesh.LIPS_OUTER)] -= 20
    return np.asarray(tint + random.normal(0, 2, tint.shape))


def observations(
    frames: int,
    occluded: tuple[int, int] = (0, 0),
    yaw: Array | None = None,
    light: Array | None = None,
    shade: tuple[float, float, float] | None = None,
) -> list[Observation | None]:
    """A face whose chin and mouth are occluded for some frames, by something dark or a shade of the skin."""
    random = np.random.default_rng(0)
    found: list[Observation | None] = []
    for k in range(frames):
        angle = np.radians(0.0 if yaw is None else yaw[k])
        turn = np.array(((np.cos(angle), 0, np.sin(angle)), (0, 1, 0), (-np.sin(angle), 0, np.cos(angle))))
        points = (mesh.head() @ turn * 100 + (640, 360, 0)).astype(np.float32)
        colour = skin(random) * (1.0 if light is None else light[k])
        colour *= 1 + (1.2 * np.sin(angle) * mesh.head()[:468, 0])[:, None]  # light from one side
        spread = 0.005
        if occluded[0] <= k < occluded[1]:
            part = (mesh.head()[:468, 1] > 0.6) & (mesh.head()[:468, 0] < 0.2)
            colour[part] = (20, 20, 25) if shade is None else colour[part] * shade
            spread = 0.02
        picture = np.zeros((96, 96, 3), np.uint8) if k % 12 == 0 else None
        seen = np.clip(colour, 0, 255).astype(np.uint8)
        found.append(Observation(points, 1.0, spread, seen, 1.0, picture))
    return found


def finished(found: list[Observation | None], turn: int = 0) -> FaceTrack:
    trace = Trace(100, deque(found), deque([steady.NONE] * len(found)))
    (track,) = condition.finished([trace], len(found), SHAPE, turn)
    condition.judge(track, LIMITS, SHAPE)
    return track


def test_a_free_face_is_eligible_throughout() -> None:
    track = finished(observations(60))
    assert track.eligible.all()
    assert track.occlusion.max() < 0.1
    np.testing.assert_array_equal(track.frames, np.arange(100, 160))


def test_an_occlusion_is_found_from_just_earlier_to_just_later() -> None:
    track = finished(observations(90, occluded=(30, 50)))
    hidden = np.flatnonzero(track.reason == Reason.OCCLUDED)
    assert hidden.min() in range(22, 31)
    assert hidden.max() in range(49, 58)
    assert len(hidden) == hidden.max() - hidden.min() + 1


def test_a_turning_head_and_changing_light_are_no_occlusion() -> None:
    when = np.arange(90)
    track = finished(observations(90, yaw=20 * np.sin(when / 9), light=0.7 + 0.3 * np.cos(when / 13)))
    assert track.occlusion.max() < 0.3


def test_folds_and_shine_of_skin_are_no_occlusion_but_things_as_dark_or_bright_are() -> None:
    for fold, thing in (((0.68, 0.56, 0.52), (0.45, 0.45, 0.45)), ((1.3, 1.7, 2.0), (1.9, 1.9, 1.9))):
        assert finished(observations(90, occluded=(30, 50), shade=fold)).eligible.all()
        found = finished(observations(90, occluded=(30, 50), shade=thing)).reason == Reason.OCCLUDED
        assert found[30:50].all()


def test_a_hand_that_is_there_most_of_the_time_is_an_occlusion() -> None:
    track = finished(observations(90, occluded=(30, 88), shade=(0.45, 0.45, 0.45)))
    assert (track.reason[30:88] == Reason.OCCLUDED).all()
    assert track.eligible[:22].all()


def test_an_occluder_darker_than_any_fold_is_found_whatever_its_colour() -> None:
    track = finished(observations(90, occluded=(30, 50), shade=(0.45, 0.3, 0.22)))
    assert (track.reason[30:50] == Reason.OCCLUDED).all()


def test_a_gap_is_bridged_in_place_but_not_eligible() -> None:
    found = observations(30)
    found[10:14] = [None] * 4
    track = finished(found)
    np.testing.assert_array_equal(np.flatnonzero(track.reason == Reason.NO_MESH), np.arange(10, 14))
    np.testing.assert_allclose(track.mesh[12], track.mesh[9], atol=1e-2)


def test_profiles_small_and_blurred_faces_are_marked() -> None:
    profile = finished(observations(20, yaw=np.linspace(0, 70, 20)))
    assert (profile.reason[-4:] == Reason.PROFILE).all()
    assert (profile.reason[:8] == Reason.OK).all()

    track = finished(observations(20))
    track.size[3] = 12
    track.sharp[5] = 0.1
    condition.judge(track, LIMITS, SHAPE)
    assert (track.reason[3], track.reason[5]) == (Reason.SMALL, Reason.BLURRED)


def test_a_mesh_that_the_views_disagree_on_is_no_face() -> None:
    found = [Observation(s.mesh, 0.7, 0.08, s.colour, 1.0, s.thumb) for s in observations(20) if s]
    trace = Trace(0, deque(found), deque([steady.NONE] * 20))
    assert condition.finished([trace], 20, SHAPE, 0) == []


def test_what_lies_under_words_is_occluded() -> None:
    found = observations(100)
    for k in (*range(30, 36), *range(50, 56)):  # in between the face is still
        each = found[k]
        assert each is not None
        found[k] = replace(each, overlay=0.1)
    track = finished(found)
    np.testing.assert_array_equal(np.flatnonzero(track.reason == Reason.OCCLUDED), np.arange(24, 62))


def test_a_face_that_is_half_outside_leaves_the_picture() -> None:
    track = finished(observations(60, occluded=(20, 40)))
    assert (track.reason[22:38] == Reason.OCCLUDED).all()
    track.mesh[30:, :, 0] -= track.mesh[0, mesh.NOSE_TIP, 0] - 40  # its lips stay inside
    track.reason[:] = Reason.OK
    condition.judge(track, LIMITS, SHAPE)
    assert (track.reason[22:30] == Reason.OCCLUDED).all()
    assert (track.reason[30:38] == Reason.EDGE).all()
    assert (track.reason[50:] == Reason.OK).all()


def test_a_short_or_tiny_detection_is_no_track() -> None:
    short = Trace(0, deque(observations(3)), deque([steady.NONE] * 3))
    assert condition.finished([short], 3, SHAPE, 0) == []
    brief = Trace(0, deque(observations(11)), deque([steady.NONE] * 11))
    assert condition.finished([brief], 60, SHAPE, 0) == []  # leaves in the wind, for half a second
    assert len(condition.finished([brief], 11, SHAPE, 0)) == 1  # all of its shot
    tiny = [Observation(s.mesh * 0.05, 1.0, 0.005, s.colour, 1.0, s.thumb) for s in observations(20) if s]
    assert condition.finished([Trace(0, deque(tiny), deque([steady.NONE] * 20))], 20, SHAPE, 0) == []


def test_a_turned_raster_does_not_count_as_a_leaning_head() -> None:
    upright = finished(observations(8))
    found = []
    for observation in observations(8):
        assert observation is not None
        x, y, z = observation.mesh.T
        # Shown a quarter turn clockwise: the raster is what is shown, a quarter turn back.
        points = np.stack([y, SHAPE[0] - x, z], axis=1).astype(np.float32)
        found.append(Observation(points, 1.0, 0.005, observation.colour, 1.0, observation.thumb))
    track = finished(list(found), turn=1)
    np.testing.assert_allclose(track.pose, upright.pose, atol=0.5)
