"""What the network sees: nothing of the mouth that the film shows, and the same in training and rendering."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import gallery as footage
from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines.lips import exemplar, meshes, retrieval
from dubcli.engines.lips.produb import engine, pairs, view
from dubcli.face import mesh as regions
from dubcli.face import pose
from tests.produb.drawn import FRAMES, HEIGHT, MOUTH, WIDTH, Face, looks


def test_nothing_of_the_sources_mouth_is_seen(face: Face) -> None:
    mesh, source = face.rest.mesh[0], face.pictures[int(face.rest.frames[0])]
    fitted = pose.canonical_transform(mesh[None], footage.load(face.gallery).head)
    to_view = view.placement(fitted, 64)
    # Every pixel whose centre lies in the masked part of the view: below the nose, from cheek to cheek.
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    at = np.stack([x, y], axis=-1) @ to_view[:, :2].T + to_view[:, 2]
    below = (at[..., 1] > 64 * (0.62 - view.CENTRE[1] + view.SIDE / 2) / view.SIDE) & (at[..., 1] < 64)
    jaw = below & (at[..., 0] > 0) & (at[..., 0] < 64)
    assert jaw[
        mesh[list(regions.LIPS_OUTER), 1].astype(int), mesh[list(regions.LIPS_OUTER), 0].astype(int)
    ].all()
    other = source.copy()
    other[jaw] = np.random.default_rng(0).integers(0, 255, (int(jaw.sum()), 3))
    before, after = looks(face, source, mesh), looks(face, other, mesh)
    for name in ("context", "visible", "maps", "references", "window"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    other[~jaw] = 255 - other[~jaw]
    assert (looks(face, other, mesh).context != before.context).any()


def test_the_mask_follows_the_skull_and_not_the_jaw(face: Face) -> None:
    mesh, source = face.rest.mesh[0], face.pictures[int(face.rest.frames[0])]
    lower = mesh.copy()
    lower[MOUTH, 1] += 12
    a, b = looks(face, source, mesh), looks(face, source, lower)
    np.testing.assert_array_equal(a.visible, b.visible)
    np.testing.assert_array_equal(a.context, b.context)
    assert (a.maps != b.maps).any()
    turned = mesh + np.array([7, 0, 0], np.float32)
    np.testing.assert_array_equal(looks(face, np.roll(source, 7, axis=1), turned).visible, a.visible)


def test_what_jumps_between_frames_is_evened_out_and_a_flash_is_not(face: Face) -> None:
    """One frame of three has a brighter mouth, or is brighter as a whole."""
    mesh, source = face.rest.mesh[0], face.pictures[int(face.rest.frames[0])]
    to_view = view.placement(pose.canonical_transform(mesh[None], footage.load(face.gallery).head), 64)
    lips = mesh[list(regions.LIPS_OUTER), :2]
    (x0, y0), (x1, y1) = lips.min(axis=0).astype(int), lips.max(axis=0).astype(int)

    def corrected(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], view.Seen]:
        return view.crop(picture, to_view, 64), looks(face, picture, mesh)

    def steadied(now: NDArray[np.uint8], beside: NDArray[np.uint8]) -> Any:
        drawn, seen = corrected(now)
        picture = now.astype(np.float32) / 255
        out = view.steadied(picture, drawn, [corrected(beside)] * 2, seen, to_view)
        changed = np.flatnonzero((out != picture).any(axis=(1, 2)))
        assert changed.min(initial=HEIGHT) > mesh[regions.EYE_LEFT, 1]  # nothing outside the window
        return (out[y0:y1, x0:x1].astype(np.float64) * 255 - source[y0:y1, x0:x1]).mean(axis=(0, 1))

    jumped, flash = source.copy(), (source * 0.6).astype(np.uint8)
    jumped[y0:y1, x0:x1] += 9
    np.testing.assert_allclose(steadied(source, source), 0, atol=0.3)
    np.testing.assert_allclose(steadied(source, jumped), 5, atol=1.5)  # two thirds, less towards the edge
    np.testing.assert_allclose(steadied(source, flash), 0, atol=1)
    grain = np.random.default_rng(1).normal(0, 4, source.shape)
    rough = np.clip(source + grain, 0, 255).astype(np.uint8)
    drawn, seen = corrected(rough)
    picture = rough.astype(np.float32) / 255
    out = view.steadied(picture, drawn, [corrected(source)] * 2, seen, to_view)
    fine = [p - cv2.GaussianBlur(p, (0, 0), 1.0) for p in (picture, out)]
    strength = [float(f[y0:y1, x0:x1].std()) for f in fine]
    assert strength[1] > 0.9 * strength[0]


def test_training_and_rendering_see_a_frame_alike(face: Face, film: tuple[Path, Path]) -> None:
    rows, made = (
        footage.load(face.gallery),
        pairs.build(
            {"p01": face.gallery}, pairs.fingerprint({"p01": face.gallery}), 64, film[1], lambda a, b: None
        ),
    )
    steady, head_pose = meshes.smoothed_runs(rows)
    own = pose.to_canonical(steady, head_pose)[:, MOUTH]
    frames = rows.frames.astype(np.int32)
    filmed = FaceTrack(
        frames, np.array(rows.mesh), rows.pose, head_pose.scale.astype(np.float32), rows.sharp,
        np.zeros(len(rows), np.float32), np.zeros(len(rows), np.uint8), face.rest.thumbs,
        face.rest.descriptor,
    )  # fmt: skip
    work = replace(
        face.lip_work(), track=filmed, frames=frames, shape=own, weight=np.ones(len(rows), np.float32)
    )
    plan = exemplar.prepare(work, pairs.WARPED)
    assert plan is not None
    shown = [seen for _, seen in engine.seen_frames(plan, 64)]
    assert len(made) >= len(shown)
    for k in (0, 20, len(shown) - 1):
        for name in ("context", "visible", "maps", "window"):
            np.testing.assert_allclose(
                getattr(made, name)[k].astype(int), getattr(shown[k], name).astype(int), atol=1
            )


def test_frames_are_drawn_from_footage_that_is_far_enough(face: Face) -> None:
    rows = footage.load(face.gallery)
    plans = pairs.paths(rows)
    assert sum(len(a) for a, _, _ in plans) > FRAMES
    assert {held for _, _, held in plans} == {False, True}
    for own, drawn_from, _ in plans:
        assert (np.abs(rows.frames[own, None] - rows.frames[drawn_from]) >= retrieval.APART).all()
    for number in (0, 20, FRAMES - 1):
        for row in pairs.borrowed(rows, pairs.bank(rows), number, -1):
            assert abs(rows.frames[row] - number) >= retrieval.APART
