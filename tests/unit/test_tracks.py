"""Tracks on disk: what is read of them."""

from __future__ import annotations

import dataclasses
import tracemalloc
from dataclasses import fields
from pathlib import Path

import numpy as np

from dubcli.artifacts import tracks
from dubcli.artifacts.tracks import FaceTrack


def track(first: int, count: int = 40, pictures: int = 3) -> FaceTrack:
    chance = np.random.default_rng(first)
    return FaceTrack(
        frames=np.arange(first, first + count, dtype=np.int32),
        mesh=chance.normal(size=(count, 478, 3)).astype(np.float32),
        pose=np.zeros((count, 3), np.float32),
        size=np.full(count, 80, np.float32),
        sharp=np.ones(count, np.float32),
        occlusion=np.zeros(count, np.float32),
        reason=(np.arange(count) % 4 == 0).astype(np.uint8),
        thumbs=chance.integers(0, 255, (pictures, 96, 96, 3)).astype(np.uint8),
        descriptor=chance.normal(size=(pictures, 8)).astype(np.float32),
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = [track(0), track(7, 12, 1)]
    assert tracks.save(tmp_path, saved, "00000000") == 2
    for one, back in zip(saved, tracks.load(tmp_path, "00000000"), strict=True):
        for field in fields(FaceTrack):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(back, field.name))
            getattr(back, field.name)[:] = 0  # stages may write into what they have read
    bare = tracks.load_one(tmp_path, "00000000", 1)
    np.testing.assert_array_equal(bare.mesh, saved[1].mesh)
    assert bare.thumbs.shape == (0, 96, 96, 3)
    np.testing.assert_array_equal(tracks.thumbs(tmp_path, 0), saved[0].thumbs)


def test_one_track_is_read_without_its_pictures_and_without_the_others(tmp_path: Path) -> None:
    tracks.save(tmp_path, [track(k, 200, 100) for k in range(6)], "00000000")
    tracemalloc.start()
    own = tracks.load_one(tmp_path, "00000000", 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "tracks.npz").stat().st_size > 20e6
    assert peak < 1.2 * own.mesh.nbytes + 100_000


def test_a_crowd_is_read_with_few_files_open(tmp_path: Path) -> None:
    import resource

    tracks.save(tmp_path, [track(k, 2, 1) for k in range(200)], "00000000")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        assert len(tracks.load(tmp_path, "00000000")) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_tracks_know_no_place_in_the_film(tmp_path: Path) -> None:
    """A shot that a recut moves has the same file, and its frames are those of its new place."""
    one = track(0, 30, 3)
    moved = dataclasses.replace(one, frames=one.frames + np.int32(500))
    for name, shot, found in (("a", "00000000", one), ("b", "00000500", moved)):
        (tmp_path / name).mkdir()
        tracks.save(tmp_path / name, [found], shot)
    (a,), (b,) = ((tmp_path / name).iterdir() for name in "ab")
    assert a.read_bytes() == b.read_bytes()
    np.testing.assert_array_equal(tracks.load_one(tmp_path / "a", "00000500", 0).frames, moved.frames)
    (summary,) = tracks.summaries(tmp_path / "a", "00000500")
    assert (summary.first, summary.stop) == (500, 530)
