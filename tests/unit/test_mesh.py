"""The mesh's regions: the skull holds still, the mouth moves, rings are closed, left mirrors right."""

from __future__ import annotations

import numpy as np

from dubcli.face import mesh


def test_the_skull_and_the_mouth_share_no_point() -> None:
    assert not set(mesh.RIGID) & set(mesh.MOUTH)
    assert set(mesh.LIPS_OUTER) | set(mesh.LIPS_INNER) <= set(mesh.MOUTH)


def test_regions_are_as_wide_on_the_left_as_on_the_right() -> None:
    other = mesh.mirror()
    for region in (mesh.RIGID, mesh.MOUTH, mesh.LIPS_OUTER, mesh.LIPS_INNER, mesh.JAW, mesh.FACE_OVAL):
        assert {int(other[k]) for k in region} == set(region)
    assert other[mesh.EYE_LEFT] == mesh.EYE_RIGHT
    assert (other[other] == np.arange(mesh.POINTS)).all()


def test_lip_rings_run_around_the_mouth_once() -> None:
    for ring in (mesh.LIPS_OUTER, mesh.LIPS_INNER):
        points = mesh.head()[list(ring), :2]
        middle = points.mean(axis=0)
        angle = np.unwrap(np.arctan2(*(points - middle).T[::-1]))
        steps = np.diff(np.append(angle, angle[0] + 2 * np.pi * np.sign(angle[-1] - angle[0])))
        assert (np.sign(steps) == np.sign(steps[0])).all()
        assert abs(abs(steps.sum()) - 2 * np.pi) < 1e-6


def test_the_average_head_is_upright_and_one_eye_distance_wide() -> None:
    head = mesh.head()
    np.testing.assert_allclose(head[mesh.EYE_LEFT], (-0.5, 0, 0), atol=1e-3)
    np.testing.assert_allclose(head[mesh.EYE_RIGHT], (0.5, 0, 0), atol=1e-3)
    assert head[mesh.CHIN, 1] > head[mesh.LOWER_LIP, 1] > head[mesh.UPPER_LIP, 1] > 0 > head[mesh.FOREHEAD, 1]
    assert head[mesh.NOSE_TIP, 2] < head[list(mesh.JAW), 2].min() + 0.1, "the nose points at the viewer"


def test_triangles_cover_the_skin_but_neither_eyes_nor_mouth() -> None:
    triangles = mesh.triangles()
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]]), axis=1
    )
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert uses.max() == 2
    border = len(mesh.FACE_OVAL) + len(mesh.LIPS_INNER) + len(mesh.EYE_RING_LEFT) + len(mesh.EYE_RING_RIGHT)
    assert (uses == 1).sum() == border


def test_opening_is_the_lip_gap_in_eye_distances() -> None:
    face = mesh.head().copy() * 200
    face[mesh.UPPER_LIP, :2], face[mesh.LOWER_LIP, :2] = (0, 100), (0, 150)
    assert abs(float(mesh.aperture(face)) - 0.25) < 1e-3
