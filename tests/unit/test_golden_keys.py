"""Golden keys: a unit's key changes only together with its stage's version or its engine's algorithm number.

A stage whose parameters, facts or inputs change asks old stores for other keys. Where that is meant, bump the
stage's version and write the goldens anew:

    python -m tests.unit.test_golden_keys
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from dubcli import stages
from dubcli.artifacts.base import Document
from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.artifacts.media import AudioStream, MediaInfo, VideoStream
from dubcli.artifacts.patches import Placement
from dubcli.artifacts.shots import Groups, Shot, Shots
from dubcli.core import keys
from dubcli.core.model import Artifact, JobView, Source
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
UPSTREAM: dict[str, dict[str, tuple[Document, ...]]] = {
    "probe": {"film": (MEDIA,)},
    "split": {"film": (SHOTS, Groups(starts=(0, 48), keys=(0, 48), fixed=(False, False)))},
    "track": {shot.name: () for shot in SHOTS.shots},
    "cast": {"film": (Cast(persons=(Person(id="p01", faces=(("00000048", 0),)),)),)},
    "align": {"film": (), "dub": ()},
    "cue": {"film": (Cues(cues=(CUE,)),)},
    "learn": {"film": ()},
    "motion": {"00000048.0": ()},
    "lips": {"00000048.0": ()},
    "compose": {"00000048": ()},
    "remux": {"film": ()},
}
MANIFEST = {"files": {"gallery-p01.npz": {"size": 1, "sha256": "gallery"}}}


def found(folder: Path) -> dict[str, str]:
    """Stage and algorithm numbers → key, for every unit of a small made-up job."""
    view = JobView(
        sources={role: Source(folder / f"{role}.mp4", role) for role in ("film", "dub")}, settings=Settings()
    )
    out = {}
    for name in stages.ORDER:
        module = stages.module(name)
        for unit in module.units(view):
            image = keys.preimage(unit)
            engine = f" {unit.engine.name}-{unit.engine.algorithm}" if unit.engine else ""
            out[f"{unit.id} v{module.STAGE.version}{engine}"] = keys.digest(image)
        view.artifacts[name] = {
            unit: _artifact(folder / name / unit, f"{name}/{unit}", documents)
            for unit, documents in UPSTREAM.get(name, {}).items()
        }
    return out


def _artifact(path: Path, content: str, documents: tuple[Document, ...]) -> Artifact:
    path.mkdir(parents=True)
    for document in documents:
        document.save(path)
    (path / "artifact.json").write_text(json.dumps(MANIFEST), "utf-8")
    if content.startswith("lips"):
        frames = np.arange(50, 90, dtype=np.int32)
        Placement(frames, np.zeros((40, 2), np.int32), np.ones(40, np.float32)).save(path)
    return Artifact("", path, content)


def test_keys_change_only_with_versions(tmp_path: Path) -> None:
    assert found(tmp_path) == json.loads(GOLDEN.read_text("utf-8")), "see the head of this file"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        GOLDEN.write_text(json.dumps(found(Path(temporary)), indent=1) + "\n", "utf-8")
