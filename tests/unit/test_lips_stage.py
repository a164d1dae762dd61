"""The lips stage, with the default engine, on the sample film."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts
from dubcli.core.model import Task
from dubcli.engines import registry
from dubcli.engines.lips import LipWork
from dubcli.engines.lips.exemplar import ExemplarEngine
from dubcli.errors import CheckError, EngineError
from dubcli.media.patches import Patch, Patches
from dubcli.stages import lips
from tests.unit.lipwork import Shot


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
