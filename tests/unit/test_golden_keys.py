"""Golden keys: a unit's key changes only together with its stage's version or its engine's algorithm number.

A stage whose parameters, facts or inputs change asks old stores for other keys. Where that is meant, bump the
stage's version and write the goldens anew:

    python -m tests.unit.test_golden_keys
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from dubcli import stages
from dubcli.artifacts.base import Document
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.artifacts.measures import Measures
from dubcli.artifacts.media import AudioStream, MediaInfo, VideoStream
from dubcli.artifacts.patches import PatchFacts, Placement
from dubcli.artifacts.shots import Groups, Shot, Shots
from dubcli.artifacts.weights import Learnt, TrainFacts
from dubcli.core import keys
from dubcli.core.model import Artifact, JobView, Source
from dubcli.engines import registry, required
from dubcli.engines.registry import EngineInfo
from dubcli.settings.config import Settings

GOLDEN = Path(__file__).with_name("golden_keys.json")

VIDEO = VideoStream(
    index=0, codec="h264", tag="avc1", profile="High", width=512, height=512, pix_fmt="yuv420p",
    bit_depth=8, time_base=(1, 24000), average_rate=(24000, 1001), start_pts=0, sar=(1, 1),
    mirrored=False, rotation=0, primaries="bt709", transfer="bt709", matrix="bt709", range="tv",
    chroma_location="left", field_order="progressive", tags={}, dynamic=(), delay=0, packets=96,
    first_bytes=4000, digest="video",
)  # fmt: skip
AUDIO = AudioStream(
    index=1, digest="sound", codec="aac", rate=48000, channels=1, layout="mono", time_base=(1, 48000),
    start=0, language="eng", disposition=("default",), tags={},
)  # fmt: skip
MEDIA = MediaInfo(
    format="mp4", start=(0, 1), video=VIDEO, audio=(AUDIO,), subtitles=(), other=(), chapters=0, tags={}
)
SHOTS = Shots(
    shots=(
        Shot(name="00000000", start=0, stop=48, picture="one"),
        Shot(name="00000048", start=48, stop=96, picture="two"),
    )
)
CUE = Cue(shot="00000048", track=0, person="p01", start=50, stop=90, kind="speak", confidence=1.0)
LEARNT = Learnt(frames=200, gain=0.02)
UPSTREAM: dict[str, dict[str, tuple[Document, ...]]] = {
    "probe": {"film": (MEDIA,)},
    "scan": {"film": ()},
    "split": {"film": (SHOTS, Groups(starts=(0, 48), keys=(0, 48), fixed=(False, False)))},
    "track": {shot.name: () for shot in SHOTS.shots},
    "cast": {"film": (Cast(persons=(Person(id="p01", faces=(("00000048", 0),)),)),)},
    "align": {"film": (), "dub": ()},
    "cue": {"film": (Cues(cues=(CUE,)),)},
    "gallery": {"p01": ()},
    "learn": {"film": ()},
    "train": {"film": (TrainFacts(engine="produb", steps=9, loss=0.1, people={"p01": LEARNT}, left_out={}),)},
    "adapt": {"p01": (TrainFacts(engine="produb", steps=9, loss=0.1, people={"p01": LEARNT}, left_out={}),)},
    "motion": {"00000048.0": ()},
    "lips": {"00000048.0": ()},
    "measure": {"00000048.0": (Measures(),)},
    "compose": {"00000048": ()},
    "remux": {"film": ()},
}

CHANGED: dict[str, dict[str, Any]] = {
    "split": {"threshold": 4.0},
    "track": {"min_size": 30.0},
    "cast": {"apart": 0.3},
    "align": {"offset": 1.0},
    "cue": {"pad": 0.5},
    "gallery": {"budget_mb": 100},
    "learn": {"least_speech": 3.0},
    "train": {"steps": 100},
    "adapt": {"person_steps": 50},
    "motion": {"amplitude": 1.5},
    "compose": {"crf": 20.0},
    "remux": {"original": "drop"},
    "measure": {"measure": 12},
    "report": {"seam": (0.4, 1.0)},
}
"""A setting of every stage that has one of its own, besides its engine."""

SECTIONS = {"measure": "report", "report": "quality", "adapt": "train"}
"""Sections of the settings that are not named as their stage is."""
PERSONAL = {"person_steps": 100}
"""Settings under which people have weights of their own."""


def found(folder: Path) -> dict[str, str]:
    """Stage and algorithm numbers → key, for every unit of a small made-up job; then under other settings."""
    out = _keys(folder / "default", {})
    for stage, values in CHANGED.items():
        (name, value), *_ = values.items()
        learns = {"lips": {"engine": "produb"}} if stage in stages.LEARNING else {}
        asked = {**(PERSONAL if learns else {}), **values}
        changed = _keys(folder / stage, {SECTIONS.get(stage, stage): asked, **learns}, only=(stage,))
        out |= {f"{unit} {stage}.{name}={value}": key for unit, key in changed.items()}
    for info in registry.BUILTIN:
        stage = required.SETTINGS[info.kind].split(".")[0]
        only = (*stages.LEARNING, stage) if info.kind == "lips" else (stage,)
        settings: dict[str, Any] = {stage: {"engine": info.name}} | ({"train": PERSONAL} if only[1:] else {})
        out |= _keys(folder / f"{info.kind}-{info.name}", settings, only=only)
    return out


def _keys(folder: Path, settings: dict[str, Any], only: tuple[str, ...] = ()) -> dict[str, str]:
    engine = str([*settings.values(), {}][0].get("engine"))
    roles = ["film", "dub"]
    more: dict[str, list[str]] = {
        "script": ["script"],
        "whisperx": ["whisperx/model", "whisperx/ctc"],
        "insightface": ["insightface/detector", "insightface/landmarks", "insightface/identity"],
    }
    roles += more.get(engine, [])
    view = JobView(
        sources={role: Source(folder / f"{role}.mp4", role) for role in roles},
        settings=Settings.model_validate(settings),
    )
    out = {}
    for name in stages.ORDER:
        module = stages.module(name)
        for unit in module.units(view):
            if only and name not in only:
                continue
            image = keys.preimage(unit)
            by = f" {unit.engine.name}-{unit.engine.algorithm}" if unit.engine else ""
            out[f"{unit.id} v{module.STAGE.version}{by}"] = keys.digest(image)
        view.artifacts[name] = {
            unit: _artifact(folder / name / unit, f"{name}/{unit}", documents)
            for unit, documents in UPSTREAM.get(name, {}).items()
        }
    return out


def _artifact(path: Path, content: str, documents: tuple[Document, ...]) -> Artifact:
    path.mkdir(parents=True)
    for document in documents:
        document.save(path)
    if content.startswith("lips"):
        frames = np.arange(50, 90, dtype=np.int32)
        Placement(frames, np.zeros((40, 2), np.int32), np.ones(40, np.float32)).save(path, "00000048")
        PatchFacts(engine="made", frames=40, changed=40, in_shot=((2, 42),), given_back=0).save(path)
    return Artifact("", path, content)


def versions(info: EngineInfo, paths: Mapping[str, Path]) -> dict[str, str]:
    """In place of what this machine happens to have."""
    return {"library": "1"} if info.libraries else {}


def test_keys_change_only_with_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineInfo, "versions", versions)
    keys = found(tmp_path)
    assert keys == json.loads(GOLDEN.read_text("utf-8")), "see the head of this file"
    engines = {name.partition(" v")[2].partition(" ")[2] for name in keys if "=" not in name} - {""}
    assert engines == {f"{info.name}-{info.algorithm}" for info in registry.BUILTIN}
    assert set(CHANGED) | {"probe", "scan", "lips"} == set(stages.ORDER)
    same = len(keys) - len(set(keys.values()))
    assert same == 1, "only the film's own sound does not depend on when the dub begins"


def test_other_networks_measure_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meshes of a dubbed face are found by the default tracker's networks, whatever tracker the job used."""
    monkeypatch.setattr(EngineInfo, "versions", versions)
    before = _keys(tmp_path / "before", {}, only=("measure",))
    monkeypatch.setattr(EngineInfo, "digests", lambda info: {"mesh.tflite": "another"})
    after = _keys(tmp_path / "after", {}, only=("measure",))
    assert list(before) == list(after) != []
    assert set(before.values()).isdisjoint(after.values())


if __name__ == "__main__":
    known = mock.patch.object(EngineInfo, "versions", versions)
    with tempfile.TemporaryDirectory() as temporary, known:
        GOLDEN.write_text(json.dumps(found(Path(temporary)), indent=1) + "\n", "utf-8")
