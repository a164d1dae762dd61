"""The default lip engine, on the sample film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import gallery
from dubcli.engines.lips import plan
from dubcli.engines.lips.exemplar import ExemplarEngine
from dubcli.engines.lips.passthrough import PassthroughEngine
from dubcli.engines.lips.plan import Plan
from dubcli.face import mesh as regions
from dubcli.face.gallery import cut
from dubcli.media import decode
from dubcli.media.patches import Patch
from tests.unit.lipwork import MOUTH, Shot

UPPER, LOWER = MOUTH.index(regions.UPPER_LIP), MOUTH.index(regions.LOWER_LIP)


def pictures(shot: Shot) -> Iterator[NDArray[np.uint8]]:
    frames = shot.work.frames
    for frame in decode.frames(
        shot.film, shot.work.video, shot.work.pts, int(frames[0]), int(frames[-1]) + 1
    ):
        yield frame.rgb((0, 0, shot.work.video.width, shot.work.video.height))


def composed(picture: NDArray[np.uint8], patch: Patch) -> NDArray[np.uint8]:
    """The picture with the patch mixed in by its mask."""
    out = picture.astype(np.float64)
    x, y = patch.origin
    h, w = patch.mask.shape
    rows, columns = slice(max(0, y), y + h), slice(max(0, x), x + w)
    part = out[rows, columns]
    top, left = max(0, -y), max(0, -x)
    mask = patch.mask[top : top + part.shape[0], left : left + part.shape[1], None] / 255
    rgb = patch.rgb[top : top + part.shape[0], left : left + part.shape[1]]
    part += mask * (rgb - part)
    return np.rint(out).astype(np.uint8)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


def test_the_mouth_it_has_already_is_left_as_it_is(shot: Shot) -> None:
    patches = list(ExemplarEngine().patches(shot.wanted_aperture(shot.own)))
    assert [p.frame for p in patches] == shot.work.frames.tolist()
    for picture, patch in zip(pictures(shot), patches, strict=True):
        x, y = patch.origin
        h, w = patch.mask.shape
        box = (slice(max(0, y), y + h), slice(max(0, x), x + w))
        assert psnr(composed(picture, patch)[box], picture[box]) > 33


def test_the_picture_shows_the_mouth_that_is_wanted(shot: Shot) -> None:
    own = shot.own
    gap = own[:, LOWER, 1] - own[:, UPPER, 1]
    closed, wide = own[int(gap.argmin())], own[int(gap.argmax())]
    swing = 0.5 - 0.5 * np.cos(np.arange(len(own)) * 2 * np.pi / 12)
    wanted = closed + swing[:, None, None].astype(np.float32) * (wide - closed)
    patches = ExemplarEngine().patches(shot.wanted_aperture(wanted))
    from dubcli.engines.trackers.mediapipe import MediapipeTracker

    @dataclass
    class Drawn:
        index: int
        picture: NDArray[np.uint8]

        def eight_bit(self) -> NDArray[np.uint8]:
            return self.picture

    made = [
        Drawn(k, composed(picture, patch))
        for k, (picture, patch) in enumerate(zip(pictures(shot), patches, strict=True))
    ]
    seen = MediapipeTracker().track(made, views=2)[0]
    got = regions.aperture(seen.mesh)
    wanted_aperture = (wanted[:, LOWER, 1] - wanted[:, UPPER, 1])[seen.frames]
    assert np.corrcoef(got, wanted_aperture)[0, 1] > 0.9
    assert 0.75 < got.std() / wanted_aperture.std() < 1.3


def test_frames_without_weight_have_no_patch_and_others_one_size(shot: Shot) -> None:
    own = shot.own
    weight = np.zeros(len(own), np.float32)
    weight[4:9], weight[12:20] = 1, 0.5
    patches = list(ExemplarEngine().patches(shot.wanted_aperture(own[::-1], weight)))
    first = int(shot.work.frames[0])
    assert [p.frame - first for p in patches] == [*range(4, 9), *range(12, 20)]
    assert len({p.rgb.shape for p in patches}) == 1
    assert not any(v % 2 for p in patches for v in (*p.origin, *p.mask.shape))
    assert max(p.mask.max() for p in patches[5:]) <= 128
    assert all(0 <= p.confidence <= 1 for p in patches)


def test_the_mask_ends_within_the_patch_and_the_patch_within_the_picture(shot: Shot) -> None:
    for patch in ExemplarEngine().patches(shot.wanted_aperture(shot.own[::-1])):
        rim = np.concatenate([patch.mask[0], patch.mask[-1], patch.mask[:, 0], patch.mask[:, -1]])
        assert rim.max() == 0
        assert patch.mask.max() == 255


@pytest.mark.parametrize("bar", [False, True], ids=["border", "letterbox"])
def test_beyond_the_picture_the_mask_is_zero(shot: Shot, monkeypatch: pytest.MonkeyPatch, bar: bool) -> None:
    height = int(shot.work.track.mesh[:, regions.CHIN, 1].min()) - 4
    whole = decode.frames

    @dataclass
    class Cut:
        """A frame whose lower part is not there: cut off, or under a bar."""

        frame: decode.Frame
        index: int

        def around(self, at: tuple[float, float]) -> tuple[int, int, int, int]:
            return 0, 0, shot.work.video.width, height

        def rgb(self, rect: tuple[int, int, int, int]) -> NDArray[np.uint8]:
            assert rect[1] + rect[3] <= height
            return np.asarray(self.frame.rgb(rect))

    def frames(film: Any, _: Any, pts: Any, start: int, stop: int, digests: Any) -> Iterator[Cut]:
        return (Cut(frame, frame.index) for frame in whole(film, shot.work.video, pts, start, stop))

    monkeypatch.setattr(decode, "frames", frames)
    video = shot.work.video if bar else shot.work.video.model_copy(update={"height": height})
    patch = next(iter(ExemplarEngine().patches(replace(shot.wanted_aperture(shot.own[::-1]), video=video))))
    below = height - patch.origin[1]
    assert below < patch.mask.shape[0]
    assert patch.mask[below:].max() == 0
    assert patch.mask[:below].max() == 255


def test_without_footage_nothing_is_changed(shot: Shot, tmp_path: Path) -> None:
    full = gallery.load(shot.work.gallery)
    empty = {
        name: getattr(full, name)[:0]
        for name in ("frames", "origin", "mesh", "shape", "pose", "run", "sharp", "texture", "occlusion")
    }
    crop = gallery.Crops(np.zeros(0, np.uint8), np.zeros((0, 2), np.int32))
    gallery.save(tmp_path, replace(full, crop=crop, **empty))
    track_ = replace(shot.work.track, reason=np.ones_like(shot.work.track.reason))
    work = replace(shot.wanted_aperture(shot.own), gallery=tmp_path, track=track_)
    assert list(ExemplarEngine().patches(work)) == []


def test_a_gallery_of_other_scenes_is_helped_by_the_shot_itself(shot: Shot, tmp_path: Path) -> None:
    away = gallery.load(shot.work.gallery)
    assert isinstance(away.crop, gallery.Crops)
    crop = gallery.Crops(np.asarray(away.crop.pixels) // 4, away.crop.size)
    darker = replace(away, frames=away.frames + 100_000, crop=crop, texture=away.texture // np.uint8(4))
    gallery.save(tmp_path, darker)
    work = replace(shot.wanted_aperture(shot.own), gallery=tmp_path)
    patches = list(ExemplarEngine().patches(work))
    picture = next(pictures(shot))
    assert psnr(composed(picture, patches[0]), picture) > 35


def test_lips_behind_a_hand_stay_those_of_the_film(shot: Shot, monkeypatch: pytest.MonkeyPatch) -> None:

    frames = shot.work.frames
    hidden = set(frames[len(frames) // 3 : 2 * len(frames) // 3].tolist())

    def with_hand(frame: decode.Frame, origin: tuple[int, int], size: tuple[int, int]) -> Any:
        picture, inside = cut(frame, origin, size)
        picture = np.ascontiguousarray(picture)
        if frame.index in hidden:
            mesh = shot.work.track.mesh[frame.index - int(frames[0]), :, :2] - origin
            nose, lip, chin = (mesh[k] for k in (regions.NOSE_TIP, regions.UPPER_LIP, regions.CHIN))
            skin, along = picture[tuple(nose.astype(int)[::-1])].astype(float), chin - lip
            # Two fingers of the colour of skin, and what is dark between them.
            for side, shade in ((0.0, 0.4), (-0.45, 1.1), (0.45, 1.1)):
                start = lip - 0.2 * along + side * np.array([-along[1], along[0]])
                ends = [p.round().astype(int).tolist() for p in (start, start + 2 * along)]
                thick = max(3, round(float(np.linalg.norm(along)) / 2.2))
                cv2.line(picture, ends[0], ends[1], (skin * shade).clip(0, 255).tolist(), thick)
        return picture, inside

    monkeypatch.setattr(plan, "cut", with_hand)
    closed = np.repeat(
        shot.own[[int((shot.own[:, LOWER, 1] - shot.own[:, UPPER, 1]).argmin())]], len(frames), 0
    )
    patches = {p.frame: p.mask.max() for p in ExemplarEngine().patches(shot.wanted_aperture(closed))}
    assert all(patches[frame] < 255 / 20 for frame in hidden)  # its first and last frames are of the fade
    assert patches[int(frames[0])] == patches[int(frames[-1])] == 255


def test_a_lamp_that_goes_out_leaves_no_glow_on_the_mouth(
    shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:

    dark = int(shot.work.frames[len(shot.work.frames) // 2])
    seen = {}

    def dimmed(frame: decode.Frame, origin: tuple[int, int], size: tuple[int, int]) -> Any:
        picture, within = cut(frame, origin, size)
        seen[frame.index] = (picture * 0.7).astype(np.uint8) if frame.index >= dark else picture
        return seen[frame.index], within

    monkeypatch.setattr(plan, "cut", dimmed)
    for patch in ExemplarEngine().patches(shot.wanted_aperture(shot.own)):
        inside = patch.mask == 255
        glow = patch.rgb[inside].mean() / seen[patch.frame][inside].mean()
        assert abs(glow - 1) < 0.04, patch.frame


@pytest.mark.parametrize(("lit", "kept"), [((0,), True), ((0, 1), True), (range(-8, 9, 2), False)])
def test_a_frame_that_a_flash_washes_out_stays_as_it_is(
    shot: Shot, monkeypatch: pytest.MonkeyPatch, lit: Sequence[int], kept: bool
) -> None:
    """Lips would be dark on white there. In a strobe mouths are seen, so they speak."""
    middle = int(shot.work.frames[len(shot.work.frames) // 2])

    def flashed(frame: decode.Frame, origin: tuple[int, int], size: tuple[int, int]) -> Any:
        picture, within = cut(frame, origin, size)
        lifted = np.clip(picture.astype(int) + 100, 0, 255).astype(np.uint8)
        return lifted if frame.index - middle in lit else picture, within

    monkeypatch.setattr(plan, "cut", flashed)
    masks = {p.frame: p.mask.max() for p in ExemplarEngine().patches(shot.wanted_aperture(shot.own))}
    assert {frame for frame, most in masks.items() if not most} == {middle + k for k in lit if kept}


def test_an_edit_of_the_curves_changes_only_what_is_near_it(shot: Shot) -> None:
    """Footage may change five frames around the edit; light and grain are steadied over eight frames more."""
    own = shot.own[::-1].copy()
    count = len(own)
    weight = np.ones(count, np.float32)
    weight[:2], weight[8:10] = 0, 0
    edit = own.copy()
    edit[20:26, [LOWER]] += (0, 0.2, 0)
    changed = weight.copy()
    changed[34:36] = 0
    before = {patch.frame: patch for patch in ExemplarEngine().patches(shot.wanted_aperture(own, weight))}
    work = replace(
        shot.wanted_aperture(edit, changed), found=(shot.wanted_aperture(own, weight).shape, weight)
    )
    after = {patch.frame: patch for patch in ExemplarEngine().patches(work)}
    first = int(shot.work.frames[0])
    assert [frame - first for frame in before.keys() - after.keys()] == [34, 35]
    differ = {
        frame - first
        for frame in after
        if np.abs(shown(shot, before[frame]) - shown(shot, after[frame])).max() > 0
    }
    assert set(range(20, 26)) <= differ
    assert differ <= {*range(20 - 5, 26 + 5 + 7), *range(34 - 5, 36 + 5 + 7)}
    assert count > 36 + 5 + 7 + 5


def shown(shot: Shot, patch: Patch) -> NDArray[np.float64]:
    """What a patch puts on black, in the film's raster, in 0-255."""
    black = np.zeros((shot.work.video.height, shot.work.video.width, 3), np.uint8)
    return composed(black, patch).astype(float)


def test_passthrough_leaves_everything(shot: Shot) -> None:
    assert list(PassthroughEngine().patches(shot.wanted_aperture(shot.own))) == []


def test_frames_drawn_on_threads_are_those_drawn_one_after_the_other(
    shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shot.wanted_aperture(shot.own[::-1])
    alone = list(ExemplarEngine().patches(work))
    monkeypatch.setattr(plan, "_THREADED", 0)
    together = list(ExemplarEngine().patches(work))
    assert [patch.frame for patch in together] == [patch.frame for patch in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
        np.testing.assert_array_equal(one.mask, other.mask)


def test_a_large_face_is_drawn_with_fewer_frames_in_memory_after_it_ran_out() -> None:
    def held(batch: float, size: tuple[int, int]) -> int:
        plan = SimpleNamespace(size=size, work=SimpleNamespace(batch=batch))
        return cast(int, Plan.ahead.fget(plan))  # type: ignore[attr-defined]

    large, small = (1200, 900), (120, 90)
    assert held(1.0, large) > held(0.5, large) == 1
    assert held(1.0, small) == held(0.5, small), "which holds next to nothing"
