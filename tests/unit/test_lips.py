"""The default lip engine and its stage, on the sample film."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import gallery, tracks
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts
from dubcli.artifacts.shots import Frames, Shots
from dubcli.core.model import Task
from dubcli.engines import registry
from dubcli.engines.lips import LipWork
from dubcli.engines.lips.exemplar import ExemplarEngine
from dubcli.engines.lips.passthrough import PassthroughEngine
from dubcli.errors import CheckError, EngineError
from dubcli.face import mesh as regions
from dubcli.face import pose
from dubcli.face.gallery import build, cut
from dubcli.media import decode
from dubcli.media.patches import Patch, Patches
from dubcli.media.square import Square
from dubcli.settings.config import Settings
from dubcli.stages import lips, probe, scan, split, track
from tests.conftest import Sample

MOUTH = list(regions.MOUTH)
UPPER, LOWER = MOUTH.index(regions.UPPER_LIP), MOUTH.index(regions.LOWER_LIP)


@dataclass(frozen=True)
class Shot:
    """The longer shot of the tiny film with its one face, and what the lips stage reads."""

    film: Path
    folder: Path
    work: LipWork

    @property
    def own(self) -> NDArray[np.float32]:
        """The mouth as it is, (T, P, 3)."""
        head = gallery.load(self.work.gallery).head
        place = pose.canonical_transform(self.work.track.mesh, head, 0.8)
        return pose.to_canonical(self.work.track.mesh, place)[:, MOUTH]

    def wanted_aperture(
        self, shape: NDArray[np.float32], weight: float | NDArray[np.float32] = 1.0
    ) -> LipWork:
        weights = np.broadcast_to(np.asarray(weight, np.float32), (len(shape),)).copy()
        return replace(self.work, shape=shape.astype(np.float32), weight=weights)


@pytest.fixture(scope="module")
def shot(tiny: Sample, tmp_path_factory: pytest.TempPathFactory) -> Shot:
    folder = tmp_path_factory.mktemp("lips")

    def done(stage: Any, unit: str, inputs: dict[str, Path], params: Any, facts: Any, engine: str) -> Path:
        out: Path = folder / stage.STAGE.name
        out.mkdir()
        task = Task(unit, inputs, params, facts, engine, out)
        stage.run(task)
        stage.check(task)
        return out

    settings = Settings()
    film = {"film": tiny.film}
    film["probe"] = done(probe, "film", film, {}, {}, "")
    film["scan"] = done(scan, "film", film, {}, {}, "")
    film["split"] = done(split, "film", film, settings.split.model_dump(), {}, "")
    one = max(Shots.load(film["split"]).shots, key=lambda shot: shot.stop - shot.start)
    facts = {"count": one.stop - one.start, "quarter_turns": 0}
    params = settings.track.model_dump(exclude={"engine"})
    done(track, one.name, film, params, facts, "mediapipe")
    face = tracks.load(folder / "track", one.name)[0]
    video = MediaInfo.load(film["probe"]).film
    pts = Frames.load(film["split"]).pts
    path = folder / "gallery"
    path.mkdir()
    gallery.save(path, build(tiny.film, video, pts, None, [lambda: face], [one], 10**9))
    empty = np.zeros((len(face.frames), len(MOUTH), 3), np.float32)
    weight = np.zeros(len(empty), np.float32)
    work = LipWork(tiny.film, video, pts, None, face, one, face.frames, empty, weight, path)
    return Shot(tiny.film, folder, work)


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

        def rgb(self, rect: object = None) -> NDArray[np.uint8]:
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


def test_beyond_the_picture_the_mask_is_zero(shot: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    height = int(shot.work.track.mesh[:, regions.CHIN, 1].min()) - 4
    whole = decode.frames

    def uncut(film: Any, pts: Any, start: int, stop: int) -> Any:
        return whole(film, shot.work.video, pts, start, stop)

    @dataclass
    class Cut:
        frame: decode.Frame
        square: Square

        def rgb(self, rect: tuple[int, int, int, int]) -> NDArray[np.uint8]:
            assert rect[1] + rect[3] <= height
            return np.asarray(self.frame.rgb(rect))

    # A decoder of the same film with its lower part cut off.
    size = shot.work.video.width, height
    square = Square(size, size)
    monkeypatch.setattr(
        decode, "frames", lambda p, v, t, a, b, d: (Cut(f, square) for f in uncut(p, t, a, b))
    )
    video = shot.work.video.model_copy(update={"height": height})
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
    import cv2

    from dubcli.engines.lips import exemplar

    frames = shot.work.frames
    hidden = set(frames[len(frames) // 3 : 2 * len(frames) // 3].tolist())

    def with_hand(frame: decode.Frame, origin: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
        picture = np.ascontiguousarray(cut(frame, origin, size))
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
        return picture

    monkeypatch.setattr(exemplar, "cut", with_hand)
    closed = np.repeat(
        shot.own[[int((shot.own[:, LOWER, 1] - shot.own[:, UPPER, 1]).argmin())]], len(frames), 0
    )
    patches = {p.frame: p.mask.max() for p in ExemplarEngine().patches(shot.wanted_aperture(closed))}
    assert all(patches[frame] < 255 / 20 for frame in hidden)  # its first and last frames are of the fade
    assert patches[int(frames[0])] == patches[int(frames[-1])] == 255


def test_a_lamp_that_goes_out_leaves_no_glow_on_the_mouth(
    shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dubcli.engines.lips import exemplar

    dark = int(shot.work.frames[len(shot.work.frames) // 2])
    seen = {}

    def dimmed(frame: decode.Frame, origin: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
        picture = cut(frame, origin, size)
        seen[frame.index] = (picture * 0.7).astype(np.uint8) if frame.index >= dark else picture
        return seen[frame.index]

    monkeypatch.setattr(exemplar, "cut", dimmed)
    for patch in ExemplarEngine().patches(shot.wanted_aperture(shot.own)):
        inside = patch.mask == 255
        glow = patch.rgb[inside].mean() / seen[patch.frame][inside].mean()
        assert abs(glow - 1) < 0.04, patch.frame


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


# The stage.


def staged(shot: Shot, out: Path, engine: str = "exemplar", count: int = 12, weight: float = 1) -> Task:
    """Run the stage on a motion that asks for the last mouths first."""
    motion = out.parent / f"{out.name}-motion"
    motion.mkdir()
    out.mkdir()
    shape = shot.own[::-1][:count]
    rest = np.zeros(count, np.float32)
    Motion(shot.work.frames[:count], shape, rest + np.float32(weight), rest, rest).save(
        motion, shot.work.shot.name
    )
    inputs = {
        "film": shot.film,
        "split": shot.folder / "split",
        "probe": shot.folder / "probe",
        "track": shot.folder / "track",
        "motion": motion,
        "gallery": shot.work.gallery,
    }
    task = Task("00000000.0", inputs, {}, {"track": 0}, engine, out)
    lips.run(task)
    return task


def test_the_stage_leaves_what_compose_reads(shot: Shot, tmp_path: Path) -> None:
    task = staged(shot, tmp_path / "a")
    lips.check(task)
    direct = list(
        ExemplarEngine().patches(
            replace(shot.wanted_aperture(shot.own[::-1][:12]), frames=shot.work.frames[:12])
        )
    )
    stored = Patches(task.out, shot.work.shot.name)
    for patch in direct:
        found = stored.at(patch.frame)
        assert found is not None
        rgb, mask, x, y = found
        shows = patch.mask > 0
        assert (rgb == np.where(shows[..., None], patch.rgb, 0)).all()
        assert (mask == patch.mask).all()
        assert (x, y) == patch.origin
    facts = PatchFacts.load(task.out)
    assert facts.changed == 12
    assert facts.confidence
    assert 0 < facts.confidence <= 1


def test_the_same_inputs_give_the_same_bytes(shot: Shot, tmp_path: Path) -> None:
    a, b = staged(shot, tmp_path / "a").out, staged(shot, tmp_path / "b").out
    names = sorted(p.name for p in a.iterdir())
    assert names == ["lips.json", "patch.npz", "patch.nut"]
    assert all((a / name).read_bytes() == (b / name).read_bytes() for name in names)


def test_an_engine_that_changes_nothing_leaves_no_pictures(shot: Shot, tmp_path: Path) -> None:
    task = staged(shot, tmp_path / "a", "passthrough")
    lips.check(task)
    assert not (task.out / "patch.nut").exists()
    assert len(Patches(task.out, shot.work.shot.name).frames) == 0


@pytest.mark.parametrize("engine", sorted(name for kind, name in registry.engines() if kind == "lips"))
@pytest.mark.parametrize("count", [0, 5])
def test_a_motion_without_weights_makes_nothing_with_any_engine(
    shot: Shot, tmp_path: Path, engine: str, count: int
) -> None:
    """A motion of no frames, as where a whole shot fits the dub already, and one whose weights are all 0."""
    task = staged(shot, tmp_path / "a", engine, count, weight=0)
    lips.check(task)
    assert not (task.out / "patch.nut").exists()
    assert len(Patches(task.out, shot.work.shot.name).frames) == 0


def test_frames_that_are_given_back_are_not_among_the_changed(
    shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ExemplarEngine.patches

    def gives_back(self: ExemplarEngine, work: LipWork) -> Iterator[Patch]:
        for k, patch in enumerate(honest(self, work)):
            if k == 6:  # lies outside the picture
                yield replace(patch, origin=(work.video.width, patch.origin[1]))
            else:
                yield replace(patch, mask=np.zeros_like(patch.mask)) if k in (0, 1, 11) else patch

    monkeypatch.setattr(ExemplarEngine, "patches", gives_back)
    task = staged(shot, tmp_path / "a")
    lips.check(task)
    patches = Patches(task.out, shot.work.shot.name)
    first = int(shot.work.frames[0])
    assert [frame - first for frame in patches.frames] == [2, 3, 4, 5, 7, 8, 9, 10]
    assert all(patch is not None and patch[1].any() for patch in map(patches.at, patches.frames.tolist()))
    assert PatchFacts.load(task.out).given_back == 4


def test_a_cut_off_or_missing_picture_is_found(shot: Shot, tmp_path: Path) -> None:
    task = staged(shot, tmp_path / "a")
    whole = (task.out / "patch.nut").read_bytes()
    (task.out / "patch.nut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckError):
        lips.check(task)
    (task.out / "patch.nut").unlink()
    with pytest.raises(CheckError):
        lips.check(task)


def test_patches_out_of_order_are_the_engines_fault(
    shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ExemplarEngine.patches
    monkeypatch.setattr(ExemplarEngine, "patches", lambda self, work: reversed(list(honest(self, work))))
    with pytest.raises(EngineError, match="order"):
        staged(shot, tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
